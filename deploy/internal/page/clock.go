package page

import (
	"fmt"
	"strings"
	"time"
)

// clock is the pane of the world's time.
type clock struct {
	Now      time.Time
	Skipped  string // by how much it was moved forward; empty: it was not
	Deadline time.Time
	Left     string // until the deadline; empty: nothing is pending
}

func clockOf(s scene) clock {
	out := clock{Now: s.Now}
	if s.Skipped >= time.Minute {
		out.Skipped = span(s.Skipped)
	}
	if at := s.deadline(); !at.IsZero() {
		out.Deadline, out.Left = at, span(at.Sub(s.Now))
	}
	return out
}

// span words a duration to the minute: 10 h 57 min. Below a minute it is "less
// than a minute", also when it is over.
func span(d time.Duration) string {
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
