package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign/handle"
)

// voteAttempt is one person's attempt to vote on a request.
type voteAttempt struct {
	request string // ID
	message handle.Message

	// evaluate applies the voting rules to r as it is at now.
	evaluate func(ctx context.Context, r handle.Request, now time.Time) evaluation
}

// evaluation is the result of the voting rules. If refused and err are empty the
// vote counts, and next is the record with it; next is unchanged if the vote
// repeats an earlier one.
type evaluation struct {
	next    handle.Request
	refused handle.RefusalReason
	err     error // the rules could not be applied
	by      handle.Person
	keep    keep
	write   bool // next has another change than a vote
}

// keep says how a refusal gets onto the record.
type keep int

const (
	keepBestEffort keep = iota // one attempt: it must not delay the answer
	keepNever                  // not at all: the person is unknown
	keepFirst                  // durable before it is answered
)

// evaluated turns the result of a vote into an evaluation.
func evaluated(next handle.Request, err error) evaluation {
	var refusal *handle.Refusal
	if errors.As(err, &refusal) {
		return evaluation{next: next, refused: refusal.Reason}
	}
	return evaluation{next: next, err: err}
}

// outcome is the result of a vote attempt.
type outcome struct {
	request      handle.Request       // as last written or read; zero if it could not be
	holder       string               // holder of its lease, if this attempt took it
	refused      handle.RefusalReason // empty if the vote counts
	repeated     bool                 // the same person had given the same verdict before
	err          error                // not recorded, or not certainly; handle.ErrNotFound if there is no such request
	maybeWritten bool                 // with err: a write was sent without an answer, so the vote may be on record
}

// counts reports whether the vote is durable on the record.
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

// decide reads the record, evaluates the vote, and writes the result unless the
// record has changed meanwhile. The same write takes in the clicked message and
// the lease for After. After a conflict or a lost answer it reads again: what
// counts is whether the vote is on the record then. Without contention a click
// costs one read and one write.
func (b *Bot) decide(ctx context.Context, v voteAttempt) outcome {
	holder := b.newHolder()
	var o outcome
	for n := 0; n == 0 || pause(ctx, n); n++ {
		r, err := b.load(ctx, v.request)
		if errors.Is(err, handle.ErrNotFound) {
			return outcome{err: handle.ErrNotFound}
		}
		if err != nil {
			b.log().Warn("could not read a request", "request", v.request, "error", err)
			o.err = err
			continue
		}
		now := b.Now()
		e := v.evaluate(ctx, r, now)
		o = outcome{request: r, refused: e.refused, err: e.err, maybeWritten: o.maybeWritten}
		if o.err != nil {
			return o
		}
		if r.HeldBy(holder, now) {
			o.holder = holder // an earlier write whose answer was lost
		}
		required := e.required(r)
		next, held := claim(e.apply(r, now).AdoptMessage(v.message.Channel, v.message.TS), holder, now)
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
	return e.keep == keepFirst || e.refused == "" && (e.write || len(e.next.Votes) > len(r.Votes))
}

// apply returns r with the vote, or with its refusal. A deadline that has passed
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
		!slices.EqualFunc(r.Events, next.Events, handle.Event.Same)
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
