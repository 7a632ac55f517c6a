package page

import (
	"maps"
	"sync"
)

// failures are the marks that Slack's client shows beside a button when the app
// did not answer. A client forgets them when the button is pressed again.
type failures struct{ marks map[failure]string }

type failure struct {
	person string
	on     surface
	action string
}

// on lists the marks on one surface by action_id.
func (f failures) on(person string, on surface) map[string]string {
	out := map[string]string{}
	for k, text := range f.marks {
		if k.person == person && k.on == on {
			out[k.action] = text
		}
	}
	return out
}

const maxFailures = 100 // of them all; then the oldest are as good as forgotten

// failureLog collects failures.
type failureLog struct {
	mu      sync.Mutex
	marks   map[failure]string
	changes uint64
}

// note sets or, with an empty text, removes a mark.
func (l *failureLog) note(f failure, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	if text == "" {
		delete(l.marks, f)
		return
	}
	if l.marks == nil || len(l.marks) >= maxFailures {
		l.marks = map[failure]string{}
	}
	l.marks[f] = text
}

// version grows with every change.
func (l *failureLog) version() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes
}

// now is a copy.
func (l *failureLog) now() failures {
	l.mu.Lock()
	defer l.mu.Unlock()
	return failures{maps.Clone(l.marks)}
}
