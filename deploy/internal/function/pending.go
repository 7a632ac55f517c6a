package function

import (
	"context"
	"fmt"
	"time"

	"countersign/handle"
)

// pendingAge finds the age of the oldest undecided request. Decisions are final and
// requests are listed in the order of creation, so each search continues where the
// last one stopped and reads each request about once.
type pendingAge struct {
	from time.Time // no earlier request is undecided; zero if not known
}

const (
	maxPending   = handle.MaxWait + time.Hour // while the sweep runs, no request stays undecided for longer
	listingDelay = 10 * time.Minute           // a request may be listed this long after its creation
)

// oldest returns the age of the oldest undecided request, or zero.
func (p *pendingAge) oldest(ctx context.Context, store handle.Store, now time.Time) (time.Duration, error) {
	if least := now.Add(-maxPending); p.from.Before(least) {
		p.from = least
	}
	for r, err := range store.Since(ctx, p.from) {
		if err != nil {
			return 0, fmt.Errorf("couldn't find the oldest undecided request: %w", err)
		}
		if r.Decision == nil {
			p.advance(r.CreatedAt, now)
			return max(0, now.Sub(r.CreatedAt)), nil
		}
	}
	p.advance(now, now)
	return 0, nil
}

// advance moves the start of the next search to t, less listingDelay.
func (p *pendingAge) advance(t, now time.Time) {
	if late := now.Add(-listingDelay); t.After(late) {
		t = late
	}
	if t.After(p.from) {
		p.from = t
	}
}
