package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
)

// identity is the AWS identity that the doctor uses.
type identity struct{ account, arn string }

func (d *doctor) readIdentity(ctx context.Context) (identity, error) {
	out, err := d.aws.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return identity{}, err
	}
	return identity{aws.ToString(out.Account), aws.ToString(out.Arn)}, nil
}

// checkIdentity reports bad credentials only: the report's first line names good
// ones.
func (d *doctor) checkIdentity(context.Context) []Finding {
	const name = "AWS credentials"
	if _, err := d.identity(); err != nil {
		return []Finding{awsError(name, "sts:GetCallerIdentity", err)}
	}
	return nil
}

// stack is the deployment's CloudFormation stack.
type stack struct {
	status, reason string
	changed        time.Time
	outputs        map[string]string
	resources      []resource
	resourcesErr   error // why resources are not all
	released       bool  // deployed from a release, not with SAM
}

type resource struct{ kind, logical, physical string }

var errNoStack = errors.New("the stack does not exist")

const (
	nameStack     = "stack"
	nameResources = "stack resources"

	actionResources = "cloudformation:ListStackResources"
)

// readStack reads the stack, its outputs and its resources. The error is
// errNoStack if it does not exist.
func (d *doctor) readStack(ctx context.Context) (stack, error) {
	s, err := d.readStackNamed(ctx, d.Stack)
	if err != nil && s.outputs != nil { // most checks need the outputs only
		s.resourcesErr = err
		return s, nil
	}
	return s, err
}

func (d *doctor) readStackNamed(ctx context.Context, name string) (stack, error) {
	out, err := d.aws.cloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if awsconfig.ErrorCode(err) == "ValidationError" || err == nil && len(out.Stacks) == 0 {
		return stack{}, errNoStack // the API has no code of its own for this
	}
	if err != nil {
		return stack{}, err
	}
	described := out.Stacks[0]
	s := stack{
		status:  string(described.StackStatus),
		reason:  aws.ToString(described.StackStatusReason),
		changed: aws.ToTime(described.CreationTime),
		outputs: map[string]string{},
	}
	if described.LastUpdatedTime != nil {
		s.changed = *described.LastUpdatedTime
	}
	for _, p := range described.Parameters {
		s.released = s.released || aws.ToString(p.ParameterKey) == "CodeBucket"
	}
	for _, o := range described.Outputs {
		s.outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	pages := cloudformation.NewListStackResourcesPaginator(d.aws.cloudFormation, &cloudformation.ListStackResourcesInput{StackName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s, err
		}
		for _, r := range page.StackResourceSummaries {
			s.resources = append(s.resources, resource{aws.ToString(r.ResourceType), aws.ToString(r.LogicalResourceId), aws.ToString(r.PhysicalResourceId)})
		}
	}
	return s, nil
}

// ofKind returns the physical IDs of the resources of a type.
func (s stack) ofKind(kind string) []string {
	var ids []string
	for _, r := range s.resources {
		if r.kind == kind && r.physical != "" {
			ids = append(ids, r.physical)
		}
	}
	return ids
}

func (d *doctor) checkStack(context.Context) []Finding {
	s, err := d.stack()
	switch {
	case errors.Is(err, errNoStack):
		return []Finding{fault(nameStack, fmt.Sprintf("stack %s does not exist in %s", d.Stack, d.region),
			"Check --stack, --region and --profile. This lists the stacks:"+
				d.cli("cloudformation list-stacks --query 'StackSummaries[?StackStatus!=`DELETE_COMPLETE`].StackName'")+
				"\nIf Countersign is not deployed yet:"+redeploy)}
	case err != nil:
		return []Finding{awsError(nameStack, "cloudformation:DescribeStacks and cloudformation:ListStackResources", err)}
	}
	findings := []Finding{d.judgeStack(s)}
	if s.resourcesErr != nil {
		findings = append(findings, awsError(nameResources, actionResources, s.resourcesErr))
	}
	return findings
}

// requiredOutputs are the stack outputs that the other checks read.
var requiredOutputs = []string{"BotFunctionName", "NotifierFunctionName", "BotUrl", "SlackRequestUrl", "TableName", "ServiceToken", "FailureQueueUrl"}

func (d *doctor) judgeStack(s stack) Finding {
	found := s.status
	if !s.changed.IsZero() {
		found += " since " + s.changed.UTC().Format("2006-01-02 15:04 UTC")
	}
	events := d.cli("cloudformation describe-stack-events --stack-name %s --max-items 30", d.Stack)
	switch {
	case strings.HasSuffix(s.status, "_IN_PROGRESS"):
		return warning(nameStack, found+": an operation is running", "Wait until it has finished, then run the doctor again.")
	case s.status == string(types.StackStatusUpdateRollbackComplete):
		return warning(nameStack, found+": the last update failed and was rolled back"+because(s.reason),
			"The previous version is running. Find the first failure, fix it, and redeploy:"+events)
	case !strings.HasSuffix(s.status, "_COMPLETE"), s.status == string(types.StackStatusRollbackComplete):
		return fault(nameStack, found+because(s.reason), "Find the first failure, fix it, and redeploy:"+events)
	}
	var missing []string
	for _, o := range requiredOutputs {
		if s.outputs[o] == "" {
			missing = append(missing, o)
		}
	}
	if len(missing) > 0 {
		return fault(nameStack, "no output "+strings.Join(missing, ", "),
			"This is a different stack, or a different version of Countersign. Check --stack, or redeploy this version:"+redeploy)
	}
	return ok(nameStack, "%s", found)
}

func because(reason string) string {
	if reason = handle.OneLine(reason, 300); reason == "" {
		return ""
	}
	return ": " + reason
}
