package sandbox

import (
	"context"
	"fmt"
	"time"

	"countersign/deploy/internal/laws"
	"countersign/handle"
)

// Check checks the laws over all records in store, against what CloudFormation,
// Slack and mail saw, and against the records of the call before. Call it
// between two steps, when no function is running.
func (w *Sandbox) Check(ctx context.Context, store handle.Store) []laws.Violation {
	var records []handle.Request
	for r, err := range store.Since(ctx, time.Time{}) {
		if err != nil {
			return []laws.Violation{{Law: laws.Recovery, Rule: "the store can be read", Detail: err.Error()}}
		}
		records = append(records, r)
	}
	found := w.Laws.Check(records, w.Clock.Now())
	if n := w.droppedEvents(); n > 0 {
		found = append(found, laws.Violation{Law: laws.AlwaysAnswered, Rule: "each event is handled in the end", Detail: fmt.Sprintf("%d were dropped after all retries", n)})
	}
	return found
}
