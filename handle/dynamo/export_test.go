package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
)

// Marshal returns r as an item, for tests that write items in bulk.
func Marshal(r handle.Request) (map[string]types.AttributeValue, error) { return marshal(r) }
