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

// Deps are the dependencies of both functions, on AWS and in the simulation.
type Deps struct {
	Store  handle.Store
	Stacks reconcile.Stacks
	Names  func(ctx context.Context, product, version string) (productName, versionName string) // optional: see reconcile.Reconciler
	Mail   reconcile.MailTopic                                                                  // nil: no mail
	Client *http.Client                                                                         // for the wait handle and for answers to CloudFormation
	Now    func() time.Time
	Log    *slog.Logger

	Slack    *http.Client
	SlackAPI string // ends with a slash
	Token    string // empty if the Slack client adds it

	SigningSecrets func(ctx context.Context, again bool) ([]string, error)
	MailKeys       func(ctx context.Context) ([]handle.MailKey, error)
	DigestKey      func(ctx context.Context) ([]byte, error) // see notifier.Notifier
	Address        func(ctx context.Context) string          // the bot's URL; empty if unknown

	Account               string            // the AWS account that the functions run in
	Accounts              map[string]string // see notifier.Notifier
	CancelUnapproved      bool              // see reconcile.Reconciler
	Team, Enterprise, App string            // Slack IDs
	Defaults              notifier.Defaults
	MailDomain            string // see reconcile.Reconciler
	Origins               []string
	Observer              reconcile.Observer // optional
}

const workers = 4 // requests that a sweep reconciles at a time

// Reconciler returns the reconciler that both functions use.
func (d Deps) Reconciler() *reconcile.Reconciler {
	client := reconcile.NewSlack(d.Token, d.SlackAPI, d.slackClient(), d.Now)
	if d.Enterprise != "" {
		client.Team = d.Team
	}
	return &reconcile.Reconciler{
		Store:      d.Store,
		Stacks:     d.Stacks,
		Names:      d.Names,
		Slack:      client,
		Outside:    d.outside,
		Mail:       d.Mail,
		Client:     d.Client,
		Now:        d.Now,
		Log:        d.Log,
		MailDomain: d.MailDomain,
		Account:    d.Account,

		CancelUnapproved: d.CancelUnapproved,

		Links:    d.links,
		Observer: d.Observer,
	}
}

// slackClient is the client for all calls of Slack. It reads the answers.
func (d Deps) slackClient() *http.Client {
	client := *d.Slack
	client.Transport = bot.Answers(client.Transport)
	return &client
}

// Notifier returns the notifier. It reconciles with r.
func (d Deps) Notifier(r *reconcile.Reconciler) *notifier.Notifier {
	return &notifier.Notifier{
		Reconciler: r,
		Defaults:   d.Defaults,
		Origins:    d.Origins,
		Accounts:   d.Accounts,
		DigestKey:  d.DigestKey,
		Workers:    workers,
	}
}

// outside reports whether a user's clicks are certainly refused because they belong to a
// different workspace. It is false if neither workspace nor organization is configured.
func (d Deps) outside(u *slack.User) bool {
	if d.Team == "" && d.Enterprise == "" {
		return false
	}
	home, member := bot.Home{Team: d.Team, Enterprise: d.Enterprise}, bot.NewMember(u)
	return !home.Includes("", member) && !home.Includes(d.Team, member) && !home.Includes(d.Enterprise, member)
}

// links returns the link signer, or nil if mail links are not configured. The first
// mail key signs.
func (d Deps) links(ctx context.Context) (*blocks.Links, error) {
	keys, err := d.MailKeys(ctx)
	if err != nil {
		return nil, err
	}
	base := d.Address(ctx)
	if len(keys) == 0 || base == "" {
		return nil, nil
	}
	return &blocks.Links{Base: base, Key: keys[0]}, nil
}

// Bot returns the bot. After a decision it reconciles with r.
func (d Deps) Bot(r *reconcile.Reconciler) *bot.Bot {
	return &bot.Bot{
		Store:          d.Store,
		Now:            d.Now,
		Slack:          slack.New(d.Token, slack.OptionAPIURL(d.SlackAPI), slack.OptionHTTPClient(d.slackClient())),
		SigningSecrets: d.SigningSecrets,
		MailKeys:       d.MailKeys,
		TeamID:         d.Team,
		EnterpriseID:   d.Enterprise,
		AppID:          d.App,
		Log:            d.Log,
		After: func(ctx context.Context, req handle.Request, holder string) {
			if _, err := r.ReconcileRecord(ctx, req, holder); err != nil {
				d.Log.ErrorContext(ctx, "couldn't reconcile after a decision", "request", req.ID, "error", err)
			}
		},
	}
}

// errPanic is what Lambda's caller gets after a panic. The log has the stack trace.
var errPanic = errors.New("internal error: see the function's log")
