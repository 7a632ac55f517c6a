// Command empty is the least that a Lambda function in Go can be. Ours are
// measured beside it.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

type empty struct{}

func (empty) Invoke(context.Context, []byte) ([]byte, error) { return []byte("null"), nil }

func main() { lambda.Start(empty{}) }
