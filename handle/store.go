package handle

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Store keeps requests. It is a compare-and-swap register per request: it
// decides who was first, and knows no other law.
//
// Whatever returns without error is durable, and is seen by every later call
// of any process. An error other than the sentinels below may mean that the
// change was made and the answer lost: the caller must load again and ask
// "did I win?". A request that was read or written shares no memory with the
// store's own. Implementations are safe for concurrent use and heed ctx.
// The package handletest holds them to all of this.
type Store interface {
	// Create stores r as revision 1 and returns it so. If a request with r.ID
	// is stored already, nothing changes and the error is ErrExists.
	Create(ctx context.Context, r Request) (Request, error)

	// Load reads the request as the last completed write left it, never an
	// older one. The error is ErrNotFound if there is none.
	Load(ctx context.Context, id string) (Request, error)

	// Replace stores r if the stored revision is still r.Rev, and returns it
	// with the next revision. Else nothing changes, and the error is
	// ErrConflict, or ErrNotFound if there is no such request.
	Replace(ctx context.Context, r Request) (Request, error)

	// Due lists the IDs of at most limit requests whose Wake is not zero and
	// not after now, the longest due first. What it costs grows with what is
	// due, not with what is stored. It may lag a little behind writes.
	Due(ctx context.Context, now time.Time, limit int) ([]string, error)

	// OfStack lists the requests of the stack with the given ARN, as current
	// as Load, in no particular order.
	OfStack(ctx context.Context, stackID string) ([]Request, error)

	// Since yields the requests created at or after t, oldest first. It may lag
	// a little behind writes. It stops at the first error, which it yields.
	Since(ctx context.Context, t time.Time) iter.Seq2[Request, error]
}

// Errors of a Store.
var (
	ErrNotFound = errors.New("no such request")
	ErrExists   = errors.New("the request exists already")
	ErrConflict = errors.New("the request was changed meanwhile")
)
