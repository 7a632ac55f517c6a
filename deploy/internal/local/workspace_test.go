package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy"
	"countersign/deploy/internal/doctor"
)

const channel, requester, approver = "C0APPROVALS", "U0PAT", "U0ALEX"

// realWorkspace serves a workspace with the app of deploy/slack.yaml in Socket Mode.
func realWorkspace(t *testing.T, change ...func(*slacktest.Config)) (*slacktest.Workspace, SlackFlags) {
	t.Helper()
	scopes, err := doctor.ManifestScopes(string(deploy.SlackManifest))
	if err != nil {
		t.Fatal(err)
	}
	var handler atomic.Pointer[slacktest.Workspace]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	c := slacktest.Config{
		Now: time.Now, Origin: server.URL, TeamName: "Acme", SocketMode: true, AppToken: "xapp-made-up", AppScopes: []string{"connections:write"},
		BotToken: "xoxb-made-up", BotName: "countersign", Scopes: scopes, MessagesTab: true, HomeTab: true,
	}
	for _, f := range change {
		f(&c)
	}
	w := slacktest.New(c)
	w.AddUser(slacktest.User{ID: requester, Name: "pat", RealName: "Pat Doe", Email: "pat@example.com"})
	w.AddUser(slacktest.User{ID: approver, Name: "alex", RealName: "Alex Roe", Email: "alex@example.com"})
	w.AddChannel(slacktest.Channel{ID: channel, Name: "approvals", Members: []string{"U0BOT", requester, approver}})
	w.AddChannel(slacktest.Channel{ID: "C0OTHER", Name: "other", Members: []string{requester}})
	handler.Store(w)
	return w, SlackFlags{
		Slack: true, Channel: "#approvals", Requester: "pat@example.com",
		BotToken: "xoxb-made-up", AppToken: "xapp-made-up", SlackURL: server.URL,
	}
}

// output collects what the command prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("timed out waiting for %s", what)
}

// A launch on the page is asked about in the workspace; the click comes back through
// Socket Mode, and the stack continues.
func TestLaunchIsApprovedInTheWorkspace(t *testing.T) {
	w, flags := realWorkspace(t)
	flags.Approver = []string{"alex@example.com"}
	out := new(output)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Command{Addr: "127.0.0.1:0", SlackFlags: flags}.Run(ctx, out) }()
	defer func() {
		cancel()
		w.DropConnections()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the run ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the run does not end")
		}
	}()
	var origin string
	waitFor(t, "the address", func() bool {
		found := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(after(out.String(), "Countersign is at"))
		origin = found
		return found != ""
	})
	if text := out.String(); !strings.Contains(text, "/archives/"+channel+" in the workspace Acme") || strings.Contains(text, "own launches") {
		t.Errorf("it prints %q", text)
	}
	waitFor(t, "the connection", func() bool { open, _ := w.Connections(); return open > 0 })
	page := fetch(t, origin+"/")
	if !strings.Contains(page, "Pat Doe") || !strings.Contains(page, "/archives/"+channel) || strings.Contains(page, "slack-down") || strings.Contains(page, ">Rita<") {
		t.Error("the page does not show the real workspace")
	}
	launch := `{"as":"U0RITA","name":"queue","parameters":{"UserEmail":"pat@example.com","Purpose":"Orders"}}`
	post(t, origin+"/api/launch", launch)
	waitFor(t, "the request", func() bool { return len(w.Messages(channel)) == 1 })
	m := w.Messages(channel)[0]
	if !strings.Contains(string(m.Blocks), "@"+requester) {
		t.Errorf("the message does not mention the requester: %s", m.Blocks)
	}
	if i, err := w.ClickButton(approver, channel, m.TS, "approve"); err != nil || i.Failed {
		t.Fatalf("click: %+v, %v", i, err)
	}
	waitFor(t, "the end of the launch", func() bool { return strings.Contains(fetch(t, origin+"/"), "CREATE_COMPLETE") })
	waitFor(t, "the direct message to the requester", func() bool { return len(w.DMs(requester)) > 0 })
}

func after(s, mark string) string {
	_, rest, _ := strings.Cut(s, mark)
	return rest
}

func fetch(t *testing.T, target string) string {
	t.Helper()
	res, err := http.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", target, res.Status, err)
	}
	return string(b)
}

func post(t *testing.T, target, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode >= 300 {
		t.Fatalf("%s: %s %s", target, res.Status, b)
	}
}

// Without tokens the command says how to get them, with a manifest that Slack takes.
func TestMissingTokensAreExplained(t *testing.T) {
	err := Command{SlackFlags: SlackFlags{Slack: true, Channel: "#approvals", AppToken: "xoxb-wrong-kind"}}.Run(t.Context(), io.Discard)
	if err == nil {
		t.Fatal("it runs without tokens")
	}
	for _, want := range []string{"SLACK_BOT_TOKEN is not set", "SLACK_APP_TOKEN must begin with xapp-", "--requester", "connections:write", "/invite @Countersign"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "xoxb-wrong-kind") {
		t.Error("it prints a token")
	}
	link := regexp.MustCompile(`https://api\.slack\.com/apps\?\S+`).FindString(err.Error())
	u, parseErr := url.Parse(link)
	if parseErr != nil {
		t.Fatal(parseErr)
	}
	var m struct {
		Settings struct {
			Socket        bool           `json:"socket_mode_enabled"`
			Interactivity map[string]any `json:"interactivity"`
		} `json:"settings"`
	}
	if err := json.Unmarshal([]byte(u.Query().Get("manifest_json")), &m); err != nil || !m.Settings.Socket || m.Settings.Interactivity["is_enabled"] != true {
		t.Errorf("the manifest is %s: %v", u.Query().Get("manifest_json"), err)
	}
	if strings.Contains(link, "request_url") || len(link) > 8000 {
		t.Errorf("the link has %d bytes and addresses: %v", len(link), strings.Contains(link, "request_url"))
	}
}

// Everything that the workspace lacks is named at once.
func TestWorkspaceIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*slacktest.Config)
		flags  func(*SlackFlags)
		want   []string
	}{
		{"no connections:write", func(c *slacktest.Config) { c.AppScopes = nil }, nil, []string{"SLACK_APP_TOKEN lacks the scope connections:write"}},
		{"unknown tokens", nil, func(f *SlackFlags) { f.AppToken, f.BotToken = "xapp-other", "xoxb-other" }, []string{"SLACK_APP_TOKEN: Slack answers invalid_auth", "SLACK_BOT_TOKEN: Slack answers invalid_auth"}},
		{"no network", nil, func(f *SlackFlags) { f.SlackURL = "http://127.0.0.1:1" }, []string{"couldn't reach Slack with SLACK_APP_TOKEN", "couldn't reach Slack with SLACK_BOT_TOKEN"}},
		{"tokens of two apps", func(c *slacktest.Config) { c.AppID, c.AppToken = "A0BOT", "xapp-1-A0OTHER-1-abc" }, func(f *SlackFlags) { f.AppToken = "xapp-1-A0OTHER-1-abc" },
			[]string{"SLACK_APP_TOKEN is of the app A0OTHER, and SLACK_BOT_TOKEN of the app A0BOT"}},
		{"scopes missing", func(c *slacktest.Config) { c.Scopes = []string{"chat:write"} }, nil, []string{"SLACK_BOT_TOKEN lacks the scopes", "users:read.email"}},
		{"no such channel, no such person", nil, func(f *SlackFlags) { f.Channel, f.Requester = "#nowhere", "stranger@example.com" }, []string{"there is no public channel #nowhere", "no one in the workspace has the e-mail address stranger@example.com"}},
		{"not invited", nil, func(f *SlackFlags) { f.Channel = "#other" }, []string{"the app is not in the channel #other", "/invite"}},
		{"bad approver", nil, func(f *SlackFlags) { f.Approver = []string{"ann"} }, []string{`--approver: "ann" is not an e-mail address`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := tt.change
			if change == nil {
				change = func(*slacktest.Config) {}
			}
			_, flags := realWorkspace(t, change)
			if tt.flags != nil {
				tt.flags(&flags)
			}
			err := Command{Addr: "127.0.0.1:0", SlackFlags: flags}.Run(t.Context(), io.Discard)
			if err == nil {
				t.Fatal("it starts")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it does not say %q:\n%v", want, err)
				}
			}
			for _, secret := range []string{flags.AppToken, flags.BotToken} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Error("it prints a token")
				}
			}
		})
	}
}
