package bot

import (
	"context"
	"sync"
	"time"
)

const (
	memoFor = time.Minute
	memoMax = 1000 // entries
)

// memo remembers the answers to questions for a minute, and asks the same
// question once at a time. Failures are not remembered. Its zero value is ready.
type memo[V any] struct {
	mu    sync.Mutex
	known map[string]*answer[V]
}

// answer is complete when done is closed.
type answer[V any] struct {
	asked time.Time
	done  chan struct{}
	v     V
	err   error
}

// get returns the answer for key, which is at most a minute old, or asks. ask
// must end by itself, also when nobody waits for it any more.
func (m *memo[V]) get(ctx context.Context, key string, now time.Time, ask func() (V, error)) (V, error) {
	a := m.find(key, now, ask)
	select {
	case <-a.done:
		return a.v, a.err
	default:
	}
	select {
	case <-a.done:
		return a.v, a.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

func (m *memo[V]) find(key string, now time.Time, ask func() (V, error)) *answer[V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.known[key]; ok && a.fresh(now) {
		return a
	}
	a := &answer[V]{asked: now, done: make(chan struct{})}
	m.makeRoom(now)
	m.known[key] = a
	go func() {
		defer close(a.done)
		if a.v, a.err = ask(); a.err != nil {
			m.forget(key, a)
		}
	}()
	return a
}

func (a *answer[V]) fresh(now time.Time) bool {
	age := now.Sub(a.asked)
	return age >= 0 && age < memoFor
}

func (m *memo[V]) forget(key string, a *answer[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[key] == a {
		delete(m.known, key)
	}
}

// makeRoom drops what is stale when the memo is full, else the oldest.
func (m *memo[V]) makeRoom(now time.Time) {
	if m.known == nil {
		m.known = map[string]*answer[V]{}
	}
	if len(m.known) < memoMax {
		return
	}
	oldest := ""
	for key, a := range m.known {
		if !a.fresh(now) {
			delete(m.known, key)
			continue
		}
		if oldest == "" || a.asked.Before(m.known[oldest].asked) {
			oldest = key
		}
	}
	if len(m.known) >= memoMax {
		delete(m.known, oldest)
	}
}
