package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"countersign/handle"
)

// CloudFormation reads the stacks of one Region. It needs
// cloudformation:DescribeStacks, DescribeStackResources, DescribeStackEvents and
// GetTemplate on the gated stacks.
type CloudFormation struct{ Client *cloudformation.Client }

var _ Stacks = CloudFormation{}

const describeTimeout = 5 * time.Second

func (c CloudFormation) Describe(ctx context.Context, stackID string) (Description, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	out, err := c.Client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stackID})
	switch code := errorCode(err); {
	case code == "ValidationError": // an unknown stack has no error code of its own
		return Description{}, ErrNoStack
	case code == "AccessDenied":
		return Description{}, ErrDenied
	case err != nil:
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
		value := aws.ToString(o.OutputValue)
		if handle.Garbled(value) {
			value += garbledNote
		}
		d.Outputs = append(d.Outputs, handle.Field{Name: aws.ToString(o.OutputKey), Value: value})
	}
	return d
}

// garbledNote follows an output value that CloudFormation returned garbled.
const garbledNote = " (CloudFormation returns characters outside ASCII as question marks)"

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

const handleType = "AWS::CloudFormation::WaitConditionHandle"

// maxListed is how many resources DescribeStackResources returns of a whole stack.
const maxListed = 100

// Gate takes one read, or two more of a stack with over 100 resources.
func (c CloudFormation) Gate(ctx context.Context, stackID, gate string, url handle.WaitURL) (Gate, error) {
	listed, err := c.resources(ctx, stackID, "")
	if err != nil {
		return Gate{}, err
	}
	g := gateAmong(listed, gate, url)
	if len(listed) < maxListed {
		return g, nil
	}
	for _, id := range []string{gate, url.Handle(stackID)} {
		if id == "" {
			continue
		}
		more, err := c.resources(ctx, stackID, id)
		if err != nil {
			return Gate{}, err
		}
		listed = append(listed, more...)
	}
	return gateAmong(listed, gate, url), nil
}

// gateAmong finds the request resource and the handle of url among resources.
func gateAmong(resources []types.StackResource, gate string, url handle.WaitURL) (g Gate) {
	for _, r := range resources {
		id := aws.ToString(r.PhysicalResourceId)
		switch {
		case aws.ToString(r.LogicalResourceId) == gate:
			g.Type, g.Status = aws.ToString(r.ResourceType), string(r.ResourceStatus)
		case aws.ToString(r.ResourceType) != handleType || id == "" || g.Handle == HandleMatches:
		case url.Equal(id):
			g.Handle = HandleMatches
		default:
			g.Handle = HandleDiffers
		}
	}
	return g
}

// Template needs cloudformation:GetTemplate.
func (c CloudFormation) Template(ctx context.Context, stackID string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	out, err := c.Client.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &stackID})
	switch code := errorCode(err); {
	case code == "AccessDenied", code == "ValidationError":
		return "", ErrDenied
	case err != nil:
		return "", fmt.Errorf("couldn't read the stack's template: %w", err)
	}
	return aws.ToString(out.TemplateBody), nil
}

// CancelUpdate needs cloudformation:CancelUpdateStack.
func (c CloudFormation) CancelUpdate(ctx context.Context, stackID string) error {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	if _, err := c.Client.CancelUpdateStack(ctx, &cloudformation.CancelUpdateStackInput{StackName: &stackID}); err != nil {
		return fmt.Errorf("couldn't cancel the update: %w", err)
	}
	return nil
}

// resources reads one resource of a stack, or with an empty logical ID all of
// them, at most 100. It returns none if the resource is not listed. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackResources.html
func (c CloudFormation) resources(ctx context.Context, stackID, logicalID string) ([]types.StackResource, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	in := &cloudformation.DescribeStackResourcesInput{StackName: &stackID}
	if logicalID != "" {
		in.LogicalResourceId = &logicalID
	}
	out, err := c.Client.DescribeStackResources(ctx, in)
	switch code := errorCode(err); {
	case code == "ValidationError": // no such resource, yet
		return nil, nil
	case code == "AccessDenied":
		return nil, ErrDenied
	case err != nil:
		return nil, fmt.Errorf("couldn't read the stack's resources: %w", err)
	}
	return out.StackResources, nil
}
