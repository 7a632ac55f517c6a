package story

import (
	"context"
	"log/slog"
	"sync"
)

// alarms is a slog.Handler that counts what CloudWatch's alarms count: records with
// the attribute alarm. It passes all records on to next, if that is not nil.
type alarms struct {
	next slog.Handler

	mu   *sync.Mutex
	seen map[string]int
}

func newAlarms(next *slog.Logger) *alarms {
	a := &alarms{next: slog.DiscardHandler, mu: &sync.Mutex{}, seen: map[string]int{}}
	if next != nil {
		a.next = next.Handler()
	}
	return a
}

// count returns how often an alarm was raised.
func (a *alarms) count(name string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen[name]
}

// Enabled implements slog.Handler.
func (a *alarms) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (a *alarms) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "alarm" {
			a.mu.Lock()
			a.seen[attr.Value.String()]++
			a.mu.Unlock()
		}
		return true
	})
	if !a.next.Enabled(ctx, r.Level) {
		return nil
	}
	return a.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (a *alarms) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &alarms{next: a.next.WithAttrs(attrs), mu: a.mu, seen: a.seen}
}

// WithGroup implements slog.Handler.
func (a *alarms) WithGroup(name string) slog.Handler {
	return &alarms{next: a.next.WithGroup(name), mu: a.mu, seen: a.seen}
}
