// Command notifier is the Lambda function that products invoke through their
// ServiceToken, directly or by a topic, and that EventBridge invokes for stack status
// changes and for the sweep every minute; see package notifier. [function.Config]
// describes its configuration.
package main

import (
	"os"
	_ "time/tzdata" // Lambda's system has no time zones

	"github.com/aws/aws-lambda-go/lambda"

	"countersign/deploy/internal/function"
	"countersign/notifier/catalog"
)

func main() { lambda.Start(function.NewNotifier(os.Environ(), os.Stdout, catalog.NewFind)) }
