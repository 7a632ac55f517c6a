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
	kind      = "Kind"     // partition key of the indexes Due and Created; the same in every item
	nextDue   = "Wake"     // sort key of the index Due; absent if no step is outstanding
	createdAt = "CreatedAt"
	grantKey  = "GrantKey"  // partition key of the index Grants; absent unless the request has an open grant
	openKey   = "OpenKey"   // partition key of the index Open; absent unless the request is open
	openUntil = "OpenUntil" // sort key of the index Open: Summary.Deadline
	openEntry = "OpenEntry" // what the index Open projects: the summary, as JSON
	rev       = "Rev"

	indexDue     = "Due"
	indexCreated = "Created"
	indexGrants  = "Grants"
	indexOpen    = "Open"
)

// Table returns the definition of the table, for tests and local use. On AWS the
// CloudFormation template creates it, with the same keys and indexes, and with
// PointInTimeRecoverySpecification, SSESpecification, DeletionProtectionEnabled and
// DeletionPolicy: Retain to protect the decisions. The functions need only
//
//	dynamodb:GetItem, PutItem, Query, BatchGetItem   on the table
//	dynamodb:Query                                   on its index/*
//
// The indexes Due and Created are a single partition each, so that they sort all
// requests. A partition accepts 1000 writes per second, far more than people can
// approve. The index Grants has only the requests whose grant can be used,
// and the index Open only those that are open, with a summary of about 1 KB.
func Table(name string) *dynamodb.CreateTableInput {
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(partition string, sort ...string) []types.KeySchemaElement {
		schema := []types.KeySchemaElement{{AttributeName: aws.String(partition), KeyType: types.KeyTypeHash}}
		for _, name := range sort {
			schema = append(schema, types.KeySchemaElement{AttributeName: aws.String(name), KeyType: types.KeyTypeRange})
		}
		return schema
	}
	index := func(name string, keys []types.KeySchemaElement) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{
			IndexName:  aws.String(name),
			KeySchema:  keys,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}
	}
	open := index(indexOpen, keys(openKey, openUntil))
	open.Projection = &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{openEntry}}
	return &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			attribute(stackKey), attribute(gateKey), attribute(kind), attribute(nextDue), attribute(createdAt), attribute(grantKey),
			attribute(openKey), attribute(openUntil),
		},
		KeySchema: keys(stackKey, gateKey),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			index(indexDue, keys(kind, nextDue)),
			index(indexCreated, keys(kind, createdAt)),
			index(indexGrants, keys(grantKey)),
			open,
		},
	}
}
