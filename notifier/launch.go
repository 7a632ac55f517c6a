package notifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// askTime bounds how long a launch tries to post its question before
// CloudFormation is answered. A longer Retry-After is left to the sweep.
const askTime = 20 * time.Second

const (
	maxTitle   = 100  // bytes of a product's name
	maxPurpose = 2000 // bytes
)

// request answers the resource that requests an approval: SUCCESS as soon as the
// request is on record and the approvers have been asked, so that the wait
// condition starts.
//
// If CloudFormation could not verify the event, the answer goes first: only a
// genuine event has a response URL that CloudFormation's bucket accepts. A crash
// between that and the record loses the request unless Lambda delivers the event
// again, which it does.
func (n *Notifier) request(ctx context.Context, ev customResource, p properties) (reply, error) {
	if ev.RequestType == "Update" && !waitURLChanged(ev, p) {
		return n.update(ctx, ev, p)
	}
	id := handle.NewID(ev.StackID, ev.LogicalResourceID, ev.RequestID)
	fail := func(reason string) reply { return reply{response: ev.response("FAILED", reason, id, nil)} }
	r, err := n.newRequest(ctx, ev, p)
	if err != nil {
		return fail(err.Error()), nil
	}
	if ev.RequestType == "Update" && r.Stack.OtherAccount {
		if id, ok := n.returnsToApproved(ctx, ev); ok {
			return succeeded(ev, id), nil
		}
	}
	r, verified, err := n.verify(ctx, r)
	var contradiction *reconcile.Contradiction
	switch {
	case err != nil:
		refused := fail(err.Error())
		refused.rollback = reconcile.RollingBack(err)
		if errors.As(err, &contradiction) && (handle.Ended{Status: contradiction.Status}).Succeeded() {
			// The wait was released before the request could be recorded.
			refused.then = func(ctx context.Context) error {
				// If the store cannot tell, the alarm is raised too: nothing comes after it.
				if _, err := n.loadWithRetry(ctx, id); err != nil {
					n.logBypass(ctx, ev, id)
					n.reportBypass(ctx, ev.StackID)
				}
				return nil
			}
		}
		var unread *unreadContradiction
		if errors.As(err, &unread) {
			refused.again = true
			return refused, fmt.Errorf("couldn't look up a request that CloudFormation does not wait for: %w", unread.load)
		}
		return refused, nil
	}
	if !verified {
		return reply{
			response: ev.succeeded(id, map[string]string{"RequestId": id}),
			then:     func(ctx context.Context) error { return n.askUnverified(ctx, r) },
		}, nil
	}
	holder := reconcile.NewHolder()
	stored, err := n.create(ctx, r, holder)
	var shared *sharedHandle
	switch {
	case errors.As(err, &shared):
		return fail(err.Error()), nil
	case err != nil:
		return fail("the request could not be recorded, so no approver was asked; launch again"), err
	}
	stored = n.ask(ctx, stored, holder)
	return n.launched(ctx, ev, stored, holder)
}

// askUnverified records a request after its answer was accepted, and asks the
// approvers. If that fails for good, the wait is failed.
func (n *Notifier) askUnverified(ctx context.Context, r handle.Request) error {
	holder := reconcile.NewHolder()
	stored, err := n.create(ctx, r, holder)
	var shared *sharedHandle
	if errors.As(err, &shared) {
		n.Log.ErrorContext(ctx, "refused a request", "stack", r.Stack.ID, "reason", err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	stored = n.ask(ctx, stored, holder)
	if n.asking(stored, holder) {
		return nil
	}
	_, err = n.Change(ctx, stored, reconcile.Withdrawn{Reason: "no approver could be asked: " + n.askFailure(stored), At: n.Now()})
	return err
}

// unreadContradiction is a contradiction while the store could not be read: perhaps
// CloudFormation was answered before, and its launch waits without a record.
type unreadContradiction struct {
	*reconcile.Contradiction
	load error
}

func (e *unreadContradiction) Unwrap() error { return e.Contradiction }

const verifyAttempts = 5 // at launch; 7.5 s of waiting in all

// verify asks CloudFormation about a new request, and asks again while it cannot
// be asked or lags. verified is false if it stayed so, if the stack cannot be read
// at all, or if the request seems to be answered already. The error is for the
// stack: CloudFormation contradicts the event.
func (n *Notifier) verify(ctx context.Context, r handle.Request) (_ handle.Request, verified bool, _ error) {
	for attempt, answered := 1, false; ; attempt++ {
		facts, err := n.Verify(ctx, r, answered)
		var contradiction *reconcile.Contradiction
		switch {
		case err == nil:
			return facts.Apply(r), !answered, nil
		case errors.As(err, &contradiction):
			found, loadErr := n.Store.Load(ctx, r.ID)
			switch {
			case loadErr == nil:
				return found, true, nil // a redelivery, after the stack has moved on
			case !answered && errors.Is(loadErr, handle.ErrNotFound):
				// Perhaps it was answered, and a crash came before its record. It is recorded
				// once its answer is accepted again: a forged event would look the same.
				answered = true
				continue
			}
			n.Log.ErrorContext(ctx, "CloudFormation contradicts an event", "stack", r.Stack.ID, "resource", r.Stack.Gate, "reason", contradiction.Reason)
			if !errors.Is(loadErr, handle.ErrNotFound) {
				return r, false, &unreadContradiction{contradiction, loadErr}
			}
			return r, false, err
		case errors.Is(err, reconcile.ErrDenied):
			n.Log.WarnContext(ctx, "the stack can't be read, so nothing proves the requester", "request", r.ID, "stack", r.Stack.ID)
			return r, false, nil
		}
		if attempt >= verifyAttempts || n.Pause(ctx, 500*time.Millisecond<<(attempt-1)) != nil {
			n.Log.WarnContext(ctx, "couldn't verify a launch; votes are refused until it is", "request", r.ID, "stack", r.Stack.ID, "error", err)
			r.Stack.Unverified = true
			return r, false, nil
		}
	}
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

// sharedHandle means that another request of the stack uses the same wait handle.
type sharedHandle struct{ gate string }

func (e *sharedHandle) Error() string {
	return "WaitUrl already belongs to the request " + e.gate + ": give each request its own wait handle"
}

// create stores r under a lease for holder, or finds it stored: by a redelivered
// event, or by a write whose answer was lost. The error is a *sharedHandle, or
// means that the store failed.
func (n *Notifier) create(ctx context.Context, r handle.Request, holder string) (handle.Request, error) {
	requests, err := n.Store.OfStack(ctx, r.Stack.ID)
	if err != nil {
		return handle.Request{}, fmt.Errorf("couldn't look up the stack's requests: %w", err)
	}
	for _, other := range requests {
		if other.ID != r.ID && other.WaitURL.Same(r.WaitURL) {
			return handle.Request{}, &sharedHandle{other.Stack.Gate}
		}
	}
	if r.GrantFrom, err = n.findGrant(ctx, r); err != nil {
		return handle.Request{}, err
	}
	r, _ = r.Claim(holder, r.CreatedAt)
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

// findGrant returns the ID of a request whose grant lets r through; empty if there
// is none. Reconciling takes the grant; should it be gone by then, it asks.
func (n *Notifier) findGrant(ctx context.Context, r handle.Request) (string, error) {
	if r.Stack.Updating || r.Stack.Unverified || r.Requester.Principal == "" {
		return "", nil
	}
	grants, err := n.Store.Grants(ctx, r.Content.Digest())
	if err != nil {
		return "", fmt.Errorf("couldn't look up grants: %w", err)
	}
	for _, g := range grants {
		if g.GrantUsable(n.Now()) && r.SameQuestion(g) {
			return g.ID, nil
		}
	}
	return "", nil
}

// asking reports whether the approvers have been asked, or will be: a rate-limited
// message is posted by the sweep, and another delivery of the same event may be
// asking right now. Should that fail, it withdraws the request, which fails the
// wait.
func (n *Notifier) asking(r handle.Request, holder string) bool {
	busy := r.Lease.Holder != holder && n.Now().Before(r.Lease.Until)
	return r.Decision != nil || r.Asked() || r.PostingWaits() || busy
}

// launched answers by how far the request has come. If no approver could be
// asked, the launch fails at once instead of waiting for hours.
func (n *Notifier) launched(ctx context.Context, ev customResource, r handle.Request, holder string) (reply, error) {
	succeeded := reply{response: ev.succeeded(r.ID, map[string]string{"RequestId": r.ID})}
	failed := func(reason string) reply { return reply{response: ev.response("FAILED", reason, r.ID, nil)} }
	switch {
	case r.State() == handle.Withdrawn:
		return failed(r.Decision.Reason), nil
	case n.asking(r, holder):
		return succeeded, nil
	}
	reason := "no approver could be asked: " + n.askFailure(r)
	r, err := n.Change(ctx, r, reconcile.Withdrawn{Reason: reason, At: n.Now()})
	switch {
	case err != nil:
		return failed(reason), err
	case r.State() != handle.Withdrawn: // an approver was asked after all, and has decided
		return succeeded, nil
	}
	return failed(r.Decision.Reason), nil
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

// newRequest makes the record of a launch from the event, unverified. The error is
// for the template's author.
func (n *Notifier) newRequest(ctx context.Context, ev customResource, p properties) (handle.Request, error) {
	r, _, err := n.newRecord(ctx, ev, p, func(r *handle.Request, a approval) (err error) {
		if r.WaitURL, err = handle.ParseWaitURL(a.waitURL, ev.StackID, n.Origins, r.CreatedAt); err != nil {
			return err
		}
		r.Terms.Deadline, err = handle.DecisionDeadline(r.CreatedAt, a.timeout, n.Defaults.Margin, r.WaitURL)
		return err
	})
	return r, err
}

// newRecord makes a record from an event, unverified; setDeadline sets its URL and
// its deadline. The error is for the template's author.
func (n *Notifier) newRecord(ctx context.Context, ev customResource, p properties, setDeadline func(*handle.Request, approval) error) (handle.Request, approval, error) {
	region, account, name, ok := parseStackID(ev.StackID)
	if !ok {
		return handle.Request{}, approval{}, errors.New("the event's StackId is not a stack ARN")
	}
	a, err := p.approval(n.Defaults)
	if err != nil {
		return handle.Request{}, approval{}, err
	}
	r := handle.Request{
		ID:        handle.NewID(ev.StackID, ev.LogicalResourceID, ev.RequestID),
		CreatedAt: n.Now().UTC(),
		Stack:     handle.Stack{ID: ev.StackID, Name: name, Account: account, Region: region, Gate: ev.LogicalResourceID, GateType: ev.ResourceType, Updating: ev.RequestType == "Update"},
		Terms:     a.terms,
	}
	r.Stack.AccountName, r.Stack.OtherAccount = n.Accounts[account], n.OtherAccount(account)
	if n.Slack == nil {
		r.Terms.Channel = ""
	}
	if err := setDeadline(&r, a); err != nil {
		return handle.Request{}, approval{}, err
	}
	r.ApproversUnchecked = r.Terms.Channel != ""
	n.Defaults.remind(&r)
	if err := r.Terms.Check(); err != nil {
		return handle.Request{}, approval{}, err
	}
	// Redacted first whole, then cut: a part of a secret is not recognized.
	r.Requester.Email, r.Purpose = r.WaitURL.Redact(a.email), handle.Shorten(r.WaitURL.Redact(a.purpose), maxPurpose)
	r.Details = handle.RedactFields(r.WaitURL, a.details)
	r.Product.Name = handle.OneLine(r.WaitURL.Redact(a.title), maxTitle)
	r.Content.GateParameters, r.Content.GateTemplate = n.gateDigest(ctx, r.ID, p, a), a.template
	return r.RecordCreation(), a, nil
}

// remind sets r's reminders, escalation and reassignment options. Its deadline and
// channel must be set.
func (d Defaults) remind(r *handle.Request) {
	percent := d.Reminders
	if percent == nil {
		percent = handle.DefaultReminders()
	}
	r.Terms.Reminders = handle.ReminderTimes(r.CreatedAt, r.Terms.Deadline, percent, d.Hours)
	if r.Terms.Channel == "" { // mail can't tell people apart
		return
	}
	r.Terms.ReassignTo = slices.Clone(d.ReassignTo)
	if len(d.EscalateTo) > 0 {
		r.Terms.EscalateAt = handle.EscalationTime(r.CreatedAt, r.Terms.Deadline, d.EscalateAfter, d.Hours)
	}
	if !r.Terms.EscalateAt.IsZero() {
		r.Terms.EscalateTo = slices.Clone(d.EscalateTo)
	}
}

// unknownDigest begins the digest of a gate whose key could not be read.
const unknownDigest = "unknown "

// gateDigest returns the digest of the gate's property Parameters; empty if it has
// none, and one that equals no other if the key can't be read.
func (n *Notifier) gateDigest(ctx context.Context, id string, p properties, a approval) string {
	if !p.has("Parameters") {
		return ""
	}
	key, err := n.DigestKey(ctx)
	if err != nil {
		n.Log.WarnContext(ctx, "couldn't read the digest key: the next update of this gate asks even if nothing changes", "request", id, "error", err)
		return unknownDigest + id
	}
	return handle.GateDigest(key, a.parameters)
}

// deleted handles the Delete of a request resource, after CloudFormation's bucket
// has accepted the answer: while the request is pending, it means that the stack
// gave up. Where the stack can be read, it must be rolling back or being deleted.
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
	if gaveUp, err := n.GaveUp(ctx, r); err != nil {
		return fmt.Errorf("couldn't check the stack of a deleted resource: %w", err)
	} else if !gaveUp {
		n.Log.ErrorContext(ctx, "Delete of a request whose stack is still in progress: ignored", "request", r.ID, "stack", ev.StackID)
		return nil
	}
	_, err = n.Change(ctx, r, reconcile.Withdrawn{Reason: "the stack was rolled back or deleted before a decision", At: n.Now()})
	return err
}
