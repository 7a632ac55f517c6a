package function

import (
	"context"
	"fmt"
	"time"

	"countersign/handle"
)

// pending finds how long the oldest undecided request has waited. What is
// decided stays so, and requests are listed in the order of their creation: so
// each is read about once, and the next time begins where this one stopped.
type pending struct {
	from time.Time // no request created before is undecided; zero: not known
}

const (
	longestWait = handle.MaxWait + time.Hour // no request is undecided for longer, if there is a sweep
	latecomers  = 10 * time.Minute           // by which a request may be listed after its creation
)

// oldest returns the age of the oldest undecided request; zero if there is
// none.
func (p *pending) oldest(ctx context.Context, store handle.Store, now time.Time) (time.Duration, error) {
	if least := now.Add(-longestWait); p.from.Before(least) {
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

// advance moves on to t, and leaves room for latecomers.
func (p *pending) advance(t, now time.Time) {
	if late := now.Add(-latecomers); t.After(late) {
		t = late
	}
	if t.After(p.from) {
		p.from = t
	}
}
