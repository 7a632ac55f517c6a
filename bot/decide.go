package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign/handle"
)

// ballot is what somebody says about one request.
type ballot struct {
	request string // its ID
	message handle.Message

	// rule puts the ballot to the law, on r as it is now.
	rule func(ctx context.Context, r handle.Request, now time.Time) ruling
}

// ruling is what the law says to a ballot. Without why and err, the ballot
// counts and next is the next value; it is the old one if the ballot repeats
// what was said before.
type ruling struct {
	next handle.Request
	why  handle.RefusalReason // refused
	err  error                // neither: the law could not be asked
	by   handle.Person
	keep keep
}

// keep says how a refusal gets onto the record.
type keep int

const (
	keepIfEasy keep = iota // one try: it must not hold up the answer
	keepNot                // not at all: nobody knows who it was
	keepFirst              // durable before it is answered
)

// ruled sorts what a law returned.
func ruled(next handle.Request, err error) ruling {
	var refusal *handle.Refusal
	if errors.As(err, &refusal) {
		return ruling{next: next, why: refusal.Reason}
	}
	return ruling{next: next, err: err}
}

// outcome is what became of a ballot.
type outcome struct {
	request handle.Request       // as last written or read; zero if it could not be
	holder  string               // who holds its lease; empty if we did not take it
	why     handle.RefusalReason // refused
	again   bool                 // the same person had said the same before
	err     error                // not recorded, or not surely; handle.ErrNotFound if there is no such request
	tried   bool                 // to write the ballot, without an answer: with err, it may be recorded all the same
}

// counts reports whether the ballot is durable on the record.
func (o outcome) counts() bool { return o.err == nil && o.why == "" }

// result is the outcome in a word or two, for the log.
func (o outcome) result() string {
	switch {
	case o.err != nil:
		return "not recorded"
	case o.why != "":
		return "refused: " + string(o.why)
	case o.again:
		return "said before"
	}
	return string(o.request.State())
}

// decide reads the record, puts the ballot to the law, and writes what follows
// if nobody has written meanwhile; in the same write it takes in the clicked
// message and the lease for After. After a conflict or a lost answer it reads
// again: whether the ballot is on the record then is all that matters. A lone
// click costs one read and one write.
func (b *Bot) decide(ctx context.Context, v ballot) outcome {
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
		g := v.rule(ctx, r, now)
		o = outcome{request: r, why: g.why, err: g.err, tried: o.tried}
		if o.err != nil {
			return o
		}
		if r.HeldBy(holder, now) {
			o.holder = holder // a write whose answer was lost
		}
		must := g.must(r)
		next, held := claim(g.change(r, now).AdoptMessage(v.message.Channel, v.message.TS), holder, now)
		if must || changes(r, next) {
			written, err := b.replace(ctx, next)
			switch {
			case err == nil:
				o.request, o.holder = written, held
			case must: // a conflict too may be with our own write, if a client below repeated it
				b.log().Info("could not write a request", "request", r.ID, "error", err)
				o.err, o.tried = err, true
				continue
			}
		}
		o.again = g.why == "" && !must && !o.tried
		return o
	}
	return o
}

// must reports whether the write must succeed before anything is answered.
func (g ruling) must(r handle.Request) bool {
	return g.keep == keepFirst || g.why == "" && len(g.next.Votes) > len(r.Votes)
}

// change is r after the ruling: with the vote, or with its refusal. A deadline
// that has passed is seen on the way.
func (g ruling) change(r handle.Request, now time.Time) handle.Request {
	switch {
	case g.why == "":
		return g.next
	case g.keep == keepNot:
		return r.Expire(now)
	}
	return r.Expire(now).RecordRefusal(g.by, g.why, now)
}

// claim takes the lease if something is due that needs it and nobody else has
// it.
func claim(r handle.Request, holder string, now time.Time) (next handle.Request, held string) {
	if !slices.ContainsFunc(r.Due(now), handle.Step.NeedsLease) {
		return r, ""
	}
	if next, ok := r.Claim(holder, now); ok {
		return next, holder
	}
	return r, ""
}

// changes reports whether the bot changed anything between r and next. It never
// removes or rewrites, but for counting a refusal again.
func changes(r, next handle.Request) bool {
	return len(r.Votes) != len(next.Votes) ||
		len(r.Messages) != len(next.Messages) ||
		r.Lease != next.Lease ||
		r.State() != next.State() ||
		!slices.Equal(r.Events, next.Events)
}

func (b *Bot) load(ctx context.Context, id string) (handle.Request, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return within(ctx, b, "read the request", func(ctx context.Context) (handle.Request, error) {
		return b.Store.Load(ctx, id)
	})
}

func (b *Bot) replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return within(ctx, b, "write the request", func(ctx context.Context) (handle.Request, error) {
		return b.Store.Replace(ctx, r)
	})
}
