// Package reconcile brings CloudFormation, Slack and mail in line with the
// record of a request.
//
// Launch, click, redelivered event, sweep and restart all end in
// [Reconciler.ReconcileRecord]: it asks the record what is due and does it, the
// most important first. Recovery is the normal path.
package reconcile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"time"

	"countersign/bot/blocks"
	"countersign/handle"
)

// Reconciler brings CloudFormation, Slack and mail in line with the record. All
// fields not marked optional must be set, and must not change after first use.
type Reconciler struct {
	Store  handle.Store
	Stacks Stacks
	Slack  *Slack       // optional: nil if Slack is not configured
	Mail   MailTopic    // optional: nil if no mail topic is configured
	Client *http.Client // for signals to wait handles
	Now    func() time.Time
	Log    *slog.Logger

	// MailDomain is appended to a proven principal's name that has no domain,
	// to look it up in Slack: alice becomes alice@example.com. Optional.
	MailDomain string

	// Links returns the link signer for one mail. It is called for each mail, so
	// that a rotated key needs no restart. Without it, or if it returns nil, mail
	// informs but cannot decide. After an error the mail is tried again later.
	// Optional.
	Links func(ctx context.Context) (*blocks.Links, error)

	// Wait waits for d, or until ctx ends and returns its error. Optional: nil
	// uses the real clock.
	Wait func(ctx context.Context, d time.Duration) error

	// Observer counts what cannot be read off the records. Optional.
	Observer Observer
}

// Observer receives what is worth counting. Its methods must return at once,
// except Swept, which may use the rest of the sweep's time.
type Observer interface {
	// StepFailed reports a failed step. The record holds when to try again.
	StepFailed(ctx context.Context, s handle.Step)

	// Bypassed reports a verdict that found no approval and no record to note it
	// on. A bypass on record (handle.Bypass) is not reported here.
	Bypassed(ctx context.Context, stackID string)

	// Swept reports the end of a sweep.
	Swept(ctx context.Context)
}

// Pause waits for d, or until ctx ends and returns its error.
func (n *Reconciler) Pause(ctx context.Context, d time.Duration) error {
	if n.Wait != nil {
		return n.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NewHolder returns a fresh random name for a lease holder.
func NewHolder() string { return rand.Text() }

// Reconcile makes the world match the record of the request: it loads it, and does
// what is due.
func (n *Reconciler) Reconcile(ctx context.Context, id string) error {
	r, err := n.Store.Load(ctx, id)
	if err != nil {
		return fmt.Errorf("couldn't load request %s: %w", id, err)
	}
	_, err = n.ReconcileRecord(ctx, r, NewHolder())
	return err
}

// Continue is Settle for a record just written or loaded: r must be as it is
// stored. holder is who took r's lease in the same write, or any new name. It
// returns the record as it has become. What could not be done is marked on the
// record with the time to try again, and is no error; the error says that the
// store failed, and that the record returned is not what is stored.
func (n *Reconciler) ReconcileRecord(ctx context.Context, r handle.Request, holder string) (handle.Request, error) {
	p := &pass{n: n, holder: holder, r: r}
	err := p.run(ctx)
	if len(p.marks) > 0 || p.r.HeldBy(holder, n.Now()) {
		err = errors.Join(err, p.write(ctx, p.released))
	}
	return p.r, err
}

// Change applies f to r under compare-and-swap, does what is then due, and
// returns the record as it is then. f must be repeatable: it is applied again to
// a newer record after a conflict.
func (n *Reconciler) Change(ctx context.Context, r handle.Request, f func(handle.Request, time.Time) handle.Request) (handle.Request, error) {
	p := &pass{n: n, holder: NewHolder(), r: r}
	p.mark(func(r handle.Request) handle.Request { return f(r, n.Now()) })
	if reflect.DeepEqual(p.r, r) {
		p.marks = nil // said before, or of no consequence
	} else if err := p.write(ctx, p.claimed); err != nil {
		return p.r, err
	}
	return n.ReconcileRecord(ctx, p.r, p.holder)
}

// pass is one walk through what a record owes.
//
// Marks are made on r at once, and made durable together: after every message
// that must go out only once, and at the end. Between such a message and its
// write lies the one window in which a crash makes it go out twice; Slack has
// no key by which to tell.
type pass struct {
	n      *Reconciler
	holder string
	r      handle.Request // as stored, plus marks
	marks  []func(handle.Request) handle.Request
}

const (
	maxSteps  = 60                     // a guard: every step marks the record, so that it is not due again
	reserve   = 300 * time.Millisecond // of the context, kept for writing the marks
	writeTime = 3 * time.Second        // for a write that must outlive its context
	maxWrites = 10
)

func (p *pass) mark(f func(handle.Request) handle.Request) {
	p.marks = append(p.marks, f)
	p.r = f(p.r)
}

// run does what is due, until nothing is, time runs short, or somebody else has
// the lease.
func (p *pass) run(ctx context.Context) error {
	for range maxSteps {
		now := p.n.Now()
		due := p.r.Due(now)
		if len(due) == 0 || Short(ctx, reserve) {
			return nil
		}
		if step := due[0]; step.NeedsLease() && !p.r.HeldBy(p.holder, now) {
			if err := p.claim(ctx); err != nil {
				return err
			}
			if !p.r.HeldBy(p.holder, p.n.Now()) {
				return nil
			}
			continue // the record may have changed, and with it what is due
		} else if step.NeedsLease() && p.r.Lease.Until.Sub(now) < handle.LeaseTime/2 {
			if err := p.write(ctx, p.kept); err != nil { // renewed, it outlasts the step
				return err
			}
		} else if err := p.do(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// Short reports whether less than d is left until the deadline of ctx.
func Short(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < d
}

// claim takes the lease, unless somebody else has it.
func (p *pass) claim(ctx context.Context) error {
	if _, free := p.r.Claim(p.holder, p.n.Now()); !free {
		return nil
	}
	return p.write(ctx, p.claimed)
}

// What a write does with the lease.

// claimed takes it, if anything is due that needs it, and nobody else has it.
func (p *pass) claimed(r handle.Request) handle.Request {
	now := p.n.Now()
	if slices.ContainsFunc(r.Due(now), handle.Step.NeedsLease) {
		r, _ = r.Claim(p.holder, now)
	}
	return r
}

// kept renews it if the pass goes on, and gives it back if nothing is due any
// more.
func (p *pass) kept(r handle.Request) handle.Request {
	now := p.n.Now()
	if len(r.Due(now)) == 0 || !r.HeldBy(p.holder, now) {
		return r.Release(p.holder)
	}
	r, _ = r.Claim(p.holder, now)
	return r
}

func (p *pass) released(r handle.Request) handle.Request { return r.Release(p.holder) }

// write makes the marks durable, on whatever the record has become meanwhile.
// It outlives ctx: what is done must be marked.
func (p *pass) write(ctx context.Context, lease func(handle.Request) handle.Request) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	for range maxWrites {
		stored, err := p.n.Store.Replace(ctx, lease(p.r))
		if err == nil {
			p.r, p.marks = stored, nil
			return nil
		}
		// A conflict; or a write whose answer was lost, which then is one. All
		// marks hold on the newer value.
		fresh, again := p.n.Store.Load(ctx, p.r.ID)
		if again != nil {
			return fmt.Errorf("couldn't write request %s: %w", p.r.ID, err)
		}
		for _, f := range p.marks {
			fresh = f(fresh)
		}
		p.r = fresh
		if !errors.Is(err, handle.ErrConflict) && p.n.Pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("couldn't write request %s: %w", p.r.ID, err)
		}
	}
	return fmt.Errorf("couldn't write request %s %d times: %w", p.r.ID, maxWrites, handle.ErrConflict)
}
