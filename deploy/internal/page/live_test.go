package page_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/deploy/internal/sandbox"
)

// stream is the event stream of one open page.
type stream struct {
	*fixture
	lines *bufio.Scanner
}

type event struct{ name, data string }

// listen opens the event stream of a person's page.
func (s *fixture) listen(as string) *stream {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	s.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/live?as="+as, nil)
	if err != nil {
		s.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { res.Body.Close() })
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		s.Fatalf("the stream's Content-Type is %s", got)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{s, lines}
}

// next returns the next event; ok is false at the end of the stream.
func (s *stream) next() (e event, ok bool) {
	for s.lines.Scan() {
		switch name, value, _ := strings.Cut(s.lines.Text(), ": "); {
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		case name == "" && e.name != "":
			return e, true
		}
	}
	return event{}, false
}

// panes waits for the next panes event.
func (s *stream) panes() map[string]string {
	s.Helper()
	for {
		e, ok := s.next()
		if !ok {
			s.Fatal("the stream ended")
		}
		if e.name != "panes" {
			continue
		}
		var panes map[string]string
		if err := json.Unmarshal([]byte(e.data), &panes); err != nil {
			s.Fatal(err)
		}
		return panes
	}
}

// until reads panes events until the pane contains want.
func (s *stream) until(pane, want string) {
	s.Helper()
	for !strings.Contains(s.panes()[pane], want) {
	}
}

func TestLive(t *testing.T) {
	s := newFixture(t)
	s.live()
	rita, ann := s.listen(sandbox.Rita), s.listen(sandbox.Ann)
	if e, _ := rita.next(); e.name != "hello" || !strings.Contains(e.data, `"build":"`) {
		t.Errorf("the first event is %+v, want hello with the build", e)
	}
	first := rita.panes()
	for _, name := range []string{"clock", "hints", "launch", "stacks", "slack", "modal", "mail", "record"} {
		if _, ok := first[name]; !ok {
			t.Errorf("the first panes event lacks %s", name)
		}
	}
	if status, fault := s.try("launch", sandbox.Rita, body{"name": "orders-queue", "parameters": parameters}); status != http.StatusOK {
		t.Fatalf("got %d %q", status, fault.Error)
	}
	rita.until("stacks", "waiting for approval")
	ann.until("slack", "Approval needed")
}

// A new stream first sends all panes, the empty ones too, because the page may still
// show what another person saw.
func TestLiveSendsEmptyPanes(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.clickButton(sandbox.Ann, "approve")
	if html, ok := s.listen(sandbox.Ann).panes()["hints"]; !ok || html != "" {
		t.Errorf("the first panes event has hints: %t, %q; want an empty pane", ok, html)
	}
}

// A page receives only the panes that changed for its viewer.
func TestLiveSendsChangedPanesOnly(t *testing.T) {
	s := newFixture(t)
	s.live()
	dan := s.listen(sandbox.Dan)
	dan.panes()
	if _, err := s.sandbox.Slack.PostAs(sandbox.Bob, sandbox.Channel, "", "Hello"); err != nil {
		t.Fatal(err)
	}
	changed := dan.panes()
	var names []string
	for name := range changed {
		names = append(names, name)
	}
	slices.Sort(names)
	if !strings.Contains(changed["slack"], "Hello") || len(names) != 1 {
		t.Errorf("after a message in Slack the panes %v came, want slack alone", names)
	}
}

func TestLiveSendsClock(t *testing.T) {
	s := newFixture(t)
	s.live()
	rita := s.listen(sandbox.Rita)
	for {
		e, ok := rita.next()
		if !ok {
			t.Fatal("the stream ended without a clock event")
		}
		if e.name == "clock" {
			if e.data != "1772442000000" {
				t.Errorf("the time is %s, want 1772442000000", e.data)
			}
			return
		}
	}
}

// The streams end with Run, so that a server can shut down while pages are open.
func TestLiveEnds(t *testing.T) {
	s := newFixture(t)
	stop := s.live()
	rita := s.listen(sandbox.Rita)
	rita.panes()
	stop()
	for {
		if _, ok := rita.next(); !ok {
			break
		}
	}
	if err := rita.lines.Err(); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
}
