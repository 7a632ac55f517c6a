package notifier

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// update handles an Update of a request resource that keeps its wait handle. If it
// changes what was approved last, it is a request of its own: CloudFormation gets
// no answer until that is decided, so that the update waits. What has been approved
// already succeeds at once, and so does a rollback: FAILED would leave the stack in
// UPDATE_ROLLBACK_FAILED.
func (n *Notifier) update(ctx context.Context, ev customResource, p properties) (reply, error) {
	keep := func(id string) reply {
		return reply{response: ev.succeeded(id, map[string]string{"RequestId": id})}
	}
	fail := func(reason string) reply { return reply{response: ev.failed(reason)} }
	if !p.has("Parameters") && !p.has("Template") {
		return keep(ev.PhysicalResourceID), nil // a gate of an earlier release: its updates do not ask
	}
	requests, err := n.Store.OfStack(ctx, ev.StackID)
	if err != nil {
		return fail("the approvals of this stack could not be read, so no approver was asked; update again"), err
	}
	id := handle.NewID(ev.StackID, ev.LogicalResourceID, ev.RequestID)
	for _, known := range requests {
		if known.ID == id && known.Update != nil { // the event came again: its answer stays held
			return n.hold(ctx, known, reconcile.NewHolder())
		}
	}
	r, parameters, err := n.newUpdate(ctx, ev, p)
	if err != nil {
		return fail(err.Error()), nil
	}
	// What keeps the content can be the rollback of a cancelled update, whose request
	// may still be pending.
	unchanged := func(id string) reply {
		kept := keep(id)
		kept.then = func(ctx context.Context) error { return n.withdrawCancelled(ctx, ev, requests) }
		return kept
	}
	last, approved := lastApproved(requests, ev)
	if approved && last.Content.SameGate(r.Content) {
		return unchanged(ev.PhysicalResourceID), nil
	}
	if approved && (unreadDigest(last) || unreadDigest(r)) && keepsContent(ev) {
		return unchanged(ev.PhysicalResourceID), nil
	}
	r, verified, err := n.verify(ctx, r)
	switch {
	case err != nil:
		refused := fail(err.Error())
		refused.rollback = reconcile.RollingBack(err)
		return refused, nil
	case !verified && !r.Stack.Unverified && approved && wasApproved(requests, last.Update, r):
		return unchanged(last.Update.Approved), nil // another account's stack: presumably a rollback
	}
	r.Parameters = visible(r, parameters, verified, last)
	if approved {
		r.Update.Approved = last.ID
		r.Requester.SlackIDs = last.Requester.SlackIDs // who launched may not approve the update
		r.Update.Changes = handle.Changes(last.Parameters, r.Parameters)
		r.Update.Unshown = len(r.Update.Changes) == 0 || last.Content.GateTemplate != r.Content.GateTemplate
	}
	hold, err := serviceTimeout(ev, p)
	if err != nil {
		return fail(err.Error()), nil
	}
	if r.Terms.Deadline, err = handle.HoldDeadline(r.CreatedAt, hold, n.Defaults.Margin, r.WaitURL); err != nil {
		return fail(err.Error()), nil
	}
	r.Terms.Reminders = handle.ReminderTimes(r.CreatedAt, r.Terms.Deadline, handle.DefaultReminders(), handle.WorkingHours{})
	holder := reconcile.NewHolder()
	stored, err := n.create(ctx, r, holder)
	if err != nil {
		return fail("the update could not be recorded, so no approver was asked; update again"), err
	}
	return n.hold(ctx, stored, holder)
}

// hold asks the approvers of a stored update, and leaves CloudFormation without an
// answer until it is decided. If no approver can be asked, that decides it.
func (n *Notifier) hold(ctx context.Context, r handle.Request, holder string) (_ reply, err error) {
	r = n.ask(ctx, r, holder)
	if !n.asking(r, holder) {
		_, err = n.Change(ctx, r, reconcile.Withdrawn{Reason: "no approver could be asked: " + n.askFailure(r), At: n.Now()})
	}
	return reply{held: true}, err
}

// visible redacts an update's parameters. CloudFormation passes NoEcho values on to
// the resource in clear, so a value is shown only if DescribeStacks shows one under
// that name, now and when the stack was launched.
func visible(r handle.Request, parameters []handle.Field, verified bool, last handle.Request) []handle.Field {
	var secret []string
	for _, f := range append(slices.Clone(r.Parameters), last.Parameters...) {
		if f.Value == handle.Hidden {
			secret = append(secret, f.Name)
		}
	}
	list := handle.RedactFields(r.WaitURL, parameters)
	for i := range list {
		if !verified || slices.Contains(secret, list[i].Name) {
			list[i].Value = handle.Hidden
		}
	}
	return list
}

// serviceTimeout is how long CloudFormation waits for the answer to an event: the
// shorter one, should the event and its properties differ.
func serviceTimeout(ev customResource, p properties) (time.Duration, error) {
	const name = "ServiceTimeout"
	property, err := p.number(name, int(handle.MaxHold/time.Second))
	if err != nil {
		return 0, err
	}
	root, err := properties{name: ev.ServiceTimeout}.number(name, property)
	return time.Duration(min(root, property)) * time.Second, err
}

// newUpdate makes the record of an update from its event, without a deadline, and
// returns the gate's parameters as the event has them, which may be secrets.
func (n *Notifier) newUpdate(ctx context.Context, ev customResource, p properties) (handle.Request, []handle.Field, error) {
	r, a, err := n.newRecord(ctx, ev, p, func(r *handle.Request, _ approval) error {
		if _, err := n.responseURL(ev); err != nil {
			return err
		}
		r.WaitURL = handle.StoredWaitURL(ev.ResponseURL)
		r.Update = &handle.Update{RequestID: ev.RequestID, PhysicalID: ev.PhysicalResourceID}
		return nil
	})
	return r, a.parameters, err
}

// unreadDigest reports whether the key of the gate's digest could not be read when r
// was made: its digest then equals no other.
func unreadDigest(r handle.Request) bool {
	return strings.HasPrefix(r.Content.GateParameters, unknownDigest)
}

// lastApproved finds the request that was approved last at the gate of ev: its
// physical resource ID names it. A resource of an earlier release can have another
// physical ID; then it is the newest approved one of that gate.
func lastApproved(requests []handle.Request, ev customResource) (last handle.Request, ok bool) {
	for _, r := range requests {
		if r.Stack.Gate != ev.LogicalResourceID || r.State() != handle.Approved {
			continue
		}
		if r.ID == ev.PhysicalResourceID {
			return r, true
		}
		if !ok || r.CreatedAt.After(last.CreatedAt) {
			last, ok = r, true
		}
	}
	return last, ok
}

// wasApproved reports whether the request before u has the content of r.
func wasApproved(requests []handle.Request, u *handle.Update, r handle.Request) bool {
	for _, before := range requests {
		if u != nil && before.ID == u.Approved {
			return before.State() == handle.Approved && before.Content.SameGate(r.Content)
		}
	}
	return false
}

// withdrawCancelled withdraws the pending requests of updates at the gate of ev, if
// the stack is no longer updating.
func (n *Notifier) withdrawCancelled(ctx context.Context, ev customResource, requests []handle.Request) error {
	var errs []error
	for _, r := range requests {
		if r.Update == nil || r.Decision != nil || r.Stack.Gate != ev.LogicalResourceID {
			continue
		}
		gaveUp, err := n.GaveUp(ctx, r)
		if err == nil && gaveUp {
			_, err = n.Change(ctx, r, reconcile.Withdrawn{Reason: "the update was cancelled or rolled back before a decision", At: n.Now()})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
