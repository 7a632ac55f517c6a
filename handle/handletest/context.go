package handletest

import (
	"context"
	"testing"

	"countersign/handle"
)

// testContext calls every method with a cancelled context. Each must return the
// context's error and change nothing.
func testContext(t *testing.T, f *fixture) {
	r := f.create(Request(1, at))
	f.since("before", at, r.ID)
	cancelled, cancel := context.WithCancel(f.ctx)
	cancel()

	_, err := f.Create(cancelled, Request(2, at))
	f.fails("Create", err, context.Canceled)
	_, err = f.Load(f.ctx, Request(2, at).ID)
	f.fails("Load of a request that was not created", err, handle.ErrNotFound)

	changed := r
	changed.Purpose = "changed"
	_, err = f.Replace(cancelled, changed)
	f.fails("Replace", err, context.Canceled)
	f.stored("after the cancelled Replace", r)

	_, err = f.Load(cancelled, r.ID)
	f.fails("Load", err, context.Canceled)
	_, err = f.Due(cancelled, at.AddDate(1, 0, 0), 10)
	f.fails("Due", err, context.Canceled)
	_, err = f.OfStack(cancelled, r.Stack.ID)
	f.fails("OfStack", err, context.Canceled)

	_, err = f.Grants(cancelled, "digest")
	f.fails("Grants", err, context.Canceled)
	_, err = f.Grants(cancelled, "")
	f.fails("Grants of no content", err, context.Canceled)

	_, _, err = f.Open(cancelled, "", 10)
	f.fails("Open", err, context.Canceled)

	yields := 0
	for _, err := range f.Since(cancelled, at) {
		yields++
		f.fails("Since", err, context.Canceled)
	}
	if yields != 1 {
		t.Errorf("Since: got %d yields, want one with the error", yields)
	}
}
