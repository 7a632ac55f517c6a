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

// BenchmarkDue measures how long it takes to find ten due requests. The time must
// not grow with the number of stored requests, because the sweep calls Due every
// minute. The benchmark of the same name in package dynamo measures the cost in
// DynamoDB.
func BenchmarkDue(b *testing.B) {
	stores := []struct {
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
	for _, stored := range []int{1_000, 100_000} {
		for _, store := range stores {
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
