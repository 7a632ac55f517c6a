package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// askTime bounds how long a launch tries to post its question before
// CloudFormation is answered. A longer Retry-After is left to the sweep.
const askTime = 20 * time.Second

// request answers the resource that requests an approval: SUCCESS as soon as the
// request is on record and the approvers have been asked, so that the wait
// condition starts.
func (n *Notifier) request(ctx context.Context, ev customResource, p properties) (response, error) {
	if ev.RequestType == "Update" && !waitURLChanged(ev, p) {
		// Without a new handle nothing waits, so there is nothing to approve.
		return ev.succeeded("", map[string]string{"RequestId": ev.PhysicalResourceID}), nil
	}
	id := handle.NewID(ev.StackID, ev.LogicalResourceID, ev.RequestID)
	r, err := n.newRequest(ctx, ev, p)
	if err != nil {
		return ev.response("FAILED", err.Error(), id, nil), nil
	}
	holder := reconcile.NewHolder()
	r, _ = r.Claim(holder, r.CreatedAt)
	stored, err := n.create(ctx, r)
	if err != nil {
		return ev.response("FAILED", "the request could not be recorded, so no approver was asked; launch again", id, nil), err
	}
	stored = n.ask(ctx, stored, holder)
	return n.launched(ctx, ev, stored, holder)
}

// ask reconciles a new request. If Slack or mail fails at first, it tries once
// more before the launch is given up.
func (n *Notifier) ask(ctx context.Context, r handle.Request, holder string) handle.Request {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for attempt := 1; ; attempt++ {
		next, err := n.ReconcileRecord(ctx, r, holder)
		if err != nil {
			n.Log.ErrorContext(ctx, "couldn't reconcile a new request", "request", r.ID, "error", err)
			// next is not what is stored: neither its marks nor its lease hold.
			stored, loadErr := n.Store.Load(ctx, r.ID)
			if loadErr != nil {
				return next
			}
			next = stored
		}
		r = next
		post := postAttempts(r)
		if attempt == 2 || r.Decision != nil || r.Asked() || post.Count == 0 && err == nil || post.RateLimited {
			return r
		}
		if n.Pause(ctx, max(0, post.NotBefore.Sub(n.Now()))) != nil {
			return r
		}
	}
}

// postAttempts are the failed attempts at posting the request's message.
func postAttempts(r handle.Request) handle.Attempts {
	return r.Attempts[handle.Step{Kind: handle.StepPost}.Key()]
}

// waitURLChanged reports whether an Update has a new wait handle.
func waitURLChanged(ev customResource, p properties) bool {
	old, err := parseProperties(ev.OldResourceProperties)
	if err != nil {
		return true
	}
	before, err1 := old.text("WaitUrl")
	now, err2 := p.text("WaitUrl")
	return err1 != nil || err2 != nil || before != now
}

// create stores r, or finds it stored: by a redelivered event, or by a write
// whose answer was lost.
func (n *Notifier) create(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := n.Store.Create(ctx, r)
	if err == nil {
		return stored, nil
	}
	found, loadErr := n.Store.Load(ctx, r.ID)
	if loadErr != nil {
		return handle.Request{}, fmt.Errorf("couldn't record the request: %w", err)
	}
	return found, nil
}

// launched answers by how far the request has come. If no approver could be
// asked, the launch fails at once instead of waiting for hours.
func (n *Notifier) launched(ctx context.Context, ev customResource, r handle.Request, holder string) (response, error) {
	busy := r.Lease.Holder != holder && n.Now().Before(r.Lease.Until)
	switch {
	case r.State() == handle.Withdrawn:
		return ev.response("FAILED", r.Decision.Reason, r.ID, nil), nil
	case r.Decision != nil, r.Asked(), postAttempts(r).RateLimited, busy:
		// A rate-limited message will be posted by the sweep. Busy means that
		// another delivery of this event is asking right now; if that fails, it
		// withdraws the request, which fails the wait.
		return ev.succeeded(r.ID, map[string]string{"RequestId": r.ID}), nil
	}
	reason := "no approver could be asked: " + n.askFailure(r)
	r, err := n.Change(ctx, r, reconcile.Withdrawn{Reason: reason, At: n.Now()})
	switch {
	case err != nil:
		return ev.response("FAILED", reason, r.ID, nil), err
	case r.State() != handle.Withdrawn: // an approver was asked after all, and has decided
		return ev.succeeded(r.ID, map[string]string{"RequestId": r.ID}), nil
	}
	return ev.response("FAILED", r.Decision.Reason, r.ID, nil), nil
}

// askFailure says why neither Slack nor mail could ask.
func (n *Notifier) askFailure(r handle.Request) string {
	post := postAttempts(r).Reason
	mail := r.Attempts[handle.Step{Kind: handle.StepMail, Notification: handle.Notification{Name: handle.NotifyAsked}}.Key()].Reason
	switch {
	case r.Terms.Channel == "" || n.Slack == nil:
		post = "Slack is not configured"
	case post == "":
		post = "Slack was not reached in time"
	}
	switch {
	case n.Mail == nil:
		mail = "no mail topic is configured"
	case mail == "":
		mail = "mail was not reached in time"
	}
	return post + "; " + mail
}

// newRequest makes the record of a launch from the resource's properties and from
// what CloudFormation says about the stack. The error is for the template's
// author.
func (n *Notifier) newRequest(ctx context.Context, ev customResource, p properties) (handle.Request, error) {
	now := n.Now().UTC()
	region, account, name, ok := parseStackID(ev.StackID)
	if !ok {
		return handle.Request{}, errors.New("the event's StackId is not a stack ARN")
	}
	a, err := p.approval(n.Defaults)
	if err != nil {
		return handle.Request{}, err
	}
	r := handle.Request{
		ID:        handle.NewID(ev.StackID, ev.LogicalResourceID, ev.RequestID),
		CreatedAt: now,
		Stack:     handle.Stack{ID: ev.StackID, Name: name, Account: account, Region: region, Gate: ev.LogicalResourceID},
		Terms:     a.terms,
	}
	if r.WaitURL, err = handle.ParseWaitURL(a.waitURL, ev.StackID, n.Origins, now); err != nil {
		return handle.Request{}, err
	}
	if n.Slack == nil {
		r.Terms.Channel = ""
	}
	if r.Terms.Deadline, err = handle.DecisionDeadline(now, a.timeout, n.Defaults.Margin, r.WaitURL); err != nil {
		return handle.Request{}, err
	}
	r.Terms.RemindAt = handle.ReminderTime(now, r.Terms.Deadline)
	if err := r.Terms.Check(); err != nil {
		return handle.Request{}, err
	}
	r.Requester.Email, r.Purpose = r.WaitURL.Redact(a.email), r.WaitURL.Redact(a.purpose)
	r.Details = handle.RedactFields(r.WaitURL, a.details)
	if err := n.addStack(ctx, &r); err != nil {
		return handle.Request{}, err
	}
	if a.title != "" {
		r.Product.Name = handle.OneLine(r.WaitURL.Redact(a.title), maxTitle)
	}
	return r.RecordCreation(), nil
}

// addStack adds what CloudFormation says about the stack. If it cannot be asked,
// claims stay claims, and the message says so. The error means that the event
// came too late: the stack no longer waits for an approval.
func (n *Notifier) addStack(ctx context.Context, r *handle.Request) error {
	d, err := n.Stacks.Describe(ctx, r.Stack.ID)
	if err != nil {
		n.Log.WarnContext(ctx, "couldn't read the stack; the requester stays unproven", "request", r.ID, "stack", r.Stack.ID, "error", err)
		return nil
	}
	if d.Status != "" && d.Status != "CREATE_IN_PROGRESS" && d.Status != "UPDATE_IN_PROGRESS" {
		return fmt.Errorf("the stack is %s, so there is nothing left to approve", handle.OneLine(d.Status, 60))
	}
	r.Product = product(d)
	r.Requester.Principal = principal(d)
	r.Parameters = handle.RedactFields(r.WaitURL, d.Parameters)
	return nil
}

// deleted handles the Delete of a request resource: while the request is pending
// it means that the stack gave up.
func (n *Notifier) deleted(ctx context.Context, ev customResource) error {
	r, err := n.Store.Load(ctx, ev.PhysicalResourceID)
	if errors.Is(err, handle.ErrNotFound) {
		return nil // never recorded, or not one of our requests
	}
	if err != nil {
		return fmt.Errorf("couldn't load the request of a deleted resource: %w", err)
	}
	if r.Stack.ID != ev.StackID || r.Decision != nil {
		return nil
	}
	_, err = n.Change(ctx, r, reconcile.Withdrawn{Reason: "the stack was rolled back or deleted before a decision", At: n.Now()})
	return err
}
