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

// stage is a made world with its page, served on loopback.
type stage struct {
	*testing.T
	world *sandbox.Sandbox
	store *handle.Memory
	page  *page.Page

	url    string
	hangUp func() // cuts all connections, and serves no more
}

var start = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// newStage makes a world whose clock stands still at start. Nothing moves in it
// but by run.
func newStage(t *testing.T) *stage {
	t.Helper()
	return newStageAt(t, sandbox.ManualClock(start))
}

func newStageAt(t *testing.T, clock *sandbox.Clock) *stage {
	t.Helper()
	template, err := gate.Parse(deploy.Product)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, store: &handle.Memory{}}
	s.world, err = sandbox.New(sandbox.Config{Store: s.store, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.world.Close)
	s.page = page.New(page.Config{World: s.world, Store: s.store, Template: template})
	s.serveAt("127.0.0.1:0")
	return s
}

// serveAt serves the page at an address until the test ends or hangUp is called.
func (s *stage) serveAt(address string) {
	s.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.Fatal(err)
	}
	server := &http.Server{Handler: s.page, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	s.hangUp = func() { _ = server.Close() }
	s.Cleanup(s.hangUp)
	s.url = "http://" + l.Addr().String()
}

// run lets all happen that is due.
func (s *stage) run() {
	s.Helper()
	if err := s.world.Run(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// live lets the world go on by itself, as the program does, until the test ends.
func (s *stage) live() (stop func()) {
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

// try does something as somebody, and returns the answer.
func (s *stage) try(act, as string, more body) (status int, fault struct {
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
	res, err := http.Post(s.url+"/api/"+act, "application/json", bytes.NewReader(b))
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&fault); err != nil {
		s.Fatalf("%s: the answer is no JSON: %v", act, err)
	}
	return res.StatusCode, fault
}

// do is try and run, and must succeed.
func (s *stage) do(act, as string, more body) {
	s.Helper()
	if status, fault := s.try(act, as, more); status != http.StatusOK {
		s.Fatalf("%s as %s: got %d %q", act, as, status, fault.Error)
	}
	s.run()
}

var parameters = map[string]string{"UserEmail": "rita@example.com", "Purpose": "Orders wait here"}

func (s *stage) launch(as string, more body) {
	s.Helper()
	doc := body{"name": "orders-queue", "parameters": parameters}
	for k, v := range more {
		doc[k] = v
	}
	s.do("launch", as, doc)
}

// press presses a button of the newest message in the channel.
func (s *stage) press(as, action string) {
	s.Helper()
	all := s.world.Slack.Messages(sandbox.Channel)
	if len(all) == 0 {
		s.Fatal("the channel has no message")
	}
	m := all[len(all)-1]
	s.do("press", as, body{"channel": m.ChannelID, "ts": m.TS, "action": action})
}

// stack is the newest stack.
func (s *stage) stack() fakecfn.Stack {
	s.Helper()
	all := s.world.CloudFormation.Stacks()
	if len(all) == 0 {
		s.Fatal("there is no stack")
	}
	return all[len(all)-1]
}

// request is the request of the newest stack.
func (s *stage) request() handle.Request {
	s.Helper()
	list, err := s.store.OfStack(s.Context(), s.stack().ID)
	if err != nil || len(list) != 1 {
		s.Fatalf("the stack has %d requests, want 1: %v", len(list), err)
	}
	return list[0]
}

// panes are the panes as somebody sees them, HTML by name.
func (s *stage) panes(as string) map[string]string {
	s.Helper()
	res, err := http.Get(s.url + "/api/state?as=" + url.QueryEscape(as))
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct{ Panes map[string]string }
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || res.StatusCode != http.StatusOK {
		s.Fatalf("the state: got %d, %v", res.StatusCode, err)
	}
	return doc.Panes
}

var (
	tags   = regexp.MustCompile(`<[^<>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// read is what a reader sees of a pane, on one line.
func (s *stage) read(as, pane string) string {
	s.Helper()
	drawn, ok := s.panes(as)[pane]
	if !ok {
		s.Fatalf("there is no pane %s", pane)
	}
	return strings.TrimSpace(spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(drawn, " ")), " "))
}

// shows checks that a pane says all of that.
func (s *stage) shows(as, pane string, wants ...string) {
	s.Helper()
	got := s.read(as, pane)
	for _, want := range wants {
		if !strings.Contains(got, want) {
			s.Errorf("%s does not see %q in the pane %s: %s", as, want, pane, got)
		}
	}
}

// hides checks that a pane says none of that.
func (s *stage) hides(as, pane string, wants ...string) {
	s.Helper()
	got := s.read(as, pane)
	for _, want := range wants {
		if strings.Contains(got, want) {
			s.Errorf("%s sees %q in the pane %s: %s", as, want, pane, got)
		}
	}
}

// fetch makes a request with that Host and header, and returns the answer.
func (s *stage) fetch(method, path, host string, header map[string]string, doc string) (*http.Response, string) {
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
