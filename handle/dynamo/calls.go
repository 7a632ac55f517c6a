package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// calls are those of DynamoDB that the store makes. With the client itself in
// their place, a program that calls any method by name, as html/template does,
// is linked with all the others too: a megabyte of them.
type calls struct {
	put   call[dynamodb.PutItemInput, dynamodb.PutItemOutput]
	get   call[dynamodb.GetItemInput, dynamodb.GetItemOutput]
	query call[dynamodb.QueryInput, dynamodb.QueryOutput]
	batch call[dynamodb.BatchGetItemInput, dynamodb.BatchGetItemOutput]
}

type call[In, Out any] func(context.Context, *In, ...func(*dynamodb.Options)) (*Out, error)

func callsOf(c *dynamodb.Client) calls { return calls{c.PutItem, c.GetItem, c.Query, c.BatchGetItem} }

// Query is for the paginator.
func (c calls) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return c.query(ctx, in, o...)
}
