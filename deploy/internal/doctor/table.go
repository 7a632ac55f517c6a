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
		findings = append(findings, fault(nameTable, "the bot uses "+name+", but the notifier uses "+n.env[envTable]+": the bot does not find requests", "Redeploy, so that both use the stack's table:"+redeploy))
	}
	out, err := d.aws.dynamoDB.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	var gone *types.ResourceNotFoundException
	switch {
	case errors.As(err, &gone):
		return append(findings, fault(nameTable, "table "+name+" does not exist: requests can be neither stored nor decided",
			"The table holds every decision, so do not replace it with an empty one. DynamoDB keeps a backup of a deleted table for 35 days. Restore it under the same name:"+
				d.cli("dynamodb list-backups --backup-type ALL --table-name %s", name)+d.cli("dynamodb restore-table-from-backup --target-table-name %s --backup-arn ARN", name)))
	}
	var safe []Finding
	if err != nil {
		safe = append(safe, awsError(nameTable, "dynamodb:DescribeTable", err))
	} else {
		if bad := judgeTable(dynamo.Table(name), out.Table); bad != "" {
			safe = append(safe, fault(nameTable, name+": "+bad, "Redeploy, to use the table that the stack creates:"+redeploy))
		}
		safe = append(safe, d.judgeDeletionProtection(name, aws.ToBool(out.Table.DeletionProtectionEnabled))...)
	}
	backups, err := d.aws.dynamoDB.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
	if err != nil {
		safe = append(safe, awsError("table backups", "dynamodb:DescribeContinuousBackups", err))
	} else if !pointInTime(backups) {
		safe = append(safe, warning(nameTable, name+" has no point-in-time recovery: deleted or overwritten records cannot be restored",
			"Enable it:"+d.cli("dynamodb update-continuous-backups --table-name %s --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true", name)))
	}
	if len(safe) == 0 {
		safe = append(safe, ok(nameTable, "%s is active, with indexes, point-in-time recovery and deletion protection", name))
	}
	return append(findings, safe...)
}

func pointInTime(out *dynamodb.DescribeContinuousBackupsOutput) bool {
	d := out.ContinuousBackupsDescription
	return d != nil && d.PointInTimeRecoveryDescription != nil &&
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
}

func (d *doctor) judgeDeletionProtection(name string, protected bool) []Finding {
	if protected {
		return nil
	}
	return []Finding{warning(nameTable, name+" has no deletion protection", "Enable it:"+d.cli("dynamodb update-table --table-name %s --deletion-protection-enabled", name))}
}

// judgeTable says how a table differs from the store's, or returns "".
func judgeTable(want *dynamodb.CreateTableInput, got *types.TableDescription) string {
	if s := got.TableStatus; s != types.TableStatusActive && s != types.TableStatusUpdating { // a table serves requests while it is updated
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

// keys formats a key schema, partition key first: "StackKey, GateKey".
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
