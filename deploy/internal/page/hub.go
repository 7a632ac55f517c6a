package page

import (
	"context"
	"sync"
	"time"
)

const (
	runInterval      = 100 * time.Millisecond // between two runs of the sandbox
	snapshotInterval = 100 * time.Millisecond // while a page is open
)

// Run runs the sandbox and updates open pages until ctx ends, then returns
// ctx's error. Call it once.
func (p *Page) Run(ctx context.Context) error {
	defer close(p.hub.ended)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(ctx)
	}()
	p.runSandbox(ctx)
	<-watched
	return ctx.Err()
}

// runSandbox lets the sandbox do what is due, every runInterval and after every
// action.
func (p *Page) runSandbox(ctx context.Context) {
	tick := time.NewTicker(runInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := p.sandbox.Run(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "couldn't run the sandbox", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-p.woken:
		}
	}
}

// wake runs the sandbox now: a visitor did something.
func (p *Page) wake() {
	select {
	case p.woken <- struct{}{}:
	default: // already pending
	}
}

// watch takes snapshots while pages are open. It does not share runSandbox's
// goroutine because one run can take long, and pages show progress meanwhile.
func (p *Page) watch(ctx context.Context) {
	tick := time.NewTicker(snapshotInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !p.hub.hasSubscribers() {
			continue
		}
		s, err := p.snapshot(ctx)
		if err == nil {
			p.hub.publish(s)
		} else if ctx.Err() == nil {
			p.log.ErrorContext(ctx, "couldn't take a snapshot", "error", err)
		}
	}
}

// hub holds the latest snapshot and notifies subscribers when it changes.
type hub struct {
	ended chan struct{} // closed when Run returns

	mu          sync.Mutex
	subscribers int
	snapshot    snapshot
	changed     chan struct{} // closed and replaced when the snapshot's digest changes
}

func newHub() hub {
	return hub{ended: make(chan struct{}), changed: make(chan struct{})}
}

// subscribe counts a subscriber until leave is called.
func (s *hub) subscribe() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.subscribers--
	})
}

func (s *hub) hasSubscribers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subscribers > 0
}

// publish stores a snapshot, and notifies subscribers if its digest differs from
// the previous one's.
func (s *hub) publish(next snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := next.digest == s.snapshot.digest
	s.snapshot = next
	if !same {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// latest returns the latest snapshot, and a channel that is closed when a
// different one is published.
func (s *hub) latest() (snapshot, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot, s.changed
}
