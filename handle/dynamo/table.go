package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Names of the attributes that are keys, and of the indexes.
const (
	stackKey  = "StackKey" // partition key: what the IDs of all requests of one stack begin with
	gateKey   = "GateKey"  // sort key: the rest of the ID
	kind      = "Kind"     // partition key of both indexes; the same in every item
	wake      = "Wake"     // sort key of the index Due; absent when the request owes nothing
	createdAt = "CreatedAt"
	rev       = "Rev"

	indexDue     = "Due"
	indexCreated = "Created"
)

// Table is the definition of the table, for tests and local set-ups. On AWS the
// CloudFormation template makes it: the same keys and indexes, and with them
// PointInTimeRecoverySpecification, SSESpecification, DeletionProtectionEnabled
// and DeletionPolicy: Retain, because the table is the decision and its audit.
// The functions need, and no more than:
//
//	dynamodb:GetItem, PutItem, Query, BatchGetItem   on the table
//	dynamodb:Query                                   on its index/*
//
// One partition of an index takes 1000 writes per second, far more than people
// can approve; so each index is a single partition, in which all is in order.
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
			attribute(stackKey), attribute(gateKey), attribute(kind), attribute(wake), attribute(createdAt),
		},
		KeySchema:              keys(stackKey, gateKey),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{index(indexDue, wake), index(indexCreated, createdAt)},
	}
}
