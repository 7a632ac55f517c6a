package dynamo_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

func TestErrorsOfDynamoDB(t *testing.T) {
	r := handletest.Request(1, at)
	create := func(s *dynamo.Store) error { _, err := s.Create(t.Context(), r); return err }
	replace := func(s *dynamo.Store) error { _, err := s.Replace(t.Context(), r); return err }
	load := func(s *dynamo.Store) error { _, err := s.Load(t.Context(), r.ID); return err }
	found := `,"Item":` + itemOf(t, r)
	sentinels := []error{handle.ErrExists, handle.ErrConflict, handle.ErrNotFound}
	for _, test := range []struct {
		name     string
		call     func(*dynamo.Store) error
		response response
		want     error // nil for any other error
	}{
		{"Create of an existing one", create, failure("ConditionalCheckFailedException", found), handle.ErrExists},
		{"Replace of a changed one", replace, failure("ConditionalCheckFailedException", found), handle.ErrConflict},
		{"Replace of a missing one", replace, failure("ConditionalCheckFailedException", ""), handle.ErrNotFound},
		{"Load of a missing one", load, empty, handle.ErrNotFound},
		{"Load of a missing table", load, failure("ResourceNotFoundException", ""), nil},
		{"Replace in a missing table", replace, failure("ResourceNotFoundException", ""), nil},
		{"Create without permission", create, failure("AccessDeniedException", ""), nil},
		{"Load of an item without Record", load, response{200, `{"Item":{` + keysOf(r) + `}}`}, nil},
		{"Load of an item with another Record", load, response{200, `{"Item":{"Record":{"B":"e30="}}}`}, nil},
		{"Load of a damaged Record", load, response{200, `{"Item":{"Record":{"S":"{"}}}`}, nil},
		{"Load of a later version", load, response{200, `{"Item":{"Record":{"S":"{\"v\":999}"}}}`}, nil},
		{"Load of no JSON", load, response{200, `<html>`}, nil},
	} {
		s, _ := newFake(t, test.response)
		err := test.call(s)
		if err == nil {
			t.Errorf("%s: got no error", test.name)
		}
		for _, sentinel := range sentinels {
			if is := errors.Is(err, sentinel); is != (sentinel == test.want) {
				t.Errorf("%s: got error %v, want %v", test.name, err, test.want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "X-Amz-") {
			t.Errorf("%s: the error shows a wait URL", test.name)
		}
	}
}

// The SDK repeats a write whose response was lost, and the repeated write meets its
// own change. The contract of handle.Store prepares callers for this error.
func TestLostResponseBecomesConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := handletest.Request(1, at)
		r.Rev = 1
		own := r
		own.Rev = 2
		s, fake := newFake(t, response{}, failure("ConditionalCheckFailedException", `,"Item":`+itemOf(t, own)))
		if _, err := s.Replace(t.Context(), r); !errors.Is(err, handle.ErrConflict) {
			t.Errorf("got error %v, want %v", err, handle.ErrConflict)
		}
		if len(fake.calls) != 2 || fake.calls[0].raw != fake.calls[1].raw {
			t.Errorf("got %d requests, want the same twice", len(fake.calls))
		}
	})
}

func TestCallsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dynamo.New(testConfig, &http.Client{Transport: unresponsive{}}, "requests")
		start := time.Now()
		_, err := s.Load(t.Context(), handletest.Request(1, at).ID)
		if err == nil || errors.Is(err, handle.ErrNotFound) {
			t.Errorf("Load: got error %v", err)
		}
		if took := time.Since(start); took < time.Second || took > 5*time.Second {
			t.Errorf("Load gave up after %v, want some attempts of a second each", took)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start = time.Now()
		if _, err := s.Load(ctx, handletest.Request(1, at).ID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Load with a deadline: got error %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("Load with a deadline took %v, want 300ms", took)
		}
	})
}

// unresponsive is a network that never responds.
type unresponsive struct{}

func (unresponsive) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestInvalidIDsMakeNoCall(t *testing.T) {
	s, fake := newFake(t, empty)
	for _, id := range []string{"", "-", "no-id", strings.Repeat("a", 25), strings.Repeat("a", 17) + "-" + strings.Repeat("a", 8), "../" + strings.Repeat("a", 22)} {
		if _, err := s.Load(t.Context(), id); !errors.Is(err, handle.ErrNotFound) {
			t.Errorf("Load(%q): got error %v, want %v", id, err, handle.ErrNotFound)
		}
		if _, err := s.Replace(t.Context(), handle.Request{ID: id, Rev: 1}); !errors.Is(err, handle.ErrNotFound) {
			t.Errorf("Replace(%q): got error %v, want %v", id, err, handle.ErrNotFound)
		}
		if _, err := s.Create(t.Context(), handle.Request{ID: id}); err == nil {
			t.Errorf("Create(%q): got no error", id)
		}
	}
	if len(fake.calls) != 0 {
		t.Errorf("made %d calls, want none", len(fake.calls))
	}
}
