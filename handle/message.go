package handle

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Message is one posted Slack message that shows this request.
type Message struct {
	Channel string `json:"channel"` // C…, G… or D…: chat.update takes the ID from the post's answer, not a name
	TS      string `json:"ts"`
	Shown   string `json:"shown"` // the ViewHash it last showed; empty if unknown

	// Reaction is the emoji with which the app last reacted to it, or tried to and was
	// refused. Only the root of the thread has one.
	Reaction string `json:"reaction,omitempty"`
}

// maxMessages bounds Messages: anyone in a channel with copies could add them.
const maxMessages = 20

// Root returns the message whose thread belongs to the request. ok is false if
// none is known to be posted.
func (r Request) Root() (m Message, ok bool) {
	if len(r.Messages) == 0 {
		return Message{}, false
	}
	return r.Messages[0], true
}

// RootWasReply reports whether the root was posted as a reply, outside its thread, and
// only updated to show the question: then its mentions have notified no one.
func (r Request) RootWasReply() bool {
	root, posted := r.Root()
	for key, d := range r.Delivered {
		if posted && strings.HasPrefix(key, "reply/") && d.Channel == root.Channel && d.TS == root.TS {
			return true
		}
	}
	return false
}

// Asked reports whether approvers have been asked to decide, in Slack or by
// mail.
func (r Request) Asked() bool {
	_, posted := r.Root()
	_, mailed := r.Delivered[Notification{Name: NotifyAsked}.MailKey()]
	return posted || mailed
}

// MarkPosted records a posted message that shows viewHash. The first one becomes
// the root of the thread.
func (r Request) MarkPosted(channel, ts, viewHash string, now time.Time) Request {
	if r.hasMessage(channel, ts) { // adopted before the post was recorded; it may show something newer by now
		return r.MarkRefreshed(Message{Channel: channel, TS: ts, Shown: viewHash}, viewHash)
	}
	r = r.clearAttempts(Step{Kind: StepPost})
	r.Messages = append(r.Messages, Message{Channel: channel, TS: ts, Shown: viewHash})
	return r.appendEvent(Event{At: now, Kind: EventAsked, Text: "slack " + channel + " " + ts})
}

// AdoptMessage adds a message that was clicked and is not on the record: the
// answer to its post was lost. It will be refreshed like the others.
func (r Request) AdoptMessage(channel, ts string) Request {
	if r.hasMessage(channel, ts) || channel == "" || ts == "" || len(r.Messages) >= maxMessages {
		return r
	}
	r = r.Clone()
	r.Messages = append(r.Messages, Message{Channel: channel, TS: ts})
	return r
}

func (r Request) hasMessage(channel, ts string) bool {
	is := func(m Message) bool { return m.Channel == channel && m.TS == ts }
	return r.Direct != nil && is(*r.Direct) || slices.ContainsFunc(r.Messages, is)
}

// MarkRefreshed records that m was updated to show viewHash. m is the message as
// it was on the record before the update. If another process has updated it
// since, which update came last is unknown: Shown becomes empty, and the message
// is refreshed again.
func (r Request) MarkRefreshed(m Message, viewHash string) Request {
	r = r.clearAttempts(Step{Kind: StepRefresh, Message: m})
	shown := make([]*Message, 0, len(r.Messages)+1)
	for i := range r.Messages {
		shown = append(shown, &r.Messages[i])
	}
	if r.Direct != nil {
		shown = append(shown, r.Direct)
	}
	for _, stored := range shown {
		switch {
		case stored.Channel != m.Channel || stored.TS != m.TS:
		case stored.Shown == m.Shown || stored.Shown == viewHash:
			stored.Shown = viewHash
		default:
			stored.Shown = ""
		}
	}
	return r
}

// maxReasked is how often approvers are mentioned again because the message was deleted.
// It prevents a flood if a bot deletes every message.
const maxReasked = 3

// MarkMessageGone records that m was deleted in Slack. If it was the only one,
// the request must be posted again. If it was the root of a pending request, whose
// thread mentions the approvers, they are mentioned again in the next one's.
func (r Request) MarkMessageGone(m Message, now time.Time) Request {
	root, _ := r.Root()
	_, mentioned := r.Delivered[Notification{Name: NotifyAsked}.ReplyKey()]
	r = r.clearAttempts(Step{Kind: StepRefresh, Message: m})
	if r.Decision == nil && root.Channel == m.Channel && root.TS == m.TS {
		maps.DeleteFunc(r.Attempts, func(key string, _ Attempts) bool { return strings.HasPrefix(key, string(StepNotify)+"/") })
		if mentioned && len(r.Reasked) < maxReasked {
			r.Reasked = append(r.Reasked, now)
		}
	}
	if r.Direct != nil && r.Direct.Channel == m.Channel && r.Direct.TS == m.TS {
		r.Direct = nil
	}
	r.Messages = slices.DeleteFunc(r.Messages, func(stored Message) bool { return stored.Channel == m.Channel && stored.TS == m.TS })
	return r.appendEvent(Event{At: now, Kind: EventFailed, Text: "refresh: the message was deleted"})
}

// MoveRoot records that n was posted as a reply to root, but at channel and ts,
// outside any thread, because root was deleted. If the request is pending, that
// message becomes one that shows the question, and is refreshed to do so.
func (r Request) MoveRoot(root Message, n Notification, channel, ts string, now time.Time) Request {
	r = r.MarkDelivered(n.ReplyKey(), channel, ts, now)
	if r.Decision != nil {
		return r
	}
	reasked := len(r.Reasked)
	r = r.MarkMessageGone(root, now)
	if n.mentionsApprovers() {
		r.Reasked = r.Reasked[:min(reasked, len(r.Reasked))]
	}
	return r.AdoptMessage(channel, ts)
}

// ViewHash identifies all that a posted message shows and that can change. Two
// values of one request with the same ViewHash look the same in Slack. It is
// stored with each message, so a change of its form refreshes old messages.
func (r Request) ViewHash() string {
	hash := string(r.State())
	if r.Requester.SlackID != "" {
		hash += " for " + r.Requester.SlackID
	}
	if r.Requester.LookedUp && !r.Requester.Proven {
		hash += " unproven"
	}
	if r.Decision == nil && r.identityPending() {
		hash += " unidentified"
	}
	if r.Stack.Unverified {
		hash += " unverified"
	}
	if r.Decision == nil && len(r.Votes) > 0 {
		hash += " " + strconv.Itoa(len(r.ApprovedBy()))
	}
	if r.Decision == nil && len(r.Groups) > 0 {
		hash += " groups " + r.groupsHash()
	}
	if n := len(r.Questions); n > 0 {
		hash += " questions " + strconv.Itoa(n) + " answers " + strconv.Itoa(r.answers())
	}
	for _, v := range r.Reviews {
		hash += " review " + v.By.ID + " " + strconv.FormatInt(v.Until.Unix(), 10)
	}
	if n := len(r.Reassignments); n > 0 {
		hash += " reassigned " + strconv.Itoa(n)
	}
	if !r.EscalatedAt.IsZero() {
		hash += " escalated"
	}
	if r.Signal != nil && r.Signal.Undeliverable != "" {
		hash += " unsignalled"
	}
	if r.Bypass != nil {
		hash += " bypassed"
	}
	if r.Grant != nil {
		hash += " grant " + r.grantState() + " " + strconv.Itoa(len(r.ApprovedBy()))
	}
	if r.Ended != nil {
		hash += " ended " + r.Ended.Status
	}
	return hash
}

// groupsHash digests the known names and members of the approver groups.
func (r Request) groupsHash() string {
	h := fnv.New64a()
	for _, id := range r.Terms.Groups() {
		_, _ = fmt.Fprintln(h, id, r.Groups[id])
	}
	return strconv.FormatUint(h.Sum64(), 36)
}
