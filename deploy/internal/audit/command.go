// Package audit is the command "countersign audit": it lists the requests that a
// deployment's table holds, decided or not, and prints the whole history of those
// that are named. It reads, and changes nothing.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
	"countersign/handle/dynamo"
)

// Command is the command line.
type Command struct {
	Named []string `arg:"" optional:"" name:"request" help:"Request IDs or stack ARNs: print all that happened to these. Without any, requests are listed."`

	Since       string        `help:"Created since: a date (2026-01-31, UTC), a time (2026-01-31T09:00:00Z) or an age (30d, 12h). Default: 30d." default:"30d" placeholder:"WHEN"`
	Until       string        `help:"Created before: likewise. Default: now." placeholder:"WHEN"`
	State       []string      `help:"Only this state: ${enum}. Repeatable." enum:"pending, approved, rejected, expired, withdrawn" placeholder:"STATE"`
	Bypassed    bool          `help:"Only requests whose stack bypassed approval."`
	Format      string        `help:"Output format: ${enum}. csv and json print one line per request." enum:"text, csv, json" default:"text"`
	Stack       string        `help:"CloudFormation stack of Countersign." default:"countersign"`
	Table       string        `help:"DynamoDB table. Default: the stack's." placeholder:"NAME"`
	Region      string        `help:"AWS Region of the stack. Default: as in the AWS CLI." placeholder:"REGION"`
	Profile     string        `help:"AWS profile. Default: as in the AWS CLI." placeholder:"NAME"`
	PrintPolicy bool          `help:"Print the IAM policy that this command needs, and exit."`
	Timeout     time.Duration `help:"Give up after this time." default:"10m"`
}

// Help implements kong.HelpProvider.
func (Command) Help() string {
	return `It reads the deployment's table, changes nothing, and prints no wait URL.

Exit status: 0 everything was read; 1 something could not be read or found.

Examples:

    countersign audit --since 7d --state rejected
    countersign audit --since 2026-01-01 --format csv > launches.csv
    countersign audit m238cx9tiuv3pd23-cad5b59s
    countersign audit --print-policy > policy.json`
}

// Run prints the requests that are asked for. The error says what to do.
func (c Command) Run(ctx context.Context, w io.Writer) error {
	if err := c.run(ctx, w); err != nil {
		return errors.New(explain(err))
	}
	return nil
}

func (c Command) run(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	selected, err := c.selection(time.Now())
	if err != nil {
		return err
	}
	account, err := awsconfig.Open(ctx, c.Region, c.Profile, nil)
	if err != nil {
		return err
	}
	stacks := cloudformation.NewFromConfig(account.Config)
	if c.PrintPolicy {
		return c.printPolicy(ctx, w, os.Stderr, stacks)
	}
	if err := account.CheckCredentials(ctx); err != nil {
		return err
	}
	table := c.Table
	if table == "" {
		s, err := readStack(ctx, stacks, c.Stack)
		if err != nil {
			return err
		}
		table = s.table
	}
	return write(w, c.Format, selected.requests(ctx, dynamo.New(account.Config, account.Client, table)), selected)
}

// printPolicy prints the IAM policy that the audit needs. Where the stack cannot
// be read, its table is matched by the stack's name, and notes say so.
func (c Command) printPolicy(ctx context.Context, w, notes io.Writer, stacks *cloudformation.Client) error {
	s := stack{table: c.Table}
	if s.table == "" {
		var err error
		if s, err = readStack(ctx, stacks, c.Stack); err != nil {
			fmt.Fprintf(notes, "Could not read the stack %s: the policy matches its table by the stack's name. Give --table for an exact ARN.\n", c.Stack)
			s.table = c.Stack + "-*" // CloudFormation's name for it
		}
	}
	return policy(awsconfig.Scope{Region: stacks.Options().Region, Account: s.account}, c.Stack, s.table).Write(w)
}

// policy returns the permissions for every call that the audit makes.
func policy(scope awsconfig.Scope, stack, table string) awsconfig.Policy {
	return awsconfig.NewPolicy(
		awsconfig.Allow("Stack", []string{"cloudformation:DescribeStacks"}, []string{scope.ARN("cloudformation", "stack/"+stack+"/*")}),
		awsconfig.Allow("Table", []string{"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}, scope.Table(table)),
		scope.Decrypt("dynamodb"),
	)
}

// stack is what the audit reads from Countersign's stack.
type stack struct{ account, table string }

func readStack(ctx context.Context, client *cloudformation.Client, name string) (stack, error) {
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		return stack{}, fmt.Errorf("couldn't read the stack %s: %w", name, err)
	}
	for _, described := range out.Stacks {
		for _, output := range described.Outputs {
			if aws.ToString(output.OutputKey) == "TableName" {
				id, _ := arn.Parse(aws.ToString(described.StackId))
				return stack{id.AccountID, aws.ToString(output.OutputValue)}, nil
			}
		}
	}
	return stack{}, fmt.Errorf("the stack %s has no output TableName, so it is not Countersign's: name the stack with --stack, or the table with --table", name)
}

// explain is the text of err, with what to do where AWS does not say.
func explain(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return handle.OneLine(err.Error(), 1000)
	}
	text := strings.TrimSuffix(handle.OneLine(api.ErrorCode()+": "+api.ErrorMessage(), 500), ".")
	switch api.ErrorCode() {
	case "ValidationError":
		return text + ". Name Countersign's stack with --stack and --region, or the table with --table."
	case "ResourceNotFoundException":
		return text + ". This Region and account have no such table or index: check --table and --region."
	case "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId":
		return text + ". Sign in to AWS again: aws sso login"
	case "AccessDenied", "AccessDeniedException":
		return text + ". Attach the policy that this prints: countersign audit --print-policy"
	}
	return text
}
