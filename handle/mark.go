package handle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The marks. Each records what has been done, or has failed to be done; none
// says what ought to be. All of them hold on whatever the record has become
// meanwhile, so that a mark which met a conflict can be made again on the next
// value.

// Try remembers the failed attempts at one step.
type Attempts struct {
	Count       int       `json:"n"`
	Since       time.Time `json:"since,omitzero"` // the first of them
	NotBefore   time.Time `json:"notBefore"`
	Reason      string    `json:"why,omitempty"`
	RateLimited bool      `json:"limited,omitempty"`   // it was only asked to wait
	Abandoned   bool      `json:"abandoned,omitempty"` // it will not be tried again
}

// Failure is how an attempt at a step failed.
type Failure struct {
	Reason      string        // short, for the record; never with a secret in it
	RetryAfter  time.Duration // the least time to wait, if the other side said so (Retry-After)
	RateLimited bool          // the other side is well and only asks to wait (429)
	Permanent   bool          // trying again is of no use
}

const (
	firstBackoff = 10 * time.Second
	maxBackoff   = 10 * time.Minute
	watchBackoff = time.Hour
)

// Signalled marks what the wait handle answered: never is empty if it took the
// signal, else why it never will.
func (r Request) MarkSignalled(never string, now time.Time) Request {
	body, ok := r.SignalBody()
	if !ok || r.Signal != nil && (r.Signal.Undeliverable == "" || never != "") {
		return r
	}
	r = r.settled(Step{Kind: StepSignal})
	r.Signal = &Signal{Status: body.Status, At: now, Undeliverable: never}
	if never != "" && r.State() == Withdrawn {
		r.Signal.Undeliverable = "" // nobody listens any more: that is what withdrawn means
	}
	if never != "" {
		return r.note(Event{At: now, Kind: EventAbandoned, Text: "signal: " + never})
	}
	return r.note(Event{At: now, Kind: EventSignalled, Text: body.Status})
}

// Identified marks whom Slack knows the requester as: main is whom to mention,
// empty if nobody or not clearly one; all are those who may not approve. Proven
// says that main is the person that the principal leads to, so that it is
// certain who must not approve.
func (r Request) IdentifyRequester(main string, all []string, proven bool) Request {
	r = r.Clone()
	r.Requester.SlackID, r.Requester.SlackIDs, r.Requester.LookedUp = main, slices.Clone(all), true
	r.Requester.Proven = proven && main != ""
	return r
}

// Posted marks a message as posted, showing face. The first becomes the root
// of the thread.
func (r Request) MarkPosted(channel, ts, face string, now time.Time) Request {
	if r.knows(channel, ts) { // somebody has clicked it, and perhaps it shows more by now
		return r.MarkRefreshed(Message{Channel: channel, TS: ts, Shown: face}, face)
	}
	r = r.settled(Step{Kind: StepPost})
	r.Messages = append(r.Messages, Message{Channel: channel, TS: ts, Shown: face})
	return r.note(Event{At: now, Kind: EventAsked, Text: "slack " + channel + " " + ts})
}

const maxMessages = 20

// Adopt takes in a message that somebody clicked, if the record did not know
// it: a post whose answer was lost. It will be refreshed like the others.
func (r Request) AdoptMessage(channel, ts string) Request {
	if r.knows(channel, ts) || channel == "" || ts == "" || len(r.Messages) >= maxMessages {
		return r
	}
	r = r.Clone()
	r.Messages = append(r.Messages, Message{Channel: channel, TS: ts})
	return r
}

func (r Request) knows(channel, ts string) bool {
	return slices.ContainsFunc(r.Messages, func(m Message) bool { return m.Channel == channel && m.TS == ts })
}

// Refreshed marks that the message m, as it was on the record then, was made to
// show face. If somebody else has made it show something meanwhile, nobody knows
// which of the two came last, and it is refreshed again.
func (r Request) MarkRefreshed(m Message, face string) Request {
	r = r.settled(Step{Kind: StepRefresh, Message: m})
	for i := range r.Messages {
		switch k := &r.Messages[i]; {
		case k.Channel != m.Channel || k.TS != m.TS:
		case k.Shown == m.Shown || k.Shown == face:
			k.Shown = face
		default:
			k.Shown = ""
		}
	}
	return r
}

// Lost marks that the message m is no more. If it was the only one, a post is
// owed again, as to begin with.
func (r Request) MarkMessageGone(m Message, now time.Time) Request {
	r = r.settled(Step{Kind: StepRefresh, Message: m})
	r.Messages = slices.DeleteFunc(r.Messages, func(k Message) bool { return k.Channel == m.Channel && k.TS == m.TS })
	return r.note(Event{At: now, Kind: EventFailed, Text: "refresh: the message was deleted"})
}

// Sent marks under key (one of Occasion's) that a message went out; channel and
// ts are empty for mail.
func (r Request) MarkDelivered(key, channel, ts string, now time.Time) Request {
	if _, sent := r.Delivered[key]; sent {
		return r
	}
	r = r.Clone()
	if r.Delivered == nil {
		r.Delivered = map[string]Delivery{}
	}
	r.Delivered[key] = Delivery{At: now, Channel: channel, TS: ts}
	if key == (Notification{Name: NotifyAsked}).MailKey() {
		return r.note(Event{At: now, Kind: EventAsked, Text: key})
	}
	return r
}

// Thread is where the first direct message to the requester stands, in whose
// thread the later ones go. ok is false if there is none yet.
func (r Request) DirectThread() (channel, ts string, ok bool) {
	for key, told := range r.Delivered {
		if strings.HasPrefix(key, "direct/") && (ts == "" || told.TS < ts) {
			channel, ts = told.Channel, told.TS
		}
	}
	return channel, ts, ts != ""
}

func (r Request) settled(s Step) Request {
	r = r.Clone()
	delete(r.Attempts, s.Key())
	return r
}

// Failed marks an attempt at s that came to nothing, and sets when to try
// again: ever later, until it is of no more use.
func (r Request) RecordFailure(s Step, f Failure, now time.Time) Request {
	try := r.Attempts[s.Key()]
	if try.Abandoned || s.Kind == StepSignal && r.Signal != nil {
		return r
	}
	r = r.Clone()
	if r.Attempts == nil {
		r.Attempts = map[string]Attempts{}
	}
	if try.Count++; try.Since.IsZero() {
		try.Since = now
	}
	try.Reason, try.RateLimited = Truncate(f.Reason, 200), f.RateLimited
	most := maxBackoff
	if s.Kind == StepWatch {
		most = watchBackoff
	}
	try.NotBefore = now.Add(max(backoff(try.Count, most), f.RetryAfter))
	if f.RateLimited {
		try.NotBefore = now.Add(max(firstBackoff, f.RetryAfter))
	}
	try.Abandoned = f.Permanent || try.NotBefore.After(r.until(s, try))
	r.Attempts[s.Key()] = try
	if s.Kind == StepSignal && try.Abandoned {
		return r.MarkSignalled(try.Reason, now)
	}
	if try.Abandoned {
		r = r.note(Event{At: now, Kind: EventAbandoned, Text: s.Key() + ": " + try.Reason})
	}
	return r.note(Event{At: now, Kind: EventFailed, Text: s.Key() + ": " + try.Reason})
}

// NotYet marks that the stack has not come to its end.
func (r Request) StillInProgress(now time.Time) Request {
	s := Step{Kind: StepWatch}
	try := r.Attempts[s.Key()]
	if try.Abandoned {
		return r
	}
	r = r.Clone()
	if r.Attempts == nil {
		r.Attempts = map[string]Attempts{}
	}
	try.Count++
	try.NotBefore = now.Add(max(watchAfter, backoff(try.Count, watchBackoff)))
	if try.NotBefore.After(r.until(s, try)) {
		try.Abandoned = true
		r = r.note(Event{At: now, Kind: EventAbandoned, Text: "watch: the stack has not ended in " + watchFor.String()})
	}
	r.Attempts[s.Key()] = try
	return r
}

// until is how long s is worth trying, of which try tells. What is owed late,
// as a message that is found long after the end, gets its time too.
func (r Request) until(s Step, try Attempts) time.Time {
	end := r.Terms.Deadline
	if r.Decision != nil && r.Decision.At.After(end) {
		end = r.Decision.At
	}
	if r.Ended != nil && r.Ended.At.After(end) {
		end = r.Ended.At
	}
	switch s.Kind {
	case StepSignal:
		if expires, ok := r.WaitURL.Expires(); ok {
			return expires
		}
		return r.CreatedAt.Add(2 * MaxWait)
	case StepWatch:
		return end.Add(watchFor)
	}
	if try.Since.After(end) {
		end = try.Since
	}
	return end.Add(tellFor)
}

func backoff(n int, most time.Duration) time.Duration {
	return min(firstBackoff<<min(n-1, 20), most)
}

// Heard records a final stack status that an event told of. What the status
// means, CloudFormation is asked then.
func (r Request) ObserveStatus(status, reason string, now time.Time) Request {
	if r.Ended != nil || r.Stack.Status == status {
		return r
	}
	r = r.settled(Step{Kind: StepWatch})
	r.Stack.Status, r.Stack.Reason, r.Stack.StatusAt = status, Truncate(reason, 500), now
	return r
}

const maxOutputs = 20

// End records what became of the stack. A pending request ends with it; and a
// stack that was created without an approval has gone round the gate.
func (r Request) RecordEnd(e Ended) Request {
	if r.Ended != nil {
		return r
	}
	r = r.settled(Step{Kind: StepWatch}).refreshAnew()
	e.Reason = Truncate(r.WaitURL.Redact(e.Reason), 500)
	outputs := make([]Field, 0, min(len(e.Outputs), maxOutputs))
	for _, f := range e.Outputs[:min(len(e.Outputs), maxOutputs)] {
		outputs = append(outputs, Field{Name: OneLine(f.Name, 100), Value: OneLine(r.WaitURL.Redact(f.Value), 300)})
	}
	e.Outputs = outputs
	r.Ended = &e
	r = r.note(Event{At: e.At, Kind: EventEnded, Text: e.Status})
	if !e.Succeeded() {
		return r.Withdraw("the stack ended before anybody decided", e.At)
	}
	if r.State() != Approved && !e.Superseded {
		r = r.RecordBypass(fmt.Sprintf("the stack reached %s and the request was %s", e.Status, r.State()), e.At)
	}
	return r.Withdraw("the stack went on without a decision", e.At)
}

// Up reports whether the stack stands: its creation or update went through.
func (e Ended) Succeeded() bool {
	return e.Status == "CREATE_COMPLETE" || e.Status == "UPDATE_COMPLETE"
}

// refreshAnew forgets what refreshes have failed: there is something new to
// show, and new time to show it in.
func (r Request) refreshAnew() Request {
	maps.DeleteFunc(r.Attempts, func(key string, _ Attempts) bool { return strings.HasPrefix(key, string(StepRefresh)+"/") })
	return r
}

// FinalStatus reports whether status is one that a stack operation ends with.
// See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
func FinalStatus(status string) bool {
	switch status {
	case "CREATE_COMPLETE", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED",
		"UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED",
		"DELETE_COMPLETE", "DELETE_FAILED":
		return true
	}
	return false
}
