package bot

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	cacheTTL  = time.Minute
	cacheSize = 1000 // entries
)

// ttlCache keeps fetched values for a minute, and fetches each key once at a
// time. Failures are not kept. The zero value is ready to use.
type ttlCache[V any] struct {
	flights singleflight.Group

	mu      sync.Mutex
	entries map[string]cached[V]
}

type cached[V any] struct {
	v         V
	fetchedAt time.Time // when the fetch began
}

func (c cached[V]) fresh(now time.Time) bool {
	age := now.Sub(c.fetchedAt)
	return age >= 0 && age < cacheTTL
}

// get returns the value of key, at most a minute old, or fetches it. It returns
// when ctx ends at the latest; the fetch goes on for others who wait for it, so
// fetch must end by itself and not panic.
func (c *ttlCache[V]) get(ctx context.Context, key string, now time.Time, fetch func() (V, error)) (v V, err error) {
	c.mu.Lock()
	hit, ok := c.entries[key]
	c.mu.Unlock()
	if ok && hit.fresh(now) {
		return hit.v, nil
	}
	flight := c.flights.DoChan(key, func() (any, error) {
		v, err := fetch()
		if err == nil {
			c.put(key, cached[V]{v, now})
		}
		return v, err
	})
	select {
	case got := <-flight:
		v, _ = got.Val.(V)
		return v, got.Err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// put keeps an entry. When the cache is full, it drops all stale entries, or
// else the oldest.
func (c *ttlCache[V]) put(key string, entry cached[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]cached[V]{}
	}
	if len(c.entries) >= cacheSize {
		oldest := ""
		for k, e := range c.entries {
			if !e.fresh(entry.fetchedAt) {
				delete(c.entries, k)
			} else if oldest == "" || e.fetchedAt.Before(c.entries[oldest].fetchedAt) {
				oldest = k
			}
		}
		if len(c.entries) >= cacheSize {
			delete(c.entries, oldest)
		}
	}
	c.entries[key] = entry
}
