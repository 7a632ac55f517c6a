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
	StepTell    StepKind = "tell"    // reply in the thread and write to the requester
	StepMail    StepKind = "mail"    // the same to the mail topic
	StepWatch   StepKind = "watch"   // ask CloudFormation what became of the stack
)

// Step is one thing that the record owes.
type Step struct {
	Kind    StepKind
	About   Occasion // of StepTell and StepMail
	Message Message  // of StepRefresh
	At      time.Time
}

// Key names the step on the record, among its Tries.
func (s Step) Key() string {
	switch s.Kind {
	case StepTell, StepMail:
		return string(s.Kind) + "/" + s.About.Name
	case StepRefresh:
		return string(s.Kind) + "/" + s.Message.Channel + "/" + s.Message.TS
	}
	return string(s.Kind)
}

// Leased reports whether only the holder of the lease may take the step. The
// others do no harm when done twice.
func (s Step) Leased() bool { return s.Kind != StepExpire && s.Kind != StepSignal }

// Occasion is something that people are told of, once each.
type Occasion struct {
	Name string // one of the constants below; those of votes end in the vote's index
	At   time.Time
	Vote int // of OnVote: index into Votes
}

// Names of occasions.
const (
	OnAsked    = "asked"
	OnVote     = "vote" // an approval that does not decide yet: OnVote + "-" + index
	OnReminder = "reminder"
	OnDecided  = "decided"
	OnBypass   = "bypass"
	OnEnded    = "ended"
)

// Occasions lists what there is to tell of, in order of time. The reminder is
// listed before its time has come. Once the request is settled, nobody is told
// any more that it waits for them.
func (r Request) Occasions() []Occasion {
	var list []Occasion
	if r.Decision != nil {
		list = append(list, Occasion{Name: OnDecided, At: r.Decision.At})
	} else {
		list = append(list, Occasion{Name: OnAsked, At: r.CreatedAt})
		for i, v := range r.Votes {
			list = append(list, Occasion{Name: OnVote + "-" + strconv.Itoa(i), At: v.At, Vote: i})
		}
		if !r.Terms.RemindAt.IsZero() {
			list = append(list, Occasion{Name: OnReminder, At: r.Terms.RemindAt})
		}
	}
	if r.Bypass != nil {
		list = append(list, Occasion{Name: OnBypass, At: r.Bypass.At})
	}
	if r.Ended != nil {
		list = append(list, Occasion{Name: OnEnded, At: r.Ended.At})
	}
	slices.SortStableFunc(list, func(a, b Occasion) int { return a.At.Compare(b.At) })
	return list
}

// Toward says by which ways of Slack an occasion is still to be told: as a
// reply in the thread, and as a direct message to the requester.
func (r Request) Toward(o Occasion) (reply, direct bool) {
	_, posted := r.Root()
	_, replied := r.Told[o.Reply()]
	_, written := r.Told[o.Direct()]
	outcome := o.Name == OnDecided || o.Name == OnBypass || o.Name == OnEnded
	return posted && !replied, outcome && r.Requester.SlackID != "" && !written
}

// Reply is the key under which Told remembers the reply in the thread.
func (o Occasion) Reply() string { return "reply/" + o.Name }

// Direct is the key under which Told remembers the direct message.
func (o Occasion) Direct() string { return "direct/" + o.Name }

// Mail is the key under which Told remembers the mail.
func (o Occasion) Mail() string { return "mail/" + o.Name }

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
		try := r.Tries[s.Key()]
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
	face := r.Face()
	for _, m := range r.Messages {
		if m.Shown != face {
			owe(Step{Kind: StepRefresh, Message: m, At: r.CreatedAt})
		}
	}
	for _, o := range r.Occasions() {
		if reply, direct := r.Toward(o); reply || direct {
			owe(Step{Kind: StepTell, About: o, At: o.At})
		}
		if at, owed := r.mailAt(o); owed {
			owe(Step{Kind: StepMail, About: o, At: at})
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
func (r Request) mailAt(o Occasion) (at time.Time, owed bool) {
	if _, mailed := r.Told[o.Mail()]; mailed {
		return at, false
	}
	switch o.Name {
	case OnAsked:
		_, posted := r.Root()
		try := r.Tries[string(StepPost)]
		switch {
		case posted:
			return at, false
		case r.Terms.Channel == "", try.N > 0 && !try.Limited:
			return o.At, true
		}
		return o.At.Add(min(mailAfter, r.Terms.Deadline.Sub(r.CreatedAt)/4)), true
	case OnDecided, OnBypass:
		_, asked := r.Told[Occasion{Name: OnAsked}.Mail()]
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
	case !r.Stack.HeardAt.IsZero():
		return r.Stack.HeardAt, true
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
func (r Request) Wake() time.Time {
	var wake time.Time
	for _, s := range r.Outstanding() {
		at := s.At
		if s.Leased() && at.Before(r.Lease.Until) {
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
func (r Request) Face() string {
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
	if r.Signal != nil && r.Signal.Never != "" {
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
