package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"countersign/handle"
)

// CloudFormation reads the stacks of one Region. It needs
// cloudformation:DescribeStacks and cloudformation:DescribeStackEvents on the
// gated stacks.
type CloudFormation struct{ Client *cloudformation.Client }

var _ Stacks = CloudFormation{}

const (
	describeTimeout = 5 * time.Second
	maxEventPages   = 10 // of up to 100 events each
)

func (c CloudFormation) Describe(ctx context.Context, stackID string) (Description, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	out, err := c.Client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stackID})
	// An unknown stack has no error code of its own.
	if api := smithy.APIError(nil); errors.As(err, &api) && api.ErrorCode() == "ValidationError" {
		return Description{}, ErrNoStack
	}
	if api := smithy.APIError(nil); errors.As(err, &api) && api.ErrorCode() == "AccessDenied" {
		return Description{}, ErrDenied
	}
	if err != nil {
		return Description{}, fmt.Errorf("couldn't describe the stack: %w", err)
	}
	if len(out.Stacks) != 1 {
		return Description{}, ErrNoStack
	}
	return description(out.Stacks[0]), nil
}

func description(s types.Stack) Description {
	d := Description{
		Status:      string(s.StackStatus),
		Reason:      aws.ToString(s.StackStatusReason),
		Description: aws.ToString(s.Description),
		Tags:        map[string]string{},
		Updated:     aws.ToTime(s.LastUpdatedTime),
	}
	for _, t := range s.Tags {
		d.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	for _, p := range s.Parameters {
		value := aws.ToString(p.ParameterValue)
		if p.ResolvedValue != nil {
			value = *p.ResolvedValue
		}
		d.Parameters = append(d.Parameters, handle.Field{Name: aws.ToString(p.ParameterKey), Value: value})
	}
	for _, o := range s.Outputs {
		d.Outputs = append(d.Outputs, handle.Field{Name: aws.ToString(o.OutputKey), Value: aws.ToString(o.OutputValue)})
	}
	return d
}

// FirstFailure reads the stack's events, newest first, back to the start of its
// last creation or update. Resources that were cancelled because another one
// failed are not a cause.
func (c CloudFormation) FirstFailure(ctx context.Context, stackID string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	first := ""
	pages := cloudformation.NewDescribeStackEventsPaginator(c.Client, &cloudformation.DescribeStackEventsInput{StackName: &stackID})
	for range maxEventPages {
		if !pages.HasMorePages() {
			break
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return first, fmt.Errorf("couldn't read the stack's events: %w", err)
		}
		for _, e := range page.StackEvents {
			status, reason := string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)
			own := aws.ToString(e.PhysicalResourceId) == stackID
			if own && (status == "CREATE_IN_PROGRESS" || status == "UPDATE_IN_PROGRESS") {
				return first, nil
			}
			failed := status == "CREATE_FAILED" || status == "UPDATE_FAILED" || status == "DELETE_FAILED"
			if failed && !own && reason != "" && !strings.HasSuffix(reason, "cancelled") {
				first = aws.ToString(e.LogicalResourceId) + ": " + reason
			}
		}
	}
	return first, nil
}
