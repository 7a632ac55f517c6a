package bot_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot"
	"countersign/handle"
	"countersign/handle/handletest"
)

const (
	secret  = "test-signing-secret-0123456789ab"
	token   = "xoxb-test-token"
	channel = "C0APPROVALS"
	rootTS  = "1795341600.000200"

	approver  = "U0APPROVER1" // named in the terms
	member    = "U0MEMBER"    // of the group named in the terms
	requester = "U0REQUESTER"
	outsider  = "U0OUTSIDER" // a member of the workspace, not an approver
)

var (
	launched = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	mailKey  = handle.MailKey("test mail key of at least thirty-two bytes")
)

// world is a bot with its own store, simulated Slack and clock.
type world struct {
	*testing.T
	bot   *bot.Bot
	store *handletest.FaultyStore
	slack *simulatedSlack
	url   string // of the bot; empty if it is called directly

	mu    sync.Mutex
	now   time.Time
	after []afterCall
	logs  lockedBuffer
}

// afterCall is one call of After.
type afterCall struct {
	request handle.Request
	holder  string
	reads   handletest.Counts // of the store before it
	asked   []string          // methods of Slack before it
}

// newWorld serves the bot and its Slack over HTTP. The bot's budget is long enough
// for a busy machine.
func newWorld(t *testing.T) *world {
	w := newInMemoryWorld(t)
	w.bot.Budget = time.Minute
	slackServer := httptest.NewServer(w.slack)
	t.Cleanup(slackServer.Close)
	w.bot.Slack = slack.New(token, slack.OptionAPIURL(slackServer.URL+"/api/"), slack.OptionHTTPClient(&http.Client{Transport: bot.Answers(slackServer.Client().Transport)}))
	server := httptest.NewServer(w.bot)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// newInMemoryWorld calls the bot and its Slack without a network, so that it can run
// in a bubble of testing/synctest.
func newInMemoryWorld(t *testing.T) *world {
	w := &world{T: t, now: launched.Add(10 * time.Minute)}
	w.slack = newSimulatedSlack(t, w.clock)
	w.store = &handletest.FaultyStore{Store: &handle.Memory{}}
	w.bot = &bot.Bot{
		Store:          w.store,
		Now:            w.clock,
		Slack:          slack.New(token, slack.OptionAPIURL("http://slack.test/api/"), slack.OptionHTTPClient(&http.Client{Transport: bot.Answers(w.slack)})),
		SigningSecrets: func(context.Context, bool) ([]string, error) { return []string{secret}, nil },
		TeamID:         "T0HOME",
		AppID:          "A0COUNTERSIGN",
		MailKeys:       func(context.Context) ([]handle.MailKey, error) { return []handle.MailKey{mailKey}, nil },
		After:          w.recordAfter,
		Log:            slog.New(slog.NewTextHandler(&w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if err := w.bot.Check(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) recordAfter(_ context.Context, r handle.Request, holder string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.after = append(w.after, afterCall{r, holder, w.store.Counts(), w.slack.methods()})
}

func (w *world) afterCalls() []afterCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]afterCall(nil), w.after...)
}

// posted edits a request so that its message is posted and nothing is due.
func posted(r *handle.Request) {
	*r = r.IdentifyRequester(requester, []string{requester}, true)
	*r = r.MarkPosted(channel, rootTS, r.ViewHash(), r.CreatedAt)
	asked := handle.Notification{Name: handle.NotifyAsked}
	*r = r.MarkDelivered(asked.ReplyKey(), channel, "1795341601.000100", r.CreatedAt).MarkDelivered(asked.DirectKey(), "D0REQUESTER", "1795341601.000200", r.CreatedAt)
}

func quorum(n int) func(*handle.Request) {
	return func(r *handle.Request) { r.Terms.Approvals = n }
}

// launch stores a pending request.
func (w *world) launch(edits ...func(*handle.Request)) handle.Request {
	w.Helper()
	r, err := w.store.Store.Create(context.Background(), handletest.Request(1, launched, append([]func(*handle.Request){posted}, edits...)...))
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// stored returns the request from the store.
func (w *world) stored(id string) handle.Request {
	w.Helper()
	r, err := w.store.Store.Load(context.Background(), id)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// document is a payload of Slack's. set changes the value at a path of keys; the
// keys of a list are "0", "1"…
type document map[string]any

func (w *world) document(name string, ticket string) document {
	w.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		w.Fatal(err)
	}
	metadata, _ := json.Marshal(map[string]string{"ticket": ticket, "channel": channel, "ts": rootTS})
	quoted, _ := json.Marshal(string(metadata))
	b = bytes.ReplaceAll(b, []byte(`"TICKET"`), []byte(`"`+ticket+`"`))
	b = bytes.ReplaceAll(b, []byte(`"METADATA"`), quoted)
	var d document
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&d); err != nil {
		w.Fatal(err)
	}
	return d
}

func (d document) set(value any, path ...string) document {
	var at any = map[string]any(d)
	for i, key := range path {
		last := i == len(path)-1
		switch node := at.(type) {
		case map[string]any:
			if last {
				node[key] = value
			}
			at = node[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil {
				panic(err)
			}
			if last {
				node[n] = value
			}
			at = node[n]
		}
	}
	return d
}

// by makes another member of the workspace the user of the payload.
func (d document) by(id string) document {
	return d.set(id, "user", "id").set(strings.ToLower(id), "user", "name").set(strings.ToLower(id), "user", "username")
}

// approve returns the payload of a click on Approve.
func (w *world) approve(r handle.Request) document {
	return w.document("approve.json", handle.Ticket{ID: r.ID, Verdict: handle.Approve}.String())
}

// reject returns the payload of a click on Reject.
func (w *world) reject(r handle.Request) document {
	return w.document("reject.json", handle.Ticket{ID: r.ID, Verdict: handle.Reject}.String())
}

// submission returns the payload of a submitted rejection form.
func (w *world) submission(r handle.Request) document {
	return w.document("submission.json", handle.Ticket{ID: r.ID, Verdict: handle.Reject}.String())
}

// response is an HTTP response.
type response struct {
	status int
	header http.Header
	body   string
}

// send signs and sends the payload as Slack does.
func (w *world) send(d document) response {
	w.Helper()
	if id, _ := d["trigger_id"].(string); id != "" {
		user, _ := d["user"].(map[string]any)
		userID, _ := user["id"].(string)
		w.slack.AddTrigger(id, userID)
	}
	return w.sendSigned(url.Values{"payload": {encode(w, d)}}.Encode())
}

func encode(t testing.TB, d document) string {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (w *world) sendSigned(body string) response {
	w.Helper()
	return w.do(w.signedRequest(body))
}

func (w *world) signedRequest(body string) *http.Request {
	w.Helper()
	stamp := strconv.FormatInt(w.clock().Unix(), 10)
	r := w.request(http.MethodPost, "/slack/interactivity", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", sign(secret, stamp, body))
	return r
}

func sign(secret, stamp, body string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("v0:" + stamp + ":" + body))
	return "v0=" + hex.EncodeToString(h.Sum(nil))
}

func (w *world) request(method, path, body string) *http.Request {
	w.Helper()
	address := w.url
	if address == "" {
		address = "http://bot.test"
	}
	r, err := http.NewRequest(method, address+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// do sends the request to the bot, over HTTP if the world has a URL.
func (w *world) do(r *http.Request) response {
	w.Helper()
	if w.url == "" {
		rec := httptest.NewRecorder()
		w.bot.ServeHTTP(rec, r)
		return response{rec.Code, rec.Header(), rec.Body.String()}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		w.Error(err)
		return response{}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.Error(err)
	}
	return response{res.StatusCode, res.Header, string(b)}
}

// wantAck checks that the response is an empty 200.
func (w *world) wantAck(res response) {
	w.Helper()
	if res.status != http.StatusOK || res.body != "" {
		w.Errorf("answer to Slack: got %d %q, want an empty 200", res.status, res.body)
	}
}

// wantServerError checks for a 500, with which Slack shows an error: nothing was
// recorded, and the private message failed.
func (w *world) wantServerError(res response) {
	w.Helper()
	if res.status != http.StatusInternalServerError {
		w.Errorf("answer to Slack: got %d %q, want a 500", res.status, res.body)
	}
}

// wantPrivate checks the private messages: there is one for each want and contains
// it.
func (w *world) wantPrivate(want ...string) {
	w.Helper()
	got := w.slack.ephemerals()
	if len(got) != len(want) {
		w.Errorf("private messages: got %q, want %d: %q", got, len(want), want)
		return
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			w.Errorf("private message: got %q, want %q in it", got[i], want[i])
		}
	}
}

// wantVotes checks the number of votes and the state of the request.
func (w *world) wantVotes(id string, want int, state handle.State) handle.Request {
	w.Helper()
	r := w.stored(id)
	if len(r.Votes) != want || r.State() != state {
		w.Errorf("request: got %d votes and %s, want %d and %s", len(r.Votes), r.State(), want, state)
	}
	return r
}

// lockedBuffer is a buffer for concurrent use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// mailLink returns the path of the mailed link for the verdict.
func (w *world) mailLink(r handle.Request, v handle.Verdict) string {
	return "/decide/" + mailKey.Seal(handle.Ticket{ID: r.ID, Verdict: v}, r.Terms.Deadline)
}
