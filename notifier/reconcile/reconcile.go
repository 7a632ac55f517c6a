// Package reconcile brings CloudFormation, Slack and mail in line with the
// record of a request.
//
// Launch, click, redelivered event, sweep and restart all end in
// [Reconciler.ReconcileRecord], which asks the record what is due and does the
// most important step first. Recovery is the normal path.
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

	"github.com/slack-go/slack"

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

	// Account is the AWS account that the functions run in, whose stacks can be
	// read. Stacks of other accounts are not asked about. Optional: without it,
	// CloudFormation is asked about all.
	Account string

	// Names finds the names of a product and a version by their IDs; names that it cannot
	// find soon are empty. Optional: without it, messages show the IDs.
	Names func(ctx context.Context, product, version string) (productName, versionName string)

	// CancelUnapproved cancels an update that bypasses its gate, when it is first
	// seen. It needs cloudformation:CancelUpdateStack.
	CancelUnapproved bool

	// Outside reports whether a user certainly belongs to another workspace, whose
	// members may not decide. Optional.
	Outside func(*slack.User) bool

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

	// SideBySide makes calls that do not depend on each other, and returns when all
	// of them have. Optional: nil makes them at the same time. Tests make them one
	// by one, in an order that they choose.
	SideBySide func(calls []func())

	// Observer counts what cannot be read off the records. Optional.
	Observer Observer
}

// Observer receives what is worth counting. Its methods must return at once,
// except Swept, which may use the rest of the sweep's time.
type Observer interface {
	// StepFailed reports a failed step. The record holds when to try again.
	StepFailed(ctx context.Context, s handle.Step)

	// Bypassed reports a bypass that the record does not show: of a verdict that
	// found no approval and no record to note it on, or of an update after another
	// bypass. The first bypass on record (handle.Bypass) is not reported here.
	Bypassed(ctx context.Context, stackID string)

	// Swept reports the end of a sweep.
	Swept(ctx context.Context)
}

// Pause waits for d, or until ctx ends and returns its error.
func (c *Reconciler) Pause(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
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

// Reconcile loads the request and does what is due.
func (c *Reconciler) Reconcile(ctx context.Context, id string) error {
	r, err := c.Store.Load(ctx, id)
	if err != nil {
		return fmt.Errorf("couldn't load request %s: %w", id, err)
	}
	_, err = c.ReconcileRecord(ctx, r, NewHolder())
	return err
}

// ReconcileRecord does what is due on a record just written or loaded: r must be
// as stored. holder took r's lease in the same write, or is a new name. It
// returns the updated record. A failed step is not an error: it is marked on the
// record with the time to try again. An error means that the store failed, and
// that the returned record is not what is stored.
func (c *Reconciler) ReconcileRecord(ctx context.Context, r handle.Request, holder string) (handle.Request, error) {
	run := &run{c: c, holder: holder, r: r}
	err := run.finish(ctx)
	return run.r, err
}

// ReconcileUrgent does what is due on a request, except its messages in Slack if they are
// bulk (see handle.Request.BulkDue). It returns the request, and reports whether they are.
func (c *Reconciler) ReconcileUrgent(ctx context.Context, id string) (r handle.Request, bulk bool, err error) {
	r, err = c.Store.Load(ctx, id)
	if err != nil {
		return r, false, fmt.Errorf("couldn't load request %s: %w", id, err)
	}
	run := &run{c: c, holder: NewHolder(), r: r, urgent: true}
	err = run.finish(ctx)
	return run.r, run.r.BulkDue(c.Now()), err
}

// ReconcileBulk does all that is due on a request. It does not wait when Slack asks it
// to, but leaves the rest to a later call; limited reports that.
func (c *Reconciler) ReconcileBulk(ctx context.Context, id string) (limited bool, err error) {
	r, err := c.Store.Load(ctx, id)
	if err != nil {
		return false, fmt.Errorf("couldn't load request %s: %w", id, err)
	}
	run := &run{c: c, holder: NewHolder(), r: r, impatient: true}
	err = run.finish(ctx)
	return run.wasLimited, err
}

// Change makes m durable on r under compare-and-swap, does what is then due, and
// returns the updated record. It writes nothing if m changes nothing.
func (c *Reconciler) Change(ctx context.Context, r handle.Request, m Mark) (handle.Request, error) {
	run := &run{c: c, holder: NewHolder(), r: r}
	run.mark(m)
	if reflect.DeepEqual(run.r, r) {
		run.marks = nil
	} else if err := run.write(ctx, take); err != nil {
		return run.r, err
	}
	return c.ReconcileRecord(ctx, run.r, run.holder)
}

// run does the steps that are due on one record.
//
// Marks are applied to r at once and made durable together: after messages that
// must go out only once, and at the end. Messages that left side by side share one
// write. A crash between them and their write sends them twice: Slack has no
// idempotency key.
type run struct {
	c       *Reconciler
	holder  string
	r       handle.Request  // as stored, plus marks
	marks   []Mark          // not yet durable
	limited map[string]bool // steps that Slack asked to delay, by key: see sideBySide

	lostThreads int // how often a reply found that the question was deleted

	seenRoot handle.Message // a root that was posted or updated, so that it is known whether it was deleted

	urgent     bool // leaves out bulk messages
	impatient  bool // does not wait when Slack asks to
	wasLimited bool // a step failed because Slack asked to wait
}

const (
	maxSteps  = 60                     // a guard: each step marks the record and is then no longer due
	reserve   = 300 * time.Millisecond // of the context, kept for writing the marks
	writeTime = 3 * time.Second        // for a write that must outlive its context
	maxWrites = 10

	writeRetry = 50 * time.Millisecond // after a failed write
)

func (u *run) mark(m Mark) {
	u.marks = append(u.marks, m)
	u.r = m.Apply(u.r)
}

// finish does what is due, makes the last marks durable and gives the lease back.
func (u *run) finish(ctx context.Context) error {
	err := u.do(ctx)
	if len(u.marks) > 0 || u.r.HeldBy(u.holder, u.c.Now()) {
		err = errors.Join(err, u.write(ctx, release))
	}
	return err
}

// due lists the steps of r that this run takes now. An urgent run leaves out all bulk
// messages, so that those of one conversation stay in order.
func (u *run) due(r handle.Request) []handle.Step {
	now := u.c.Now()
	due := r.Due(now)
	if !u.urgent || !r.BulkDue(now) {
		return due
	}
	return slices.DeleteFunc(due, func(s handle.Step) bool { return s.Kind == handle.StepNotify || s.Kind == handle.StepRefresh })
}

// do takes steps until none is due, time runs short, or another process holds the
// lease.
func (u *run) do(ctx context.Context) error {
	for range maxSteps {
		now := u.c.Now()
		due := u.due(u.r)
		if len(due) == 0 || Short(ctx, reserve) {
			return nil
		}
		step := due[0]
		switch {
		case step.NeedsLease() && !u.r.HeldBy(u.holder, now):
			if err := u.claim(ctx); err != nil {
				return err
			}
			if !u.r.HeldBy(u.holder, u.c.Now()) {
				return nil
			}
			// The record may have changed, and with it what is due.
		case step.NeedsLease() && u.r.Lease.Until.Sub(now) < handle.LeaseTime/2:
			if err := u.write(ctx, renew); err != nil { // the renewed lease outlasts the step
				return err
			}
		default:
			if err := u.take(ctx, due); err != nil {
				return err
			}
		}
	}
	return nil
}

// take takes the first of the steps that are due. Messages that do not depend on
// each other leave side by side.
func (u *run) take(ctx context.Context, due []handle.Step) error {
	if steps := u.independent(due); len(steps) > 0 {
		if root, posted := u.r.Root(); posted && u.threadMayBeGone(root, steps) {
			u.seenRoot = root
			u.mark(refreshed{root, ""}) // if the update fails, it stays due
			root.Shown = ""
			return u.sideBySide(ctx, []handle.Step{{Kind: handle.StepRefresh, Message: root}}, true)
		}
		return u.sideBySide(ctx, steps, false)
	}
	if isMessage(due[0]) { // Slack asked to wait
		return u.sideBySide(ctx, due[:1], true)
	}
	return u.step(ctx, due[0])
}

// Short reports whether less than d is left until the deadline of ctx.
func Short(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < d
}

// claim takes the lease unless another process holds it.
func (u *run) claim(ctx context.Context) error {
	if _, free := u.r.Claim(u.holder, u.c.Now()); !free {
		return nil
	}
	return u.write(ctx, take)
}

// leaseUse says what a write does with the lease.
type leaseUse int

const (
	take    leaseUse = iota // if a due step needs it and it is free
	renew                   // if the run goes on; otherwise give it back
	release                 // give it back
)

// withLease applies use to r, as it is about to be written.
func (u *run) withLease(r handle.Request, use leaseUse) handle.Request {
	now := u.c.Now()
	switch {
	case use == take && slices.ContainsFunc(u.due(r), handle.Step.NeedsLease):
		r, _ = r.Claim(u.holder, now)
	case use == renew && len(u.due(r)) > 0 && r.HeldBy(u.holder, now):
		r, _ = r.Claim(u.holder, now)
	case use != take:
		r = r.Release(u.holder)
	}
	return r
}

// write makes the marks durable on the record as it is by then. It outlives ctx:
// what is done must be marked.
func (u *run) write(ctx context.Context, use leaseUse) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	for range maxWrites {
		stored, err := u.c.Store.Replace(ctx, u.withLease(u.r, use))
		if err == nil {
			u.r, u.marks = stored, nil
			return nil
		}
		// A conflict, which a write whose answer was lost becomes too. The marks
		// hold on the newer record.
		fresh, loadErr := u.c.Store.Load(ctx, u.r.ID)
		if loadErr != nil {
			return fmt.Errorf("couldn't write request %s: %w", u.r.ID, err)
		}
		for _, m := range u.marks {
			fresh = m.Apply(fresh)
		}
		u.r = fresh
		if !errors.Is(err, handle.ErrConflict) && u.c.Pause(ctx, writeRetry) != nil {
			return fmt.Errorf("couldn't write request %s: %w", u.r.ID, err)
		}
	}
	return fmt.Errorf("couldn't write request %s %d times: %w", u.r.ID, maxWrites, handle.ErrConflict)
}
