package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/handle"
)

// selection selects requests: those that are named, else those created within a
// time range.
type selection struct {
	named    []string
	since    time.Time
	until    time.Time // zero: no end
	states   []handle.State
	bypassed bool
}

// selection validates the flags and arguments.
func (c Command) selection(now time.Time) (selection, error) {
	s := selection{named: c.Named, bypassed: c.Bypassed}
	for _, name := range c.Named {
		if _, _, ok := handle.SplitID(name); !ok && !isStack(name) {
			return s, fmt.Errorf("%q is neither a request ID (such as abcdefghijkmnpqr-stuvwxyz) nor a stack ARN", handle.OneLine(name, 100))
		}
	}
	for _, state := range c.State {
		s.states = append(s.states, handle.State(state))
	}
	var err error
	if s.since, err = instant(c.Since, now); err != nil {
		return s, fmt.Errorf("--since: %w", err)
	}
	if c.Until == "" {
		return s, nil
	}
	if s.until, err = instant(c.Until, now); err != nil {
		return s, fmt.Errorf("--until: %w", err)
	}
	if !s.since.Before(s.until) {
		return s, errors.New("--until must be later than --since (default: 30 days ago)")
	}
	return s, nil
}

func isStack(name string) bool {
	return strings.HasPrefix(name, "arn:") && strings.Contains(name, ":cloudformation:") && strings.Contains(name, ":stack/")
}

// instant parses a date, a time or an age.
func instant(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 15); err == nil {
			return now.UTC().AddDate(0, 0, -int(n)), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.UTC().Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a date (2026-01-31), a time (2026-01-31T09:00:00Z) or an age (30d, 12h)", handle.OneLine(text, 50))
}

// requests yields the selected requests: named ones in the order given, others
// oldest first. It ends at the first error.
func (s selection) requests(ctx context.Context, store handle.Store) iter.Seq2[handle.Request, error] {
	if len(s.named) > 0 {
		return s.byName(ctx, store)
	}
	return func(yield func(handle.Request, error) bool) {
		for r, err := range store.Since(ctx, s.since) {
			switch {
			case err != nil:
				yield(r, err)
				return
			case !s.until.IsZero() && !r.CreatedAt.Before(s.until):
				return
			case s.wants(r) && !yield(r, nil):
				return
			}
		}
	}
}

func (s selection) byName(ctx context.Context, store handle.Store) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		for _, name := range s.named {
			list, err := load(ctx, store, name)
			if err != nil {
				yield(handle.Request{}, err)
				return
			}
			for _, r := range list {
				if s.wants(r) && !yield(r, nil) {
					return
				}
			}
		}
	}
}

// load reads the request with that ID, or all requests of the stack with that ARN,
// oldest first. The error is handle.ErrNotFound if there are none.
func load(ctx context.Context, store handle.Store, name string) ([]handle.Request, error) {
	if !isStack(name) {
		r, err := store.Load(ctx, name)
		return []handle.Request{r}, err
	}
	list, err := store.OfStack(ctx, name)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: %w", handle.OneLine(name, 300), handle.ErrNotFound)
	}
	slices.SortFunc(list, func(a, b handle.Request) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list, err
}

func (s selection) wants(r handle.Request) bool {
	return (len(s.states) == 0 || slices.Contains(s.states, r.State())) && (!s.bypassed || r.Bypass != nil)
}
