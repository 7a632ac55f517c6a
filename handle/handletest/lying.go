package handletest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"countersign/handle"
)

// Verb names a call of a [handle.Store].
type Verb string

const (
	Create  Verb = "Create"
	Load    Verb = "Load"
	Replace Verb = "Replace"
	Due     Verb = "Due"
	OfStack Verb = "OfStack"
	Since   Verb = "Since"
)

// Fault says how one call of a [Lying] store goes. A fault that the verb cannot
// have is None.
type Fault int

const (
	// None lets the call through.
	None Fault = iota

	// NotDone answers ErrMade, and the store was not asked.
	NotDone

	// AnswerLost answers ErrMade, and what was asked for is done. Of Since, the
	// first request is yielded and then the error.
	AnswerLost

	// Repeated is of Create and Replace alone: what was asked for is done, the
	// answer is lost, and the client below asks once more by itself. It meets
	// its own change, and answers ErrExists or ErrConflict.
	Repeated

	// Stale is of Due alone: the answer is what Due would have answered when it
	// was last called, with that call's now. It is empty for the first call.
	Stale
)

func (f Fault) String() string {
	return [...]string{"none", "not done", "answer lost", "repeated", "stale"}[f]
}

// Faults lists the faults that a call of v can have, None excepted. For tables
// and for random choice.
func Faults(v Verb) []Fault {
	switch v {
	case Create, Replace:
		return []Fault{NotDone, AnswerLost, Repeated}
	case Due:
		return []Fault{NotDone, Stale}
	case Since:
		return []Fault{NotDone, AnswerLost}
	}
	return []Fault{NotDone}
}

// ErrMade is the error of a made failure. Whether anything was done, it does
// not tell.
var ErrMade = errors.New("made failure of the store")

// Lying is a Store that fails as one behind a network does, when told to, and
// that counts. It adds no waiting and no chance of its own: the same calls with
// the same faults have the same answers.
type FaultyStore struct {
	handle.Store

	// Fault, if not nil, is asked at the beginning of every call, with the ID
	// of the request; of OfStack with the stack's ARN, of Due and Since with
	// nothing. No lock is held, so it may let other actors use the store
	// meanwhile. It must not be changed during a call.
	Fault func(v Verb, id string) Fault

	mu      sync.Mutex
	calls   map[Verb]int
	lastDue []string // as the last call of Due should have been answered
}

var _ handle.Store = (*FaultyStore)(nil)

// Counts are the calls of a store by what they cost, those that failed
// included.
type Counts struct {
	Reads   int // Load, OfStack
	Writes  int // Create, Replace
	Queries int // Due, Since: of an index over all requests
}

// Counts tells the calls since the last Reset.
func (s *FaultyStore) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{
		Reads:   s.calls[Load] + s.calls[OfStack],
		Writes:  s.calls[Create] + s.calls[Replace],
		Queries: s.calls[Due] + s.calls[Since],
	}
}

// Reset sets the counts to zero.
func (s *FaultyStore) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// Nth is a Fault hook: f for the n-th call from now on (the first is 0), None
// for all others. Raise n until all calls of a flow have failed once each.
func Nth(n int, f Fault) func(Verb, string) Fault {
	var mu sync.Mutex
	return func(Verb, string) Fault {
		mu.Lock()
		defer mu.Unlock()
		n--
		if n == -1 {
			return f
		}
		return None
	}
}

// begin counts the call and asks how it will go.
func (s *FaultyStore) begin(v Verb, id string) Fault {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[Verb]int{}
	}
	s.calls[v]++
	s.mu.Unlock()
	if s.Fault == nil {
		return None
	}
	return s.Fault(v, id)
}

func made(v Verb, id string) error {
	if id == "" {
		return fmt.Errorf("couldn't %s: %w", v, ErrMade)
	}
	return fmt.Errorf("couldn't %s %s: %w", v, id, ErrMade)
}

func (s *FaultyStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	return s.write(Create, r, handle.ErrExists, func() (handle.Request, error) { return s.Store.Create(ctx, r) })
}

func (s *FaultyStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	return s.write(Replace, r, handle.ErrConflict, func() (handle.Request, error) { return s.Store.Replace(ctx, r) })
}

// write does what the verb does, or not, and says so, or not. again is what the
// verb answers to one who asks for the same change once more.
func (s *FaultyStore) write(v Verb, r handle.Request, again error, do func() (handle.Request, error)) (handle.Request, error) {
	fault := s.begin(v, r.ID)
	if fault == NotDone {
		return handle.Request{}, made(v, r.ID)
	}
	next, err := do()
	switch {
	case fault == AnswerLost:
		return handle.Request{}, made(v, r.ID)
	case fault == Repeated && err == nil:
		return handle.Request{}, again
	}
	return next, err
}

func (s *FaultyStore) Load(ctx context.Context, id string) (handle.Request, error) {
	if f := s.begin(Load, id); f == NotDone || f == AnswerLost {
		return handle.Request{}, made(Load, id)
	}
	return s.Store.Load(ctx, id)
}

func (s *FaultyStore) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	if f := s.begin(OfStack, stackID); f == NotDone || f == AnswerLost {
		return nil, made(OfStack, stackID)
	}
	return s.Store.OfStack(ctx, stackID)
}

func (s *FaultyStore) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	fault := s.begin(Due, "")
	if fault == NotDone || fault == AnswerLost {
		return nil, made(Due, "")
	}
	ids, err := s.Store.Due(ctx, now, limit)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.lastDue
	s.lastDue = ids
	if fault == Stale {
		return append([]string{}, old[:min(len(old), max(limit, 0))]...), nil
	}
	return append([]string{}, ids...), nil
}

func (s *FaultyStore) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		fault := s.begin(Since, "")
		if fault == NotDone {
			yield(handle.Request{}, made(Since, ""))
			return
		}
		for r, err := range s.Store.Since(ctx, t) {
			if !yield(r, err) || err != nil {
				return
			}
			if fault == AnswerLost {
				yield(handle.Request{}, made(Since, ""))
				return
			}
		}
		if fault == AnswerLost { // there was none to yield first
			yield(handle.Request{}, made(Since, ""))
		}
	}
}
