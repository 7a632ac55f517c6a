package reconcile

import (
	"context"
	"errors"
	"time"

	"countersign/handle"
)

// Stacks reads CloudFormation stacks.
type Stacks interface {
	// Describe reads one stack, including one deleted in the last 90 days. The
	// error is ErrNoStack or ErrDenied.
	Describe(ctx context.Context, stackID string) (Description, error)

	// Gate reads the request resource with logical ID gate, and whether url is the
	// physical ID of one of the stack's wait condition handles. The error is
	// ErrDenied, or means that CloudFormation could not be asked.
	Gate(ctx context.Context, stackID, gate string, url handle.WaitURL) (Gate, error)

	// Template returns the text of the stack's template. The error is ErrDenied, or
	// means that CloudFormation could not be asked.
	Template(ctx context.Context, stackID string) (string, error)

	// CancelUpdate cancels the update of a stack, which then rolls back.
	CancelUpdate(ctx context.Context, stackID string) error

	// FirstFailure returns what ended the stack's latest operation: the logical ID and
	// reason of the resource or hook that failed first, in a nested stack too, or the
	// stack's own reason; empty if nothing failed.
	FirstFailure(ctx context.Context, stackID string) (string, error)
}

// ErrNoStack means that this account and Region have no such stack.
var ErrNoStack = errors.New("no such stack")

// ErrDenied means that reading the stack is denied, as for other accounts.
var ErrDenied = errors.New("reading the stack is denied")

// Gate is a gate's resources as DescribeStackResources returns them. Its reads can
// lag behind the stack.
type Gate struct {
	Type, Status string // of the request resource; empty while it is not listed
	Handle       HandleMatch
}

// HandleMatch says whether a wait URL belongs to a handle of the stack.
type HandleMatch int

const (
	HandleNotListed HandleMatch = iota
	HandleMatches
	HandleDiffers
)

// Description is a stack as DescribeStacks returns it.
type Description struct {
	Status, Reason string // such as CREATE_COMPLETE
	Description    string // the template's own
	Tags           map[string]string
	Parameters     []handle.Field // NoEcho ones come as asterisks
	Outputs        []handle.Field
	Updated        time.Time // when its last update began; zero: never
}
