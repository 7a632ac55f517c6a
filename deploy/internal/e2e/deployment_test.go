package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/awsfix"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/dynamo"
)

// Credentials of the simulated Slack's app, stored in the deployment's secret.
const (
	botToken      = "xoxb-example-token"
	signingSecret = "0123456789abcdef0123456789abcdef"
	mailKey       = "example key for the links in mails"
)

// deployment is Countersign, deployed on MiniStack.
type deployment struct {
	ministack *program
	aws       aws.Config
	name      string
	outputs   map[string]string // of its stack

	people         *http.Client // how Slack and people reach the bot
	slack          *slacktest.Workspace
	brokenChannels sync.Map // channels in which Slack does not work
	mailbox        *mailbox
	store          handle.Store
	calls          *callCounter
	cloudFormation *cfnProxy
	answers        *answerServer
}

// deploy installs Countersign as its documentation describes, up to the first
// launch.
func deploy(t *testing.T, name, entry string) *deployment {
	t.Helper()
	m := startMiniStack(t)
	d := &deployment{
		ministack: m,
		name:      name,
		aws:       awsConfig(m.origin),
		people:    &http.Client{Transport: resolver{m.origin}, Timeout: 30 * time.Second},
	}
	slackServer := httptest.NewUnstartedServer(nil) // started once the app exists; only its address is needed before
	t.Cleanup(slackServer.Close)
	origin := "http://" + slackServer.Listener.Addr().String()

	secret := d.createSecret(t, handle.MailKey(mailKey))
	d.sam(t, samBuild(t), "deploy", "--stack-name", name, "--capabilities", "CAPABILITY_IAM", "--resolve-s3", "--no-confirm-changeset",
		"--parameter-overrides", "Name="+name, "SecretArn="+secret, "Entry="+entry, "Architecture=x86_64", "Margin=2m",
		"SlackTeam="+sandbox.Team, "SlackApp="+sandbox.AppID, "SlackApi="+origin+"/api/",
		"Channel="+sandbox.Channel, "Approvers="+sandbox.Approvers, "MailAddress="+sandbox.Admin, "OrganizationId=o-example123")
	d.outputs = d.stackOutputs(t, name)

	d.calls = newCallCounter(t, m.origin)
	d.cloudFormation = newCFNProxy(t, d.aws)
	d.answers = newAnswerServer(t)
	for _, function := range []string{d.outputs["BotFunctionName"], d.outputs["NotifierFunctionName"]} {
		d.configure(t, function, map[string]string{
			"COUNTERSIGN_ORIGINS":             m.origin + "/_ministack/," + d.answers.origin, // MiniStack's wait URLs are not AWS's
			"AWS_ENDPOINT_URL_DYNAMODB":       d.calls.origin,
			"AWS_ENDPOINT_URL_CLOUDFORMATION": d.cloudFormation.origin,
		})
	}

	d.slack = newSlackApp(t, d.outputs["SlackManifest"], origin, d.people, d.fault)
	slackServer.Config.Handler = d.slack
	slackServer.Start()
	d.warmUp(t)
	d.installSlackApp(t, secret)
	d.mailbox = subscribe(t, d.aws, d.outputs["MailTopicArn"])
	d.store = dynamo.New(d.aws, d.aws.HTTPClient.(*http.Client), d.outputs["TableName"])
	return d
}

// awsConfig returns a configuration for AWS clients of an emulator.
func awsConfig(origin string) aws.Config { return accountConfig(origin, account) }

// accountConfig returns awsConfig in an account. MiniStack takes a key that is an
// account's ID for one of that account.
func accountConfig(origin, id string) aws.Config {
	return aws.Config{
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(id, "test", ""),
		BaseEndpoint: &origin,
		HTTPClient:   awsfix.HTTPClient(&http.Client{Timeout: 30 * time.Second}),
	}
}

// createSecret creates the secret as it is before the Slack app exists.
func (d *deployment) createSecret(t *testing.T, key handle.MailKey) (arn string) {
	t.Helper()
	out, err := secretsmanager.NewFromConfig(d.aws).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name:         &d.name,
		SecretString: aws.String(secretText("", nil, key)),
	})
	if err != nil {
		t.Fatalf("couldn't create the secret: %v", err)
	}
	return *out.ARN
}

// warmUp makes both functions read and cache the current secret.
func (d *deployment) warmUp(t *testing.T) {
	t.Helper()
	out, err := lambda.NewFromConfig(d.aws).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(d.outputs["NotifierFunctionName"]), Payload: []byte(sweep),
	})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("the sweep failed: %v, %s", err, out.Payload)
	}
	res, err := d.people.Post(d.outputs["SlackRequestUrl"], formType, strings.NewReader("payload=unsigned"))
	if err != nil {
		t.Fatalf("couldn't reach the bot: %v", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("the bot answered %s to an unsigned request", res.Status)
	}
}

// sweep is the event of the scheduled rule. See
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
const sweep = `{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events",` +
	`"account":"` + account + `","time":"2026-11-26T09:00:00Z","region":"` + region + `",` +
	`"resources":["arn:aws:events:` + region + `:` + account + `:rule/countersign-Sweep"],"detail":{}}`

// installSlackApp stores the installed app's credentials in the secret. The
// functions are not redeployed.
func (d *deployment) installSlackApp(t *testing.T, secret string) {
	t.Helper()
	_, err := secretsmanager.NewFromConfig(d.aws).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId:     &secret,
		SecretString: aws.String(secretText(botToken, []string{signingSecret}, handle.MailKey(mailKey))),
	})
	if err != nil {
		t.Fatalf("couldn't change the secret: %v", err)
	}
	time.Sleep(2 * time.Second) // the functions do not reread a secret within two seconds
}

func (d *deployment) stackOutputs(t *testing.T, stack string) map[string]string {
	t.Helper()
	out, err := cloudformation.NewFromConfig(d.aws).DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil {
		t.Fatalf("couldn't read the outputs of %s: %v", stack, err)
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
	}
	return outputs
}

// configure adds environment variables to a function that the template does not set.
func (d *deployment) configure(t *testing.T, function string, more map[string]string) {
	t.Helper()
	client := lambda.NewFromConfig(d.aws)
	now, err := client.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		t.Fatalf("couldn't read the configuration of %s: %v", function, err)
	}
	variables := now.Environment.Variables
	maps.Copy(variables, more)
	_, err = client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &function, Environment: &types.Environment{Variables: variables},
	})
	if err != nil {
		t.Fatalf("couldn't configure %s: %v", function, err)
	}
	err = lambda.NewFunctionUpdatedV2Waiter(client).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &function}, time.Minute)
	if err != nil {
		t.Fatalf("%s is not ready: %v", function, err)
	}
}

// resolver sends requests for the host names of HTTP APIs and Function URLs to
// MiniStack.
type resolver struct{ origin string }

func (n resolver) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Hostname()
	if req.URL.Scheme != "https" || !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".on.aws") {
		return nil, fmt.Errorf("%s is not AWS", host)
	}
	out := req.Clone(req.Context())
	out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(n.origin, "http://")
	out.Host = host
	if api, ok := strings.CutSuffix(host, ".execute-api."+region+".amazonaws.com"); ok {
		out.Host = api + ".execute-api.127.0.0.1" // MiniStack's host name for it
	}
	return http.DefaultTransport.RoundTrip(out)
}

// eventually polls until missing returns nil, and fails with its last error after
// limit.
func eventually(t *testing.T, limit time.Duration, what string, missing func(context.Context) error) {
	t.Helper()
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err = missing(t.Context()); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v, after %v", what, err, limit)
}
