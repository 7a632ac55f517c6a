// Package handletest is shared by the tests of several packages: a conformance
// suite for stores ([TestStore]), a store that fails on purpose ([FaultyStore]),
// and realistic requests ([Request]).
package handletest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"countersign/handle"
)

// TestStore tests that a store keeps the contract of [handle.Store]. open returns
// an empty store for each test and cleans up with t.Cleanup. Durability is left to
// the store's own tests, which know how to kill its process.
func TestStore(t *testing.T, open func(t *testing.T) handle.Store) {
	(&suite{open: open, lag: 10 * time.Second}).run(t)
}

// suite is the conformance suite. lag is how long an index may lag behind writes.
type suite struct {
	open func(t *testing.T) handle.Store
	lag  time.Duration
}

func (s *suite) run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"Create", testCreate},
		{"Load", testLoad},
		{"Replace", testReplace},
		{"Fidelity", testFidelity},
		{"NothingShared", testNothingShared},
		{"Largest", testLargest},
		{"RacingCreates", testRacingCreates},
		{"RacingReplaces", testRacingReplaces},
		{"NoLostUpdate", testNoLostUpdate},
		{"Due", testDue},
		{"DueLimit", testDueLimit},
		{"DueMoves", testDueMoves},
		{"OfStack", testOfStack},
		{"OfStackIsCurrent", testOfStackIsCurrent},
		{"Grants", testGrants},
		{"GrantsMany", testGrantsMany},
		{"Open", testOpen},
		{"OpenPages", testOpenPages},
		{"OpenMoves", testOpenMoves},
		{"Since", testSince},
		{"SincePages", testSincePages},
		{"SinceMonths", testSinceMonths},
		{"SinceWhileWriting", testSinceWhileWriting},
		{"Context", testContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, &fixture{T: t, Store: s.open(t), lag: s.lag, ctx: t.Context()})
		})
	}
}

// at is when requests are created where the time does not matter.
var at = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// fixture is one test with its store.
type fixture struct {
	*testing.T
	handle.Store
	ctx context.Context
	lag time.Duration
}

// create stores r, which must succeed.
func (f *fixture) create(r handle.Request) handle.Request {
	f.Helper()
	next, err := f.Create(f.ctx, r)
	if err != nil {
		f.Fatalf("Create(%s): %v", r.ID, err)
	}
	return next
}

// replace stores the next value of r, which must succeed.
func (f *fixture) replace(r handle.Request) handle.Request {
	f.Helper()
	next, err := f.Replace(f.ctx, r)
	if err != nil {
		f.Fatalf("Replace(%s, revision %d): %v", r.ID, r.Rev, err)
	}
	return next
}

// stored fails the test unless the store holds want.
func (f *fixture) stored(when string, want handle.Request) {
	f.Helper()
	got, err := f.Load(f.ctx, want.ID)
	if err != nil {
		f.Fatalf("%s: Load(%s): %v", when, want.ID, err)
	}
	if d := Diff(want, got); d != "" {
		f.Fatalf("%s: the stored request differs (-want +got):\n%s", when, d)
	}
}

// fails fails the test unless err is want.
func (f *fixture) fails(call string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s: got error %v, want %v", call, err, want)
	}
}

// eventually waits until got returns want, but no longer than an index may lag.
func (f *fixture) eventually(call string, want []string, got func() []string) {
	f.Helper()
	end := time.Now().Add(f.lag)
	for {
		ids := got()
		if slices.Equal(ids, want) {
			return
		}
		if time.Now().After(end) {
			f.Fatalf("%s: got %d requests %v, want %d requests %v", call, len(ids), ids, len(want), want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// due waits until exactly want is due at now, in this order.
func (f *fixture) due(when string, now time.Time, limit int, want ...string) {
	f.Helper()
	f.eventually(when+": Due", want, func() []string {
		ids, err := f.Due(f.ctx, now, limit)
		if err != nil {
			f.Fatalf("%s: Due: %v", when, err)
		}
		return ids
	})
}

// grants waits until the requests with the given grant key are exactly want, in any
// order. A stale entry of an index must not be listed with a request that has no such
// key any more.
func (f *fixture) grants(when, digest string, want ...string) {
	f.Helper()
	want = slices.Sorted(slices.Values(want))
	f.eventually(when+": Grants", want, func() []string {
		list, err := f.Grants(f.ctx, digest)
		if err != nil {
			f.Fatalf("%s: Grants: %v", when, err)
		}
		var ids []string
		for _, r := range list {
			ids = append(ids, r.ID)
			if r.GrantKey() != digest {
				f.Errorf("%s: Grants lists %s, whose grant key is %q, not %q", when, r.ID, r.GrantKey(), digest)
			}
		}
		slices.Sort(ids)
		return ids
	})
}

// open waits until the open requests are exactly want, in this order, read in pages of
// the given size, and returns them.
func (f *fixture) open(when string, size int, want ...string) (list []handle.Summary) {
	f.Helper()
	f.eventually(when+": Open", want, func() []string {
		var ids []string
		list = nil
		for after := ""; ; {
			page, next, err := f.Open(f.ctx, after, size)
			if err != nil {
				f.Fatalf("%s: Open: %v", when, err)
			}
			if len(page) > size {
				f.Fatalf("%s: Open: got %d requests, want at most %d", when, len(page), size)
			}
			for _, s := range page {
				ids, list = append(ids, s.ID), append(list, s)
			}
			if next == "" {
				return ids
			}
			after = next
		}
	})
	return list
}

// since waits until the requests since t are exactly want, in this order.
func (f *fixture) since(when string, t time.Time, want ...string) {
	f.Helper()
	f.eventually(when+": Since", want, func() []string {
		var ids []string
		for r, err := range f.Since(f.ctx, t) {
			if err != nil {
				f.Fatalf("%s: Since: %v", when, err)
			}
			ids = append(ids, r.ID)
		}
		return ids
	})
}
