package handletest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/handle"
)

// createDue creates request n, whose NextDue is d after at.
func (f *fixture) createDue(n int, d time.Duration) handle.Request {
	f.Helper()
	return f.create(Request(n, at, WithNextDue(at.Add(d))))
}

func testDue(t *testing.T, f *fixture) {
	f.due("in an empty store", at.AddDate(1, 0, 0), 10)

	third := f.createDue(3, 3*time.Hour)
	first := f.createDue(1, time.Hour)
	second := f.createDue(2, time.Hour+1)
	f.create(Request(4, at, WithNothingDue))

	f.due("before the first", at.Add(time.Hour-1), 10)
	f.due("exactly at the first", at.Add(time.Hour), 10, first.ID)
	f.due("a nanosecond later", at.Add(time.Hour+1), 10, first.ID, second.ID)
	f.due("in another time zone", at.Add(2*time.Hour).In(time.FixedZone("", -11*3600)), 10, first.ID, second.ID)
	f.due("long after the last", at.AddDate(100, 0, 0), 10, first.ID, second.ID, third.ID)
	f.due("at the zero time", time.Time{}, 10)
}

func testDueLimit(t *testing.T, f *fixture) {
	var ids []string
	for n := range 30 {
		ids = append(ids, f.createDue(n, time.Duration(n)*time.Second).ID)
	}
	now := at.Add(time.Hour)
	for _, limit := range []int{1, 7, 29, 30, 31, 5000, math.MaxInt} {
		f.due(fmt.Sprintf("limit %d", limit), now, limit, ids[:min(limit, len(ids))]...)
	}
	f.due("limit 0", now, 0)

	// Requests due at the same time may come in any order.
	for n := 30; n < 50; n++ {
		ids = append(ids, f.createDue(n, time.Minute).ID)
	}
	slices.Sort(ids)
	f.eventually("Due with many at the same time", ids, func() []string {
		got, err := f.Due(f.ctx, now, 100)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	})
}

// testDueMoves changes when a request is due, forwards and backwards.
func testDueMoves(t *testing.T, f *fixture) {
	r := f.createDue(1, time.Hour)
	other := f.createDue(2, 2*time.Hour)
	late := at.Add(10 * time.Hour)
	f.due("before it moved", late, 10, r.ID, other.ID)

	move := func(d time.Duration) {
		t.Helper()
		r.Terms.Deadline = at.Add(d)
		r = f.replace(r)
	}
	move(3 * time.Hour)
	f.due("after it moved back", late, 10, other.ID, r.ID)
	f.due("at its old time", at.Add(time.Hour), 10)
	move(time.Minute)
	f.due("after it moved forward", late, 10, r.ID, other.ID)
	f.due("at its new time", at.Add(time.Minute), 10, r.ID)
	move(20 * time.Hour)
	f.due("after it moved beyond now", late, 10, other.ID)
	move(time.Minute)

	stale := r
	stale.Rev--
	stale.Terms.Deadline = at.Add(20 * time.Hour)
	_, err := f.Replace(f.ctx, stale)
	f.fails("Replace of an old revision", err, handle.ErrConflict)
	_, err = f.Create(f.ctx, stale)
	f.fails("Create of what exists", err, handle.ErrExists)
	f.due("after a conflict", late, 10, r.ID, other.ID)

	idle := Request(1, at, WithNothingDue)
	idle.Rev = r.Rev
	idle = f.replace(idle)
	f.due("after nothing is outstanding", late, 10, other.ID)
	r.Rev = idle.Rev
	f.replace(r)
	f.due("after a step is outstanding again", late, 10, r.ID, other.ID)
}

func testOfStack(t *testing.T, f *fixture) {
	var want []string
	for i := range 4 {
		r := Request(1, at, WithGate(fmt.Sprintf("Request%d", i)))
		want = append(want, f.create(r).ID)
		f.create(Request(10+i, at)) // of other stacks
	}
	f.create(Request(1, at, WithGate("OtherStack"), func(r *handle.Request) { r.Stack.ID += "-with-the-same-key" }))
	slices.Sort(want)
	stackID := Request(1, at).Stack.ID
	list, err := f.OfStack(f.ctx, stackID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		got = append(got, r.ID)
		f.stored("as OfStack lists it", r)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("OfStack: got %v, want %v", got, want)
	}

	for _, none := range []string{Request(2, at).Stack.ID, stackID + "0", stackID[:len(stackID)-1], ""} {
		if list, err := f.OfStack(f.ctx, none); err != nil || len(list) != 0 {
			t.Errorf("OfStack(%q): got %d requests and error %v, want none", none, len(list), err)
		}
	}
}

// testOfStackIsCurrent does not poll: the first answer must be right.
func testOfStackIsCurrent(t *testing.T, f *fixture) {
	r := Request(1, at)
	for rev := range int64(20) {
		if rev == 0 {
			r = f.create(r)
		} else {
			r = f.replace(r)
		}
		list, err := f.OfStack(f.ctx, r.Stack.ID)
		if err != nil || len(list) != 1 || list[0].Rev != r.Rev {
			t.Fatalf("OfStack after revision %d was written: got %d requests and error %v, want that revision", r.Rev, len(list), err)
		}
	}
}

func testSince(t *testing.T, f *fixture) {
	f.since("in an empty store", time.Time{})

	third := f.create(Request(3, at.Add(time.Hour)))
	first := f.create(Request(1, at))
	second := f.create(Request(2, at.Add(time.Nanosecond)))

	f.since("from the zero time", time.Time{}, first.ID, second.ID, third.ID)
	f.since("exactly at the first", at, first.ID, second.ID, third.ID)
	f.since("a nanosecond later", at.Add(1), second.ID, third.ID)
	f.since("in another time zone", at.Add(2).In(time.FixedZone("", 14*3600)), third.ID)
	f.since("after the last", at.Add(time.Hour+1))

	// Since yields the current value of the whole request, in its old place.
	first.Purpose = "changed"
	first = f.replace(first)
	f.since("after a change", at, first.ID, second.ID, third.ID)
	for r, err := range f.Since(f.ctx, at) {
		if err != nil {
			t.Fatal(err)
		}
		f.stored("as Since yields it", r)
	}

	// The laws never change CreatedAt, but a store must not rely on it.
	first.CreatedAt = at.Add(2 * time.Hour)
	first = f.replace(first)
	f.since("after it was moved", time.Time{}, second.ID, third.ID, first.ID)
}

func testSincePages(t *testing.T, f *fixture) {
	const n = 250
	var wg sync.WaitGroup
	want := make([]string, n)
	for w := range 5 {
		wg.Go(func() {
			for i := w; i < n; i += 5 {
				r := Request(i, at.Add(time.Duration(i)*time.Millisecond))
				if _, err := f.Create(f.ctx, r); err != nil {
					t.Error(err)
				}
				want[i] = r.ID
			}
		})
	}
	wg.Wait()
	f.since("many", at, want...)
	f.since("the later half", at.Add(n/2*time.Millisecond), want[n/2:]...)

	for _, stop := range []int{1, 3, 100, n - 1} {
		var got []string
		for r, err := range f.Since(f.ctx, at) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, r.ID); len(got) == stop {
				break
			}
		}
		if !slices.Equal(got, want[:stop]) {
			t.Errorf("Since, left after %d: got %v", stop, got)
		}
	}
	f.create(Request(n, at)) // iterations that were left early hold no lock
}

func testSinceMonths(t *testing.T, f *fixture) {
	midnight := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	created := []time.Time{
		time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC),
		time.Date(2026, 10, 31, 23, 59, 59, 999999999, time.UTC),
		midnight.Add(-time.Second).In(time.FixedZone("", 2*3600)), // December in that zone, November in UTC
		midnight.Add(-1),
		midnight,
		midnight.Add(time.Second).In(time.FixedZone("", -8*3600)), // November in that zone, December in UTC
		time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2031, 7, 1, 0, 0, 0, 0, time.UTC), // years later
	}
	want := make([]string, len(created))
	for i := range created {
		i = (i * 5) % len(created) // not in order of time
		want[i] = f.create(Request(i, created[i])).ID
	}
	f.since("from the zero time", time.Time{}, want...)
	for i, t := range created {
		f.since(fmt.Sprintf("from %v", t), t, want[i:]...)
		f.since(fmt.Sprintf("from just after %v", t), t.Add(1), want[i+1:]...)
	}
}

// testSinceWhileWriting writes within the loop, as a migration would.
func testSinceWhileWriting(t *testing.T, f *fixture) {
	var want []string
	for n := range 20 {
		want = append(want, f.create(Request(n, at.Add(time.Duration(n)*time.Second))).ID)
	}
	f.since("before", at, want...)
	long := strings.Repeat("long ", 10<<10) // the store must grow
	for r, err := range f.Since(f.ctx, at) {
		if err != nil {
			t.Fatal(err)
		}
		r.Purpose = long
		if _, err := f.Replace(f.ctx, r); err != nil && !errors.Is(err, handle.ErrConflict) {
			t.Fatal(err)
		}
	}
	f.since("after", at, want...)
	for _, id := range want {
		if r, err := f.Load(f.ctx, id); err != nil || r.Rev != 2 || r.Purpose != long {
			t.Errorf("Load(%s): got revision %d and error %v, want revision 2", id, r.Rev, err)
		}
	}
}
