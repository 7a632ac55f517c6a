package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/slack-go/slack"

	"countersign/bot"
	"countersign/bot/slacktest"
	"countersign/deploy"
	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
)

const (
	testToken   = "xoxb-111122223333-made-up-token"
	testSigning = "0123456789abcdef0123456789abcdef"
	oldSigning  = "fedcba9876543210fedcba9876543210"
	testMailKey = "a made-up key for the links in mails"

	mailTopicARN   = "arn:aws:sns:eu-west-1:111122223333:countersign-mail"
	launchTopicARN = "arn:aws:sns:eu-west-1:111122223333:countersign-launches"
	notifierARN    = "arn:aws:lambda:eu-west-1:111122223333:function:countersign-notifier"
	secretARN      = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:countersign-AbCdEf"

	appManifest = `{"oauth_config": {"scopes": {"bot": ["chat:write", "users:read", "users:read.email", "usergroups:read", "channels:read", "groups:read"]}}}`
)

var testScopes = []string{"chat:write", "users:read", "users:read.email", "usergroups:read", "channels:read", "groups:read"}

// fixture is a simulated deployment: an AWS account, a Slack workspace, and the real
// bot behind its API. It has no faults; tests inject them.
type fixture struct {
	t           testing.TB
	aws         *fakeAWS
	slack       *slacktest.Workspace
	slackServer *httptest.Server
	api         atomic.Pointer[http.Handler] // serves the API
	botSecrets  atomic.Pointer[[]string]     // the signing secrets that the bot has read
	botTime     func() time.Time

	command Command
	now     func() time.Time

	timeout     time.Duration // of the doctor's HTTP client
	slackConfig slacktest.Config
}

func newFixture(t testing.TB, change ...func(*slacktest.Config)) *fixture {
	t.Helper()
	p := &fixture{t: t, now: time.Now, botTime: time.Now, timeout: 5 * time.Second, command: Command{Stack: "countersign", Catalog: "countersign-catalog"}}
	p.slackConfig = slacktest.Config{
		Now: time.Now, TeamID: "T0EXAMPLE", TeamName: "Example", AppID: "A0COUNTERSIGN", BotID: "B0COUNTERSIGN",
		BotUserID: "U0COUNTERSIGN", BotName: "countersign", BotToken: testToken, Scopes: testScopes,
	}
	for _, f := range change {
		f(&p.slackConfig)
	}
	p.slack = slacktest.New(p.slackConfig)
	p.slackServer = serve(t, p.slack)
	for _, who := range []string{"Ann", "Bob", "Eve"} {
		p.slack.AddUser(slacktest.User{ID: "U0" + strings.ToUpper(who), Name: strings.ToLower(who), RealName: who + " Approver"})
	}
	p.slack.AddUserGroup(slacktest.UserGroup{ID: "S0PLATFORM", Handle: "platform", Users: []string{"U0ANN", "U0BOB"}})
	p.slack.AddChannel(slacktest.Channel{ID: "C0APPROVALS", Name: "launch-approvals", Members: []string{"U0COUNTERSIGN", "U0ANN", "U0BOB"}})

	p.setBotSecrets(testSigning)
	var handler http.Handler = p.bot()
	p.api.Store(&handler)
	apiServer := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.api.Load()).ServeHTTP(w, r) }))
	p.aws = healthy(t, p.slackServer.URL, apiServer.URL)
	return p
}

func serve(t testing.TB, h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// setBotSecrets sets the signing secrets that the bot has read.
func (p *fixture) setBotSecrets(secrets ...string) { p.botSecrets.Store(&secrets) }

// bot is the real bot. The doctor's probes do not reach its store.
func (p *fixture) bot() *bot.Bot {
	return &bot.Bot{
		Store: &handle.Memory{}, Now: func() time.Time { return p.botTime() },
		Slack: api.New(testToken, api.OptionAPIURL(p.slackServer.URL+"/api/")), TeamID: "T0EXAMPLE", AppID: "A0COUNTERSIGN",
		SigningSecrets: func(context.Context, bool) ([]string, error) { return *p.botSecrets.Load(), nil },
		After:          func(context.Context, handle.Request, string) {},
	}
}

// replaceBot serves the API with h instead of the bot.
func (p *fixture) replaceBot(h http.HandlerFunc) {
	var handler http.Handler = h
	p.api.Store(&handler)
}

func (p *fixture) secret(token string, signing, mail []string) {
	b, err := json.Marshal(map[string]any{"slackToken": token, "signingSecrets": signing, "mailKeys": mail})
	if err != nil {
		p.t.Fatal(err)
	}
	p.aws.secretText = string(b)
}

// doctor returns a doctor for the fixture.
func (p *fixture) doctor() *doctor {
	clocks := &clocks{now: p.now}
	client := &http.Client{Timeout: p.timeout, Transport: clocks.transport(http.DefaultTransport)}
	server := serve(p.t, p.aws)
	config := aws.Config{
		Region: "eu-west-1", HTTPClient: client, BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "example", ""),
	}
	return &doctor{Command: p.command, aws: newClients(awsconfig.Account{Config: config, Client: client}), region: "eu-west-1", client: client, clocks: clocks, now: p.now}
}

func healthy(t testing.TB, slackURL, apiURL string) *fakeAWS {
	env := map[string]string{
		"COUNTERSIGN_ACCOUNT": "111122223333", envTable: "countersign", envSecret: secretARN, envTopic: mailTopicARN, envURL: apiURL,
		envTeam: "T0EXAMPLE", envApp: "A0COUNTERSIGN", envSlackAPI: slackURL + "/api/",
		envChannel: "C0APPROVALS", envApprovers: "S0PLATFORM,U0EVE", envApprovals: "1",
	}
	function := func(name string) *fakeFunction {
		own := map[string]string{}
		for k, v := range env {
			own[k] = v
		}
		return &fakeFunction{env: own, config: map[string]any{
			"FunctionName": name, "FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:" + name,
			"Runtime": "provided.al2023", "State": "Active", "LastUpdateStatus": "Successful", "LastModified": "2026-11-20T10:02:03.000+0000",
			"LoggingConfig": map[string]string{"LogFormat": "JSON", "LogGroup": "log-of-" + name},
		}}
	}
	notifier := function("countersign-notifier")
	notifier.policy = fmt.Sprintf(`{"Version":"2012-10-17","Statement":[%s,%s]}`, permission("countersign-sweep"), permission("countersign-status"))
	own := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"own","Effect":"Allow","Principal":{"AWS":"*"},"Action":["sns:Subscribe","sns:Publish"],"Resource":"%s","Condition":{"StringEquals":{"AWS:SourceOwner":"111122223333"}}}]}`, mailTopicARN)
	org := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sns:Publish","Resource":"%s","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-example"}}}]}`, launchTopicARN)
	a := &fakeAWS{
		t: t, stackName: "countersign", stackStatus: "CREATE_COMPLETE",
		outputs: map[string]string{
			"BotFunctionName": "countersign-bot", "NotifierFunctionName": "countersign-notifier",
			"BotUrl": apiURL, "SlackRequestUrl": apiURL + "/slack/interactivity", "TableName": "countersign",
			"ServiceToken": notifierARN, "ServiceTokenForOtherAccounts": launchTopicARN, "MailTopicArn": mailTopicARN,
			"FailureQueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/countersign-failures",
			"SlackManifest":   appManifest,
		},
		resources: []resource{
			{"AWS::Events::Rule", "NotifierSweep", "countersign-sweep"},
			{"AWS::Events::Rule", "NotifierStatus", "countersign-status"},
			{"AWS::CloudWatch::Alarm", "FailedAlarm", "countersign-failed"},
			{"AWS::CloudWatch::Alarm", "BypassAlarm", "countersign-bypass"},
		},
		catalog: []resource{
			{"AWS::IAM::Role", "LaunchRole", "CountersignLaunch"}, {"AWS::ServiceCatalog::CloudFormationProduct", "Product", "prod-queue"},
		},
		products:      map[string][]fakeVersion{"prod-queue": {{"1", "Resources: {Q: {Type: AWS::SQS::Queue}}", true}, {"2", string(deploy.Product), false}}},
		functions:     map[string]*fakeFunction{"countersign-bot": function("countersign-bot"), "countersign-notifier": notifier},
		secretChanged: time.Now().Add(-10 * 24 * time.Hour),
		table:         tableDescription("countersign"), backups: "ENABLED",
		topics: map[string]*fakeTopic{
			mailTopicARN:   {false, own, [][2]string{{"admins@example.com", mailTopicARN + ":1"}}},
			launchTopicARN: {false, org, [][2]string{{notifierARN, launchTopicARN + ":1"}}},
		},
		rules: map[string]*fakeRule{
			"countersign-sweep":  {"ENABLED", "rate(1 minute)", "", []string{notifierARN}},
			"countersign-status": {"ENABLED", "", `{"source":["aws.cloudformation"]}`, []string{notifierARN}},
		},
		heartbeat: time.Now().Add(-time.Minute),
		alarms: []map[string]any{
			{"AlarmName": "countersign-failed", "StateValue": "OK", "ActionsEnabled": true, "AlarmActions": []string{"arn:aws:sns:eu-west-1:111122223333:ops"}},
			{"AlarmName": "countersign-bypass", "StateValue": "INSUFFICIENT_DATA", "ActionsEnabled": true, "AlarmActions": []string{"arn:aws:sns:eu-west-1:111122223333:ops"}},
		},
		roles: map[string]string{"CountersignLaunch": "allowed", "BareLaunch": "implicitDeny"},
	}
	b, _ := json.Marshal(map[string]any{"slackToken": testToken, "signingSecrets": []string{testSigning}, "mailKeys": []string{testMailKey}})
	a.secretText = string(b)
	return a
}

func permission(rule string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"%s","Condition":{"ArnLike":{"AWS:SourceArn":"%s"}}}`, notifierARN, ruleARN(rule))
}

// hang reads a request and never responds.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client has gone
	<-r.Context().Done()
}
