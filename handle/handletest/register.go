package handletest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

func testCreate(t *testing.T, f *fixture) {
	r := Request(1, at)
	r.Rev = 7 // the store must set 1
	next := f.create(r)
	r.Rev = 1
	if d := Diff(r, next); d != "" {
		t.Errorf("Create returned another request (-want +got):\n%s", d)
	}
	f.stored("after Create", r)

	second := Request(1, at, func(r *handle.Request) { r.Purpose = "the same event, redelivered" })
	_, err := f.Create(f.ctx, second)
	f.fails("Create again", err, handle.ErrExists)
	f.stored("after a second Create", r)

	r.Purpose = "changed"
	r = f.replace(r)
	_, err = f.Create(f.ctx, second)
	f.fails("Create after Replace", err, handle.ErrExists)
	f.stored("after a third Create", r)

	other := f.create(Request(2, at))
	if other.Rev != 1 {
		t.Errorf("another request's revision: got %d, want 1", other.Rev)
	}
	f.stored("after another Create", r)
}

func testLoad(t *testing.T, f *fixture) {
	f.create(Request(1, at))
	neighbour := Request(1, at, WithGate("SecondRequest"))
	for _, id := range []string{Request(2, at).ID, neighbour.ID, neighbour.ID[:16], neighbour.ID + "a", "", "no-id", "../../etc"} {
		_, err := f.Load(f.ctx, id)
		f.fails(fmt.Sprintf("Load(%q)", id), err, handle.ErrNotFound)
	}
}

func testReplace(t *testing.T, f *fixture) {
	r := f.create(Request(1, at))
	untouched := f.create(Request(1, at, WithGate("SecondRequest")))
	first := r
	for rev := int64(2); rev <= 4; rev++ {
		r.Purpose = fmt.Sprintf("revision %d", rev)
		next := f.replace(r)
		r.Rev = rev
		if d := Diff(r, next); d != "" {
			t.Errorf("Replace returned another request (-want +got):\n%s", d)
		}
		f.stored("after Replace", r)
	}

	for _, rev := range []int64{-1, 0, 1, 3, 5, 1 << 40} {
		stale := first
		stale.Rev, stale.Purpose = rev, "stale"
		_, err := f.Replace(f.ctx, stale)
		f.fails(fmt.Sprintf("Replace of revision %d when 4 is stored", rev), err, handle.ErrConflict)
	}
	f.stored("after conflicts", r)
	f.stored("after conflicts on the stack's other request", untouched)

	for _, rev := range []int64{0, 1} {
		missing := Request(2, at)
		missing.Rev = rev
		_, err := f.Replace(f.ctx, missing)
		f.fails(fmt.Sprintf("Replace of a missing request's revision %d", rev), err, handle.ErrNotFound)
		_, err = f.Load(f.ctx, missing.ID)
		f.fails("Load of a request that Replace did not find", err, handle.ErrNotFound)
	}
}

func testFidelity(t *testing.T, f *fixture) {
	want := full(t, 1)
	next := f.create(want)
	want.Rev = 1
	if d := Diff(want, next); d != "" {
		t.Errorf("Create returned another request (-want +got):\n%s", d)
	}
	f.stored("after Create", want)
	f.replace(want)
	want.Rev = 2
	f.stored("after Replace", want)

	// Replace must leave nothing of the old value behind.
	bare := handle.Request{ID: want.ID, Rev: 2, CreatedAt: want.CreatedAt, Stack: handle.Stack{ID: want.Stack.ID}}
	bare = f.replace(bare)
	f.stored("after Replace with a nearly empty request", bare)
}

// testNothingShared overwrites the memory of each request that was passed to the
// store or returned by it. The stored value must not change.
func testNothingShared(t *testing.T, f *fixture) {
	want := full(t, 1)
	want.Rev = 1
	passed := full(t, 1)
	returned := f.create(passed)
	overwrite(&passed)
	f.stored("after overwriting the argument of Create", want)
	overwrite(&returned)
	f.stored("after overwriting what Create returned", want)

	loaded, err := f.Load(f.ctx, want.ID)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(&loaded)
	f.stored("after overwriting what Load returned", want)

	list, err := f.OfStack(f.ctx, want.Stack.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		overwrite(&list[i])
	}
	f.stored("after overwriting what OfStack returned", want)

	granted := f.create(Request(2, at, WithGrant("shared")))
	f.grants("before overwriting what Grants returns", granted.GrantKey(), granted.ID)
	list, err = f.Grants(f.ctx, granted.GrantKey())
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		overwrite(&list[i])
	}
	f.stored("after overwriting what Grants returned", granted)

	for r, err := range f.Since(f.ctx, want.CreatedAt) {
		if err != nil {
			t.Fatal(err)
		}
		overwrite(&r)
	}
	f.stored("after overwriting what Since yielded", want)

	passed = full(t, 1)
	passed.Rev = 1
	want.Rev = 2
	returned = f.replace(passed)
	overwrite(&passed)
	f.stored("after overwriting the argument of Replace", want)
	overwrite(&returned)
	f.stored("after overwriting what Replace returned", want)
}

// LargestRecord is the size in bytes of the largest encoded request
// ([handle.Encode]) that a store must accept. DynamoDB accepts items of 400 KB,
// other attributes included.
const LargestRecord = 380 << 10

func testLargest(t *testing.T, f *fixture) {
	want := f.create(largest(t, 1))
	f.stored("after Create", want)
	want.Purpose = "changed"
	want = f.replace(want)
	f.stored("after Replace", want)

	// Lists of such requests exceed one response of a database.
	stackID, ids := want.Stack.ID, []string{want.ID}
	for i := range 5 {
		r := largest(t, 1)
		WithGate(fmt.Sprintf("Request%d", i))(&r)
		r.CreatedAt = r.CreatedAt.Add(time.Duration(1 + i))
		ids = append(ids, f.create(r).ID)
	}
	list, err := f.OfStack(f.ctx, stackID)
	if err != nil || len(list) != len(ids) {
		t.Errorf("OfStack: got %d requests and error %v, want %d requests", len(list), err, len(ids))
	}
	for _, r := range list {
		f.stored("as OfStack lists it", r)
	}
	f.since("six of the largest", at, ids...)
}

// largest returns a request whose encoding has just under LargestRecord bytes.
func largest(t *testing.T, n int) handle.Request {
	t.Helper()
	r := Request(n, at)
	encoded := func() int {
		b, err := handle.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		return len(b)
	}
	const size, overhead = 4096, 64 // of a parameter's value, and of the encoding around it
	for i := range (LargestRecord - encoded()) / (size + overhead) {
		r.Parameters = append(r.Parameters, handle.Field{Name: fmt.Sprintf("Parameter%d", i), Value: strings.Repeat(string(rune('a'+i%26)), size)})
	}
	if n := encoded(); n > LargestRecord || n < LargestRecord-2*size {
		t.Fatalf("the largest request has %d bytes, want just under %d", n, LargestRecord)
	}
	return r
}
