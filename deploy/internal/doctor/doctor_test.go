package doctor

import (
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
	"countersign/deploy/internal/testtools"
	"countersign/handle"
	"countersign/handle/handletest"
)

func TestHealthy(t *testing.T) {
	p := newPatient(t)
	r := p.examine()
	p.want(r)
	if r.status() != statusOK {
		t.Error("a healthy deployment is said to be ill")
	}
	if n := len(r.Findings); n < 20 {
		t.Errorf("only %d findings", n)
	}
}

func (p *patient) examine() Report {
	p.t.Helper()
	r := p.doctor().examine(p.t.Context())
	p.readsOnly()
	for _, f := range r.Findings {
		for _, value := range []string{madeToken, madeSigning, oldSigning, madeMailKey, "X-Amz-Signature", "otherwise-secret"} {
			if strings.Contains(f.Found+f.Do, value) {
				p.t.Errorf("%s prints what is secret: %s %s", f.Name, f.Found, f.Do)
			}
		}
	}
	return r
}

// readsOnly accuses the doctor of every call that could change something.
func (p *patient) readsOnly() {
	p.t.Helper()
	reads := []string{":Get", ":Describe", ":List", ":Query", ":BatchGet", ":Simulate"}
	for _, call := range p.account.calls {
		if !slices.ContainsFunc(reads, func(verb string) bool { return strings.Contains(call, verb) }) {
			p.t.Errorf("the doctor calls %s", call)
		}
	}
	for method := range p.slack.Counts() {
		if strings.HasPrefix(method, "chat.") && !p.command.SayHello {
			p.t.Errorf("the doctor calls %s", method)
		}
	}
}

// wanted is what a planted fault must lead to.
type wanted struct {
	name  string
	level Level
	found string // a part of it
	do    string // a part of it
}

// want holds a report to the findings that are wanted, each once; nothing else
// may be wrong. What cannot be checked because of one of them is no more than
// that.
func (p *patient) want(r Report, list ...wanted) {
	p.t.Helper()
	left := slices.Clone(list)
	blocked := map[string]bool{}
	for _, w := range list {
		blocked[w.name] = true
	}
	for range r.Findings { // what needs what needs it, too
		for _, f := range r.Findings {
			if blocked[f.Needs] {
				blocked[f.Name] = true
			}
		}
	}
	for _, f := range r.Findings {
		i := slices.IndexFunc(left, func(w wanted) bool {
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
			p.t.Errorf("%s, %s: %s: nothing is said of what to do", f.Name, f.Level, f.Found)
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

// TestPlantedFaults plants one fault at a time. The doctor must find it, say
// what to do, and say of nothing else that it is wrong.
func TestPlantedFaults(t *testing.T) {
	const hour = time.Hour
	env := func(name, value string) func(*patient) {
		return func(p *patient) {
			for _, f := range p.account.functions {
				f.env[name] = value
			}
		}
	}
	fails := func(method, code string) func(*patient) {
		return func(p *patient) {
			p.slack.SetFault(func(m string, _ url.Values) *slacktest.Fault {
				if m == method {
					return &slacktest.Fault{Error: code}
				}
				return nil
			})
		}
	}
	bot := func(p *patient) *madeFunction { return p.account.functions["countersign-bot"] }
	notifier := func(p *patient) *madeFunction { return p.account.functions["countersign-notifier"] }
	channel := func(c slacktest.Channel) func(*patient) {
		return func(p *patient) {
			c.ID, c.Name = "C0APPROVALS", "launch-approvals"
			p.slack.AddChannel(c)
		}
	}
	inIt := []string{"U0COUNTERSIGN", "U0ANN"}

	for _, test := range []struct {
		name  string
		plant func(*patient)
		want  []wanted
	}{
		// The stack.
		{"no stack", func(p *patient) { p.account.stackStatus = "" }, []wanted{{"stack", Fault, "there is no stack countersign in eu-west-1", "list-stacks"}}},
		{"another stack", func(p *patient) { delete(p.account.outputs, "SlackRequestUrl") }, []wanted{{"stack", Fault, "no output SlackRequestUrl", "--stack"}}},
		{"rolled back", func(p *patient) { p.account.stackStatus = "ROLLBACK_COMPLETE" }, []wanted{{"stack", Fault, "ROLLBACK_COMPLETE", "describe-stack-events"}}},
		{"failed update", func(p *patient) { p.account.stackStatus = "UPDATE_ROLLBACK_FAILED" }, []wanted{{"stack", Fault, "a made reason", "describe-stack-events"}}},
		{"update undone", func(p *patient) { p.account.stackStatus = "UPDATE_ROLLBACK_COMPLETE" }, []wanted{{"stack", Warning, "undone", "version before"}}},
		{"being updated", func(p *patient) { p.account.stackStatus = "UPDATE_IN_PROGRESS" }, []wanted{{"stack", Warning, "being changed", "Wait"}}},

		// The functions.
		{"no bot", func(p *patient) { delete(p.account.functions, "countersign-bot") }, []wanted{{"bot function", Fault, "no such function", "drift-aware"}}},
		{"no notifier", func(p *patient) { delete(p.account.functions, "countersign-notifier") }, []wanted{{"notifier function", Fault, "no such function", "drift-aware"}}},
		{"bot failed", func(p *patient) { bot(p).config["State"] = "Failed" }, []wanted{{"bot function", Fault, "has failed", "sam deploy"}}},
		{"update failed", func(p *patient) { notifier(p).config["LastUpdateStatus"] = "Failed" }, []wanted{{"notifier function", Fault, "update of countersign-notifier failed", "sam deploy"}}},
		{"old runtime", func(p *patient) { bot(p).config["Runtime"] = "provided.al2" }, []wanted{{"bot function", Fault, "provided.al2", "provided.al2023"}}},
		{"switched off", func(p *patient) { notifier(p).concurrency = new(int) }, []wanted{{"notifier function", Fault, "switched off", "delete-function-concurrency"}}},
		{"environment locked", func(p *patient) { notifier(p).env = nil }, []wanted{{"notifier function", Fault, "KMSAccessDenied", "KMS key"}}},
		{"no team", env(envTeam, ""), []wanted{{"bot function settings", Fault, envTeam, "sam deploy"}}},
		{"no table named", env(envTable, ""), []wanted{{"bot function settings", Fault, envTable, "sam deploy"}, {"notifier function settings", Fault, envTable, "sam deploy"}}},
		{"no url", func(p *patient) { notifier(p).env[envURL] = "" }, []wanted{{"notifier function settings", Fault, envURL, "sam deploy"}}},
		{"nobody to ask", func(p *patient) {
			env(envChannel, "")(p)
			env(envTopic, "")(p)
		}, []wanted{{"mail", Fault, "nobody can be asked", "sam deploy"}}},

		// The table.
		{"no table", func(p *patient) { p.account.table = nil }, []wanted{{"table", Fault, "no table countersign", "restore-table-from-backup"}}},
		{"two tables", func(p *patient) { bot(p).env[envTable], p.account.table["TableName"] = "other", "other" }, []wanted{{"table", Fault, "other", "sam deploy"}}},
		{"wrong keys", func(p *patient) {
			p.account.table["KeySchema"] = []map[string]string{{"AttributeName": "StackKey", "KeyType": "HASH"}}
		}, []wanted{{"table", Fault, "its keys are StackKey, not StackKey, GateKey", "sam deploy"}}},
		{"no index", func(p *patient) { p.account.table["GlobalSecondaryIndexes"] = nil }, []wanted{{"table", Fault, "no index Due", "sam deploy"}}},
		{"index being made", func(p *patient) {
			p.account.table["GlobalSecondaryIndexes"].([]any)[1].(map[string]any)["IndexStatus"] = "CREATING"
		}, []wanted{{"table", Fault, "index Created is CREATING", "sam deploy"}}},
		{"table away", func(p *patient) { p.account.table["TableStatus"] = "INACCESSIBLE_ENCRYPTION_CREDENTIALS" }, []wanted{{"table", Fault, "INACCESSIBLE_ENCRYPTION_CREDENTIALS", ""}}},
		{"no recovery", func(p *patient) { p.account.backups = "DISABLED" }, []wanted{{"table", Warning, "point-in-time", "update-continuous-backups"}}},
		{"no protection", func(p *patient) { p.account.table["DeletionProtectionEnabled"] = false }, []wanted{{"table", Warning, "deletion protection", "update-table"}}},

		// The secret.
		{"no secret", func(p *patient) { p.account.secretGone = true }, []wanted{{"secret", Fault, "no secret", "Make it"}}},
		{"no JSON", func(p *patient) { p.account.secretText = madeToken }, []wanted{{"secret", Fault, "must be a JSON object", "Edit"}}},
		{"misspelt", func(p *patient) {
			p.account.secretText = strings.Replace(p.account.secretText, "slackToken", "slack_token", 1)
		}, []wanted{{"secret", Fault, `"slack_token" means nothing`, "Edit"}, {"secret", Fault, "slackToken is empty", ""}}},
		{"a string for a list", func(p *patient) {
			p.account.secretText = `{"slackToken": "` + madeToken + `", "signingSecrets": "` + madeSigning + `", "mailKeys": ["` + madeMailKey + `"]}`
		}, []wanted{{"secret", Fault, "signingSecrets must be a list", ""}}},
		{"no token", func(p *patient) { p.secret("", []string{madeSigning}, []string{madeMailKey}) }, []wanted{{"secret", Fault, "slackToken is empty", "Bot User OAuth Token"}}},
		{"a user's token", func(p *patient) { p.secret("xoxp-otherwise-secret", []string{madeSigning}, []string{madeMailKey}) },
			[]wanted{{"secret", Fault, "begins with xoxb-", "Bot User OAuth Token"}, {"Slack token", Fault, "invalid_auth", "Reinstall"}}},
		{"a rotated token", func(p *patient) {
			p.secret("xoxe.xoxb-otherwise-secret", []string{madeSigning}, []string{madeMailKey})
		}, []wanted{{"secret", Fault, "begins with xoxb-", ""}, {"secret", Fault, "12 hours", "rotation"}, {"Slack token", Fault, "invalid_auth", "Reinstall"}}},
		{"no signing secret", func(p *patient) { p.secret(madeToken, []string{}, []string{madeMailKey}); p.hold() }, []wanted{{"secret", Fault, "signingSecrets is empty", "Basic Information"}}},
		{"a client secret", func(p *patient) { p.secret(madeToken, []string{"otherwise-secret"}, []string{madeMailKey}) },
			[]wanted{{"secret", Fault, "entry 1 of signingSecrets", "not the Client Secret"}, {"API signature", Fault, "401", "run the doctor again"}}},
		{"blanks", func(p *patient) { p.secret(madeToken, []string{madeSigning + " "}, []string{madeMailKey}) },
			[]wanted{{"secret", Fault, "begin or end with a space", "Edit"}, {"API signature", Fault, "401", ""}}},
		{"no mail key", func(p *patient) { p.secret(madeToken, []string{madeSigning}, []string{}) }, []wanted{{"secret", Fault, "mailKeys is empty", "openssl rand"}}},
		{"a short mail key", func(p *patient) { p.secret(madeToken, []string{madeSigning}, []string{"otherwise-secret"}) }, []wanted{{"secret", Fault, "mail key 1 must have", "openssl rand"}}},
		{"an old signing secret", func(p *patient) { p.secret(madeToken, []string{madeSigning, oldSigning}, []string{madeMailKey}) }, []wanted{{"secret", Warning, "signingSecrets has held 2 entries for 10 days", "all but the first"}}},
		{"one mail key twice", func(p *patient) { p.secret(madeToken, []string{madeSigning}, []string{madeMailKey, madeMailKey}) }, []wanted{{"secret", Warning, "mailKeys holds the same entry twice", "Take one out"}}},
		{"two secrets", func(p *patient) { notifier(p).env[envSecret] = secretARN + "2" }, []wanted{{"secret", Fault, "different secrets", "sam deploy"}}},

		// Slack.
		{"token revoked", fails("auth.test", "token_revoked"), []wanted{{"Slack token", Fault, "token_revoked", "Reinstall"}}},
		{"bot removed", fails("auth.test", "account_inactive"), []wanted{{"Slack token", Fault, "account_inactive", "Reinstall"}}},
		{"Slack down", func(p *patient) { p.slack.SetDown(true) }, []wanted{{"Slack token", Unchecked, "503", "slack-status.com"}}},
		{"another workspace", func(p *patient) { env(envTeam, "T0OTHER")(p) }, []wanted{{"Slack token", Fault, "T0OTHER", "sam deploy"}}},
		{"another app", env(envApp, "A0OTHER"), []wanted{{"Slack app", Fault, "A0OTHER", "App ID"}}},
		{"token in the clear", env(envSlackAPI, "http://slack.example.com/api/"), []wanted{{"bot function settings", Fault, envSlackAPI, ""}, {"notifier function settings", Fault, envSlackAPI, ""}, {"Slack token", Fault, "in the clear", "sam deploy"}}},
		{"bot not in the channel", channel(slacktest.Channel{Members: []string{"U0ANN"}}), []wanted{{"Slack channel", Fault, "not in #launch-approvals", "/invite @countersign"}}},
		{"private channel without the bot", channel(slacktest.Channel{Private: true, Members: []string{"U0ANN"}}), []wanted{{"Slack channel", Fault, "private and the bot is not in it", "/invite @countersign"}}},
		{"no such channel", env(envChannel, "C0NOWHERE"), []wanted{{"Slack channel", Fault, "no channel C0NOWHERE", "Channel ID"}}},
		{"no such name", env(envChannel, "#nowhere"), []wanted{{"Slack channel", Fault, "no channel #nowhere", "/invite"}}},
		{"by name", env(envChannel, "#launch-approvals"), nil},
		{"archived", channel(slacktest.Channel{Archived: true, Members: inIt}), []wanted{{"Slack channel", Fault, "archived", "Unarchive"}}},
		{"shared", channel(slacktest.Channel{ExtShared: true, Members: inIt}), []wanted{{"Slack channel", Warning, "another company", "of your own"}}},

		// Approvers.
		{"no approvers", env(envApprovers, ""), []wanted{{"approvers", Warning, "names none", "Approvers"}}},
		{"a name", env(envApprovers, "@ann,S0PLATFORM,U0EVE"), []wanted{{"bot function settings", Fault, envApprovers, ""}, {"notifier function settings", Fault, envApprovers, "sam deploy"}}},
		{"a name given", func(p *patient) { p.command.Approvers = []string{"@ann", "S0PLATFORM"} }, []wanted{{"approvers", Fault, `"@ann" is no Slack user ID`, "Copy member ID"}}},
		{"no such user", env(envApprovers, "U0NOBODY,S0PLATFORM"), []wanted{{"approvers", Fault, "U0NOBODY may not decide: no such user", "Approvers"}}},
		{"deactivated", func(p *patient) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", Deleted: true}) }, []wanted{{"approvers", Fault, "deactivated", "Approvers"}}},
		{"a guest", func(p *patient) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", Restricted: true}) }, []wanted{{"approvers", Fault, "a guest", "Approvers"}}},
		{"a bot", func(p *patient) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", Bot: true}) }, []wanted{{"approvers", Fault, "a bot", "Approvers"}}},
		{"a stranger", func(p *patient) { p.slack.AddUser(slacktest.User{ID: "U0EVE", Name: "eve", TeamID: "T0ELSEWHERE"}) }, []wanted{{"approvers", Fault, "of another workspace", "Approvers"}}},
		{"a guest in the group", func(p *patient) { p.slack.AddUser(slacktest.User{ID: "U0BOB", Name: "bob", Restricted: true}) }, []wanted{{"approvers", Warning, "bob (U0BOB): a guest", "User groups"}}},
		{"an empty group", func(p *patient) { p.slack.AddUserGroup(slacktest.UserGroup{ID: "S0PLATFORM"}) },
			[]wanted{{"approvers", Fault, "S0PLATFORM is empty", "User groups"}, {"approvers", Warning, "as many people may approve as must: 1", ""}}},
		{"a disabled group", func(p *patient) {
			p.slack.AddUserGroup(slacktest.UserGroup{ID: "S0PLATFORM", Users: inIt, Disabled: true})
		},
			[]wanted{{"approvers", Fault, "no user group S0PLATFORM", "User groups"}, {"approvers", Warning, "as many", ""}}},
		{"too few", env(envApprovals, "4"), []wanted{{"approvers", Fault, "3 people may approve, and 4 must", ""}}},
		{"just enough", env(envApprovals, "3"), []wanted{{"approvers", Warning, "as many people may approve as must: 3", ""}}},
		{"no number", env(envApprovals, "two"), []wanted{{"bot function settings", Fault, envApprovals, "sam deploy"}, {"notifier function settings", Fault, envApprovals, "sam deploy"}}},

		// The API.
		{"API gone", func(p *patient) { p.answers(http.NotFound) }, []wanted{{"API", Fault, "404", "logs tail log-of-countersign-bot"}}},
		{"API fails", func(p *patient) { p.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }) }, []wanted{{"API", Fault, "502", "logs tail"}}},
		{"API silent", func(p *patient) {
			p.answers(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, []wanted{{"API", Fault, "does not answer", "network"}}},
		{"API takes all", func(p *patient) { p.answers(func(http.ResponseWriter, *http.Request) {}) }, []wanted{{"API", Fault, "nobody has signed (200)", "sam deploy"}}},
		{"API forbids all", func(p *patient) { p.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }) }, []wanted{{"API signature", Fault, "403", "lambda:InvokeFunctionUrl"}}},
		{"API elsewhere", func(p *patient) {
			p.account.outputs["SlackRequestUrl"] = "http://bot.example.com/slack/interactivity"
		}, []wanted{{"API", Fault, "no https address", ""}}},
		{"bot holds another secret", func(p *patient) { p.hold(oldSigning) }, []wanted{{"API signature", Fault, "holds another one", "reads the secret anew"}}},
		{"replays", func(p *patient) {
			p.answers(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Slack-Signature") == "" {
					w.WriteHeader(401)
				}
			})
		}, []wanted{{"API signature", Fault, "ten minutes ago", "sam deploy"}}},

		// Mail.
		{"not confirmed", func(p *patient) {
			p.account.topics[mailTopicARN].subscriptions[0][1] = "PendingConfirmation"
		}, []wanted{{"mail", Fault, "admins@example.com has not confirmed", "sns subscribe"}}},
		{"one not confirmed", func(p *patient) {
			topic := p.account.topics[mailTopicARN]
			topic.subscriptions = append(topic.subscriptions, [2]string{"late@example.com", "PendingConfirmation"})
		}, []wanted{{"mail", Warning, "late@example.com has not confirmed", "late@example.com"}}},
		{"unsubscribed", func(p *patient) { p.account.topics[mailTopicARN].subscriptions = nil }, []wanted{{"mail", Fault, "nobody has subscribed", "sns subscribe"}}},
		{"no topic", func(p *patient) { delete(p.account.topics, mailTopicARN) }, []wanted{{"mail", Fault, "no topic", "drift-aware"}}},
		{"open topic", func(p *patient) {
			p.account.topics[mailTopicARN].policy = `{"Statement":[{"Sid":"all","Effect":"Allow","Principal":"*","Action":"sns:*","Resource":"*"}]}`
		}, []wanted{{"mail topic policy", Fault, "statement all", "Access policy"}}},
		{"bad links", env(envURL, "bot.example.com"), []wanted{{"bot function settings", Fault, envURL, ""}, {"notifier function settings", Fault, envURL, "sam deploy"}}},
		{"open launch topic", func(p *patient) {
			p.account.topics[launchTopicARN].policy = `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["sns:Publish"],"Resource":"*"}]}`
		}, []wanted{{"launch topic", Fault, "anybody in AWS", "organization"}}},
		{"launch topic without the notifier", func(p *patient) { p.account.topics[launchTopicARN].subscriptions = nil }, []wanted{{"launch topic", Fault, "does not listen", "drift-aware"}}},

		// Launching.
		{"launch role may not", func(p *patient) { p.command.LaunchRole = []string{"BareLaunch"} }, []wanted{{"launch role", Fault, "BareLaunch may not call the notifier", "put-role-policy --role-name BareLaunch"}}},
		{"by ARN", func(p *patient) { p.command.LaunchRole = []string{"arn:aws:iam::111122223333:role/BareLaunch"} }, []wanted{{"launch role", Fault, "implicitDeny", "--role-name BareLaunch "}}},
		{"no such role", func(p *patient) { p.command.LaunchRole = []string{"Nobody"} }, []wanted{{"launch role", Fault, "no role Nobody", "launch constraint"}}},
		{"role elsewhere", func(p *patient) { p.command.LaunchRole = []string{"arn:aws:iam::999988887777:role/Launch"} }, []wanted{{"launch role", Unchecked, "another account", "999988887777"}}},
		{"no roles", func(p *patient) { p.account.catalog = nil }, nil},

		// What runs by itself.
		{"sweep disabled", func(p *patient) { p.account.rules["countersign-sweep"].State = "DISABLED" }, []wanted{{"sweep schedule", Fault, "disabled", "enable-rule --name countersign-sweep"}}},
		{"sweep deleted", func(p *patient) { delete(p.account.rules, "countersign-sweep") }, []wanted{{"sweep schedule", Fault, "gone", "drift-aware"}}},
		{"sweep elsewhere", func(p *patient) {
			p.account.rules["countersign-sweep"].targets = []string{strings.Replace(notifierARN, "notifier", "other", 1)}
		}, []wanted{{"sweep schedule", Fault, "does not call the notifier", "drift-aware"}}},
		{"sweep may not", func(p *patient) {
			notifier(p).policy = `{"Statement":[` + permission("countersign-status") + `]}`
		}, []wanted{{"sweep schedule", Fault, "may not call", "permission"}}},
		{"no permission at all", func(p *patient) { notifier(p).policy = "" }, []wanted{{"sweep schedule", Fault, "may not call", ""}, {"stack status rule", Fault, "may not call", ""}}},
		{"sweep dead", func(p *patient) { p.account.pulse = time.Now().Add(-20 * time.Minute) }, []wanted{{"sweep", Fault, "20 minutes ago", "logs tail log-of-countersign-notifier"}}},
		{"sweep long dead", func(p *patient) { p.account.pulse = time.Now().Add(-24 * hour) }, []wanted{{"sweep", Fault, "no trace", "logs tail"}}},
		{"sweep unheard of", func(p *patient) { p.account.pulse = time.Time{} }, []wanted{{"sweep", Fault, "no trace", "logs tail"}}},
		{"just deployed", func(p *patient) {
			p.account.pulse = time.Time{}
			notifier(p).config["LastModified"] = time.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
		}, []wanted{{"sweep", Warning, "no trace yet", "five minutes"}}},
		{"status rule disabled", func(p *patient) { p.account.rules["countersign-status"].State = "DISABLED" }, []wanted{{"stack status rule", Fault, "disabled", "enable-rule --name countersign-status"}}},
		{"failed events", func(p *patient) { p.account.messages = 2 }, []wanted{{"failure queue", Fault, "2 events", "receive-message"}}},
		{"no queue", func(p *patient) { p.account.noQueue = true }, []wanted{{"failure queue", Fault, "no queue", "drift-aware"}}},
		{"alarm", func(p *patient) {
			p.account.alarms[1]["StateValue"], p.account.alarms[1]["StateReason"] = "ALARM", "Threshold Crossed"
		}, []wanted{{"alarms", Fault, "countersign-bypass rings: Threshold Crossed", "describe-alarm-history"}}},
		{"alarm muted", func(p *patient) { p.account.alarms[0]["ActionsEnabled"] = false }, []wanted{{"alarms", Warning, "switched off", "enable-alarm-actions --alarm-names countersign-failed"}}},
		{"alarm deleted", func(p *patient) { p.account.alarms = p.account.alarms[:1] }, []wanted{{"alarms", Warning, "1 alarm", "drift-aware"}}},
		{"no alarms", func(p *patient) {
			p.account.resources = slices.DeleteFunc(p.account.resources, func(r resource) bool { return r.kind == "AWS::CloudWatch::Alarm" })
		}, []wanted{{"alarms", Warning, "none", "sam deploy"}}},
		{"overdue", func(p *patient) { p.account.requests = []handle.Request{overdue(t)} }, []wanted{{"overdue requests", Fault, "1 of them undecided past the deadline", "logs tail log-of-countersign-notifier"}}},
		{"told in vain", func(p *patient) {
			for range 2 {
				p.account.requests = append(p.account.requests, failing(p.t, "messages_tab_disabled", 10*time.Minute))
			}
		}, []wanted{{"failing steps", Warning, "tries in vain to tell (messages_tab_disabled) 2 times", "switch the Messages Tab on"}}},
		{"told in vain for another reason", func(p *patient) {
			p.account.requests = []handle.Request{failing(p.t, "Slack could not be reached", 10*time.Minute)}
		}, []wanted{{"failing steps", Warning, "tries in vain to tell (Slack could not be reached)", "logs tail log-of-countersign-notifier"}}},
		{"told in vain just now", func(p *patient) {
			p.account.requests = []handle.Request{failing(p.t, "Slack could not be reached", time.Minute)}
		}, nil},

		{"Slack does not know a name", func(p *patient) {
			p.account.requests = []handle.Request{asked("role/rita", false), asked("role/ann@example.com", true)}
		},
			[]wanted{{"requesters", Warning, "of 2 requests in the last 7 days, 1 by nobody whom Slack is proven to know: they could not be kept from approving their own; Slack does not know rita", "MailDomain"}}},
		{"Slack does not know an address", func(p *patient) { p.account.requests = []handle.Request{asked("role/rita@example.com", false)} },
			[]wanted{{"requesters", Warning, "does not know rita@example.com", "addresses by which Slack knows them. Or let two people approve"}}},
		{"Slack does not know a name with the domain", func(p *patient) {
			env("COUNTERSIGN_MAIL_DOMAIN", "example.com")(p)
			p.account.requests = []handle.Request{asked("role/rita", false)}
		}, []wanted{{"requesters", Warning, "does not know rita", "addresses by which Slack knows them. Or let two people approve"}}},
		{"AWS proves nothing", func(p *patient) { p.account.requests = []handle.Request{asked("", false)} },
			[]wanted{{"requesters", Warning, "of 1 AWS says nothing", "other accounts, and of stacks that are not Service Catalog's, nothing is proven. Or let two"}}},
		{"many whom Slack does not know", func(p *patient) {
			for _, name := range []string{"a", "b", "c", "d", "d", "e"} {
				p.account.requests = append(p.account.requests, asked("role/"+name, false))
			}
		}, []wanted{{"requesters", Warning, "6 by nobody whom Slack is proven to know: they could not be kept from approving their own; Slack does not know a, b, c and 2 more", "Approvals=2"}}},
		{"Slack knows all", func(p *patient) { p.account.requests = []handle.Request{asked("role/ann@example.com", true)} },
			[]wanted{{"requesters", OK, "1 request in the last 7 days, each by somebody whom Slack knows", ""}}},
		{"all may approve their own", func(p *patient) {
			r := asked("role/rita", false)
			r.Terms.SelfApproval = true
			p.account.requests = []handle.Request{r}
		}, []wanted{{"requesters", Skipped, "nobody has asked by Slack", ""}}},
		{"records denied", func(p *patient) {
			p.account.denied = []string{"dynamodb:BatchGetItem"}
			p.account.requests = []handle.Request{asked("role/ann@example.com", true)}
		}, []wanted{{"requesters", Unchecked, "dynamodb:Query and dynamodb:BatchGetItem", "as somebody who may"}}},

		{"who asks may choose a name", session(`"AWS":"arn:aws:iam::111122223333:root"`, "sts:AssumeRole", ""),
			[]wanted{{"role sessions", Warning, "who assumes Requesters chooses the session's name, and so in whose name they launch", "sts:RoleSessionName"}}},
		{"anybody may choose a name", session(`"Federated":"arn:aws:iam::111122223333:oidc-provider/idp.example.com"`, "sts:*", `{"StringEquals":{"idp.example.com:aud":"x"}}`),
			[]wanted{{"role sessions", Warning, "who assumes Requesters chooses", "Approvals=2"}}},
		{"who asks has a name that is held", session(`"AWS":"arn:aws:iam::111122223333:root"`, "sts:AssumeRole", `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`),
			[]wanted{{"role sessions", OK, "who assumes Requesters does not choose", ""}}},
		{"who asks is named by a directory", session(`"Federated":"arn:aws:iam::111122223333:saml-provider/AWSSSO_DO_NOT_DELETE"`, "sts:AssumeRoleWithSAML", `{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}`),
			[]wanted{{"role sessions", OK, "who assumes Requesters does not choose", ""}}},
		{"trust policy denied", func(p *patient) {
			session(`"AWS":"111122223333"`, "sts:AssumeRole", "")(p)
			p.account.denied = []string{"iam:GetRole"}
		}, []wanted{{"role sessions", Unchecked, "iam:GetRole", "as somebody who may"}, {"launch role", Unchecked, "iam:GetRole", ""}}},
		{"trust policy unreadable", func(p *patient) {
			session("", "", "")(p)
			p.account.trust["Requesters"] = "{"
		}, []wanted{{"role sessions", Unchecked, "trust policy of Requesters", "get-role --role-name Requesters"}}},

		// What the doctor may not read is said, and is no fault.
		{"secret denied", func(p *patient) { p.account.denied = []string{"secretsmanager:GetSecretValue"} }, []wanted{{"secret", Unchecked, "secretsmanager:GetSecretValue", "as somebody who may"}}},
		{"table denied", func(p *patient) { p.account.denied = []string{"dynamodb:DescribeTable", "dynamodb:Query"} },
			[]wanted{{"table", Unchecked, "dynamodb:DescribeTable", "as somebody who may"}, {"overdue requests", Unchecked, "dynamodb:Query", ""}, {"requesters", Unchecked, "dynamodb:Query", ""}}},
		{"metrics denied", func(p *patient) { p.account.denied = []string{"cloudwatch:ListMetrics"} }, []wanted{{"sweep", Unchecked, "cloudwatch:ListMetrics", ""}}},
		{"simulation denied", func(p *patient) { p.account.denied = []string{"iam:SimulatePrincipalPolicy"} }, []wanted{{"launch role", Unchecked, "iam:SimulatePrincipalPolicy", ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.plant(p)
			p.want(p.examine(), test.want...)
		})
	}
}

// asked is a request of a moment ago, by whoever has that name in AWS.
func asked(name string, known bool) handle.Request {
	n := rand.IntN(1 << 30)
	r := handletest.Request(n, time.Now().Add(-time.Minute))
	r.Requester.Principal = ""
	if name != "" {
		r.Requester.Principal = "arn:aws:sts::111122223333:assumed-role/" + name
	}
	return r.IdentifyRequester("U0SOMEBODY", []string{"U0SOMEBODY"}, known)
}

// session plants a request under a session of the role Requesters, which is
// trusted as said.
func session(principal, action, condition string) func(*patient) {
	return func(p *patient) {
		p.account.requests = []handle.Request{asked("Requesters/ann@example.com", true)}
		p.account.trust = map[string]string{"Requesters": trusts(principal, action, condition)}
	}
}

// failing is an approved request whose requester could not be told for some
// time.
func failing(t testing.TB, why string, since time.Duration) handle.Request {
	at := time.Now().Add(-since)
	r := asked("", true)
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
	t.Fatal("nobody is to be told")
	return r
}

// overdue is a request past its deadline, that no sweep has found.
func overdue(*testing.T) handle.Request {
	return handletest.Request(1, time.Now().Add(-24*time.Hour))
}

// The printed policy allows every call that the doctor makes, and nothing else.
func TestPolicyAllowsWhatTheDoctorCalls(t *testing.T) {
	p := newPatient(t)
	p.account.requests = []handle.Request{overdue(t)}
	p.examine()
	want := map[string]bool{"kms:Decrypt": true} // by Secrets Manager and DynamoDB, if their key is the customer's
	for _, call := range p.account.calls {
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
	p := newPatient(t)
	p.account.stackStatus = ""
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
