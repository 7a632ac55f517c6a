package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
)

// clients are those of the AWS services that the doctor reads.
type clients struct {
	account awsconfig.Account // for the store

	cloudFormation *cloudformation.Client
	cloudWatch     *cloudwatch.Client
	dynamoDB       *dynamodb.Client
	eventBridge    *eventbridge.Client
	iam            *iam.Client
	lambda         *lambda.Client
	secrets        *secretsmanager.Client
	sns            *sns.Client
	sqs            *sqs.Client
	sts            *sts.Client
}

func newClients(here awsconfig.Account) clients {
	c := here.Config
	return clients{
		account:        here,
		cloudFormation: cloudformation.NewFromConfig(c),
		cloudWatch:     cloudwatch.NewFromConfig(c),
		dynamoDB:       dynamodb.NewFromConfig(c),
		eventBridge:    eventbridge.NewFromConfig(c),
		iam:            iam.NewFromConfig(c),
		lambda:         lambda.NewFromConfig(c),
		secrets:        secretsmanager.NewFromConfig(c),
		sns:            sns.NewFromConfig(c),
		sqs:            sqs.NewFromConfig(c),
		sts:            sts.NewFromConfig(c),
	}
}

// code is the code of an AWS error; empty if AWS did not answer.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// unread is the finding of a check to which AWS gave no answer of use. action
// is the IAM action that was needed.
func unread(name, action string, err error) Finding {
	c := code(err)
	switch {
	case strings.HasPrefix(c, "AccessDenied"), c == "AuthorizationError", c == "UnauthorizedOperation":
		return unchecked(name, "your AWS identity may not do "+action,
			"Run the doctor as somebody who may, or have "+action+" allowed. The README lists all that it calls.")
	case c == "ExpiredToken", c == "ExpiredTokenException", c == "RequestExpired", c == "UnrecognizedClientException",
		c == "InvalidClientTokenId", c == "SignatureDoesNotMatch", c == "InvalidSignatureException":
		return unchecked(name, "AWS does not accept your credentials ("+c+")", "Sign in again:\n  aws sso login")
	case c != "":
		return unchecked(name, fmt.Sprintf("%s: AWS answered %s", action, handle.OneLine(c+": "+message(err), 300)), "Run the doctor again; if it stays so, read AWS's words above.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unchecked(name, action+": AWS did not answer in time", "Look at the network between here and AWS (VPN, proxy), and run the doctor again.")
	}
	return unchecked(name, action+": "+handle.OneLine(reason(err), 300), "Look at your AWS sign-in (aws sts get-caller-identity) and at the network between here and AWS, and run the doctor again.")
}

func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

// reason is the innermost error: what is round it repeats the call.
func reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
