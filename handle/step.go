package handle

import (
	"slices"
	"time"
)

// StepKind names a kind of work. The strings are part of stored keys.
type StepKind string

const (
	StepExpire    StepKind = "expire"    // close the request: its deadline has passed
	StepSignal    StepKind = "signal"    // send the decision to CloudFormation
	StepGrant     StepKind = "grant"     // take the grant that lets the launch through
	StepLapse     StepKind = "lapse"     // record that a grant's time has passed
	StepEscalate  StepKind = "escalate"  // add the second approvers
	StepReviews   StepKind = "reviews"   // remove the reviews whose time has passed
	StepIdentify  StepKind = "identify"  // ask CloudFormation about the launch, and Slack about the requester
	StepApprovers StepKind = "approvers" // ask Slack whether enough approvers have active accounts
	StepPost      StepKind = "post"      // post the message
	StepRefresh   StepKind = "refresh"   // update a posted message that shows an old state
	StepNotify    StepKind = "tell"      // reply in the thread, and write to the requester
	StepMail      StepKind = "mail"      // the same by mail
	StepAsk       StepKind = "ask"       // ask an approver by direct message because neither the thread nor a mail could
	StepCheck     StepKind = "check"     // compare an updated stack with what was approved
	StepWatch     StepKind = "watch"     // ask CloudFormation how the stack operation ended
	StepReact     StepKind = "react"     // show the state as a reaction on the message
)

// Step is one piece of work that a request needs.
type Step struct {
	Kind         StepKind
	Notification Notification // of StepNotify and StepMail
	Message      Message      // of StepRefresh
	To           string       // of StepAsk: a user's ID
	At           time.Time    // when it is due
}

// Key identifies the step among the request's Attempts: its kind, followed by a
// notification's name, a message's place or a user, such as tell/decided,
// refresh/C0APPROVALS/1764000000.123456 or ask/U0ANN. That of StepAsk is also its key
// in Delivered.
func (s Step) Key() string {
	switch s.Kind {
	case StepNotify, StepMail:
		return string(s.Kind) + "/" + s.Notification.Name
	case StepRefresh:
		return string(s.Kind) + "/" + s.Message.Channel + "/" + s.Message.TS
	case StepAsk:
		return string(s.Kind) + "/" + s.To
	}
	return string(s.Kind)
}

// NeedsLease reports whether only the holder of the lease may take the step.
// Signalling does no harm when done twice, and changes of the record alone happen
// once, so they need none.
func (s Step) NeedsLease() bool {
	switch s.Kind {
	case StepExpire, StepSignal, StepLapse, StepEscalate, StepReviews:
		return false
	}
	return true
}

const (
	mailAfter  = time.Hour       // how long the question waits for a rate-limited Slack before it is mailed
	settleTime = time.Minute     // after a click, before updates that are not news, so that the click does not wait for them
	watchAfter = 5 * time.Minute // how long after the decision CloudFormation is first asked, if no event came
)

// Outstanding lists every step that the request needs now or later, each with
// the time from which it is due, the most important first. Abandoned steps are
// not in it.
func (r Request) Outstanding() []Step {
	var steps []Step
	add := func(s Step) {
		failed := r.Attempts[s.Key()]
		if failed.Abandoned {
			return
		}
		if s.At.Before(failed.NotBefore) {
			s.At = failed.NotBefore
		}
		steps = append(steps, s)
	}
	if r.Decision == nil {
		add(Step{Kind: StepExpire, At: r.Terms.Deadline})
	}
	if _, ok := r.SignalBody(); ok && r.Signal == nil {
		add(Step{Kind: StepSignal, At: r.Decision.At})
	}
	if r.escalates() {
		add(Step{Kind: StepEscalate, At: r.Terms.EscalateAt})
	}
	if len(r.Reviews) > 0 {
		first := slices.MinFunc(r.Reviews, func(a, b Review) int { return a.Until.Compare(b.Until) })
		add(Step{Kind: StepReviews, At: first.Until})
	}
	if r.Decision == nil && r.GrantFrom != "" {
		add(Step{Kind: StepGrant, At: r.CreatedAt})
	}
	if r.Grant.open() {
		add(Step{Kind: StepLapse, At: r.Grant.Until})
	}
	if r.Decision == nil && r.identityPending() {
		add(Step{Kind: StepIdentify, At: r.CreatedAt})
	}
	if r.Decision == nil && r.Requester.LookedUp && r.ApproversUnchecked {
		add(Step{Kind: StepApprovers, At: r.CreatedAt})
	}
	if _, posted := r.Root(); !posted && r.Terms.Channel != "" && r.State() != Withdrawn {
		add(Step{Kind: StepPost, At: r.CreatedAt})
	}
	viewHash := r.ViewHash()
	for _, m := range r.Messages {
		if m.Shown != viewHash {
			add(Step{Kind: StepRefresh, Message: m, At: r.CreatedAt})
		}
	}
	if m := r.Direct; m != nil && m.Shown != viewHash {
		add(Step{Kind: StepRefresh, Message: *m, At: r.settledAt()})
	}
	for _, n := range r.Notifications() {
		if r.needless(n) {
			continue
		}
		if reply, direct := r.PendingDeliveries(n); reply || direct {
			add(Step{Kind: StepNotify, Notification: n, At: n.At})
		}
		if at, ok := r.mailDueAt(n); ok {
			add(Step{Kind: StepMail, Notification: n, At: at})
		}
	}
	for _, id := range r.approversToAsk() {
		add(Step{Kind: StepAsk, To: id, At: r.CreatedAt})
	}
	if !r.Stack.UpdateAt.IsZero() {
		add(Step{Kind: StepCheck, At: r.Stack.UpdateAt})
	}
	if at, ok := r.watchDueAt(); ok {
		add(Step{Kind: StepWatch, At: at})
	}
	if root, posted := r.Root(); posted && r.Reaction() != root.Reaction {
		add(Step{Kind: StepReact, At: r.settledAt()})
	}
	return steps
}

// settledAt returns when the last click may be shown where it is not news: on the
// requester's first direct message, whose thread already says it, and as a reaction.
func (r Request) settledAt() time.Time {
	at := r.CreatedAt
	acted := func(t time.Time) {
		if t = t.Add(settleTime); t.After(at) {
			at = t
		}
	}
	for _, v := range r.Votes {
		acted(v.At)
	}
	for _, q := range r.Questions {
		acted(q.At)
		if q.Answer != nil {
			acted(q.Answer.At)
		}
	}
	for _, v := range r.Reviews {
		acted(v.At)
	}
	for _, m := range r.Reassignments {
		acted(m.At)
	}
	if r.Decision != nil {
		acted(r.Decision.At)
	}
	if r.Grant != nil {
		acted(r.Grant.RevokedAt)
	}
	return at
}

// identityPending reports whether CloudFormation or Slack still has to be asked who
// the requester is. Without Slack there is no one to compare with.
func (r Request) identityPending() bool {
	return r.Stack.Unverified || !r.Requester.LookedUp && r.Terms.Channel != ""
}

// watchDueAt returns when to ask CloudFormation how the stack operation ended:
// at once if an event reported a final status, else a while after the decision.
// ok is false if that is known, or if there is no reason to ask yet.
func (r Request) watchDueAt() (at time.Time, ok bool) {
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

// Due lists the steps that are due at now, the most important first: expiry and
// signal come before all messages. Of several reminders, as after an outage, only the
// last is due.
func (r Request) Due(now time.Time) []Step {
	due := slices.DeleteFunc(r.Outstanding(), func(s Step) bool { return s.At.After(now) })
	last := ""
	for _, s := range due {
		if s.Notification.Kind() == NotifyReminder {
			last = s.Key()
		}
	}
	return slices.DeleteFunc(due, func(s Step) bool { return s.Notification.Kind() == NotifyReminder && s.Key() != last })
}

// BulkDue reports whether messages are due that the clock causes: a reminder, or notice
// of an escalation or an expiry. Many requests can have them at the same minute.
func (r Request) BulkDue(now time.Time) bool {
	return slices.ContainsFunc(r.Due(now), func(s Step) bool {
		if s.Kind != StepNotify {
			return false
		}
		switch s.Notification.Kind() {
		case NotifyReminder, NotifyEscalated:
			return true
		case NotifyDecided:
			return r.State() == Expired
		}
		return false
	})
}

// NextDue returns when to look at the request again; zero if no step is
// outstanding. A step that needs the lease is not due before a lease that is
// held expires, because a live holder takes the step itself.
func (r Request) NextDue() time.Time {
	var next time.Time
	for _, s := range r.Outstanding() {
		at := s.At
		if s.NeedsLease() && at.Before(r.Lease.Until) {
			at = r.Lease.Until
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}
