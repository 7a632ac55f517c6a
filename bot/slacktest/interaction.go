package slacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Why somebody cannot do something. Nothing has reached the app then.
var (
	ErrDown       = errors.New("slack is down")
	ErrNoUser     = errors.New("no such active user")
	ErrNoChannel  = errors.New("no such channel")
	ErrNoMessage  = errors.New("no such message")
	ErrNoView     = errors.New("no such view is open")
	ErrNoButton   = errors.New("no such button is shown")
	ErrAmbiguous  = errors.New("several buttons have that action_id: say which block")
	ErrNotVisible = errors.New("the user cannot see that channel")
	ErrNotAllowed = errors.New("slack does not let this user do that")
	errNoClient   = errors.New("the workspace has no Client to reach the app with")
)

// What a person sees when the app does not answer as it should.
const (
	failedClickNotice = "operation failed"
	failedViewNotice  = "We had some trouble connecting. Try again?"
)

// ackTime is how long an app has to answer an interaction.
const ackTimeout = 3 * time.Second

// maxAnswerBytes bounds the answer that is read.
const maxAnswerBytes = 1 << 20

// Interaction is what became of something that a person did with the app.
type Interaction struct {
	Payload     json.RawMessage // what the app was told; for a slash command its form
	Status      int             // the app's answer; 0 if there was none
	Body        string
	Took        time.Duration // by Config.Now
	Err         error         // why there was no answer
	Failed      bool          // the person sees that it did not work: not 200 within 3 s, or a body that Slack does not take
	Notice      string        // what the person sees because of that
	Opened      *View         // the view that was opened or pushed meanwhile, if any
	TriggerID   string
	ResponseURL string

	url    string
	header http.Header
	body   []byte
}

// delivery is an interaction on its way.
type delivery struct {
	url   string
	field string // the form field that holds the payload; empty if the payload is the form
	i     Interaction
}

// deliver signs and POSTs to the app. No lock is held meanwhile.
func (w *Workspace) deliver(d delivery) Interaction {
	body := []byte(d.i.Payload)
	if d.field != "" {
		body = []byte(d.field + "=" + url.QueryEscape(string(d.i.Payload)))
	}
	at := w.config.Now()
	i := d.i
	i.url, i.body = d.url, body
	i.header = http.Header{
		"Content-Type":              {"application/x-www-form-urlencoded"},
		"User-Agent":                {"Slackbot 1.0 (+https://api.slack.com/robots)"},
		"X-Slack-Request-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"X-Slack-Signature":         {Sign(w.signingSecret(), at, body)},
	}
	w.send(&i, at)
	return i
}

// Replay sends the very same request once more, with its old timestamp and
// signature: what somebody who recorded it could do. Nothing but the app's answer
// comes of it.
func (w *Workspace) Replay(i Interaction) Interaction {
	i.Status, i.Body, i.Err, i.Failed, i.Notice, i.Opened = 0, "", nil, false, "", nil
	w.send(&i, w.config.Now())
	return i
}

// send POSTs the request and notes the answer.
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
		return 0, "", fmt.Errorf("couldn't make the request: %w", err)
	}
	req.Header = i.header.Clone()
	res, err := w.client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("couldn't reach the app: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return 0, "", fmt.Errorf("couldn't read the app's answer: %w", err)
	}
	return res.StatusCode, string(raw), nil
}

// actor is the person who does something, if Slack would let them.
func (w *Workspace) actor(userID string) (*User, error) {
	u, ok := w.users.byID[userID]
	switch {
	case w.down:
		return nil, ErrDown
	case w.client == nil:
		return nil, errNoClient
	case !ok || u.Deleted || u.Bot:
		return nil, fmt.Errorf("%w: %s", ErrNoUser, userID)
	}
	return u, nil
}

// opened is the view that the trigger was exchanged for.
func (w *Workspace) openedView(triggerID string) *View {
	t, ok := w.triggers[triggerID]
	if !ok || t.opened == "" {
		return nil
	}
	v := w.viewByID(t.opened, "")
	if v == nil {
		return nil // opened and closed again
	}
	c := v.copyView()
	return &c
}
