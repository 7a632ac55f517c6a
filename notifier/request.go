package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// askTime is how long a launch tries to ask before CloudFormation is answered.
// A Slack that asks for more patience is left to the sweep.
const askTime = 20 * time.Second

// request answers the resource that asks for an approval: with success as soon
// as the request is on record and somebody has been asked, so that the wait
// condition begins.
func (n *Notifier) request(ctx context.Context, ev custom, p properties) (response, error) {
	if ev.RequestType == "Update" && !waitURLChanged(ev, p) {
		// Without a new handle there is no new wait, and so nothing to approve.
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
		return ev.response("FAILED", "the request could not be put on record, so nobody was asked; launch again", id, nil), err
	}
	stored = n.ask(ctx, stored, holder)
	return n.launched(ctx, ev, stored, holder)
}

// ask settles a new request. What Slack or mail did not take at first may be a
// bad moment, so it is tried once more before the launch is given up.
func (n *Notifier) ask(ctx context.Context, r handle.Request, holder string) handle.Request {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for try := 1; ; try++ {
		next, err := n.ReconcileRecord(ctx, r, holder)
		if err != nil {
			n.Log.ErrorContext(ctx, "couldn't settle a new request", "request", r.ID, "error", err)
			// next is not what is stored: neither its marks nor its lease hold.
			stored, again := n.Store.Load(ctx, r.ID)
			if again != nil {
				return next
			}
			next = stored
		}
		r = next
		failed := r.Attempts[handle.Step{Kind: handle.StepPost}.Key()]
		if try == 2 || r.Decision != nil || r.Asked() || failed.Count == 0 && err == nil || failed.RateLimited {
			return r
		}
		if n.Pause(ctx, max(0, failed.NotBefore.Sub(n.Now()))) != nil {
			return r
		}
	}
}

// waitURLChanged reports whether an Update brings another wait handle.
func waitURLChanged(ev custom, p properties) bool {
	old, err := parseProperties(ev.OldResourceProperties)
	if err != nil {
		return true
	}
	before, err1 := old.text("WaitUrl")
	now, err2 := p.text("WaitUrl")
	return err1 != nil || err2 != nil || before != now
}

// create puts r on record, or finds it there: a redelivered event, or an answer
// that was lost.
func (n *Notifier) create(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := n.Store.Create(ctx, r)
	if err == nil {
		return stored, nil
	}
	found, again := n.Store.Load(ctx, r.ID)
	if again != nil {
		return handle.Request{}, fmt.Errorf("couldn't put the request on record: %w", err)
	}
	return found, nil
}

// launched answers by how far the request has come. If nobody could be asked,
// the launch fails at once instead of waiting hours for nobody.
func (n *Notifier) launched(ctx context.Context, ev custom, r handle.Request, holder string) (response, error) {
	waits := r.Attempts[handle.Step{Kind: handle.StepPost}.Key()]
	busy := r.Lease.Holder != holder && n.Now().Before(r.Lease.Until)
	switch {
	case r.State() == handle.Withdrawn:
		return ev.response("FAILED", r.Decision.Reason, r.ID, nil), nil
	case r.Decision != nil, r.Asked(), waits.RateLimited, busy:
		// A message that only has to wait its turn is owed, and will be posted.
		// Busy: another delivery of this event is asking at this moment; should
		// it find nobody, it withdraws the request, and that fails the wait.
		return ev.succeeded(r.ID, map[string]string{"RequestId": r.ID}), nil
	}
	reason := "nobody could be asked to approve this launch: " + n.why(r)
	r, err := n.Change(ctx, r, func(r handle.Request, now time.Time) handle.Request { return r.Withdraw(reason, now) })
	switch {
	case err != nil:
		return ev.response("FAILED", reason, r.ID, nil), err
	case r.State() != handle.Withdrawn: // somebody was asked after all, and has decided
		return ev.succeeded(r.ID, map[string]string{"RequestId": r.ID}), nil
	}
	return ev.response("FAILED", r.Decision.Reason, r.ID, nil), nil
}

// why says what kept us from asking.
func (n *Notifier) why(r handle.Request) string {
	post := r.Attempts[handle.Step{Kind: handle.StepPost}.Key()].Reason
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

// newRequest makes the record of a launch: what the template asks for, and what
// AWS proves. Its error is a sentence for whoever wrote the template.
func (n *Notifier) newRequest(ctx context.Context, ev custom, p properties) (handle.Request, error) {
	now := n.Now().UTC()
	region, account, name, ok := parseStackID(ev.StackID)
	if !ok {
		return handle.Request{}, errors.New("the event's StackId is no stack's ARN")
	}
	a, err := p.asked(n.Defaults)
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
	if err := n.prove(ctx, &r); err != nil {
		return handle.Request{}, err
	}
	if a.title != "" {
		r.Product.Name = handle.OneLine(r.WaitURL.Redact(a.title), maxTitle)
	}
	return r.RecordCreation(), nil
}

// prove adds what CloudFormation knows of the stack. Where it cannot be asked,
// the claims stay claims, and the message says so. Its error says that the stack
// has no use for an approval any more: an event that was delivered too late.
func (n *Notifier) prove(ctx context.Context, r *handle.Request) error {
	d, err := n.Stacks.Describe(ctx, r.Stack.ID)
	if err != nil {
		n.Log.WarnContext(ctx, "couldn't read the stack: who asks stays unproven", "request", r.ID, "stack", r.Stack.ID, "error", err)
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

// gone takes the Delete of a request resource: while pending it means that the
// stack gave up. The stack is answered with success whatever comes of this.
func (n *Notifier) gone(ctx context.Context, ev custom) error {
	r, err := n.Store.Load(ctx, ev.PhysicalResourceID)
	if errors.Is(err, handle.ErrNotFound) {
		return nil // never recorded, or no request of ours
	}
	if err != nil {
		return fmt.Errorf("couldn't load the request of a deleted resource: %w", err)
	}
	if r.Stack.ID != ev.StackID || r.Decision != nil {
		return nil
	}
	_, err = n.Change(ctx, r, func(r handle.Request, now time.Time) handle.Request {
		return r.Withdraw("the stack was rolled back or deleted before anybody decided", now)
	})
	return err
}
