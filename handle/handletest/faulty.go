package handletest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"countersign/handle"
)

// Method names a method of [handle.Store].
type Method string

const (
	Create  Method = "Create"
	Load    Method = "Load"
	Replace Method = "Replace"
	Due     Method = "Due"
	OfStack Method = "OfStack"
	Grants  Method = "Grants"
	Open    Method = "Open"
	Since   Method = "Since"
)

// Fault is how one call of a [FaultyStore] goes. A fault that its method cannot
// have (see [Faults]) counts as NoFault, except that ResponseLost fails every call.
type Fault int

const (
	NoFault Fault = iota

	// NotApplied returns ErrInjected without calling the store.
	NotApplied

	// ResponseLost returns ErrInjected, but a write has been carried out. Since
	// yields the first request and then the error.
	ResponseLost

	// RetriedByClient is for Create and Replace: the write is carried out, its
	// response is lost, and the client below the store repeats it. The repeated
	// write meets its own change and returns ErrExists or ErrConflict.
	RetriedByClient

	// Stale is for Due, Grants and Open. Due returns what the previous call of Due found,
	// for that call's now, Grants what its previous call with the same digest found, and
	// Open what its previous call with the same cursor and limit found. For the first
	// call this is nothing.
	Stale
)

func (f Fault) String() string {
	return [...]string{"no fault", "not applied", "response lost", "retried by client", "stale"}[f]
}

// Faults lists the faults that a call of m can have, without NoFault.
func Faults(m Method) []Fault {
	switch m {
	case Create, Replace:
		return []Fault{NotApplied, ResponseLost, RetriedByClient}
	case Due, Grants, Open:
		return []Fault{NotApplied, Stale}
	case Since:
		return []Fault{NotApplied, ResponseLost}
	}
	return []Fault{NotApplied}
}

// ErrInjected is the error of an injected fault. It does not tell whether a write
// was carried out.
var ErrInjected = errors.New("injected store failure")

// FaultyStore is a Store that fails on request, as one behind a network does, and
// that counts its calls. It is deterministic and adds no delay.
type FaultyStore struct {
	handle.Store

	// Fault, if not nil, is called at the beginning of every call and decides how
	// it goes. id is the request's ID, for OfStack the stack's ARN, for Grants the
	// digest, and empty for Due, Open and Since. No lock is held, so Fault may itself use the store. It must
	// not be changed during a call.
	Fault func(m Method, id string) Fault

	mu         sync.Mutex
	calls      map[Method]int
	lastDue    []string                    // what the previous call of Due found
	lastGrants map[string][]handle.Request // what the previous call of Grants with each digest found
	lastOpen   map[openCall]openPage       // what the previous call of Open with each cursor and limit found
}

var _ handle.Store = (*FaultyStore)(nil)

// Counts are the calls of a store by cost, including those that failed.
type Counts struct {
	Reads   int // Load, OfStack
	Writes  int // Create, Replace
	Queries int // Due, Since, Grants, Open: each reads an index
}

// Counts returns the calls since the last Reset.
func (s *FaultyStore) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{
		Reads:   s.calls[Load] + s.calls[OfStack],
		Writes:  s.calls[Create] + s.calls[Replace],
		Queries: s.calls[Due] + s.calls[Since] + s.calls[Grants] + s.calls[Open],
	}
}

// Reset sets the counts to zero.
func (s *FaultyStore) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// FailNth returns a Fault hook: f for the n-th call from now on (the first is 0),
// NoFault for all others. Raise n to fail each call of a flow in turn.
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

// begin counts the call and returns how it goes.
func (s *FaultyStore) begin(m Method, id string) Fault {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[Method]int{}
	}
	s.calls[m]++
	s.mu.Unlock()
	if s.Fault == nil {
		return NoFault
	}
	return s.Fault(m, id)
}

func injected(m Method, id string) error {
	if id == "" {
		return fmt.Errorf("couldn't %s: %w", m, ErrInjected)
	}
	return fmt.Errorf("couldn't %s %s: %w", m, id, ErrInjected)
}

func (s *FaultyStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	return s.write(Create, r, handle.ErrExists, func() (handle.Request, error) { return s.Store.Create(ctx, r) })
}

func (s *FaultyStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	return s.write(Replace, r, handle.ErrConflict, func() (handle.Request, error) { return s.Store.Replace(ctx, r) })
}

// write calls do, or not, as the fault says. repeated is the error of carrying out
// the same write twice.
func (s *FaultyStore) write(m Method, r handle.Request, repeated error, do func() (handle.Request, error)) (handle.Request, error) {
	fault := s.begin(m, r.ID)
	if fault == NotApplied {
		return handle.Request{}, injected(m, r.ID)
	}
	next, err := do()
	switch {
	case fault == ResponseLost:
		return handle.Request{}, injected(m, r.ID)
	case fault == RetriedByClient && err == nil:
		return handle.Request{}, repeated
	}
	return next, err
}

func (s *FaultyStore) Load(ctx context.Context, id string) (handle.Request, error) {
	if f := s.begin(Load, id); f == NotApplied || f == ResponseLost {
		return handle.Request{}, injected(Load, id)
	}
	return s.Store.Load(ctx, id)
}

func (s *FaultyStore) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	if f := s.begin(OfStack, stackID); f == NotApplied || f == ResponseLost {
		return nil, injected(OfStack, stackID)
	}
	return s.Store.OfStack(ctx, stackID)
}

func (s *FaultyStore) Grants(ctx context.Context, digest string) ([]handle.Request, error) {
	fault := s.begin(Grants, digest)
	if fault == NotApplied || fault == ResponseLost {
		return nil, injected(Grants, digest)
	}
	list, err := s.Store.Grants(ctx, digest)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.lastGrants[digest]
	if s.lastGrants == nil {
		s.lastGrants = map[string][]handle.Request{}
	}
	s.lastGrants[digest] = clones(list)
	if fault == Stale {
		return clones(old), nil
	}
	return list, nil
}

func clones(list []handle.Request) []handle.Request {
	list = slices.Clone(list)
	for i := range list {
		list[i] = list[i].Clone()
	}
	return list
}

func (s *FaultyStore) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	fault := s.begin(Due, "")
	if fault == NotApplied || fault == ResponseLost {
		return nil, injected(Due, "")
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

type openCall struct {
	after string
	limit int
}

type openPage struct {
	page []handle.Summary
	next string
}

func (s *FaultyStore) Open(ctx context.Context, after string, limit int) (page []handle.Summary, next string, err error) {
	fault := s.begin(Open, "")
	if fault == NotApplied || fault == ResponseLost {
		return nil, "", injected(Open, "")
	}
	page, next, err = s.Store.Open(ctx, after, limit)
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	call := openCall{after, limit}
	old := s.lastOpen[call]
	if s.lastOpen == nil {
		s.lastOpen = map[openCall]openPage{}
	}
	s.lastOpen[call] = openPage{slices.Clone(page), next}
	if fault == Stale {
		return slices.Clone(old.page), old.next, nil
	}
	return page, next, nil
}

func (s *FaultyStore) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		fault := s.begin(Since, "")
		if fault == NotApplied {
			yield(handle.Request{}, injected(Since, ""))
			return
		}
		for r, err := range s.Store.Since(ctx, t) {
			if !yield(r, err) || err != nil {
				return
			}
			if fault == ResponseLost {
				yield(handle.Request{}, injected(Since, ""))
				return
			}
		}
		if fault == ResponseLost { // the store yielded nothing
			yield(handle.Request{}, injected(Since, ""))
		}
	}
}
