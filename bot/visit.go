package bot

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"countersign/handle"
)

// visit is the time that one HTTP request has. It does not end when the client
// hangs up: what somebody pressed counts, whether or not they wait for the
// answer.
type visit struct {
	work   context.Context // ends with the Budget: for look-ups, the store and After
	answer context.Context // ends with the Limit: for telling people
}

func (b *Bot) visit(ctx context.Context) (visit, context.CancelFunc) {
	answer, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.limit())
	work, cancelWork := context.WithTimeout(answer, b.budget())
	return visit{work, answer}, func() { cancelWork(); cancel() }
}

// call is the time that one outside call of a visit may take.
func (b *Bot) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.budget()/2)
}

// errPanicked is the error of an outside call that panicked.
var errPanicked = errors.New("it panicked")

// within calls f, which leads outside, and waits for it until ctx ends. An f
// that does not heed ctx is left behind; one that panics has failed.
func within[T any](ctx context.Context, b *Bot, what string, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("couldn't %s: %w", what, err)
	}
	done := make(chan result, 1)
	go func() {
		res := result{err: errPanicked}
		defer func() {
			if p := recover(); p != nil {
				b.caught(what, p)
			}
			done <- res
		}()
		v, err := f(ctx)
		res = result{v, err}
	}()
	var res result
	select {
	case res = <-done:
	case <-ctx.Done():
		select {
		case res = <-done: // both were ready
		default:
			res.err = ctx.Err()
		}
	}
	if res.err != nil {
		return none, fmt.Errorf("couldn't %s: %w", what, res.err)
	}
	return res.v, nil
}

// caught logs a panic. Its value may quote anything, so only the runtime's own
// is shown.
func (b *Bot) caught(what string, p any) {
	value := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		value = err.Error()
	}
	b.log().Error("panic", "in", what, "value", value, "stack", string(debug.Stack()))
}

// settle calls After if r owes something. It returns when After does, or when
// the budget is spent; rest then waits for what is left until the limit.
func (b *Bot) settle(v visit, r handle.Request, holder string) (rest func()) {
	if r.ID == "" || len(r.Due(b.Now())) == 0 || v.work.Err() != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				b.caught("After", p)
			}
		}()
		b.After(v.work, r, holder)
	}()
	select {
	case <-done:
	case <-v.work.Done():
	}
	return func() {
		select {
		case <-done:
		case <-v.answer.Done():
			b.log().Warn("After did not return in time; the sweep goes on from here", "request", r.ID)
		}
	}
}

// pause lets some time pass before the n-th repetition. It reports whether any
// is left after that.
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
