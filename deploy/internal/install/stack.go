package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"countersign/deploy/internal/awsconfig"
)

// stack is what CloudFormation says about the stack. The zero value stands for a stack
// that does not exist.
type stack struct {
	id, status          string
	parameters, outputs map[string]string
}

// exists reports whether the stack has been created. REVIEW_IN_PROGRESS is a stack that
// has only a change set.
func (s stack) exists() bool {
	return s.id != "" && s.status != string(types.StackStatusReviewInProgress)
}

func (s stack) running() bool {
	return strings.HasSuffix(s.status, "_IN_PROGRESS") && s.status != string(types.StackStatusReviewInProgress)
}

// failed reports whether the stack can only be deleted: its creation or deletion failed.
func (s stack) failed() bool {
	return slices.Contains([]types.StackStatus{
		types.StackStatusRollbackComplete, types.StackStatusRollbackFailed, types.StackStatusCreateFailed, types.StackStatusDeleteFailed,
	}, types.StackStatus(s.status))
}

// succeeded reports whether the last operation succeeded.
func (s stack) succeeded() bool {
	return slices.Contains([]types.StackStatus{
		types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusImportComplete,
	}, types.StackStatus(s.status))
}

// pollInterval is how often the stack is read while an operation runs.
const pollInterval = 2 * time.Second

// readStack reads the stack by name or ID.
func (i *installer) readStack(ctx context.Context, name string) (stack, error) {
	out, err := i.cloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if awsconfig.ErrorCode(err) == "ValidationError" { // AWS's answer if there is no such stack
		return stack{}, nil
	}
	if err != nil {
		return stack{}, i.callError("read the stack "+name, "cloudformation:DescribeStacks", err)
	}
	found := out.Stacks[0]
	s := stack{id: *found.StackId, status: string(found.StackStatus), parameters: map[string]string{}, outputs: map[string]string{}}
	for _, p := range found.Parameters {
		s.parameters[*p.ParameterKey] = aws.ToString(p.ParameterValue)
	}
	for _, o := range found.Outputs {
		s.outputs[*o.OutputKey] = *o.OutputValue
	}
	return s, nil
}

// awaitStack reads the stack, and waits until a running operation has ended.
func (i *installer) awaitStack(ctx context.Context) (err error) {
	if i.stack, err = i.readStack(ctx, i.Stack); err != nil {
		return err
	}
	if i.stack.running() && !i.Plan {
		fmt.Fprintf(i.prompt, "The stack %s is in %s. Waiting for its end.\n", i.Stack, i.stack.status)
		mark, err := i.lastEvent(ctx)
		if err != nil {
			return err
		}
		if err := i.follow(ctx, mark, false); err != nil {
			return err
		}
		if i.stack, err = i.readStack(ctx, i.Stack); err != nil {
			return err
		}
	}
	if i.stack.status == string(types.StackStatusUpdateRollbackFailed) {
		return fmt.Errorf("the stack %s is in UPDATE_ROLLBACK_FAILED: find the cause in its events, then run aws cloudformation continue-update-rollback --stack-name %s", i.Stack, i.Stack)
	}
	return nil
}

// apply creates or updates the stack with a change set, and shows its progress.
func (i *installer) apply(ctx context.Context, templateURL string) error {
	kind := types.ChangeSetTypeUpdate
	if !i.stack.exists() {
		kind = types.ChangeSetTypeCreate
	}
	name := fmt.Sprintf("countersign-%d", time.Now().Unix())
	created, err := i.cloudFormation.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: &i.Stack, ChangeSetName: &name, ChangeSetType: kind, TemplateURL: &templateURL, Parameters: i.stackParameters(),
		Capabilities: []types.Capability{types.CapabilityCapabilityIam, types.CapabilityCapabilityAutoExpand},
	})
	if err != nil {
		return i.callError("create a change set for the stack "+i.Stack, "cloudformation:CreateChangeSet", err)
	}
	changes, err := i.awaitChangeSet(ctx, *created.Id)
	if err != nil {
		return err
	}
	if changes == 0 {
		fmt.Fprintf(i.prompt, "The stack %s is up to date.\n", i.Stack)
		_, err := i.cloudFormation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: created.Id})
		return i.callError("delete an empty change set", "cloudformation:DeleteChangeSet", err)
	}
	fmt.Fprintf(i.prompt, "Deploying the stack %s: %d changes\n", i.Stack, changes)
	i.stack.id = *created.StackId
	mark, err := i.lastEvent(ctx)
	if err != nil {
		return err
	}
	_, err = i.cloudFormation.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: created.Id})
	if err != nil {
		return i.callError("execute the change set", "cloudformation:ExecuteChangeSet", err)
	}
	if err := i.follow(ctx, mark, true); err != nil {
		return err
	}
	if i.stack, err = i.readStack(ctx, i.stack.id); err != nil {
		return err
	}
	if !i.stack.succeeded() {
		return i.explain(ctx, mark)
	}
	return nil
}

// awaitChangeSet waits for a change set and returns its number of changes.
func (i *installer) awaitChangeSet(ctx context.Context, id string) (changes int, err error) {
	for {
		out, err := i.cloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &id})
		if err != nil {
			return 0, i.callError("read the change set", "cloudformation:DescribeChangeSet", err)
		}
		reason := aws.ToString(out.StatusReason)
		switch out.Status {
		case types.ChangeSetStatusCreateComplete:
			return len(out.Changes), nil
		case types.ChangeSetStatusFailed:
			// CloudFormation has no code for this: only these two texts.
			if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed") {
				return 0, nil
			}
			return 0, fmt.Errorf("CloudFormation refuses the change: %s", reason)
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return 0, err
		}
	}
}

// follow prints what happens to each resource after the event mark, until the stack's
// operation has ended. If started is set, the operation may not have begun: its first
// event shows that it has.
func (i *installer) follow(ctx context.Context, mark string, started bool) error {
	printed := 0
	for {
		s, err := i.readStack(ctx, i.stack.id)
		if err != nil {
			return err
		}
		events, err := i.events(ctx, mark)
		if err != nil && s.status != "" { // a deleted stack has no events
			return err
		}
		for _, e := range slices.Backward(events[:max(0, len(events)-printed)]) {
			fmt.Fprintf(i.prompt, "  %-28s %s\n", aws.ToString(e.LogicalResourceId), e.ResourceStatus)
		}
		printed = max(printed, len(events))
		if s.status == "" || !s.running() && s.status != string(types.StackStatusReviewInProgress) && (printed > 0 || !started) {
			return nil
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return fmt.Errorf("stopped waiting; CloudFormation continues, and so does this command when it is run again: %w", err)
		}
	}
}

// lastEvent returns the ID of the stack's newest event.
func (i *installer) lastEvent(ctx context.Context) (id string, err error) {
	out, err := i.cloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &i.stack.id})
	if err != nil {
		return "", i.callError("read the stack's events", "cloudformation:DescribeStackEvents", err)
	}
	if len(out.StackEvents) == 0 {
		return "", nil
	}
	return *out.StackEvents[0].EventId, nil
}

// events are the stack's events after the event mark, the newest first.
func (i *installer) events(ctx context.Context, mark string) (list []types.StackEvent, err error) {
	pages := cloudformation.NewDescribeStackEventsPaginator(i.cloudFormation, &cloudformation.DescribeStackEventsInput{StackName: &i.stack.id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, i.callError("read the stack's events", "cloudformation:DescribeStackEvents", err)
		}
		for _, e := range page.StackEvents {
			if *e.EventId == mark {
				return list, nil
			}
			list = append(list, e)
		}
	}
	return list, nil
}

// explain returns an error with the reason of every resource that failed after the event
// mark. Resources that CloudFormation cancelled because another one failed are left out;
// only the text tells them apart.
func (i *installer) explain(ctx context.Context, mark string) error {
	events, err := i.events(ctx, mark)
	if err != nil {
		return err
	}
	var reasons []string
	for _, e := range slices.Backward(events) {
		reason := aws.ToString(e.ResourceStatusReason)
		if strings.HasSuffix(string(e.ResourceStatus), "_FAILED") && reason != "" && !strings.Contains(reason, "cancelled") {
			reasons = append(reasons, aws.ToString(e.LogicalResourceId)+": "+reason)
		}
	}
	if len(reasons) == 0 {
		reasons = []string{"its events in CloudFormation's console say why"}
	}
	return errors.New("the stack " + i.Stack + " ended in " + i.stack.status + ":\n  " + strings.Join(reasons, "\n  ") + "\nFix the cause, then run the command again.")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
