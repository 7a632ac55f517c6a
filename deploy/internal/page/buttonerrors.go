package page

import (
	"maps"
	"sync"
)

// buttonErrors are the errors that Slack's client shows beside a button when the
// app did not acknowledge a click. The next click of the button clears its error.
type buttonErrors struct{ marks map[buttonError]string }

type buttonError struct {
	person string // Slack user ID
	on     surface
	action string
}

// on returns the errors on one surface by action_id.
func (f buttonErrors) on(person string, on surface) map[string]string {
	out := map[string]string{}
	for k, text := range f.marks {
		if k.person == person && k.on == on {
			out[k.action] = text
		}
	}
	return out
}

const maxButtonErrors = 100 // beyond it, all earlier ones are dropped

// buttonErrorLog collects button errors.
type buttonErrorLog struct {
	mu      sync.Mutex
	marks   map[buttonError]string
	changes uint64
}

// set sets the error text of a button, or removes it if text is empty.
func (l *buttonErrorLog) set(f buttonError, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	if text == "" {
		delete(l.marks, f)
		return
	}
	if l.marks == nil || len(l.marks) >= maxButtonErrors {
		l.marks = map[buttonError]string{}
	}
	l.marks[f] = text
}

// version grows with every change.
func (l *buttonErrorLog) version() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes
}

// snapshot returns a copy.
func (l *buttonErrorLog) snapshot() buttonErrors {
	l.mu.Lock()
	defer l.mu.Unlock()
	return buttonErrors{maps.Clone(l.marks)}
}
