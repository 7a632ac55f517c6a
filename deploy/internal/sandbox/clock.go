package sandbox

import (
	"sync"
	"time"
)

// Clock is the sandbox's clock: the real one plus an offset, or a manual one that
// moves only by Advance.
type Clock struct {
	mu          sync.Mutex
	manualStart time.Time // zero: the real clock
	offset      time.Duration
}

// ManualClock returns a clock that stands at start until it is advanced.
func ManualClock(start time.Time) *Clock { return &Clock{manualStart: start} }

// Now returns the time in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.manualStart.IsZero() {
		return time.Now().UTC().Add(c.offset)
	}
	return c.manualStart.Add(c.offset)
}

// Offset returns by how much the clock was advanced in all.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Advance moves the clock forward by d. Unlike [Sandbox.Advance] it runs nothing.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}
