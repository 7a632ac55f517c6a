package sim

import (
	"context"
	"iter"
	"slices"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// store is the functions' store: one that lies, over one whose every change is
// held against the laws.
type store struct {
	s       *play
	lying   *handletest.FaultyStore
	fault   handletest.Fault // of the next call
	memory  handle.Memory
	records map[string]handle.Request // as they are stored
}

func newStore(s *play) *store {
	st := &store{s: s, records: map[string]handle.Request{}}
	st.lying = &handletest.FaultyStore{
		Store: audited{&st.memory, st},
		Fault: func(handletest.Method, string) handletest.Fault { return st.fault },
	}
	return st
}

// lies are the faults of a store, and what they are to those who call it.
var lies = []struct {
	fault Fault
	lie   handletest.Fault
}{
	{NotDone, handletest.NotApplied}, {Lost, handletest.ResponseLost}, {Repeated, handletest.RetriedByClient}, {OutOfDate, handletest.Stale},
}

func lieOf(f Fault) handletest.Fault {
	if f == DiesAfter {
		return handletest.ResponseLost
	}
	for _, l := range lies {
		if l.fault == f {
			return l.lie
		}
	}
	return handletest.NoFault
}

// call makes one call of a verb: what befalls it, and who acts around it.
func call[T any](ctx context.Context, st *store, verb handletest.Method, id string, do func() (T, error)) (v T, err error) {
	var can []Fault
	for _, l := range lies {
		if slices.Contains(handletest.Faults(verb), l.lie) {
			can = append(can, l.fault)
		}
	}
	in := invocationOf(ctx)
	defer in.calling()()
	if in != nil && id != "" {
		in.at = id
	}
	what := "store " + string(verb) + " " + short(id)
	i, ok := st.s.before(ctx, what, st.s.mortal(in, can...))
	if !ok {
		return v, errDead
	}
	if !st.s.storeBack.IsZero() && i.Fault != DiesAfter {
		i.Fault = NotDone
		st.s.doubts(in, what, i)
	}
	st.fault = lieOf(i.Fault)
	v, err = do()
	st.fault = handletest.NoFault
	if i.Fault == DiesAfter {
		in.dead = true
	}
	st.s.after(i)
	return v, err
}

func (st *store) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	return call(ctx, st, handletest.Create, r.ID, func() (handle.Request, error) { return st.lying.Create(ctx, r) })
}

func (st *store) Load(ctx context.Context, id string) (handle.Request, error) {
	return call(ctx, st, handletest.Load, id, func() (handle.Request, error) { return st.lying.Load(ctx, id) })
}

func (st *store) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	return call(ctx, st, handletest.Replace, r.ID, func() (handle.Request, error) { return st.lying.Replace(ctx, r) })
}

func (st *store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return call(ctx, st, handletest.Due, "", func() ([]string, error) { return st.lying.Due(ctx, now, limit) })
}

func (st *store) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	return call(ctx, st, handletest.OfStack, "", func() ([]handle.Request, error) { return st.lying.OfStack(ctx, stackID) })
}

func (st *store) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return st.lying.Since(ctx, t)
}

// short is how a story names a request.
func short(id string) string { return id[max(0, len(id)-8):] }

// audited is the true store. It remembers what it holds.
type audited struct {
	handle.Store
	st *store
}

func (a audited) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := a.Store.Create(ctx, r)
	if err == nil {
		a.stored(ctx, stored)
	}
	return stored, err
}

func (a audited) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := a.Store.Replace(ctx, r)
	if err == nil {
		a.stored(ctx, stored)
	}
	return stored, err
}

func (a audited) stored(ctx context.Context, r handle.Request) {
	old := a.st.records[r.ID]
	a.st.s.checkChange(old, r)
	a.st.records[r.ID] = r.Clone()
	if in := invocationOf(ctx); in != nil {
		if r.Lease.Holder != old.Lease.Holder && r.Lease.Holder != "" {
			in.holder = r.Lease.Holder
		}
		in.stood = a.st.s.stood
	}
}
