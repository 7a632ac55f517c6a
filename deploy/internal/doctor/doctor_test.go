package doctor

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
	"countersign/deploy"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
	"countersign/handle/handletest"
)

func TestHealthyDeploymentHasNoFindings(t *testing.T) {
	p := newFixture(t)
	r := p.checkAll()
	p.want(r)
	if r.status() != statusOK {
		t.Error("a healthy deployment has faults")
	}
	if n := len(r.Findings); n < 20 {
		t.Errorf("only %d findings", n)
	}
}

func (p *fixture) checkAll() Report {
	p.t.Helper()
	r := p.doctor().checkAll(p.t.Context())
	p.readsOnly()
	for _, f := range r.Findings {
		for _, value := range []string{testToken, testSigning, oldSigning, testMailKey, "X-Amz-Signature", "otherwise-secret"} {
			if strings.Contains(f.Found+f.Do, value) {
				p.t.Errorf("%s prints a secret: %s %s", f.Name, f.Found, f.Do)
			}
		}
	}
	return r
}

// readsOnly fails the test on calls that could change something.
func (p *fixture) readsOnly() {
	p.t.Helper()
	reads := []string{":Get", ":Describe", ":List", ":Query", ":BatchGet", ":Simulate"}
	for _, call := range p.aws.calls {
		if !slices.ContainsFunc(reads, func(verb string) bool { return strings.Contains(call, verb) }) {
			p.t.Errorf("the doctor called %s", call)
		}
	}
	for method := range p.slack.Counts() {
		if strings.HasPrefix(method, "chat.") && !p.command.SayHello {
			p.t.Errorf("the doctor called %s", method)
		}
	}
}

// expectation is the finding that an injected fault must cause.
type expectation struct {
	name  string
	level Level
	found string // a part of it
	do    string // a part of it
}

// want checks that r has exactly the findings in list, besides OK, skipped, and
// checks that are blocked by a finding in list.
func (p *fixture) want(r Report, list ...expectation) {
	p.t.Helper()
	left := slices.Clone(list)
	blocked := map[string]bool{}
	for _, w := range list {
		blocked[w.name] = true
	}
	for range r.Findings { // transitively
		for _, f := range r.Findings {
			if blocked[f.Needs] {
				blocked[f.Name] = true
			}
		}
	}
	for _, f := range r.Findings {
		i := slices.IndexFunc(left, func(w expectation) bool {
			return w.name == f.Name && w.level == f.Level && strings.Contains(f.Found, w.found) && strings.Contains(f.Do, w.do)
		})
		switch {
		case i >= 0:
			left = slices.Delete(left, i, i+1)
		case f.Level == OK, f.Level == Skipped, f.Needs != "" && blocked[f.Needs]:
		default:
			p.t.Errorf("unexpected: %s, %s: %s\n%s", f.Name, f.Level, f.Found, f.Do)
		}
		if f.Level != OK && f.Level != Skipped && f.Needs == "" && f.Do == "" {
			p.t.Errorf("%s, %s: %s: no advice", f.Name, f.Level, f.Found)
		}
	}
	for _, w := range left {
		p.t.Errorf("not found: %s, %s: …%s… → …%s…", w.name, w.level, w.found, w.do)
		for _, f := range r.Findings {
			if f.Name == w.name {
				p.t.Logf("instead: %s: %s\n%s", f.Level, f.Found, f.Do)
			}
		}
	}
}

// Each injected fault causes its findings, with advice, and no others.
func TestEachFaultIsFound(t *testing.T) {
	const hour = time.Hour
	env := func(name, value string) func(*fixture) {
		return func(p *fixture) {
			for _, f := range p.aws.functions {
				f.env[name] = value
			}
		}
	}
	fails := func(method, code string) func(*fixture) {
		return func(p *fixture) {
			p.slack.SetFault(func(m string, _ url.Values) *slacktest.Fault {
				if m == method {
					return &slacktest.Fault{Error: code}
				}
				return nil
			})
		}
	}
	bot := func(p *fixture) *fakeFunction { return p.aws.functions["countersign-bot"] }
	notifier := func(p *fixture) *fakeFunction { return p.aws.functions["countersign-notifier"] }
	channel := func(c slacktest.Channel) func(*fixture) {
		return func(p *fixture) {
			c.ID, c.Name = "C0APPROVALS", "launch-approvals"
			p.slack.AddChannel(c)
		}
	}
	inIt := []string{"U0COUNTERSIGN", "U0ANN"}

	for _, test := range []struct {
		name   string
		inject func(*fixture)
		want   []expectation
	}{
		// The stack.
		{"no stack", func(p *fixture) { p.aws.stackStatus = "" }, []expectation{{"stack", Fault, "stack countersign does not exist in eu-west-1", "list-stacks"}}},
		{"a different stack", func(p *fixture) { delete(p.aws.outputs, "SlackRequestUrl") }, []expectation{{"stack", Fault, "no output SlackRequestUrl", "--stack"}}},
		{"rolled back", func(p *fixture) { p.aws.stackStatus = "ROLLBACK_COMPLETE" }, []expectation{{"stack", Fault, "ROLLBACK_COMPLETE", "describe-stack-events"}}},
		{"failed update", func(p *fixture) { p.aws.stackStatus = "UPDATE_ROLLBACK_FAILED" }, []expectation{{"stack", Fault, "a test reason", "describe-stack-events"}}},
		{"update rolled back", func(p *fixture) { p.aws.stackStatus = "UPDATE_ROLLBACK_COMPLETE" }, []expectation{{"stack", Warning, "rolled back", "previous version"}}},
		{"being updated", func(p *fixture) { p.aws.stackStatus = "UPDATE_IN_PROGRESS" }, []expectation{{"stack", Warning, "operation is running", "Wait"}}},

		// The functions.
		{"no bot", func(p *fixture) { delete(p.aws.functions, "countersign-bot") }, []expectation{{"bot function", Fault, "countersign-bot does not exist", "drift-aware"}}},
		{"no notifier", func(p *fixture) { delete(p.aws.functions, "countersign-notifier") }, []expectation{{"notifier function", Fault, "countersign-notifier does not exist", "drift-aware"}}},
		{"bot failed", func(p *fixture) { bot(p).config["State"] = "Failed" }, []expectation{{"bot function", Fault, "has failed", "sam deploy"}}},
		{"update failed", func(p *fixture) { notifier(p).config["LastUpdateStatus"] = "Failed" }, []expectation{{"notifier function", Fault, "update of countersign-notifier failed", "sam deploy"}}},
		{"old runtime", func(p *fixture) { bot(p).config["Runtime"] = "provided.al2" }, []expectation{{"bot function", Fault, "provided.al2", "provided.al2023"}}},
		{"metrics not logged", func(p *fixture) {
			notifier(p).config["LoggingConfig"] = map[string]string{"LogFormat": "JSON", "LogGroup": "log-of-countersign-notifier", "ApplicationLogLevel": "WARN"}
		}, []expectation{{"notifier function", Fault, "logs at level WARN and above: its metrics", "ApplicationLogLevel=INFO,LogGroup=log-of-countersign-notifier"}}},
		{"everything logged", func(p *fixture) {
			notifier(p).config["LoggingConfig"] = map[string]string{"LogFormat": "JSON", "LogGroup": "log-of-countersign-notifier", "ApplicationLogLevel": "DEBUG"}
		}, nil},
		{"disabled", func(p *fixture) { notifier(p).concurrency = new(int) }, []expectation{{"notifier function", Fault, "disabled", "delete-function-concurrency"}}},
		{"environment cannot be decrypted", func(p *fixture) { notifier(p).env = nil }, []expectation{{"notifier function", Fault, "KMSAccessDenied", "KMS key"}}},
		{"no team", env(envTeam, ""), []expectation{{"bot function settings", Fault, envTeam, "sam deploy"}}},
		{"no table configured", env(envTable, ""), []expectation{{"bot function settings", Fault, envTable, "sam deploy"}, {"notifier function settings", Fault, envTable, "sam deploy"}}},
		{"no url", func(p *fixture) { notifier(p).env[envURL] = "" }, []expectation{{"notifier function settings", Fault, envURL, "sam deploy"}}},
		{"neither Slack nor mail", func(p *fixture) {
			env(envChannel, "")(p)
			env(envTopic, "")(p)
		}, []expectation{{"mail", Fault, "neither Slack nor mail is configured", "sam deploy"}}},

		// The table.
		{"no table", func(p *fixture) { p.aws.table = nil }, []expectation{{"table", Fault, "table countersign does not exist", "restore-table-from-backup"}}},
		{"two tables", func(p *fixture) { bot(p).env[envTable], p.aws.table["TableName"] = "other", "other" }, []expectation{{"table", Fault, "other", "sam deploy"}}},
		{"wrong keys", func(p *fixture) {
			p.aws.table["KeySchema"] = []map[string]string{{"AttributeName": "StackKey", "KeyType": "HASH"}}
		}, []expectation{{"table", Fault, "its keys are StackKey, not StackKey, GateKey", "sam deploy"}}},
		{"no index", func(p *fixture) { p.aws.table["GlobalSecondaryIndexes"] = nil }, []expectation{{"table", Fault, "no index Due", "sam deploy"}}},
		{"no index of grants, as before an upgrade", func(p *fixture) {
			p.aws.table["GlobalSecondaryIndexes"] = p.aws.table["GlobalSecondaryIndexes"].([]any)[:2]
		}, []expectation{{"table", Fault, "no index Grants", "sam deploy"}}},
		{"no index of open requests, as before an upgrade", func(p *fixture) {
			p.aws.table["GlobalSecondaryIndexes"] = p.aws.table["GlobalSecondaryIndexes"].([]any)[:3]
		}, []expectation{{"table", Fault, "no index Open", "sam deploy"}}},
		{"index being created", func(p *fixture) {
			p.aws.table["GlobalSecondaryIndexes"].([]any)[1].(map[string]any)["IndexStatus"] = "CREATING"
		}, []expectation{{"table", Fault, "index Created is CREATING", "sam deploy"}}},
		{"table inaccessible", func(p *fixture) { p.aws.table["TableStatus"] = "INACCESSIBLE_ENCRYPTION_CREDENTIALS" }, []expectation{{"table", Fault, "INACCESSIBLE_ENCRYPTION_CREDENTIALS", ""}}},
		{"no recovery", func(p *fixture) { p.aws.backups = "DISABLED" }, []expectation{{"table", Warning, "point-in-time", "update-continuous-backups"}}},
		{"no protection", func(p *fixture) { p.aws.table["DeletionProtectionEnabled"] = false }, []expectation{{"table", Warning, "deletion protection", "update-table"}}},

		// The secret.
		{"no secret", func(p *fixture) { p.aws.secretGone = true }, []expectation{{"secret", Fault, "does not exist or has no value", "Create it"}}},
		{"no JSON", func(p *fixture) { p.aws.secretText = testToken }, []expectation{{"secret", Fault, "must be a JSON object", "Edit"}}},
		{"misspelled", func(p *fixture) {
			p.aws.secretText = strings.Replace(p.aws.secretText, "slackToken", "slack_token", 1)
		}, []expectation{{"secret", Fault, "a name that resembles slackToken is unknown", "Edit"}, {"secret", Fault, "slackToken is empty", ""}}},
		{"a string for a list", func(p *fixture) {
			p.aws.secretText = `{"slackToken": "` + testToken + `", "signingSecrets": "` + testSigning + `", "mailKeys": ["` + testMailKey + `"]}`
		}, []expectation{{"secret", Fault, "signingSecrets must be a list", ""}}},
		{"no token", func(p *fixture) { p.secret("", []string{testSigning}, []string{testMailKey}) }, []expectation{{"secret", Fault, "slackToken is empty", "Bot User OAuth Token"}}},
		{"a user's token", func(p *fixture) { p.secret("xoxp-otherwise-secret", []string{testSigning}, []string{testMailKey}) },
			[]expectation{{"secret", Fault, "begins with xoxb-", "Bot User OAuth Token"}, {"Slack token", Fault, "invalid_auth", "Reinstall"}}},
		{"a rotated token", func(p *fixture) {
			p.secret("xoxe.xoxb-otherwise-secret", []string{testSigning}, []string{testMailKey})
		}, []expectation{{"secret", Fault, "begins with xoxb-", ""}, {"secret", Fault, "expires within 12 hours", "create a new app"}, {"Slack token", Fault, "invalid_auth", "Reinstall"}}},
		{"no signing secret", func(p *fixture) { p.secret(testToken, []string{}, []string{testMailKey}); p.setBotSecrets() }, []expectation{{"secret", Fault, "signingSecrets is empty", "Basic Information"}}},
		{"a client secret", func(p *fixture) { p.secret(testToken, []string{"otherwise-secret"}, []string{testMailKey}) },
			[]expectation{{"secret", Fault, "entry 1 of signingSecrets", "not the Client Secret"}, {"API signature", Fault, "401", "run the doctor again"}}},
		{"trailing space", func(p *fixture) { p.secret(testToken, []string{testSigning + " "}, []string{testMailKey}) },
			[]expectation{{"secret", Fault, "begin or end with a space", "Edit"}, {"API signature", Fault, "401", ""}}},
		{"no mail key", func(p *fixture) { p.secret(testToken, []string{testSigning}, []string{}) }, []expectation{{"secret", Fault, "mailKeys is empty", "openssl rand"}}},
		{"a short mail key", func(p *fixture) { p.secret(testToken, []string{testSigning}, []string{"otherwise-secret"}) }, []expectation{{"secret", Fault, "mail key 1 must have", "openssl rand"}}},
		{"an old signing secret", func(p *fixture) { p.secret(testToken, []string{testSigning, oldSigning}, []string{testMailKey}) }, []expectation{{"secret", Warning, "signingSecrets has had 2 entries for 10 days", "all but the first"}}},
		{"one mail key twice", func(p *fixture) { p.secret(testToken, []string{testSigning}, []string{testMailKey, testMailKey}) }, []expectation{{"secret", Warning, "mailKeys holds the same entry twice", "Remove one"}}},
		{"two secrets", func(p *fixture) { notifier(p).env[envSecret] = secretARN + "2" }, []expectation{{"secret", Fault, "different secrets", "sam deploy"}}},

		// Slack.
		{"token revoked", fails("auth.test", "token_revoked"), []expectation{{"Slack token", Fault, "token_revoked", "Reinstall"}}},
		{"bot removed", fails("auth.test", "account_inactive"), []expectation{{"Slack token", Fault, "account_inactive", "Reinstall"}}},
		{"Slack down", func(p *fixture) { p.slack.SetDown(true) }, []expectation{{"Slack token", Unchecked, "503", "slack-status.com"}}},
		{"a different workspace", func(p *fixture) { env(envTeam, "T0OTHER")(p) }, []expectation{{"Slack token", Fault, "T0OTHER", "sam deploy"}}},
		{"a different app", env(envApp, "A0OTHER"), []expectation{{"Slack app", Fault, "A0OTHER", "App ID"}}},
		{"token sent unencrypted", env(envSlackAPI, "http://slack.example.com/api/"), []expectation{{"bot function settings", Fault, envSlackAPI, ""}, {"notifier function settings", Fault, envSlackAPI, ""}, {"Slack token", Fault, "unencrypted", "sam deploy"}}},
		{"bot not in the channel", channel(slacktest.Channel{Members: []string{"U0ANN"}}), []expectation{{"Slack channel", Fault, "not a member of #launch-approvals", "/invite @countersign"}}},
		{"private channel without the bot", channel(slacktest.Channel{Private: true, Members: []string{"U0ANN"}}), []expectation{{"Slack channel", Fault, "private and the bot is not a member", "/invite @countersign"}}},
		{"no such channel", env(envChannel, "C0NOWHERE"), []expectation{{"Slack channel", Fault, "C0NOWHERE does not exist", "Channel ID"}}},
		{"no such name", env(envChannel, "#nowhere"), []expectation{{"Slack channel", Fault, "cannot find #nowhere", "/invite"}}},
		{"by name", env(envChannel, "#launch-approvals"), nil},
		{"archived", channel(slacktest.Channel{Archived: true, Members: inIt}), []expectation{{"Slack channel", Fault, "archived", "Unarchive"}}},
		{"shared", channel(slacktest.Channel{ExtShared: true, Members: inIt}), []expectation{{"Slack channel", Warning, "another organization", "internal channel"}}},

		// Approvers.
		{"no approvers", env(envApprovers, ""), []expectation{{"approvers", Warning, "none configured", "Approvers"}}},
		{"a name", env(envApprovers, "@ann,S0PLATFORM,U0EVE"), []expectation{{"bot function settings", Fault, envApprovers, ""}, {"notifier function settings", Fault, envApprovers, "sam deploy"}}},
		{"a name given", func(p *fixture) { p.command.Approvers = []string{"@ann", "S0PLATFORM"} }, []expectation{{"approvers", Fault, `"@ann" is not a Slack user ID`, "Copy member ID"}}},
		{"no such user", env(envApprovers, "U0UNKNOWN,S0PLATFORM"), []expectation{{"approvers", Fault, "U0UNKNOWN cannot approve: no such user", "Approvers"}}},
		{"no such user or group to escalate or reassign to", func(p *fixture) {
			notifier(p).env["COUNTERSIGN_ESCALATE_AFTER"], notifier(p).env[envEscalateTo], notifier(p).env[envReassignTo] = "4h", "U0UNKNOWN, U0EVE", "S0NONE,S0PLATFORM"
		}, []expectation{{"approvers", Fault, "S0NONE does not exist or is disabled, so requests can't be escalated or reassigned to it", "ReassignTo"},
			{"approvers", Fault, "requests can be escalated or reassigned to U0UNKNOWN, who cannot approve: no such user", "EscalateTo"}}},
		{"deactivated", func(p *fixture) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", Deleted: true}) }, []expectation{{"approvers", Fault, "deactivated", "Approvers"}}},
		{"a guest", func(p *fixture) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", Restricted: true}) }, []expectation{{"approvers", Fault, "a guest", "Approvers"}}},
		{"a bot", func(p *fixture) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", Bot: true}) }, []expectation{{"approvers", Fault, "a bot", "Approvers"}}},
		{"a member of a different workspace", func(p *fixture) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", TeamID: "T0ELSEWHERE"}) }, []expectation{{"approvers", Fault, "in a different workspace", "Approvers"}}},
		{"a guest in the group", func(p *fixture) { p.slack.AddUser(slacktest.User{ID: "U0BOB", Name: "bob", Restricted: true}) }, []expectation{{"approvers", Warning, "bob (U0BOB): a guest", "User groups"}}},
		{"an empty group", func(p *fixture) { p.slack.AddUserGroup(slacktest.UserGroup{ID: "S0PLATFORM"}) },
			[]expectation{{"approvers", Fault, "S0PLATFORM has no members", "User groups"}, {"approvers", Warning, "1 approval needed, and just 1 person can approve", ""}}},
		{"a disabled group", func(p *fixture) {
			p.slack.AddUserGroup(slacktest.UserGroup{ID: "S0PLATFORM", Users: inIt, Disabled: true})
		},
			[]expectation{{"approvers", Fault, "user group S0PLATFORM does not exist or is disabled", "User groups"}, {"approvers", Warning, "can approve: while one is away", ""}}},
		{"too few", env(envApprovals, "4"), []expectation{{"approvers", Fault, "4 approvals needed, but only 3 people can approve", ""}}},
		{"exactly enough", env(envApprovals, "3"), []expectation{{"approvers", Warning, "3 approvals needed, and just 3 people can approve", ""}}},
		{"no number", env(envApprovals, "two"), []expectation{{"bot function settings", Fault, envApprovals, "sam deploy"}, {"notifier function settings", Fault, envApprovals, "sam deploy"}}},

		// The API.
		{"API gone", func(p *fixture) { p.replaceBot(http.NotFound) }, []expectation{{"API", Fault, "404", "logs tail log-of-countersign-bot"}}},
		{"API fails", func(p *fixture) { p.replaceBot(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }) }, []expectation{{"API", Fault, "502", "logs tail"}}},
		{"API closes connections", func(p *fixture) {
			p.replaceBot(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, []expectation{{"API", Fault, "does not answer", "network"}}},
		{"API accepts unsigned requests", func(p *fixture) { p.replaceBot(func(http.ResponseWriter, *http.Request) {}) }, []expectation{{"API", Fault, "accepts unsigned requests (200)", "sam deploy"}}},
		{"API forbids everything", func(p *fixture) { p.replaceBot(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }) }, []expectation{{"API signature", Fault, "403", "lambda:InvokeFunctionUrl"}}},
		{"API without https", func(p *fixture) {
			p.aws.outputs["SlackRequestUrl"] = "http://bot.example.com/slack/interactivity"
		}, []expectation{{"API", Fault, "not an https URL", ""}}},
		{"bot has a different signing secret", func(p *fixture) { p.setBotSecrets(oldSigning) }, []expectation{{"API signature", Fault, "has read a different one", "rereads the secret"}}},
		{"replays", func(p *fixture) {
			p.replaceBot(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Slack-Signature") == "" {
					w.WriteHeader(401)
				}
			})
		}, []expectation{{"API signature", Fault, "ten minutes ago", "sam deploy"}}},

		// Mail.
		{"not confirmed", func(p *fixture) {
			p.aws.topics[mailTopicARN].subscriptions[0][1] = "PendingConfirmation"
		}, []expectation{{"mail", Fault, "admins@example.com has not confirmed", "sns subscribe"}}},
		{"one not confirmed", func(p *fixture) {
			topic := p.aws.topics[mailTopicARN]
			topic.subscriptions = append(topic.subscriptions, [2]string{"late@example.com", "PendingConfirmation"})
		}, []expectation{{"mail", Warning, "late@example.com has not confirmed", "late@example.com"}}},
		{"unsubscribed", func(p *fixture) { p.aws.topics[mailTopicARN].subscriptions = nil }, []expectation{{"mail", Fault, "no subscribers", "sns subscribe"}}},
		{"no topic", func(p *fixture) { delete(p.aws.topics, mailTopicARN) }, []expectation{{"mail", Fault, "does not exist", "drift-aware"}}},
		{"open topic", func(p *fixture) {
			p.aws.topics[mailTopicARN].policy = `{"Statement":[{"Sid":"all","Effect":"Allow","Principal":"*","Action":"sns:*","Resource":"*"}]}`
		}, []expectation{{"mail topic policy", Fault, "statement all", "Access policy"}}},
		{"bad links", env(envURL, "bot.example.com"), []expectation{{"bot function settings", Fault, envURL, ""}, {"notifier function settings", Fault, envURL, "sam deploy"}}},
		{"open launch topic", func(p *fixture) {
			p.aws.topics[launchTopicARN].policy = `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["sns:Publish"],"Resource":"*"}]}`
		}, []expectation{{"launch topic", Fault, "anyone in AWS", "OrganizationId"}}},
		{"launch topic without the notifier", func(p *fixture) { p.aws.topics[launchTopicARN].subscriptions = nil }, []expectation{{"launch topic", Fault, "not subscribed", "drift-aware"}}},

		// Launching.
		{"launch role may not", func(p *fixture) { p.command.LaunchRole = []string{"BareLaunch"} }, []expectation{{"launch role", Fault, "BareLaunch may not invoke the notifier", "put-role-policy --role-name BareLaunch"}}},
		{"by ARN", func(p *fixture) { p.command.LaunchRole = []string{"arn:aws:iam::111122223333:role/BareLaunch"} }, []expectation{{"launch role", Fault, "implicitDeny", "--role-name BareLaunch "}}},
		{"no such role", func(p *fixture) { p.command.LaunchRole = []string{"NoSuchRole"} }, []expectation{{"launch role", Fault, "role NoSuchRole does not exist", "launch constraint"}}},
		{"role elsewhere", func(p *fixture) { p.command.LaunchRole = []string{"arn:aws:iam::999988887777:role/Launch"} }, []expectation{{"launch role", Unchecked, "in a different account", "999988887777"}}},
		{"no roles", func(p *fixture) { p.aws.catalog = nil }, nil},

		// The background.
		{"sweep disabled", func(p *fixture) { p.aws.rules["countersign-sweep"].State = "DISABLED" }, []expectation{{"sweep schedule", Fault, "disabled", "enable-rule --name countersign-sweep"}}},
		{"sweep deleted", func(p *fixture) { delete(p.aws.rules, "countersign-sweep") }, []expectation{{"sweep schedule", Fault, "deleted by hand (countersign-sweep)", "drift-aware"}}},
		{"sweep targets a different function", func(p *fixture) {
			p.aws.rules["countersign-sweep"].targets = []string{strings.Replace(notifierARN, "notifier", "other", 1)}
		}, []expectation{{"sweep schedule", Fault, "does not invoke the notifier", "drift-aware"}}},
		{"sweep has no permission", func(p *fixture) {
			notifier(p).policy = `{"Statement":[` + permission("countersign-status") + `]}`
		}, []expectation{{"sweep schedule", Fault, "may not invoke", "permission"}}},
		{"no permission at all", func(p *fixture) { notifier(p).policy = "" }, []expectation{{"sweep schedule", Fault, "may not invoke", ""}, {"stack status rule", Fault, "may not invoke", ""}}},
		{"sweep stopped", func(p *fixture) { p.aws.heartbeat = time.Now().Add(-20 * time.Minute) }, []expectation{{"sweep", Fault, "20 minutes ago", "logs tail log-of-countersign-notifier"}}},
		{"sweep stopped long ago", func(p *fixture) { p.aws.heartbeat = time.Now().Add(-24 * hour) }, []expectation{{"sweep", Fault, "has not run for 30 minutes or more", "logs tail"}}},
		{"sweep never ran", func(p *fixture) { p.aws.heartbeat = time.Time{} }, []expectation{{"sweep", Fault, "has not run for 30 minutes or more", "logs tail"}}},
		{"just deployed", func(p *fixture) {
			p.aws.heartbeat = time.Time{}
			notifier(p).config["LastModified"] = time.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
		}, []expectation{{"sweep", Warning, "has not run yet", "five minutes"}}},
		{"status rule disabled", func(p *fixture) { p.aws.rules["countersign-status"].State = "DISABLED" }, []expectation{{"stack status rule", Fault, "disabled", "enable-rule --name countersign-status"}}},
		{"failed events", func(p *fixture) { p.aws.messages = 2 }, []expectation{{"failure queue", Fault, "2 events", "receive-message"}}},
		{"no queue", func(p *fixture) { p.aws.noQueue = true }, []expectation{{"failure queue", Fault, "does not exist", "drift-aware"}}},
		{"alarm", func(p *fixture) {
			p.aws.alarms[1]["StateValue"], p.aws.alarms[1]["StateReason"] = "ALARM", "Threshold Crossed"
		}, []expectation{{"alarms", Fault, "countersign-bypass is in ALARM: Threshold Crossed", "describe-alarm-history"}}},
		{"alarm muted", func(p *fixture) { p.aws.alarms[0]["ActionsEnabled"] = false }, []expectation{{"alarms", Warning, "its actions are disabled", "enable-alarm-actions --alarm-names countersign-failed"}}},
		{"alarm deleted", func(p *fixture) { p.aws.alarms = p.aws.alarms[:1] }, []expectation{{"alarms", Warning, "1 alarm missing from the stack", "drift-aware"}}},
		{"no alarms", func(p *fixture) {
			p.aws.resources = slices.DeleteFunc(p.aws.resources, func(r resource) bool { return r.kind == "AWS::CloudWatch::Alarm" })
		}, []expectation{{"alarms", Warning, "no alarms", "sam deploy"}}},
		{"overdue", func(p *fixture) { p.aws.requests = []handle.Request{overdueRequest(t)} }, []expectation{{"overdue requests", Fault, "1 of them past the deadline without a decision", "logs tail log-of-countersign-notifier"}}},
		{"notification keeps failing", func(p *fixture) {
			for range 2 {
				p.aws.requests = append(p.aws.requests, failingRequest(p.t, "messages_tab_disabled", 10*time.Minute))
			}
		}, []expectation{{"failing steps", Warning, "keep failing: tell (messages_tab_disabled) in 2 requests", "Turn on the Messages Tab"}}},
		{"notification keeps failing for a different reason", func(p *fixture) {
			p.aws.requests = []handle.Request{failingRequest(p.t, "Slack could not be reached", 10*time.Minute)}
		}, []expectation{{"failing steps", Warning, "keep failing: tell (Slack could not be reached)", "logs tail log-of-countersign-notifier"}}},
		{"notification failed just now", func(p *fixture) {
			p.aws.requests = []handle.Request{failingRequest(p.t, "Slack could not be reached", time.Minute)}
		}, nil},

		{"Slack does not know a name", func(p *fixture) {
			p.aws.requests = []handle.Request{recentRequest("role/rita", false), recentRequest("role/ann@example.com", true)}
		},
			[]expectation{{"requesters", Warning, "1 of 2 requests in the last 7 days came from requesters who are not matched to a Slack user; such launches need one approver more, and at least two; no Slack user has the e-mail address of rita", "MailDomain"}}},
		{"Slack does not know an address", func(p *fixture) { p.aws.requests = []handle.Request{recentRequest("role/rita@example.com", false)} },
			[]expectation{{"requesters", Warning, "the e-mail address of rita@example.com", "e-mail address of their Slack account."}}},
		{"Slack does not know a name with the domain", func(p *fixture) {
			env(envMailDomain, "example.com")(p)
			p.aws.requests = []handle.Request{recentRequest("role/rita", false)}
		}, []expectation{{"requesters", Warning, "the e-mail address of rita", "e-mail address of their Slack account."}}},
		{"AWS reports no requester", func(p *fixture) { p.aws.requests = []handle.Request{recentRequest("", false)} },
			[]expectation{{"requesters", Warning, "for 1, AWS does not report the requester", "in other accounts or of stacks outside Service Catalog."}}},
		{"many requesters unknown to Slack", func(p *fixture) {
			for _, name := range []string{"a", "b", "c", "d", "d", "e"} {
				p.aws.requests = append(p.aws.requests, recentRequest("role/"+name, false))
			}
		}, []expectation{{"requesters", Warning, "6 of 6 requests in the last 7 days came from requesters who are not matched to a Slack user; such launches need one approver more, and at least two; no Slack user has the e-mail address of a, b, c and 2 more", "MailDomain"}}},
		{"Slack does not know a name, which is only warned of", func(p *fixture) {
			env(envUnproven, "warn")(p)
			p.aws.requests = []handle.Request{recentRequest("role/rita", false)}
		}, []expectation{{"requesters", Warning, "and so could approve their own launches", "Set the stack parameter UnprovenRequester to two-approvers"}}},
		{"Slack does not know a name, which is refused", func(p *fixture) {
			env(envUnproven, "refuse")(p)
			p.aws.requests = []handle.Request{recentRequest("role/rita", false)}
		}, []expectation{{"requesters", Warning, "such launches now fail", "MailDomain"}}},
		{"all requesters known to Slack", func(p *fixture) { p.aws.requests = []handle.Request{recentRequest("role/ann@example.com", true)} },
			[]expectation{{"requesters", OK, "1 request in the last 7 days, each from a requester matched to a Slack user", ""}}},
		{"self-approval allowed", func(p *fixture) {
			r := recentRequest("role/rita", false)
			r.Terms.SelfApproval = true
			p.aws.requests = []handle.Request{r}
		}, []expectation{{"requesters", Skipped, "no requests in Slack", ""}}},
		{"records denied", func(p *fixture) {
			p.aws.denied = []string{"dynamodb:BatchGetItem"}
			p.aws.requests = []handle.Request{recentRequest("role/ann@example.com", true)}
		}, []expectation{{"requesters", Unchecked, "dynamodb:Query and dynamodb:BatchGetItem", "--print-policy"}, {"updates", Unchecked, "dynamodb:BatchGetItem", ""}}},

		// Products.
		{"a gate that leaks", product(strings.Replace(string(deploy.Product), "    DependsOn: ApprovalVerdict\n", "", 1)),
			[]expectation{{"products", Fault, "Name of prod-queue 3: DeadLetters can start before the verdict (line ", "countersign gate lint TEMPLATE"}}},
		{"a product without a gate", product("Resources:\n  Q: {Type: AWS::SQS::Queue}"),
			[]expectation{{"products", Fault, "Name of prod-queue 3: the template has no gate: nothing asks for an approval (line 1)", "publish a new version"}}},
		{"a stale digest", product(strings.Replace(string(deploy.Product), "Description: Message queue", "Description: Queue", 1)),
			[]expectation{{"products", Warning, "Name of prod-queue 3: Template is not the digest", "gate lint"}}},
		{"a template that is none", product("{"), []expectation{{"products", Unchecked, "the template of Name of prod-queue 3 cannot be read: ValidationError", "gate lint"}}},
		{"a template that Service Catalog does not give", product(""), []expectation{{"products", Unchecked, "its template is not in Service Catalog's answer", "Save the template"}}},
		{"a product of a recent launch", func(p *fixture) {
			p.aws.requests = []handle.Request{gated("Queue", "p", "t"), gated("Queue", "p", "t")}
			for i, id := range []string{"prod-disk", "prod-deleted"} {
				p.aws.requests[i].Product.ID, p.aws.requests[i].Stack.ID = id, "arn:aws:cloudformation:eu-west-1:111122223333:stack/SC-1/1"
			}
			p.aws.products["prod-disk"] = []fakeVersion{{"1", "Resources: {Q: {Type: AWS::SQS::Queue}}", false}}
		}, []expectation{{"products", Fault, "Name of prod-disk 1: the template has no gate", ""}}},
		{"no products", func(p *fixture) { p.aws.catalog = p.aws.catalog[:1] }, []expectation{{"products", Skipped, "no products in the stack countersign-catalog", ""}}},
		{"gates without a fault", func(*fixture) {}, []expectation{{"products", OK, "the gates of 1 product pass lint: 1 version", ""}}},
		{"products denied", func(p *fixture) { p.aws.denied = []string{"servicecatalog:DescribeProvisioningArtifact"} },
			[]expectation{{"products", Unchecked, "servicecatalog:DescribeProductAsAdmin and servicecatalog:DescribeProvisioningArtifact", "--print-policy"}}},

		// Updates.
		{"gate of an earlier release", func(p *fixture) {
			p.aws.requests = []handle.Request{gated("Queue", "p", "t"), gated("Topic <b>", "", ""), gated("Topic", "p", "t"), gated("Disk", "", "")}
		}, []expectation{{"updates", Warning, "updates of these products take effect without an approval: Topic <b>, Disk", "countersign gate digest --write"}}},
		{"gate without the template", func(p *fixture) { p.aws.requests = []handle.Request{gated("Queue", "p", "")} },
			[]expectation{{"updates", Warning, "updates that change only the template of these products take effect without an approval: Queue", "docs/template.md"}}},
		{"gate without parameters", func(p *fixture) { p.aws.requests = []handle.Request{gated("Queue", "", "t")} },
			[]expectation{{"updates", Warning, "updates that change only parameters of these products take effect without an approval: Queue", "deploy/product.yaml"}}},
		{"gate of a product without parameters", func(p *fixture) {
			p.aws.requests = []handle.Request{gated("Queue", "", "t")}
			p.aws.requests[0].Parameters = nil
		}, []expectation{{"updates", OK, "need an approval: 1 product", ""}}},
		{"new version of a product", func(p *fixture) { p.aws.requests = []handle.Request{gated("Queue", "", ""), gated("Queue", "p", "t")} },
			[]expectation{{"updates", OK, "need an approval: 1 product", ""}}},

		{"caller chooses the session name", withSession(`"AWS":"arn:aws:iam::111122223333:root"`, "sts:AssumeRole", ""),
			[]expectation{{"role sessions", Warning, "callers of Requesters choose their session name, and so can launch under another person's name", "sts:RoleSessionName"}}},
		{"web identity chooses the session name", withSession(`"Federated":"arn:aws:iam::111122223333:oidc-provider/idp.example.com"`, "sts:*", `{"StringEquals":{"idp.example.com:aud":"x"}}`),
			[]expectation{{"role sessions", Warning, "callers of Requesters choose", "Approvals to 2"}}},
		{"session name is enforced", withSession(`"AWS":"arn:aws:iam::111122223333:root"`, "sts:AssumeRole", `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`),
			[]expectation{{"role sessions", OK, "the session name of Requesters is not the caller's choice", ""}}},
		{"session name is set by SAML", withSession(`"Federated":"arn:aws:iam::111122223333:saml-provider/AWSSSO_DO_NOT_DELETE"`, "sts:AssumeRoleWithSAML", `{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}`),
			[]expectation{{"role sessions", OK, "the session name of Requesters is not the caller's choice", ""}}},
		{"trust policy denied", func(p *fixture) {
			withSession(`"AWS":"111122223333"`, "sts:AssumeRole", "")(p)
			p.aws.denied = []string{"iam:GetRole"}
		}, []expectation{{"role sessions", Unchecked, "iam:GetRole", "--print-policy"}, {"launch role", Unchecked, "iam:GetRole", ""}}},
		{"trust policy unreadable", func(p *fixture) {
			withSession("", "", "")(p)
			p.aws.trust["Requesters"] = "{"
		}, []expectation{{"role sessions", Unchecked, "trust policy of role Requesters", "get-role --role-name Requesters"}}},
		{"one trust policy unreadable, one loose, one tight", func(p *fixture) {
			withSession(`"AWS":"111122223333"`, "sts:AssumeRole", "")(p)
			p.aws.requests = append(p.aws.requests, recentRequest("Broken/bob@example.com", true), recentRequest("Tight/eve@example.com", true))
			p.aws.trust["Broken"] = "{"
			p.aws.trust["Tight"] = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"sts:RoleSessionName":"${aws:username}"}}}}`
		}, []expectation{
			{"role sessions", Unchecked, "trust policy of role Broken", "get-role --role-name Broken"},
			{"role sessions", OK, "the session name of Tight is not the caller's choice", ""},
			{"role sessions", Warning, "callers of Requesters choose their session name", "sts:RoleSessionName"},
		}},
		{"session name of any form", withSession(`"AWS":"111122223333"`, "sts:AssumeRole", `{"StringLike":{"sts:RoleSessionName":"*"}}`),
			[]expectation{{"role sessions", Warning, "callers of Requesters choose their session name", "sts:RoleSessionName"}}},

		// Denied reads are reported and are not faults.
		{"secret denied", func(p *fixture) { p.aws.denied = []string{"secretsmanager:GetSecretValue"} }, []expectation{{"secret", Unchecked, "secretsmanager:GetSecretValue", "--print-policy"}}},
		{"table denied", func(p *fixture) { p.aws.denied = []string{"dynamodb:DescribeTable", "dynamodb:Query"} },
			[]expectation{{"table", Unchecked, "dynamodb:DescribeTable", "--print-policy"}, {"overdue requests", Unchecked, "dynamodb:Query", ""}, {"requesters", Unchecked, "dynamodb:Query", ""}, {"updates", Unchecked, "dynamodb:Query", ""}}},
		{"mail subscription confirmed by its link", func(p *fixture) { p.aws.topics[mailTopicARN].byLink = true },
			[]expectation{{"mail subscription", Warning, "the unsubscribe link in each mail to admins@example.com ends the subscription", "--authenticate-on-unsubscribe true"}}},
		{"mail subscription denied", func(p *fixture) { p.aws.denied = []string{"sns:GetSubscriptionAttributes"} },
			[]expectation{{"mail subscription", Unchecked, "sns:GetSubscriptionAttributes", "--print-policy"}}},

		// A read that fails hides nothing that others found.
		{"one rule denied, another disabled", func(p *fixture) {
			p.aws.denied = []string{"events:DescribeRule countersign-status"}
			p.aws.rules["countersign-sweep"].State = "DISABLED"
		}, []expectation{{"sweep schedule", Fault, "countersign-sweep is disabled", "enable-rule"}, {"stack status rule", Unchecked, "events:DescribeRule", "--print-policy"}}},
		{"targets of one rule denied", func(p *fixture) { p.aws.denied = []string{"events:ListTargetsByRule countersign-sweep"} },
			[]expectation{{"sweep schedule", Unchecked, "events:ListTargetsByRule", "--print-policy"}}},
		{"one request denied, another overdue", func(p *fixture) {
			unread := failingRequest(t, "x", time.Hour)
			p.aws.requests = []handle.Request{unread, overdueRequest(t)}
			p.aws.denied = []string{"dynamodb:GetItem " + unread.ID}
		}, []expectation{{"overdue requests", Unchecked, "dynamodb:GetItem", "--print-policy"}, {"overdue requests", Fault, "1 request with overdue work", "log-of-countersign-notifier"}}},
		{"the only request denied", func(p *fixture) {
			r := overdueRequest(t)
			p.aws.requests, p.aws.denied = []handle.Request{r}, []string{"dynamodb:GetItem " + r.ID}
		}, []expectation{{"overdue requests", Unchecked, "dynamodb:GetItem", "--print-policy"}}},
		{"resources denied, secret broken", func(p *fixture) {
			p.aws.denied = []string{"cloudformation:ListStackResources"}
			p.aws.secretText = "{}"
		}, []expectation{{"stack resources", Unchecked, "cloudformation:ListStackResources", "--print-policy"}, {"secret", Fault, "slackToken is missing", ""},
			{"secret", Fault, "slackToken is empty", ""}, {"secret", Fault, "signingSecrets is empty", ""}, {"secret", Fault, "mailKeys is empty", ""},
			{"launch role", Unchecked, "cloudformation:ListStackResources", ""}, {"products", Unchecked, "cloudformation:ListStackResources", ""}}},
		{"table description denied, no recovery", func(p *fixture) {
			p.aws.denied, p.aws.backups = []string{"dynamodb:DescribeTable"}, "DISABLED"
		}, []expectation{{"table", Unchecked, "dynamodb:DescribeTable", "--print-policy"}, {"table", Warning, "point-in-time", ""}}},
		{"index missing, no recovery", func(p *fixture) {
			p.aws.table["GlobalSecondaryIndexes"], p.aws.backups = nil, "DISABLED"
		}, []expectation{{"table", Fault, "no index Due", ""}, {"table", Warning, "point-in-time", ""}}},
		{"topic attributes denied, not subscribed", func(p *fixture) {
			p.aws.denied = []string{"sns:GetTopicAttributes"}
			p.aws.topics[launchTopicARN].subscriptions = nil
		}, []expectation{{"mail topic policy", Unchecked, "sns:GetTopicAttributes", "--print-policy"}, {"launch topic", Unchecked, "sns:GetTopicAttributes", ""}, {"launch topic", Fault, "the notifier is not subscribed", "drift-aware"}}},
		{"subscriptions denied, open to everyone", func(p *fixture) {
			p.aws.denied = []string{"sns:ListSubscriptionsByTopic"}
			p.aws.topics[launchTopicARN].policy = `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sns:*"}}`
		}, []expectation{{"mail", Unchecked, "sns:ListSubscriptionsByTopic", ""}, {"launch topic", Unchecked, "sns:ListSubscriptionsByTopic", ""}, {"launch topic", Fault, "anyone in AWS may publish", "OrganizationId"}}},
		{"a function's policy that cannot be parsed", func(p *fixture) { notifier(p).policy = "{" },
			[]expectation{{"sweep schedule permission", Unchecked, "cannot be parsed", "get-policy"}, {"stack status rule permission", Unchecked, "cannot be parsed", "get-policy"}}},
		{"metrics denied", func(p *fixture) { p.aws.denied = []string{"cloudwatch:ListMetrics"} }, []expectation{{"sweep", Unchecked, "cloudwatch:ListMetrics", ""}}},
		{"simulation denied", func(p *fixture) { p.aws.denied = []string{"iam:SimulatePrincipalPolicy"} }, []expectation{{"launch role", Unchecked, "iam:SimulatePrincipalPolicy", ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			test.inject(p)
			p.want(p.checkAll(), test.want...)
		})
	}
}

// recentRequest is a request from a moment ago by the principal with that name.
func recentRequest(name string, known bool) handle.Request {
	n := rand.IntN(1 << 30)
	r := handletest.Request(n, time.Now().Add(-time.Minute))
	r.Requester.Principal = ""
	r.Content.GateParameters, r.Content.GateTemplate = "p", "t"
	if name != "" {
		r.Requester.Principal = "arn:aws:sts::111122223333:assumed-role/" + name
	}
	return r.IdentifyRequester("U0REQUESTER", []string{"U0REQUESTER"}, known)
}

// gated is a recent request of a product whose gate has these digests.
func gated(product, parameters, template string) handle.Request {
	r := recentRequest("role/ann@example.com", true)
	r.Product.ID, r.Product.Name = "prod-"+product, product
	r.Content.GateParameters, r.Content.GateTemplate = parameters, template
	return r
}

// withSession injects a request from a session of the role Requesters, with the
// given trust policy.
func withSession(principal, action, condition string) func(*fixture) {
	return func(p *fixture) {
		p.aws.requests = []handle.Request{recentRequest("Requesters/ann@example.com", true)}
		p.aws.trust = map[string]string{"Requesters": trustPolicy(principal, action, condition)}
	}
}

// failingRequest is an approved request whose requester could not be notified for some
// time.
func failingRequest(t testing.TB, why string, since time.Duration) handle.Request {
	at := time.Now().Add(-since)
	r := recentRequest("", true)
	r, err := r.VoteBySlack(handle.Voter{Person: handle.Person{Team: "T0EXAMPLE", ID: r.Terms.Approvers[0]}, Home: true}, handle.Approve, "", at)
	if err != nil {
		t.Fatal(err)
	}
	r = r.MarkSignalled("", at)
	r = r.MarkPosted("C0APPROVALS", "1772442000.000100", r.ViewHash(), at).StillInProgress(time.Now())
	for _, s := range r.Outstanding() {
		if s.Kind == handle.StepNotify {
			return r.RecordFailure(s, handle.Failure{Reason: why}, at).RecordFailure(s, handle.Failure{Reason: why}, time.Now())
		}
	}
	t.Fatal("no notification is outstanding")
	return r
}

// overdueRequest is a request past its deadline that no sweep has expired.
func overdueRequest(*testing.T) handle.Request {
	r := handletest.Request(1, time.Now().Add(-24*time.Hour))
	r.Content.GateParameters, r.Content.GateTemplate = "p", "t"
	return r
}

// The printed policy allows every call that the doctor makes, and nothing else.
func TestPolicyAllowsWhatTheDoctorCalls(t *testing.T) {
	p := newFixture(t)
	p.aws.requests = []handle.Request{overdueRequest(t)}
	p.checkAll()
	want := map[string]bool{"kms:Decrypt": true} // by Secrets Manager and DynamoDB, if their key is the customer's
	for _, call := range p.aws.calls {
		want[call] = true
	}
	delete(want, "sts:GetCallerIdentity") // needs no permission
	d := p.doctor()
	var b, notes strings.Builder
	if err := d.printPolicy(t.Context(), &b, &notes); err != nil || notes.String() != "" {
		t.Fatal(err, notes.String())
	}
	got := map[string]bool{}
	for _, action := range d.policy().Actions() {
		got[action] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions: calls (-), policy (+):\n%s", diff)
	}
	for _, arn := range []string{secretARN, mailTopicARN, launchTopicARN, notifierARN, ruleARN("countersign-sweep"),
		"arn:aws:dynamodb:eu-west-1:111122223333:table/countersign", "arn:aws:sqs:eu-west-1:111122223333:countersign-failures"} {
		if !strings.Contains(b.String(), `"`+arn+`"`) {
			t.Errorf("the policy does not name %s:\n%s", arn, b.String())
		}
	}
}

// Without the stack, the policy matches resources by the stack's name, never
// every secret.
func TestPolicyWithoutStack(t *testing.T) {
	p := newFixture(t)
	p.aws.stackStatus = ""
	var b, notes strings.Builder
	if err := p.doctor().printPolicy(t.Context(), &b, &notes); err != nil || notes.String() == "" {
		t.Fatal(err, notes.String())
	}
	for _, arn := range []string{"arn:aws:secretsmanager:eu-west-1:111122223333:secret:countersign-*", "arn:aws:dynamodb:eu-west-1:111122223333:table/countersign-*"} {
		if !strings.Contains(b.String(), `"`+arn+`"`) {
			t.Errorf("the policy does not name %s:\n%s", arn, b.String())
		}
	}
}

// Examples of a report in the documentation are lines of a golden report.
func TestDocumentedReportIsGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/broken.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, block := range testtools.CodeBlocks(t) {
		if !strings.Contains(block, "FAULT ") {
			continue
		}
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); line == "..." {
				continue
			}
			if lines++; !strings.Contains(string(golden), line) {
				t.Errorf("the report has no line %q", line)
			}
		}
	}
	if lines < 3 {
		t.Errorf("the documentation shows %d lines of a report", lines)
	}
}

// A redirect of Slack's API is a failure, and the token does not go where it leads.
func TestTokenDoesNotFollowRedirects(t *testing.T) {
	elsewhere := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		t.Errorf("the redirect was followed, with Authorization %q and body %q", r.Header.Get("Authorization"), text)
	}))
	p := newFixture(t)
	redirecting := serve(t, http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	for _, f := range p.aws.functions {
		f.env[envSlackAPI] = redirecting.URL + "/api/"
	}
	report := p.doctor().checkAll(t.Context())
	i := slices.IndexFunc(report.Findings, func(f Finding) bool { return f.Name == nameToken })
	if i < 0 || report.Findings[i].Level != Unchecked || !strings.Contains(report.Findings[i].Found, "307") {
		t.Errorf("findings: %+v", report.Findings)
	}
}

// In an Enterprise Grid a person has an ID in the workspace and one in the
// organization. Named by both, they count once.
func TestPersonWithTwoIDsCountsOnce(t *testing.T) {
	for _, tt := range []struct {
		approvers, approvals string
		want                 []expectation
	}{
		{"U0EVE,W0EVE", "2", []expectation{{nameApprovers, Fault, "2 approvals needed, but only 1 person can approve", ""}}},
		{"W0EVE,U0EVE,U0ANN", "2", []expectation{{nameApprovers, Warning, "just 2 people can approve", ""}}},
		{"S0GRID,U0ANN", "3", []expectation{{nameApprovers, Fault, "3 approvals needed, but only 2 people can approve", ""}}},
		{"U0EVE,W0EVE,U0ANN,U0BOB", "2", nil},
	} {
		p := newFixture(t, func(c *slacktest.Config) { c.EnterpriseID = "E0HOLDING" })
		p.slack.AddUser(slacktest.User{ID: "U0EVE", EnterpriseUserID: "W0EVE", Name: "eve"})
		p.slack.AddUserGroup(slacktest.UserGroup{ID: "S0GRID", Handle: "grid", Users: []string{"U0EVE", "W0EVE"}})
		for _, f := range p.aws.functions {
			f.env[envEnterprise], f.env[envApprovers], f.env[envApprovals] = "E0HOLDING", tt.approvers, tt.approvals
		}
		t.Run(tt.approvers, func(t *testing.T) {
			p.t = t
			p.want(p.checkAll(), tt.want...)
		})
	}
}

// The doctor applies the bot's rule: a person of other workspaces may decide if
// SlackEnterprise is set, or if they belong to this workspace, too.
func TestGridMembersFollowTheBotsRule(t *testing.T) {
	for _, tt := range []struct {
		enterprise string // SlackEnterprise
		teams      []string
		able       bool
	}{
		{"E0HOLDING", []string{"T0SISTER"}, true},
		{"", []string{"T0SISTER", "T0EXAMPLE"}, true},
		{"", []string{"T0SISTER"}, false},
	} {
		p := newFixture(t, func(c *slacktest.Config) { c.EnterpriseID, c.OrgInstall = "E0HOLDING", tt.enterprise != "" })
		p.slack.AddUser(slacktest.User{ID: "U0EVE", EnterpriseUserID: "W0EVE", Name: "eve", TeamID: "T0SISTER", Teams: tt.teams})
		for _, f := range p.aws.functions {
			f.env[envEnterprise] = tt.enterprise
		}
		found, able := "", true
		for _, f := range p.doctor().checkAll(t.Context()).Findings {
			if f.Name == nameApprovers {
				found += f.Found
				able = able && (f.Level == OK || f.Level == Warning)
			}
		}
		if able != tt.able || !tt.able && !strings.Contains(found, "eve (U0EVE) cannot approve: in a different workspace") || found == "" {
			t.Errorf("%+v: %s", tt, found)
		}
	}
}

// A workspace of an Enterprise Grid needs SlackEnterprise, whether auth.test or
// users.info names the organization.
func TestGridWithoutSlackEnterpriseIsReported(t *testing.T) {
	p := newFixture(t, func(c *slacktest.Config) { c.EnterpriseID = "E0HOLDING" })
	p.want(p.checkAll(), expectation{nameToken, Warning, "the Enterprise Grid organization E0HOLDING", "SlackEnterprise to E0HOLDING"})

	p = newFixture(t)
	p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", Overrides: map[string]any{
		"enterprise_user": map[string]any{"id": "W0EVE", "enterprise_id": "E0HOLDING", "teams": []string{"T0EXAMPLE"}},
	}})
	p.want(p.checkAll(), expectation{nameApprovers, Warning, "the Enterprise Grid organization E0HOLDING", "SlackEnterprise to E0HOLDING"})
}

// product publishes a third version of the catalog's product.
func product(template string) func(*fixture) {
	return func(p *fixture) {
		p.aws.products["prod-queue"] = append(p.aws.products["prod-queue"], fakeVersion{"3", template, false})
	}
}
