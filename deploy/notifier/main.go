// Command notifier is the Lambda function that products call by their
// ServiceToken, directly or through a topic, and that EventBridge calls for
// stacks that come to their end and for the sweep of each minute. Package
// notifier says what it does, [function.Config] how it is configured.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"countersign/deploy/internal/function"
)

func main() { lambda.Start(function.NewNotifier(os.Environ(), os.Stdout)) }
