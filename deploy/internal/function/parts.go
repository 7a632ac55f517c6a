package function

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot"
	"countersign/handle"
	"countersign/notifier"
)

// Parts are the edges that both functions are made of, on AWS and in the made
// world alike.
type Deps struct {
	Store  handle.Store
	Stacks notifier.Stacks
	Mail   notifier.MailTopic // nil: no mail
	Client *http.Client       // for the wait handle and for answers to CloudFormation
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
	Origins               []string
	Watch                 notifier.Observer // optional
}

const workers = 4 // records that a sweep settles at a time

// Notifier makes the notifier of these parts.
func (p Deps) Notifier() *notifier.Notifier {
	return &notifier.Notifier{
		Store:    p.Store,
		Stacks:   p.Stacks,
		Slack:    notifier.NewSlack(p.Token, p.SlackAPI, p.Slack, p.Now),
		Mail:     p.Mail,
		Client:   p.Client,
		Now:      p.Now,
		Log:      p.Log,
		Defaults: p.Defaults,
		Links:    p.links,
		Origins:  p.Origins,
		Observer: p.Watch,
		Workers:  workers,
	}
}

// links makes the links of a mail, with the first of the keys; without a key or
// an address there are none.
func (p Deps) links(ctx context.Context) (*notifier.Links, error) {
	keys, err := p.MailKeys(ctx)
	if err != nil {
		return nil, err
	}
	base := p.Address()
	if len(keys) == 0 || base == "" {
		return nil, nil
	}
	return &notifier.Links{Base: base, Key: keys[0]}, nil
}

// Bot makes the bot of these parts. After a decision n settles.
func (p Deps) Bot(n *notifier.Notifier) *bot.Bot {
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
		After: func(ctx context.Context, r handle.Request, holder string) {
			if _, err := n.ReconcileRecord(ctx, r, holder); err != nil {
				p.Log.ErrorContext(ctx, "couldn't settle after a decision", "request", r.ID, "error", err)
			}
		},
	}
}

// errPanic is what Lambda is told of a panic; the log has more.
var errPanic = errors.New("an internal fault; the function's log has it")
