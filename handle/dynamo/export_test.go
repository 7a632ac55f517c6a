package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
)

// Marshal writes r as an item, for tests that fill a table in bulk.
func Marshal(r handle.Request) (map[string]types.AttributeValue, error) { return marshal(r) }
