package function_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/function"
)

// environ is the smallest valid environment of a function, plus more.
func environ(more ...string) []string {
	return append([]string{
		"COUNTERSIGN_TABLE=countersign",
		"COUNTERSIGN_SECRET=arn:aws:secretsmanager:eu-west-1:123456789012:secret:countersign-AbCdEf",
		"COUNTERSIGN_SLACK_TEAM=T0123ABCD",
		"COUNTERSIGN_ACCOUNT=123456789012",
	}, more...)
}

func TestConfigHasDefaults(t *testing.T) {
	// The template sets unused variables to empty strings.
	c, err := function.ReadConfig(function.RoleBot, environ("COUNTERSIGN_APPROVALS=", "COUNTERSIGN_UNPROVEN_REQUESTER=", "COUNTERSIGN_SLACK_API=", "COUNTERSIGN_TOPIC=", "COUNTERSIGN_APPROVERS=", "PATH=/bin"))
	if err != nil {
		t.Fatal(err)
	}
	want := function.Config{
		Table: "countersign", Secret: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:countersign-AbCdEf", SlackTeam: "T0123ABCD", Account: "123456789012",
		SlackAPI: "https://slack.com/api/", Approvals: 1, UnprovenRequester: "two-approvers", GrantFor: 72 * time.Hour, Timeout: 12 * time.Hour, Margin: 2 * time.Minute,
		Reminders: []string{"50", "25", "5"}, TimeZone: "UTC",
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestConfigReadsEveryVariable(t *testing.T) {
	c, err := function.ReadConfig(function.RoleNotifier, environ(
		"COUNTERSIGN_TOPIC=arn:aws-us-gov:sns:us-gov-west-1:123456789012:mail", "COUNTERSIGN_URL=https://approvals.example.com",
		"COUNTERSIGN_SLACK_API=https://slack-gov.com/api/", "COUNTERSIGN_SLACK_ENTERPRISE=E0123ABCD", "COUNTERSIGN_SLACK_APP=A0123ABCD",
		"COUNTERSIGN_CHANNEL=#approvals", "COUNTERSIGN_APPROVERS=U0123ABCD,S0123ABCD", "COUNTERSIGN_APPROVALS=2", "COUNTERSIGN_SELF_APPROVAL=true",
		"COUNTERSIGN_ACCOUNTS=111122223333=production, 444455556666 = Sandbox (EU)",
		"COUNTERSIGN_REMINDERS=75, 5", "COUNTERSIGN_WORKING_HOURS=Sun-Thu 08:30-16:00", "COUNTERSIGN_TIME_ZONE=Asia/Kathmandu",
		"COUNTERSIGN_ESCALATE_AFTER=4h", "COUNTERSIGN_ESCALATE_TO=S0123ABCE, U0123ABCE", "COUNTERSIGN_REASSIGN_TO=S0123ABCF",
		"COUNTERSIGN_MAIL_DOMAIN=example.com", "COUNTERSIGN_UNPROVEN_REQUESTER=refuse", "COUNTERSIGN_GRANT_FOR=24h", "COUNTERSIGN_CANCEL_UNAPPROVED_UPDATES=true", "COUNTERSIGN_TIMEOUT=11h", "COUNTERSIGN_MARGIN=4m", "COUNTERSIGN_ORIGINS=http://127.0.0.1:4566/,https://made.example"))
	if err != nil {
		t.Fatal(err)
	}
	want := function.Config{
		Table: "countersign", Secret: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:countersign-AbCdEf",
		Topic: "arn:aws-us-gov:sns:us-gov-west-1:123456789012:mail", URL: "https://approvals.example.com",
		SlackAPI: "https://slack-gov.com/api/", SlackTeam: "T0123ABCD", SlackEnterprise: "E0123ABCD", SlackApp: "A0123ABCD",
		Channel: "#approvals", Approvers: []string{"U0123ABCD", "S0123ABCD"}, Approvals: 2, SelfApproval: true,
		Accounts: []string{"111122223333=production", " 444455556666 = Sandbox (EU)"},
		Account:  "123456789012", UnprovenRequester: "refuse", GrantFor: 24 * time.Hour, CancelUnapprovedUpdates: true,
		Reminders: []string{"75", " 5"}, WorkingHours: "Sun-Thu 08:30-16:00", TimeZone: "Asia/Kathmandu",
		EscalateAfter: 4 * time.Hour, EscalateTo: []string{"S0123ABCE", " U0123ABCE"}, ReassignTo: []string{"S0123ABCF"},
		MailDomain: "example.com", Timeout: 11 * time.Hour, Margin: 4 * time.Minute, Origins: []string{"http://127.0.0.1:4566/", "https://made.example"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestConfigReportsAllProblemsTogether(t *testing.T) {
	c, err := function.ReadConfig(function.RoleBot, []string{
		"COUNTERSIGN_SECRET=xoxb-pasted-secret", "COUNTERSIGN_APPROVALS=two", "COUNTERSIGN_TIMEOUT=90", "COUNTERSIGN_MARGIN=1s",
		"COUNTERSIGN_SELF_APPROVAL=perhaps", "COUNTERSIGN_APROVERS=U0123ABCD", "COUNTERSIGN_APPROVERS=ann@example.com",
		"COUNTERSIGN_ACCOUNT=pasted", "COUNTERSIGN_UNPROVEN_REQUESTER=pasted",
		"COUNTERSIGN_SLACK_API=http://slack.com/api", "COUNTERSIGN_ORIGINS=http://127.0.0.1:4566/",
	})
	var problems function.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error %v, want Problems", err)
	}
	for _, name := range []string{"ACCOUNT must be the ID of an AWS account: 12 digits", "UNPROVEN_REQUESTER must be two-approvers, warn or refuse", "TABLE is missing", "SECRET must be the ARN", "SLACK_TEAM is missing", "APPROVALS must be a whole number", "TIMEOUT must be a duration",
		"MARGIN must be from 2m", "SELF_APPROVAL must be true or false", "APROVERS is unknown", "APPROVERS must be IDs", "SLACK_API must be an https URL"} {
		if n := strings.Count(err.Error(), "COUNTERSIGN_"+name); n != 1 {
			t.Errorf("%q is reported %d times, want once", name, n)
		}
	}
	if !strings.HasPrefix(err.Error(), "invalid configuration (12 problems): fix the stack parameters and redeploy: ") {
		t.Errorf("got %v", err)
	}
	if len(problems) != 12 {
		t.Errorf("%d problems, want 12: %q", len(problems), problems)
	}
	if strings.Contains(err.Error(), "pasted") {
		t.Errorf("a value is quoted: %v", err)
	}
	if diff := cmp.Diff(function.Config{Origins: []string{"http://127.0.0.1:4566/"}}, c); diff != "" {
		t.Error(diff)
	}
}

func TestConfigReportsEachProblem(t *testing.T) {
	bot, notifier := function.RoleBot, function.RoleNotifier
	for _, c := range []struct {
		role        function.Role
		given, want string // a variable, and the beginning of its one problem
	}{
		{bot, "COUNTERSIGN_TABLE=arn:aws:dynamodb:eu-west-1:123456789012:table/t", "COUNTERSIGN_TABLE must be"},
		{bot, "COUNTERSIGN_SECRET=countersign", "COUNTERSIGN_SECRET must be"},
		{bot, "COUNTERSIGN_SECRET=arn:aws:secretsmanager:eu-west-1:1234:secret:c-AbCdEf", "COUNTERSIGN_SECRET must be"},
		{bot, "COUNTERSIGN_TOPIC=arn:aws:sqs:eu-west-1:123456789012:q", "COUNTERSIGN_TOPIC must be"},
		{bot, "COUNTERSIGN_ACCOUNT=", "COUNTERSIGN_ACCOUNT is missing"},
		{notifier, "COUNTERSIGN_ACCOUNT=", "COUNTERSIGN_ACCOUNT is missing"},
		{notifier, "COUNTERSIGN_ACCOUNT=12345678901", "COUNTERSIGN_ACCOUNT must be"},
		{notifier, "COUNTERSIGN_ACCOUNT=12345678901a", "COUNTERSIGN_ACCOUNT must be"},
		{notifier, "COUNTERSIGN_UNPROVEN_REQUESTER=two", "COUNTERSIGN_UNPROVEN_REQUESTER must be"},
		{notifier, "COUNTERSIGN_UNPROVEN_REQUESTER=Refuse", "COUNTERSIGN_UNPROVEN_REQUESTER must be"},
		{bot, "COUNTERSIGN_SLACK_TEAM=E0123ABCD", "COUNTERSIGN_SLACK_TEAM must be"},
		{bot, "COUNTERSIGN_SLACK_ENTERPRISE=T0123ABCD", "COUNTERSIGN_SLACK_ENTERPRISE must be"},
		{bot, "COUNTERSIGN_SLACK_APP=xapp-1", "COUNTERSIGN_SLACK_APP must be"},
		{bot, "COUNTERSIGN_CHANNEL=approvals", "COUNTERSIGN_CHANNEL must be"},
		{bot, "COUNTERSIGN_APPROVERS=@ann", "COUNTERSIGN_APPROVERS must be"},
		{bot, "COUNTERSIGN_APPROVALS=0", "COUNTERSIGN_APPROVALS must be from 1"},
		{bot, "COUNTERSIGN_APPROVALS=21", "COUNTERSIGN_APPROVALS must be from 1"},
		{bot, "COUNTERSIGN_TIMEOUT=2m59s", "COUNTERSIGN_TIMEOUT must be from"},
		{bot, "COUNTERSIGN_TIMEOUT=12h1s", "COUNTERSIGN_TIMEOUT must be from"},
		{bot, "COUNTERSIGN_MARGIN=119s", "COUNTERSIGN_MARGIN must be from"},
		{bot, "COUNTERSIGN_MARGIN=1h", "COUNTERSIGN_MARGIN must be from"},
		{bot, "COUNTERSIGN_TIMEOUT=2m30s", "COUNTERSIGN_TIMEOUT must be from"},
		{bot, "COUNTERSIGN_GRANT_FOR=59m", "COUNTERSIGN_GRANT_FOR must be from"},
		{bot, "COUNTERSIGN_GRANT_FOR=336h1s", "COUNTERSIGN_GRANT_FOR must be from"},
		{bot, "COUNTERSIGN_GRANT_FOR=-1h", "COUNTERSIGN_GRANT_FOR must be from"},
		{notifier, "COUNTERSIGN_CANCEL_UNAPPROVED_UPDATES=perhaps", "COUNTERSIGN_CANCEL_UNAPPROVED_UPDATES must be true or false"},
		{notifier, "COUNTERSIGN_REMINDERS=50,0", "COUNTERSIGN_REMINDERS must be up to 5 percentages"},
		{notifier, "COUNTERSIGN_REMINDERS=100", "COUNTERSIGN_REMINDERS must be"},
		{notifier, "COUNTERSIGN_REMINDERS=half", "COUNTERSIGN_REMINDERS must be"},
		{notifier, "COUNTERSIGN_REMINDERS=none,5", "COUNTERSIGN_REMINDERS must be"},
		{notifier, "COUNTERSIGN_REMINDERS=6,5,4,3,2,1", "COUNTERSIGN_REMINDERS must be"},
		{notifier, "COUNTERSIGN_WORKING_HOURS=9-17", "COUNTERSIGN_WORKING_HOURS must be"},
		{notifier, "COUNTERSIGN_WORKING_HOURS=17:00-09:00", "COUNTERSIGN_WORKING_HOURS must be"},
		{notifier, "COUNTERSIGN_WORKING_HOURS=Weekdays 09:00-17:00", "COUNTERSIGN_WORKING_HOURS must be"},
		{notifier, "COUNTERSIGN_WORKING_HOURS=Mon - Fri 09:00-17:00", "COUNTERSIGN_WORKING_HOURS must be"},
		{notifier, "COUNTERSIGN_TIME_ZONE=Berlin", "COUNTERSIGN_TIME_ZONE must be"},
		{notifier, "COUNTERSIGN_TIME_ZONE=Local", "COUNTERSIGN_TIME_ZONE must be"},
		{notifier, "COUNTERSIGN_TIME_ZONE=../../etc/passwd", "COUNTERSIGN_TIME_ZONE must be"},
		{notifier, "COUNTERSIGN_ESCALATE_AFTER=4h", "COUNTERSIGN_ESCALATE_TO is missing"},
		{notifier, "COUNTERSIGN_ESCALATE_TO=S0123ABCD", "COUNTERSIGN_ESCALATE_AFTER is missing"},
		{bot, "COUNTERSIGN_ESCALATE_AFTER=59s", "COUNTERSIGN_ESCALATE_AFTER must be from"},
		{bot, "COUNTERSIGN_ESCALATE_AFTER=12h", "COUNTERSIGN_ESCALATE_AFTER must be from"},
		{bot, "COUNTERSIGN_ESCALATE_TO=@ann", "COUNTERSIGN_ESCALATE_TO must be"},
		{bot, "COUNTERSIGN_REASSIGN_TO=C0123ABCD", "COUNTERSIGN_REASSIGN_TO must be"},
		{bot, "COUNTERSIGN_MAIL_DOMAIN=@example.com", "COUNTERSIGN_MAIL_DOMAIN must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=production", "COUNTERSIGN_ACCOUNTS must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=11112222333=production", "COUNTERSIGN_ACCOUNTS must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=111122223333=", "COUNTERSIGN_ACCOUNTS must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=111122223333=production;444455556666=sandbox", "COUNTERSIGN_ACCOUNTS must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=111122223333=production,111122223333=sandbox", "COUNTERSIGN_ACCOUNTS must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=111122223333=production,", "COUNTERSIGN_ACCOUNTS must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=111122223333=" + strings.Repeat("x", 41), "COUNTERSIGN_ACCOUNTS must be"},
		{notifier, "COUNTERSIGN_ACCOUNTS=111122223333=\u202eproduction", "COUNTERSIGN_ACCOUNTS must be"},
		{bot, "COUNTERSIGN_URL=http://approvals.example.com", "COUNTERSIGN_URL must be"},
		{bot, "COUNTERSIGN_URL=https://approvals.example.com/decide", "COUNTERSIGN_URL must be"},
		{bot, "COUNTERSIGN_SLACK_API=https://slack.com/api", "COUNTERSIGN_SLACK_API must be"},
		{bot, "COUNTERSIGN_SLACK_API=https://user@slack.com/api/", "COUNTERSIGN_SLACK_API must be"},
		{bot, "COUNTERSIGN_SLACK_API=https://:/", "COUNTERSIGN_SLACK_API must be"},
		{bot, "COUNTERSIGN_SLACK_API=https://:443/api/", "COUNTERSIGN_SLACK_API must be"},
		{bot, "COUNTERSIGN_URL=https://:443", "COUNTERSIGN_URL must be"},
		{bot, "COUNTERSIGN_ORIGINS=https://:/", "COUNTERSIGN_ORIGINS must be"},
		{bot, "COUNTERSIGN_ORIGINS=http://example.com/", "COUNTERSIGN_ORIGINS must be"},
		{bot, "COUNTERSIGN_SLACK_TEAM=", "COUNTERSIGN_SLACK_TEAM is missing"},
		{bot, "COUNTERSIGN_TABEL=t", "COUNTERSIGN_TABEL is unknown"},
		{notifier, "COUNTERSIGN_TOPIC=arn:aws:sns:eu-west-1:123456789012:mail", "COUNTERSIGN_URL is missing"},
	} {
		_, err := function.ReadConfig(c.role, environ(c.given))
		var problems function.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.HasPrefix(problems[0], c.want) {
			t.Errorf("%s: %v, want one problem: %s…", c.given, err, c.want)
		}
	}
	_, err := function.ReadConfig(bot, environ("COUNTERSIGN_TIMEOUT=59m", "COUNTERSIGN_MARGIN=59m"))
	if err == nil || !strings.Contains(err.Error(), "COUNTERSIGN_MARGIN must be at least a minute less than COUNTERSIGN_TIMEOUT") {
		t.Errorf("no time left to decide: %v", err)
	}
	if _, err := function.ReadConfig(bot, environ("COUNTERSIGN_TIMEOUT=3m", "COUNTERSIGN_MARGIN=2m")); err != nil {
		t.Errorf("a minute is left to decide: %v", err)
	}
	if _, err := function.ReadConfig(notifier, environ("COUNTERSIGN_TIME_ZONE=Berlin", "COUNTERSIGN_WORKING_HOURS=09:00-17:00")); err == nil || strings.Contains(err.Error(), "WORKING_HOURS") {
		t.Errorf("a wrong time zone makes working hours wrong, too: %v", err)
	}
	if _, err := function.ReadConfig(notifier, environ("COUNTERSIGN_SLACK_TEAM=")); err != nil {
		t.Errorf("the notifier needs no team: %v", err)
	}
}
