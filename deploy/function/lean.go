package function

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// html/template calls methods by name, so the linker keeps every method of every
// type that an interface may hold: of an AWS client, some hundred calls that
// nobody makes. The clients are therefore held by the calls that are made.

type call[In, Options, Out any] func(context.Context, *In, ...func(*Options)) (*Out, error)

type secretReader struct {
	get call[secretsmanager.GetSecretValueInput, secretsmanager.Options, secretsmanager.GetSecretValueOutput]
}

func (r secretReader) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, o ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return r.get(ctx, in, o...)
}

type publisher struct {
	publish call[sns.PublishInput, sns.Options, sns.PublishOutput]
}

func (p publisher) Publish(ctx context.Context, in *sns.PublishInput, o ...func(*sns.Options)) (*sns.PublishOutput, error) {
	return p.publish(ctx, in, o...)
}

type stackReader struct {
	stacks call[cloudformation.DescribeStacksInput, cloudformation.Options, cloudformation.DescribeStacksOutput]
	events call[cloudformation.DescribeStackEventsInput, cloudformation.Options, cloudformation.DescribeStackEventsOutput]
}

func newStackReader(c *cloudformation.Client) stackReader {
	return stackReader{c.DescribeStacks, c.DescribeStackEvents}
}

func (r stackReader) DescribeStacks(ctx context.Context, in *cloudformation.DescribeStacksInput, o ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	return r.stacks(ctx, in, o...)
}

func (r stackReader) DescribeStackEvents(ctx context.Context, in *cloudformation.DescribeStackEventsInput, o ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error) {
	return r.events(ctx, in, o...)
}
