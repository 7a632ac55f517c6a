package doctor

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// volatile matches what differs between runs.
var volatile = regexp.MustCompile(`127\.0\.0\.1:\d+|within \d+s|in \d\.\d\d s`)

func TestReportIsGolden(t *testing.T) {
	for _, test := range []struct {
		name   string
		inject func(*fixture)
	}{
		{"healthy", func(*fixture) {}},
		{"broken", func(p *fixture) {
			p.slack.AddChannel(slacktest.Channel{ID: "C0APPROVALS", Name: "launch-approvals", Members: []string{"U0ANN"}})
			p.aws.rules["countersign-sweep"].State = "DISABLED"
			p.aws.heartbeat = time.Now().Add(-20 * time.Minute)
			p.aws.topics[mailTopicARN].subscriptions[0][1] = "PendingConfirmation"
			p.aws.backups = "DISABLED"
			p.aws.denied = []string{"iam:SimulatePrincipalPolicy"}
		}},
		{"mistakes", func(p *fixture) {
			p.aws.secretText = testToken
			p.aws.rules["countersign-sweep"].targets = nil
			delete(p.aws.rules, "countersign-status")
		}},
		{"no-secret", func(p *fixture) { p.aws.denied = []string{"secretsmanager:GetSecretValue"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			test.inject(p)
			var b bytes.Buffer
			if err := p.checkAll().write(&b, nil); err != nil {
				t.Fatal(err)
			}
			got := volatile.ReplaceAllString(b.String(), "…")
			golden := filepath.Join("testdata", test.name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			if strings.Contains(got, "\x1b") {
				t.Error("the report has colour codes")
			}
		})
	}
}

func TestJSONHoldsTheReport(t *testing.T) {
	p := newFixture(t)
	p.aws.rules["countersign-sweep"].State = "DISABLED"
	want := p.checkAll()
	var b bytes.Buffer
	if err := want.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestExitStatusIsTheWorstFinding(t *testing.T) {
	for _, test := range []struct {
		levels []Level
		want   int
	}{
		{[]Level{OK, Skipped, Warning}, statusOK},
		{[]Level{OK, Unchecked, Warning}, statusUnknown},
		{[]Level{Fault, Unchecked, OK}, statusFault},
	} {
		var r Report
		for _, l := range test.levels {
			r.Findings = append(r.Findings, Finding{Level: l})
		}
		if got := r.status(); got != test.want {
			t.Errorf("%v: got %d, want %d", test.levels, got, test.want)
		}
	}
}

func TestOnlyTerminalsGetColour(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if colours(f) != nil {
		t.Error("a file gets a palette")
	}
	p := palette{Fault: "31"}
	if got := p.paint(Fault, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("got %q", got)
	}
	if got := p.paint(OK, "x"); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	p := newFixture(t)
	d := p.doctor()
	d.checkAll(t.Context())
	findings := []Finding{{Found: "it is " + testToken, Do: "use " + testSigning + " and " + testMailKey}}
	d.redact(findings)
	if got := findings[0]; got.Found != "it is [hidden]" || got.Do != "use [hidden] and [hidden]" {
		t.Errorf("got %+v", got)
	}
}

func TestOnlySayHelloPosts(t *testing.T) {
	p := newFixture(t)
	p.command.SayHello = true
	p.want(p.checkAll())
	if n := p.slack.Counts()["chat.postMessage"]; n != 1 {
		t.Errorf("%d messages were posted, want 1", n)
	}

	p = newFixture(t)
	p.command.SayHello = true
	if err := p.slack.Remove("C0APPROVALS", "U0COUNTERSIGN"); err != nil {
		t.Fatal(err)
	}
	p.want(p.checkAll(), expectation{"Slack channel", Fault, "", ""}, expectation{"test message", Fault, "not_in_channel", "/invite"})
}

func TestScopesAreTheManifests(t *testing.T) {
	p := newFixture(t, func(c *slacktest.Config) { c.Scopes = append(testScopes[1:], "files:write") })
	p.want(p.checkAll(), expectation{"Slack scopes", Fault, "lacks chat:write", "Reinstall"}, expectation{"Slack scopes", Warning, "files:write", "Reinstall"})

	p = newFixture(t, func(c *slacktest.Config) {
		c.Scopes = []string{"chat:write", "users:read", "users:read.email", "usergroups:read"}
	})
	p.want(p.checkAll(), expectation{"Slack scopes", Fault, "lacks channels:read, groups:read", ""}, expectation{"Slack channel", Unchecked, "channels:read", "--say-hello"})
}

// A service that hangs does not block other checks.
func TestHangingAPIIsAFault(t *testing.T) {
	p := newFixture(t)
	p.replaceBot(hang)
	p.timeout = time.Second
	p.want(p.checkAll(), expectation{"API", Fault, "does not answer", "network"})
}
