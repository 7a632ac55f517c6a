package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
)

// clients are the AWS services that the doctor reads.
type clients struct {
	account awsconfig.Account // for dynamo.New

	cloudFormation *cloudformation.Client
	cloudWatch     *cloudwatch.Client
	dynamoDB       *dynamodb.Client
	eventBridge    *eventbridge.Client
	iam            *iam.Client
	lambda         *lambda.Client
	secrets        *secretsmanager.Client
	serviceCatalog *servicecatalog.Client
	sns            *sns.Client
	sqs            *sqs.Client
	sts            *sts.Client
}

func newClients(account awsconfig.Account) clients {
	c := account.Config
	return clients{
		account:        account,
		cloudFormation: cloudformation.NewFromConfig(c),
		cloudWatch:     cloudwatch.NewFromConfig(c),
		dynamoDB:       dynamodb.NewFromConfig(c),
		eventBridge:    eventbridge.NewFromConfig(c),
		iam:            iam.NewFromConfig(c),
		lambda:         lambda.NewFromConfig(c),
		secrets:        secretsmanager.NewFromConfig(c),
		serviceCatalog: servicecatalog.NewFromConfig(c),
		sns:            sns.NewFromConfig(c),
		sqs:            sqs.NewFromConfig(c),
		sts:            sts.NewFromConfig(c),
	}
}

// awsError is the finding of a check whose AWS call failed. action names the IAM
// actions that it needs.
func awsError(name, action string, err error) Finding {
	c := awsconfig.ErrorCode(err)
	switch {
	case awsconfig.Denied(err):
		return unchecked(name, "your AWS identity is not allowed "+action,
			"Attach the policy that this prints to your AWS identity, then run the doctor again:"+doctorCommand+" --print-policy")
	case c == "ExpiredToken", c == "ExpiredTokenException", c == "RequestExpired", c == "UnrecognizedClientException",
		c == "InvalidClientTokenId", c == "SignatureDoesNotMatch", c == "InvalidSignatureException":
		return unchecked(name, "AWS rejected your credentials ("+c+")", "Sign in again:\n  aws sso login")
	case c != "":
		return unchecked(name, fmt.Sprintf("%s failed: %s", action, handle.OneLine(c+": "+message(err), 300)), "Run the doctor again. If it fails again, look up this AWS error.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unchecked(name, action+": AWS did not answer in time", "Check the network between this machine and AWS (VPN, proxy), then run the doctor again.")
	}
	return unchecked(name, action+": "+handle.OneLine(awsconfig.Reason(err), 300), "Check your AWS sign-in and the network between this machine and AWS, then run the doctor again:\n  aws sts get-caller-identity")
}

func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}
