package handle

import "time"

// Kind names what an event tells of.
type EventKind string

const (
	EventCreated   EventKind = "created"
	EventAsked     EventKind = "asked" // Text: the Slack message, or mail/asked
	EventVote      EventKind = "vote"
	EventRefused   EventKind = "refused" // Text: the Why
	EventDecided   EventKind = "decided"
	EventSignalled EventKind = "signalled"
	EventFailed    EventKind = "failed"    // an attempt to reach somebody; Text: which step, and how it failed
	EventAbandoned EventKind = "abandoned" // a step that will not be tried again
	EventBypass    EventKind = "bypass"
	EventEnded     EventKind = "ended" // Text: the stack's final status
)

// Event is one line of the request's history, for whoever asks later.
type Event struct {
	At    time.Time `json:"at"` // the last time, if it happened more than once
	Kind  EventKind `json:"kind"`
	By    Person    `json:"by,omitzero"`
	Text  string    `json:"text,omitempty"`
	Count int       `json:"count,omitempty"` // how often, if more than once
}

// maxRepeatable bounds the events that somebody outside can cause at will, so
// that no amount of clicking makes the record too large for its store.
const maxRepeatable = 100

// note appends e. A refusal or failed attempt that repeats an earlier one is
// counted there instead; past maxRepeatable of them, those alike are counted
// together whoever they were of, and past twice as many all the rest. Nothing is
// ever removed.
func (r Request) note(e Event) Request {
	e.Text = Truncate(e.Text, 300)
	e.By.Name = OneLine(e.By.Name, maxName)
	if e.Kind != EventRefused && e.Kind != EventFailed {
		r.Events = append(r.Events, e)
		return r
	}
	if r.recount(e) {
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
	if n < maxRepeatable || !r.recount(e) {
		r.Events = append(r.Events, e)
	}
	return r
}

// recount counts e on the event that it repeats, and reports whether there is
// one.
func (r Request) recount(e Event) bool {
	for i := range r.Events {
		old := &r.Events[i]
		if old.Kind == e.Kind && old.Text == e.Text && (old.By.Is(e.By) || old.By == e.By) {
			old.At, old.Count = e.At, max(old.Count, 1)+1
			return true
		}
	}
	return false
}

// Refuse records a vote that was refused.
func (r Request) RecordRefusal(by Person, why RefusalReason, now time.Time) Request {
	return r.Clone().note(Event{At: now, Kind: EventRefused, By: by, Text: string(why)})
}

// Refusals counts how often why was the answer.
func (r Request) CountRefusals(why RefusalReason) int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == EventRefused && e.Text == string(why) {
			n += max(e.Count, 1)
		}
	}
	return n
}
