package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign/handle"
)

// attempt is one person's attempt to change a request, by a vote or another action.
type attempt struct {
	request string         // ID
	message handle.Message // that shows the request and was clicked; zero if there is none

	// evaluate applies the request's rules to r as it is at now.
	evaluate func(ctx context.Context, r handle.Request, now time.Time) evaluation
}

// evaluation is the result of the rules. If refused and err are empty the attempt
// counts, and next is the record with it; next is unchanged if the attempt repeats an
// earlier one. Every change of the record by a person adds an event to its history.
type evaluation struct {
	next    handle.Request
	refused handle.RefusalReason
	err     error // the rules could not be applied
	by      handle.Person
	keep    keep
}

// keep says how a refusal gets onto the record.
type keep int

const (
	keepBestEffort keep = iota // one attempt: it must not delay the answer
	keepNever                  // not at all: the person is unknown
	keepFirst                  // durable before it is answered
)

// evaluated turns the result of a method of the request into an evaluation.
func evaluated(next handle.Request, err error) evaluation {
	var refusal *handle.Refusal
	if errors.As(err, &refusal) {
		return evaluation{next: next, refused: refusal.Reason}
	}
	return evaluation{next: next, err: err}
}

// outcome is the result of an attempt.
type outcome struct {
	request      handle.Request       // as last written or read; zero if it could not be
	holder       string               // holder of its lease, if this attempt took it
	refused      handle.RefusalReason // empty if the attempt counts
	repeated     bool                 // the same person had done the same before
	err          error                // not recorded, or not certainly; handle.ErrNotFound if there is no such request
	maybeWritten bool                 // with err: a write was sent without an answer, so the attempt may be on record
}

// counts reports whether the attempt is durable on the record.
func (o outcome) counts() bool { return o.err == nil && o.refused == "" }

// result names the outcome for the log.
func (o outcome) result() string {
	switch {
	case o.err != nil:
		return "not recorded"
	case o.refused != "":
		return "refused: " + string(o.refused)
	case o.repeated:
		return "repeated"
	}
	return string(o.request.State())
}

// decide reads the record, evaluates the attempt, and writes the result unless the
// record has changed meanwhile. The same write takes in the clicked message and
// the lease for After. After a conflict or a lost answer it reads again: what
// counts is whether the attempt is on the record then. Without contention a click
// costs one read and one write.
func (b *Bot) decide(ctx context.Context, a attempt) outcome {
	holder := b.newHolder()
	var o outcome
	for n := 0; n == 0 || pause(ctx, n); n++ {
		r, err := b.load(ctx, a.request)
		if errors.Is(err, handle.ErrNotFound) {
			return outcome{err: handle.ErrNotFound}
		}
		if err != nil {
			b.log().Warn("could not read a request", "request", a.request, "error", err)
			o.err = err
			continue
		}
		now := b.Now()
		e := a.evaluate(ctx, r, now)
		o = outcome{request: r, refused: e.refused, err: e.err, maybeWritten: o.maybeWritten}
		if o.err != nil {
			return o
		}
		if r.HeldBy(holder, now) {
			o.holder = holder // an earlier write whose answer was lost
		}
		required := e.required(r)
		next, held := claim(e.apply(r, now).AdoptMessage(a.message.Channel, a.message.TS), holder, now)
		if required || changed(r, next) {
			written, err := b.replace(ctx, next)
			switch {
			case err == nil:
				o.request, o.holder = written, held
			case required: // even a conflict may be with our own write, if the client below repeated it
				b.log().Info("could not write a request", "request", r.ID, "error", err)
				o.err, o.maybeWritten = err, true
				continue
			}
		}
		o.repeated = e.refused == "" && !required && !o.maybeWritten
		return o
	}
	return o
}

// required reports whether the write must succeed before anything is answered.
func (e evaluation) required(r handle.Request) bool {
	return e.keep == keepFirst || e.refused == "" && !sameEvents(r, e.next)
}

// apply returns the record with the attempt, or with its refusal. A deadline that has passed
// is recorded on the way.
func (e evaluation) apply(r handle.Request, now time.Time) handle.Request {
	switch {
	case e.refused == "":
		return e.next
	case e.keep == keepNever:
		return r.Expire(now)
	}
	return r.Expire(now).RecordRefusal(e.by, e.refused, now)
}

// claim takes the lease if a due step needs it and it is free.
func claim(r handle.Request, holder string, now time.Time) (next handle.Request, held string) {
	if !slices.ContainsFunc(r.Due(now), handle.Step.NeedsLease) {
		return r, ""
	}
	if next, ok := r.Claim(holder, now); ok {
		return next, holder
	}
	return r, ""
}

// changed reports whether the bot changed anything between r and next. The bot
// only adds, and counts refusals.
func changed(r, next handle.Request) bool {
	return len(r.Votes) != len(next.Votes) ||
		len(r.Messages) != len(next.Messages) ||
		r.Lease != next.Lease ||
		r.State() != next.State() ||
		!sameEvents(r, next)
}

func sameEvents(r, next handle.Request) bool {
	return slices.EqualFunc(r.Events, next.Events, handle.Event.Same)
}

func (b *Bot) load(ctx context.Context, id string) (handle.Request, error) {
	ctx, cancel := b.callTimeout(ctx)
	defer cancel()
	return within(ctx, b, "read the request", func(ctx context.Context) (handle.Request, error) {
		return b.Store.Load(ctx, id)
	})
}

func (b *Bot) replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	ctx, cancel := b.callTimeout(ctx)
	defer cancel()
	return within(ctx, b, "write the request", func(ctx context.Context) (handle.Request, error) {
		return b.Store.Replace(ctx, r)
	})
}

// reconcile calls After if a step of r is due. It returns when After does, or
// when the budget is spent; rest then waits until the limit.
func (b *Bot) reconcile(d deadlines, r handle.Request, holder string) (rest func()) {
	if r.ID == "" || len(r.Due(b.Now())) == 0 || d.work.Err() != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				b.logPanic("After", p)
			}
		}()
		b.After(d.work, r, holder)
	}()
	select {
	case <-done:
	case <-d.work.Done():
	}
	return func() {
		select {
		case <-done:
		case <-d.answerBy.Done():
			b.log().Warn("After did not return in time; the sweep continues", "request", r.ID)
		}
	}
}

// pause waits before the n-th repetition. It reports whether time is left after
// that.
func pause(ctx context.Context, n int) bool {
	if n <= 1 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(min(5*time.Millisecond<<min(n, 10), 200*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
