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

// Each fault of a write determines the error that is returned and what is stored.
func TestFaultyWrites(t *testing.T) {
	for _, test := range []struct {
		method handletest.Method
		fault  handletest.Fault
		err    error
		stored bool
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
		t.Run(string(test.method)+" "+test.fault.String(), func(t *testing.T) {
			ctx := t.Context()
			s := &handletest.FaultyStore{Store: new(handle.Memory)}
			r, write, want := handletest.Request(1, at), s.Create, int64(1)
			if test.method == handletest.Replace {
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
			if written := err == nil && stored.Rev == want && stored.Purpose == "written"; written != test.stored {
				t.Errorf("stored: got %v, want %v", written, test.stored)
			}
		})
	}
}

func TestLostResponseHidesRealError(t *testing.T) {
	s := &handletest.FaultyStore{Store: new(handle.Memory), Fault: handletest.FailNth(0, handletest.ResponseLost)}
	_, err := s.Replace(t.Context(), handletest.Request(1, at))
	if !errors.Is(err, handletest.ErrInjected) || errors.Is(err, handle.ErrNotFound) {
		t.Errorf("Replace of a missing request, response lost: got %v, want %v", err, handletest.ErrInjected)
	}
	s.Fault = handletest.FailNth(0, handletest.RetriedByClient)
	if _, err := s.Replace(t.Context(), handletest.Request(1, at)); !errors.Is(err, handle.ErrNotFound) {
		t.Errorf("Replace of a missing request, retried by client: got %v, want %v", err, handle.ErrNotFound)
	}
}

func TestFaultyReads(t *testing.T) {
	ctx := t.Context()
	s := &handletest.FaultyStore{Store: new(handle.Memory)}
	for n := range 3 {
		if _, err := s.Create(ctx, handletest.Request(n, at.Add(time.Duration(n)))); err != nil {
			t.Fatal(err)
		}
	}
	granted, err := s.Create(ctx, handletest.Request(3, at, handletest.WithGrant("granted")))
	if err != nil {
		t.Fatal(err)
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
		handletest.Grants: func() (int, error) {
			list, err := s.Grants(ctx, granted.GrantKey())
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
		method handletest.Method
		fault  handletest.Fault
		n      int
		err    error
	}{
		{handletest.Load, handletest.NoFault, 1, nil},
		{handletest.Load, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.OfStack, handletest.NoFault, 1, nil},
		{handletest.OfStack, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.Grants, handletest.NoFault, 1, nil},
		{handletest.Grants, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.Grants, handletest.ResponseLost, 0, handletest.ErrInjected},
		{handletest.Due, handletest.NoFault, 4, nil},
		{handletest.Due, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.Since, handletest.NoFault, 4, nil},
		{handletest.Since, handletest.NotApplied, 0, handletest.ErrInjected},
		{handletest.Since, handletest.ResponseLost, 1, handletest.ErrInjected},
	} {
		s.Fault = handletest.FailNth(0, test.fault)
		n, err := calls[test.method]()
		if n != test.n || !errors.Is(err, test.err) {
			t.Errorf("%s, %s: got %d and error %v, want %d and %v", test.method, test.fault, n, err, test.n, test.err)
		}
	}
}

func TestStaleDueReturnsPreviousResult(t *testing.T) {
	ctx, now := t.Context(), at.AddDate(1, 0, 0)
	s := &handletest.FaultyStore{Store: new(handle.Memory)}
	s.Fault = func(handletest.Method, string) handletest.Fault { return handletest.Stale }
	due := func(limit int) []string {
		ids, err := s.Due(ctx, now, limit)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	first, _ := s.Create(ctx, handletest.Request(1, at))
	if got := due(10); len(got) != 0 {
		t.Errorf("the first stale result: got %v, want none", got)
	}
	second, _ := s.Create(ctx, handletest.Request(2, at.Add(1)))
	if got, want := due(10), []string{first.ID}; !slices.Equal(got, want) {
		t.Errorf("the second stale result: got %v, want %v", got, want)
	}
	if got, want := due(1), []string{first.ID}; !slices.Equal(got, want) {
		t.Errorf("a stale result with limit 1: got %v, want %v", got, want)
	}
	s.Fault = nil
	if got, want := due(10), []string{first.ID, second.ID}; !slices.Equal(got, want) {
		t.Errorf("without a fault: got %v, want %v", got, want)
	}
}

func TestStaleGrantsReturnPreviousResult(t *testing.T) {
	ctx := t.Context()
	s := &handletest.FaultyStore{Store: new(handle.Memory)}
	grants := func(digest string) (revs []int64) {
		list, err := s.Grants(ctx, digest)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			revs = append(revs, list[i].Rev)
			list[i].Grant.UsedBy = "changed by the caller"
		}
		return revs
	}
	r, err := s.Create(ctx, handletest.Request(1, at, handletest.WithGrant("one")))
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Create(ctx, handletest.Request(2, at, handletest.WithGrant("other")))
	if err != nil {
		t.Fatal(err)
	}
	s.Fault = func(handletest.Method, string) handletest.Fault { return handletest.Stale }
	if got := grants(r.GrantKey()); len(got) != 0 {
		t.Errorf("the first stale result: got revisions %v, want none", got)
	}
	digest := r.GrantKey()
	r, ok := r.UseGrant(other.ID, r.Grant.At)
	if _, err := s.Replace(ctx, r); err != nil || !ok {
		t.Fatalf("the grant could not be used: %t, %v", ok, err)
	}
	if got := grants(other.GrantKey()); len(got) != 0 {
		t.Errorf("the first stale result of other content: got revisions %v, want none", got)
	}
	if got, want := grants(digest), []int64{1}; !slices.Equal(got, want) {
		t.Errorf("the second stale result: got revisions %v, want %v", got, want)
	}
	s.Fault = nil
	if got := grants(digest); len(got) != 0 {
		t.Errorf("without a fault: got revisions %v, want none", got)
	}
}

// Another process replaces the request at the beginning of our Replace.
func TestFaultHookMayUseTheStore(t *testing.T) {
	ctx := t.Context()
	memory := new(handle.Memory)
	s := &handletest.FaultyStore{Store: memory}
	r, err := s.Create(ctx, handletest.Request(1, at))
	if err != nil {
		t.Fatal(err)
	}
	entered := false
	s.Fault = func(m handletest.Method, id string) handletest.Fault {
		if m == handletest.Replace && id == r.ID && !entered {
			entered = true
			if _, err := s.Replace(ctx, r); err != nil {
				t.Errorf("the other process: %v", err)
			}
		}
		return handletest.NoFault
	}
	if _, err := s.Replace(ctx, r); !errors.Is(err, handle.ErrConflict) {
		t.Errorf("our Replace: got %v, want %v", err, handle.ErrConflict)
	}
}

func TestCountsIncludeFailedCalls(t *testing.T) {
	ctx := t.Context()
	s := &handletest.FaultyStore{Store: new(handle.Memory)}
	r, _ := s.Create(ctx, handletest.Request(1, at))
	_, _ = s.Load(ctx, r.ID)
	_, _ = s.OfStack(ctx, r.Stack.ID)
	_, _ = s.Load(ctx, "missing")
	_, _ = s.Replace(ctx, r)
	_, _ = s.Due(ctx, at, 1)
	_, _ = s.Grants(ctx, "digest")
	for range s.Since(ctx, at) {
	}
	s.Fault = func(handletest.Method, string) handletest.Fault { return handletest.NotApplied }
	_, _ = s.Replace(ctx, r)
	if got, want := s.Counts(), (handletest.Counts{Reads: 3, Writes: 3, Queries: 3}); got != want {
		t.Errorf("Counts: got %+v, want %+v", got, want)
	}
	s.Reset()
	if got := s.Counts(); got != (handletest.Counts{}) {
		t.Errorf("Counts after Reset: got %+v, want none", got)
	}
}

// FailNth fails the n-th call and no other, and each of Faults makes its method
// fail.
func TestFailNthFailsEachCallInTurn(t *testing.T) {
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
	for n, method := range []handletest.Method{handletest.Create, handletest.Load, handletest.Replace} {
		for _, fault := range handletest.Faults(method) {
			s := &handletest.FaultyStore{Store: new(handle.Memory), Fault: handletest.FailNth(n, fault)}
			if err := flow(s); err == nil {
				t.Errorf("call %d, %s: the flow did not fail", n, fault)
			}
			if c := s.Counts(); c.Reads+c.Writes != n+1 {
				t.Errorf("call %d, %s: the flow continued: %+v", n, fault, c)
			}
		}
	}
	s := &handletest.FaultyStore{Store: new(handle.Memory), Fault: handletest.FailNth(3, handletest.NotApplied)}
	if err := flow(s); err != nil {
		t.Errorf("a fault beyond the last call: %v", err)
	}
}
