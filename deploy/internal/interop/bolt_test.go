package interop_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
)

// questions is the input of bolt.cjs.
type questions struct {
	Secret   string    `json:"secret"`
	Events   []event   `json:"events"`
	Requests []request `json:"requests"`
}

// event is an invocation of Bolt's AwsLambdaReceiver. Ack is the bot's response,
// which Bolt sends in its own encoding.
type event struct {
	Event events.APIGatewayV2HTTPRequest `json:"event"`
	Ack   json.RawMessage                `json:"ack,omitempty"`
}

// request is a request whose signature Bolt verifies. Now is in Unix seconds.
type request struct {
	Now       int64  `json:"now"`
	Stamp     string `json:"stamp"`
	Signature string `json:"signature"`
	Body      string `json:"body"`
}

// answers is the output of bolt.cjs.
type answers struct {
	Answers []struct {
		StatusCode  int
		ContentType string
		Body        string
		Seen        *boltView
	}
	Valid []bool
}

// boltView is what Bolt passed to a listener.
type boltView struct {
	Kind, ID, Value, Block, Type                       string
	User, Team, App, Channel, TS, Trigger, ResponseURL string
	Typed                                              map[string]map[string]struct{ Type, Value string }
}

// askBolt runs bolt.cjs for up to a minute.
func askBolt(t *testing.T, q questions) (a answers) {
	t.Helper()
	modules := testtools.Path(t, "slack/node_modules")
	in, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	node(t, modules, in, &a, "bolt.cjs")
	if len(a.Answers) != len(q.Events) || len(a.Valid) != len(q.Requests) {
		t.Fatalf("%d and %d answers to %d and %d questions", len(a.Answers), len(a.Valid), len(q.Events), len(q.Requests))
	}
	return a
}

func node(t *testing.T, modules string, in []byte, out any, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdin = bytes.NewReader(in)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("node: %v:\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		t.Fatalf("node printed %q: %v", stdout.String(), err)
	}
}

// asEvent returns the click as an HTTP API passes it to a function.
func (c click) asEvent() events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: c.path, Body: c.body, Headers: map[string]string{}}
	for name, values := range c.header {
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e.RequestContext.HTTP.Method = http.MethodPost
	return e
}

// Bolt's Lambda receiver accepts every request that the simulated Slack sent to the
// bot, reads from it what Slack documents, and responds like the bot.
func TestBoltReadsRequestsOfSimulatedSlack(t *testing.T) {
	testtools.Path(t, "slack/node_modules")
	rec := record(t)
	q := questions{Secret: rec.config.SigningSecrets[0], Requests: []request{}}
	for _, c := range rec.clicks {
		e := event{Event: c.asEvent()}
		if c.answer != "" {
			e.Ack = json.RawMessage(c.answer)
		}
		q.Events = append(q.Events, e)
	}
	tampered := rec.clicks[0].asEvent()
	tampered.Body = strings.Replace(tampered.Body, "approve", "reject", 1)
	q.Events = append(q.Events, event{Event: tampered})

	a := askBolt(t, q)
	kinds := map[string]int{}
	for i, c := range rec.clicks {
		got := a.Answers[i]
		if got.StatusCode != c.status || got.Seen == nil {
			t.Errorf("request %d: Bolt responds %d and reads %+v, the bot responded %d", i, got.StatusCode, got.Seen, c.status)
			continue
		}
		if diff := cmp.Diff(parsed(t, c.answer), parsed(t, got.Body)); diff != "" {
			t.Errorf("request %d: responses differ (-bot +Bolt):\n%s", i, diff)
		}
		if c.answer != "" && !strings.HasPrefix(c.kind, got.ContentType) {
			t.Errorf("request %d: the bot responds with %q, Bolt with %q", i, c.kind, got.ContentType)
		}
		if diff := cmp.Diff(expectedView(t, c), *got.Seen); diff != "" {
			t.Errorf("request %d: Bolt reads it differently (-documented +Bolt):\n%s", i, diff)
		}
		kinds[got.Seen.Kind]++
		if strings.Contains(c.answer, `"response_action":"errors"`) {
			kinds["refused"]++
		}
	}
	if kinds["block_actions"] < 10 || kinds["view_submission"] != 6 || kinds["refused"] != 1 || kinds["command"] != 4 || kinds["event_callback"] != 1 {
		t.Errorf("the recording does not cover enough: %v", kinds)
	}
	if last := a.Answers[len(rec.clicks)]; last.StatusCode != http.StatusUnauthorized || last.Seen != nil {
		t.Errorf("Bolt accepts a tampered request: %+v", last)
	}
}

func parsed(t *testing.T, s string) (v any) {
	t.Helper()
	if s != "" {
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	}
	return v
}

// expectedView returns what the click's payload means by Slack's documentation. See
// https://docs.slack.dev/reference/interaction-payloads
func expectedView(t *testing.T, c click) boltView {
	t.Helper()
	switch c.path {
	case pathCommands:
		var p map[string]string
		if err := json.Unmarshal([]byte(c.payload(t)), &p); err != nil {
			t.Fatal(err)
		}
		return boltView{Kind: "command", ID: p["command"], Value: p["text"], User: p["user_id"], Team: p["team_id"], App: p["api_app_id"],
			Channel: p["channel_id"], Trigger: p["trigger_id"], ResponseURL: p["response_url"]}
	case pathEvents:
		var p struct {
			Type  string
			Team  string `json:"team_id"`
			App   string `json:"api_app_id"`
			Event struct{ Type, Tab, User, Channel string }
		}
		if err := json.Unmarshal([]byte(c.body), &p); err != nil {
			t.Fatal(err)
		}
		return boltView{Kind: p.Type, ID: p.Event.Type, Value: p.Event.Tab, User: p.Event.User, Team: p.Team, App: p.App, Channel: p.Event.Channel}
	}
	var p struct {
		Type        string
		User        struct{ ID string }
		Team        struct{ ID string }
		App         string `json:"api_app_id"`
		Trigger     string `json:"trigger_id"`
		ResponseURL string `json:"response_url"`
		Channel     struct{ ID string }
		Message     struct{ TS string }
		Actions     []struct {
			ID    string `json:"action_id"`
			Block string `json:"block_id"`
			Value string
			Type  string
		}
		View struct {
			Type     string
			Callback string `json:"callback_id"`
			Metadata string `json:"private_metadata"`
			State    struct {
				Values map[string]map[string]struct{ Type, Value string }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.payload(t)), &p); err != nil {
		t.Fatal(err)
	}
	s := boltView{Kind: p.Type, User: p.User.ID, Team: p.Team.ID, App: p.App, Trigger: p.Trigger, ResponseURL: p.ResponseURL,
		Channel: p.Channel.ID, TS: p.Message.TS}
	if len(p.Actions) > 0 {
		x := p.Actions[0]
		s.ID, s.Value, s.Block, s.Type = x.ID, x.Value, x.Block, x.Type
	} else {
		s.ID, s.Value, s.Type, s.Typed = p.View.Callback, p.View.Metadata, p.View.Type, p.View.State.Values
	}
	if s.User == "" || s.Team != sandbox.Team || s.App != sandbox.AppID || s.Trigger == "" || s.ID == "" || s.Value == "" {
		t.Errorf("the simulated Slack's payload is incomplete: %+v", s)
	}
	return s
}

// Bolt and the bot verify the same requests with the same results, with one
// exception: the bot rejects timestamps in the future.
func TestBotAndBoltAgreeOnSignatures(t *testing.T) {
	const secret = "8f742231b10e8888abcd99yyyzzz85a5"
	now := time.Unix(1531420618, 0)
	clock := func() time.Time { return now }
	f := localfn.New(localfn.Config{SigningSecrets: []string{secret}, TeamID: sandbox.Team, MailKey: bytes.Repeat([]byte("k"), 32)},
		&handle.Memory{}, clock, &http.Client{Transport: unreachable{}}, slog.New(slog.DiscardHandler))

	var q []request
	// As Slack's documentation works it out, and edited.
	const published = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	const sum = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	for _, body := range []string{published, published + " ", published[1:], strings.ToUpper(published), ""} {
		q = append(q, request{Body: body, Stamp: "1531420618", Signature: sum})
	}
	for _, signature := range []string{"", "v0=", "v1=" + sum[3:], sum[3:], sum + "0", sum[:len(sum)-1], "V0=" + sum[3:], sum[:60], " " + sum} {
		q = append(q, request{Body: published, Stamp: "1531420618", Signature: signature})
	}
	for _, off := range []int64{-86400, -301, -300, -299, -1, 0, 1, 299, 300, 301, 86400} {
		for _, body := range []string{"payload=%7B%22type%22%3A%22shortcut%22%7D", "payload=%7B%7D&x=%C3%A9", "text=é 😀 &%", "a=b\x00c\r\n"} {
			at := now.Add(time.Duration(off) * time.Second)
			good := slacktest.Sign(secret, at, []byte(body))
			stamp := strconv.FormatInt(at.Unix(), 10)
			q = append(q,
				request{Body: body, Stamp: stamp, Signature: good},
				request{Body: body + "&y=1", Stamp: stamp, Signature: good},
				request{Body: body, Stamp: strconv.FormatInt(at.Unix()+1, 10), Signature: good},
				request{Body: body, Stamp: stamp, Signature: slacktest.Sign(secret+"x", at, []byte(body))})
		}
	}
	for i := range q {
		q[i].Now = now.Unix()
	}
	a := askBolt(t, questions{Secret: secret, Events: []event{}, Requests: q})

	count := map[bool]int{}
	for i, r := range q {
		req := httptest.NewRequest(http.MethodPost, "/slack/interactivity", strings.NewReader(r.Body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Slack-Request-Timestamp", r.Stamp)
		req.Header.Set("X-Slack-Signature", r.Signature)
		res := httptest.NewRecorder()
		f.Bot.ServeHTTP(res, req)
		stamp, _ := strconv.ParseInt(r.Stamp, 10, 64) // all are numbers
		want := a.Valid[i] && stamp-r.Now <= 300
		if got := res.Code != http.StatusUnauthorized; got != want {
			t.Errorf("%+v: the bot responds %d, Bolt's verification is %t", r, res.Code, a.Valid[i])
		}
		count[want]++
	}
	if count[true] < 20 || count[false] < 50 {
		t.Errorf("too few requests: %v", count)
	}
}

// unreachable is a transport that fails every request.
type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }
