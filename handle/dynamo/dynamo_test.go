package dynamo_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

var at = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func TestStore(t *testing.T) {
	t.Parallel()
	cfg := local(t)
	client := slowClient()
	handletest.TestStore(t, func(t *testing.T) handle.Store { return dynamo.New(cfg, client, newTable(t, cfg)) })
}

func TestTwoProcessesShareATable(t *testing.T) {
	cfg := local(t)
	table := newTable(t, cfg)
	one, other := dynamo.New(cfg, slowClient(), table), dynamo.New(cfg, slowClient(), table)
	r, err := one.Create(t.Context(), handletest.Request(1, at))
	if err != nil {
		t.Fatal(err)
	}
	got, err := other.Load(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := handletest.Diff(r, got); d != "" {
		t.Errorf("the other process reads another request (-want +got):\n%s", d)
	}
	if _, err := other.Replace(t.Context(), got); err != nil {
		t.Error(err)
	}
	if _, err := one.Replace(t.Context(), r); !errors.Is(err, handle.ErrConflict) {
		t.Errorf("Replace of what the other process has replaced: got error %v, want %v", err, handle.ErrConflict)
	}
}

// The largest request that marshal accepts, DynamoDB must accept too. One more byte
// is refused before it is sent.
func TestTooLargeRequestIsRefused(t *testing.T) {
	cfg := local(t)
	s := dynamo.New(cfg, slowClient(), newTable(t, cfg))
	fits := 0 // length of Purpose
	for step := 1 << 20; step > 0; step /= 2 {
		r := handletest.Request(1, at, func(r *handle.Request) { r.Rev, r.Purpose = 1, strings.Repeat("x", fits+step) })
		if _, err := dynamo.Marshal(r); err == nil {
			fits += step
		} else if !errors.Is(err, dynamo.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	r, err := s.Create(t.Context(), handletest.Request(1, at, func(r *handle.Request) { r.Purpose = strings.Repeat("x", fits) }))
	if err != nil {
		t.Fatalf("the largest request that should fit: %v", err)
	}
	want := r
	r.Purpose += "x"
	if _, err := s.Replace(t.Context(), r); !errors.Is(err, dynamo.ErrTooLarge) {
		t.Errorf("Replace with a larger one: got error %v, want %v", err, dynamo.ErrTooLarge)
	}
	if got, err := s.Load(t.Context(), r.ID); err != nil || handletest.Diff(want, got) != "" {
		t.Errorf("after the refusal: got revision %d and error %v, want it unchanged", got.Rev, err)
	}
	r.ID = handle.NewID(r.Stack.ID, "another", "another")
	if _, err := s.Create(t.Context(), r); !errors.Is(err, dynamo.ErrTooLarge) {
		t.Errorf("Create of a larger one: got error %v, want %v", err, dynamo.ErrTooLarge)
	}
}

func TestMissingTableIsNotAMissingRequest(t *testing.T) {
	cfg := local(t)
	s := dynamo.New(cfg, slowClient(), "missing-table")
	r := handletest.Request(1, at)
	_, errCreate := s.Create(t.Context(), r)
	_, errLoad := s.Load(t.Context(), r.ID)
	_, errReplace := s.Replace(t.Context(), r)
	_, errOfStack := s.OfStack(t.Context(), r.Stack.ID)
	_, errDue := s.Due(t.Context(), at, 10)
	var errSince error
	for _, errSince = range s.Since(t.Context(), at) {
	}
	_, errGrants := s.Grants(t.Context(), "digest")
	errs := []error{errCreate, errLoad, errReplace, errOfStack, errDue, errSince, errGrants}
	if slices.Contains(errs, nil) {
		t.Errorf("a method returned no error: %v", errs)
	}
	for _, err := range errs {
		if errors.Is(err, handle.ErrNotFound) || errors.Is(err, handle.ErrConflict) || errors.Is(err, handle.ErrExists) {
			t.Errorf("a missing table returns an error about requests: %v", err)
		}
	}
}
