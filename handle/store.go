package handle

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Store keeps requests: a compare-and-swap register for each. It resolves races
// and knows no law.
//
// A write that returned without error is durable, and every later call of any
// process sees it. After any error other than ErrNotFound the write may have been
// carried out: an answer can be lost, and a client below the store may have
// repeated the write and met its own change as ErrExists or ErrConflict. The
// caller must load the request and compare.
//
// Requests passed in or returned share no memory with the store.
// Implementations are safe for concurrent use and observe ctx. Package handletest
// has tests of all this.
type Store interface {
	// Create stores r as revision 1 and returns it with that revision. If a
	// request with r.ID is stored already, nothing changes and the error is
	// ErrExists.
	Create(ctx context.Context, r Request) (Request, error)

	// Load reads the request as the last completed write left it, never an
	// older value. The error is ErrNotFound if there is none.
	Load(ctx context.Context, id string) (Request, error)

	// Replace stores r if the stored revision is still r.Rev, and returns it
	// with the next revision. Otherwise nothing changes, and the error is
	// ErrConflict, or ErrNotFound if there is no such request.
	Replace(ctx context.Context, r Request) (Request, error)

	// Due lists the IDs of at most limit requests whose NextDue is not zero and
	// not after now, the longest due first. Its cost grows with what is due, not
	// with what is stored. It may lag behind writes by seconds.
	Due(ctx context.Context, now time.Time, limit int) ([]string, error)

	// OfStack lists the requests of the stack with the given ARN, as current as
	// Load, in any order.
	OfStack(ctx context.Context, stackID string) ([]Request, error)

	// Grants lists the requests whose GrantKey is digest, in any order; none if
	// digest is empty. It may lag behind writes by seconds, and it may leave out
	// requests beyond MaxGrants.
	Grants(ctx context.Context, digest string) ([]Request, error)

	// Open lists the summaries of at most limit open requests (see Request.Summary), the
	// earliest deadline first: those after the given cursor, or from the beginning if it
	// is empty. next is the cursor of the next page, which can be empty of requests; ""
	// after the last page. The cost grows with limit, not with the number of stored
	// requests. The list may lag behind writes by seconds. The error is ErrCursor if after
	// is not a cursor, and ErrNoIndex if the list is not ready yet.
	Open(ctx context.Context, after string, limit int) (page []Summary, next string, err error)

	// Since yields the requests created at or after t, oldest first. It may lag
	// behind writes by seconds. It yields an error and then stops.
	Since(ctx context.Context, t time.Time) iter.Seq2[Request, error]
}

// MaxGrants is how many requests Store.Grants lists at least, if there are as many.
// One requester must be granted the same content again and again to have more.
const MaxGrants = 100

// Errors of a Store.
var (
	ErrNotFound = errors.New("no such request")
	ErrExists   = errors.New("the request already exists")
	ErrConflict = errors.New("the request has been changed")
	ErrNoIndex  = errors.New("the table's index of open requests is missing or is still being created")
)
