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

	// FirstFailure returns the logical ID and reason of the resource whose failure
	// ended the stack's latest operation; empty if there is none.
	FirstFailure(ctx context.Context, stackID string) (string, error)
}

// ErrNoStack means that this account and Region have no such stack.
var ErrNoStack = errors.New("no such stack")

// ErrDenied means that reading the stack is denied, as for other accounts.
var ErrDenied = errors.New("reading the stack is denied")

// Description is a stack as DescribeStacks returns it.
type Description struct {
	Status, Reason string // such as CREATE_COMPLETE
	Description    string // the template's own
	Tags           map[string]string
	Parameters     []handle.Field // NoEcho ones come as asterisks
	Outputs        []handle.Field
	Updated        time.Time // when its last update began; zero: never
}
