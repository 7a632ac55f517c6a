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

// do takes one step and marks how it went. Its error says that the store
// failed; all else is marked on the record.
func (p *pass) do(ctx context.Context, s handle.Step) error {
	sent := false // something that must not go out twice
	switch s.Kind {
	case handle.StepExpire:
		now := p.n.Now()
		p.mark(func(r handle.Request) handle.Request { return r.Expire(now) })
		return p.write(ctx, p.claimed) // decided is what is on record, nothing else
	case handle.StepSignal:
		p.signal(ctx, s)
	case handle.StepPost, handle.StepRefresh, handle.StepNotify:
		sent = p.slack(ctx, s)
	case handle.StepMail:
		sent = p.mail(ctx, s)
	case handle.StepWatch:
		return p.watch(ctx, s)
	default:
		return fmt.Errorf("request %s owes an unknown step %q", p.r.ID, s.Kind)
	}
	if sent {
		return p.write(ctx, p.kept)
	}
	return nil
}

// slack takes a step that needs Slack. It reports whether the marks should be
// made durable at once.
func (p *pass) slack(ctx context.Context, s handle.Step) bool {
	switch {
	case p.n.Slack == nil:
		p.failed(ctx, s, handle.Failure{Reason: "Slack is not configured"})
		return false
	case s.Kind == handle.StepPost:
		return p.post(ctx, s)
	case s.Kind == handle.StepNotify:
		return p.tell(ctx, s)
	}
	p.refresh(ctx, s) // twice does no harm
	return false
}

// failed marks that a step came to nothing.
func (p *pass) failed(ctx context.Context, s handle.Step, f handle.Failure) {
	now := p.n.Now()
	if p.n.Observer != nil {
		p.n.Observer.StepFailed(ctx, s)
	}
	p.n.Log.WarnContext(ctx, "a step failed", "request", p.r.ID, "step", string(s.Kind), "about", s.Notification.Name, "why", f.Reason)
	p.mark(func(r handle.Request) handle.Request { return r.RecordFailure(s, f, now) })
}

// signal tells CloudFormation. Sent twice, it counts once: its UniqueId is the
// same.
func (p *pass) signal(ctx context.Context, s handle.Step) {
	body, ok := p.r.SignalBody()
	if !ok {
		return
	}
	outcome, err := handle.SendSignal(ctx, p.n.Client, p.r.WaitURL, body)
	now := p.n.Now()
	switch outcome {
	case handle.Delivered:
		p.mark(func(r handle.Request) handle.Request { return r.MarkSignalled("", now) })
	case handle.Permanent:
		p.n.Log.ErrorContext(ctx, "CloudFormation will not take the signal", "request", p.r.ID, "error", err)
		p.mark(func(r handle.Request) handle.Request { return r.MarkSignalled(err.Error(), now) })
	case handle.Retry:
		p.failed(ctx, s, handle.Failure{Reason: err.Error()})
	}
}

// post finds the requester in Slack, so that it is known who must not approve,
// and then posts the message. It reports whether a message went out, or the
// request turned out to be impossible.
func (p *pass) post(ctx context.Context, s handle.Step) bool {
	if !p.r.Requester.LookedUp {
		if err := p.identify(ctx); err != nil {
			p.failed(ctx, s, failure(err))
			return false
		}
	}
	if err := p.r.CheckApprovers(); err != nil && p.r.Decision == nil {
		now := p.n.Now()
		p.mark(func(r handle.Request) handle.Request { return r.Withdraw(err.Error(), now) })
		return true
	}
	if _, posted := p.r.Root(); posted {
		return true // somebody has clicked a message whose posting was never marked
	}
	var channel, ts string
	face := p.r.ViewHash()
	err := p.patiently(ctx, func() (err error) {
		channel, ts, err = p.n.Slack.Post(ctx, p.r.Terms.Channel, "", blocks.Message(p.r))
		return err
	})
	if err != nil {
		p.failed(ctx, s, failure(err))
		return false
	}
	now := p.n.Now()
	p.mark(func(r handle.Request) handle.Request { return r.MarkPosted(channel, ts, face, now) })
	return true
}

// identify asks Slack who the requester is: by the name that AWS proves, and by
// the e-mail that was typed. Whoever either of them leads to may not approve.
func (p *pass) identify(ctx context.Context) error {
	proven := p.r.Requester.PrincipalName()
	if proven != "" && !strings.Contains(proven, "@") {
		if p.n.MailDomain != "" {
			proven += "@" + p.n.MailDomain
		} else {
			proven = ""
		}
	}
	var main string
	var all []string
	known := false // by the proof
	for i, email := range []string{proven, p.r.Requester.Email} {
		if !strings.Contains(email, "@") {
			continue
		}
		user, err := p.n.Slack.UserByEmail(ctx, email)
		if err != nil {
			return err
		}
		if user == nil || slices.Contains(all, user.ID) {
			continue
		}
		all = append(all, user.ID)
		if main == "" && !user.Deleted && !user.IsBot {
			main, known = user.ID, i == 0
		}
	}
	p.mark(func(r handle.Request) handle.Request { return r.IdentifyRequester(main, all, known) })
	return nil
}

// refresh makes a posted message show the truth. What is marked is what was
// shown.
func (p *pass) refresh(ctx context.Context, s handle.Step) {
	face := p.r.ViewHash()
	err := p.patiently(ctx, func() error {
		return p.n.Slack.Update(ctx, s.Message.Channel, s.Message.TS, blocks.Message(p.r))
	})
	now := p.n.Now()
	var slack *slackError
	switch {
	case err == nil:
		p.mark(func(r handle.Request) handle.Request { return r.MarkRefreshed(s.Message, face) })
	case errors.As(err, &slack) && slack.gone:
		p.mark(func(r handle.Request) handle.Request { return r.MarkMessageGone(s.Message, now) })
	default:
		p.failed(ctx, s, failure(err))
	}
}

// tell replies in the thread, and writes to the requester. It reports whether
// anything went out: one write marks both.
func (p *pass) tell(ctx context.Context, s handle.Step) bool {
	sent := false
	send := func(key, channel, thread string, v blocks.View) error {
		return p.patiently(ctx, func() error {
			channel, ts, err := p.n.Slack.Post(ctx, channel, thread, v)
			if err != nil {
				return err
			}
			now := p.n.Now()
			sent = true
			p.mark(func(r handle.Request) handle.Request { return r.MarkDelivered(key, channel, ts, now) })
			return nil
		})
	}
	var errs []error
	reply, direct := p.r.PendingDeliveries(s.Notification)
	if root, ok := p.r.Root(); ok && reply {
		errs = append(errs, send(s.Notification.ReplyKey(), root.Channel, root.TS, blocks.Notification(p.r, s.Notification, false)))
	}
	if direct {
		channel, thread, begun := p.r.DirectThread()
		if !begun {
			channel = p.r.Requester.SlackID // opens the conversation
		}
		errs = append(errs, send(s.Notification.DirectKey(), channel, thread, blocks.Notification(p.r, s.Notification, true)))
	}
	if err := errors.Join(errs...); err != nil {
		p.failed(ctx, s, failure(err))
	}
	return sent
}

// mail sends a letter to the topic.
func (p *pass) mail(ctx context.Context, s handle.Step) bool {
	links, err := p.n.links(ctx)
	switch {
	case p.n.Mail == nil:
		p.failed(ctx, s, handle.Failure{Reason: "no mail topic is configured", Permanent: true})
		return false
	case err != nil:
		p.n.Log.WarnContext(ctx, "couldn't make the links of a mail", "request", p.r.ID, "error", err)
		p.failed(ctx, s, handle.Failure{Reason: "the mail key could not be read"})
		return false
	case links == nil && p.r.Terms.Channel == "" && s.Notification.Name == handle.NotifyAsked:
		p.failed(ctx, s, handle.Failure{Reason: "nobody could decide by mail: no mail key is configured", Permanent: true})
		return false
	}
	subject, body := blocks.Mail(p.r, s.Notification, links)
	if err := p.n.Mail.Publish(ctx, subject, body); err != nil {
		p.n.Log.WarnContext(ctx, "couldn't mail", "request", p.r.ID, "error", err)
		p.failed(ctx, s, handle.Failure{Reason: "the mail topic did not take it"})
		return false
	}
	now := p.n.Now()
	p.mark(func(r handle.Request) handle.Request { return r.MarkDelivered(s.Notification.MailKey(), "", "", now) })
	return true
}

// watch asks CloudFormation what became of the stack. Where it cannot be asked,
// the event that told of the end has to do.
func (p *pass) watch(ctx context.Context, s handle.Step) error {
	d, err := p.n.Stacks.Describe(ctx, p.r.Stack.ID)
	now := p.n.Now()
	switch {
	case err != nil && handle.FinalStatus(p.r.Stack.Status):
		p.n.Log.WarnContext(ctx, "couldn't read the stack's end: going by its event", "request", p.r.ID, "error", err)
		d = Description{Status: p.r.Stack.Status, Reason: p.r.Stack.Reason}
	case errors.Is(err, ErrDenied):
		// A stack of another account, mostly. An event of its end, if one comes,
		// begins anew.
		p.failed(ctx, s, handle.Failure{Reason: "the stack may not be read", Permanent: true})
		return nil
	case err != nil:
		p.n.Log.WarnContext(ctx, "couldn't read the stack", "request", p.r.ID, "error", err)
		p.failed(ctx, s, handle.Failure{Reason: "CloudFormation could not be asked"})
		return nil
	case !handle.FinalStatus(d.Status):
		p.mark(func(r handle.Request) handle.Request { return r.StillInProgress(now) })
		return nil
	}
	e := handle.Ended{Status: d.Status, Reason: d.Reason, Outputs: handle.RedactFields(p.r.WaitURL, d.Outputs), At: now}
	if !e.Succeeded() && err == nil {
		if first, err := p.n.Stacks.FirstFailure(ctx, p.r.Stack.ID); err == nil && first != "" {
			e.Reason = first
		}
	}
	e.Superseded = e.Succeeded() && p.superseded(ctx, d.Updated)
	p.mark(func(r handle.Request) handle.Request { return r.RecordEnd(e) })
	return p.write(ctx, p.kept) // told is only what is on record
}

const patience = 2 * time.Second // kept for the call after a wait

// superseded reports whether the stack stands because of a later update, begun
// at updated, that was approved by itself: then it has not gone round this
// request. Gates of one and the same operation do not stand in for each other. In
// doubt it has.
func (p *pass) superseded(ctx context.Context, updated time.Time) bool {
	if p.r.State() == handle.Approved || !updated.After(p.r.CreatedAt) {
		return false
	}
	requests, err := p.n.Store.OfStack(ctx, p.r.Stack.ID)
	if err != nil {
		p.n.Log.WarnContext(ctx, "couldn't look up the stack's other requests", "request", p.r.ID, "error", err)
	}
	return slices.ContainsFunc(requests, func(other handle.Request) bool {
		return other.State() == handle.Approved && !other.CreatedAt.Before(updated)
	})
}

// patiently makes a call, and makes it again after as long as Slack asks to
// wait, while the context has the time. Where it has no end there is no
// patience: the record remembers, and the sweep comes back to it.
func (p *pass) patiently(ctx context.Context, call func() error) error {
	for {
		err := call()
		var slack *slackError
		deadline, ends := ctx.Deadline()
		if !errors.As(err, &slack) || !slack.RateLimited || !ends || time.Until(deadline) < slack.RetryAfter+patience {
			return err
		}
		if p.r.Lease.Until.Sub(p.n.Now()) < slack.RetryAfter+callTimeout+writeTime {
			return err // the lease would end meanwhile, and somebody else send the same
		}
		if p.n.Pause(ctx, slack.RetryAfter) != nil {
			return err
		}
	}
}

// failure says an error in the record's terms. Of several, the one that can be
// tried again counts.
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
	return handle.Failure{Reason: "an internal fault"}
}
