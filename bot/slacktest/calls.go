package slacktest

import (
	"maps"
	"time"
)

// Call is one API call that the app made.
type Call struct {
	Seq     int // counts all calls, from 1
	Method  string
	At      time.Time
	Channel string // the ID, or the argument if the call failed before it was resolved
	TS      string // the message that was posted, updated or deleted
	User    string // the user that the call is about
	Error   string // Slack's error code; empty if the call succeeded
	Fault   bool   // a fault replaced the response
}

// callsKept is the capacity of the call log.
const callsKept = 1024

// callLog keeps the latest calls in a ring and counts all calls.
type callLog struct {
	latest []Call
	total  int
	counts map[string]int
}

func (l *callLog) add(c Call) {
	if l.counts == nil {
		l.counts = make(map[string]int)
	}
	l.total++
	c.Seq = l.total
	l.counts[c.Method]++
	if len(l.latest) < callsKept {
		l.latest = append(l.latest, c)
	} else {
		l.latest[(c.Seq-1)%callsKept] = c
	}
}

func (w *Workspace) log(c Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls.add(c)
}

// Calls returns up to 1,024 of the latest calls in the order in which they finished.
func (w *Workspace) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := make([]Call, 0, len(w.calls.latest))
	first := 0
	if w.calls.total > callsKept {
		first = w.calls.total % callsKept
	}
	calls = append(calls, w.calls.latest[first:]...)
	return append(calls, w.calls.latest[:first]...)
}

// Counts returns the number of calls by method, failed ones included.
func (w *Workspace) Counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.calls.counts)
}
