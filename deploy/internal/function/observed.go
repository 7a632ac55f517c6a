package function

import (
	"context"
	"iter"
	"sync"
	"time"

	"countersign/handle"
)

// observed is a store that tells Metrics of what has become durable: a launch
// when its record is made, a decision or a bypass when the write that brought
// it has won. As there is one such write, it is told once, by the process that
// made it. If the answer of that write was lost, it is told when the process
// next reads the record and finds its own decision there; a crash before that
// loses the count, and nothing else.
type observed struct {
	handle.Store
	metrics *Metrics

	mu    sync.Mutex
	known map[string]glimpse // by request ID: as last read or written here
}

// glimpse is as much of a record as is compared.
type glimpse struct {
	rev      int64
	decided  bool
	bypassed bool
	claimed  *handle.Decision // ours, of a write whose answer was not good
}

const maxKnown = 10_000 // glimpses

func observe(store handle.Store, metrics *Metrics) *observed {
	return &observed{Store: store, metrics: metrics, known: map[string]glimpse{}}
}

func (o *observed) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := o.Store.Create(ctx, r)
	if err == nil {
		o.saw(ctx, stored)
		o.metrics.launched(ctx, stored)
	}
	return stored, err
}

func (o *observed) Load(ctx context.Context, id string) (handle.Request, error) {
	r, err := o.Store.Load(ctx, id)
	if err == nil {
		o.saw(ctx, r)
	}
	return r, err
}

func (o *observed) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	list, err := o.Store.OfStack(ctx, stackID)
	for _, r := range list {
		o.saw(ctx, r)
	}
	return list, err
}

func (o *observed) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		for r, err := range o.Store.Since(ctx, t) {
			if err == nil {
				o.saw(ctx, r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Replace knows what the record was before: whoever replaces a revision has
// read or written it, through here.
func (o *observed) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	o.mu.Lock()
	before, ok := o.known[r.ID]
	o.mu.Unlock()
	ok = ok && before.rev == r.Rev
	stored, err := o.Store.Replace(ctx, r)
	switch {
	case err != nil && ok && !before.decided && r.Decision != nil:
		o.claim(r)
	case err == nil:
		o.saw(ctx, stored)
		if ok && !before.decided && stored.Decision != nil {
			o.metrics.decided(ctx, stored)
		}
		if ok && !before.bypassed && stored.Bypass != nil {
			o.metrics.bypassed(ctx, map[string]string{"request": stored.ID, "stack": stored.Stack.ID})
		}
	}
	return stored, err
}

// saw remembers how r is, and tells of a decision that turns out to be ours.
func (o *observed) saw(ctx context.Context, r handle.Request) {
	o.mu.Lock()
	before := o.known[r.ID]
	now := glimpse{rev: r.Rev, decided: r.Decision != nil, bypassed: r.Bypass != nil, claimed: before.claimed}
	won := false
	if now.decided && before.claimed != nil {
		won, now.claimed = same(*before.claimed, *r.Decision), nil
	}
	if r.Rev >= before.rev {
		if len(o.known) >= maxKnown {
			clear(o.known)
		}
		o.known[r.ID] = now
	}
	o.mu.Unlock()
	if won {
		o.metrics.decided(ctx, r)
	}
}

// claim remembers a decision that may be on record, or may not.
func (o *observed) claim(r handle.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.known[r.ID]
	g.claimed = r.Decision
	o.known[r.ID] = g
}

// same reports whether two decisions are one: nobody else decides the same in
// the same nanosecond.
func same(a, b handle.Decision) bool {
	at := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return at && a == b
}
