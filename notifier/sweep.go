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
	sweepReserve = 5 * time.Second // what one more record may take
)

// Sweep settles every request that owes something: it expires, reminds, and
// does whatever a crash or an outage left undone. It goes on until nothing more
// is due or its context is near its end; what is left, the next sweep finds. A
// request that fails keeps no other from being settled; the error says only
// that finding them failed.
func (n *Notifier) Sweep(ctx context.Context) error {
	seen := map[string]bool{}
	for !reconcile.Short(ctx, sweepReserve) {
		ids, err := n.Store.Due(ctx, n.Now(), len(seen)+sweepBatch)
		if err != nil {
			return fmt.Errorf("couldn't find what is due: %w", err)
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
		n.settleAll(ctx, fresh)
	}
	if n.Observer != nil {
		n.Observer.Swept(ctx)
	}
	return nil
}

func (n *Notifier) settleAll(ctx context.Context, ids []string) {
	var group errgroup.Group
	group.SetLimit(max(n.Workers, 1))
	for _, id := range ids {
		if reconcile.Short(ctx, sweepReserve) {
			break
		}
		group.Go(func() error {
			if err := n.settleSafely(ctx, id); err != nil {
				n.Log.ErrorContext(ctx, "couldn't settle", "request", id, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// settleSafely keeps one record that makes us panic from keeping every sweep
// from all the others.
func (n *Notifier) settleSafely(ctx context.Context, id string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			n.Log.ErrorContext(ctx, "panic", "request", id, "at", string(debug.Stack()))
			err = errors.New("panic while settling")
		}
	}()
	return n.Reconcile(ctx, id)
}
