package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

const (
	sweepBatch   = 100
	sweepReserve = 5 * time.Second // the time that one more record may take
)

// Slack allows one post a second in a channel, and 50 updates a minute in a workspace;
// each bulk message takes one of both. The sweep leaves the rest to launches and clicks.
// See https://docs.slack.dev/apis/web-api/rate-limits
const (
	maxBulk      = 30 // requests with bulk messages in one sweep, which runs every minute
	bulkInterval = 1500 * time.Millisecond
)

// Sweep reconciles every request with a due step: it expires, reminds, and
// finishes what a crash or an outage interrupted. It ends when nothing is due or
// its context is about to end; the next sweep continues. A failing request does
// not stop the others. Reminders and notices of escalations and expiries come last, at a
// pace that Slack allows: of many, the next sweeps send the rest. So they delay no
// signal. The error means that the due requests could not be listed.
func (n *Notifier) Sweep(ctx context.Context) error {
	seen := map[string]bool{}
	var bulk []handle.Request
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
		bulk = append(bulk, n.reconcileAll(ctx, fresh)...)
	}
	n.sendBulk(ctx, bulk)
	if n.Observer != nil {
		n.Observer.Swept(ctx)
	}
	return nil
}

// reconcileAll does what is urgent, and returns the requests with bulk messages.
func (n *Notifier) reconcileAll(ctx context.Context, ids []string) (bulk []handle.Request) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(max(n.Workers, 1))
	for _, id := range ids {
		if reconcile.Short(ctx, sweepReserve) {
			break
		}
		group.Go(func() error {
			n.safely(ctx, id, func() error {
				r, more, err := n.ReconcileUrgent(ctx, id)
				if more {
					mu.Lock()
					defer mu.Unlock()
					bulk = append(bulk, r)
				}
				return err
			})
			return nil
		})
	}
	_ = group.Wait()
	return bulk
}

// sendBulk sends the bulk messages of requests: first of those that can still be decided,
// in order of their deadlines. A channel for which Slack asks to wait is left to the next sweep.
func (n *Notifier) sendBulk(ctx context.Context, requests []handle.Request) {
	slices.SortFunc(requests, func(a, b handle.Request) int {
		if (a.Decision == nil) != (b.Decision == nil) {
			return map[bool]int{true: -1, false: 1}[a.Decision == nil]
		}
		return cmp.Or(a.Terms.Deadline.Compare(b.Terms.Deadline), strings.Compare(a.ID, b.ID))
	})
	limited := map[string]bool{} // by channel
	sent := 0
	for _, r := range requests {
		if limited[r.Terms.Channel] {
			continue
		}
		if sent == maxBulk || sent > 0 && n.Pause(ctx, bulkInterval) != nil || reconcile.Short(ctx, sweepReserve) {
			return
		}
		sent++
		n.safely(ctx, r.ID, func() (err error) {
			limited[r.Terms.Channel], err = n.ReconcileBulk(ctx, r.ID)
			return err
		})
	}
}

// safely logs the error of do, and recovers its panics, so that one bad record cannot
// stop every sweep.
func (n *Notifier) safely(ctx context.Context, id string, do func() error) {
	defer func() {
		if p := recover(); p != nil {
			n.Log.ErrorContext(ctx, "panic", "request", id, "at", string(debug.Stack()))
			n.Log.ErrorContext(ctx, "couldn't reconcile", "request", id, "error", errPanicked)
		}
	}()
	if err := do(); err != nil {
		n.Log.ErrorContext(ctx, "couldn't reconcile", "request", id, "error", err)
	}
}

var errPanicked = errors.New("panic while reconciling")
