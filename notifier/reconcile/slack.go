package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/handle"
)

// Slack posts and updates messages and looks up people. It heeds what Slack
// asks for: after a 429 no call of that kind leaves before Retry-After is over,
// whichever request it is for. Make one with NewSlack.
type Slack struct {
	api *slack.Client
	now func() time.Time

	mu     sync.Mutex
	gates  map[string]time.Time // by method and channel: not before
	silent int                  // transport failures in a row
	people map[string]known     // by e-mail
}

type known struct {
	user  *slack.User // nil: Slack knows nobody
	until time.Time
}

const (
	callTimeout = 5 * time.Second
	remember    = 10 * time.Minute // look-ups by e-mail
	maxPeople   = 10_000
	giveUpAfter = 3                // transport failures in a row
	pause       = 10 * time.Second // then no call leaves for so long
	unsaidWait  = 30 * time.Second // a 429 without Retry-After
)

// NewSlack makes a Slack that calls the Web API at apiURL (ending in a slash;
// empty: Slack's own) with a bot token.
func NewSlack(token, apiURL string, client *http.Client, now func() time.Time) *Slack {
	tap := *client
	tap.Transport = echoes{client.Transport}
	options := []slack.Option{slack.OptionHTTPClient(&tap)}
	if apiURL != "" {
		options = append(options, slack.OptionAPIURL(apiURL))
	}
	return &Slack{
		api:    slack.New(token, options...),
		now:    now,
		gates:  map[string]time.Time{},
		people: map[string]known{},
	}
}

// slackError is a failed call, said in the record's terms.
type slackError struct {
	handle.Failure
	gone bool // the message is no more
}

func (e *slackError) Error() string { return "slack: " + e.Reason }

// Post posts v to a channel, as a reply in thread if that is not empty. It
// returns the channel's ID, which an update needs, and the message's timestamp.
// The error is a *slackError.
func (s *Slack) Post(ctx context.Context, channel, thread string, v blocks.View) (id, ts string, err error) {
	options := []slack.MsgOption{
		slack.MsgOptionText(v.Text, false), // escaped already
		slack.MsgOptionBlocks(v.Blocks...),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
	}
	if thread != "" {
		options = append(options, slack.MsgOptionTS(thread))
	}
	err = s.call(ctx, "chat.postMessage "+channel, func(ctx context.Context) error {
		ctx, seen := withEcho(ctx)
		id, ts, err = s.api.PostMessageContext(ctx, channel, options...)
		if posted := seen.read(); err != nil && posted.OK && posted.TS != "" {
			// Posted, and only its echo was not understood.
			id, ts, err = posted.Channel, posted.TS, nil
		}
		if err == nil && ts == "" {
			return errors.New("answered without a timestamp")
		}
		return err
	})
	return id, ts, err
}

// Update makes a posted message show v. The error is a *slackError.
func (s *Slack) Update(ctx context.Context, channel, ts string, v blocks.View) error {
	return s.call(ctx, "chat.update "+channel, func(ctx context.Context) error {
		ctx, seen := withEcho(ctx)
		_, _, _, err := s.api.UpdateMessageContext(ctx, channel, ts,
			slack.MsgOptionText(v.Text, false), slack.MsgOptionBlocks(v.Blocks...))
		if err != nil && seen.read().OK {
			return nil
		}
		return err
	})
}

// UserByEmail finds the person with that e-mail address; nil if Slack knows
// none, or a deactivated one. Answers are remembered for ten minutes. The error
// is a *slackError.
func (s *Slack) UserByEmail(ctx context.Context, email string) (*slack.User, error) {
	s.mu.Lock()
	k, ok := s.people[email]
	s.mu.Unlock()
	if ok && s.now().Before(k.until) {
		return k.user, nil
	}
	var user *slack.User
	err := s.call(ctx, "users.lookupByEmail", func(ctx context.Context) (err error) {
		user, err = s.api.GetUserByEmailContext(ctx, email)
		var answer slack.SlackErrorResponse
		if errors.As(err, &answer) && answer.Err == "users_not_found" {
			user, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.people) >= maxPeople {
		clear(s.people)
	}
	s.people[email] = known{user, s.now().Add(remember)}
	return user, nil
}

// call makes one call under a time-out, unless its gate is closed, and says in
// the record's terms how it failed.
func (s *Slack) call(ctx context.Context, gate string, do func(context.Context) error) error {
	if wait := s.closed(gate); wait > 0 {
		return &slackError{Failure: handle.Failure{Reason: "waiting as Slack asked", RetryAfter: wait, RateLimited: true}}
	}
	if s.closed("") > 0 {
		return &slackError{Failure: handle.Failure{Reason: "Slack does not answer"}}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := do(ctx)
	failed := translate(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failed == nil:
		s.silent = 0
		return nil
	case failed.RateLimited:
		s.gates[gate] = s.now().Add(failed.RetryAfter)
	case failed.Reason == unreachable:
		if s.silent++; s.silent >= giveUpAfter {
			s.gates[""] = s.now().Add(pause)
		}
	}
	return failed
}

func (s *Slack) closed(gate string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.gates[gate]
	if !ok {
		return 0
	}
	if wait := until.Sub(s.now()); wait > 0 {
		return wait
	}
	delete(s.gates, gate)
	return 0
}

const unreachable = "Slack could not be reached"

// translate sorts slack-go's errors. Its texts are not passed on: they may
// quote URLs.
func translate(err error) *slackError {
	var limited *slack.RateLimitedError
	var answer slack.SlackErrorResponse
	var status slack.StatusCodeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return &slackError{Failure: handle.Failure{Reason: "rate limited", RetryAfter: max(limited.RetryAfter, time.Second), RateLimited: true}}
	case errors.As(err, &answer):
		return fromCode(answer.Err)
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests:
		return &slackError{Failure: handle.Failure{Reason: "rate limited", RetryAfter: unsaidWait, RateLimited: true}}
	case errors.As(err, &status):
		return &slackError{Failure: handle.Failure{Reason: fmt.Sprintf("HTTP status %d", status.Code)}}
	}
	return &slackError{Failure: handle.Failure{Reason: unreachable}}
}

// fromCode sorts Slack's error codes. See
// https://docs.slack.dev/reference/methods/chat.postMessage and chat.update
func fromCode(code string) *slackError {
	f := &slackError{Failure: handle.Failure{Reason: handle.OneLine(code, 60)}}
	switch code {
	case "ratelimited", "rate_limited":
		f.RateLimited, f.RetryAfter = true, unsaidWait
	case "message_not_found":
		f.gone, f.Permanent = true, true
	case "thread_not_found", "cant_update_message", "edit_window_closed", "is_inactive",
		"cannot_dm_bot", "user_disabled", "user_not_found", "invalid_blocks", "msg_too_long", "no_text":
		f.Permanent = true
	}
	return f
}

// echo keeps the beginning of an answer, for when slack-go cannot decode what
// Slack echoes: the message is posted all the same.
type echo struct{ body bytes.Buffer }

type answer struct {
	OK      bool   `json:"ok"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

func (e *echo) read() (a answer) {
	if json.Unmarshal(e.body.Bytes(), &a) != nil {
		return answer{}
	}
	return a
}

type echoKey struct{}

func withEcho(ctx context.Context) (context.Context, *echo) {
	e := &echo{}
	return context.WithValue(ctx, echoKey{}, e), e
}

// echoes is a RoundTripper that lets an echo listen, and bounds every answer.
type echoes struct{ base http.RoundTripper }

const maxAnswer = 1 << 20 // bytes

func (t echoes) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	res, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body := io.LimitReader(res.Body, maxAnswer)
	if e, ok := req.Context().Value(echoKey{}).(*echo); ok {
		e.body.Reset()
		body = io.TeeReader(body, &e.body)
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{body, res.Body}
	return res, nil
}
