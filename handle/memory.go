package handle

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// Memory is a Store that forgets when the process ends. Its zero value is
// empty and ready.
type Memory struct {
	mu       sync.Mutex
	requests map[string]Request
	wakes    []wake // of all requests whose Wake is not zero, in order
}

type wake struct {
	at time.Time
	id string
}

func (w wake) compare(v wake) int { return cmp.Or(w.at.Compare(v.at), cmp.Compare(w.id, v.id)) }

// put stores r and keeps the order of wakes.
func (m *Memory) put(r Request) {
	if old, ok := m.requests[r.ID]; ok {
		if i, found := slices.BinarySearchFunc(m.wakes, wake{old.NextDue(), r.ID}, wake.compare); found {
			m.wakes = slices.Delete(m.wakes, i, i+1)
		}
	}
	if w := (wake{r.NextDue(), r.ID}); !w.at.IsZero() {
		i, _ := slices.BinarySearchFunc(m.wakes, w, wake.compare)
		m.wakes = slices.Insert(m.wakes, i, w)
	}
	m.requests[r.ID] = r.Clone()
}

var _ Store = (*Memory)(nil)

func (m *Memory) Create(ctx context.Context, r Request) (Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Request{}, err
	}
	if _, ok := m.requests[r.ID]; ok {
		return Request{}, ErrExists
	}
	if m.requests == nil {
		m.requests = map[string]Request{}
	}
	r.Rev = 1
	m.put(r)
	return r, nil
}

func (m *Memory) Load(ctx context.Context, id string) (Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Request{}, err
	}
	r, ok := m.requests[id]
	if !ok {
		return Request{}, ErrNotFound
	}
	return r.Clone(), nil
}

func (m *Memory) Replace(ctx context.Context, r Request) (Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Request{}, err
	}
	old, ok := m.requests[r.ID]
	if !ok {
		return Request{}, ErrNotFound
	}
	if old.Rev != r.Rev {
		return Request{}, ErrConflict
	}
	r.Rev++
	m.put(r)
	return r, nil
}

func (m *Memory) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ids := []string{}
	for _, w := range m.wakes {
		if w.at.After(now) || len(ids) == limit {
			break
		}
		ids = append(ids, w.id)
	}
	return ids, nil
}

func (m *Memory) OfStack(ctx context.Context, stackID string) ([]Request, error) {
	return m.where(ctx, func(r Request) bool { return r.Stack.ID == stackID })
}

func (m *Memory) Since(ctx context.Context, t time.Time) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		list, err := m.where(ctx, func(r Request) bool { return !r.CreatedAt.Before(t) })
		if err != nil {
			yield(Request{}, err)
			return
		}
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *Memory) where(ctx context.Context, keep func(Request) bool) ([]Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []Request
	for _, r := range m.requests {
		if keep(r) {
			list = append(list, r.Clone())
		}
	}
	slices.SortFunc(list, func(a, b Request) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}
