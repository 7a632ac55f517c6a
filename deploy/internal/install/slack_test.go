package install

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy"
	"countersign/deploy/internal/doctor"
)

const (
	token   = "xoxb-example-token"
	signing = "0123456789abcdef0123456789abcdef"
	mailKey = "example key for the links in mails"
)

// withSlack gives i a simulated workspace with the channels #launches, which the app is
// in, and #other, which it is not.
func withSlack(t *testing.T, i *installer) {
	t.Helper()
	scopes, err := doctor.ManifestScopes(string(deploy.SlackManifest))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	w := slacktest.New(slacktest.Config{
		Now: time.Now, TeamID: "T0EXAMPLE", TeamName: "Example", Domain: "example", AppID: "A0COUNTERSIGN", BotID: "B0COUNTERSIGN", BotUserID: "U0BOT",
		BotName: "countersign", BotToken: token, Scopes: scopes, Origin: origin, SigningSecret: signing, Client: http.DefaultClient,
	})
	w.AddUser(slacktest.User{ID: "U0ANN", Name: "ann", RealName: "Ann Approver", Email: "ann@example.com"})
	w.AddChannel(slacktest.Channel{ID: "C0LAUNCHES", Name: "launches", Members: []string{"U0BOT", "U0ANN"}})
	w.AddChannel(slacktest.Channel{ID: "C0OTHER", Name: "other", Members: []string{"U0ANN"}})
	server.Config.Handler = w
	server.Start()
	t.Cleanup(server.Close)
	i.values["SlackApi"], i.values["SlackTeam"], i.values["SecretArn"] = origin+"/api/", "T0EXAMPLE", "arn:secret"
	i.values["Channel"], i.values["Approvers"] = "#launches", "U0ANN"
}

// secretWith is the answer with the secret as it is before the app exists, or after.
func secretWith(token string) answer {
	signingSecrets := `[]`
	if token != "" {
		signingSecrets = `[\"` + signing + `\"]`
	}
	return answer{body: `{"SecretString": "{\"slackToken\": \"` + token + `\", \"signingSecrets\": ` + signingSecrets + `, \"mailKeys\": [\"` + mailKey + `\"]}"}`}
}

// Token and signing secret are checked, stored beside the mail keys, and never printed.
func TestCredentialsAreStored(t *testing.T) {
	f := newAWS(t, map[string][]answer{"secretsmanager:GetSecretValue": {secretWith("")}, "secretsmanager:PutSecretValue": {{body: `{}`}}})
	i, out := newTest(t, "xoxp-user", "xoxb-wrong", token, "client secret", signing)
	withSlack(t, i)
	i.stack.outputs = map[string]string{"SlackManifest": `{"a b": 1}`}
	if err := i.connectSlack(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	stored := f.bodies["secretsmanager:PutSecretValue"]
	for _, want := range []string{token, signing, mailKey} {
		if !strings.Contains(stored, want) {
			t.Errorf("the secret lacks %q: %s", want, stored)
		}
		if strings.Contains(out.String(), want) {
			t.Errorf("%q is printed:\n%s", want, out)
		}
	}
	for _, want := range []string{"manifest_json=" + url.PathEscape(`{"a b"`), "a bot token begins with xoxb-", "the token is refused by Slack (invalid_auth)", "32 hexadecimal digits"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
}

// An installation that has its credentials asks for nothing, and a pipeline without them
// is told what to do.
func TestCredentialsAreAskedForOnce(t *testing.T) {
	newAWS(t, map[string][]answer{"secretsmanager:GetSecretValue": {secretWith(token), secretWith("")}})
	i, out := newTest(t)
	withSlack(t, i)
	if err := i.connectSlack(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	i.token = ""
	expectError(t, i.connectSlack(t.Context()), "SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET", "https://api.slack.com/apps?new_app=1")
}

// A channel or an approver that Slack does not know is asked for again, and the stack
// gets the new one.
func TestWrongChannelAndApproverAreAskedAgain(t *testing.T) {
	f := newAWS(t, map[string][]answer{
		"secretsmanager:GetSecretValue":      {secretWith(token)},
		headBucket:                           {{}},
		"cloudformation:CreateChangeSet":     {{body: `<CreateChangeSetResponse><CreateChangeSetResult><Id>arn:set</Id><StackId>` + stackID + `</StackId></CreateChangeSetResult></CreateChangeSetResponse>`}},
		"cloudformation:DescribeChangeSet":   {{body: `<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_COMPLETE</Status><Changes><member/></Changes></DescribeChangeSetResult></DescribeChangeSetResponse>`}},
		"cloudformation:ExecuteChangeSet":    {{body: `<ExecuteChangeSetResponse><ExecuteChangeSetResult/></ExecuteChangeSetResponse>`}},
		"cloudformation:DescribeStacks":      {stackIn("UPDATE_COMPLETE")},
		"cloudformation:DescribeStackEvents": {eventList(), eventList(event("1", "NotifierFunction", "UPDATE_COMPLETE", ""))},
	})
	i, out := newTest(t, "#other", "#launches", "U0NOBODY", "U0ANN")
	for _, o := range append(i.release.objects, i.release.templateObject()) {
		sum := sha256.Sum256(o.content)
		f.answers[headBucket+"/"+o.key] = []answer{{header: http.Header{"X-Amz-Checksum-Sha256": {base64.StdEncoding.EncodeToString(sum[:])}}}}
	}
	withSlack(t, i)
	i.values["Channel"], i.values["Approvers"] = "#nowhere", "U0STRANGER"
	i.stack = stack{id: stackID, status: "CREATE_COMPLETE"}
	if err := i.connectSlack(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"no public channel #nowhere", "not in the channel #other", "U0STRANGER: user_not_found", "U0NOBODY: user_not_found"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	form, err := url.ParseQuery(f.bodies["cloudformation:CreateChangeSet"])
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]string{}
	for key := range form {
		if n, ok := strings.CutSuffix(key, ".ParameterKey"); ok {
			sent[form.Get(key)] = form.Get(n + ".ParameterValue")
		}
	}
	if sent["Channel"] != "#launches" || sent["Approvers"] != "U0ANN" || form.Get("ChangeSetType") != "UPDATE" {
		t.Errorf("the change set is %v", form)
	}
}
