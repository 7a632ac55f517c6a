package sim

import (
	"context"
	"iter"
	"slices"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// store is the functions' store. It injects faults into a store whose every write
// is checked against the laws.
type store struct {
	sim     *simulation
	faulty  *handletest.FaultyStore
	fault   handletest.Fault // for the next call
	memory  handle.Memory
	records map[string]handle.Request // as stored
}

func newStore(s *simulation) *store {
	st := &store{sim: s, records: map[string]handle.Request{}}
	st.faulty = &handletest.FaultyStore{
		Store: checkedStore{&st.memory, st},
		Fault: func(handletest.Method, string) handletest.Fault { return st.fault },
	}
	return st
}

// requestOf returns the request that the invocation is about, as stored.
func (s *simulation) requestOf(in *invocation) handle.Request {
	if in == nil {
		return handle.Request{}
	}
	return s.store.records[in.request]
}

// storeFaults maps the simulation's faults to those of handletest.
var storeFaults = []struct {
	fault Fault
	as    handletest.Fault
}{
	{NotDone, handletest.NotApplied}, {ResponseLost, handletest.ResponseLost}, {RetriedByClient, handletest.RetriedByClient}, {StaleRead, handletest.Stale},
}

func storeFault(f Fault) handletest.Fault {
	if f == DiesAfter {
		return handletest.ResponseLost
	}
	for _, known := range storeFaults {
		if known.fault == f {
			return known.as
		}
	}
	return handletest.NoFault
}

// call makes one call to the store, with its fault and the actions around it.
func call[T any](ctx context.Context, st *store, method handletest.Method, id string, do func() (T, error)) (v T, err error) {
	var can []Fault
	for _, f := range storeFaults {
		if slices.Contains(handletest.Faults(method), f.as) {
			can = append(can, f.fault)
		}
	}
	in := invocationOf(ctx)
	defer in.trackCall()()
	if asking := st.sim.requestOf(in); in != nil && id != "" && !(asking.Decision == nil && asking.GrantFrom == id) { // taking a grant reads its request
		in.request = id
	}
	what := "store " + string(method) + " " + short(id)
	i, ok := st.sim.beforeCall(ctx, what, st.sim.orDeath(in, can...))
	if !ok {
		return v, errKilled
	}
	if !st.sim.storeBack.IsZero() && i.Fault != DiesAfter {
		i.Fault = NotDone
		st.sim.noteFault(in, what, i)
	}
	st.fault = storeFault(i.Fault)
	v, err = do()
	st.fault = handletest.NoFault
	in.see(v)
	if i.Fault == DiesAfter {
		in.dead = true
	}
	st.sim.afterCall(i)
	return v, err
}

// see notes a decision on the request that the invocation is about.
func (in *invocation) see(v any) {
	if r, ok := v.(handle.Request); ok && in != nil && r.ID == in.request && r.Decision != nil {
		in.decided = r.ID
	}
}

func (st *store) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	return call(ctx, st, handletest.Create, r.ID, func() (handle.Request, error) { return st.faulty.Create(ctx, r) })
}

func (st *store) Load(ctx context.Context, id string) (handle.Request, error) {
	return call(ctx, st, handletest.Load, id, func() (handle.Request, error) { return st.faulty.Load(ctx, id) })
}

func (st *store) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	return call(ctx, st, handletest.Replace, r.ID, func() (handle.Request, error) { return st.faulty.Replace(ctx, r) })
}

func (st *store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return call(ctx, st, handletest.Due, "", func() ([]string, error) { return st.faulty.Due(ctx, now, limit) })
}

func (st *store) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	return call(ctx, st, handletest.OfStack, "", func() ([]handle.Request, error) { return st.faulty.OfStack(ctx, stackID) })
}

func (st *store) Grants(ctx context.Context, digest string) ([]handle.Request, error) {
	return call(ctx, st, handletest.Grants, "", func() ([]handle.Request, error) { return st.faulty.Grants(ctx, digest) })
}

func (st *store) Open(ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
	type found struct {
		page []handle.Summary
		next string
	}
	list, err := call(ctx, st, handletest.Open, "", func() (found, error) {
		page, next, err := st.faulty.Open(ctx, after, limit)
		return found{page, next}, err
	})
	return list.page, list.next, err
}

func (st *store) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return st.faulty.Since(ctx, t)
}

// short returns the end of a request's ID, which names it in a story.
func short(id string) string { return id[max(0, len(id)-8):] }

// checkedStore checks each write and keeps a copy of what is stored.
type checkedStore struct {
	handle.Store
	st *store
}

func (a checkedStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := a.Store.Create(ctx, r)
	if err == nil {
		a.checkWrite(ctx, stored)
	}
	return stored, err
}

func (a checkedStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	stored, err := a.Store.Replace(ctx, r)
	if err == nil {
		a.checkWrite(ctx, stored)
	}
	return stored, err
}

// checkWrite also notes which invocation holds the lease.
func (a checkedStore) checkWrite(ctx context.Context, r handle.Request) {
	old := a.st.records[r.ID]
	a.st.sim.checkChange(old, r)
	a.st.records[r.ID] = r.Clone()
	if in := invocationOf(ctx); in != nil {
		if r.Lease.Holder != old.Lease.Holder && r.Lease.Holder != "" {
			in.holder, in.request = r.Lease.Holder, r.ID
		}
		in.frozenAtLease = a.st.sim.frozen
	}
}
