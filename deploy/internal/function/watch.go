package function

import (
	"context"
	"log/slog"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// watcher counts what the notifier sees, and does what is to be done each
// minute.
type watcher struct {
	metrics *Metrics
	keeper  *SecretCache
	store   handle.Store
	log     *slog.Logger
	pending pending
}

var _ reconcile.Observer = (*watcher)(nil)

func (w *watcher) StepFailed(ctx context.Context, s handle.Step) { w.metrics.stepFailed(ctx, s) }

func (w *watcher) Bypassed(ctx context.Context, stackID string) {
	w.metrics.bypassed(ctx, map[string]string{"stack": stackID})
}

const pendingTimeout = 4 * time.Second

// Swept reads the secret anew if it has grown old, so that no launch waits for
// it, and tells of the oldest undecided request. If that cannot be found it
// tells nothing: a missing value means that something is wrong.
func (w *watcher) Swept(ctx context.Context) {
	if _, err := w.keeper.Secret(ctx); err != nil {
		w.log.ErrorContext(ctx, "there is no secret to work with", "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, pendingTimeout)
	defer cancel()
	age, err := w.pending.oldest(ctx, w.store, now())
	if err != nil {
		w.log.ErrorContext(ctx, "couldn't tell what is pending", "error", err)
		return
	}
	w.metrics.oldestPending(ctx, age)
}
