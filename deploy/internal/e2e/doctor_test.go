package e2e_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cloudformationtypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	api "github.com/slack-go/slack"

	"countersign/bot"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/awsfix"
	"countersign/deploy/internal/doctor"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

const (
	doctorStack = "doctored" // the stack that the doctor examines, and its Name

	doctorToken         = "xoxb-111122223333-example-token"
	doctorSigningSecret = "0123456789abcdef0123456789abcdef"
	doctorMailKey       = "example key for the links in mails"
)

// idleProgram is the functions' program: it accepts events and does nothing, because
// the doctor only examines how the functions are set up.
const idleProgram = `package main

import (
	"net/http"
	"os"
	"strings"
)

func main() {
	at := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		res, err := http.Get(at + "next")
		if err != nil {
			os.Exit(1)
		}
		res.Body.Close()
		if res, err = http.Post(at+res.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", strings.NewReader("null")); err != nil {
			os.Exit(1)
		}
		res.Body.Close()
	}
}
`

// doctorFixture is an installation on MiniStack from the real template, with the real
// bot in this process and a simulated Slack.
type doctorFixture struct {
	t       *testing.T
	program string // the doctor
	origin  string
	aws     aws.Config
	outputs map[string]string
	slack   *slacktest.Workspace
	secret  string // ARN
	flags   []string

	slackHandler, api atomic.Pointer[http.Handler] // the handlers of Slack's API and of the bot's URL
	slackOrigin       string
}

// The doctor finds each fault that the test causes in an installation on MiniStack,
// one at a time, and reports nothing else.
func TestDoctor(t *testing.T) {
	w := newDoctorFixture(t)
	ctx := t.Context()
	alarm, rule := w.physicalID("FailureQueueAlarm"), w.physicalID("Sweep")
	table, notifier := w.outputs["TableName"], w.outputs["NotifierFunctionName"]
	queue, topic := w.outputs["FailureQueueUrl"], w.outputs["MailTopicArn"]
	var (
		secrets = secretsmanager.NewFromConfig(w.aws)
		events  = eventbridge.NewFromConfig(w.aws)
		lambdas = lambda.NewFromConfig(w.aws)
		tables  = dynamodb.NewFromConfig(w.aws)
		queues  = sqs.NewFromConfig(w.aws)
		topics  = sns.NewFromConfig(w.aws)
		metrics = cloudwatch.NewFromConfig(w.aws)
	)
	policy := w.topicPolicy(topics)
	setAlarm := func(state cloudwatchtypes.StateValue) error {
		_, err := metrics.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{AlarmName: &alarm, StateValue: state, StateReason: aws.String("set by a test")})
		return err
	}
	for _, test := range []struct {
		name          string
		cause, revert func() error
		flags         []string
		want          [][3]string // for each finding: name, level, and part of the finding or the fix
	}{
		{
			name: "healthy", flags: []string{"--launch-role", "good-launch"},
			want: healthy(
				"stack", "bot function", "notifier function", "table", "secret", "Slack token", "Slack scopes", "Slack app", "Slack channel", "approvers",
				"API", "API signature", "mail", "mail topic policy", "launch role", "sweep schedule", "sweep", "stack status rule", "overdue requests",
				"failure queue", "alarms", "clocks",
			),
		},
		{
			name: "the stack does not exist", flags: []string{"--stack", "missing"},
			want: [][3]string{{"stack", "fault", "stack missing does not exist"}},
		},
		{
			name: "the secret is marked for deletion",
			cause: func() error {
				_, err := secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &w.secret})
				return err
			},
			revert: func() error {
				_, err := secrets.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &w.secret})
				return err
			},
			want: [][3]string{{"secret", "fault", "restore-secret"}},
		},
		{
			name: "the secret is not JSON",
			cause: func() error {
				_, err := secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &w.secret, SecretString: aws.String(doctorToken)})
				return err
			},
			want: [][3]string{{"secret", "fault", "must be a JSON object"}},
		},
		{
			name:  "a wrong token",
			cause: func() error { return w.putSecret("xoxb-111122223333-another", doctorSigningSecret, doctorMailKey) },
			want:  [][3]string{{"Slack token", "fault", "invalid_auth"}},
		},
		{
			name:  "a wrong signing secret",
			cause: func() error { return w.putSecret(doctorToken, strings.Repeat("ab", 16), doctorMailKey) },
			want:  [][3]string{{"API signature", "fault", "has read a different one"}},
		},
		{
			name:  "no mail key",
			cause: func() error { return w.putSecret(doctorToken, doctorSigningSecret) },
			want:  [][3]string{{"secret", "fault", "mailKeys is empty"}},
		},
		{
			name: "a scope is missing",
			cause: func() error {
				w.serveSlack(newDoctorSlack(t, "usergroups:read"))
				return nil
			},
			revert: func() error { w.serveSlack(w.slack); return nil },
			want:   [][3]string{{"Slack scopes", "fault", "lacks usergroups:read"}, {"approvers", "could not check", "usergroups:read"}},
		},
		{
			name:   "a user group is gone",
			cause:  func() error { w.slack.AddUserGroup(slacktest.UserGroup{ID: "S0PLATFORM", Disabled: true}); return nil },
			revert: func() error { w.slack.AddUserGroup(platform); return nil },
			want:   [][3]string{{"approvers", "fault", "user group S0PLATFORM does not exist"}, {"approvers", "fault", "1 approval needed, but only 0 people can approve"}},
		},
		{
			name:   "Slack is down",
			cause:  func() error { w.slack.SetDown(true); return nil },
			revert: func() error { w.slack.SetDown(false); return nil },
			want:   [][3]string{{"Slack token", "could not check", "slack-status.com"}},
		},
		{
			name: "Slack's clock is wrong",
			cause: func() error {
				w.serveSlack(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					rw.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
					w.slack.ServeHTTP(rw, r)
				}))
				return nil
			},
			revert: func() error { w.serveSlack(w.slack); return nil },
			want:   [][3]string{{"clocks", "fault", "the clock of Slack is 10m"}},
		},
		{
			name: "the API accepts unsigned requests",
			cause: func() error {
				w.serveAPI(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				return nil
			},
			revert: func() error { w.serveAPI(w.bot()); return nil },
			want:   [][3]string{{"API", "fault", "accepts unsigned requests (200)"}},
		},
		{
			name: "the API does not answer",
			cause: func() error {
				w.serveAPI(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
				return nil
			},
			revert: func() error { w.serveAPI(w.bot()); return nil },
			want:   [][3]string{{"API", "fault", "does not answer"}},
		},
		{
			name:   "the bot is not in the channel",
			cause:  func() error { return w.slack.Remove("C0APPROVALS", "U0COUNTERSIGN") },
			revert: func() error { return w.slack.Invite("C0APPROVALS", "U0COUNTERSIGN") },
			want:   [][3]string{{"Slack channel", "fault", "/invite @countersign"}},
		},
		{
			name: "the sweep is disabled",
			cause: func() error {
				_, err := events.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: &rule})
				return err
			},
			revert: func() error {
				_, err := events.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: &rule})
				return err
			},
			want: [][3]string{{"sweep schedule", "fault", "events enable-rule --name " + rule}},
		},
		{
			name: "the notifier has no concurrency",
			cause: func() error {
				_, err := lambdas.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &notifier, ReservedConcurrentExecutions: aws.Int32(0)})
				return err
			},
			revert: func() error {
				_, err := lambdas.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &notifier})
				return err
			},
			want: [][3]string{{"notifier function", "fault", "lambda delete-function-concurrency"}},
		},
		{
			name:   "no point-in-time recovery",
			cause:  func() error { return w.setRecovery(false) },
			revert: func() error { return w.setRecovery(true) },
			want:   [][3]string{{"table", "warning", "update-continuous-backups"}},
		},
		{
			name: "a request past its deadline",
			cause: func() error {
				_, err := w.store().Create(ctx, handletest.Request(1, time.Now().Add(-24*time.Hour)))
				return err
			},
			revert: func() error { return w.emptyTable(table) },
			want: [][3]string{
				{"overdue requests", "fault", "past the deadline without a decision"},
				{"updates", "warning", "take effect without an approval: Analytics workbench"}, // its gate passes on neither Parameters nor Template
				{"products", "could not check", "servicecatalog:DescribeProductAsAdmin"},       // MiniStack cannot describe products
			},
		},
		{
			name: "a failed event",
			cause: func() error {
				_, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("{}")})
				return err
			},
			revert: func() error {
				_, err := queues.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &queue})
				return err
			},
			want: [][3]string{{"failure queue", "fault", "1 event"}},
		},
		{
			name:   "an alarm is in ALARM state",
			cause:  func() error { return setAlarm(cloudwatchtypes.StateValueAlarm) },
			revert: func() error { return setAlarm(cloudwatchtypes.StateValueOk) },
			want:   [][3]string{{"alarms", "fault", alarm + " is in ALARM"}},
		},
		{
			name: "a launch role without permission", flags: []string{"--launch-role", "bare-launch"},
			want: [][3]string{{"launch role", "fault", "put-role-policy --role-name bare-launch"}},
		},
		{
			name: "anyone may subscribe",
			cause: func() error {
				return w.setTopicPolicy(topics, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sns:Subscribe","Resource":"*"}]}`)
			},
			revert: func() error { return w.setTopicPolicy(topics, policy) },
			want:   [][3]string{{"mail topic policy", "fault", "anyone in AWS may subscribe"}},
		},
		// Faults that are not reverted come last.
		{
			name: "no mail subscribers",
			cause: func() error {
				list, err := topics.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
				if err != nil {
					return err
				}
				for _, s := range list.Subscriptions {
					if _, err := topics.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: s.SubscriptionArn}); err != nil {
						return err
					}
				}
				return nil
			},
			want: [][3]string{{"mail", "fault", "no subscribers"}},
		},
		{
			name: "the sweep's rule may not invoke the notifier",
			cause: func() error {
				statements, err := w.statements(lambdas, notifier, rule)
				for _, sid := range statements {
					if _, err := lambdas.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: &notifier, StatementId: &sid}); err != nil {
						return err
					}
				}
				return err
			},
			want: [][3]string{{"mail", "fault", ""}, {"sweep schedule", "fault", "may not invoke"}},
		},
		{
			name: "an index is gone",
			cause: func() error {
				_, err := tables.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &table, GlobalSecondaryIndexUpdates: []dynamodbtypes.GlobalSecondaryIndexUpdate{
					{Delete: &dynamodbtypes.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("Due")}},
				}})
				return err
			},
			want: [][3]string{{"mail", "fault", ""}, {"sweep schedule", "fault", ""}, {"table", "fault", "no index Due"}},
		},
		{
			name: "the table is gone",
			cause: func() error {
				if _, err := tables.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &table, DeletionProtectionEnabled: aws.Bool(false)}); err != nil {
					return err
				}
				_, err := tables.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &table})
				return err
			},
			want: [][3]string{{"mail", "fault", ""}, {"sweep schedule", "fault", ""}, {"table", "fault", "restore-table-from-backup"}},
		},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "-"), func(t *testing.T) {
			w.flags = test.flags
			if err := w.putSecret(doctorToken, doctorSigningSecret, doctorMailKey); err != nil {
				t.Fatal(err)
			}
			w.putHeartbeat(ctx, notifier)
			if test.cause != nil {
				if err := test.cause(); err != nil {
					t.Fatalf("couldn't cause the fault: %v", err)
				}
			}
			w.expectFindings(t, test.want)
			if test.revert != nil {
				if err := test.revert(); err != nil {
					t.Fatalf("couldn't revert the fault: %v", err)
				}
			}
		})
	}
}

func newDoctorFixture(t *testing.T) *doctorFixture {
	t.Helper()
	m := startMiniStack(t)
	w := &doctorFixture{t: t, origin: m.origin, program: filepath.Join(t.TempDir(), "countersign")}
	w.aws = aws.Config{
		Region: region, BaseEndpoint: &m.origin, RetryMaxAttempts: 3, HTTPClient: awsfix.HTTPClient(&http.Client{Timeout: 30 * time.Second}),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	build(t, w.program, "countersign/deploy/countersign")

	w.slack = newDoctorSlack(t, "")
	w.serveSlack(w.slack)
	w.slackOrigin = w.serve(&w.slackHandler)
	w.serveAPI(w.bot())
	w.deploy(w.serve(&w.api))
	if err := w.setRecovery(true); err != nil { // MiniStack ignores the template's setting
		t.Fatal(err)
	}
	w.createRole("bare-launch", "")
	w.createRole("good-launch", w.outputs["ServiceToken"])
	return w
}

var platform = slacktest.UserGroup{ID: "S0PLATFORM", Users: []string{"U0ANN", "U0BOB"}}

// newDoctorSlack returns a workspace in which the app has the manifest's scopes but one.
func newDoctorSlack(t *testing.T, without string) *slacktest.Workspace {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(testtools.Root(t), "deploy", "slack.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	scopes, err := doctor.ManifestScopes(string(manifest))
	if err != nil {
		t.Fatal(err)
	}
	scopes = slices.DeleteFunc(scopes, func(s string) bool { return s == without })
	s := slacktest.New(slacktest.Config{
		Now: time.Now, TeamID: "T0EXAMPLE", TeamName: "Example", AppID: "A0COUNTERSIGN", BotID: "B0COUNTERSIGN",
		BotUserID: "U0COUNTERSIGN", BotName: "countersign", BotToken: doctorToken, Scopes: scopes,
	})
	for _, id := range platform.Users {
		s.AddUser(slacktest.User{ID: id, Name: strings.ToLower(id[2:])})
	}
	s.AddUserGroup(platform)
	s.AddChannel(slacktest.Channel{ID: "C0APPROVALS", Name: "launch-approvals", Members: []string{"U0COUNTERSIGN", "U0ANN"}})
	return s
}

// bot returns the real bot, which holds doctorSigningSecret.
func (w *doctorFixture) bot() *bot.Bot {
	return &bot.Bot{
		Store: &handle.Memory{}, Now: time.Now, TeamID: "T0EXAMPLE", AppID: "A0COUNTERSIGN",
		Slack:          api.New(doctorToken, api.OptionAPIURL(w.slackOrigin+"/api/")),
		SigningSecrets: func(context.Context, bool) ([]string, error) { return []string{doctorSigningSecret}, nil },
		After:          func(context.Context, handle.Request, string) {},
	}
}

func (w *doctorFixture) serveSlack(h http.Handler) { w.slackHandler.Store(&h) }
func (w *doctorFixture) serveAPI(h http.Handler)   { w.api.Store(&h) }

// serve serves the handler that at currently holds.
func (w *doctorFixture) serve(at *atomic.Pointer[http.Handler]) (origin string) {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*at.Load()).ServeHTTP(rw, r) }))
	w.t.Cleanup(s.Close)
	return s.URL
}

// deploy creates a stack from the real template, with two changes: the functions do
// nothing, and the bot's URL may be on this machine.
func (w *doctorFixture) deploy(botURL string) {
	w.t.Helper()
	ctx := w.t.Context()
	secrets := secretsmanager.NewFromConfig(w.aws)
	secret, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(doctorStack), SecretString: aws.String("{}")})
	if err != nil {
		w.t.Fatalf("couldn't create the secret: %v", err)
	}
	w.secret = *secret.ARN

	b, err := os.ReadFile(filepath.Join(testtools.Root(w.t), "deploy", "template.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	template := string(b)
	for _, edit := range [][2]string{
		{"CodeUri: bot/", "CodeUri: s3://" + doctorStack + "/idle.zip"},
		{"CodeUri: notifier/", "CodeUri: s3://" + doctorStack + "/idle.zip"},
		{"CodeUri: hook/", "CodeUri: s3://" + doctorStack + "/idle.zip"},
		{"AllowedPattern: '(https://[A-Za-z0-9.-]+)?'", "AllowedPattern: '.*'"},
	} {
		if n := strings.Count(template, edit[0]); n != 1 {
			w.t.Fatalf("the template says %q %d times", edit[0], n)
		}
		template = strings.Replace(template, edit[0], edit[1], 1)
	}
	w.upload("/"+doctorStack, nil)
	w.upload("/"+doctorStack+"/idle.zip", w.idleZip())
	w.upload("/"+doctorStack+"/template.yaml", []byte(template)) // too large for a request

	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	var parameters []cloudformationtypes.Parameter
	for name, value := range map[string]string{
		"Name": doctorStack, "SecretArn": w.secret, "Url": botURL, "SlackApi": w.slackOrigin + "/api/", "SlackTeam": "T0EXAMPLE", "SlackApp": "A0COUNTERSIGN",
		"Channel": "C0APPROVALS", "Approvers": "S0PLATFORM", "MailAddress": "admins@example.com", "Architecture": architecture,
		"BotConcurrency": "none", "NotifierConcurrency": "none",
	} {
		parameters = append(parameters, cloudformationtypes.Parameter{ParameterKey: &name, ParameterValue: &value})
	}
	stacks := cloudformation.NewFromConfig(w.aws)
	if _, err := stacks.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String(doctorStack), TemplateURL: aws.String(w.origin + "/" + doctorStack + "/template.yaml"), Parameters: parameters,
		Capabilities: []cloudformationtypes.Capability{cloudformationtypes.CapabilityCapabilityIam, cloudformationtypes.CapabilityCapabilityAutoExpand},
	}); err != nil {
		w.t.Fatalf("couldn't create the stack: %v", err)
	}
	w.t.Cleanup(func() {
		_, _ = stacks.DeleteStack(context.Background(), &cloudformation.DeleteStackInput{StackName: aws.String(doctorStack)})
	})
	waiter := cloudformation.NewStackCreateCompleteWaiter(stacks, func(o *cloudformation.StackCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 300*time.Millisecond, time.Second
	})
	out, err := waiter.WaitForOutput(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(doctorStack)}, 2*time.Minute)
	if err != nil {
		w.t.Fatalf("the stack was not created: %v", err)
	}
	w.outputs = map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		w.outputs[*o.OutputKey] = *o.OutputValue
	}
}

func (w *doctorFixture) idleZip() []byte {
	w.t.Helper()
	folder := w.t.TempDir()
	source, program := filepath.Join(folder, "idle.go"), filepath.Join(folder, "bootstrap")
	if err := os.WriteFile(source, []byte(idleProgram), 0o600); err != nil {
		w.t.Fatal(err)
	}
	build(w.t, program, source)
	b, err := os.ReadFile(program)
	if err != nil {
		w.t.Fatal(err)
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	f, err := z.CreateHeader(header)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return buf.Bytes()
}

// upload creates a bucket or an object.
func (w *doctorFixture) upload(path string, body []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, w.origin+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.aws.HTTPClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("PUT %s: %s", path, res.Status)
	}
}

// topicPolicy returns the mail topic's policy.
func (w *doctorFixture) topicPolicy(topics *sns.Client) string {
	w.t.Helper()
	out, err := topics.GetTopicAttributes(w.t.Context(), &sns.GetTopicAttributesInput{TopicArn: aws.String(w.outputs["MailTopicArn"])})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Attributes["Policy"]
}

func (w *doctorFixture) setTopicPolicy(topics *sns.Client, policy string) error {
	_, err := topics.SetTopicAttributes(w.t.Context(), &sns.SetTopicAttributesInput{
		TopicArn: aws.String(w.outputs["MailTopicArn"]), AttributeName: aws.String("Policy"), AttributeValue: &policy,
	})
	return err
}

// setRecovery turns the table's point-in-time recovery on or off.
func (w *doctorFixture) setRecovery(on bool) error {
	_, err := dynamodb.NewFromConfig(w.aws).UpdateContinuousBackups(w.t.Context(), &dynamodb.UpdateContinuousBackupsInput{
		TableName: aws.String(w.outputs["TableName"]), PointInTimeRecoverySpecification: &dynamodbtypes.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: &on},
	})
	return err
}

// createRole creates a launch role that may invoke the function with ARN may, if set.
func (w *doctorFixture) createRole(name, may string) {
	w.t.Helper()
	roles := iam.NewFromConfig(w.aws)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"servicecatalog.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err := roles.CreateRole(w.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err != nil {
		w.t.Fatal(err)
	}
	if may == "" {
		return
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"%s"}]}`, may)
	if _, err := roles.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("launch"), PolicyDocument: &policy}); err != nil {
		w.t.Fatal(err)
	}
}

// putSecret writes the secret. The bot keeps doctorSigningSecret.
func (w *doctorFixture) putSecret(token, signing string, mailKeys ...string) error {
	b, err := json.Marshal(map[string]any{"slackToken": token, "signingSecrets": []string{signing}, "mailKeys": append([]string{}, mailKeys...)})
	if err != nil {
		return err
	}
	_, err = secretsmanager.NewFromConfig(w.aws).PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.secret, SecretString: aws.String(string(b))})
	return err
}

// putHeartbeat writes the sweep's metric, because MiniStack derives no metrics from
// logs.
func (w *doctorFixture) putHeartbeat(ctx context.Context, notifier string) {
	w.t.Helper()
	_, err := cloudwatch.NewFromConfig(w.aws).PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
		Namespace: aws.String("Countersign"),
		MetricData: []cloudwatchtypes.MetricDatum{{
			MetricName: aws.String("OldestPending"), Value: aws.Float64(0), Unit: cloudwatchtypes.StandardUnitSeconds, Timestamp: aws.Time(time.Now()),
			Dimensions: []cloudwatchtypes.Dimension{{Name: aws.String("FunctionName"), Value: &notifier}},
		}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *doctorFixture) store() *dynamo.Store {
	return dynamo.New(w.aws, awsfix.HTTPClient(&http.Client{Timeout: 10 * time.Second}), w.outputs["TableName"])
}

func (w *doctorFixture) emptyTable(table string) error {
	tables := dynamodb.NewFromConfig(w.aws)
	out, err := tables.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		return err
	}
	for _, item := range out.Items {
		key := map[string]dynamodbtypes.AttributeValue{"StackKey": item["StackKey"], "GateKey": item["GateKey"]}
		if _, err := tables.DeleteItem(w.t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
			return err
		}
	}
	return nil
}

func (w *doctorFixture) physicalID(logical string) string {
	w.t.Helper()
	out, err := cloudformation.NewFromConfig(w.aws).DescribeStackResource(w.t.Context(), &cloudformation.DescribeStackResourceInput{StackName: aws.String(doctorStack), LogicalResourceId: &logical})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.StackResourceDetail.PhysicalResourceId
}

// statements returns the IDs of the policy statements that let a rule invoke a
// function.
func (w *doctorFixture) statements(lambdas *lambda.Client, function, rule string) (sids []string, err error) {
	out, err := lambdas.GetPolicy(w.t.Context(), &lambda.GetPolicyInput{FunctionName: &function})
	if err != nil {
		return nil, err
	}
	var policy struct {
		Statement []struct {
			Sid       string
			Condition json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(*out.Policy), &policy); err != nil {
		return nil, err
	}
	for _, s := range policy.Statement {
		if strings.Contains(string(s.Condition), "/"+rule+`"`) {
			sids = append(sids, s.Sid)
		}
	}
	if len(sids) == 0 {
		return nil, fmt.Errorf("no statement of %s is about the rule %s", *out.Policy, rule)
	}
	return sids, nil
}

// healthy returns the expected findings of checks that found nothing wrong.
func healthy(names ...string) (list [][3]string) {
	for _, name := range names {
		list = append(list, [3]string{name, "ok", ""})
	}
	return list
}

type finding struct{ Name, Level, Found, Do, Needs string }

// expectFindings runs the doctor and compares its findings with want. Any other
// problem is an error.
func (w *doctorFixture) expectFindings(t *testing.T, want [][3]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.program, append([]string{"doctor", "--json", "--stack", doctorStack}, w.flags...)...)
	cmd.Env = environment(t.TempDir(), "AWS_ENDPOINT_URL="+w.origin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var report struct{ Findings []finding }
	if decoded := json.Unmarshal(stdout.Bytes(), &report); decoded != nil {
		t.Fatalf("the doctor's output is not JSON: %v, %v\n%s%s", err, decoded, stdout.String(), stderr.String())
	}
	status := 0
	for _, x := range want {
		switch {
		case x[1] == "fault":
			status = 1
		case x[1] == "could not check" && status == 0:
			status = 2
		}
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("exit status %d, want %d", got, status)
	}
	for _, secret := range []string{doctorToken, doctorSigningSecret, doctorMailKey, "X-Amz-"} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("the doctor prints the secret %q", secret)
		}
	}
	left := slices.Clone(want)
	for _, f := range report.Findings {
		i := slices.IndexFunc(left, func(x [3]string) bool {
			return x[0] == f.Name && x[1] == f.Level && strings.Contains(f.Found+"\n"+f.Do, x[2])
		})
		switch {
		case i >= 0:
			left = slices.Delete(left, i, i+1)
		case f.Level == "ok", f.Level == "skipped", f.Needs != "" && len(want) > 0:
		default:
			t.Errorf("unexpected: %s, %s: %s\n%s", f.Name, f.Level, f.Found, f.Do)
		}
	}
	for _, x := range left {
		t.Errorf("not found: %v", x)
	}
}
