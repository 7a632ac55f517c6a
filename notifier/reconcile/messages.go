package reconcile

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"

	"countersign/bot/blocks"
	"countersign/handle"
)

// message is one call that updates or sends a message, to Slack or by mail. It
// depends on no other message of its batch.
type message struct {
	step handle.Step
	once bool // sent twice, people see it twice
	send func(ctx context.Context) (Mark, error)
}

// maxAtOnce bounds the steps of one batch.
const maxAtOnce = 8

func isMessage(s handle.Step) bool {
	return s.Kind == handle.StepRefresh || s.Kind == handle.StepNotify || s.Kind == handle.StepMail || s.Kind == handle.StepAsk
}

// independent returns the messages at the head of due that do not depend on each
// other: updates of posted messages, direct messages to approvers, one notification in Slack and one by mail. A
// later notification waits, so that each conversation stays in order. Steps that
// Slack asked to delay are left out.
func (u *run) independent(due []handle.Step) (steps []handle.Step) {
	seen := map[handle.StepKind]bool{}
	for _, s := range due {
		if !isMessage(s) || len(steps) == maxAtOnce {
			break
		}
		if s.Kind != handle.StepRefresh && s.Kind != handle.StepAsk && seen[s.Kind] {
			continue
		}
		seen[s.Kind] = true
		if !u.limited[s.Key()] {
			steps = append(steps, s)
		}
	}
	return steps
}

// sideBySide takes steps that send messages, all at once, and marks their results
// together. All of them show the record as it is when the first one leaves. One
// that fails stops no other.
//
// With wait, it waits if Slack asks it to. Without, such a step stays due and is taken
// again alone, so that it does not delay the marks of the others.
func (u *run) sideBySide(ctx context.Context, steps []handle.Step, wait bool) error {
	var messages []message
	for _, s := range steps {
		messages = append(messages, u.messages(ctx, s)...)
	}
	marks, errs := make([]Mark, len(messages)), make([]error, len(messages))
	calls := make([]func(), len(messages))
	for i, m := range messages {
		send := func() (err error) {
			marks[i], err = m.send(ctx)
			return err
		}
		calls[i] = func() {
			errs[i] = u.c.guard(ctx, func() error {
				if wait {
					return u.retryRateLimited(ctx, send)
				}
				return send()
			})
		}
	}
	u.c.sideBySide(calls)
	sent := u.markAll(messages, marks, errs)
	for _, s := range steps {
		var failed []error
		for i, m := range messages {
			if m.step.Key() == s.Key() {
				failed = append(failed, errs[i])
			}
		}
		err := errors.Join(failed...)
		switch {
		case err == nil:
		case !wait && failure(err).RateLimited:
			u.postpone(s)
		default:
			u.fail(ctx, s, failure(err))
		}
	}
	if sent {
		return u.write(ctx, renew)
	}
	return nil
}

// markAll marks the messages that have no error. It reports whether the marks must
// be made durable at once. Replies come before updates, because a reply that became the
// new root must replace the old one before an update reports it as deleted.
func (u *run) markAll(messages []message, marks []Mark, errs []error) (sent bool) {
	for i, m := range slices.Backward(messages) {
		if errs[i] == nil {
			u.mark(marks[i])
			sent = sent || m.once
			if _, gone := marks[i].(messageGone); gone && m.once {
				u.lostThreads++
			}
		}
	}
	return sent
}

// postpone leaves s to be taken alone.
func (u *run) postpone(s handle.Step) {
	if u.limited == nil {
		u.limited = map[string]bool{}
	}
	u.limited[s.Key()] = true
}

// messages returns the calls of one step. If nothing can be sent, it marks the
// step as failed.
func (u *run) messages(ctx context.Context, s handle.Step) []message {
	switch {
	case s.Kind == handle.StepMail:
		return u.mail(ctx, s)
	case u.c.Slack == nil:
		u.fail(ctx, s, handle.Failure{Reason: "Slack is not configured"})
		return nil
	case s.Kind == handle.StepRefresh:
		return []message{u.refresh(s)}
	case s.Kind == handle.StepAsk:
		return []message{u.ask(s)}
	}
	return u.notify(s)
}

// refresh updates a posted message, and marks what it showed. Repeating it is harmless.
func (u *run) refresh(s handle.Step) message {
	hash, view := u.r.ViewHash(), blocks.Message(u.r)
	if d := u.r.Direct; d != nil && same(*d, s.Message) {
		view = blocks.Direct(u.r)
	}
	return message{step: s, send: func(ctx context.Context) (Mark, error) {
		err := u.c.Slack.Update(ctx, s.Message.Channel, s.Message.TS, view)
		if gone(err) {
			return messageGone{s.Message, u.c.Now()}, nil
		}
		return refreshed{s.Message, hash}, err
	}}
}

// notify replies in the thread and writes to the requester.
func (u *run) notify(s handle.Step) (messages []message) {
	reply, direct := u.r.PendingDeliveries(s.Notification)
	if root, ok := u.r.Root(); ok && reply {
		messages = append(messages, u.reply(s, root))
	}
	if direct {
		messages = append(messages, u.direct(s))
	}
	return messages
}

// maxLostThreads is how often one run posts the question again because Slack knows no
// thread to reply in. After that the reply is given up, so that a Slack that never finds
// the thread does not fill the channel.
const maxLostThreads = 2

// reply replies in the thread of root.
func (u *run) reply(s handle.Step, root handle.Message) message {
	view, again := blocks.Notification(u.r, s.Notification, false), u.r.Decision == nil && u.lostThreads < maxLostThreads
	return message{step: s, once: true, send: func(ctx context.Context) (Mark, error) {
		p, err := u.c.Slack.Post(ctx, root.Channel, root.TS, view)
		switch {
		case err == nil && p.AtRoot:
			return rootMoved{root, s.Notification, p.Channel, p.TS, u.c.Now()}, nil
		case gone(err) && again:
			return messageGone{root, u.c.Now()}, nil // next, the message is posted again, and this in its thread
		}
		return delivered{s.Notification.ReplyKey(), p.Channel, p.TS, u.c.Now()}, err
	}}
}

// direct writes to the requester.
func (u *run) direct(s handle.Step) message {
	view := blocks.Notification(u.r, s.Notification, true)
	channel, thread, begun := u.r.DirectThread()
	if !begun {
		channel = u.r.Requester.SlackID // opens the conversation
		if n := s.Notification.Name; n == handle.NotifyAsked || n == handle.NotifyDecided {
			return u.begin(s, channel)
		}
	}
	return message{step: s, once: true, send: func(ctx context.Context) (Mark, error) {
		p, err := u.c.Slack.Post(ctx, channel, thread, view)
		if thread != "" && gone(err) {
			p, err = u.c.Slack.Post(ctx, channel, "", view)
		}
		return delivered{s.Notification.DirectKey(), p.Channel, p.TS, u.c.Now()}, err
	}}
}

// begin writes the first direct message to the requester. It shows the request, and is
// refreshed like the message in the channel.
func (u *run) begin(s handle.Step, requester string) message {
	hash, view := u.r.ViewHash(), blocks.FirstDirect(u.r, s.Notification)
	return message{step: s, once: true, send: func(ctx context.Context) (Mark, error) {
		p, err := u.c.Slack.Post(ctx, requester, "", view)
		return directBegun{delivered{s.Notification.DirectKey(), p.Channel, p.TS, u.c.Now()}, hash}, err
	}}
}

// ask sends a direct message to an approver that the thread could not mention.
func (u *run) ask(s handle.Step) message {
	view := blocks.AskDirect(u.r)
	return message{step: s, once: true, send: func(ctx context.Context) (Mark, error) {
		p, err := u.c.Slack.Post(ctx, s.To, "", view)
		return delivered{s.Key(), p.Channel, p.TS, u.c.Now()}, err
	}}
}

// gone reports whether err means that a message, or the parent of a reply, was deleted.
func gone(err error) bool {
	var slack *slackError
	return errors.As(err, &slack) && slack.gone
}

// threadMayBeGone reports whether steps reply in the thread of a pending request whose
// message this run has neither posted nor updated. A deleted message with replies stays
// as a placeholder that takes replies, so only an update shows that it is gone.
func (u *run) threadMayBeGone(root handle.Message, steps []handle.Step) bool {
	if u.r.Decision != nil || u.c.Slack == nil {
		return false
	}
	replies := false
	for _, s := range steps {
		switch s.Kind {
		case handle.StepRefresh:
			if same(s.Message, root) {
				u.seenRoot = root
			}
		case handle.StepNotify:
			reply, _ := u.r.PendingDeliveries(s.Notification)
			replies = replies || reply
		}
	}
	return replies && !same(u.seenRoot, root)
}

// same reports whether a and b are the same message.
func same(a, b handle.Message) bool { return a.Channel == b.Channel && a.TS == b.TS }

// mail publishes a notification to the mail topic.
func (u *run) mail(ctx context.Context, s handle.Step) []message {
	links, err := u.c.links(ctx)
	switch {
	case u.c.Mail == nil:
		u.fail(ctx, s, handle.Failure{Reason: "no mail topic is configured", Permanent: true})
		return nil
	case err != nil:
		u.c.Log.WarnContext(ctx, "couldn't sign the links of a mail", "request", u.r.ID, "error", err)
		u.fail(ctx, s, handle.Failure{Reason: "the mail key could not be read"})
		return nil
	case links == nil && u.r.Terms.Channel == "" && s.Notification.Name == handle.NotifyAsked:
		u.fail(ctx, s, handle.Failure{Reason: "the request could not be decided by mail: no mail key is configured", Permanent: true})
		return nil
	}
	subject, body := blocks.Mail(u.r, s.Notification, links)
	return []message{{step: s, once: true, send: func(ctx context.Context) (Mark, error) {
		if err := u.c.Mail.Publish(ctx, subject, body); err != nil {
			u.c.Log.WarnContext(ctx, "couldn't publish a mail", "request", u.r.ID, "error", err)
			return nil, errMail
		}
		return delivered{key: s.Notification.MailKey(), at: u.c.Now()}, nil
	}}}
}

var (
	errMail     = errors.New("the mail topic did not accept it")
	errPanicked = errors.New("it panicked")
)

// guard makes a call that may run on its own goroutine. A panic fails only this call. Its
// value may contain secrets, so only the stack is logged.
func (c *Reconciler) guard(ctx context.Context, call func() error) (err error) {
	defer func() {
		if recover() != nil {
			c.Log.ErrorContext(ctx, "panic", "at", string(debug.Stack()))
			err = errPanicked
		}
	}()
	return call()
}

// sideBySide makes calls, which must not panic, and returns when all of them have.
func (c *Reconciler) sideBySide(calls []func()) {
	if c.SideBySide != nil {
		c.SideBySide(calls)
		return
	}
	var running sync.WaitGroup
	for _, call := range calls {
		running.Go(call)
	}
	running.Wait()
}
