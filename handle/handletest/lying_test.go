package handletest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

var at = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// TestLyingWrites holds each fault of a write to its two promises: what the
// caller is told, and what is then stored.
func TestLyingWrites(t *testing.T) {
	for _, test := range []struct {
		verb  handletest.Method
		fault handletest.Fault
		err   error
		done  bool
	}{
		{handletest.Create, handletest.NoFault, nil, true},
		{handletest.Create, handletest.NotApplied, handletest.ErrInjected, false},
		{handletest.Create, handletest.ResponseLost, handletest.ErrInjected, true},
		{handletest.Create, handletest.RetriedByClient, handle.ErrExists, true},
		{handletest.Create, handletest.Stale, nil, true},
		{handletest.Replace, handletest.NoFault, nil, true},
		{handletest.Replace, handletest.NotApplied, handletest.ErrInjected, false},
		{handletest.Replace, handletest.ResponseLost, handletest.ErrInjected, true},
		{handletest.Replace, handletest.RetriedByClient, handle.ErrConflict, true},
	} {
		t.Run(string(test.verb)+" "+test.fault.String(), func(t *testing.T) {
			ctx := t.Context()
			s := &handletest.FaultyStore{Store: new(handle.Memory)}
			r, write, want := handletest.Request(1, at), s.Create, int64(1)
			if test.verb == handletest.Replace {
				r, _ = s.Create(ctx, r)
				write, want = s.Replace, 2
			}
			r.Purpose = "written"
			s.Fault = handletest.FailNth(0, test.fault)
			next, err := write(ctx, r)
			if !errors.Is(err, test.err) {
				t.Errorf("error: got %v, want %v", err, test.err)
			}
			if wantRev := want; err == nil && next.Rev != wantRev {
				t.Errorf("revision returned: got %d, want %d", next.Rev, wantRev)
			}
			if err != nil && next.ID != "" {
				t.Errorf("a request was returned together with an error")
			}
			stored, err := s.Load(ctx, r.ID)
			if done := err == nil && stored.Rev == want && stored.Purpose == "written"; done != test.done {
				t.Errorf("done: got %v, want %v", done, test.done)
			}
		})
	}
}

// TestLyingLoses checks that a lost answer hides a true failure too.
func TestLyingLoses(t *testing.T) {
	s := &handletest.FaultyStore{Store: new(handle.Memory), Fault: handletest.FailNth(0, handletest.ResponseLost)}
	_, err := s.Replace(t.Context(), handletest.Request(1, at))
	if !errors.Is(err, handletest.ErrInjected) || errors.Is(err, handle.ErrNotFound) {
		t.Errorf("Replace of a missing request, answer lost: got %v, want %v", err, handletest.ErrInjected)
	}
	s.Fault = handletest.FailNth(0, handletest.RetriedByClient)
	if _, err := s.Replace(t.Context(), handletest.Request(1, at)); !errors.Is(err, handle.ErrNotFound) {
		t.Errorf("Replace of a missing request, repeated: got %v, want %v", err, handle.ErrNotFound)
	}
}

func TestLyingReads(t *testing.T) {
	ctx := t.Context()
	s := &handletest.FaultyStore{Store: new(handle.Memory)}
	for n := range 3 {
		if _, err := s.Create(ctx, handletest.Request(n, at.Add(time.Duration(n)))); err != nil {
			t.Fatal(err)
		}
	}
	r := handletest.Request(0, at)
	calls := map[handletest.Method]func() (int, error){
		handletest.Load: func() (int, error) {
			got, err := s.Load(ctx, r.ID)
			return min(len(got.ID), 1), err
		},
		handletest.OfStack: func() (int, error) {
			list, err := s.OfStack(ctx, r.Stack.ID)
			return len(list), err
		},
		handletest.Due: func() (int, error) {
			ids, err := s.Due(ctx, at.AddDate(1, 0, 0), 10)
			return len(ids), err
		},
		handletest.Since: func() (n int, err error) {
			for _, err := range s.Since(ctx, at) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		},
	}
	for _, test := range []struct {
		verb  handletest.Method
		fault handletest.Fault
		n     int
		err   error
	}{
		{handletest.Load, handletest.NoFault, 1, nil},
		{handletest.Load, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.OfStack, handletest.NoFault, 1, nil},
		{handletest.OfStack, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.Due, handletest.NoFault, 3, nil},
		{handletest.Due, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.Since, handletest.NoFault, 3, nil},
		{handletest.Since, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.Since, handletest.ResponseLost, 1, handletest.ErrInjected},
	} {
		s.Fault = handletest.FailNth(0, test.fault)
		n, err := calls[test.verb]()
		if n != test.n || !errors.Is(err, test.err) {
			t.Errorf("%s, %s: got %d and error %v, want %d and %v", test.verb, test.fault, n, err, test.n, test.err)
		}
	}
}

// TestLyingDue checks that a stale answer is that of the call before: it lacks
// what has become due, and keeps what no longer is.
func TestLyingDue(t *testing.T) {
	ctx, now := t.Context(), at.AddDate(1, 0, 0)
	s := &handletest.FaultyStore{Store: new(handle.Memory)}
	s.Fault = func(v handletest.Method, _ string) handletest.Fault { return handletest.Stale }
	due := func(limit int) []string {
		ids, err := s.Due(ctx, now, limit)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	first, _ := s.Create(ctx, handletest.Request(1, at))
	if got := due(10); len(got) != 0 {
		t.Errorf("the first stale answer: got %v, want none", got)
	}
	second, _ := s.Create(ctx, handletest.Request(2, at.Add(1)))
	if got, want := due(10), []string{first.ID}; !slices.Equal(got, want) {
		t.Errorf("the second stale answer: got %v, want %v", got, want)
	}
	if got, want := due(1), []string{first.ID}; !slices.Equal(got, want) {
		t.Errorf("a stale answer to limit 1: got %v, want %v", got, want)
	}
	s.Fault = nil
	if got, want := due(10), []string{first.ID, second.ID}; !slices.Equal(got, want) {
		t.Errorf("a true answer: got %v, want %v", got, want)
	}
}

// TestLyingReenters lets another actor in at the beginning of a call, who then
// wins the race.
func TestLyingReenters(t *testing.T) {
	ctx := t.Context()
	memory := new(handle.Memory)
	s := &handletest.FaultyStore{Store: memory}
	r, err := s.Create(ctx, handletest.Request(1, at))
	if err != nil {
		t.Fatal(err)
	}
	entered := false
	s.Fault = func(v handletest.Method, id string) handletest.Fault {
		if v == handletest.Replace && id == r.ID && !entered {
			entered = true
			if _, err := s.Replace(ctx, r); err != nil {
				t.Errorf("the other actor: %v", err)
			}
		}
		return handletest.NoFault
	}
	if _, err := s.Replace(ctx, r); !errors.Is(err, handle.ErrConflict) {
		t.Errorf("the first actor: got %v, want %v", err, handle.ErrConflict)
	}
}

func TestLyingCounts(t *testing.T) {
	ctx := t.Context()
	s := &handletest.FaultyStore{Store: new(handle.Memory)}
	r, _ := s.Create(ctx, handletest.Request(1, at))
	_, _ = s.Load(ctx, r.ID)
	_, _ = s.OfStack(ctx, r.Stack.ID)
	_, _ = s.Load(ctx, "missing")
	_, _ = s.Replace(ctx, r)
	_, _ = s.Due(ctx, at, 1)
	for range s.Since(ctx, at) {
	}
	s.Fault = func(handletest.Method, string) handletest.Fault { return handletest.NotApplied }
	_, _ = s.Replace(ctx, r)
	if got, want := s.Counts(), (handletest.Counts{Reads: 3, Writes: 3, Queries: 2}); got != want {
		t.Errorf("Counts: got %+v, want %+v", got, want)
	}
	s.Reset()
	if got := s.Counts(); got != (handletest.Counts{}) {
		t.Errorf("Counts after Reset: got %+v, want none", got)
	}
}

// TestFaults checks that Nth meets every call of a flow once, and that each
// fault that Faults lists is one that its verb shows.
func TestFaults(t *testing.T) {
	flow := func(s *handletest.FaultyStore) error {
		r, err := s.Create(context.Background(), handletest.Request(1, at))
		if err != nil {
			return err
		}
		if r, err = s.Load(context.Background(), r.ID); err != nil {
			return err
		}
		_, err = s.Replace(context.Background(), r)
		return err
	}
	for n, verb := range []handletest.Method{handletest.Create, handletest.Load, handletest.Replace} {
		for _, fault := range handletest.Faults(verb) {
			s := &handletest.FaultyStore{Store: new(handle.Memory), Fault: handletest.FailNth(n, fault)}
			if err := flow(s); err == nil {
				t.Errorf("call %d, %s: the flow did not meet the fault", n, fault)
			}
			if c := s.Counts(); c.Reads+c.Writes != n+1 {
				t.Errorf("call %d, %s: the flow went on: %+v", n, fault, c)
			}
		}
	}
	s := &handletest.FaultyStore{Store: new(handle.Memory), Fault: handletest.FailNth(3, handletest.NotApplied)}
	if err := flow(s); err != nil {
		t.Errorf("a fault beyond the last call: %v", err)
	}
}
