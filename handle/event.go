package handle

import "time"

// EventKind names what happened. The strings are stored.
type EventKind string

const (
	EventCreated      EventKind = "created"
	EventAsked        EventKind = "asked" // Text: the Slack message, or mail/asked
	EventVote         EventKind = "vote"
	EventRefused      EventKind = "refused" // Text: the RefusalReason
	EventDecided      EventKind = "decided"
	EventSignalled    EventKind = "signalled"
	EventFailed       EventKind = "failed"    // an attempt at a step; Text: the step's key and how it failed
	EventAbandoned    EventKind = "abandoned" // a step that will not be tried again
	EventBypass       EventKind = "bypass"
	EventGranted      EventKind = "granted"    // enough people approved after the launch had expired
	EventGrantUsed    EventKind = "grant used" // Text: ID of the request that it decided
	EventGrantRevoked EventKind = "grant revoked"
	EventEnded        EventKind = "ended" // Text: the stack's final status

	EventQuestion   EventKind = "question" // Text: the question's ID and text; By asked
	EventAnswer     EventKind = "answer"   // Text: the question's ID and the answer
	EventReviewing  EventKind = "reviewing"
	EventReviewed   EventKind = "stopped reviewing" // before the review's time had passed
	EventNudged     EventKind = "nudged"
	EventReassigned EventKind = "reassigned" // Text: the new approvers
	EventEscalated  EventKind = "escalated"  // Text: the added approvers
)

// Event is one entry of the request's history.
type Event struct {
	At    time.Time `json:"at"` // the last time, if Count is set
	Kind  EventKind `json:"kind"`
	By    Person    `json:"by,omitzero"`
	Text  string    `json:"text,omitempty"`
	Count int       `json:"count,omitempty"` // how often it happened, if more than once
}

// maxRepeatable bounds the events of a kind that outsiders can cause at will, so
// that no number of clicks makes the record too large for its store.
const maxRepeatable = 100

// appendEvent adds e to the history. A repeatable event that repeats an earlier one
// is counted on that event instead. After maxRepeatable events of
// its kind, it is counted regardless of the person; after twice as many,
// regardless of the text too. Events are never removed. r must be a clone.
func (r Request) appendEvent(e Event) Request {
	e.Text = Truncate(e.Text, 300)
	e.By.Name = OneLine(e.By.Name, maxName)
	if !e.Kind.repeatable() {
		r.Events = append(r.Events, e)
		return r
	}
	if r.countRepeat(e) {
		return r
	}
	n := 0
	for _, old := range r.Events {
		if old.Kind == e.Kind {
			n++
		}
	}
	if n >= maxRepeatable {
		e.By = Person{}
	}
	if n >= 2*maxRepeatable {
		e.Text = "others"
	}
	if n < maxRepeatable || !r.countRepeat(e) {
		r.Events = append(r.Events, e)
	}
	return r
}

// repeatable reports whether people or failures can cause any number of events of
// kind k.
func (k EventKind) repeatable() bool {
	return k == EventRefused || k == EventFailed || k == EventReviewing || k == EventReviewed
}

// countRepeat counts e on the event that it repeats. It returns false if there
// is none.
func (r Request) countRepeat(e Event) bool {
	for i := range r.Events {
		old := &r.Events[i]
		if old.Kind == e.Kind && old.Text == e.Text && (old.By.Is(e.By) || old.By.equal(e.By)) {
			old.At, old.Count = e.At, max(old.Count, 1)+1
			return true
		}
	}
	return false
}

// Same reports whether e and f are the same, counts and times included.
func (e Event) Same(f Event) bool {
	return e.At.Equal(f.At) && e.Kind == f.Kind && e.Text == f.Text && e.Count == f.Count && e.By.equal(f.By)
}

// RecordRefusal records a vote that was refused.
func (r Request) RecordRefusal(by Person, reason RefusalReason, now time.Time) Request {
	return r.Clone().appendEvent(Event{At: now, Kind: EventRefused, By: by, Text: string(reason)})
}

// CountRefusals returns how many votes were refused for reason. The count is
// exact however many people were refused, because there are far fewer reasons
// than maxRepeatable.
func (r Request) CountRefusals(reason RefusalReason) int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == EventRefused && e.Text == string(reason) {
			n += max(e.Count, 1)
		}
	}
	return n
}
