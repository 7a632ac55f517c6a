package page

import (
	"fmt"
	"strings"
	"time"
)

// clockPane shows the sandbox's clock.
type clockPane struct {
	Now       time.Time
	Skipped   string // how far the clock was moved forward; empty if it was not
	Deadline  time.Time
	Remaining string // until the deadline; empty if nothing is pending
}

func newClockPane(s snapshot) clockPane {
	out := clockPane{Now: s.Now}
	if s.Skipped >= time.Minute {
		out.Skipped = formatDuration(s.Skipped)
	}
	if at := s.deadline(); !at.IsZero() {
		out.Deadline, out.Remaining = at, formatDuration(at.Sub(s.Now))
	}
	return out
}

// formatDuration formats a duration to the minute: 10 h 57 min. Anything under a
// minute, including negative durations, is "less than a minute".
func formatDuration(d time.Duration) string {
	d = d.Truncate(time.Minute)
	if d <= 0 {
		return "less than a minute"
	}
	var parts []string
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if n := d / unit.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
			d -= n * unit.size
		}
	}
	return strings.Join(parts, " ")
}
