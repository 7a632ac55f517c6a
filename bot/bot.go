// Package bot is the way in. It turns a Slack click, a submitted modal or a
// mailed link into one conditional write on the record, and answers within
// three seconds.
//
// It knows no law: who may decide what, package handle says. The bot verifies
// that the request is genuine, looks up who sent it, applies the law to the
// record under compare-and-swap, has the world settled, and words the answer.
//
// The package is made for a public endpoint: nothing of a request is parsed
// before its signature is found good, nothing outside is waited for longer than
// the budget lasts, and whatever cannot be verified is refused.
package bot

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// Bot answers Slack's interactivity requests and mailed links. It is an
// http.Handler with two routes:
//
//	POST            /slack/interactivity
//	GET, HEAD, POST /decide/{sealed ticket}
//
// Fields that are not marked optional must be set, and none is changed after
// the first request. The server's own time-outs (ReadTimeout above all) remain
// the server's business.
type Bot struct {
	Store handle.Store
	Now   func() time.Time

	// Slack is used for users.info, usergroups.users.list, views.open and
	// chat.postEphemeral. It must not retry by itself: there is no time.
	Slack *slack.Client

	// SigningSecrets returns the app's signing secrets: the current one, and
	// during a rotation the one before or after. It may remember them; again
	// asks to read them anew and to remember those, because a signature did not
	// match. The bot asks so at most once a minute, so rotation needs no
	// restart. An empty list, or
	// an empty secret in it, refuses every request. Optional: without it there
	// is no Slack route.
	SigningSecrets func(ctx context.Context, again bool) ([]string, error)

	// TeamID (T…) and EnterpriseID (E…, of an Enterprise Grid organization,
	// optional) say whose people may decide at all. With EnterpriseID all
	// workspaces of the organization are one home.
	TeamID       string
	EnterpriseID string

	// AppID (A…) is the Slack app that payloads must be of. Optional.
	AppID string

	// MailKeys returns the keys that mailed links may be sealed with.
	// Optional: without it there is no mail route.
	MailKeys func(ctx context.Context) ([]handle.MailKey, error)

	// After settles r, which is as it was just written or read, under the lease
	// that the bot took for holder in the same write; holder is empty if it
	// took none. It is called whenever r owes something, after refused clicks
	// too, and returns when ctx ends at the latest.
	After func(ctx context.Context, r handle.Request, holder string)

	Log *slog.Logger // optional

	// NewHolder names who takes a lease: each time another name. Optional: at
	// random.
	NewHolder func() string

	// Budget is the time from the start of a request in which it is decided and
	// settled; the rest the sweep pays. No single call to the store or look-up
	// may take more than half of it, so that there is always time to ask again.
	// Optional: 2 s.
	Budget time.Duration

	// Limit is the time from the start of a request until it is answered,
	// whatever hangs. Slack waits for 3 s. Optional: 2.6 s.
	Limit time.Duration

	directory  directory
	rereads    pace // of the signing secrets
	complaints pace // in the log, of requests that are not signed
}

const (
	defaultBudget = 2 * time.Second
	defaultLimit  = 2600 * time.Millisecond
)

// Check reports everything that is missing.
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
	need(b.SigningSecrets != nil || b.MailKeys != nil, "SigningSecrets or MailKeys, or nobody can reach it")
	if b.SigningSecrets != nil {
		need(b.Slack != nil, "a Slack client")
		need(b.TeamID != "" || b.EnterpriseID != "", "a TeamID or an EnterpriseID, or nobody may decide")
	}
	return errors.Join(errs...)
}

// ServeHTTP serves both routes.
func (b *Bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	sealed, mailed := strings.CutPrefix(r.URL.Path, "/decide/")
	switch {
	case r.URL.Path == "/slack/interactivity" && b.SigningSecrets != nil:
		b.serveInteractivity(w, r)
	case mailed && b.MailKeys != nil && sealed != "":
		b.serveDecide(w, r, sealed)
	default:
		refuse(w, http.StatusNotFound)
	}
}

// refuse answers with a status and its name, which say nothing of why.
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
