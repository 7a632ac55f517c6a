package install

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// deleteFailedStack deletes a stack whose creation failed, with consent, and the table
// that it left behind if that is empty.
func (i *installer) deleteFailedStack(ctx context.Context) error {
	table, err := i.stackTable(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(i.prompt, "The stack %s is in %s: CloudFormation can only delete it.\n", i.Stack, i.stack.status)
	agreed := i.deleteFailed
	if !agreed && !i.silent {
		if agreed, err = i.confirm(ctx, "Delete it, and its table if that is empty?"); err != nil {
			return err
		}
	}
	if !agreed {
		return fmt.Errorf("the stack %s is in %s: delete it with --delete-failed, or with aws cloudformation delete-stack --stack-name %s", i.Stack, i.stack.status, i.Stack)
	}
	if err := i.deleteStack(ctx); err != nil {
		return err
	}
	if table == "" {
		return nil
	}
	return i.deleteEmptyTable(ctx, table)
}

// stackTable returns the name of the stack's table, or "" if it has none.
func (i *installer) stackTable(ctx context.Context) (string, error) {
	out, err := i.cloudFormation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &i.stack.id})
	if err != nil {
		return "", i.callError("list the stack's resources", "cloudformation:DescribeStackResources", err)
	}
	for _, r := range out.StackResources {
		if aws.ToString(r.LogicalResourceId) == "Table" {
			return aws.ToString(r.PhysicalResourceId), nil
		}
	}
	return "", nil
}

// deleteStack deletes the stack and waits.
func (i *installer) deleteStack(ctx context.Context) error {
	mark, err := i.lastEvent(ctx)
	if err != nil {
		return err
	}
	if _, err := i.cloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &i.stack.id}); err != nil {
		return i.callError("delete the stack "+i.Stack, "cloudformation:DeleteStack", err)
	}
	if err := i.follow(ctx, mark, true); err != nil {
		return err
	}
	s, err := i.readStack(ctx, i.stack.id)
	if err != nil {
		return err
	}
	if s.status != "" && s.status != "DELETE_COMPLETE" {
		i.stack = s
		return i.explain(ctx, mark)
	}
	i.stack = stack{}
	return nil
}

// deleteEmptyTable deletes a table without items. A table with items holds decisions,
// and stays.
func (i *installer) deleteEmptyTable(ctx context.Context, name string) error {
	out, err := i.dynamoDB.Scan(ctx, &dynamodb.ScanInput{TableName: &name, Limit: aws.Int32(1), ConsistentRead: aws.Bool(true)})
	var missing *dynamotypes.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return i.callError("read the table "+name, "dynamodb:Scan", err)
	}
	if len(out.Items) > 0 {
		fmt.Fprintf(i.prompt, "The table %s holds decisions. It stays.\n", name)
		return nil
	}
	_, err = i.dynamoDB.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: aws.Bool(false)})
	if err != nil {
		return i.callError("unprotect the empty table "+name, "dynamodb:UpdateTable", err)
	}
	if err := dynamodb.NewTableExistsWaiter(i.dynamoDB).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		return i.callError("wait for the table "+name, "dynamodb:DescribeTable", err)
	}
	_, err = i.dynamoDB.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
	return i.callError("delete the empty table "+name, "dynamodb:DeleteTable", err)
}

// uninstall deletes the stack after consent, and says what stays.
func (i *installer) uninstall(ctx context.Context, c Uninstall) error {
	if i.stack.id == "" {
		return fmt.Errorf("there is no stack %s in %s", i.Stack, i.region)
	}
	table, err := i.stackTable(ctx)
	if err != nil {
		return err
	}
	stays := []string{
		"the table " + table + ", protected against deletion: it holds every decision",
		"the log groups, until you delete them",
		"the secret " + i.stack.parameters["SecretArn"] + ": later it can serve a new deployment",
		"the Slack app: delete it at https://api.slack.com/apps",
		"launched products: without the notifier, updates of them fail, while terminations of those with DeletionPolicy in their gates succeed",
	}
	if bucket := i.stack.parameters["CodeBucket"]; bucket != "" {
		stays = append(stays, "the bucket "+bucket+", with the zips under countersign/")
	}
	fmt.Fprintf(i.prompt, "This deletes the stack %s: functions, endpoint, rules, roles and alarms. Countersign no longer answers open requests.\nIt keeps:\n- %s\n", i.Stack, strings.Join(stays, "\n- "))
	if c.Plan {
		return nil
	}
	if !c.Yes {
		_, err := i.ask(ctx, "Type the stack's name to delete it", "", func(s string) error {
			if s != i.Stack {
				return errors.New("that is not its name: stop with Ctrl-C, or type " + i.Stack)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return i.deleteStack(ctx)
}
