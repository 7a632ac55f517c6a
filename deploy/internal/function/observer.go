package function

import (
	"context"
	"log/slog"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// observer publishes metrics for what the reconciler reports, and does the work
// of each sweep.
type observer struct {
	metrics *Metrics
	secrets *SecretCache
	store   handle.Store
	log     *slog.Logger
	pending pendingAge
}

var _ reconcile.Observer = (*observer)(nil)

func (w *observer) StepFailed(ctx context.Context, s handle.Step) { w.metrics.stepFailed(ctx, s) }

func (w *observer) Bypassed(ctx context.Context, stackID string) {
	w.metrics.bypassed(ctx, map[string]string{"stack": stackID})
}

const pendingTimeout = 4 * time.Second

// Swept refreshes an old secret, so that no launch waits for it, and publishes the
// age of the oldest undecided request. If that cannot be found, nothing is
// published: an alarm treats a missing value as a failure.
func (w *observer) Swept(ctx context.Context) {
	if _, err := w.secrets.Secret(ctx); err != nil {
		w.log.ErrorContext(ctx, "no secret is available", "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, pendingTimeout)
	defer cancel()
	age, err := w.pending.oldest(ctx, w.store, now())
	if err != nil {
		w.log.ErrorContext(ctx, "couldn't find the oldest undecided request", "error", err)
		return
	}
	w.metrics.oldestPending(ctx, age)
}
