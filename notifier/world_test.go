package notifier_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// These tests run the notifier against the simulated Slack, one fake bucket for
// signals and custom resource responses, fake stacks and mail, and a clock that
// the test moves. deploy/internal/sandbox adds the simulated CloudFormation.

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const (
	account = "111122223333"
	stackID = "arn:aws:cloudformation:us-east-1:111122223333:stack/SC-111122223333-pp-abcdefghijklm/0d5b6a60-1111-2222-3333-444455556666"
	channel = "C0APPROVALS"
	group   = "S0PLATFORM"
	rita    = "U0RITA"
	ann     = "U0ANN"
	bob     = "U0BOB"
)

type testWorld struct {
	*testing.T
	notifier    *notifier.Notifier
	store       *handle.Memory
	slack       *slacktest.Workspace
	bucket      *bucket
	stacks      *stacks
	mail        *inbox
	log         *bytes.Buffer
	slackOrigin string
	keyErr      error // of the digest key

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T) *testWorld { return newLimitedWorld(t, slacktest.RateLimits{}) }

func newLimitedWorld(t *testing.T, limits slacktest.RateLimits) *testWorld {
	t.Helper()
	w := &testWorld{T: t, store: &handle.Memory{}, bucket: &bucket{}, stacks: &stacks{}, mail: &inbox{}, now: start, log: &bytes.Buffer{}}
	w.slack = slacktest.New(slacktest.Config{
		Now: w.Now, TeamID: "T0EXAMPLE", AppID: "A0APP", BotID: "B0BOT", BotUserID: "U0BOT", BotToken: "xoxb-test",
		Scopes: []string{"chat:write", "users:read", "users:read.email", "usergroups:read", "reactions:write"}, MessagesTab: true, RateLimits: limits,
	})
	w.slack.AddUser(slacktest.User{ID: "U0BOT", Name: "countersign", Bot: true})
	w.slack.AddUser(slacktest.User{ID: rita, Name: "rita", RealName: "Rita", Email: "rita@example.com"})
	w.slack.AddUser(slacktest.User{ID: ann, Name: "ann", RealName: "Ann", Email: "ann@example.com"})
	w.slack.AddUser(slacktest.User{ID: bob, Name: "bob", RealName: "Bob", Email: "bob@example.com"})
	w.slack.AddUserGroup(slacktest.UserGroup{ID: group, Handle: "platform", Users: []string{ann, bob}})
	w.slack.AddChannel(slacktest.Channel{ID: channel, Name: "approvals", Members: []string{"U0BOT", rita, ann, bob}})
	bucketServer, slackServer := httptest.NewServer(w.bucket), httptest.NewServer(w.slack)
	t.Cleanup(bucketServer.Close)
	t.Cleanup(slackServer.Close)
	w.bucket.origin, w.slackOrigin = bucketServer.URL, slackServer.URL
	client := &http.Client{Timeout: 10 * time.Second}
	w.notifier = &notifier.Notifier{
		Reconciler: &reconcile.Reconciler{
			Store: w.store, Stacks: w.stacks, Mail: w.mail, Client: client, Now: w.Now,
			Slack: reconcile.NewSlack("xoxb-test", slackServer.URL+"/api/", client, w.Now),
			Log:   slog.New(slog.NewJSONHandler(w.log, nil)),
			Links: func(context.Context) (*blocks.Links, error) {
				return &blocks.Links{Base: "https://bot.example.com", Key: handle.MailKey(strings.Repeat("k", handle.MinMailKey))}, nil
			},
			Wait: func(_ context.Context, d time.Duration) error { // returns at once; the test's clock advances
				w.advance(d)
				return nil
			},
		},
		Origins:   []string{w.bucket.origin},
		DigestKey: func(context.Context) ([]byte, error) { return []byte("a key"), w.keyErr },
		Defaults:  notifier.Defaults{Channel: channel, Approvers: []string{group}, Approvals: 1, Margin: handle.MinMargin},
	}
	t.Cleanup(w.noSecrets)
	return w
}

func (w *testWorld) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *testWorld) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// noSecrets fails the test if a wait URL is in the log, a custom resource
// response, a Slack message or a mail.
func (w *testWorld) noSecrets() {
	texts := []string{w.log.String(), strings.Join(w.bucket.answers(), "\n")}
	for _, ch := range w.slack.Channels() {
		for _, m := range w.slack.Messages(ch.ID) {
			texts = append(texts, m.Text, string(m.Blocks))
			for _, reply := range m.Replies {
				texts = append(texts, reply.Text, string(reply.Blocks))
			}
		}
	}
	for _, l := range w.mail.sent {
		texts = append(texts, l.subject, l.body)
	}
	for _, text := range texts {
		if strings.Contains(text, "X-Amz-Signature") {
			w.Errorf("wait URL shown: %.300s", text)
		}
	}
}

func (w *testWorld) waitURL() string {
	return w.bucket.origin + "/" + url.PathEscape(stackID) + "/77777777-8888-9999-aaaa-bbbbccccdddd/ApprovalHandle" +
		"?X-Amz-Date=" + start.Format("20060102T150405Z") + "&X-Amz-Expires=43199&X-Amz-Signature=5ec2e7"
}

// event is a Create event of an approval request. properties overlays its
// ResourceProperties, changes its other fields.
func (w *testWorld) event(properties map[string]any, changes map[string]any) []byte {
	ev := map[string]any{
		"RequestType": "Create", "RequestId": "11111111-2222-3333-4444-555566667777", "StackId": stackID,
		"ResourceType":      "Custom::ApprovalRequest",
		"LogicalResourceId": "ApprovalRequest",
		"ServiceToken":      "arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier",
		"ResourceProperties": merge(map[string]any{
			"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier",
			"WaitUrl":      w.waitURL(), "EmailID": "rita@example.com", "Region": "us-east-1",
		}, properties),
	}
	ev = merge(ev, changes)
	if _, changed := changes["ResponseURL"]; !changed {
		ev["ResponseURL"] = w.bucket.origin + "/" + url.PathEscape(fmt.Sprintf("%v|%v|%v", ev["StackId"], ev["LogicalResourceId"], ev["RequestId"])) + "?X-Amz-Signature=5ec2e7"
	}
	b, err := json.Marshal(ev)
	if err != nil {
		w.Fatal(err)
	}
	return b
}

// merge overlays b on a. A nil value deletes the key.
func merge(a, b map[string]any) map[string]any {
	for k, v := range b {
		if v == nil {
			delete(a, k)
			continue
		}
		a[k] = v
	}
	return a
}

type answer struct {
	Status, Reason, PhysicalResourceId, StackId, RequestId, LogicalResourceId string
	Data                                                                      map[string]string
}

// handle passes event to the notifier and returns the last response that
// CloudFormation received.
func (w *testWorld) handle(event []byte) (answer, error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := w.notifier.Handle(ctx, event)
	return w.bucket.last(w.T), err
}

func (w *testWorld) launch() handle.Request {
	w.Helper()
	got, err := w.handle(w.event(nil, nil))
	if err != nil || got.Status != "SUCCESS" {
		w.Fatalf("launch: answered %+v, error %v", got, err)
	}
	return w.load(got.PhysicalResourceId)
}

func (w *testWorld) load(id string) handle.Request {
	w.Helper()
	r, err := w.store.Load(context.Background(), id)
	if err != nil {
		w.Fatalf("load %s: %v", id, err)
	}
	return r
}

// bucket stands for two S3 buckets. It takes PUTs of custom resource responses,
// whose keys contain "|", and of signals.
type bucket struct {
	origin string

	mu      sync.Mutex
	signals []handle.SignalBody
	got     []string
	// override returns the status of the response, or 0 to handle the request.
	override func(*http.Request) int
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.override != nil {
		if status := b.override(r); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPut || len(r.Header.Values("Content-Type")) > 0 || r.ContentLength < 0 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if strings.Contains(r.URL.Path, "|") {
		if len(body) > 4096 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		b.got = append(b.got, string(body))
		return
	}
	var s handle.SignalBody
	if err := json.Unmarshal(body, &s); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	b.signals = append(b.signals, s)
}

func (b *bucket) answers() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.got...)
}

func (b *bucket) last(t *testing.T) answer {
	t.Helper()
	all := b.answers()
	if len(all) == 0 {
		return answer{}
	}
	var a answer
	if err := json.Unmarshal([]byte(all[len(all)-1]), &a); err != nil {
		t.Fatalf("answer: %v", err)
	}
	return a
}

// stacks fakes the reads of CloudFormation, for one stack.
type stacks struct {
	mu           sync.Mutex // of the calls: the sweep works on several requests at once
	description  reconcile.Description
	gate         reconcile.Gate // default: in progress, with the request's own handle
	err          error
	firstFailure string

	template    string
	templateErr error
	cancelled   int
	reads       int
	fail        int // how many more descriptions fail
}

func (s *stacks) CancelUpdate(context.Context, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled++
	return nil
}

func (s *stacks) Template(context.Context, string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.template, s.templateErr
}

func (s *stacks) Gate(context.Context, string, string, handle.WaitURL) (reconcile.Gate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.gate != (reconcile.Gate{}) || s.err != nil {
		return s.gate, s.err
	}
	return reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "CREATE_IN_PROGRESS", Handle: reconcile.HandleMatches}, nil
}

func (s *stacks) Describe(context.Context, string) (reconcile.Description, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	d := s.description
	if s.fail > 0 {
		s.fail--
		return d, errors.New("throttled")
	}
	if d.Status == "" {
		d.Status = "CREATE_IN_PROGRESS"
	}
	return d, s.err
}

func (s *stacks) FirstFailure(context.Context, string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.firstFailure, nil
}

// inbox fakes the mail topic.
type inbox struct {
	mu   sync.Mutex
	sent []sentMail
	err  error
}

type sentMail struct{ subject, body string }

func (i *inbox) Publish(_ context.Context, subject, body string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return i.err
	}
	i.sent = append(i.sent, sentMail{subject, body})
	return nil
}

func proven(principal string) reconcile.Description {
	return reconcile.Description{
		Status: "CREATE_IN_PROGRESS", Description: "Message queue",
		Tags: map[string]string{
			"aws:servicecatalog:provisioningPrincipalArn":       principal,
			"aws:servicecatalog:productArn":                     "arn:aws:catalog:us-east-1:111122223333:product/prod-abcd1234",
			"aws:servicecatalog:portfolioArn":                   "arn:aws:catalog:us-east-1:111122223333:portfolio/port-abcd1234",
			"aws:servicecatalog:provisioningArtifactIdentifier": "pa-abcd1234",
			"aws:servicecatalog:provisionedProductArn":          fmt.Sprintf("arn:aws:servicecatalog:us-east-1:%s:stack/my-queue/pp-abcdefghijklm", account),
		},
		Parameters: []handle.Field{{Name: "Environment", Value: "test"}, {Name: "AdminPassword", Value: "hunter2"}, {Name: "Key", Value: "****"}},
	}
}
