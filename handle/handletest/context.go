package handletest

import (
	"context"
	"testing"

	"countersign/handle"
)

// testContext calls every verb for somebody who has gone: it says so, and
// changes nothing.
func testContext(t *testing.T, f *fixture) {
	r := f.create(Request(1, at))
	f.since("before", at, r.ID)
	gone, cancel := context.WithCancel(f.ctx)
	cancel()

	_, err := f.Create(gone, Request(2, at))
	f.fails("Create", err, context.Canceled)
	_, err = f.Load(f.ctx, Request(2, at).ID)
	f.fails("Load of what was not created", err, handle.ErrNotFound)

	changed := r
	changed.Purpose = "changed"
	_, err = f.Replace(gone, changed)
	f.fails("Replace", err, context.Canceled)
	f.stored("after it was not replaced", r)

	_, err = f.Load(gone, r.ID)
	f.fails("Load", err, context.Canceled)
	_, err = f.Due(gone, at.AddDate(1, 0, 0), 10)
	f.fails("Due", err, context.Canceled)
	_, err = f.OfStack(gone, r.Stack.ID)
	f.fails("OfStack", err, context.Canceled)

	yields := 0
	for _, err := range f.Since(gone, at) {
		yields++
		f.fails("Since", err, context.Canceled)
	}
	if yields != 1 {
		t.Errorf("Since: got %d yields, want one with the error", yields)
	}
}
