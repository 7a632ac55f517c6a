package handletest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"countersign/handle"
)

const racers = 20

// race calls try in many goroutines at once and returns the winner's value. It
// fails the test unless exactly one try succeeds and all others return the error
// lost.
func race(t *testing.T, lost error, try func(i int) (handle.Request, error)) handle.Request {
	t.Helper()
	var (
		start = make(chan struct{})
		wg    sync.WaitGroup
		won   [racers]handle.Request
		errs  [racers]error
	)
	for i := range racers {
		wg.Go(func() {
			<-start
			won[i], errs[i] = try(i)
		})
	}
	close(start)
	wg.Wait()

	winner, winners := handle.Request{}, 0
	for i, err := range errs {
		switch {
		case err == nil:
			winner, winners = won[i], winners+1
		case !errors.Is(err, lost):
			t.Errorf("racer %d: got error %v, want %v", i, err, lost)
		}
	}
	if winners != 1 {
		t.Fatalf("got %d winners of %d, want one", winners, racers)
	}
	return winner
}

func testRacingCreates(t *testing.T, f *fixture) {
	for n := range 5 {
		winner := race(t, handle.ErrExists, func(i int) (handle.Request, error) {
			return f.Create(f.ctx, Request(n, at, func(r *handle.Request) { r.Purpose = fmt.Sprintf("racer %d", i) }))
		})
		if winner.Rev != 1 {
			t.Errorf("the winner's revision: got %d, want 1", winner.Rev)
		}
		f.stored("after the race", winner)
	}
}

func testRacingReplaces(t *testing.T, f *fixture) {
	r := f.create(Request(1, at))
	for rev := int64(2); rev <= 6; rev++ {
		winner := race(t, handle.ErrConflict, func(i int) (handle.Request, error) {
			mine := r.Clone()
			mine.Purpose = fmt.Sprintf("racer %d", i)
			return f.Replace(f.ctx, mine)
		})
		if winner.Rev != rev {
			t.Errorf("the winner's revision: got %d, want %d", winner.Rev, rev)
		}
		f.stored("after the race", winner)
		r = winner
	}
}

// testNoLostUpdate lets many goroutines add a detail to the same request, each
// until it succeeds, while others read. No detail may be lost, and no reader may
// see an older value than before.
func testNoLostUpdate(t *testing.T, f *fixture) {
	id := f.create(Request(1, at)).ID
	add := func(name string) error {
		seen := int64(0)
		for {
			r, err := f.Load(f.ctx, id)
			if err != nil {
				return err
			}
			if r.Rev < seen {
				return fmt.Errorf("read revision %d after %d", r.Rev, seen)
			}
			seen = r.Rev
			r.Details = append(r.Details, handle.Field{Name: name})
			next, err := f.Replace(f.ctx, r)
			switch {
			case err == nil && next.Rev != r.Rev+1:
				return fmt.Errorf("replaced revision %d and got %d", r.Rev, next.Rev)
			case err == nil:
				return nil
			case !errors.Is(err, handle.ErrConflict):
				return err
			}
		}
	}
	list := func() error {
		if _, err := f.Due(f.ctx, at.AddDate(1, 0, 0), 10); err != nil {
			return err
		}
		for _, err := range f.Since(f.ctx, at) {
			if err != nil {
				return err
			}
		}
		_, err := f.OfStack(f.ctx, Request(1, at).Stack.ID)
		return err
	}

	var wg sync.WaitGroup
	var errs [2 * racers]error
	for i := range racers {
		wg.Go(func() { errs[i] = add(fmt.Sprintf("racer %d", i)) })
		wg.Go(func() { errs[racers+i] = list() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}

	r, err := f.Load(f.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rev != 1+racers {
		t.Errorf("revision: got %d, want %d", r.Rev, 1+racers)
	}
	for i := range racers {
		if !slices.Contains(r.Details, handle.Field{Name: fmt.Sprintf("racer %d", i)}) {
			t.Errorf("the detail of racer %d is lost", i)
		}
	}
}
