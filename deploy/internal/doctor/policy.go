package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"countersign/deploy/internal/awsconfig"
)

// printPolicy prints the IAM policy that the doctor needs. Where the stack cannot
// be read, its resources are matched by the stack's name, and notes say so.
func (d *doctor) printPolicy(ctx context.Context, w, notes io.Writer) error {
	d.readFacts(ctx)
	if _, err := d.bot(); err != nil {
		fmt.Fprintf(notes, "countersign doctor: the stack %s or its bot function could not be read, so the policy matches resources by the stack's name\n", d.Stack)
	}
	return d.policy().Write(w)
}

// policy returns the permissions for every call that the doctor makes.
// sts:GetCallerIdentity needs none. See
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
func (d *doctor) policy() awsconfig.Policy {
	id, _ := d.identity()
	s, _ := d.stack()
	bot, _ := d.bot()
	scope := awsconfig.Scope{Region: d.region, Account: id.account}
	byName := d.Stack + "-*" // how CloudFormation names the stack's resources
	queue := s.outputs["FailureQueueUrl"]
	queue = queue[strings.LastIndex(queue, "/")+1:]
	topics := known(s.outputs["MailTopicArn"], s.outputs["ServiceTokenForOtherAccounts"])
	if len(topics) == 0 {
		topics = []string{scope.ARN("sns", byName)}
	}

	return awsconfig.NewPolicy(
		awsconfig.Allow("Stack", []string{"cloudformation:DescribeStacks", "cloudformation:ListStackResources"},
			[]string{scope.ARN("cloudformation", "stack/"+d.Stack+"/*"), scope.ARN("cloudformation", "stack/"+d.Catalog+"/*")}),
		awsconfig.Allow("Metrics", []string{"cloudwatch:DescribeAlarms", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics"}, []string{"*"}),
		awsconfig.Allow("Table", []string{"dynamodb:BatchGetItem", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query"},
			scope.Table(cmp.Or(s.outputs["TableName"], byName))),
		awsconfig.Allow("Rules", []string{"events:DescribeRule", "events:ListTargetsByRule"},
			arns(scope, "events", "rule/", rulePaths(s), byName)),
		awsconfig.Allow("Roles", []string{"iam:GetRole", "iam:SimulatePrincipalPolicy"}, []string{scope.ARN("iam", "role/*")}),
		awsconfig.Allow("Functions", []string{"lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:GetPolicy"},
			arns(scope, "lambda", "function:", known(s.outputs["BotFunctionName"], s.outputs["NotifierFunctionName"]), "*")),
		awsconfig.Allow("Secret", []string{"secretsmanager:GetSecretValue"},
			[]string{cmp.Or(bot.env[envSecret], scope.ARN("secretsmanager", "secret:"+byName))}),
		awsconfig.Allow("Products", []string{"servicecatalog:DescribeProductAsAdmin", "servicecatalog:DescribeProvisioningArtifact"},
			[]string{scope.ARN("catalog", "product/*")}),
		awsconfig.Allow("Topics", []string{"sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"}, topics),
		awsconfig.Allow("Subscriptions", []string{"sns:GetSubscriptionAttributes"}, []string{"*"}), // has no resource type
		awsconfig.Allow("FailureQueue", []string{"sqs:GetQueueAttributes"},
			[]string{scope.ARN("sqs", cmp.Or(queue, byName))}),
		scope.Decrypt("dynamodb", "secretsmanager"),
	)
}

// rulePaths returns the stack's EventBridge rules as their ARNs have them:
// "NAME", or "BUS/NAME" on a bus other than the default one.
func rulePaths(s stack) []string {
	var paths []string
	for _, id := range s.ofKind("AWS::Events::Rule") {
		paths = append(paths, strings.Replace(id, "|", "/", 1))
	}
	return paths
}

// arns returns the ARNs of names, or of pattern if there are none.
func arns(scope awsconfig.Scope, service, prefix string, names []string, pattern string) []string {
	var list []string
	if len(names) == 0 {
		names = []string{pattern}
	}
	for _, name := range names {
		list = append(list, scope.ARN(service, prefix+name))
	}
	return list
}

// known returns the strings that are not empty.
func known(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
