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

const maxSnapshots = 10_000

func meterStore(store handle.Store, metrics *Metrics) *meteredStore {
	return &meteredStore{Store: store, metrics: metrics, known: map[string]snapshot{}}
}

func (s *meteredStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := s.Store.Create(ctx, r)
	if err == nil {
		s.remember(ctx, stored)
		s.metrics.launched(ctx, stored)
	}
	return stored, err
}

func (s *meteredStore) Load(ctx context.Context, id string) (handle.Request, error) {
	r, err := s.Store.Load(ctx, id)
	if err == nil {
		s.remember(ctx, r)
	}
	return r, err
}

func (s *meteredStore) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	list, err := s.Store.OfStack(ctx, stackID)
	for _, r := range list {
		s.remember(ctx, r)
	}
	return list, err
}

func (s *meteredStore) Grants(ctx context.Context, digest string) ([]handle.Request, error) {
	list, err := s.Store.Grants(ctx, digest)
	for _, r := range list {
		s.remember(ctx, r)
	}
	return list, err
}

func (s *meteredStore) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		for r, err := range s.Store.Since(ctx, t) {
			if err == nil {
				s.remember(ctx, r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Replace compares r with the revision before, which the caller has read or written
// through this store.
func (s *meteredStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	s.mu.Lock()
	before, ok := s.known[r.ID]
	s.mu.Unlock()
	ok = ok && before.rev == r.Rev
	stored, err := s.Store.Replace(ctx, r)
	switch {
	case err != nil && ok && !before.decided && r.Decision != nil:
		s.rememberUnconfirmed(r)
	case err == nil:
		s.remember(ctx, stored)
		if ok && !before.decided && stored.Decision != nil {
			s.metrics.decided(ctx, stored)
		}
		if ok && !before.bypassed && stored.Bypass != nil {
			s.metrics.bypassed(ctx, map[string]string{"request": stored.ID, "stack": stored.Stack.ID})
		}
	}
	return stored, err
}

// remember remembers r, and counts a decision that turns out to be ours.
func (s *meteredStore) remember(ctx context.Context, r handle.Request) {
	s.mu.Lock()
	before := s.known[r.ID]
	now := snapshot{rev: r.Rev, decided: r.Decision != nil, bypassed: r.Bypass != nil, unconfirmed: before.unconfirmed}
	won := false
	if now.decided && before.unconfirmed != nil {
		won, now.unconfirmed = sameDecision(*before.unconfirmed, *r.Decision), nil
	}
	if r.Rev >= before.rev {
		if len(s.known) >= maxSnapshots {
			clear(s.known)
		}
		s.known[r.ID] = now
	}
	s.mu.Unlock()
	if won {
		s.metrics.decided(ctx, r)
	}
}

// rememberUnconfirmed remembers a decision that may or may not be stored.
func (s *meteredStore) rememberUnconfirmed(r handle.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.known[r.ID]
	g.unconfirmed = r.Decision
	s.known[r.ID] = g
}

// sameDecision reports whether a and b are the same decision: two people do not decide
// the same in the same nanosecond.
func sameDecision(a, b handle.Decision) bool {
	return a.At.Equal(b.At) && a.State == b.State && a.Via == b.Via && a.Reason == b.Reason && a.By.ID == b.By.ID && a.By.Name == b.By.Name
}
