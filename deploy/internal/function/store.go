package function

import (
	"context"
	"iter"
	"sync"
	"time"

	"countersign/handle"
)

// meteredStore counts what has become durable: launches when their record is created,
// decisions and bypasses when the write that adds them wins. Only one such write
// wins, so each is counted once, by the process that made it. If the response to
// that write is lost, the decision is counted when this process next reads the
// record and finds it there; a crash before that loses the count only.
type meteredStore struct {
	handle.Store
	metrics *Metrics

	mu    sync.Mutex
	known map[string]snapshot // by request ID, as last read or written
}

// snapshot is the part of a record that is compared.
type snapshot struct {
	rev         int64
	decided     bool
	bypassed    bool
	unconfirmed *handle.Decision // written by us, outcome unknown
}

const maxSnapshots = 10_000 // glimpses

func meterStore(store handle.Store, metrics *Metrics) *meteredStore {
	return &meteredStore{Store: store, metrics: metrics, known: map[string]snapshot{}}
}

func (o *meteredStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := o.Store.Create(ctx, r)
	if err == nil {
		o.remember(ctx, stored)
		o.metrics.launched(ctx, stored)
	}
	return stored, err
}

func (o *meteredStore) Load(ctx context.Context, id string) (handle.Request, error) {
	r, err := o.Store.Load(ctx, id)
	if err == nil {
		o.remember(ctx, r)
	}
	return r, err
}

func (o *meteredStore) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	list, err := o.Store.OfStack(ctx, stackID)
	for _, r := range list {
		o.remember(ctx, r)
	}
	return list, err
}

func (o *meteredStore) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		for r, err := range o.Store.Since(ctx, t) {
			if err == nil {
				o.remember(ctx, r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Replace compares r with the revision before, which the caller has read or written
// through this store.
func (o *meteredStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	o.mu.Lock()
	before, ok := o.known[r.ID]
	o.mu.Unlock()
	ok = ok && before.rev == r.Rev
	stored, err := o.Store.Replace(ctx, r)
	switch {
	case err != nil && ok && !before.decided && r.Decision != nil:
		o.rememberUnconfirmed(r)
	case err == nil:
		o.remember(ctx, stored)
		if ok && !before.decided && stored.Decision != nil {
			o.metrics.decided(ctx, stored)
		}
		if ok && !before.bypassed && stored.Bypass != nil {
			o.metrics.bypassed(ctx, map[string]string{"request": stored.ID, "stack": stored.Stack.ID})
		}
	}
	return stored, err
}

// remember remembers r, and counts a decision that turns out to be ours.
func (o *meteredStore) remember(ctx context.Context, r handle.Request) {
	o.mu.Lock()
	before := o.known[r.ID]
	now := snapshot{rev: r.Rev, decided: r.Decision != nil, bypassed: r.Bypass != nil, unconfirmed: before.unconfirmed}
	won := false
	if now.decided && before.unconfirmed != nil {
		won, now.unconfirmed = sameDecision(*before.unconfirmed, *r.Decision), nil
	}
	if r.Rev >= before.rev {
		if len(o.known) >= maxSnapshots {
			clear(o.known)
		}
		o.known[r.ID] = now
	}
	o.mu.Unlock()
	if won {
		o.metrics.decided(ctx, r)
	}
}

// rememberUnconfirmed remembers a decision that may or may not be stored.
func (o *meteredStore) rememberUnconfirmed(r handle.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.known[r.ID]
	g.unconfirmed = r.Decision
	o.known[r.ID] = g
}

// sameDecision reports whether a and b are the same decision: two people do not decide
// the same in the same nanosecond.
func sameDecision(a, b handle.Decision) bool {
	at := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return at && a == b
}
