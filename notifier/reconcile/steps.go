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
	case handle.StepIdentify:
		sent = u.identify(ctx, s)
	case handle.StepPost, handle.StepRefresh, handle.StepNotify:
		sent = u.slackStep(ctx, s)
	case handle.StepMail:
		sent = u.mail(ctx, s)
	case handle.StepCheck:
		sent = u.check(ctx, s)
	case handle.StepWatch:
		return u.watch(ctx, s)
	default:
		return fmt.Errorf("request %s has an unknown step %q", u.r.ID, s.Kind)
	}
	if sent {
		return u.write(ctx, renew)
	}
	return nil
}

// slackStep takes a step that needs Slack. It reports whether the marks must be
// made durable at once.
func (u *run) slackStep(ctx context.Context, s handle.Step) bool {
	switch {
	case u.c.Slack == nil:
		u.fail(ctx, s, handle.Failure{Reason: "Slack is not configured"})
		return false
	case s.Kind == handle.StepPost:
		return u.post(ctx, s)
	case s.Kind == handle.StepNotify:
		return u.notify(ctx, s)
	}
	u.refresh(ctx, s) // repeating it is harmless
	return false
}

// fail marks a failed step.
func (u *run) fail(ctx context.Context, s handle.Step, f handle.Failure) {
	if u.c.Observer != nil {
		u.c.Observer.StepFailed(ctx, s)
	}
	u.c.Log.WarnContext(ctx, "step failed", "request", u.r.ID, "step", string(s.Kind), "notification", s.Notification.Name, "reason", f.Reason)
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
	u.mark(posted{p.Channel, p.TS, hash, u.c.Now()})
	return true
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

// findRequester looks the requester up in Slack, by the name that AWS proves and
// by the e-mail as typed; of an update, also who launched the stack. None of them
// may approve, under any of their IDs.
func (u *run) findRequester(ctx context.Context) (found identified, err error) {
	proven, launcher := u.c.address(u.r.Requester.PrincipalName()), u.c.address(u.r.Requester.LauncherName())
	for i, email := range []string{proven, u.r.Requester.Email, launcher} {
		if !strings.Contains(email, "@") {
			continue
		}
		user, err := u.c.Slack.UserByEmail(ctx, email)
		if err != nil {
			return identified{}, err
		}
		if user == nil || slices.Contains(found.all, user.ID) {
			continue
		}
		for _, id := range []string{user.ID, user.Enterprise.ID} {
			if handle.IsUser(id) && !slices.Contains(found.all, id) {
				found.all = append(found.all, id)
			}
		}
		if found.main == "" && !user.Deleted && !user.IsBot && i < 2 {
			found.main, found.proven = user.ID, i == 0
		}
	}
	return found, nil
}

// address returns the e-mail address of a principal's name; empty if there is none.
func (c *Reconciler) address(name string) string {
	switch {
	case name == "" || strings.Contains(name, "@"):
		return name
	case c.MailDomain == "":
		return ""
	}
	return name + "@" + c.MailDomain
}

// refresh updates a posted message. What is marked is what was shown.
func (u *run) refresh(ctx context.Context, s handle.Step) {
	hash := u.r.ViewHash()
	err := u.retryRateLimited(ctx, func() error {
		return u.c.Slack.Update(ctx, s.Message.Channel, s.Message.TS, blocks.Message(u.r))
	})
	switch {
	case err == nil:
		u.mark(refreshed{s.Message, hash})
	case gone(err):
		u.mark(messageGone{s.Message, u.c.Now()})
	default:
		u.fail(ctx, s, failure(err))
	}
}

// notify replies in the thread and writes to the requester. It reports whether
// anything went out: one write marks both.
func (u *run) notify(ctx context.Context, s handle.Step) bool {
	sent := false
	send := func(channel, thread string, v blocks.View, posted func(Posted) Mark) error {
		return u.retryRateLimited(ctx, func() error {
			p, err := u.c.Slack.Post(ctx, channel, thread, v)
			if err != nil {
				return err
			}
			sent = true
			u.mark(posted(p))
			return nil
		})
	}
	var errs []error
	reply, direct := u.r.PendingDeliveries(s.Notification)
	if root, ok := u.r.Root(); ok && reply {
		if u.threadMayBeGone(s.Notification) && u.lost(ctx, root) {
			return true // the question is posted again next, and this in its thread
		}
		err := send(root.Channel, root.TS, blocks.Notification(u.r, s.Notification, false), func(p Posted) Mark {
			if p.AtRoot {
				return rootMoved{root, s.Notification, p.Channel, p.TS, u.c.Now()}
			}
			return delivered{s.Notification.ReplyKey(), p.Channel, p.TS, u.c.Now()}
		})
		if gone(err) && u.r.Decision == nil {
			u.mark(messageGone{root, u.c.Now()})
			return true
		}
		errs = append(errs, err)
	}
	if direct {
		channel, thread, begun := u.r.DirectThread()
		if !begun {
			channel = u.r.Requester.SlackID // opens the conversation
		}
		message := blocks.Notification(u.r, s.Notification, true)
		posted := func(p Posted) Mark {
			return delivered{s.Notification.DirectKey(), p.Channel, p.TS, u.c.Now()}
		}
		err := send(channel, thread, message, posted)
		if thread != "" && gone(err) {
			err = send(channel, "", message, posted)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		u.fail(ctx, s, failure(err))
	}
	return sent
}

// gone reports whether err means that a message, or the parent of a reply, was deleted.
func gone(err error) bool {
	var slack *slackError
	return errors.As(err, &slack) && slack.gone
}

// threadMayBeGone reports whether n is what comes long after the message of a pending
// request was last written. A deleted message with replies stays as a placeholder
// that takes replies, so only an update shows that it is gone.
func (u *run) threadMayBeGone(n handle.Notification) bool {
	return u.r.Decision == nil && (n.Kind() == handle.NotifyReminder || n.Kind() == handle.NotifyLocked)
}

// lost updates the root of the thread and reports whether it was deleted, which it
// marks.
func (u *run) lost(ctx context.Context, root handle.Message) bool {
	u.refresh(ctx, handle.Step{Kind: handle.StepRefresh, Message: root})
	now, ok := u.r.Root()
	return !ok || now.Channel != root.Channel || now.TS != root.TS
}

// mail publishes a notification to the mail topic.
func (u *run) mail(ctx context.Context, s handle.Step) bool {
	links, err := u.c.links(ctx)
	switch {
	case u.c.Mail == nil:
		u.fail(ctx, s, handle.Failure{Reason: "no mail topic is configured", Permanent: true})
		return false
	case err != nil:
		u.c.Log.WarnContext(ctx, "couldn't sign the links of a mail", "request", u.r.ID, "error", err)
		u.fail(ctx, s, handle.Failure{Reason: "the mail key could not be read"})
		return false
	case links == nil && u.r.Terms.Channel == "" && s.Notification.Name == handle.NotifyAsked:
		u.fail(ctx, s, handle.Failure{Reason: "the request could not be decided by mail: no mail key is configured", Permanent: true})
		return false
	}
	subject, body := blocks.Mail(u.r, s.Notification, links)
	if err := u.c.Mail.Publish(ctx, subject, body); err != nil {
		u.c.Log.WarnContext(ctx, "couldn't publish a mail", "request", u.r.ID, "error", err)
		u.fail(ctx, s, handle.Failure{Reason: "the mail topic did not accept it"})
		return false
	}
	u.mark(delivered{key: s.Notification.MailKey(), at: u.c.Now()})
	return true
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
		if !errors.As(err, &slack) || !slack.RateLimited || !ends || time.Until(deadline) < slack.RetryAfter+callReserve {
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

// unanswered is failure for a question that must be answered: that Slack refuses to
// answer is never taken for an answer, so it is asked until the request closes.
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
	if errors.As(err, &slack) {
		return slack.Failure
	}
	return handle.Failure{Reason: "an internal error"}
}
