package slacktest

import (
	"maps"
	"time"
)

// Call is one call that the app made.
type Call struct {
	Seq     int // from 1, over all methods
	Method  string
	At      time.Time
	Channel string // as the app named it, or as it was resolved
	TS      string // the message that was written or changed
	User    string // whom the call is about
	Error   string // Slack's error; empty for a good answer
	Fault   bool   // the answer was not the true one
}

// callsKept bounds the log of calls.
const callsKept = 1024

// callLog keeps the latest calls and counts all of them.
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

// Calls are the latest calls, up to 1,024, in the order in which they were
// finished.
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

// Counts says how often each method has been called, good answer or not.
func (w *Workspace) Counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.calls.counts)
}
