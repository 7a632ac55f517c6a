package slacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Errors of user actions that Slack's clients do not allow. The app was sent nothing.
var (
	ErrDown       = errors.New("slack is down")
	ErrNoUser     = errors.New("no such active user")
	ErrNoChannel  = errors.New("no such channel")
	ErrNoMessage  = errors.New("no such message")
	ErrNoView     = errors.New("no such view is open")
	ErrNoButton   = errors.New("no such button is shown")
	ErrAmbiguous  = errors.New("several buttons have that action_id: a block_id is required")
	ErrNotVisible = errors.New("the user cannot see that channel")
	ErrNotAllowed = errors.New("slack does not allow this user to do that")
	errNoClient   = errors.New("the workspace has no Client for requests to the app")
)

// What a user sees when the app answers wrongly.
const (
	failedClickNotice = "operation failed"
	failedViewNotice  = "We had some trouble connecting. Try again?"
)

// ackTimeout is how long an app has to answer an interaction.
const ackTimeout = 3 * time.Second

// maxAnswerBytes is the largest response body that is read.
const maxAnswerBytes = 1 << 20

// Interaction is the result of a user action that was sent to the app.
type Interaction struct {
	Payload     json.RawMessage // as sent to the app; for a slash command the form
	Status      int             // of the app's response; 0 if there was none
	Body        string
	Took        time.Duration // by Config.Now
	Err         error         // why there was no response
	Failed      bool          // the user sees an error: no 200 within 3 s, or a body that Slack does not accept
	Notice      string        // the error that the user sees
	Opened      *View         // the view that the app opened or pushed in response, if any
	TriggerID   string
	ResponseURL string

	url    string
	header http.Header
	body   []byte

	envelope socketEnvelope // in Socket Mode
}

// delivery is an interaction to be sent.
type delivery struct {
	url   string
	field string // the form field for the payload; empty if the payload is the form, or the event
	event bool   // of the Events API: JSON
	i     Interaction
}

// deliver sends the interaction to the app, without holding the lock: over a Socket
// Mode connection, else signed and POSTed.
func (w *Workspace) deliver(d delivery) Interaction {
	if w.config.SocketMode {
		return w.deliverEnvelope(d)
	}
	return w.post3s(d, nil)
}

// post3s signs the interaction and POSTs it to the app, which has three seconds to
// answer. more are headers.
func (w *Workspace) post3s(d delivery, more http.Header) Interaction {
	body, kind := []byte(d.i.Payload), "application/x-www-form-urlencoded"
	switch {
	case d.event:
		kind = "application/json"
	case d.field != "":
		body = []byte(d.field + "=" + url.QueryEscape(string(d.i.Payload)))
	}
	at := w.config.Now()
	i := d.i
	i.url, i.body = d.url, body
	i.header = http.Header{
		"Content-Type":              {kind},
		"User-Agent":                {"Slackbot 1.0 (+https://api.slack.com/robots)"},
		"X-Slack-Request-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"X-Slack-Signature":         {Sign(w.signingSecret(), at, body)},
	}
	maps.Copy(i.header, more)
	w.send(&i, at)
	return i
}

// deliverEnvelope sends the interaction in Socket Mode. The payload of a slash command
// is an object there, with the fields of the form.
func (w *Workspace) deliverEnvelope(d delivery) Interaction {
	w.mu.Lock()
	i := d.i
	i.envelope = socketEnvelope{ID: w.newID("envelope-"), Type: "interactive", Payload: i.Payload, AcceptsResponse: true}
	w.mu.Unlock()
	switch {
	case d.event:
		i.envelope.Type, i.envelope.AcceptsResponse = "events_api", false
	case d.field == "":
		i.envelope.Type, i.envelope.Payload = "slash_commands", commandObject(i.Payload)
	}
	w.deliverBySocket(&i)
	return i
}

// commandObject returns a form as a JSON object.
func commandObject(form []byte) json.RawMessage {
	values, _ := url.ParseQuery(string(form)) // cannot fail: it was encoded here
	fields := make(map[string]string, len(values))
	for name := range values {
		fields[name] = values.Get(name)
	}
	return encode(fields)
}

// Replay sends the same request again with its old timestamp and signature, as an
// attacker who recorded it could. The response changes nothing in the workspace.
func (w *Workspace) Replay(i Interaction) Interaction {
	i.Status, i.Body, i.Err, i.Failed, i.Notice, i.Opened = 0, "", nil, false, "", nil
	w.send(&i, w.config.Now())
	return i
}

// send POSTs the request and records the response.
func (w *Workspace) send(i *Interaction, at time.Time) {
	i.Status, i.Body, i.Err = w.post(i)
	i.Took = w.config.Now().Sub(at)
	i.Failed = i.Err != nil || i.Status != http.StatusOK || i.Took > ackTimeout
	if i.Failed {
		i.Notice = failedClickNotice
	}
}

func (w *Workspace) post(i *Interaction) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), ackTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, bytes.NewReader(i.body))
	if err != nil {
		return 0, "", fmt.Errorf("couldn't create the request: %w", err)
	}
	req.Header = i.header.Clone()
	res, err := w.client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("couldn't reach the app: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return 0, "", fmt.Errorf("couldn't read the app's response: %w", err)
	}
	return res.StatusCode, string(raw), nil
}

// actor returns the user, or why that user cannot act.
func (w *Workspace) actor(userID string) (*User, error) {
	u := w.userByID(userID)
	switch {
	case w.down:
		return nil, ErrDown
	case w.client == nil && !w.config.SocketMode:
		return nil, errNoClient
	case u == nil || u.Deleted || u.Bot:
		return nil, fmt.Errorf("%w: %s", ErrNoUser, userID)
	}
	return u, nil
}

// openedView returns the view that the trigger was exchanged for, if it is still
// open.
func (w *Workspace) openedView(triggerID string) *View {
	t, ok := w.triggers[triggerID]
	if !ok || t.opened == "" {
		return nil
	}
	v := w.viewByID(t.opened, "")
	if v == nil {
		return nil
	}
	c := v.copyView()
	return &c
}
