package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle/dynamo"
)

const nameTable = "table"

func (d *doctor) checkTable(ctx context.Context) []Finding {
	b, err := d.bot()
	n, err2 := d.notifier()
	switch {
	case err != nil:
		return []Finding{needs(nameTable, nameBot)}
	case err2 != nil:
		return []Finding{needs(nameTable, nameNotifier)}
	case b.env[envTable] == "":
		return []Finding{needs(nameTable, settings(nameBot))}
	}
	name := b.env[envTable]
	var findings []Finding
	if n.env[envTable] != name {
		findings = append(findings, fault(nameTable, "the bot uses "+name+", the notifier "+n.env[envTable]+": every click is of an unknown request", "Deploy again, so that both use the stack's table:"+redeploy))
	}
	out, err := d.aws.dynamoDB.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	var gone *types.ResourceNotFoundException
	switch {
	case errors.As(err, &gone):
		return append(findings, fault(nameTable, "there is no table "+name+": nothing can be asked or decided",
			"It held every decision. Do not deploy an empty one over it: DynamoDB keeps a backup of a deleted table for 35 days. Find it, and restore it under the same name:"+
				d.cli("dynamodb list-backups --backup-type ALL --table-name "+name)+d.cli("dynamodb restore-table-from-backup --target-table-name "+name+" --backup-arn ARN")))
	case err != nil:
		return append(findings, unread(nameTable, "dynamodb:DescribeTable", err))
	}
	if bad := judgeTable(dynamo.Table(name), out.Table); bad != "" {
		return append(findings, fault(nameTable, name+": "+bad, "Use the table that the stack makes. Deploy again:"+redeploy))
	}
	safe := d.judgeSafety(name, aws.ToBool(out.Table.DeletionProtectionEnabled))
	backups, err := d.aws.dynamoDB.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
	if err != nil {
		safe = append(safe, unread("table backups", "dynamodb:DescribeContinuousBackups", err))
	} else if !pointInTime(backups) {
		safe = append(safe, warning(nameTable, name+" has no point-in-time recovery: what is lost is lost",
			"Switch it on:"+d.cli("dynamodb update-continuous-backups --table-name "+name+" --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true")))
	}
	if len(safe) == 0 {
		safe = append(safe, ok(nameTable, "%s is active, with its indexes, point-in-time recovery and deletion protection", name))
	}
	return append(findings, safe...)
}

func pointInTime(out *dynamodb.DescribeContinuousBackupsOutput) bool {
	d := out.ContinuousBackupsDescription
	return d != nil && d.PointInTimeRecoveryDescription != nil &&
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
}

func (d *doctor) judgeSafety(name string, protected bool) []Finding {
	if protected {
		return nil
	}
	return []Finding{warning(nameTable, name+" has no deletion protection", "Switch it on:"+d.cli("dynamodb update-table --table-name "+name+" --deletion-protection-enabled"))}
}

// judgeTable says in what way a table is not the one wanted; empty if it is.
func judgeTable(want *dynamodb.CreateTableInput, got *types.TableDescription) string {
	if s := got.TableStatus; s != types.TableStatusActive && s != types.TableStatusUpdating { // what is updated serves on
		return fmt.Sprintf("it is %s, not ACTIVE", s)
	}
	if keys(want.KeySchema) != keys(got.KeySchema) {
		return fmt.Sprintf("its keys are %s, not %s", keys(got.KeySchema), keys(want.KeySchema))
	}
	for _, index := range want.GlobalSecondaryIndexes {
		name := aws.ToString(index.IndexName)
		i := slices.IndexFunc(got.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool { return aws.ToString(g.IndexName) == name })
		if i < 0 {
			return "it has no index " + name
		}
		g := got.GlobalSecondaryIndexes[i]
		if keys(index.KeySchema) != keys(g.KeySchema) {
			return fmt.Sprintf("the keys of its index %s are %s, not %s", name, keys(g.KeySchema), keys(index.KeySchema))
		}
		if s := g.IndexStatus; s == types.IndexStatusCreating || s == types.IndexStatusDeleting {
			return fmt.Sprintf("its index %s is %s, not ACTIVE", name, s)
		}
	}
	for _, a := range want.AttributeDefinitions {
		if !slices.ContainsFunc(got.AttributeDefinitions, func(g types.AttributeDefinition) bool {
			return aws.ToString(g.AttributeName) == aws.ToString(a.AttributeName) && g.AttributeType == a.AttributeType
		}) {
			return fmt.Sprintf("the attribute %s is not defined as %s", aws.ToString(a.AttributeName), a.AttributeType)
		}
	}
	return ""
}

// keys writes a key schema as "StackKey, GateKey": partition key first.
func keys(schema []types.KeySchemaElement) string {
	var names []string
	for _, kind := range []types.KeyType{types.KeyTypeHash, types.KeyTypeRange} {
		for _, k := range schema {
			if k.KeyType == kind {
				names = append(names, aws.ToString(k.AttributeName))
			}
		}
	}
	return strings.Join(names, ", ")
}
