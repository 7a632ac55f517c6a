package slacktest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

// Fixtures of these tests.
const (
	team, elsewhere      = "T0HERE", "T0ELSEWHERE"
	bot                  = "U0BOT"
	ann, bob             = "U0ANN", "U0BOB"
	guest, gone          = "U0GUEST", "U0GONE"
	olga, stranger       = "U0OLGA", "U0STRANGER" // in other workspaces; stranger shares no channel
	public, private      = "C0PUBLIC", "C0PRIVATE"
	open, closed, hidden = "C0OPEN", "C0CLOSED", "C0HIDDEN" // public without the bot, archived, private without the bot
	shared               = "C0SHARED"
	group, oldGroup      = "S0GROUP", "S0OLD"

	token  = "xoxb-test"
	secret = "8f742231b10e8888abcd99yyyzzz85a5"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

var allScopes = []string{
	"chat:write", "commands", "im:read", "users:read", "users:read.email", "usergroups:read",
	"channels:read", "groups:read", "reactions:read", "reactions:write",
}

// clock stands still until add is called.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a workspace on a loopback port, the real client, and an app.
type world struct {
	*slacktest.Workspace
	t      testing.TB
	api    *api.Client
	origin string
	clock  *clock
	app    *app
}

// app receives interactions. It verifies each request before it answers.
type app struct {
	t     testing.TB
	clock *clock

	mu       sync.Mutex
	answer   http.HandlerFunc // nil: an empty 200
	payloads []payload
}

// payload is the part of a payload that the app decodes.
type payload struct {
	Type      string
	TriggerID string `json:"trigger_id"`
	User      struct {
		ID     string
		TeamID string `json:"team_id"`
	}
	Team    struct{ ID string }
	Actions []struct {
		ActionID string `json:"action_id"`
		BlockID  string `json:"block_id"`
		Value    string
	}
	View struct {
		ID              string
		Hash            string
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values map[string]map[string]map[string]any
		}
	}
	ResponseURL string `json:"response_url"`
	IsCleared   bool   `json:"is_cleared"`

	raw  json.RawMessage
	form url.Values
}

func (a *app) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Errorf("couldn't read a request to the app: %v", err)
	}
	if err := verify(r.Header, body, a.clock.Now()); err != nil {
		a.t.Errorf("the app got a request with an invalid signature: %v", err)
	}
	if got, want := r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"; got != want {
		a.t.Errorf("content type: got %q, want %q", got, want)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		a.t.Errorf("the app got an invalid form: %v", err)
	}
	p := payload{raw: json.RawMessage(form.Get("payload")), form: form}
	if form.Has("payload") {
		if err := json.Unmarshal(p.raw, &p); err != nil {
			a.t.Errorf("the app got invalid JSON: %v", err)
		}
	}
	a.mu.Lock()
	a.payloads = append(a.payloads, p)
	answer := a.answer
	a.mu.Unlock()
	if answer != nil {
		answer(rw, r)
	}
}

func (a *app) respond(f http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
}

func (a *app) respondWith(status int, body string) {
	a.respond(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	})
}

// last returns the latest payload.
func (a *app) last() payload {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.payloads) == 0 {
		a.t.Fatal("the app got no request")
	}
	return a.payloads[len(a.payloads)-1]
}

func (a *app) received() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.payloads)
}

func newWorld(t testing.TB, change ...func(*slacktest.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: start}}
	w.app = &app{t: t, clock: w.clock}
	appServer := httptest.NewServer(w.app)
	t.Cleanup(appServer.Close)
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w.origin = server.URL
	c := slacktest.Config{
		Now: w.clock.Now, TeamID: team, TeamName: "Here", Domain: "here", AppID: "A0APP", BotID: "B0BOT",
		BotUserID: bot, BotName: "countersign", BotToken: token, Scopes: allScopes, MessagesTab: true, HomeTab: true, Origin: server.URL,
		SigningSecret: secret, RequestURL: appServer.URL + "/slack/interactivity", Client: appServer.Client(),
	}
	for _, f := range change {
		f(&c)
	}
	w.Workspace = slacktest.New(c)
	handler = w.Workspace
	w.populate()
	w.api = w.client(token)
	return w
}

func (w *world) client(token string) *api.Client {
	return api.New(token, api.OptionAPIURL(w.origin+"/api/"), api.OptionHTTPClient(&http.Client{Timeout: 5 * time.Second}))
}

func (w *world) populate() {
	person := func(id, name string) slacktest.User {
		return slacktest.User{ID: id, Name: name, RealName: "The " + name, DisplayName: name, Email: name + "@example.com"}
	}
	w.AddUser(person(ann, "ann"))
	w.AddUser(person(bob, "bob"))
	g := person(guest, "guest")
	g.Restricted = true
	w.AddUser(g)
	d := person(gone, "gone")
	d.Deleted = true
	w.AddUser(d)
	for _, id := range []string{olga, stranger} {
		u := person(id, "outsider")
		u.TeamID = elsewhere
		w.AddUser(u)
	}
	w.AddUserGroup(slacktest.UserGroup{ID: group, Handle: "approvers", Name: "Approvers", Users: []string{ann, bob}})
	w.AddUserGroup(slacktest.UserGroup{ID: oldGroup, Handle: "old", Name: "Old", Users: []string{ann}, Disabled: true})
	w.AddChannel(slacktest.Channel{ID: public, Name: "approvals", Members: []string{bot, ann, bob}})
	w.AddChannel(slacktest.Channel{ID: private, Name: "secret", Private: true, Members: []string{bot, ann}})
	w.AddChannel(slacktest.Channel{ID: open, Name: "random", Members: []string{ann}})
	w.AddChannel(slacktest.Channel{ID: closed, Name: "old", Archived: true, Members: []string{bot, ann}})
	w.AddChannel(slacktest.Channel{ID: hidden, Name: "hidden", Private: true, Members: []string{ann}})
	w.AddChannel(slacktest.Channel{ID: shared, Name: "partners", ExtShared: true, Members: []string{bot, ann, olga, gone}})
}

// post posts a message.
func (w *world) post(channel string, options ...api.MsgOption) (channelID, ts string) {
	w.t.Helper()
	channelID, ts, err := w.api.PostMessageContext(w.t.Context(), channel, options...)
	if err != nil {
		w.t.Fatalf("posting to %s: %v", channel, err)
	}
	return channelID, ts
}

// message returns a message that must exist.
func (w *world) message(channelID, ts string) slacktest.Message {
	w.t.Helper()
	m, ok := w.Message(channelID, ts)
	if !ok {
		w.t.Fatalf("no message %s in %s", ts, channelID)
	}
	return m
}

// wantCode checks that err has this Slack error code; "" means no error.
func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s: got error %q, want %q", what, got, want)
	}
}

func code(err error) string {
	var no api.SlackErrorResponse
	switch {
	case err == nil:
		return ""
	case errors.As(err, &no):
		return no.Err
	}
	return "not a Slack error: " + err.Error()
}

func text(s string) api.MsgOption { return api.MsgOptionText(s, false) }

func plain(s string) *api.TextBlockObject {
	return api.NewTextBlockObject("plain_text", s, false, false)
}

func mrkdwn(s string) *api.TextBlockObject {
	return api.NewTextBlockObject("mrkdwn", s, false, false)
}

func section(s string) api.Block { return api.NewSectionBlock(mrkdwn(s), nil, nil) }

// approvalButtons are blocks with an approve and a reject button.
func approvalButtons() api.MsgOption {
	return api.MsgOptionBlocks(
		section("Approve *this*?"),
		api.NewActionBlock("decide",
			api.NewButtonBlockElement("approve", "request-1", plain("Approve")).WithStyle(api.StylePrimary),
			api.NewButtonBlockElement("reject", "request-1", plain("Reject")).WithStyle(api.StyleDanger),
		),
	)
}

func msgTS(ts string) api.MsgOption { return api.MsgOptionTS(ts) }
