package function_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
)

// Latencies of a click's calls, and how long we may take to answer it, relative to
// bots that make the calls one after the other.
const (
	dynamoLatency = 5 * time.Millisecond
	signalLatency = 30 * time.Millisecond
	slackLatency  = 120 * time.Millisecond

	maxWarm = 0.75
	maxCold = 0.5
)

// The bot answers a click, from the first call to the last mark, faster than a
// handler that does less: a read, a conditional write, the signal, the message's
// update and the reply, one after the other. The bot also writes to the requester
// and marks what it did; when cold it looks up the person and the group of approvers.
//
// The handler in Go is as fast as such a handler can be. Bolt runs as a Lambda
// function of its own, without the AWS SDK, which would slow its start.
func TestClickTime(t *testing.T) {
	r := newFixture(t)
	cold, warm := r.clickTimes(6)
	server := newWaitingServer(t, r.FunctionsConfig.SigningSecrets[0])
	serial := server.serialTime(r.clickEvent)
	t.Logf("cold %v, warm %v; the serial handler %v: %.2f", cold, warm, serial, ratio(warm, serial))
	if got := ratio(warm, serial); got > maxWarm {
		t.Errorf("a click takes %v, %.2f times the serial handler's %v; the limit is %.2f", warm, got, serial, maxWarm)
	}
	t.Run("Bolt", func(t *testing.T) {
		bolt := newBoltFunction(t, server.URL)
		boltCold, boltWarm := coldAndWarm(t, bolt, 4, r.clickEvent)
		if names, want := server.count(), 4*5; names != want {
			t.Fatalf("Bolt's handler made %d calls for 4 clicks, want %d\n%s", names, want, bolt.output())
		}
		t.Logf("Bolt cold %v: %.2f; warm %v: %.2f", boltCold, ratio(cold, boltCold), boltWarm, ratio(warm, boltWarm))
		if got := ratio(warm, boltWarm); got > maxWarm {
			t.Errorf("a click takes %v, %.2f times Bolt's %v; the limit is %.2f", warm, got, boltWarm, maxWarm)
		}
		if got := ratio(cold, boltCold); got > maxCold {
			t.Errorf("a first click takes %v, %.2f times Bolt's %v; the limit is %.2f", cold, got, boltCold, maxCold)
		}
	})
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// clickTimes launches n times and approves each launch under the latencies, every
// other time with a new process. It returns the least time until the bot's
// response, because other load only adds to it.
func (f *fixture) clickTimes(n int) (cold, warm time.Duration) {
	f.t.Helper()
	var took [2][]time.Duration
	for i := range n {
		stack, request := f.launch()
		if i%2 == 0 && f.bot.process != nil {
			f.bot.stop(f.bot.process)
		}
		f.Delay(slackLatency, signalLatency)
		f.aws.set(func(a *fakeAWS) { a.delay = dynamoLatency })
		before := f.Slack.Calls()
		root, _ := request.Root()
		if i, err := f.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, string(handle.Approve)); err != nil || i.Failed {
			f.t.Fatalf("click: %+v, %v\n%s", i, err, f.bot.output())
		}
		took[i%2] = append(took[i%2], f.clickTook)
		var made []string
		for _, call := range f.Slack.Calls()[len(before):] {
			made = append(made, call.Method)
		}
		slices.Sort(made)
		want := []string{"chat.postMessage", "chat.postMessage", "chat.update", "usergroups.users.list", "users.info"}
		if i%2 == 1 {
			want = want[:3]
		}
		if got := f.request(stack); !slices.Equal(made, want) || got.Signal == nil || len(got.Due(time.Now())) > 0 {
			f.t.Fatalf("the click made the calls %v, want %v; due is %+v", made, want, got.Due(time.Now()))
		}
		f.Delay(0, 0)
		f.aws.set(func(a *fakeAWS) { a.delay = 0 })
		f.run()
		f.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	}
	return slices.Min(took[0]), slices.Min(took[1])
}

// coldAndWarm sends each event n times, every other time to a new process, and
// returns the least times.
func coldAndWarm(t *testing.T, h *fakeLambda, n int, event []byte) (cold, warm time.Duration) {
	t.Helper()
	var took [2][]time.Duration
	for i := range n {
		if i%2 == 0 && h.process != nil {
			h.stop(h.process)
		}
		begun := time.Now()
		o := h.invoke(event, clickTime)
		took[i%2] = append(took[i%2], time.Since(begun))
		var res struct{ StatusCode int }
		if o.failed != "" || json.Unmarshal(o.answer, &res) != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s\n%s", o.failed, o.answer, h.output())
		}
	}
	return slices.Min(took[0]), slices.Min(took[1])
}

// newBoltFunction returns testdata/bolt/click.cjs as a Lambda function.
func newBoltFunction(t *testing.T, origin string) *fakeLambda {
	t.Helper()
	modules := testtools.Path(t, "slack/node_modules")
	node, err := exec.LookPath("node")
	if err != nil {
		testtools.Missing(t, "node")
	}
	script, err := filepath.Abs("testdata/bolt/click.cjs")
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(bootstrap, fmt.Appendf(nil, "#!/bin/sh\nexec %q %q\n", node, script), 0o700); err != nil {
		t.Fatal(err)
	}
	return newFakeLambda(t, "bolt", bootstrap, "NODE_PATH="+modules, "ORIGIN="+origin)
}

// waitingServer stands for DynamoDB, the wait handle's bucket and Slack, for
// handlers that do not look at the answers. It only waits.
type waitingServer struct {
	*httptest.Server
	t *testing.T

	mu    sync.Mutex
	calls int // of a click
}

func newWaitingServer(t *testing.T, signingSecret string) *waitingServer {
	s := &waitingServer{t: t}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		latency, ofClick := slackLatency, true
		switch r.URL.Path {
		case "/secret":
			_ = json.NewEncoder(w).Encode(map[string]string{"signingSecret": signingSecret, "token": "xoxb-made"})
			return
		case "/dynamodb":
			latency = dynamoLatency
		case "/signal":
			latency = signalLatency
		case "/api/auth.test": // Bolt's, before the first click
			ofClick = false
		}
		time.Sleep(latency)
		if ofClick {
			s.mu.Lock()
			s.calls++
			s.mu.Unlock()
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true,"channel":"C0APPROVALS","ts":"1764000000.000100","bot_id":"B0BOT","user_id":"U0BOT","team_id":"T0HOME"}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// count returns the calls of clicks so far, and resets the count.
func (s *waitingServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.calls = 0 }()
	return s.calls
}

// serialTime verifies the signature of a click and makes its calls one after the
// other, several times. It returns the least time.
func (s *waitingServer) serialTime(event []byte) time.Duration {
	s.t.Helper()
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &e); err != nil {
		s.t.Fatal(err)
	}
	var took []time.Duration
	for range 3 {
		begun := time.Now()
		mac := hmac.New(sha256.New, []byte("made"))
		_, _ = fmt.Fprintf(mac, "v0:%s:%s", e.Headers["x-slack-request-timestamp"], e.Body)
		_ = strings.EqualFold(hex.EncodeToString(mac.Sum(nil)), e.Headers["x-slack-signature"])
		for _, call := range []struct{ method, path string }{
			{http.MethodPost, "/dynamodb"}, {http.MethodPost, "/dynamodb"}, {http.MethodPut, "/signal"},
			{http.MethodPost, "/api/chat.update"}, {http.MethodPost, "/api/chat.postMessage"},
		} {
			req, err := http.NewRequest(call.method, s.URL+call.path, bytes.NewReader([]byte(`{}`)))
			if err != nil {
				s.t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				s.t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		took = append(took, time.Since(begun))
	}
	s.count()
	return slices.Min(took)
}
