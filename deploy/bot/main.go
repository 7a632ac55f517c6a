// Command bot is the Lambda function behind the HTTP API or Function URL. It handles
// clicks in Slack and mailed links; see package bot. [function.Config] describes its
// configuration.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"countersign/deploy/internal/function"
)

func main() { lambda.Start(function.NewBot(os.Environ(), os.Stdout)) }
