package handletest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign/handle"
)

// withDeadline is an edit for Request: it can be decided until d after at.
func withDeadline(d time.Duration) func(*handle.Request) {
	return func(r *handle.Request) { r.Terms.Deadline = at.Add(d) }
}

func testOpen(t *testing.T, f *fixture) {
	f.open("in an empty store", 10)

	third := f.create(Request(3, at, withDeadline(3*time.Hour)))
	first := f.create(Request(1, at.Add(time.Minute), withDeadline(time.Hour)))
	second := f.create(Request(2, at, withDeadline(time.Hour+1)))
	f.create(Request(4, at, WithNothingDue)) // withdrawn
	granted := f.create(Request(5, at, WithGrant("granted")))
	awaited := Request(6, at, WithGrant("awaited"))
	awaited.Grant.At = time.Time{}
	awaited.Grant.Until = at.Add(2 * time.Hour)
	awaited = f.create(awaited)

	var want []handle.Summary
	for _, r := range []handle.Request{first, second, awaited, third, granted} {
		s, ok := r.Summary()
		if !ok {
			t.Fatalf("request %s is not open", r.ID)
		}
		want = append(want, s)
	}
	got := f.open("with several", 10, first.ID, second.ID, awaited.ID, third.ID, granted.ID)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Open: the summaries differ (-want +got):\n%s", diff)
	}

	for _, limit := range []int{0, -1} {
		if page, _, err := f.Open(f.ctx, "", limit); err != nil || len(page) != 0 {
			t.Errorf("Open with limit %d: got %d requests and error %v, want none", limit, len(page), err)
		}
	}
	for _, bad := range []string{"x", "/", want[0].ID, "2026-11-23/" + want[0].ID, want[0].Cursor() + "!", "2026-11-23T09:00:00.000000000Z/"} {
		_, _, err := f.Open(f.ctx, bad, 10)
		f.fails(fmt.Sprintf("Open after %q", bad), err, handle.ErrCursor)
	}
}

// testOpenPages reads pages of every kind, also after the request at which a page ended
// has left the list.
func testOpenPages(t *testing.T, f *fixture) {
	const n = 60
	ids := make([]string, n)
	requests := make([]handle.Request, n)
	var wg sync.WaitGroup
	for w := range 5 {
		wg.Go(func() {
			for i := w; i < n; i += 5 {
				r, err := f.Create(f.ctx, Request(i, at, withDeadline(time.Hour+time.Duration(i)*time.Second)))
				if err != nil {
					t.Error(err)
				}
				ids[i], requests[i] = r.ID, r
			}
		})
	}
	wg.Wait()
	for _, size := range []int{1, 7, n - 1, n, n + 1, 5000} {
		f.open(fmt.Sprintf("in pages of %d", size), size, ids...)
	}

	page, next, err := f.Open(f.ctx, "", 10)
	if err != nil || len(page) != 10 || next == "" {
		t.Fatalf("Open: got %d requests, next %q and error %v, want 10 and more", len(page), next, err)
	}
	for i := 5; i < 15; i++ {
		requests[i] = f.replace(requests[i].Withdraw("the stack was deleted", at))
	}
	f.open("after some were closed", n, append(append([]string{}, ids[:5]...), ids[15:]...)...)
	rest, _, err := f.Open(f.ctx, next, n)
	if err != nil || len(rest) != n-15 || rest[0].ID != ids[15] {
		t.Errorf("Open after a request that was closed: got %d requests and error %v, want %d from %s", len(rest), err, n-15, ids[15])
	}

	// Requests with the same deadline are each listed once.
	same := map[string]bool{}
	for i := n; i < n+10; i++ {
		same[f.create(Request(i, at, withDeadline(time.Minute))).ID] = true
	}
	f.eventually("Open with one deadline", []string{"10"}, func() []string {
		seen := map[string]bool{}
		for after, read := "", 0; read < 5; read++ {
			page, next, err := f.Open(f.ctx, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page {
				if same[s.ID] {
					seen[s.ID] = true
				}
			}
			after = next
		}
		return []string{fmt.Sprint(len(seen))}
	})
}

// testOpenMoves changes what the list shows, and where.
func testOpenMoves(t *testing.T, f *fixture) {
	r := f.create(Request(1, at, withDeadline(time.Hour)))
	other := f.create(Request(2, at, withDeadline(2*time.Hour)))
	f.open("at first", 10, r.ID, other.ID)

	r.Terms.Deadline = at.Add(3 * time.Hour)
	r = f.replace(r)
	f.open("after it moved back", 10, other.ID, r.ID)

	r.Product.Name = "Renamed"
	r = f.replace(r)
	f.eventually("Open after a change", []string{"Renamed"}, func() []string {
		page, _, err := f.Open(f.ctx, "", 10)
		if err != nil || len(page) != 2 {
			t.Fatalf("got %d requests and error %v", len(page), err)
		}
		return []string{page[1].Product}
	})

	stale := r
	stale.Rev--
	_, err := f.Replace(f.ctx, stale.Withdraw("the stack was deleted", at))
	f.fails("Replace of an old revision", err, handle.ErrConflict)
	_, err = f.Create(f.ctx, stale.Withdraw("the stack was deleted", at))
	f.fails("Create of what exists", err, handle.ErrExists)
	f.open("after a conflict", 10, other.ID, r.ID)

	closed := f.replace(r.Withdraw("the stack was deleted", at))
	f.open("after it was closed", 10, other.ID)
	r.Rev = closed.Rev
	f.replace(r) // which the laws never do
	f.open("after it was opened again", 10, other.ID, r.ID)
	expired := Request(2, at, WithGrant("granted"))
	expired.Rev = other.Rev
	f.replace(expired)
	f.open("after the other one expired with a grant", 10, r.ID, other.ID)
}
