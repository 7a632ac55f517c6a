package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"countersign/handle"
)

// Facts are what CloudFormation proves about a launch. They are zero where its
// stack cannot be read.
type Facts struct {
	Product    handle.Product
	Principal  string         // ARN of the launching principal; empty without Service Catalog's tags
	Parameters []handle.Field // redacted
	Content    handle.Content
	Updating   bool // the stack is being updated
}

// Apply records the facts on r. If an update adds a gate to a stack, as with new logical
// IDs for a new version, the gate gets a Create event, but AWS proves only who launched
// the stack, not who updates it.
func (f Facts) Apply(r handle.Request) handle.Request {
	r.Stack.Updating = r.Stack.Updating || f.Updating
	return r.VerifyStack(f.Product, f.Principal, f.Parameters, f.Content)
}

// A Contradiction means that CloudFormation contradicts what the event claimed:
// the event is forged, or came too late.
type Contradiction struct {
	Reason string
	Status string // of the stack, if that is the contradiction
}

func (e *Contradiction) Error() string { return e.Reason }

// RollingBack reports whether err is a Contradiction because an update of the stack is
// being rolled back.
func RollingBack(err error) bool {
	var c *Contradiction
	return errors.As(err, &c) && RollbackStatus(c.Status)
}

// RollbackStatus reports whether a stack with that status is rolling an update back.
// After UPDATE_ROLLBACK_COMPLETE it is not, and the next update may have begun: a read
// that lags shows the old status.
func RollbackStatus(status string) bool {
	return strings.HasPrefix(status, "UPDATE_ROLLBACK_") && status != "UPDATE_ROLLBACK_COMPLETE"
}

// ErrNotListed means that CloudFormation does not list the gate's resources yet.
var ErrNotListed = errors.New("CloudFormation does not list the gate's resources yet")

// Verify asks CloudFormation about the launch of r, in three reads, and Service
// Catalog for the names of its product: whether the stack
// is in progress, whether it is creating or updating the request resource (or, if
// answered, has since done so), whether the wait URL is the physical ID of one of its
// handles, and what is launched.
//
// The error is a *Contradiction; ErrDenied if the stack can never be read, as in
// other accounts; or any other if CloudFormation could not be asked, or lags: then
// ask again.
func (c *Reconciler) Verify(ctx context.Context, r handle.Request, answered bool) (Facts, error) {
	d, err := c.describe(ctx, r.Stack)
	switch {
	case errors.Is(err, ErrNoStack):
		return Facts{}, &Contradiction{Reason: "CloudFormation has no stack with the event's StackId"}
	case err != nil:
		return Facts{}, err
	case d.Status != "CREATE_IN_PROGRESS" && d.Status != "UPDATE_IN_PROGRESS":
		return Facts{}, &Contradiction{fmt.Sprintf("the stack is %s, so there is nothing left to approve", handle.OneLine(d.Status, 60)), d.Status}
	}
	g, err := c.Stacks.Gate(ctx, r.Stack.ID, r.Stack.Gate, r.WaitURL)
	switch {
	case err != nil:
		return Facts{}, err
	case g.Type == "" || g.Handle == HandleNotListed && r.Update == nil:
		return Facts{}, ErrNotListed
	case r.Stack.GateType != "" && g.Type != r.Stack.GateType:
		return Facts{}, &Contradiction{Reason: fmt.Sprintf("the stack's resource %s has a different type", r.Stack.Gate)}
	case !strings.HasSuffix(g.Status, "_IN_PROGRESS") && !(answered && strings.HasSuffix(g.Status, "_COMPLETE")):
		return Facts{}, &Contradiction{Reason: fmt.Sprintf("the stack's resource %s is %s: CloudFormation is not waiting for this request", r.Stack.Gate, handle.OneLine(g.Status, 60))}
	case g.Handle == HandleDiffers && r.Update == nil: // an update's URL is not a handle's
		return Facts{}, &Contradiction{Reason: "WaitUrl is not the URL of a wait condition handle of this stack"}
	}
	f := Facts{Product: product(d), Principal: principal(d), Parameters: handle.RedactFields(r.WaitURL, d.Parameters), Updating: d.Status == "UPDATE_IN_PROGRESS"}
	template, err := c.Stacks.Template(ctx, r.Stack.ID)
	switch {
	case errors.Is(err, ErrDenied):
		c.Log.WarnContext(ctx, "reading the template is denied, so it is not part of what is approved", "request", r.ID)
	case err != nil:
		return Facts{}, err
	}
	f.Content = handle.Content{
		Product: f.Product.ID, Version: f.Product.Version,
		Template: handle.TemplateDigest(template), Parameters: handle.ParametersDigest(d.Parameters),
		Account: r.Stack.Account, Region: r.Stack.Region, Principal: f.Principal,
	}
	if c.Names != nil {
		f.Product.ProductName, f.Product.VersionName = c.Names(ctx, f.Product.ID, f.Product.Version)
	}
	return f, nil
}

// describe reads a stack. Stacks in other accounts are not even asked for, because AWS
// would answer that they do not exist: the error is ErrDenied.
func (c *Reconciler) describe(ctx context.Context, s handle.Stack) (Description, error) {
	if c.OtherAccount(s.Account) {
		return Description{}, ErrDenied
	}
	return c.Stacks.Describe(ctx, s.ID)
}

// OtherAccount reports whether the stacks of account are in another account than the
// functions.
func (c *Reconciler) OtherAccount(account string) bool {
	return c.Account != "" && account != c.Account
}

// StackStatus returns the present status of a stack. The error is ErrDenied for stacks
// in other accounts, or that of Stacks.Describe.
func (c *Reconciler) StackStatus(ctx context.Context, s handle.Stack) (string, error) {
	d, err := c.describe(ctx, s)
	return d.Status, err
}

// GaveUp reports whether the stack of r is no longer creating or updating, but
// rolling back, being deleted, or done. A stack that can never be read counts as
// such. The error means that CloudFormation could not be asked.
func (c *Reconciler) GaveUp(ctx context.Context, r handle.Request) (bool, error) {
	d, err := c.describe(ctx, r.Stack)
	switch {
	case errors.Is(err, ErrNoStack), errors.Is(err, ErrDenied):
		return true, nil
	case err != nil:
		return false, err
	}
	return d.Status != "CREATE_IN_PROGRESS" && d.Status != "UPDATE_IN_PROGRESS", nil
}

// ReturnsTo returns the physical ID to answer the rollback of an update with, whose
// event r was made of: the approved request whose content the stack returns to,
// otherwise the present one.
func ReturnsTo(requests []handle.Request, r handle.Request) string {
	for _, other := range requests {
		if other.Stack.Gate == r.Stack.Gate && other.State() == handle.Approved && other.Content.SameGate(r.Content) {
			return other.ID
		}
	}
	return r.Update.PhysicalID
}
