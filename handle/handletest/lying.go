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
type Method string

const (
	Create  Method = "Create"
	Load    Method = "Load"
	Replace Method = "Replace"
	Due     Method = "Due"
	OfStack Method = "OfStack"
	Since   Method = "Since"
)

// Fault says how one call of a [Lying] store goes. A fault that the verb cannot
// have is None.
type Fault int

const (
	// None lets the call through.
	NoFault Fault = iota

	// NotDone answers ErrMade, and the store was not asked.
	NotApplied

	// AnswerLost answers ErrMade, and what was asked for is done. Of Since, the
	// first request is yielded and then the error.
	ResponseLost

	// Repeated is of Create and Replace alone: what was asked for is done, the
	// answer is lost, and the client below asks once more by itself. It meets
	// its own change, and answers ErrExists or ErrConflict.
	RetriedByClient

	// Stale is of Due alone: the answer is what Due would have answered when it
	// was last called, with that call's now. It is empty for the first call.
	Stale
)

func (f Fault) String() string {
	return [...]string{"none", "not done", "answer lost", "repeated", "stale"}[f]
}

// Faults lists the faults that a call of v can have, None excepted. For tables
// and for random choice.
func Faults(v Method) []Fault {
	switch v {
	case Create, Replace:
		return []Fault{NotApplied, ResponseLost, RetriedByClient}
	case Due:
		return []Fault{NotApplied, Stale}
	case Since:
		return []Fault{NotApplied, ResponseLost}
	}
	return []Fault{NotApplied}
}

// ErrMade is the error of a made failure. Whether anything was done, it does
// not tell.
var ErrInjected = errors.New("made failure of the store")

// Lying is a Store that fails as one behind a network does, when told to, and
// that counts. It adds no waiting and no chance of its own: the same calls with
// the same faults have the same answers.
type FaultyStore struct {
	handle.Store

	// Fault, if not nil, is asked at the beginning of every call, with the ID
	// of the request; of OfStack with the stack's ARN, of Due and Since with
	// nothing. No lock is held, so it may let other actors use the store
	// meanwhile. It must not be changed during a call.
	Fault func(v Method, id string) Fault

	mu      sync.Mutex
	calls   map[Method]int
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
func FailNth(n int, f Fault) func(Method, string) Fault {
	var mu sync.Mutex
	return func(Method, string) Fault {
		mu.Lock()
		defer mu.Unlock()
		n--
		if n == -1 {
			return f
		}
		return NoFault
	}
}

// begin counts the call and asks how it will go.
func (s *FaultyStore) begin(v Method, id string) Fault {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[Method]int{}
	}
	s.calls[v]++
	s.mu.Unlock()
	if s.Fault == nil {
		return NoFault
	}
	return s.Fault(v, id)
}

func made(v Method, id string) error {
	if id == "" {
		return fmt.Errorf("couldn't %s: %w", v, ErrInjected)
	}
	return fmt.Errorf("couldn't %s %s: %w", v, id, ErrInjected)
}

func (s *FaultyStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	return s.write(Create, r, handle.ErrExists, func() (handle.Request, error) { return s.Store.Create(ctx, r) })
}

func (s *FaultyStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	return s.write(Replace, r, handle.ErrConflict, func() (handle.Request, error) { return s.Store.Replace(ctx, r) })
}

// write does what the verb does, or not, and says so, or not. again is what the
// verb answers to one who asks for the same change once more.
func (s *FaultyStore) write(v Method, r handle.Request, again error, do func() (handle.Request, error)) (handle.Request, error) {
	fault := s.begin(v, r.ID)
	if fault == NotApplied {
		return handle.Request{}, made(v, r.ID)
	}
	next, err := do()
	switch {
	case fault == ResponseLost:
		return handle.Request{}, made(v, r.ID)
	case fault == RetriedByClient && err == nil:
		return handle.Request{}, again
	}
	return next, err
}

func (s *FaultyStore) Load(ctx context.Context, id string) (handle.Request, error) {
	if f := s.begin(Load, id); f == NotApplied || f == ResponseLost {
		return handle.Request{}, made(Load, id)
	}
	return s.Store.Load(ctx, id)
}

func (s *FaultyStore) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	if f := s.begin(OfStack, stackID); f == NotApplied || f == ResponseLost {
		return nil, made(OfStack, stackID)
	}
	return s.Store.OfStack(ctx, stackID)
}

func (s *FaultyStore) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	fault := s.begin(Due, "")
	if fault == NotApplied || fault == ResponseLost {
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
		if fault == NotApplied {
			yield(handle.Request{}, made(Since, ""))
			return
		}
		for r, err := range s.Store.Since(ctx, t) {
			if !yield(r, err) || err != nil {
				return
			}
			if fault == ResponseLost {
				yield(handle.Request{}, made(Since, ""))
				return
			}
		}
		if fault == ResponseLost { // there was none to yield first
			yield(handle.Request{}, made(Since, ""))
		}
	}
}
