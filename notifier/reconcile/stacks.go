package reconcile

import (
	"context"
	"errors"
	"time"

	"countersign/handle"
)

// Stacks tells of CloudFormation stacks.
type Stacks interface {
	// Describe tells of one stack, also of one that was deleted of late. The
	// error is ErrNoStack if there is no such stack here, or ErrDenied.
	Describe(ctx context.Context, stackID string) (Description, error)

	// FirstFailure is the reason of the resource whose failure ended the latest
	// operation on the stack, with its logical ID; empty if none is found.
	FirstFailure(ctx context.Context, stackID string) (string, error)
}

// ErrNoStack says that there is no such stack in this account and Region.
var ErrNoStack = errors.New("no such stack")

// ErrDenied says that the stack may not be read, as one of another account.
var ErrDenied = errors.New("the stack may not be read")

// Description is what CloudFormation says of a stack.
type Description struct {
	Status, Reason string // such as CREATE_COMPLETE
	Description    string // the template's own
	Tags           map[string]string
	Parameters     []handle.Field // NoEcho ones come as asterisks
	Outputs        []handle.Field
	Updated        time.Time // when its last update began; zero: never
}
