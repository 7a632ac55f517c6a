// Package bot handles what comes from people: clicks and modals in Slack, and
// mailed links. Each becomes one conditional write on the record, answered within
// three seconds.
//
// The bot holds no voting rules: package handle does. It verifies that a request
// is genuine, looks up who sent it, applies the rules under compare-and-swap,
// has the record reconciled, and words the answer.
//
// It is built for a public endpoint. A request is parsed only after its signature
// is verified, every outside call ends with the budget, and whatever cannot be
// verified is refused.
package bot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"countersign/handle"
)

// Bot answers Slack's requests and mailed links. It is an http.Handler with these
// routes:
//
//	POST            /slack/interactivity    clicks and submitted modals
//	POST            /slack/commands         /approvals
//	POST            /slack/events           an opened Home tab
//	GET, HEAD, POST /decide/{sealed ticket}
//
// Fields not marked optional must be set, and must not change after the first
// request. The server's own timeouts, such as ReadTimeout, are the caller's.
type Bot struct {
	Store handle.Store
	Now   func() time.Time

	// Slack is used for users.info, usergroups.users.list, views.open, views.push,
	// views.update, views.publish, chat.postEphemeral and response URLs. It must not
	// retry, because Slack waits only three seconds.
	Slack *slack.Client

	// SigningSecrets returns the app's signing secrets: the current one and,
	// during a rotation, its predecessor or successor. It may cache them; again
	// asks for a fresh read because a signature did not match. The bot sets again
	// at most once a minute, so a rotation needs no restart. An empty list, or an
	// empty secret in it, refuses every request. Optional: without it the Slack
	// route does not exist.
	SigningSecrets func(ctx context.Context, again bool) ([]string, error)

	// TeamID (T…) and EnterpriseID (E…, of an Enterprise Grid organization,
	// optional) say whose members may decide at all. With EnterpriseID, members
	// of all the organization's workspaces may.
	TeamID       string
	EnterpriseID string

	// AppID (A…) is the Slack app that payloads must come from. Optional.
	AppID string

	// MailKeys returns the keys that mailed links may be sealed with. Optional:
	// without it the mail route does not exist.
	MailKeys func(ctx context.Context) ([]handle.MailKey, error)

	// After reconciles r, which is as just written or read, under the lease that
	// the same write took for holder; holder is empty if it took none. It is
	// called whenever a step of r is due, after refused clicks too, and must
	// return when ctx ends.
	After func(ctx context.Context, r handle.Request, holder string)

	Log *slog.Logger // optional

	// NewHolder returns a fresh name for a lease holder. Optional: random.
	NewHolder func() string

	// Go starts a look-up that will probably be needed. Optional: nil starts a
	// goroutine. A simulation runs it at once, or not at all.
	Go func(lookUp func())

	// SideBySide makes calls that do not depend on each other, and returns when all have
	// ended. Optional: nil starts a goroutine for each. A simulation makes them in an
	// order of its own.
	SideBySide func(calls []func())

	// Budget is the time from the start of a request in which it is decided and
	// reconciled; the sweep does the rest. A single outside call may take half of
	// it, so that there is time to ask again. Optional: 2 s.
	Budget time.Duration

	// Limit is the time from the start of a request until it is answered, even if
	// an outside call hangs. Slack waits 3 s. Optional: 2.6 s.
	Limit time.Duration

	directory      directory
	secretRereads  rateLimit
	unsignedLogged rateLimit // log lines about unsigned requests
}

const (
	defaultBudget = 2 * time.Second
	defaultLimit  = 2600 * time.Millisecond
)

// Check reports all missing fields.
func (b *Bot) Check() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("the bot needs "+what))
		}
	}
	need(b.Store != nil, "a Store")
	need(b.Now != nil, "a clock: Now")
	need(b.After != nil, "After")
	need(b.SigningSecrets != nil || b.MailKeys != nil, "SigningSecrets or MailKeys: without both it has no route")
	if b.SigningSecrets != nil {
		need(b.Slack != nil, "a Slack client")
		need(b.TeamID != "" || b.EnterpriseID != "", "a TeamID or an EnterpriseID: without both no person may decide")
	}
	return errors.Join(errs...)
}

// The routes to which Slack sends requests.
const (
	PathInteractivity = "/slack/interactivity"
	PathCommands      = "/slack/commands"
	PathEvents        = "/slack/events"
)

// ServeHTTP serves all routes.
func (b *Bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	sealed, mailed := strings.CutPrefix(r.URL.Path, "/decide/")
	fromSlack := b.SigningSecrets != nil
	switch {
	case fromSlack && r.URL.Path == PathInteractivity:
		b.serveSlack(w, r, mediaForm, b.interact)
	case fromSlack && r.URL.Path == PathCommands:
		b.serveSlack(w, r, mediaForm, b.command)
	case fromSlack && r.URL.Path == PathEvents:
		b.serveSlack(w, r, mediaJSON, b.event)
	case mailed && b.MailKeys != nil && sealed != "":
		b.serveMailLink(w, r, sealed)
	default:
		refuse(w, http.StatusNotFound)
	}
}

// refuse answers with a status and its name, which reveal nothing else.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(http.StatusText(status) + "\n"))
}

func (b *Bot) log() *slog.Logger {
	if b.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return b.Log
}

func (b *Bot) newHolder() string {
	if b.NewHolder == nil {
		return rand.Text()
	}
	return b.NewHolder()
}

func (b *Bot) budget() time.Duration {
	if b.Budget <= 0 {
		return defaultBudget
	}
	return b.Budget
}

func (b *Bot) limit() time.Duration {
	if b.Limit <= 0 {
		return max(defaultLimit, b.budget())
	}
	return max(b.Limit, b.budget())
}

// deadlines are the two ends of one HTTP request. They do not end when the
// client hangs up: a click counts even if its sender does not wait.
type deadlines struct {
	work     context.Context // ends with Budget: for look-ups, the store and After
	answerBy context.Context // ends with Limit: for telling people
}

func (b *Bot) deadlines(ctx context.Context) (deadlines, context.CancelFunc) {
	answerBy, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.limit())
	work, cancelWork := context.WithTimeout(answerBy, b.budget())
	return deadlines{work, answerBy}, func() { cancelWork(); cancel() }
}

// callTimeout bounds one outside call.
func (b *Bot) callTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.budget()/2)
}

// sideBySide makes calls, at most limit at a time, and returns when all have ended.
func (b *Bot) sideBySide(limit int, calls []func()) {
	if b.SideBySide != nil {
		b.SideBySide(calls)
		return
	}
	var group errgroup.Group
	group.SetLimit(limit)
	for _, call := range calls {
		group.Go(func() error { call(); return nil })
	}
	_ = group.Wait() // the calls return no error
}

var errPanicked = errors.New("it panicked")

// within calls f and waits for it until ctx ends. An f that ignores ctx is left
// running; one that panics has failed.
func within[T any](ctx context.Context, b *Bot, what string, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, fmt.Errorf("couldn't %s: %w", what, err)
	}
	done := make(chan result, 1)
	go func() {
		res := result{err: errPanicked}
		defer func() {
			if p := recover(); p != nil {
				b.logPanic(what, p)
			}
			done <- res
		}()
		v, err := f(ctx)
		res = result{v, err}
	}()
	var res result
	select {
	case res = <-done:
	case <-ctx.Done():
		select {
		case res = <-done: // both were ready
		default:
			res.err = ctx.Err()
		}
	}
	if res.err != nil {
		return zero, fmt.Errorf("couldn't %s: %w", what, res.err)
	}
	return res.v, nil
}

// logPanic logs a panic. The value may quote anything, so only a runtime error
// is shown.
func (b *Bot) logPanic(where string, p any) {
	value := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		value = err.Error()
	}
	b.log().Error("panic", "in", where, "value", value, "stack", string(debug.Stack()))
}
