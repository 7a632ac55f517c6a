package socketmode_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/socketmode"
)

const (
	appToken = "xapp-made-up"
	secret   = "made-up-secret"
	channel  = "C0APPROVALS"
	ann      = "U0ANN"
)

// fixture is a workspace with Socket Mode, and a bot that records what it gets.
type fixture struct {
	*slacktest.Workspace
	bot    *recorder
	client *socketmode.Client
	ended  chan error
}

// recorder is a bot that verifies signatures, and answers as Answer says.
type recorder struct {
	mu     sync.Mutex
	got    []string // path and body
	Answer func(path string) (status int, body string)
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	verifier, err := slack.NewSecretsVerifier(req.Header, secret)
	if err == nil {
		_, _ = verifier.Write(body)
		err = verifier.Ensure()
	}
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	r.got = append(r.got, req.URL.Path+" "+string(body))
	r.mu.Unlock()
	status, answer := http.StatusOK, ""
	if r.Answer != nil {
		status, answer = r.Answer(req.URL.Path)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (r *recorder) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got...)
}

// start connects a client to a new workspace, and waits for the connection.
func start(t *testing.T, change ...func(*slacktest.Config)) *fixture {
	t.Helper()
	f := &fixture{bot: &recorder{}, ended: make(chan error, 1)}
	var handler atomic.Pointer[slacktest.Workspace]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().ServeHTTP(w, r) }))
	c := slacktest.Config{
		Now: time.Now, Origin: server.URL, SocketMode: true, AppToken: appToken, AppScopes: []string{"connections:write"},
		BotToken: "xoxb-made-up", Scopes: []string{"chat:write", "commands"}, HomeTab: true,
	}
	for _, f := range change {
		f(&c)
	}
	f.Workspace = slacktest.New(c)
	f.AddUser(slacktest.User{ID: ann, Name: "ann"})
	f.AddChannel(slacktest.Channel{ID: channel, Name: "approvals", Members: []string{"U0BOT", ann}})
	handler.Store(f.Workspace)
	f.client = &socketmode.Client{
		API: server.URL + "/api/", AppToken: appToken, HTTP: server.Client(), Bot: f.bot, SigningSecret: secret, Now: time.Now,
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { f.ended <- f.client.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		f.DropConnections()
		select {
		case <-f.ended:
		case <-time.After(5 * time.Second):
			t.Error("the client still runs")
		}
		server.Close()
	})
	return f
}

// connected waits until n connections have been opened in all.
func (f *fixture) connected(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if open, ever := f.Connections(); open > 0 && ever >= n {
			return
		}
	}
	t.Fatal("no connection")
}

// Each kind of message reaches the bot as the HTTP request that Slack sends without
// Socket Mode, and the bot's answer reaches the person.
func TestMessagesReachTheBotAsSignedRequests(t *testing.T) {
	f := start(t)
	f.connected(t, 1)
	f.bot.Answer = func(path string) (int, string) {
		if path == "/slack/commands" {
			return http.StatusOK, "No request waits for you."
		}
		return http.StatusOK, ""
	}
	i, err := f.Command(ann, channel, "/approvals", `mine "a & b" <@U0ANN>`)
	if err != nil || i.Failed || i.Notice != "" {
		t.Fatalf("command: %+v, %v", i, err)
	}
	if shown := f.Ephemerals(ann); len(shown) != 1 || shown[0].Text != "No request waits for you." {
		t.Errorf("the person sees %+v", shown)
	}
	if i, err := f.OpenHome(ann); err != nil || i.Failed {
		t.Fatalf("Home tab: %+v, %v", i, err)
	}
	got := f.bot.received()
	if len(got) != 2 {
		t.Fatalf("the bot got %q", got)
	}
	path, form, _ := strings.Cut(got[0], " ")
	values, err := url.ParseQuery(form)
	if err != nil || path != "/slack/commands" || values.Get("text") != `mine "a & b" <@U0ANN>` || values.Get("user_id") != ann || values.Get("trigger_id") == "" {
		t.Errorf("the command is %s %v", path, values)
	}
	if !strings.HasPrefix(got[1], `/slack/events {"token"`) || !strings.Contains(got[1], `"app_home_opened"`) {
		t.Errorf("the event is %s", got[1])
	}
}

// slack-go cannot decode every payload; such an interaction still reaches the bot.
func TestUnknownElementReachesTheBot(t *testing.T) {
	f := start(t)
	f.connected(t, 1)
	seen := slacktest.Message{ChannelID: channel, TS: "1764000000.000100", Blocks: []byte(
		`[{"type":"actions","block_id":"decide","elements":[{"type":"button","action_id":"approve","text":{"type":"plain_text","text":"Approve"},"value":"v"},{"type":"hologram","action_id":"x"}]}]`)}
	i, err := f.ClickStale(ann, seen, "approve")
	if err != nil || i.Failed {
		t.Fatalf("click: %+v, %v", i, err)
	}
	if got := f.bot.received(); len(got) != 1 || !strings.HasPrefix(got[0], "/slack/interactivity payload=") {
		t.Errorf("the bot got %q", got)
	}
}

// An envelope that comes twice is given to the bot once, and answered alike.
func TestEnvelopeDeliveredTwiceCountsOnce(t *testing.T) {
	f := start(t)
	f.connected(t, 1)
	f.bot.Answer = func(string) (int, string) { return http.StatusOK, `{"text":"once"}` }
	i, err := f.Command(ann, channel, "/approvals", "")
	if err != nil || i.Failed {
		t.Fatalf("command: %+v, %v", i, err)
	}
	again := f.Redeliver(i)
	if again.Failed || again.Body != i.Body || len(f.bot.received()) != 1 {
		t.Errorf("the second time: %q after %q, and the bot got %d", again.Body, i.Body, len(f.bot.received()))
	}
}

// What the bot refused is not acknowledged, so that Slack shows an error or sends an
// event again; and then it counts.
func TestRefusedEventIsTakenWhenSentAgain(t *testing.T) {
	f := start(t)
	f.connected(t, 1)
	var status atomic.Int32
	status.Store(http.StatusServiceUnavailable)
	f.bot.Answer = func(string) (int, string) { return int(status.Load()), "" }
	i, err := f.OpenHome(ann)
	if err != nil || !i.Failed {
		t.Fatalf("Home tab: %+v, %v; want no acknowledgement", i, err)
	}
	status.Store(http.StatusOK)
	if again := f.RetryEvent(i, 1); again.Failed {
		t.Errorf("the retry failed: %v", again.Err)
	}
}

// Slack renews connections every few hours, and they break at other times.
func TestConnectsAgain(t *testing.T) {
	for name, end := range map[string]func(*slacktest.Workspace){
		"refresh requested": (*slacktest.Workspace).RefreshConnections,
		"connection lost":   (*slacktest.Workspace).DropConnections,
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			f.connected(t, 1)
			end(f.Workspace)
			f.connected(t, 2)
			if i, err := f.Command(ann, channel, "/approvals", ""); err != nil || i.Failed {
				t.Errorf("command: %+v, %v", i, err)
			}
		})
	}
}

// An outage of Slack ends, and the client is connected again.
func TestOutageEnds(t *testing.T) {
	f := start(t)
	f.connected(t, 1)
	f.SetDown(true)
	f.DropConnections()
	time.Sleep(100 * time.Millisecond)
	f.SetDown(false)
	f.connected(t, 2)
}

// A token that Slack refuses ends the run with Slack's error.
func TestRefusedTokenEndsTheRun(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*slacktest.Config)
		want   string
	}{
		{"no connections:write", func(c *slacktest.Config) { c.AppScopes = nil }, "missing_scope"},
		{"unknown", func(c *slacktest.Config) { c.AppToken = "xapp-other" }, "invalid_auth"},
		{"the bot's", func(c *slacktest.Config) { c.AppToken, c.BotToken = "xapp-other", appToken }, "not_allowed_token_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, tt.change)
			var refusal slack.SlackErrorResponse
			if err := f.client.Check(t.Context()); !errors.As(err, &refusal) || refusal.Err != tt.want {
				t.Errorf("Check: %v, want %s", err, tt.want)
			}
			select {
			case err := <-f.ended:
				if !errors.As(err, &refusal) || refusal.Err != tt.want {
					t.Errorf("Run: %v, want %s", err, tt.want)
				}
				f.ended <- nil
			case <-time.After(10 * time.Second):
				t.Error("it still tries")
			}
		})
	}
}

// Slack asks for a new connection while the bot still works on a click: the answer
// reaches the person over the new one, and the bot gets the click once.
func TestConnectionIsRenewedDuringAClick(t *testing.T) {
	f := start(t)
	f.connected(t, 1)
	began, goOn := make(chan struct{}, 10), make(chan struct{})
	f.bot.Answer = func(string) (int, string) {
		began <- struct{}{}
		<-goOn
		return http.StatusOK, `{"text":"once"}`
	}
	done := make(chan slacktest.Interaction, 1)
	go func() {
		i, err := f.Command(ann, channel, "/approvals", "")
		if err != nil {
			t.Error(err)
		}
		done <- i
	}()
	<-began
	f.RefreshConnections()
	f.connected(t, 2)
	close(goOn)
	if i := <-done; i.Failed || len(f.Ephemerals(ann)) != 1 || len(f.bot.received()) != 1 {
		t.Errorf("failed %v (%s), shown %d, the bot got %d", i.Failed, i.Notice, len(f.Ephemerals(ann)), len(f.bot.received()))
	}
}
