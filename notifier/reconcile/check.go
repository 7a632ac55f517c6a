package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/handle"
)

// checkGrace is how long an update may run before its gate must have asked: gates
// come early in a template, but not first.
const checkGrace = 2 * time.Minute

// check compares an updated stack with what was approved. An update that changes no
// property of the gate does not ask, so this is the only way to find one that
// bypasses it. It reports whether the marks must be made durable at once: people are
// told about a bypass that is on record.
func (u *run) check(ctx context.Context, s handle.Step) bool {
	d, err := u.c.describe(ctx, u.r.Stack)
	inProgress := d.Status == "UPDATE_IN_PROGRESS"
	switch {
	case errors.Is(err, ErrDenied), errors.Is(err, ErrNoStack):
		u.mark(updateChecked{}) // it can never be compared
		return false
	case err != nil:
		u.fail(ctx, s, handle.Failure{Reason: "CloudFormation could not be reached"})
		return false
	case inProgress && !(u.c.CancelUnapproved && u.c.Now().Sub(d.Updated) >= checkGrace):
		u.mark(updateInProgress{u.c.Now()})
		return false
	case !inProgress && strings.HasSuffix(d.Status, "_IN_PROGRESS") && !strings.HasPrefix(d.Status, "UPDATE_COMPLETE"):
		u.mark(updateInProgress{u.c.Now()}) // rolling back
		return false
	case !inProgress && !strings.HasPrefix(d.Status, "UPDATE_COMPLETE"):
		u.mark(updateChecked{}) // rolled back, or deleted: what runs is what ran before
		return false
	}
	how, err := u.unapproved(ctx, d)
	switch {
	case err != nil:
		u.c.Log.WarnContext(ctx, "couldn't compare an updated stack with what was approved", "request", u.r.ID, "error", err)
		u.fail(ctx, s, handle.Failure{Reason: "the update could not be compared with what was approved"})
		return false
	case how == "" && inProgress:
		u.mark(updateInProgress{u.c.Now()})
		return false
	case how == "":
		u.mark(updateChecked{})
		return false
	}
	u.c.Log.ErrorContext(ctx, "update without approval", "alarm", "bypass", "stack", u.r.Stack.ID, "request", u.r.ID)
	if inProgress {
		if err := u.c.Stacks.CancelUpdate(ctx, u.r.Stack.ID); err != nil {
			u.c.Log.ErrorContext(ctx, "couldn't cancel an update without approval", "stack", u.r.Stack.ID, "error", err)
			how += "; it could not be cancelled"
		} else {
			how += "; it was cancelled"
		}
	}
	if u.r.Bypass != nil && u.c.Observer != nil {
		u.c.Observer.Bypassed(ctx, u.r.Stack.ID) // the record keeps only the first bypass
	}
	u.mark(Bypassed{how, u.c.Now()})
	u.mark(updateChecked{})
	return true
}

// unapproved says how the stack differs from what was approved; empty if it does
// not, or if a request of the update itself was approved or is still pending.
func (u *run) unapproved(ctx context.Context, d Description) (string, error) {
	template, err := u.c.Stacks.Template(ctx, u.r.Stack.ID)
	if err != nil && !errors.Is(err, ErrDenied) {
		return "", err
	}
	parts := differences(u.r.Content, template, d)
	if len(parts) == 0 {
		return "", nil
	}
	requests, err := u.c.Store.OfStack(ctx, u.r.Stack.ID)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(requests, func(r handle.Request) bool {
		// Asked by this update, not by another gate at launch.
		asked := r.CreatedAt.After(d.Updated) || r.Stack.Updating && r.CreatedAt.Equal(d.Updated)
		return r.ID != u.r.ID && asked && (r.State() == handle.Approved || r.State() == handle.Pending)
	}) {
		return "", nil
	}
	if slices.ContainsFunc(requests, func(r handle.Request) bool {
		rolledBack := u.r.Update != nil && u.r.Update.Approved == r.ID // what the stack returned to if the approved update failed
		return rolledBack && r.State() == handle.Approved && len(differences(r.Content, template, d)) == 0
	}) {
		return "", nil
	}
	return "an update changed " + strings.Join(parts, " and ") + " without an approval", nil
}

// differences names what a stack has that is not in the approved content.
func differences(c handle.Content, template string, d Description) (parts []string) {
	if body := handle.TemplateDigest(template); body != "" && c.Template != "" && body != c.Template {
		parts = append(parts, "its template")
	}
	if handle.ParametersDigest(d.Parameters) != c.Parameters {
		parts = append(parts, "its parameters")
	}
	return parts
}
