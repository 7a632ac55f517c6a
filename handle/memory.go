package handle

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// Memory is a Store in memory: everything is lost when the process ends. Its
// zero value is an empty store.
type Memory struct {
	mu       sync.Mutex
	requests map[string]Request
	due      []dueEntry // of all requests with outstanding steps, in order
	open     []Summary  // of all open requests, in order
}

type dueEntry struct {
	at time.Time // NextDue
	id string
}

func (e dueEntry) compare(f dueEntry) int {
	return cmp.Or(e.at.Compare(f.at), cmp.Compare(e.id, f.id))
}

// put stores r and its entry in due.
func (m *Memory) put(r Request) {
	if old, ok := m.requests[r.ID]; ok {
		if i, found := slices.BinarySearchFunc(m.due, dueEntry{old.NextDue(), r.ID}, dueEntry.compare); found {
			m.due = slices.Delete(m.due, i, i+1)
		}
	}
	if e := (dueEntry{r.NextDue(), r.ID}); !e.at.IsZero() {
		i, _ := slices.BinarySearchFunc(m.due, e, dueEntry.compare)
		m.due = slices.Insert(m.due, i, e)
	}
	if old, ok := m.requests[r.ID]; ok {
		if s, ok := old.Summary(); ok {
			i, _ := slices.BinarySearchFunc(m.open, s, compareSummaries)
			m.open = slices.Delete(m.open, i, i+1)
		}
	}
	if s, ok := r.Summary(); ok {
		i, _ := slices.BinarySearchFunc(m.open, s, compareSummaries)
		m.open = slices.Insert(m.open, i, s)
	}
	m.requests[r.ID] = r.Clone()
}

// compareSummaries orders the list of open requests.
func compareSummaries(a, b Summary) int {
	return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.ID, b.ID))
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
	for _, e := range m.due {
		if e.at.After(now) || len(ids) == limit {
			break
		}
		ids = append(ids, e.id)
	}
	return ids, nil
}

func (m *Memory) OfStack(ctx context.Context, stackID string) ([]Request, error) {
	return m.list(ctx, func(r Request) bool { return r.Stack.ID == stackID })
}

func (m *Memory) Grants(ctx context.Context, digest string) ([]Request, error) {
	if digest == "" {
		return nil, ctx.Err()
	}
	return m.list(ctx, func(r Request) bool { return r.GrantKey() == digest })
}

func (m *Memory) Open(ctx context.Context, after string, limit int) (page []Summary, next string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	from := 0
	if after != "" {
		deadline, id, err := ParseCursor(after)
		if err != nil {
			return nil, "", err
		}
		i, found := slices.BinarySearchFunc(m.open, Summary{Deadline: deadline, ID: id}, compareSummaries)
		if from = i; found {
			from++
		}
	}
	for _, s := range m.open[from:] {
		if len(page) >= limit {
			return page, after, nil
		}
		s, _ := m.requests[s.ID].Summary() // shares no memory
		page, after = append(page, s), s.Cursor()
	}
	return page, "", nil
}

func (m *Memory) Since(ctx context.Context, t time.Time) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		list, err := m.list(ctx, func(r Request) bool { return !r.CreatedAt.Before(t) })
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

// list returns the requests that keep accepts, oldest first.
func (m *Memory) list(ctx context.Context, keep func(Request) bool) ([]Request, error) {
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
