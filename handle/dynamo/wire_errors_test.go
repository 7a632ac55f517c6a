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

func TestWireErrors(t *testing.T) {
	r := handletest.Request(1, at)
	create := func(s *dynamo.Store) error { _, err := s.Create(t.Context(), r); return err }
	replace := func(s *dynamo.Store) error { _, err := s.Replace(t.Context(), r); return err }
	load := func(s *dynamo.Store) error { _, err := s.Load(t.Context(), r.ID); return err }
	found := `,"Item":` + stored(t, r)
	sentinels := []error{handle.ErrExists, handle.ErrConflict, handle.ErrNotFound}
	for _, test := range []struct {
		name   string
		call   func(*dynamo.Store) error
		answer answer
		want   error // nil: some other
	}{
		{"Create of what exists", create, failure("ConditionalCheckFailedException", found), handle.ErrExists},
		{"Replace of a changed one", replace, failure("ConditionalCheckFailedException", found), handle.ErrConflict},
		{"Replace of a missing one", replace, failure("ConditionalCheckFailedException", ""), handle.ErrNotFound},
		{"Load of a missing one", load, ok, handle.ErrNotFound},
		{"Load of a missing table", load, failure("ResourceNotFoundException", ""), nil},
		{"Replace in a missing table", replace, failure("ResourceNotFoundException", ""), nil},
		{"Create without permission", create, failure("AccessDeniedException", ""), nil},
		{"Load of an item without Record", load, answer{200, `{"Item":{` + keys(r) + `}}`}, nil},
		{"Load of an item with another Record", load, answer{200, `{"Item":{"Record":{"B":"e30="}}}`}, nil},
		{"Load of a damaged Record", load, answer{200, `{"Item":{"Record":{"S":"{"}}}`}, nil},
		{"Load of a later version", load, answer{200, `{"Item":{"Record":{"S":"{\"v\":999}"}}}`}, nil},
		{"Load of no JSON", load, answer{200, `<html>`}, nil},
	} {
		s, _ := newWire(t, test.answer)
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

// TestWireLostAnswer: the SDK asks again by itself and meets its own change.
// This is the answer that the contract lets callers expect.
func TestWireLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := handletest.Request(1, at)
		r.Rev = 1
		own := r
		own.Rev = 2
		s, w := newWire(t, answer{}, failure("ConditionalCheckFailedException", `,"Item":`+stored(t, own)))
		if _, err := s.Replace(t.Context(), r); !errors.Is(err, handle.ErrConflict) {
			t.Errorf("got error %v, want %v", err, handle.ErrConflict)
		}
		if len(w.sent) != 2 || w.sent[0].raw != w.sent[1].raw {
			t.Errorf("got %d requests, want the same twice", len(w.sent))
		}
	})
}

// TestWirePatience bounds how long a dead DynamoDB keeps a caller waiting.
func TestWirePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dynamo.New(made, &http.Client{Transport: silence{}}, "requests")
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
			t.Errorf("Load for somebody in a hurry: got error %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("Load for somebody in a hurry took %v, want 300ms", took)
		}
	})
}

// silence is a network that never answers.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestWireForeignIDs: what cannot be an ID is not there, and costs no request.
func TestWireForeignIDs(t *testing.T) {
	s, w := newWire(t, ok)
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
	if len(w.sent) != 0 {
		t.Errorf("sent %d requests, want none", len(w.sent))
	}
}
