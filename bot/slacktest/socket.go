package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Socket Mode: https://docs.slack.dev/apis/events-api/using-socket-mode

const (
	socketPath = "/link/" // of the WebSocket URLs, followed by a ticket

	maxConnections   = 10
	maxSocketAnswer  = 20_000 // bytes; Slack drops acknowledgements from this size on
	ticketLifetime   = 30 * time.Second
	socketWriteLimit = 5 * time.Second
	pingEvery        = 10 * time.Second
)

// Errors of interactions in Socket Mode.
var (
	ErrNoConnection = errors.New("the app has no Socket Mode connection")
	errNotAcked     = errors.New("the app did not acknowledge the envelope")
)

// sockets are the open connections of Socket Mode. mu of the Workspace protects it.
type sockets struct {
	tickets map[string]time.Time // when issued
	open    []*socket            // the oldest first
	opened  int                  // connections ever opened
}

// socket is one connection.
type socket struct {
	conn    *websocket.Conn
	writing sync.Mutex

	mu      sync.Mutex
	waiting map[string]chan json.RawMessage // by envelope ID: gets the payload of the acknowledgement
	closed  chan struct{}                   // closed when the connection has ended
}

// socketEnvelope is what Slack sends for one interaction or event.
type socketEnvelope struct {
	ID              string          `json:"envelope_id"`
	Type            string          `json:"type"` // interactive, slash_commands or events_api
	Payload         json.RawMessage `json:"payload"`
	AcceptsResponse bool            `json:"accepts_response_payload"`
	RetryAttempt    int             `json:"retry_attempt,omitempty"`
	RetryReason     string          `json:"retry_reason,omitempty"`
}

// openConnection implements apps.connections.open.
func (c *call) openConnection() (any, *apiError) {
	if c.sockets.tickets == nil {
		c.sockets.tickets = make(map[string]time.Time)
	}
	ticket := c.newID("ticket-")
	c.sockets.tickets[ticket] = c.now
	origin := strings.Replace(c.config.Origin, "http", "ws", 1)
	return struct {
		envelope
		URL string `json:"url"`
	}{okEnvelope, origin + socketPath + ticket}, nil
}

// serveSocket serves one connection until it ends. A ticket is good for one.
func (w *Workspace) serveSocket(ticket string, rw http.ResponseWriter, r *http.Request) {
	now := w.config.Now()
	w.mu.Lock()
	issued, ok := w.sockets.tickets[ticket]
	delete(w.sockets.tickets, ticket)
	down, full := w.down, len(w.sockets.open) >= maxConnections
	w.mu.Unlock()
	switch {
	case down:
		http.Error(rw, "Slack is down", http.StatusServiceUnavailable)
		return
	case !ok || now.Sub(issued) > ticketLifetime:
		http.Error(rw, "unknown or used ticket", http.StatusForbidden)
		return
	case full:
		http.Error(rw, "too many connections", http.StatusTooManyRequests)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // clients send Slack's own origin
	conn, err := upgrader.Upgrade(rw, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	s := &socket{conn: conn, waiting: make(map[string]chan json.RawMessage), closed: make(chan struct{})}
	defer s.close()
	if !w.config.SocketMode {
		_ = s.write(disconnect("link_disabled"))
		return
	}
	if s.write(map[string]any{"type": "hello", "num_connections": 1, "connection_info": map[string]string{"app_id": w.config.AppID}}) != nil {
		return
	}
	w.mu.Lock()
	w.sockets.open = append(w.sockets.open, s)
	w.sockets.opened++
	w.mu.Unlock()
	defer w.forget(s)
	go s.ping()
	s.read()
}

func disconnect(reason string) any {
	return map[string]any{"type": "disconnect", "reason": reason, "debug_info": map[string]string{"host": "slacktest"}}
}

func (w *Workspace) forget(s *socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sockets.open = slices.DeleteFunc(w.sockets.open, func(other *socket) bool { return other == s })
}

func (s *socket) write(v any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(socketWriteLimit))
	return s.conn.WriteJSON(v)
}

func (s *socket) close() {
	_ = s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
}

// ping tells the app that the connection lives, until it ends.
func (s *socket) ping() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = s.conn.WriteControl(websocket.PingMessage, []byte("Ping from slacktest"), time.Now().Add(socketWriteLimit))
		case <-s.closed:
			return
		}
	}
}

// read hands each acknowledgement to the delivery that waits for it, until the
// connection ends.
func (s *socket) read() {
	for {
		_, raw, err := s.conn.ReadMessage()
		if err != nil {
			return
		}
		var ack struct {
			ID      string          `json:"envelope_id"`
			Payload json.RawMessage `json:"payload"`
		}
		if json.Unmarshal(raw, &ack) != nil || len(raw) >= maxSocketAnswer {
			continue
		}
		s.mu.Lock()
		if c, ok := s.waiting[ack.ID]; ok {
			delete(s.waiting, ack.ID)
			c <- ack.Payload
		}
		s.mu.Unlock()
	}
}

// deliverBySocket sends an envelope over the newest connection and waits for its
// acknowledgement. An envelope whose connection ends before goes out again over the
// next one, as Slack does.
func (w *Workspace) deliverBySocket(i *Interaction) {
	at, end := w.config.Now(), time.Now().Add(ackTimeout)
	for {
		body, err := w.sendEnvelope(i.envelope, end)
		if errors.Is(err, errSocketEnded) && time.Now().Before(end) {
			i.envelope.RetryAttempt++
			i.envelope.RetryReason = "connection_failed"
			continue
		}
		i.Err, i.Body = err, string(body)
		break
	}
	if i.Err == nil {
		i.Status = http.StatusOK
		if i.Body == "null" {
			i.Body = ""
		}
	}
	i.Took = w.config.Now().Sub(at)
	i.Failed = i.Err != nil || i.Took > ackTimeout
	if i.Failed {
		i.Notice = failedClickNotice
	}
}

var errSocketEnded = errors.New("the connection ended")

// sendEnvelope sends an envelope once.
func (w *Workspace) sendEnvelope(e socketEnvelope, end time.Time) (json.RawMessage, error) {
	s := w.awaitSocket(end)
	if s == nil {
		return nil, ErrNoConnection
	}
	acked := make(chan json.RawMessage, 1)
	s.mu.Lock()
	s.waiting[e.ID] = acked
	s.mu.Unlock()
	if err := s.write(e); err != nil {
		s.close()
		return nil, fmt.Errorf("%w: %w", errSocketEnded, err)
	}
	select {
	case body := <-acked:
		return body, nil
	case <-s.closed:
		return nil, errSocketEnded
	case <-time.After(time.Until(end)):
		return nil, errNotAcked
	}
}

// awaitSocket returns the newest connection. An app that reconnects gets a moment
// to do so.
func (w *Workspace) awaitSocket(end time.Time) *socket {
	for {
		w.mu.Lock()
		open := slices.Clone(w.sockets.open)
		w.mu.Unlock()
		if n := len(open); n > 0 {
			return open[n-1]
		}
		if !time.Now().Before(end) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Redeliver sends the same envelope again, as Slack may. The response changes nothing
// in the workspace.
func (w *Workspace) Redeliver(i Interaction) Interaction {
	again := Interaction{Payload: i.Payload, envelope: i.envelope}
	w.deliverBySocket(&again)
	return again
}

// Connections returns how many Socket Mode connections are open, and how many ever
// were.
func (w *Workspace) Connections() (open, ever int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sockets.open), w.sockets.opened
}

// RefreshConnections tells the app to reconnect and closes all connections, as Slack
// does every few hours.
func (w *Workspace) RefreshConnections() { w.endConnections("refresh_requested") }

// DropConnections closes all connections without a word.
func (w *Workspace) DropConnections() { w.endConnections("") }

func (w *Workspace) endConnections(reason string) {
	w.mu.Lock()
	open := slices.Clone(w.sockets.open)
	w.mu.Unlock()
	for _, s := range open {
		if reason != "" {
			_ = s.write(disconnect(reason))
		}
		w.forget(s)
		s.close()
	}
}
