package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/handle"
)

// step takes one step and marks its result. An error means that the store failed;
// all other failures are marked on the record.
func (u *run) step(ctx context.Context, s handle.Step) error {
	sent := false // a message that must not go out twice
	switch s.Kind {
	case handle.StepExpire:
		u.mark(expired{u.c.Now()})
		return u.write(ctx, take) // a decision counts once it is durable
	case handle.StepSignal:
		u.signal(ctx, s)
	case handle.StepGrant:
		return u.takeGrant(ctx, s)
	case handle.StepLapse:
		u.mark(grantLapsed{u.c.Now()})
	case handle.StepEscalate:
		u.mark(escalated{u.c.Now()})
		return u.write(ctx, take) // people are told what is durable
	case handle.StepReviews:
		u.mark(reviewsEnded{u.c.Now()})
	case handle.StepIdentify:
		sent = u.identify(ctx, s)
	case handle.StepApprovers:
		sent = u.checkApprovers(ctx, s)
	case handle.StepPost:
		sent = u.post(ctx, s)
	case handle.StepCheck:
		sent = u.check(ctx, s)
	case handle.StepWatch:
		return u.watch(ctx, s)
	case handle.StepReact:
		u.react(ctx, s)
	default:
		return fmt.Errorf("request %s has an unknown step %q", u.r.ID, s.Kind)
	}
	if sent {
		return u.write(ctx, renew)
	}
	return nil
}

// fail marks a failed step.
func (u *run) fail(ctx context.Context, s handle.Step, f handle.Failure) {
	if u.c.Observer != nil {
		u.c.Observer.StepFailed(ctx, s)
	}
	u.c.Log.WarnContext(ctx, "step failed", "request", u.r.ID, "step", string(s.Kind), "notification", s.Notification.Name, "reason", f.Reason)
	u.wasLimited = u.wasLimited || f.RateLimited
	u.mark(stepFailed{s, f, u.c.Now()})
}

// signal tells CloudFormation the decision. Sent twice, it counts once: its
// UniqueId is the same.
func (u *run) signal(ctx context.Context, s handle.Step) {
	body, ok := u.r.StackSignal()
	if !ok {
		return
	}
	result, err := handle.SendSignal(ctx, u.c.Client, u.r.WaitURL, body)
	switch result {
	case handle.Delivered:
		u.mark(signalled{"", u.c.Now()})
	case handle.Permanent:
		u.c.Log.ErrorContext(ctx, "CloudFormation refuses the signal for good", "request", u.r.ID, "error", err)
		u.mark(signalled{err.Error(), u.c.Now()})
	case handle.Retry:
		u.fail(ctx, s, handle.Failure{Reason: err.Error()})
	}
}

// post posts the message, whether or not the requester has been identified. It
// reports whether a message went out, or the request was withdrawn because too
// few people can approve it.
func (u *run) post(ctx context.Context, s handle.Step) bool {
	if u.c.Slack == nil {
		u.fail(ctx, s, handle.Failure{Reason: "Slack is not configured"})
		return false
	}
	if u.withdrawUnapprovable() {
		return true
	}
	if _, found := u.r.Root(); found {
		return true // a click revealed a message whose posting was never marked
	}
	var p Posted
	hash := u.r.ViewHash()
	err := u.retryRateLimited(ctx, func() (err error) {
		p, err = u.c.Slack.Post(ctx, u.r.Terms.Channel, "", blocks.Message(u.r))
		return err
	})
	if err != nil {
		u.fail(ctx, s, failure(err))
		return false
	}
	u.seenRoot = handle.Message{Channel: p.Channel, TS: p.TS}
	u.mark(posted{p.Channel, p.TS, hash, u.c.Now()})
	return true
}

// react shows the state as the message's one reaction. If Slack refuses, as for an app
// installed without the scope reactions:write, it is not tried again: the message shows
// the same. Repeating it is harmless.
func (u *run) react(ctx context.Context, s handle.Step) {
	root, posted := u.r.Root()
	if !posted || u.c.Slack == nil {
		u.mark(reacted{root, u.r.Reaction()})
		return
	}
	reaction := u.r.Reaction()
	err := u.c.Slack.React(ctx, root.Channel, root.TS, reaction, u.r.EarlierReactions())
	var refused *slackError
	switch {
	case err == nil:
	case errors.As(err, &refused) && (refused.Permanent || refused.Refused):
		u.c.Log.InfoContext(ctx, "Slack refuses a reaction", "request", u.r.ID, "reason", refused.Reason)
	default:
		u.fail(ctx, s, failure(err))
		return
	}
	u.mark(reacted{root, reaction})
}

// withdrawUnapprovable withdraws a request that too few people can approve.
func (u *run) withdrawUnapprovable() bool {
	if u.r.Decision != nil || u.r.Terms.Channel == "" {
		return false
	}
	err := u.r.CheckApprovers()
	if err != nil {
		u.mark(Withdrawn{err.Error(), u.c.Now()})
	}
	return err != nil
}

// identify asks CloudFormation about the launch, if it could not be asked before,
// and then Slack about the requester: who requested must be known, or known to be
// unknowable, before anyone may approve. What cannot be asked stays open. It
// reports whether the marks must be made durable at once: a posted message is
// updated next, and shows only what is durable.
func (u *run) identify(ctx context.Context, s handle.Step) bool {
	posted, learned := len(u.r.Messages) > 0, false
	if u.r.Stack.Unverified {
		facts, err := u.c.Verify(ctx, u.r, true)
		var contradiction *Contradiction
		switch {
		case errors.As(err, &contradiction):
			u.c.Log.ErrorContext(ctx, "CloudFormation contradicts a launch", "request", u.r.ID, "reason", contradiction.Reason)
			if u.r.Update != nil && RollingBack(contradiction) {
				requests, err := u.c.Store.OfStack(ctx, u.r.Stack.ID)
				if err != nil {
					u.fail(ctx, s, handle.Failure{Reason: "the stack's approvals could not be read"})
					return false
				}
				u.mark(rolledBack{ReturnsTo(requests, u.r), contradiction.Reason, u.c.Now()})
				return true
			}
			u.mark(Withdrawn{contradiction.Reason, u.c.Now()})
			return true
		case err != nil && !errors.Is(err, ErrDenied):
			u.c.Log.WarnContext(ctx, "couldn't verify a launch", "request", u.r.ID, "error", err)
			u.fail(ctx, s, handle.Failure{Reason: "CloudFormation could not be asked about the launch"})
			return false
		}
		u.mark(verified{facts})
		learned = true
	}
	if u.r.Requester.LookedUp || u.r.Terms.Channel == "" {
		return posted && learned
	}
	if u.c.Slack == nil {
		u.fail(ctx, s, handle.Failure{Reason: "Slack is not configured"})
		return posted && learned
	}
	found, err := u.findRequester(ctx)
	if err != nil {
		u.fail(ctx, s, unanswered(err))
		return posted && learned
	}
	u.mark(found)
	return u.withdrawUnapprovable() || posted
}

// watch asks CloudFormation how the stack ended. If it cannot be asked, the
// event that reported the end must do.
func (u *run) watch(ctx context.Context, s handle.Step) error {
	d, err := u.c.describe(ctx, u.r.Stack)
	now := u.c.Now()
	switch {
	case errors.Is(err, ErrNoStack) && handle.FinalStatus(u.r.Stack.Status),
		errors.Is(err, ErrDenied) && handle.FinalStatus(u.r.Stack.Status) && u.r.Decision != nil && !u.bypassReported():
		// CloudFormation keeps a stack for 90 days after its deletion. Where reading
		// is denied, the event is all there is: it may be told, but it decides nothing
		// and raises no alarm.
		u.c.Log.WarnContext(ctx, "couldn't read the stack; using its event's status", "request", u.r.ID, "error", err)
		d = Description{Status: u.r.Stack.Status, Reason: u.r.Stack.Reason}
	case errors.Is(err, ErrDenied):
		// Usually a stack in another account. An event that reports its end starts over.
		u.fail(ctx, s, handle.Failure{Reason: "reading the stack is denied", Permanent: true})
		return nil
	case err != nil:
		u.c.Log.WarnContext(ctx, "couldn't read the stack", "request", u.r.ID, "error", err)
		u.fail(ctx, s, handle.Failure{Reason: "CloudFormation could not be reached"})
		return nil
	case !handle.FinalStatus(d.Status):
		u.mark(stillInProgress{now})
		return nil
	}
	e := handle.Ended{Status: d.Status, Reason: d.Reason, Outputs: d.Outputs, At: now} // RecordEnd redacts
	if !e.Succeeded() && err == nil {
		if first, err := u.c.Stacks.FirstFailure(ctx, u.r.Stack.ID); err == nil && first != "" {
			e.Reason = first
		}
	}
	// A later update that began before this end was seen may have bypassed the gate.
	launch := u.r.Update == nil && !u.r.Stack.Updating
	later := d.Updated.After(u.r.CreatedAt) || launch && d.Updated.Equal(u.r.CreatedAt)
	if u.r.Update != nil && u.r.State() == handle.Approved && e.Succeeded() && err == nil && !later {
		template, err := u.c.Stacks.Template(ctx, u.r.Stack.ID)
		if err != nil && !errors.Is(err, ErrDenied) {
			u.fail(ctx, s, handle.Failure{Reason: "the updated template could not be read"})
			return nil
		}
		u.mark(contentRecorded{handle.TemplateDigest(template), handle.ParametersDigest(d.Parameters)})
	}
	e.Superseded = e.Succeeded() && u.superseded(ctx, d.Updated)
	e.Updated = later && launch && strings.HasPrefix(e.Status, "UPDATE_")
	u.mark(stackEnded{e})
	if later {
		u.mark(UpdateSeen{now})
	}
	return u.write(ctx, renew) // notifications report only what is durable
}

// bypassReported reports whether the last event says that the stack succeeded
// although the request was not approved.
func (u *run) bypassReported() bool {
	return handle.Ended{Status: u.r.Stack.Status}.Succeeded() && u.r.State() != handle.Approved
}

// superseded reports whether the stack succeeded because of a later update, begun
// at updated, that was approved at the same gate: then it has not bypassed this
// request. If it cannot be found out, the answer is no.
func (u *run) superseded(ctx context.Context, updated time.Time) bool {
	if u.r.State() == handle.Approved || !updated.After(u.r.CreatedAt) {
		return false
	}
	requests, err := u.c.Store.OfStack(ctx, u.r.Stack.ID)
	if err != nil {
		u.c.Log.WarnContext(ctx, "couldn't look up the stack's other requests", "request", u.r.ID, "error", err)
	}
	return slices.ContainsFunc(requests, func(other handle.Request) bool {
		return other.State() == handle.Approved && other.Stack.Gate == u.r.Stack.Gate && !other.CreatedAt.Before(updated)
	})
}

const callReserve = 2 * time.Second // kept for the call after a Retry-After

// retryRateLimited makes a call, and repeats it after the wait that Slack asks
// for, while the context and the lease have the time. Without a deadline it does
// not wait: the record holds when to try again, and the sweep does.
func (u *run) retryRateLimited(ctx context.Context, call func() error) error {
	for {
		err := call()
		var slack *slackError
		deadline, ends := ctx.Deadline()
		if !errors.As(err, &slack) || !slack.RateLimited || u.impatient || !ends || time.Until(deadline) < slack.RetryAfter+callReserve {
			return err
		}
		if u.r.Lease.Until.Sub(u.c.Now()) < slack.RetryAfter+callTimeout+writeTime {
			return err // the lease would end meanwhile, and another process send the same
		}
		if u.c.Pause(ctx, slack.RetryAfter) != nil {
			return err
		}
	}
}

// unanswered is failure for a look-up that needs an answer. A refusal by Slack is not an
// answer, so the look-up is repeated until the request closes.
func unanswered(err error) handle.Failure {
	f := failure(err)
	f.Refused, f.Permanent = false, false
	return f
}

// failure converts an error for the record. Of several, one that can be retried
// wins.
func failure(err error) handle.Failure {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var f handle.Failure
		for i, e := range joined.Unwrap() {
			if g := failure(e); i == 0 || f.Permanent && !g.Permanent {
				f = g
			}
		}
		return f
	}
	var slack *slackError
	switch {
	case errors.As(err, &slack):
		return slack.Failure
	case errors.Is(err, errMail):
		return handle.Failure{Reason: "the mail topic did not accept it"}
	}
	return handle.Failure{Reason: "an internal error"}
}
