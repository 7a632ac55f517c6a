package reconcile

import (
	"context"
	"errors"
	"fmt"

	"countersign/handle"
)

// takeGrant approves a request by the grant of an earlier one. The grant is marked
// as used, under compare-and-swap, before the request is approved: of two requests
// that race for it, one is approved and the other asks. A crash in between loses
// neither, because the step is repeated and finds the grant used by this request.
func (u *run) takeGrant(ctx context.Context, s handle.Step) error {
	given, err := u.useGrant(ctx)
	switch {
	case errors.Is(err, handle.ErrNotFound), errors.Is(err, errGrantGone):
		u.mark(grantSkipped{})
	case err != nil:
		u.c.Log.WarnContext(ctx, "couldn't take a grant", "request", u.r.ID, "grant", u.r.GrantFrom, "error", err)
		u.fail(ctx, s, handle.Failure{Reason: "the grant could not be read or written"})
		return nil
	default:
		u.mark(grantTaken{given, u.c.Now()})
		if u.r.Decision == nil { // it does not suffice for this request after all
			u.mark(grantSkipped{})
		}
	}
	return u.write(ctx, take) // a decision counts once it is durable
}

// errGrantGone means that the grant was used, revoked or has lapsed.
var errGrantGone = errors.New("the grant can't be used")

// useGrant returns the request whose grant is, durably, used by this one.
func (u *run) useGrant(ctx context.Context) (handle.Request, error) {
	for range maxWrites {
		given, err := u.c.Store.Load(ctx, u.r.GrantFrom)
		if err != nil {
			return handle.Request{}, err
		}
		if given.Content.Digest() != u.r.Content.Digest() {
			return handle.Request{}, errGrantGone
		}
		next, ok := given.UseGrant(u.r.ID, u.c.Now())
		if !ok {
			return handle.Request{}, errGrantGone
		}
		if given.Grant.UsedBy == u.r.ID {
			return given, nil
		}
		if u.r.ApproveByGrant(next, u.c.Now()).Decision == nil {
			return handle.Request{}, errGrantGone // its approvals do not suffice here: leave it
		}
		if stored, err := u.c.Store.Replace(ctx, next); err == nil {
			return stored, nil
		} else if !errors.Is(err, handle.ErrConflict) && u.c.Pause(ctx, writeRetry) != nil {
			return handle.Request{}, err
		}
	}
	return handle.Request{}, fmt.Errorf("couldn't use the grant of %s: %w", u.r.GrantFrom, handle.ErrConflict)
}
