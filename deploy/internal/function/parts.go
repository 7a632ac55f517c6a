package function

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot"
	"countersign/bot/blocks"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// Parts are the edges that both functions are made of, on AWS and in the made
// world alike.
type Deps struct {
	Store  handle.Store
	Stacks reconcile.Stacks
	Mail   reconcile.MailTopic // nil: no mail
	Client *http.Client        // for the wait handle and for answers to CloudFormation
	Now    func() time.Time
	Log    *slog.Logger

	Slack    *http.Client
	SlackAPI string // ends in a slash
	Token    string // empty if Slack puts it on every call

	SigningSecrets func(ctx context.Context, again bool) ([]string, error)
	MailKeys       func(ctx context.Context) ([]handle.MailKey, error)
	Address        func() string // of the bot; empty: not known yet

	Team, Enterprise, App string // Slack's IDs
	Defaults              notifier.Defaults
	MailDomain            string // see reconcile.Reconciler
	Origins               []string
	Watch                 reconcile.Observer // optional
}

const workers = 4 // records that a sweep settles at a time

// Reconciler returns the reconciler that both functions use.
func (p Deps) Reconciler() *reconcile.Reconciler {
	return &reconcile.Reconciler{
		Store:      p.Store,
		Stacks:     p.Stacks,
		Slack:      reconcile.NewSlack(p.Token, p.SlackAPI, p.Slack, p.Now),
		Mail:       p.Mail,
		Client:     p.Client,
		Now:        p.Now,
		Log:        p.Log,
		MailDomain: p.MailDomain,
		Links:      p.links,
		Observer:   p.Watch,
	}
}

// Notifier returns the notifier. It reconciles with r.
func (p Deps) Notifier(r *reconcile.Reconciler) *notifier.Notifier {
	return &notifier.Notifier{
		Reconciler: r,
		Defaults:   p.Defaults,
		Origins:    p.Origins,
		Workers:    workers,
	}
}

// links makes the links of a mail, with the first of the keys; without a key or
// an address there are none.
func (p Deps) links(ctx context.Context) (*blocks.Links, error) {
	keys, err := p.MailKeys(ctx)
	if err != nil {
		return nil, err
	}
	base := p.Address()
	if len(keys) == 0 || base == "" {
		return nil, nil
	}
	return &blocks.Links{Base: base, Key: keys[0]}, nil
}

// Bot returns the bot. After a decision it reconciles with r.
func (p Deps) Bot(r *reconcile.Reconciler) *bot.Bot {
	return &bot.Bot{
		Store:          p.Store,
		Now:            p.Now,
		Slack:          slack.New(p.Token, slack.OptionAPIURL(p.SlackAPI), slack.OptionHTTPClient(p.Slack)),
		SigningSecrets: p.SigningSecrets,
		MailKeys:       p.MailKeys,
		TeamID:         p.Team,
		EnterpriseID:   p.Enterprise,
		AppID:          p.App,
		Log:            p.Log,
		After: func(ctx context.Context, req handle.Request, holder string) {
			if _, err := r.ReconcileRecord(ctx, req, holder); err != nil {
				p.Log.ErrorContext(ctx, "couldn't reconcile after a decision", "request", req.ID, "error", err)
			}
		},
	}
}

// errPanic is what Lambda is told of a panic; the log has more.
var errPanic = errors.New("an internal fault; the function's log has it")
