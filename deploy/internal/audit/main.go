// Command audit prints who let what through: the requests that the table of a
// deployment holds, decided or not, and the whole history of those that are
// named. It reads, and changes nothing.
package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
	"countersign/handle/dynamo"
)

// options are the command line.
type options struct {
	Named []string `arg:"" optional:"" name:"request" help:"IDs of requests, or ARNs of stacks: they are shown with all that happened. Without any, requests are listed."`

	Since    string   `help:"List those asked for since then: a date (2026-01-31, in UTC), a time (2026-01-31T09:00:00Z), or how long ago (30d, 12h). By default 30 days ago." default:"30d" placeholder:"WHEN"`
	Until    string   `help:"List those asked for before then; likewise." placeholder:"WHEN"`
	State    []string `help:"List those in this state: ${enum}. May be given several times." enum:"pending,approved,rejected,expired,withdrawn" placeholder:"STATE"`
	Bypassed bool     `help:"List those alone whose stack went past the gate without an approval."`
	Format   string   `help:"How to print: ${enum}; text by default. csv and json have a line for each request, and json has all of the record in it." enum:"text,csv,json" default:"text" placeholder:"FORMAT"`

	Stack   string        `help:"CloudFormation stack of Countersign. By default countersign." default:"countersign" placeholder:"NAME"`
	Table   string        `help:"DynamoDB table of the requests. By default the stack's; it outlives the stack." placeholder:"NAME"`
	Region  string        `help:"AWS Region of the stack. By default as for the AWS CLI." placeholder:"REGION"`
	Profile string        `help:"AWS profile. By default as for the AWS CLI." placeholder:"NAME"`
	Timeout time.Duration `help:"How long all of it may take." default:"10m"`
}

const about = `Prints who let what through: the requests of a deployment of Countersign, decided or not. It reads, and changes nothing.

Exit status: 0 all was read; 1 something could not be, or what was named is not there.`

func main() {
	var o options
	kong.Parse(&o, kong.Name("audit"), kong.Description(about), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", told(err))
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	want, err := o.selection(time.Now())
	if err != nil {
		return err
	}
	here, err := awsconfig.Open(ctx, o.Region, o.Profile, nil)
	if err != nil {
		return err
	}
	table := o.Table
	if table == "" {
		if table, err = tableOf(ctx, cloudformation.NewFromConfig(here.Config), o.Stack); err != nil {
			return err
		}
	}
	return write(os.Stdout, o.Format, want.requests(ctx, dynamo.New(here.Config, here.Client, table)), want)
}

// tableOf reads the name of the table off Countersign's stack.
func tableOf(ctx context.Context, client *cloudformation.Client, stack string) (string, error) {
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil {
		return "", fmt.Errorf("couldn't read the stack %s: %w", stack, err)
	}
	for _, s := range out.Stacks {
		for _, output := range s.Outputs {
			if aws.ToString(output.OutputKey) == "TableName" {
				return aws.ToString(output.OutputValue), nil
			}
		}
	}
	return "", fmt.Errorf("the stack %s has no output TableName: it is not Countersign's. Name the stack with --stack, or the table with --table", stack)
}

// told is what to tell of err, with what to do where AWS's own words do not say
// it.
func told(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return handle.OneLine(err.Error(), 1000)
	}
	said := handle.OneLine(api.ErrorCode()+": "+api.ErrorMessage(), 500)
	switch api.ErrorCode() {
	case "ValidationError":
		return said + ". Name Countersign's stack with --stack and --region, or the table with --table."
	case "ResourceNotFoundException":
		return said + ". There is no such table, or index, in this Region and account: see --table and --region."
	case "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId":
		return said + ". Sign in to AWS again."
	case "AccessDenied", "AccessDeniedException":
		return said + ". It takes cloudformation:DescribeStacks of the stack, dynamodb:BatchGetItem, GetItem and Query of the table and its indexes, and kms:Decrypt if the key is yours."
	}
	return said
}
