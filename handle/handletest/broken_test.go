package handletest_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// brokenStore keeps the contract except where a field replaces a method.
type brokenStore struct {
	handle.Memory
	create  func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error)
	load    func(m *handle.Memory, ctx context.Context, id string) (handle.Request, error)
	replace func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error)
	due     func(m *handle.Memory, ctx context.Context, now time.Time, limit int) ([]string, error)
	ofStack func(m *handle.Memory, ctx context.Context, stackID string) ([]handle.Request, error)
	grants  func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error)
	open    func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error)
	since   func(m *handle.Memory, ctx context.Context, t time.Time) iter.Seq2[handle.Request, error]
}

func (b *brokenStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	if b.create != nil {
		return b.create(&b.Memory, ctx, r)
	}
	return b.Memory.Create(ctx, r)
}

func (b *brokenStore) Load(ctx context.Context, id string) (handle.Request, error) {
	if b.load != nil {
		return b.load(&b.Memory, ctx, id)
	}
	return b.Memory.Load(ctx, id)
}

func (b *brokenStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	if b.replace != nil {
		return b.replace(&b.Memory, ctx, r)
	}
	return b.Memory.Replace(ctx, r)
}

func (b *brokenStore) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	if b.due != nil {
		return b.due(&b.Memory, ctx, now, limit)
	}
	return b.Memory.Due(ctx, now, limit)
}

func (b *brokenStore) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	if b.ofStack != nil {
		return b.ofStack(&b.Memory, ctx, stackID)
	}
	return b.Memory.OfStack(ctx, stackID)
}

func (b *brokenStore) Grants(ctx context.Context, digest string) ([]handle.Request, error) {
	if b.grants != nil {
		return b.grants(&b.Memory, ctx, digest)
	}
	return b.Memory.Grants(ctx, digest)
}

func (b *brokenStore) Open(ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
	if b.open != nil {
		return b.open(&b.Memory, ctx, after, limit)
	}
	return b.Memory.Open(ctx, after, limit)
}

func (b *brokenStore) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	if b.since != nil {
		return b.since(&b.Memory, ctx, t)
	}
	return b.Memory.Since(ctx, t)
}

// brokenStores break the contract, each with the test of the suite that must catch
// it.
var brokenStores = []struct {
	name   string
	caught string
	open   func() *brokenStore
}{
	{"Create overwrites", "Create", func() *brokenStore {
		return &brokenStore{create: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			next, err := m.Create(ctx, r)
			if old, loadErr := m.Load(ctx, r.ID); errors.Is(err, handle.ErrExists) && loadErr == nil {
				r.Rev = old.Rev
				_, _ = m.Replace(ctx, r)
			}
			return next, err
		}}
	}},
	{"Create checks and then writes", "RacingCreates", func() *brokenStore {
		return &brokenStore{create: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			if _, err := m.Load(ctx, r.ID); err == nil {
				return handle.Request{}, handle.ErrExists
			}
			time.Sleep(time.Millisecond)
			if next, err := m.Create(ctx, r); err == nil {
				return next, nil
			}
			r.Rev = 1
			return r, nil
		}}
	}},
	{"Create keeps the given revision", "Create", func() *brokenStore {
		return &brokenStore{create: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			_, err := m.Create(ctx, r)
			return r, err
		}}
	}},
	{"Load returns requests that do not exist", "Load", func() *brokenStore {
		return &brokenStore{load: func(m *handle.Memory, ctx context.Context, id string) (handle.Request, error) {
			r, err := m.Load(ctx, id)
			if errors.Is(err, handle.ErrNotFound) {
				return handle.Request{ID: id}, nil
			}
			return r, err
		}}
	}},
	{"Load returns an older value", "Replace", func() *brokenStore {
		var mu sync.Mutex
		reads, old := 0, handle.Request{}
		return &brokenStore{load: func(m *handle.Memory, ctx context.Context, id string) (handle.Request, error) {
			r, err := m.Load(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if reads++; reads%2 == 0 && old.ID == id {
				r, old = old, r
			} else {
				old = r
			}
			return r.Clone(), err
		}}
	}},
	{"Load shares its memory", "NothingShared", func() *brokenStore {
		var mu sync.Mutex
		last := map[string]handle.Request{}
		return &brokenStore{load: func(m *handle.Memory, ctx context.Context, id string) (handle.Request, error) {
			r, err := m.Load(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if old, ok := last[id]; ok && old.Rev == r.Rev {
				return old, err
			}
			last[id] = r
			return r, err
		}}
	}},
	{"Load drops the wait URL", "Fidelity", func() *brokenStore {
		return &brokenStore{load: func(m *handle.Memory, ctx context.Context, id string) (handle.Request, error) {
			r, err := m.Load(ctx, id)
			r.WaitURL = handle.WaitURL{}
			return r, err
		}}
	}},
	{"Load rounds times", "Fidelity", func() *brokenStore {
		return &brokenStore{load: func(m *handle.Memory, ctx context.Context, id string) (handle.Request, error) {
			r, err := m.Load(ctx, id)
			r.CreatedAt = r.CreatedAt.Truncate(time.Microsecond)
			return r, err
		}}
	}},
	{"Replace does not compare", "RacingReplaces", func() *brokenStore {
		return &brokenStore{replace: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			old, err := m.Load(ctx, r.ID)
			if err != nil {
				return handle.Request{}, err
			}
			r.Rev = max(r.Rev, old.Rev)
			return m.Replace(ctx, r)
		}}
	}},
	{"Replace accepts later revisions", "Replace", func() *brokenStore {
		return &brokenStore{replace: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			if old, err := m.Load(ctx, r.ID); err == nil && r.Rev > old.Rev {
				r.Rev = old.Rev
			}
			return m.Replace(ctx, r)
		}}
	}},
	{"Replace creates", "Replace", func() *brokenStore {
		return &brokenStore{replace: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			next, err := m.Replace(ctx, r)
			if errors.Is(err, handle.ErrNotFound) {
				return m.Create(ctx, r)
			}
			return next, err
		}}
	}},
	{"Replace returns ErrConflict for missing requests", "Replace", func() *brokenStore {
		return &brokenStore{replace: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			next, err := m.Replace(ctx, r)
			if errors.Is(err, handle.ErrNotFound) {
				err = handle.ErrConflict
			}
			return next, err
		}}
	}},
	{"Replace returns the old revision", "Replace", func() *brokenStore {
		return &brokenStore{replace: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			_, err := m.Replace(ctx, r)
			return r, err
		}}
	}},
	{"Due ignores the limit", "DueLimit", func() *brokenStore {
		return &brokenStore{due: func(m *handle.Memory, ctx context.Context, now time.Time, limit int) ([]string, error) {
			return m.Due(ctx, now, 10000)
		}}
	}},
	{"Due lists the latest first", "Due", func() *brokenStore {
		return &brokenStore{due: func(m *handle.Memory, ctx context.Context, now time.Time, limit int) ([]string, error) {
			ids, err := m.Due(ctx, now, limit)
			slices.Reverse(ids)
			return ids, err
		}}
	}},
	{"Due rounds to seconds", "Due", func() *brokenStore {
		return &brokenStore{due: func(m *handle.Memory, ctx context.Context, now time.Time, limit int) ([]string, error) {
			return m.Due(ctx, now.Truncate(time.Second), limit)
		}}
	}},
	{"Due excludes now", "Due", func() *brokenStore {
		return &brokenStore{due: func(m *handle.Memory, ctx context.Context, now time.Time, limit int) ([]string, error) {
			return m.Due(ctx, now.Add(-1), limit)
		}}
	}},
	{"Due keeps old entries", "DueMoves", func() *brokenStore {
		seen := map[string]bool{}
		return &brokenStore{due: func(m *handle.Memory, ctx context.Context, now time.Time, limit int) ([]string, error) {
			ids, err := m.Due(ctx, now, limit)
			for _, id := range ids {
				seen[id] = true
			}
			for id := range seen {
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			return ids, err
		}}
	}},
	{"OfStack lists every stack", "OfStack", func() *brokenStore {
		return &brokenStore{ofStack: func(m *handle.Memory, ctx context.Context, _ string) ([]handle.Request, error) {
			var list []handle.Request
			for r, err := range m.Since(ctx, time.Time{}) {
				if err != nil {
					return nil, err
				}
				list = append(list, r)
			}
			return list, nil
		}}
	}},
	{"OfStack lists one page", "Largest", func() *brokenStore {
		return &brokenStore{ofStack: func(m *handle.Memory, ctx context.Context, stackID string) ([]handle.Request, error) {
			list, err := m.OfStack(ctx, stackID)
			return list[:min(len(list), 4)], err
		}}
	}},
	{"OfStack lags", "OfStackIsCurrent", func() *brokenStore {
		var last []handle.Request
		return &brokenStore{ofStack: func(m *handle.Memory, ctx context.Context, stackID string) ([]handle.Request, error) {
			list, err := m.OfStack(ctx, stackID)
			list, last = last, list
			return list, err
		}}
	}},
	{"Grants lists whatever has the content", "Grants", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			return all(m, ctx, func(r handle.Request) bool { return r.Content.Digest() == digest })
		}}
	}},
	{"Grants lists grants without content", "Grants", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			return all(m, ctx, func(r handle.Request) bool { return r.GrantKey() == digest })
		}}
	}},
	{"Grants lists grants by the beginning of a digest", "Grants", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			return all(m, ctx, func(r handle.Request) bool { return digest != "" && strings.HasPrefix(r.GrantKey(), digest) })
		}}
	}},
	{"Grants lists awaited and revoked grants", "Grants", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			return all(m, ctx, func(r handle.Request) bool {
				return digest != "" && r.Content.Digest() == digest && r.Grant != nil && r.Grant.UsedBy == "" && !r.Grant.Lapsed
			})
		}}
	}},
	{"Grants keeps old entries", "Grants", func() *brokenStore {
		seen := map[string]handle.Request{}
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			list, err := m.Grants(ctx, digest)
			for _, r := range list {
				seen[r.ID] = r
			}
			list = nil
			for _, r := range seen {
				if r.GrantKey() == digest {
					list = append(list, r)
				}
			}
			return list, err
		}}
	}},
	{"Grants lists one", "Grants", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			list, err := m.Grants(ctx, digest)
			return list[:min(len(list), 1)], err
		}}
	}},
	{"Grants lists one page", "GrantsMany", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			list, err := m.Grants(ctx, digest)
			return list[:min(len(list), 25)], err
		}}
	}},
	{"Grants lists keys only", "Grants", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			list, err := m.Grants(ctx, digest)
			for i, r := range list {
				list[i] = handle.Request{ID: r.ID, Rev: r.Rev, Content: r.Content, Grant: r.Grant}
			}
			return list, err
		}}
	}},
	{"Grants ignores ctx", "Context", func() *brokenStore {
		return &brokenStore{grants: func(m *handle.Memory, ctx context.Context, digest string) ([]handle.Request, error) {
			return m.Grants(context.WithoutCancel(ctx), digest)
		}}
	}},
	{"Open ignores the cursor", "OpenPages", func() *brokenStore {
		return &brokenStore{open: func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
			page, _, err := m.Open(ctx, "", limit)
			return page, "", err
		}}
	}},
	{"Open skips one between pages", "OpenPages", func() *brokenStore {
		return &brokenStore{open: func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
			page, next, err := m.Open(ctx, after, limit+1)
			return page[:min(len(page), limit)], next, err
		}}
	}},
	{"Open fails if the request at the cursor has left", "OpenPages", func() *brokenStore {
		return &brokenStore{open: func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
			if after != "" {
				_, id, _ := handle.ParseCursor(after)
				if r, err := m.Load(ctx, id); err == nil && r.Decision != nil {
					return nil, "", nil
				}
			}
			return m.Open(ctx, after, limit)
		}}
	}},
	{"Open accepts anything as a cursor", "Open", func() *brokenStore {
		return &brokenStore{open: func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
			if _, _, err := handle.ParseCursor(after); err != nil {
				after = ""
			}
			return m.Open(ctx, after, limit)
		}}
	}},
	{"Open leaves grants out", "Open", func() *brokenStore {
		return &brokenStore{open: func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
			page, next, err := m.Open(ctx, after, limit)
			return slices.DeleteFunc(page, func(s handle.Summary) bool { return s.Kind != handle.OpenPending }), next, err
		}}
	}},
	{"Open keeps old summaries", "OpenMoves", func() *brokenStore {
		seen := map[string]handle.Summary{}
		return &brokenStore{open: func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
			page, next, err := m.Open(ctx, after, limit)
			for i, s := range page {
				if old, ok := seen[s.ID]; ok {
					page[i] = old
				}
				seen[s.ID] = page[i]
			}
			return page, next, err
		}}
	}},
	{"Open ignores ctx", "Context", func() *brokenStore {
		return &brokenStore{open: func(m *handle.Memory, ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
			return m.Open(context.WithoutCancel(ctx), after, limit)
		}}
	}},
	{"Since yields one page", "SincePages", func() *brokenStore {
		return &brokenStore{since: func(m *handle.Memory, ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
			return func(yield func(handle.Request, error) bool) {
				n := 0
				for r, err := range m.Since(ctx, t) {
					if n++; n > 100 || !yield(r, err) {
						return
					}
				}
			}
		}}
	}},
	{"Since begins at the start of the month", "SinceMonths", func() *brokenStore {
		return &brokenStore{since: func(m *handle.Memory, ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
			t = t.UTC()
			return m.Since(ctx, time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC))
		}}
	}},
	{"Since excludes its own time", "Since", func() *brokenStore {
		return &brokenStore{since: func(m *handle.Memory, ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
			return m.Since(ctx, t.Add(1))
		}}
	}},
	{"Since swallows errors", "Context", func() *brokenStore {
		return &brokenStore{since: func(m *handle.Memory, ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
			return func(yield func(handle.Request, error) bool) {
				for r, err := range m.Since(ctx, t) {
					if err != nil || !yield(r, nil) {
						return
					}
				}
			}
		}}
	}},
	{"Create ignores ctx", "Context", func() *brokenStore {
		return &brokenStore{create: func(m *handle.Memory, ctx context.Context, r handle.Request) (handle.Request, error) {
			return m.Create(context.WithoutCancel(ctx), r)
		}}
	}},
}

// all lists the requests that keep accepts.
func all(m *handle.Memory, ctx context.Context, keep func(handle.Request) bool) (list []handle.Request, err error) {
	for r, err := range m.Since(ctx, time.Time{}) {
		if err != nil {
			return nil, err
		}
		if keep(r) {
			list = append(list, r)
		}
	}
	return list, nil
}

const breakEnv = "HANDLETEST_BREAK"

// The suite must fail for each broken store. Each runs in a process of its own,
// because a test that fails cannot pass.
func TestSuiteCatchesBrokenStores(t *testing.T) {
	if name := os.Getenv(breakEnv); name != "" {
		for _, broken := range brokenStores {
			if broken.name == name {
				handletest.StoreWithin(t, 50*time.Millisecond, func(*testing.T) handle.Store { return broken.open() })
			}
		}
		return
	}
	for _, broken := range brokenStores {
		t.Run(broken.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteCatchesBrokenStores$/^"+broken.caught+"$")
			cmd.Env = append(os.Environ(), breakEnv+"="+broken.name)
			out, err := cmd.CombinedOutput()
			var failed *exec.ExitError
			if !errors.As(err, &failed) || !strings.Contains(string(out), "--- FAIL: TestSuiteCatchesBrokenStores/"+broken.caught+" ") {
				t.Errorf("the test %s did not catch it: %v\n%s", broken.caught, err, out)
			}
		})
	}
}
