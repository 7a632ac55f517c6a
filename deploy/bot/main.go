// Command bot is the Lambda function behind the HTTP API or the Function URL: it
// takes Slack's clicks and mailed links. Package bot says what it does,
// [function.Config] how it is configured.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"countersign/deploy/internal/function"
)

func main() { lambda.Start(function.NewBot(os.Environ(), os.Stdout)) }
