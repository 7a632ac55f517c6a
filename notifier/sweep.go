package notifier

import (
	"context"
	"countersign/notifier/reconcile"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	sweepBatch   = 100
	sweepReserve = 5 * time.Second // the time that one more record may take
)

// Sweep reconciles every request with a due step: it expires, reminds, and
// finishes what a crash or an outage interrupted. It ends when nothing is due or
// its context is about to end; the next sweep continues. A failing request does
// not stop the others. The error means that the due requests could not be listed.
func (n *Notifier) Sweep(ctx context.Context) error {
	seen := map[string]bool{}
	for !reconcile.Short(ctx, sweepReserve) {
		ids, err := n.Store.Due(ctx, n.Now(), len(seen)+sweepBatch)
		if err != nil {
			return fmt.Errorf("couldn't list the due requests: %w", err)
		}
		fresh := ids[:0]
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				fresh = append(fresh, id)
			}
		}
		if len(fresh) == 0 {
			break
		}
		n.reconcileAll(ctx, fresh)
	}
	if n.Observer != nil {
		n.Observer.Swept(ctx)
	}
	return nil
}

func (n *Notifier) reconcileAll(ctx context.Context, ids []string) {
	var group errgroup.Group
	group.SetLimit(max(n.Workers, 1))
	for _, id := range ids {
		if reconcile.Short(ctx, sweepReserve) {
			break
		}
		group.Go(func() error {
			if err := n.reconcileSafely(ctx, id); err != nil {
				n.Log.ErrorContext(ctx, "couldn't reconcile", "request", id, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// reconcileSafely recovers panics, so that one bad record cannot stop every sweep.
func (n *Notifier) reconcileSafely(ctx context.Context, id string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			n.Log.ErrorContext(ctx, "panic", "request", id, "at", string(debug.Stack()))
			err = errors.New("panic while reconciling")
		}
	}()
	return n.Reconcile(ctx, id)
}
