package bot

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// asking counts how often a question was asked.
type asking struct {
	n   atomic.Int32
	err error
}

func (a *asking) ask() (int, error) {
	time.Sleep(time.Second)
	return int(a.n.Add(1)), a.err
}

func TestMemoAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[int]
		var a asking
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if v, err := m.get(t.Context(), "k", time.Now(), a.ask); v != 1 || err != nil {
					t.Errorf("got %d and %v, want the first answer", v, err)
				}
			})
		}
		wg.Wait()

		asked := time.Now().Add(-time.Second)
		for _, tt := range []struct {
			name string
			at   time.Time
			want int
		}{
			{"within the minute", asked.Add(memoFor - 1), 1},
			{"after a minute", asked.Add(memoFor), 2},
			{"with a clock set back", asked.Add(-time.Second), 3},
		} {
			if v, err := m.get(t.Context(), "k", tt.at, a.ask); v != tt.want || err != nil {
				t.Errorf("%s: got answer %d and %v, want %d", tt.name, v, err, tt.want)
			}
		}
	})
}

func TestMemoForgetsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[int]
		a := asking{err: errors.New("made failure")}
		for range 3 {
			if _, err := m.get(t.Context(), "k", time.Now(), a.ask); !errors.Is(err, a.err) {
				t.Errorf("got error %v, want the made one", err)
			}
		}
		if n := a.n.Load(); n != 3 {
			t.Errorf("asked %d times, want 3", n)
		}
	})
}

// TestMemoIsLeft lets one who asks go before the answer comes: it comes for the
// others.
func TestMemoIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[int]
		var a asking
		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := m.get(short, "k", time.Now(), a.ask); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who left: got error %v, want its own deadline", err)
		}
		if v, err := m.get(t.Context(), "k", time.Now(), a.ask); v != 1 || err != nil {
			t.Errorf("who stayed: got %d and %v, want the first answer", v, err)
		}
	})
}

func TestMemoIsBounded(t *testing.T) {
	var m memo[int]
	asked := 0
	get := func(key int, at time.Duration) {
		t.Helper()
		_, err := m.get(t.Context(), strconv.Itoa(key), time.Unix(1e9, 0).Add(at), func() (int, error) { asked++; return 0, nil })
		if err != nil {
			t.Fatal(err)
		}
		if n := len(m.known); n > memoMax {
			t.Fatalf("entries: got %d, want at most %d", n, memoMax)
		}
	}
	for i := range memoMax + 1 {
		get(i, time.Duration(i))
	}
	asked = 0
	get(memoMax, memoMax)
	get(1, memoMax)
	if asked != 0 {
		t.Error("one of the younger answers was dropped")
	}
	get(0, memoMax)
	if asked != 1 {
		t.Error("the oldest answer was kept beyond the bound")
	}
	get(-1, 2*memoFor)
	if n := len(m.known); n != 1 {
		t.Errorf("entries once all others are stale: got %d, want 1", n)
	}
}
