package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Names of the key attributes and of the indexes. Deployed tables have them.
const (
	stackKey  = "StackKey" // partition key: handle.StackKey of the stack
	gateKey   = "GateKey"  // sort key: the rest of the request's ID
	kind      = "Kind"     // partition key of both indexes; the same in every item
	nextDue   = "Wake"     // sort key of the index Due; absent if no step is outstanding
	createdAt = "CreatedAt"
	rev       = "Rev"

	indexDue     = "Due"
	indexCreated = "Created"
)

// Table returns the definition of the table, for tests and local use. On AWS the
// CloudFormation template creates it, with the same keys and indexes, and with
// PointInTimeRecoverySpecification, SSESpecification, DeletionProtectionEnabled and
// DeletionPolicy: Retain to protect the decisions. The functions need only
//
//	dynamodb:GetItem, PutItem, Query, BatchGetItem   on the table
//	dynamodb:Query                                   on its index/*
//
// Each index is a single partition, so that it sorts all requests. A partition
// accepts 1000 writes per second, far more than people can approve.
func Table(name string) *dynamodb.CreateTableInput {
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(partition, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: aws.String(partition), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
		}
	}
	index := func(name, sort string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{
			IndexName:  aws.String(name),
			KeySchema:  keys(kind, sort),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}
	}
	return &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			attribute(stackKey), attribute(gateKey), attribute(kind), attribute(nextDue), attribute(createdAt),
		},
		KeySchema:              keys(stackKey, gateKey),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{index(indexDue, nextDue), index(indexCreated, createdAt)},
	}
}
