package fakecfn

import (
	"container/heap"
	"time"
)

// timers is a heap of timers, ordered by time and then by when they were set. A resource has at most one current timer:
// setting or clearing it voids earlier entries.
type timers struct {
	entries []timer
	serial  int
}

type timer struct {
	at     time.Time
	serial int
	r      *resource
}

// set sets r's timer.
func (t *timers) set(r *resource, at time.Time) {
	t.serial++
	r.timer = t.serial
	heap.Push(t, timer{at, t.serial, r})
}

// due removes and returns a resource whose timer is due at now.
func (t *timers) due(now time.Time) (*resource, bool) {
	at, ok := t.next()
	if !ok || at.After(now) {
		return nil, false
	}
	r := heap.Pop(t).(timer).r
	r.timer = 0
	return r, true
}

// next returns the time of the earliest timer and drops void entries.
func (t *timers) next() (time.Time, bool) {
	for len(t.entries) > 0 {
		if first := t.entries[0]; first.r.timer == first.serial {
			return first.at, true
		}
		heap.Pop(t)
	}
	return time.Time{}, false
}

func (t *timers) Len() int      { return len(t.entries) }
func (t *timers) Swap(i, j int) { t.entries[i], t.entries[j] = t.entries[j], t.entries[i] }
func (t *timers) Push(x any)    { t.entries = append(t.entries, x.(timer)) }

func (t *timers) Less(i, j int) bool {
	a, b := t.entries[i], t.entries[j]
	if a.at.Equal(b.at) {
		return a.serial < b.serial
	}
	return a.at.Before(b.at)
}

func (t *timers) Pop() any {
	last := t.entries[len(t.entries)-1]
	t.entries = t.entries[:len(t.entries)-1]
	return last
}
