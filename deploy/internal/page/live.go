package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The page keeps itself current by server-sent events. See
// https://html.spec.whatwg.org/multipage/server-sent-events.html
//
//	event: hello   {"build": "…"}             first; another build means: load anew
//	event: panes   {"slack": "<h2>…", …}      the panes that look different now
//	event: clock   1772442067000              the world's time, Unix milliseconds; also says: we are alive
const (
	clockEvery   = time.Second
	writeTimeout = 10 * time.Second // for one event
	retryAfter   = time.Second
)

// stream is one page that is open.
type stream struct {
	w    http.ResponseWriter
	ctl  *http.ResponseController
	sent map[string]string // the panes as they were last sent
}

// serveLive sends what changes to one open page, as one person, until it is
// closed.
func (p *Page) serveLive(w http.ResponseWriter, r *http.Request) {
	seen := seenBy(r)
	defer p.stage.enter()()
	_, changed := p.stage.latest() // first, so that no change falls between
	s, err := p.look(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := &stream{w: w, ctl: http.NewResponseController(w), sent: map[string]string{}}
	_, _ = fmt.Fprintf(w, "retry: %d\n", retryAfter.Milliseconds()) // goes with the first event
	if out.send("hello", map[string]string{"build": build}) != nil || out.panes(p.draw(s, seen)) != nil {
		return
	}
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-p.stage.ended:
			return
		case <-tick.C:
			err = out.send("clock", p.world.Clock.Now().UnixMilli())
		case <-changed:
			s, changed = p.stage.latest()
			err = out.panes(p.draw(s, seen))
		}
		if err != nil {
			return // nobody is there any more
		}
	}
}

// panes sends the panes of v that are not as they were.
func (s *stream) panes(v view) error {
	all, err := v.panes()
	if err != nil {
		return err
	}
	news := map[string]string{}
	for name, html := range all {
		if s.sent[name] != html {
			news[name], s.sent[name] = html, html
		}
	}
	if len(news) == 0 {
		return nil
	}
	return s.send("panes", news)
}

// send sends one event. JSON has no line breaks, which would end the data.
func (s *stream) send(name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("couldn't encode an event: %w", err)
	}
	// Not every server has deadlines for one write; then its own must do.
	_ = s.ctl.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, b); err != nil {
		return err
	}
	return s.ctl.Flush()
}
