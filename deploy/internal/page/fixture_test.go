package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/page"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// fixture is a sandbox with its page, served on loopback.
type fixture struct {
	*testing.T
	sandbox *sandbox.Sandbox
	store   *handle.Memory
	page    *page.Page

	url  string
	stop func() // closes all connections and the server
}

var start = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// newFixture creates a sandbox whose clock is stopped at start. It only progresses
// in run.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureAt(t, sandbox.ManualClock(start))
}

func newFixtureAt(t *testing.T, clock *sandbox.Clock) *fixture {
	t.Helper()
	template, err := gate.Parse(deploy.Product)
	if err != nil {
		t.Fatal(err)
	}
	s := &fixture{T: t, store: &handle.Memory{}}
	s.sandbox, err = sandbox.New(sandbox.Config{Store: s.store, Clock: clock, Defaults: sandbox.EveryAction})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sandbox.Close)
	t.Cleanup(func() {
		for _, v := range s.sandbox.Check(context.Background(), s.store) {
			t.Error(v)
		}
	})
	s.page = page.New(page.Config{Sandbox: s.sandbox, Store: s.store, Template: template})
	s.serveAt("127.0.0.1:0")
	return s
}

// serveAt serves the page at an address until the test ends or stop is called.
func (s *fixture) serveAt(address string) {
	s.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.Fatal(err)
	}
	server := &http.Server{Handler: s.page, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	s.stop = func() { _ = server.Close() }
	s.Cleanup(s.stop)
	s.url = "http://" + l.Addr().String()
}

// run lets the sandbox do what is due.
func (s *fixture) run() {
	s.Helper()
	if err := s.sandbox.Run(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// live runs the page in the background until the test ends.
func (s *fixture) live() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.page.Run(ctx) // returns the error of ctx
	}()
	stop = func() {
		cancel()
		<-done
	}
	s.Cleanup(stop)
	return stop
}

type body map[string]any

// try posts an action as a person and returns the answer.
func (s *fixture) try(action, as string, more body) (status int, fault struct {
	Error  string
	Fields []string
}) {
	s.Helper()
	doc := body{"as": as}
	for k, v := range more {
		doc[k] = v
	}
	b, err := json.Marshal(doc)
	if err != nil {
		s.Fatal(err)
	}
	res, err := http.Post(s.url+"/api/"+action, "application/json", bytes.NewReader(b))
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&fault); err != nil {
		s.Fatalf("%s: the answer is not JSON: %v", action, err)
	}
	return res.StatusCode, fault
}

// do posts an action, which must succeed, and runs the sandbox.
func (s *fixture) do(action, as string, more body) {
	s.Helper()
	if status, fault := s.try(action, as, more); status != http.StatusOK {
		s.Fatalf("%s as %s: got %d %q", action, as, status, fault.Error)
	}
	s.run()
}

var parameters = map[string]string{"UserEmail": "rita@example.com", "Purpose": "Orders wait here"}

func (s *fixture) launch(as string, more body) {
	s.Helper()
	doc := body{"name": "orders-queue", "parameters": parameters}
	for k, v := range more {
		doc[k] = v
	}
	s.do("launch", as, doc)
}

// clickButton clicks a button of the newest message in the channel.
func (s *fixture) clickButton(as, action string) {
	s.Helper()
	all := s.sandbox.Slack.Messages(sandbox.Channel)
	if len(all) == 0 {
		s.Fatal("the channel has no message")
	}
	m := all[len(all)-1]
	s.do("click", as, body{"channel": m.ChannelID, "ts": m.TS, "action": action})
}

// stack returns the newest stack.
func (s *fixture) stack() fakecfn.Stack {
	s.Helper()
	all := s.sandbox.CloudFormation.Stacks()
	if len(all) == 0 {
		s.Fatal("there is no stack")
	}
	return all[len(all)-1]
}

// request returns the request of the newest stack.
func (s *fixture) request() handle.Request {
	s.Helper()
	list, err := s.store.OfStack(s.Context(), s.stack().ID)
	if err != nil || len(list) != 1 {
		s.Fatalf("the stack has %d requests, want 1: %v", len(list), err)
	}
	return list[0]
}

// panes returns the panes as a person sees them, HTML by name.
func (s *fixture) panes(as string) map[string]string {
	s.Helper()
	res, err := http.Get(s.url + "/api/state?as=" + url.QueryEscape(as))
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct{ Panes map[string]string }
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || res.StatusCode != http.StatusOK {
		s.Fatalf("GET /api/state: got %d, %v", res.StatusCode, err)
	}
	return doc.Panes
}

var (
	tags   = regexp.MustCompile(`<[^<>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// read returns the text of a pane, on one line.
func (s *fixture) read(as, pane string) string {
	s.Helper()
	rendered, ok := s.panes(as)[pane]
	if !ok {
		s.Fatalf("there is no pane %s", pane)
	}
	return strings.TrimSpace(spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(rendered, " ")), " "))
}

// shows checks that a pane contains all of wants.
func (s *fixture) shows(as, pane string, wants ...string) {
	s.Helper()
	got := s.read(as, pane)
	for _, want := range wants {
		if !strings.Contains(got, want) {
			s.Errorf("%s does not see %q in the pane %s: %s", as, want, pane, got)
		}
	}
}

// hides checks that a pane contains none of wants.
func (s *fixture) hides(as, pane string, wants ...string) {
	s.Helper()
	got := s.read(as, pane)
	for _, want := range wants {
		if strings.Contains(got, want) {
			s.Errorf("%s sees %q in the pane %s: %s", as, want, pane, got)
		}
	}
}

// fetch sends a request with the given Host and header and returns the response.
func (s *fixture) fetch(method, path, host string, header map[string]string, doc string) (*http.Response, string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(doc))
	if err != nil {
		s.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res, string(b)
}
