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

// fetcher counts its fetches, each of which takes a second.
type fetcher struct {
	n   atomic.Int32
	err error
}

func (f *fetcher) fetch() (int, error) {
	time.Sleep(time.Second)
	return int(f.n.Add(1)), f.err
}

func TestTTLCacheFetchesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c ttlCache[int]
		var f fetcher
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if v, err := c.get(t.Context(), "k", time.Now(), f.fetch); v != 1 || err != nil {
					t.Errorf("got %d and %v, want the first value", v, err)
				}
			})
		}
		wg.Wait()

		fetched := time.Now().Add(-time.Second)
		for _, tt := range []struct {
			name string
			at   time.Time
			want int
		}{
			{"within the minute", fetched.Add(cacheTTL - 1), 1},
			{"after a minute", fetched.Add(cacheTTL), 2},
			{"with a clock set back", fetched.Add(-time.Second), 3},
		} {
			if v, err := c.get(t.Context(), "k", tt.at, f.fetch); v != tt.want || err != nil {
				t.Errorf("%s: got value %d and %v, want %d", tt.name, v, err, tt.want)
			}
		}
	})
}

func TestTTLCacheDoesNotKeepFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c ttlCache[int]
		f := fetcher{err: errors.New("simulated failure")}
		for range 3 {
			if _, err := c.get(t.Context(), "k", time.Now(), f.fetch); !errors.Is(err, f.err) {
				t.Errorf("got error %v, want the simulated one", err)
			}
		}
		if n := f.n.Load(); n != 3 {
			t.Errorf("fetched %d times, want 3", n)
		}
	})
}

// A caller whose context ends does not cancel the fetch for the others.
func TestTTLCacheOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c ttlCache[int]
		var f fetcher
		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := c.get(short, "k", time.Now(), f.fetch); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("first caller: got error %v, want its own deadline", err)
		}
		if v, err := c.get(t.Context(), "k", time.Now(), f.fetch); v != 1 || err != nil {
			t.Errorf("second caller: got %d and %v, want the first value", v, err)
		}
	})
}

func TestTTLCacheIsBounded(t *testing.T) {
	var c ttlCache[int]
	fetched := 0
	get := func(key int, at time.Duration) {
		t.Helper()
		_, err := c.get(t.Context(), strconv.Itoa(key), time.Unix(1e9, 0).Add(at), func() (int, error) { fetched++; return 0, nil })
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.entries); n > cacheSize {
			t.Fatalf("entries: got %d, want at most %d", n, cacheSize)
		}
	}
	for i := range cacheSize + 1 {
		get(i, time.Duration(i))
	}
	fetched = 0
	get(cacheSize, cacheSize)
	get(1, cacheSize)
	if fetched != 0 {
		t.Error("one of the newer entries was dropped")
	}
	get(0, cacheSize)
	if fetched != 1 {
		t.Error("the oldest entry was kept beyond the bound")
	}
	get(-1, 2*cacheTTL)
	if n := len(c.entries); n != 1 {
		t.Errorf("entries once all others are stale: got %d, want 1", n)
	}
}
