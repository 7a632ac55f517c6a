package sandbox

import (
	"sync"
	"time"
)

// Clock is the made world's time: either the real one, moved forward by what
// people skipped, or one that stands still but for Advance.
type Clock struct {
	mu          sync.Mutex
	manualStart time.Time // zero: the real clock
	offset      time.Duration
}

// StillClock stands at start until it is advanced.
func ManualClock(start time.Time) *Clock { return &Clock{manualStart: start} }

// Now is the world's time, UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.manualStart.IsZero() {
		return time.Now().UTC().Add(c.offset)
	}
	return c.manualStart.Add(c.offset)
}

// Skipped is by how much the clock was moved forward.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Skip moves the clock forward by d, and nothing else: see World.Advance.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}
