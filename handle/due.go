package handle

import (
	"slices"
	"strconv"
	"time"
)

// StepKind names what the record can owe.
type StepKind string

const (
	StepExpire  StepKind = "expire"  // settle the request: its deadline has passed
	StepSignal  StepKind = "signal"  // tell CloudFormation the decision
	StepPost    StepKind = "post"    // find the requester in Slack, then post the message, if none is known
	StepRefresh StepKind = "refresh" // make a posted message show the truth
	StepNotify  StepKind = "tell"    // reply in the thread and write to the requester
	StepMail    StepKind = "mail"    // the same to the mail topic
	StepWatch   StepKind = "watch"   // ask CloudFormation what became of the stack
)

// Step is one thing that the record owes.
type Step struct {
	Kind         StepKind
	Notification Notification // of StepTell and StepMail
	Message      Message      // of StepRefresh
	At           time.Time
}

// Key names the step on the record, among its Tries.
func (s Step) Key() string {
	switch s.Kind {
	case StepNotify, StepMail:
		return string(s.Kind) + "/" + s.Notification.Name
	case StepRefresh:
		return string(s.Kind) + "/" + s.Message.Channel + "/" + s.Message.TS
	}
	return string(s.Kind)
}

// Leased reports whether only the holder of the lease may take the step. The
// others do no harm when done twice.
func (s Step) NeedsLease() bool { return s.Kind != StepExpire && s.Kind != StepSignal }

// Occasion is something that people are told of, once each.
type Notification struct {
	Name string // one of the constants below; those of votes end in the vote's index
	At   time.Time
	Vote int // of OnVote: index into Votes
}

// Names of occasions.
const (
	NotifyAsked    = "asked"
	NotifyVote     = "vote" // an approval that does not decide yet: OnVote + "-" + index
	NotifyReminder = "reminder"
	NotifyDecided  = "decided"
	NotifyBypass   = "bypass"
	NotifyEnded    = "ended"
)

// Occasions lists what there is to tell of, in order of time. The reminder is
// listed before its time has come. Once the request is settled, nobody is told
// any more that it waits for them.
func (r Request) Notifications() []Notification {
	var list []Notification
	if r.Decision != nil {
		list = append(list, Notification{Name: NotifyDecided, At: r.Decision.At})
	} else {
		list = append(list, Notification{Name: NotifyAsked, At: r.CreatedAt})
		for i, v := range r.Votes {
			list = append(list, Notification{Name: NotifyVote + "-" + strconv.Itoa(i), At: v.At, Vote: i})
		}
		if !r.Terms.RemindAt.IsZero() {
			list = append(list, Notification{Name: NotifyReminder, At: r.Terms.RemindAt})
		}
	}
	if r.Bypass != nil {
		list = append(list, Notification{Name: NotifyBypass, At: r.Bypass.At})
	}
	if r.Ended != nil {
		list = append(list, Notification{Name: NotifyEnded, At: r.Ended.At})
	}
	slices.SortStableFunc(list, func(a, b Notification) int { return a.At.Compare(b.At) })
	return list
}

// Toward says by which ways of Slack an occasion is still to be told: as a
// reply in the thread, and as a direct message to the requester.
func (r Request) PendingDeliveries(o Notification) (reply, direct bool) {
	_, posted := r.Root()
	_, replied := r.Delivered[o.ReplyKey()]
	_, written := r.Delivered[o.DirectKey()]
	outcome := o.Name == NotifyDecided || o.Name == NotifyBypass || o.Name == NotifyEnded
	return posted && !replied, outcome && r.Requester.SlackID != "" && !written
}

// Reply is the key under which Told remembers the reply in the thread.
func (o Notification) ReplyKey() string { return "reply/" + o.Name }

// Direct is the key under which Told remembers the direct message.
func (o Notification) DirectKey() string { return "direct/" + o.Name }

// Mail is the key under which Told remembers the mail.
func (o Notification) MailKey() string { return "mail/" + o.Name }

const (
	mailAfter  = time.Hour       // after the launch, when Slack is well and only asks to wait
	watchAfter = 5 * time.Minute // after a decision, when no event has told of the stack's end
	tellFor    = 24 * time.Hour  // how long people are still told: after the end of the request, or the first failure to
	watchFor   = 72 * time.Hour
)

// Outstanding lists every step that the record owes, now or later, each with
// the time from when it is due, the most important first.
func (r Request) Outstanding() []Step {
	var steps []Step
	owe := func(s Step) {
		try := r.Attempts[s.Key()]
		if try.Abandoned {
			return
		}
		if s.At.Before(try.NotBefore) {
			s.At = try.NotBefore
		}
		steps = append(steps, s)
	}
	_, posted := r.Root()
	if r.Decision == nil {
		owe(Step{Kind: StepExpire, At: r.Terms.Deadline})
	}
	if _, owed := r.SignalBody(); owed && r.Signal == nil {
		owe(Step{Kind: StepSignal, At: r.Decision.At})
	}
	if unknown := r.Decision == nil && !r.Requester.LookedUp; (!posted || unknown) && r.Terms.Channel != "" && r.State() != Withdrawn {
		owe(Step{Kind: StepPost, At: r.CreatedAt})
	}
	face := r.ViewHash()
	for _, m := range r.Messages {
		if m.Shown != face {
			owe(Step{Kind: StepRefresh, Message: m, At: r.CreatedAt})
		}
	}
	for _, o := range r.Notifications() {
		if reply, direct := r.PendingDeliveries(o); reply || direct {
			owe(Step{Kind: StepNotify, Notification: o, At: o.At})
		}
		if at, owed := r.mailAt(o); owed {
			owe(Step{Kind: StepMail, Notification: o, At: at})
		}
	}
	if at, owed := r.watchAt(); owed {
		owe(Step{Kind: StepWatch, At: at})
	}
	return steps
}

// mailAt is when o is to be mailed: the question, when Slack is not configured,
// has failed, or has only asked to wait for too long; and whatever settles it,
// to those who were asked by mail.
func (r Request) mailAt(o Notification) (at time.Time, owed bool) {
	if _, mailed := r.Delivered[o.MailKey()]; mailed {
		return at, false
	}
	switch o.Name {
	case NotifyAsked:
		_, posted := r.Root()
		try := r.Attempts[string(StepPost)]
		switch {
		case posted:
			return at, false
		case r.Terms.Channel == "", try.Count > 0 && !try.RateLimited:
			return o.At, true
		}
		return o.At.Add(min(mailAfter, r.Terms.Deadline.Sub(r.CreatedAt)/4)), true
	case NotifyDecided, NotifyBypass:
		_, asked := r.Delivered[Notification{Name: NotifyAsked}.MailKey()]
		return o.At, asked
	}
	return at, false
}

// watchAt is when to ask what became of the stack: at once when an event said
// that it ended, else some time after the decision.
func (r Request) watchAt() (at time.Time, owed bool) {
	switch {
	case r.Ended != nil:
		return time.Time{}, false
	case !r.Stack.StatusAt.IsZero():
		return r.Stack.StatusAt, true
	case r.Decision != nil:
		return r.Decision.At.Add(watchAfter), true
	}
	return time.Time{}, false
}

// Due lists the steps that are due at now, the most important first: the
// signal before all messages.
func (r Request) Due(now time.Time) []Step {
	return slices.DeleteFunc(r.Outstanding(), func(s Step) bool { return s.At.After(now) })
}

// Wake is when to look at the record again; zero if it owes nothing and never
// will by itself. While somebody holds the lease, what needs it waits for the
// lease to end: then its holder has died.
func (r Request) NextDue() time.Time {
	var wake time.Time
	for _, s := range r.Outstanding() {
		at := s.At
		if s.NeedsLease() && at.Before(r.Lease.Until) {
			at = r.Lease.Until
		}
		if wake.IsZero() || at.Before(wake) {
			wake = at
		}
	}
	return wake
}

// Face is a digest of all that a posted message shows and that can change. Two
// values of one request with the same Face look the same in Slack.
func (r Request) ViewHash() string {
	face := string(r.State())
	if r.Requester.SlackID != "" {
		face += " for " + r.Requester.SlackID
	}
	if r.Requester.LookedUp && !r.Requester.Proven {
		face += " unproven"
	}
	if r.Decision == nil && len(r.Votes) > 0 {
		face += " " + strconv.Itoa(len(r.ApprovedBy()))
	}
	if r.Signal != nil && r.Signal.Undeliverable != "" {
		face += " unsignalled"
	}
	if r.Bypass != nil {
		face += " bypassed"
	}
	if r.Ended != nil {
		face += " ended " + r.Ended.Status
	}
	return face
}
