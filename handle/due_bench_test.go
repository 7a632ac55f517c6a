package handle_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/bolt"
	"countersign/handle/handletest"
)

// localStores are the stores without a network.
var localStores = []struct {
	name string
	open func(b *testing.B) handle.Store
}{
	{"memory", func(*testing.B) handle.Store { return new(handle.Memory) }},
	{"bolt", func(b *testing.B) handle.Store {
		s, err := bolt.Open(filepath.Join(b.TempDir(), "requests.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
		return s
	}},
}

// BenchmarkOpen measures how long it takes to list a page of ten open requests. The
// time must not grow with the number of stored requests.
func BenchmarkOpen(b *testing.B) {
	for _, stored := range []int{1_000, 100_000} {
		for _, store := range localStores {
			b.Run(fmt.Sprintf("%s/stored=%d", store.name, stored), func(b *testing.B) {
				s := store.open(b)
				now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
				for n := range stored {
					edit := handletest.WithNothingDue
					if n < 20 {
						edit = handletest.WithNextDue(now.Add(time.Duration(n) * time.Second))
					}
					if _, err := s.Create(b.Context(), handletest.Request(n, now.Add(-time.Hour), edit)); err != nil {
						b.Fatal(err)
					}
				}
				for b.Loop() {
					if page, next, err := s.Open(b.Context(), "", 10); err != nil || len(page) != 10 || next == "" {
						b.Fatalf("Open: got %d requests, next %q and error %v, want ten and more", len(page), next, err)
					}
				}
			})
		}
	}
}

// BenchmarkDue measures how long it takes to find ten due requests. The time must
// not grow with the number of stored requests, because the sweep calls Due every
// minute. The benchmark of the same name in package dynamo measures the cost in
// DynamoDB.
func BenchmarkDue(b *testing.B) {
	for _, stored := range []int{1_000, 100_000} {
		for _, store := range localStores {
			b.Run(fmt.Sprintf("%s/stored=%d", store.name, stored), func(b *testing.B) {
				s := store.open(b)
				now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
				want := make([]string, 10)
				for n := range stored {
					// Every hundredth is due later, the others never.
					edit := handletest.WithNothingDue
					switch {
					case n < len(want):
						edit = handletest.WithNextDue(now.Add(time.Duration(n)))
					case n%100 == 0:
						edit = handletest.WithNextDue(now.Add(time.Duration(n) * time.Second))
					}
					r, err := s.Create(b.Context(), handletest.Request(n, now.Add(-time.Hour), edit))
					if err != nil {
						b.Fatal(err)
					}
					if n < len(want) {
						want[n] = r.ID
					}
				}
				for b.Loop() {
					ids, err := s.Due(b.Context(), now.Add(10), 100)
					if err != nil || !slices.Equal(ids, want) {
						b.Fatalf("Due: got %v and error %v, want %v", ids, err, want)
					}
				}
			})
		}
	}
}
