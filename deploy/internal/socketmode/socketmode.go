// Package socketmode receives a Slack app's interactions, commands and events over
// Socket Mode, and hands each to the bot as the signed HTTP request that it gets in
// production. It is for the local run: Slack then needs no public address. See
// https://docs.slack.dev/apis/events-api/using-socket-mode
package socketmode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"countersign/bot"
)

const (
	maxMessage = 4 << 20 // bytes of one message from Slack
	maxWait    = 30 * time.Second
	remembered = 1000 // envelopes that are recognized if they come again
)

// Client is one app's connection. Fields not marked optional must be set.
type Client struct {
	API      string // https://slack.com/api/
	AppToken string // xapp-…, with the scope connections:write
	HTTP     *http.Client

	Bot           http.Handler
	SigningSecret string           // a secret that Bot accepts
	Now           func() time.Time // Bot's clock

	Log   *slog.Logger         // optional
	State func(connected bool) // optional: called whenever the connection comes or goes

	mu      sync.Mutex
	answers map[string]*answer // by envelope ID
	order   []string           // of answers, the oldest first
}

// answer is what the bot answered to one envelope.
type answer struct {
	once    sync.Once
	ok      bool // acknowledge
	payload any  // of the acknowledgement; nil for none
}

// Run connects, and connects again whenever the connection ends, until ctx ends. It
// returns an error at once if Slack refuses the token.
func (c *Client) Run(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, maxWait) {
		started := time.Now()
		err := c.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if refused(err) {
			return fmt.Errorf("couldn't connect to Slack: %w", err)
		}
		c.log().Warn("the connection to Slack was lost", "error", err)
		if time.Since(started) > maxWait {
			wait = time.Second
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// connect serves connections until one cannot be opened.
func (c *Client) connect(ctx context.Context) error {
	link := socketmode.New(c.api(), socketmode.OptionReadLimit(maxMessage), socketmode.OptionLog(discard{}))
	ctx, cancel := context.WithCancelCause(ctx)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			select {
			case e := <-link.Events:
				if lost, ok := e.Data.(*slack.ConnectionErrorEvent); ok && refused(lost.ErrorObj) {
					cancel(lost.ErrorObj) // slack-go would try again for ever
				}
				c.receive(ctx, link, e, &serving)
			case <-ctx.Done():
				return
			}
		}
	})
	err := link.RunContext(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(err)
	serving.Wait()
	c.state(false)
	return err
}

// Check opens no connection, but asks Slack for leave to. The error is a
// slack.SlackErrorResponse if Slack refuses the token.
func (c *Client) Check(ctx context.Context) error {
	_, _, err := c.api().StartSocketModeContext(ctx)
	return err
}

func (c *Client) api() *slack.Client {
	return slack.New("", slack.OptionAppLevelToken(c.AppToken), slack.OptionAPIURL(c.API), slack.OptionHTTPClient(c.HTTP))
}

// refused reports whether Slack refused permanently, so that a retry is useless.
func refused(err error) bool {
	var answer slack.SlackErrorResponse
	return errors.As(err, &answer) && answer.Err != "internal_error" && answer.Err != "fatal_error" && answer.Err != "ratelimited"
}

// receive handles one message. slack-go cannot decode every payload; one that it
// cannot arrives as a bad message, with the whole envelope.
func (c *Client) receive(ctx context.Context, link *socketmode.Client, e socketmode.Event, serving *sync.WaitGroup) {
	request := e.Request
	switch e.Type {
	case socketmode.EventTypeHello:
		c.state(true)
		return
	case socketmode.EventTypeDisconnect, socketmode.EventTypeConnectionError, socketmode.EventTypeConnecting:
		c.state(false)
		return
	case socketmode.EventTypeErrorBadMessage:
		if bad, ok := e.Data.(*socketmode.ErrorBadMessage); ok {
			request = new(socketmode.Request)
			if json.Unmarshal(bad.Message, request) != nil {
				request = nil
			}
		}
	}
	if request == nil || request.EnvelopeID == "" {
		return
	}
	serving.Go(func() {
		a := c.answer(ctx, *request)
		if !a.ok {
			return // Slack shows an error, or sends the event again
		}
		if err := link.AckCtx(ctx, request.EnvelopeID, a.payload); err != nil {
			c.log().Warn("couldn't acknowledge", "type", request.Type, "error", err)
		}
	})
}

// answer returns the bot's answer to an envelope. An envelope that comes twice is
// answered alike, and given to the bot once.
func (c *Client) answer(ctx context.Context, r socketmode.Request) *answer {
	c.mu.Lock()
	if c.answers == nil {
		c.answers = make(map[string]*answer)
	}
	a, known := c.answers[r.EnvelopeID]
	if !known {
		a = new(answer)
		c.answers[r.EnvelopeID] = a
		c.order = append(c.order, r.EnvelopeID)
	}
	if len(c.order) > remembered {
		delete(c.answers, c.order[0])
		c.order = c.order[1:]
	}
	c.mu.Unlock()
	a.once.Do(func() {
		res := c.serve(ctx, r)
		a.ok = res.Code == http.StatusOK
		a.payload = payloadOf(r, res)
		if !a.ok {
			c.log().Warn("the bot refused a message from Slack", "type", r.Type, "status", res.Code)
			c.forget(r.EnvelopeID) // so that it counts when Slack sends it again
		}
	})
	return a
}

func (c *Client) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, id)
}

// serve gives the bot the envelope's payload as a signed request.
func (c *Client) serve(ctx context.Context, r socketmode.Request) *httptest.ResponseRecorder {
	path, kind, body := request(r)
	res := httptest.NewRecorder()
	if path == "" {
		res.Code = http.StatusNotFound
		return res
	}
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", kind)
	bot.Sign(req.Header, c.SigningSecret, c.Now(), []byte(body))
	if r.RetryAttempt > 0 {
		req.Header.Set("X-Slack-Retry-Num", strconv.Itoa(r.RetryAttempt))
		req.Header.Set("X-Slack-Retry-Reason", r.RetryReason)
	}
	c.Bot.ServeHTTP(res, req)
	return res
}

// request returns the route, content type and body of the HTTP request that Slack
// sends for the same thing without Socket Mode. path is empty for what the bot does
// not know.
func request(r socketmode.Request) (path, kind, body string) {
	const form = "application/x-www-form-urlencoded"
	switch r.Type {
	case socketmode.RequestTypeInteractive:
		return bot.PathInteractivity, form, "payload=" + url.QueryEscape(string(r.Payload))
	case socketmode.RequestTypeSlashCommands:
		var fields map[string]any
		if json.Unmarshal(r.Payload, &fields) != nil {
			return "", "", ""
		}
		values := url.Values{}
		for name, v := range fields {
			values.Set(name, fmt.Sprint(v))
		}
		return bot.PathCommands, form, values.Encode()
	case socketmode.RequestTypeEventsAPI:
		return bot.PathEvents, "application/json", string(r.Payload)
	}
	return "", "", ""
}

// payloadOf returns the payload of the acknowledgement: the bot's JSON, or its text
// in answer to a command.
func payloadOf(r socketmode.Request, res *httptest.ResponseRecorder) any {
	body := strings.TrimSpace(res.Body.String())
	switch {
	case body == "" || !r.AcceptsResponsePayload:
		return nil
	case json.Valid([]byte(body)):
		return json.RawMessage(body)
	case r.Type == socketmode.RequestTypeSlashCommands:
		return map[string]string{"text": body}
	}
	return nil
}

func (c *Client) state(connected bool) {
	if c.State != nil {
		c.State(connected)
	}
}

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// discard drops slack-go's own log lines.
type discard struct{}

func (discard) Output(int, string) error { return nil }
