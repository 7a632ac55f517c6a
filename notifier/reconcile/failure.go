package reconcile

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

const (
	maxEventPages = 12 // of up to 100 events each, nested stacks included
	maxNesting    = 5  // of stacks in stacks
)

// FirstFailure reads the stack's events, and those of the nested stacks that failed
// first. It reads no more than maxEventPages.
func (c CloudFormation) FirstFailure(ctx context.Context, stackID string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	pages := maxEventPages
	return c.firstFailure(ctx, stackID, maxNesting, &pages)
}

func (c CloudFormation) firstFailure(ctx context.Context, stackID string, nesting int, pages *int) (string, error) {
	cause, err := c.readFailure(ctx, stackID, pages)
	if cause.nested == "" || nesting == 0 || *pages == 0 {
		return cause.String(), err
	}
	if inner, innerErr := c.firstFailure(ctx, cause.nested, nesting-1, pages); innerErr == nil && inner != "" {
		return cause.resource + " / " + inner, err
	}
	return cause.String(), err // the nested stack can't be read, so use its parent's reason
}

// A cause is why an operation failed.
type cause struct {
	resource string // logical ID; empty for the stack itself
	nested   string // ARN of the nested stack that the resource is
	reason   string
}

func (c cause) String() string {
	if c.resource == "" || c.reason == "" {
		return c.reason
	}
	return c.resource + ": " + c.reason
}

// readFailure finds the cause in the events of one stack, which come newest first. It
// reads back to the start of the last operation, or of the one before if that is a
// deletion in which nothing failed.
func (c CloudFormation) readFailure(ctx context.Context, stackID string, left *int) (cause, error) {
	var found failures
	pages := cloudformation.NewDescribeStackEventsPaginator(c.Client, &cloudformation.DescribeStackEventsInput{StackName: &stackID})
	for ; *left > 0 && pages.HasMorePages(); *left-- {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return found.cause(), fmt.Errorf("couldn't read the stack's events: %w", err)
		}
		for _, e := range page.StackEvents {
			if own := aws.ToString(e.PhysicalResourceId) == stackID; found.add(e, own) {
				return found.cause(), nil
			}
		}
	}
	return found.cause(), nil
}

// failures are the failures of one operation, the earliest of each kind. Failures in a
// rollback count only if nothing failed before it. The stack's own reason counts only if
// no resource or hook failed, because it only repeats their names. A gate fails when its
// request is rejected, expires or is withdrawn; that is the cause only if nothing else
// failed.
type failures struct {
	resource, gate, stack, rollback cause
}

func (f *failures) cause() cause {
	for _, c := range []cause{f.resource, f.gate, f.stack, f.rollback} {
		if c.reason != "" {
			return c
		}
	}
	return cause{}
}

// add takes the next older event and reports whether the operation began with it.
func (f *failures) add(e types.StackEvent, own bool) (began bool) {
	status, reason := string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)
	name := aws.ToString(e.LogicalResourceId)
	if e.HookType != nil || e.HookStatus != "" {
		failed := e.HookStatus == types.HookStatusHookCompleteFailed || e.HookStatus == types.HookStatusHookFailed
		if failed && e.HookFailureMode != types.HookFailureModeWarn {
			if own {
				name = "the stack"
			}
			f.resource = cause{resource: name, reason: "the hook " + aws.ToString(e.HookType) + " failed: " + aws.ToString(e.HookStatusReason)}
		}
		return false
	}
	if own {
		return f.addOwn(status, reason)
	}
	if !strings.HasSuffix(status, "_FAILED") || reason == "" || strings.HasSuffix(strings.TrimRight(reason, ". "), "cancelled") {
		return false
	}
	found := cause{resource: name, reason: reason}
	if aws.ToString(e.ResourceType) == "AWS::CloudFormation::Stack" {
		found.nested = aws.ToString(e.PhysicalResourceId)
	}
	if isGate(e) {
		f.gate = found
	} else {
		f.resource = found
	}
	return false
}

// addOwn takes an event of the stack itself.
func (f *failures) addOwn(status, reason string) (began bool) {
	switch {
	case status == "CREATE_IN_PROGRESS", status == "UPDATE_IN_PROGRESS", status == "IMPORT_IN_PROGRESS":
		return true
	case status == "DELETE_IN_PROGRESS":
		return f.cause().reason != ""
	case strings.HasSuffix(status, "ROLLBACK_IN_PROGRESS"):
		if f.rollback = f.resource; f.rollback.reason == "" {
			f.rollback = f.gate
		}
		f.resource, f.gate = cause{}, cause{}
		f.stack = cause{reason: strings.TrimSuffix(reason, " Rollback requested by user.")}
	case strings.HasSuffix(status, "_FAILED") && reason != "":
		f.stack = cause{reason: reason}
	}
	return false
}

// isGate reports whether an event is about a wait condition, or about a custom resource
// that requests an approval or asks for the verdict.
func isGate(e types.StackEvent) bool {
	if aws.ToString(e.ResourceType) == "AWS::CloudFormation::WaitCondition" {
		return true
	}
	properties := aws.ToString(e.ResourceProperties)
	return strings.HasPrefix(aws.ToString(e.ResourceType), "Custom::") &&
		(strings.Contains(properties, `"WaitUrl"`) || strings.Contains(properties, `"RequestId"`))
}
