package page

import (
	"context"
	"sync"
	"time"
)

const (
	turnEvery = 100 * time.Millisecond // the world goes on at least so often
	lookEvery = 100 * time.Millisecond // while somebody watches
)

// Run lets the world go on, and lets the pages that are open see it, until ctx
// ends. Call it once. It returns the error of ctx.
func (p *Page) Run(ctx context.Context) error {
	defer close(p.stage.ended)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(ctx)
	}()
	p.turn(ctx)
	<-watched
	return ctx.Err()
}

// turn lets the world do what is due, again and again.
func (p *Page) turn(ctx context.Context) {
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := p.world.Run(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "the world stumbled", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-p.woken:
		}
	}
}

// wake lets the world go on at once: somebody has acted.
func (p *Page) wake() {
	select {
	case p.woken <- struct{}{}:
	default: // it is awake
	}
}

// watch looks at the world while somebody has the page open. It is not part of
// turn: a turn can take long, and what happens meanwhile shall be seen.
func (p *Page) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !p.stage.watched() {
			continue
		}
		s, err := p.look(ctx)
		if err == nil {
			p.stage.show(s)
		} else if ctx.Err() == nil {
			p.log.ErrorContext(ctx, "couldn't look at the world", "error", err)
		}
	}
}

// stage holds the latest scene, and tells everybody who watches when there is
// another.
type stage struct {
	ended chan struct{} // closed at the end

	mu       sync.Mutex
	watchers int
	scene    scene
	changed  chan struct{} // closed, and replaced, when there is another scene
}

func newStage() stage {
	return stage{ended: make(chan struct{}), changed: make(chan struct{})}
}

// enter counts one more who watches, until leave is called.
func (s *stage) enter() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers--
	})
}

func (s *stage) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watchers > 0
}

// show shows a scene, if it looks other than the one before.
func (s *stage) show(next scene) {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := next.digest == s.scene.digest
	s.scene = next
	if !same {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// latest is the latest scene, and the channel that is closed when it is not the
// latest any more.
func (s *stage) latest() (scene, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scene, s.changed
}
