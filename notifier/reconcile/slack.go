package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/handle"
)

// Slack posts and updates messages and looks up people. After a 429 it makes no
// call of that method and channel before Retry-After is over, for any request.
// Create it with NewSlack.
type Slack struct {
	// Team is the workspace whose user groups are read, which a token of an Enterprise
	// Grid organization must name. Optional.
	Team string

	api *slack.Client
	now func() time.Time

	mu        sync.Mutex
	notBefore map[string]time.Time // by method and channel
	failures  int                  // transport failures in a row; those of calls made at the same time count once
	emails    answers[*slack.User] // by e-mail; nil if Slack has no such user
	users     answers[*slack.User] // by ID; nil if Slack has no such user
	groups    answers[group]       // by ID
	handles   answers[map[string]string]
}

// answers are cached answers to look-ups.
type answers[V any] map[string]answer[V]

type answer[V any] struct {
	v     V
	until time.Time
}

const (
	callTimeout = 5 * time.Second
	userTTL     = 10 * time.Minute // of look-ups of users
	groupTTL    = time.Minute      // of look-ups of groups
	maxAnswers  = 10_000           // of one kind
	maxFailures = 3                // transport failures in a row
	outagePause = 10 * time.Second // without calls after maxFailures
)

// NewSlack returns a Slack that calls the Web API at apiURL (ending in a slash;
// empty means Slack's own) with a bot token.
func NewSlack(token, apiURL string, client *http.Client, now func() time.Time) *Slack {
	recording := *client
	recording.Transport = recorder{client.Transport, now}
	options := []slack.Option{slack.OptionHTTPClient(&recording)}
	if apiURL != "" {
		options = append(options, slack.OptionAPIURL(apiURL))
	}
	return &Slack{
		api:       slack.New(token, options...),
		now:       now,
		notBefore: map[string]time.Time{},
		emails:    answers[*slack.User]{},
		users:     answers[*slack.User]{},
		groups:    answers[group]{},
		handles:   answers[map[string]string]{},
	}
}

// slackError is a failed call, converted for the record.
type slackError struct {
	handle.Failure
	gone bool // the message, or the parent of the reply, was deleted
}

func (e *slackError) Error() string { return "slack: " + e.Reason }

// Posted is a posted message.
type Posted struct {
	Channel string // its ID, which an update needs
	TS      string

	// AtRoot means that the message was posted as a reply, but its parent was
	// deleted: Slack posted it in the channel instead. See
	// https://github.com/slack-go/slack/issues/1571
	AtRoot bool
}

// Post posts v to a channel, as a reply in thread if that is not empty. The error
// is a *slackError.
func (s *Slack) Post(ctx context.Context, channel, thread string, v blocks.View) (p Posted, err error) {
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
		ctx, response := recordResponse(ctx)
		p.Channel, p.TS, err = s.api.PostMessageContext(ctx, channel, options...)
		posted := response.decode()
		if err != nil && posted.OK && posted.TS != "" {
			// Posted: slack-go only failed to decode the echoed message.
			p.Channel, p.TS, err = posted.Channel, posted.TS, nil
		}
		if err == nil && p.TS == "" {
			return errors.New("the response has no ts")
		}
		p.AtRoot = thread != "" && posted.Message != nil && posted.Message.ThreadTS == ""
		return err
	})
	return p, err
}

// Update replaces a posted message by v. The error is a *slackError.
func (s *Slack) Update(ctx context.Context, channel, ts string, v blocks.View) error {
	return s.call(ctx, "chat.update "+channel, func(ctx context.Context) error {
		ctx, response := recordResponse(ctx)
		_, _, _, err := s.api.UpdateMessageContext(ctx, channel, ts,
			slack.MsgOptionText(v.Text, false), slack.MsgOptionBlocks(v.Blocks...))
		if err != nil && response.decode().OK {
			return nil
		}
		return err
	})
}

// React removes reactions from a message, then adds one unless it is empty. It returns
// no error if a reaction was already added or removed. The error is a *slackError.
func (s *Slack) React(ctx context.Context, channel, ts, reaction string, others []string) error {
	message := slack.NewRefToMessage(channel, ts)
	for _, other := range others {
		err := s.call(ctx, "reactions.remove", func(ctx context.Context) error {
			return unless(s.api.RemoveReactionContext(ctx, other, message), "no_reaction")
		})
		if err != nil {
			return err
		}
	}
	if reaction == "" {
		return nil
	}
	return s.call(ctx, "reactions.add", func(ctx context.Context) error {
		return unless(s.api.AddReactionContext(ctx, reaction, message), "already_reacted")
	})
}

// unless returns err, or nil if it has the Slack error code harmless.
func unless(err error, harmless string) error {
	if code(err) == harmless {
		return nil
	}
	return err
}

// UserByEmail returns the user with that e-mail address, or nil if there is none
// or they are deactivated. Answers are cached for ten minutes. The error is a
// *slackError.
func (s *Slack) UserByEmail(ctx context.Context, email string) (*slack.User, error) {
	return lookUp(ctx, s, s.emails, email, userTTL, "users.lookupByEmail", func(ctx context.Context) (*slack.User, error) {
		user, err := s.api.GetUserByEmailContext(ctx, email)
		if code(err) == "users_not_found" {
			return nil, nil
		}
		return user, err
	})
}

// User returns the user with an ID, or nil if Slack has none. Answers are cached for
// ten minutes. The error is a *slackError.
func (s *Slack) User(ctx context.Context, id string) (*slack.User, error) {
	return lookUp(ctx, s, s.users, id, userTTL, "users.info", func(ctx context.Context) (*slack.User, error) {
		user, err := s.api.GetUserInfoContext(ctx, id)
		if code(err) == "user_not_found" {
			return nil, nil
		}
		return user, err
	})
}

// group is a user group.
type group struct {
	members []string // IDs of users
	empty   string   // why it has none
}

// Group returns a user group. Answers are cached for a minute. The error is a
// *slackError.
func (s *Slack) Group(ctx context.Context, id string) (group, error) {
	return lookUp(ctx, s, s.groups, id, groupTTL, "usergroups.users.list", func(ctx context.Context) (group, error) {
		var options []slack.GetUserGroupMembersOption
		if s.Team != "" {
			options = append(options, slack.GetUserGroupMembersOptionTeamID(s.Team))
		}
		members, err := s.api.GetUserGroupMembersContext(ctx, id, options...)
		switch code(err) {
		case "no_such_subteam", "subteam_not_found":
			return group{empty: "does not exist or is disabled"}, nil
		case "plan_upgrade_required":
			return group{empty: "can't be used, because this Slack plan has no user groups"}, nil
		}
		return group{members, "has no members"}, err
	})
}

// GroupHandles returns the handles of all user groups, such as platform, by their IDs.
// Answers are cached for ten minutes. The error is a *slackError.
func (s *Slack) GroupHandles(ctx context.Context) (map[string]string, error) {
	return lookUp(ctx, s, s.handles, "", userTTL, "usergroups.list", func(ctx context.Context) (map[string]string, error) {
		var options []slack.GetUserGroupsOption
		if s.Team != "" {
			options = append(options, slack.GetUserGroupsOptionTeamID(s.Team))
		}
		groups, err := s.api.GetUserGroupsContext(ctx, options...)
		handles := make(map[string]string, len(groups))
		for _, g := range groups {
			handles[g.ID] = g.Handle
		}
		return handles, err
	})
}

// lookUp returns a cached answer, or calls method and keeps its answer for ttl.
func lookUp[V any](ctx context.Context, s *Slack, cache answers[V], key string, ttl time.Duration, method string, do func(context.Context) (V, error)) (v V, err error) {
	s.mu.Lock()
	known, ok := cache[key]
	s.mu.Unlock()
	if ok && s.now().Before(known.until) {
		return known.v, nil
	}
	err = s.call(ctx, method, func(ctx context.Context) (err error) {
		v, err = do(ctx)
		return err
	})
	if err != nil {
		return v, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(cache) >= maxAnswers {
		clear(cache)
	}
	cache[key] = answer[V]{v, s.now().Add(ttl)}
	return v, nil
}

// code returns Slack's error code; empty if err is nil or another error.
func code(err error) string {
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) {
		return answer.Err
	}
	return ""
}

// call makes one call with a timeout, unless Slack asked to wait or is down, and
// converts its error for the record. key is the method and channel.
func (s *Slack) call(ctx context.Context, key string, do func(context.Context) error) error {
	if wait := s.waiting(key); wait > 0 {
		return &slackError{Failure: handle.Failure{Reason: "Slack is rate limiting the app", RetryAfter: wait, RateLimited: true}}
	}
	if s.waiting("") > 0 {
		return &slackError{Failure: handle.Failure{Reason: "Slack does not answer"}}
	}
	s.mu.Lock()
	failures := s.failures
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := do(ctx)
	failed := translate(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failed == nil:
		s.failures = 0
		return nil
	case failed.RateLimited:
		s.notBefore[key] = s.now().Add(failed.RetryAfter)
	case failed.Reason == unreachable && s.failures == failures:
		if s.failures++; s.failures >= maxFailures {
			s.notBefore[""] = s.now().Add(outagePause)
		}
	}
	return failed
}

// waiting returns how long no call with this key may be made.
func (s *Slack) waiting(key string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.notBefore[key]
	if !ok {
		return 0
	}
	if wait := until.Sub(s.now()); wait > 0 {
		return wait
	}
	delete(s.notBefore, key)
	return 0
}

const unreachable = "Slack could not be reached"

// translate classifies slack-go's errors. It drops their texts, which may quote
// URLs.
func translate(err error) *slackError {
	var limited *slack.RateLimitedError
	var answer slack.SlackErrorResponse
	var status slack.StatusCodeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited): // every 429: recorder makes its Retry-After readable
		return &slackError{Failure: handle.Failure{Reason: "rate limited", RetryAfter: limited.RetryAfter, RateLimited: true}}
	case errors.As(err, &answer):
		return fromCode(answer.Err)
	case errors.As(err, &status):
		return &slackError{Failure: handle.Failure{Reason: fmt.Sprintf("HTTP status %d", status.Code)}}
	}
	return &slackError{Failure: handle.Failure{Reason: unreachable}}
}

// fromCode classifies Slack's error codes. See
// https://docs.slack.dev/reference/methods/chat.postMessage and chat.update. A code
// that is not listed is retried a few times only: most refusals are lasting.
func fromCode(code string) *slackError {
	f := &slackError{Failure: handle.Failure{Reason: handle.OneLine(code, 60)}}
	switch code {
	case "ratelimited", "rate_limited":
		f.RateLimited, f.RetryAfter = true, defaultRetryAfter
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "org_login_required":
		// Transient errors of Slack.
	case "message_not_found", "thread_not_found":
		f.gone, f.Permanent = true, true
	case "channel_not_found", "not_in_channel", "is_archived", "is_inactive",
		"cant_update_message", "edit_window_closed", "cannot_reply_to_message", "invalid_blocks", "msg_too_long", "msg_blocks_too_long", "no_text",
		"cannot_dm_bot", "user_disabled", "user_not_found", "messages_tab_disabled", "account_inactive", "token_revoked":
		f.Permanent = true
	default:
		f.Permanent = strings.HasPrefix(code, "restricted_action")
		f.Refused = true
	}
	return f
}

const (
	defaultRetryAfter = 30 * time.Second // of a 429 that does not say how long to wait
	maxRetryAfter     = 24 * time.Hour
)

// parseRetryAfter reads a Retry-After header, which in the field can be missing,
// fractional, a list or a date. The result is from one second to a day. A negative
// number says nothing.
func parseRetryAfter(values []string, now time.Time) time.Duration {
	var wait time.Duration
	for _, value := range values {
		if at, err := http.ParseTime(strings.TrimSpace(value)); err == nil {
			wait = max(wait, at.Sub(now), time.Second)
			continue
		}
		for part := range strings.SplitSeq(value, ",") {
			seconds, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
			if (err == nil || errors.Is(err, strconv.ErrRange)) && seconds >= 0 {
				wait = max(wait, time.Duration(math.Ceil(min(max(seconds, 1), maxRetryAfter.Seconds())))*time.Second)
			}
		}
	}
	if wait == 0 {
		return defaultRetryAfter
	}
	return min(wait, maxRetryAfter)
}

// response is the body of an answer. It is read where slack-go hides a field, or cannot
// decode the echo of a message that was posted.
type response struct{ body bytes.Buffer }

type posting struct {
	OK      bool   `json:"ok"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	Message *struct {
		ThreadTS string `json:"thread_ts"` // empty for a reply whose parent was deleted
	} `json:"message"`
}

func (r *response) decode() (p posting) {
	if json.Unmarshal(r.body.Bytes(), &p) != nil {
		return posting{}
	}
	return p
}

type responseKey struct{}

// recordResponse makes recorder keep the answer of a call made with the returned
// context.
func recordResponse(ctx context.Context) (context.Context, *response) {
	r := &response{}
	return context.WithValue(ctx, responseKey{}, r), r
}

// recorder is a RoundTripper that fills responses, bounds every answer, and rewrites the
// Retry-After of every 429 to whole seconds, so that slack-go recognizes it.
type recorder struct {
	base http.RoundTripper
	now  func() time.Time
}

const maxAnswer = 1 << 20 // bytes

func (t recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	res, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusTooManyRequests {
		wait := parseRetryAfter(res.Header.Values("Retry-After"), t.now())
		res.Header = res.Header.Clone()
		if res.Header == nil {
			res.Header = http.Header{}
		}
		res.Header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	body := io.LimitReader(res.Body, maxAnswer)
	if r, ok := req.Context().Value(responseKey{}).(*response); ok {
		r.body.Reset()
		body = io.TeeReader(body, &r.body)
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{body, res.Body}
	return res, nil
}
