package awsconfig_test

import (
	"strings"
	"testing"

	"countersign/deploy/internal/awsconfig"
)

func TestARNsHaveTheRegionsPartition(t *testing.T) {
	for _, test := range []struct {
		scope             awsconfig.Scope
		service, resource string
		want              string
	}{
		{awsconfig.Scope{Region: "eu-west-1", Account: "111122223333"}, "sns", "topic", "arn:aws:sns:eu-west-1:111122223333:topic"},
		{awsconfig.Scope{Region: "cn-north-1", Account: "111122223333"}, "sns", "topic", "arn:aws-cn:sns:cn-north-1:111122223333:topic"},
		{awsconfig.Scope{Region: "us-gov-west-1", Account: "111122223333"}, "sns", "topic", "arn:aws-us-gov:sns:us-gov-west-1:111122223333:topic"},
		{awsconfig.Scope{Region: "eu-west-1"}, "iam", "role/*", "arn:aws:iam::*:role/*"},
		{awsconfig.Scope{}, "sqs", "queue", "arn:aws:sqs:*:*:queue"},
	} {
		if got := test.scope.ARN(test.service, test.resource); got != test.want {
			t.Errorf("%+v: got %s, want %s", test.scope, got, test.want)
		}
	}
}

// kms:Decrypt is never allowed for direct calls.
func TestDecryptIsLimitedToServices(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "dynamodb.eu-west-1.amazonaws.com", "cn-north-1": "dynamodb.cn-north-1.amazonaws.com.cn"} {
		s := awsconfig.Scope{Region: region, Account: "111122223333"}.Decrypt("dynamodb")
		if got := strings.Join(s.Condition["StringLike"]["kms:ViaService"], " "); got != want {
			t.Errorf("%s: got %q, want %q", region, got, want)
		}
	}
}
