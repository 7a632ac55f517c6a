// Command hook is the Lambda function behind the CloudFormation Hook that refuses
// product templates whose gate is missing or can be bypassed; see package
// countersign/deploy/internal/hook. The stack has it if EnforceGate is warn or fail.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"countersign/deploy/internal/hook"
)

func main() {
	lambda.Start(hook.New(os.Getenv("COUNTERSIGN_STACK_PREFIX"), lambdacontext.NewLogger()))
}
