package handle

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Notification is one piece of news about a request. It can go out
// in up to three ways, each of them once: as a reply in the message's thread, as
// a direct message to the requester, and by mail. Delivered has a key for each,
// such as reply/decided, direct/decided and mail/decided.
type Notification struct {
	Name    string // one of the names below; where there can be several, followed by "-" and which, such as vote-0
	At      time.Time
	Vote    int     // for NotifyVote: index into Votes
	Index   int     // for NotifyReminder, NotifyQuestion, NotifyAnswer, NotifyNudge and NotifyReassigned: index into Terms.Reminders, Questions, Nudges or Reassignments
	Verdict Verdict // for NotifyLocked: the link's
}

// Kind returns which of the names below Name is or begins with.
func (n Notification) Kind() string {
	kind, _, _ := strings.Cut(n.Name, "-")
	return kind
}

// mentionsApprovers reports whether n mentions the approvers in the thread of a
// pending request.
func (n Notification) mentionsApprovers() bool {
	switch n.Kind() {
	case NotifyAsked, NotifyReasked, NotifyReminder, NotifyNudge, NotifyReassigned, NotifyEscalated:
		return true
	}
	return false
}

// Names of notifications. They are part of stored keys.
const (
	NotifyAsked    = "asked"
	NotifyReasked  = "reasked" // the message was deleted and posted again
	NotifyVote     = "vote"    // an approval that does not decide yet
	NotifyReminder = "reminder"
	NotifyLocked   = "locked" // too many wrong codes at a mailed link
	NotifyDecided  = "decided"
	NotifyBypass   = "bypass"
	NotifyEnded    = "ended"
	NotifyGranted  = "granted" // approved for relaunch

	NotifyQuestion   = "question" // from an approver to the requester
	NotifyAnswer     = "answer"
	NotifyNudge      = "nudge" // the requester's reminder
	NotifyReassigned = "reassigned"
	NotifyEscalated  = "escalated"
)

// Delivery records that a notification went out one way.
type Delivery struct {
	At      time.Time `json:"at"`
	Channel string    `json:"channel,omitempty"` // Slack's; empty for mail
	TS      string    `json:"ts,omitempty"`
}

// Notifications lists what there is to tell, in order of time, delivered or not.
// It includes reminders whose time has not come. Once the request is decided, only
// the decision and what follows it is in it.
func (r Request) Notifications() []Notification {
	var list []Notification
	if r.Decision != nil {
		list = append(list, Notification{Name: NotifyDecided, At: r.Decision.At})
	} else {
		list = append(list, Notification{Name: NotifyAsked, At: r.CreatedAt})
		if n := len(r.Reasked); n > 0 { // the last one supersedes those before
			list = append(list, Notification{Name: NotifyReasked + "-" + strconv.Itoa(n-1), At: r.Reasked[n-1]})
		}
		for i, v := range r.Votes {
			list = append(list, Notification{Name: NotifyVote + "-" + strconv.Itoa(i), At: v.At, Vote: i})
		}
		if !r.Terms.RemindAt.IsZero() {
			list = append(list, Notification{Name: NotifyReminder, At: r.Terms.RemindAt})
		}
		for i, at := range r.Terms.Reminders {
			list = append(list, Notification{Name: NotifyReminder + "-" + strconv.Itoa(i), At: at, Index: i})
		}
		for i, q := range r.Questions {
			list = append(list, Notification{Name: NotifyQuestion + "-" + q.ID, At: q.At, Index: i})
			if q.Answer != nil {
				list = append(list, Notification{Name: NotifyAnswer + "-" + q.ID, At: q.Answer.At, Index: i})
			}
		}
		for i, nudge := range r.Nudges {
			list = append(list, Notification{Name: NotifyNudge + "-" + strconv.Itoa(i), At: nudge.At, Index: i})
		}
		for i, m := range r.Reassignments {
			list = append(list, Notification{Name: NotifyReassigned + "-" + strconv.Itoa(i), At: m.At, Index: i})
		}
		if !r.EscalatedAt.IsZero() {
			list = append(list, Notification{Name: NotifyEscalated, At: r.EscalatedAt})
		}
		list = append(list, r.lockedLinks()...)
	}
	if r.Bypass != nil {
		list = append(list, Notification{Name: NotifyBypass, At: r.Bypass.At})
	}
	if r.Ended != nil {
		list = append(list, Notification{Name: NotifyEnded, At: r.Ended.At})
	}
	if r.Grant != nil && !r.Grant.At.IsZero() {
		list = append(list, Notification{Name: NotifyGranted, At: r.Grant.At})
	}
	slices.SortStableFunc(list, func(a, b Notification) int { return a.At.Compare(b.At) })
	return list
}

// PendingDeliveries reports which Slack messages for n are still unsent: the
// reply in the thread, which needs a posted message, and the direct message, which
// needs a known requester and, while the request is pending, the posted message.
// The requester gets no direct message about their own actions or about what is only for
// approvers. A person named only by a typed e-mail gets none if AWS proves a different
// principal.
func (r Request) PendingDeliveries(n Notification) (reply, direct bool) {
	_, posted := r.Root()
	_, replied := r.Delivered[n.ReplyKey()]
	_, written := r.Delivered[n.DirectKey()]
	return posted && !replied, n.isForRequester() && r.Requester.Addressable() && !written && (r.Decision != nil || posted)
}

// isForRequester reports whether the requester gets n by direct message too.
func (n Notification) isForRequester() bool {
	switch n.Kind() {
	case NotifyReasked, NotifyReminder, NotifyLocked, NotifyAnswer, NotifyNudge:
		return false
	}
	return true
}

// remindGap is how close to another mention of the approvers a reminder is needless.
const remindGap = time.Minute

// needless reports whether n would say nothing new. A reminder is needless if the
// approvers are mentioned within remindGap of it or later, if the first mention is still
// unsent, or if a later reminder was sent or tried. An escalation is needless if its
// approvers were replaced since.
func (r Request) needless(n Notification) bool {
	switch n.Kind() {
	case NotifyEscalated:
		return !slices.ContainsFunc(r.Terms.EscalateTo, func(id string) bool { return slices.Contains(r.Terms.Approvers, id) })
	case NotifyReminder:
		return r.needlessReminder(n)
	}
	return false
}

func (r Request) needlessReminder(n Notification) bool {
	if at := r.Terms.EscalateAt; r.escalates() && at.Sub(n.At).Abs() <= remindGap {
		return true
	}
	for _, other := range r.Notifications() {
		d, delivered := r.Delivered[other.ReplyKey()]
		pending := !delivered && !r.Attempts[Step{Kind: StepNotify, Notification: other}.Key()].Abandoned
		switch other.Kind() {
		case NotifyAsked, NotifyReasked:
			if pending || delivered && !d.At.Before(n.At) {
				return true
			}
		case NotifyEscalated, NotifyNudge, NotifyReassigned:
			if pending && !r.needless(other) || delivered && !d.At.Before(n.At.Add(-remindGap)) {
				return true
			}
		}
	}
	for i := n.Index + 1; i < len(r.Terms.Reminders); i++ {
		later := Notification{Name: NotifyReminder + "-" + strconv.Itoa(i)}
		_, delivered := r.Delivered[later.ReplyKey()]
		_, tried := r.Attempts[Step{Kind: StepNotify, Notification: later}.Key()]
		if delivered || tried {
			return true
		}
	}
	return false
}

// mailDueAt returns when n is due by mail. The question is mailed at once when
// Slack is not configured or has failed, when it asks to wait past the deadline, or
// when it will not let the approvers be mentioned in the thread; and after a while
// when it only asks to wait. A decision, bypass or locked link is mailed if the question was. ok is false if n
// needs no mail.
func (r Request) mailDueAt(n Notification) (at time.Time, ok bool) {
	if _, mailed := r.Delivered[n.MailKey()]; mailed {
		return at, false
	}
	switch n.Kind() {
	case NotifyAsked:
		_, posted := r.Root()
		posting := r.Attempts[string(StepPost)]
		switch {
		case posted:
			return n.At, r.unmentioned()
		case r.Terms.Channel == "", posting.Count > 0 && !r.PostingWaits():
			return n.At, true
		}
		return n.At.Add(min(mailAfter, r.Terms.Deadline.Sub(r.CreatedAt)/4)), true
	case NotifyDecided, NotifyBypass, NotifyLocked:
		_, asked := r.Delivered[Notification{Name: NotifyAsked}.MailKey()]
		return n.At, asked
	}
	return at, false
}

// PostingWaits reports whether the message is not posted yet only because Slack
// asked to wait, but not past the deadline.
func (r Request) PostingWaits() bool {
	posting := r.Attempts[string(StepPost)]
	return posting.RateLimited && !posting.Abandoned && posting.NotBefore.Before(r.Terms.Deadline)
}

// unmentioned reports whether Slack refuses, for good or past the deadline, a reply that
// mentions the approvers in the thread.
func (r Request) unmentioned() bool {
	return slices.ContainsFunc(r.Notifications(), func(n Notification) bool {
		tried := r.Attempts[Step{Kind: StepNotify, Notification: n}.Key()]
		late := tried.RateLimited && !tried.NotBefore.Before(r.Terms.Deadline)
		_, replied := r.Delivered[n.ReplyKey()] // then only the requester could not be written to
		return n.mentionsApprovers() && !replied && (tried.Abandoned || late)
	})
}

// approversToAsk lists the approvers who must still be asked by direct message because neither
// the thread nor a mail could notify them: listed users, and the known members of listed
// groups. At most MaxListed people are asked this way, each once.
func (r Request) approversToAsk() []string {
	asked := Notification{Name: NotifyAsked}
	mail := Step{Kind: StepMail, Notification: asked}
	_, mailed := r.Delivered[asked.MailKey()]
	if _, posted := r.Root(); !posted || r.Decision != nil || mailed || !r.Attempts[mail.Key()].Abandoned || !r.unmentioned() {
		return nil
	}
	var list []string
	already := 0
	for key := range r.Delivered {
		if strings.HasPrefix(key, string(StepAsk)+"/") {
			already++
		}
	}
	for _, a := range r.WaitingFor() {
		ids := a.Group.Members
		if IsUser(a.ID) {
			ids = []string{a.ID}
		}
		for _, id := range ids {
			_, written := r.Delivered[Step{Kind: StepAsk, To: id}.Key()]
			if written || slices.Contains(list, id) || already+len(list) >= MaxListed {
				continue
			}
			list = append(list, id)
		}
	}
	return list
}

// ReplyKey is the key in Delivered of the reply in the thread.
func (n Notification) ReplyKey() string { return "reply/" + n.Name }

// DirectKey is the key in Delivered of the direct message.
func (n Notification) DirectKey() string { return "direct/" + n.Name }

// MailKey is the key in Delivered of the mail.
func (n Notification) MailKey() string { return "mail/" + n.Name }

// MarkDelivered records that a notification went out. key is one of its keys;
// channel and ts are empty for mail. The first record under a key stays.
func (r Request) MarkDelivered(key, channel, ts string, now time.Time) Request {
	if _, delivered := r.Delivered[key]; delivered {
		return r
	}
	r = r.Clone()
	if r.Delivered == nil {
		r.Delivered = map[string]Delivery{}
	}
	r.Delivered[key] = Delivery{At: now, Channel: channel, TS: ts}
	if key == (Notification{Name: NotifyAsked}).MailKey() {
		return r.appendEvent(Event{At: now, Kind: EventAsked, Text: key})
	}
	return r
}

// BeginDirect records the first direct message to the requester. It delivered the
// notification with that key, shows viewHash, and is refreshed like the message in the
// channel.
func (r Request) BeginDirect(key, channel, ts, viewHash string, now time.Time) Request {
	r = r.MarkDelivered(key, channel, ts, now)
	if _, first, _ := r.DirectThread(); r.Direct == nil && first == ts {
		r.Direct = &Message{Channel: channel, TS: ts, Shown: viewHash}
	}
	return r
}

// DirectThread returns the first direct message to the requester. Later ones are
// replies in its thread. ok is false if there is none yet.
func (r Request) DirectThread() (channel, ts string, ok bool) {
	for key, d := range r.Delivered {
		if strings.HasPrefix(key, "direct/") && (ts == "" || d.TS < ts) {
			channel, ts = d.Channel, d.TS
		}
	}
	return channel, ts, ts != ""
}
