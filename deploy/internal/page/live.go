package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The page updates itself by server-sent events. See
// https://html.spec.whatwg.org/multipage/server-sent-events.html
//
//	event: hello   {"build": "…"}             first; a page from a different build reloads
//	event: panes   {"slack": "<h2>…", …}      the HTML of the panes that changed
//	event: clock   1772442067000              the sandbox's time, Unix milliseconds; also a heartbeat
const (
	clockEvery   = time.Second
	writeTimeout = 10 * time.Second // for one event
	retryAfter   = time.Second
)

// stream is the event stream of one open page.
type stream struct {
	w    http.ResponseWriter
	ctl  *http.ResponseController
	sent map[string]string // the panes as last sent
}

// serveLive streams changes to one open page, seen as one person, until the page
// is closed or Run ends.
func (p *Page) serveLive(w http.ResponseWriter, r *http.Request) {
	params := parseViewParams(r)
	defer p.hub.subscribe()()
	_, changed := p.hub.latest() // before the snapshot, so that no change is missed
	s, err := p.snapshot(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := &stream{w: w, ctl: http.NewResponseController(w), sent: map[string]string{}}
	_, _ = fmt.Fprintf(w, "retry: %d\n", retryAfter.Milliseconds()) // flushed with the first event
	if out.send("hello", map[string]string{"build": build}) != nil || out.panes(p.draw(s, params)) != nil {
		return
	}
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-p.hub.ended:
			return
		case <-tick.C:
			err = out.send("clock", p.sandbox.Clock.Now().UnixMilli())
		case <-changed:
			s, changed = p.hub.latest()
			err = out.panes(p.draw(s, params))
		}
		if err != nil {
			return // the page was closed
		}
	}
}

// panes sends the panes of v that differ from what was last sent.
func (s *stream) panes(v view) error {
	all, err := v.panes()
	if err != nil {
		return err
	}
	changed := map[string]string{}
	for name, html := range all {
		if before, ok := s.sent[name]; !ok || before != html {
			changed[name], s.sent[name] = html, html
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return s.send("panes", changed)
}

// send sends one event. Encoded JSON has no line breaks, so it fits one data line.
func (s *stream) send(name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("couldn't encode an event: %w", err)
	}
	// A server without per-write deadlines keeps its own timeout.
	_ = s.ctl.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, b); err != nil {
		return err
	}
	return s.ctl.Flush()
}
