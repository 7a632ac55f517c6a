// Package localfn runs the two Lambda functions, bot and notifier, on this machine
// and serves them over HTTP.
package localfn

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"countersign/bot"
	"countersign/deploy/internal/awsfix"
	"countersign/deploy/internal/function"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/catalog"
	"countersign/notifier/reconcile"
)

// Config configures the functions. It is passed to a child process as JSON.
type Config struct {
	CloudFormation, Slack, Mail string // origins, such as http://127.0.0.1:4310; CloudFormation's has Service Catalog too
	Bot                         string // origin of the bot's public URL

	Region       string
	Account      string
	TopicARN     string
	Token        string // the bot's Slack token
	TeamID       string
	EnterpriseID string
	AppID        string

	SigningSecrets []string
	MailKey        []byte

	Defaults notifier.Defaults
}

// Timeout is the timeout of one invocation.
const Timeout = 60 * time.Second

// Functions are the bot and the notifier over one store.
type Functions struct {
	Bot      *bot.Bot
	Notifier *notifier.Notifier
}

// New returns the functions. client makes all their requests.
func New(c Config, store handle.Store, now func() time.Time, client *http.Client, log *slog.Logger) *Functions {
	aws := aws.Config{
		Region: c.Region,
		// The simulated services recover in simulated time, so long waits in real time are useless.
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 20 * time.Millisecond })
		},
		HTTPClient:  awsfix.HTTPClient(client),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDLOCAL", "local", ""),
	}
	keys := []handle.MailKey{handle.MailKey(c.MailKey)}
	deps := function.Deps{
		Store:  store,
		Stacks: reconcile.CloudFormation{Client: cloudformation.NewFromConfig(aws, func(o *cloudformation.Options) { o.BaseEndpoint = &c.CloudFormation })},
		Names: (&catalog.Names{
			Client: servicecatalog.NewFromConfig(aws, func(o *servicecatalog.Options) { o.BaseEndpoint = &c.CloudFormation }),
			Now:    now, Log: log,
		}).Find,
		Mail:           reconcile.SNSTopic{Client: sns.NewFromConfig(aws, func(o *sns.Options) { o.BaseEndpoint = &c.Mail }), ARN: c.TopicARN},
		Client:         client,
		Now:            now,
		Log:            log.With("function", "notifier"),
		Slack:          client,
		SlackAPI:       c.Slack + "/api/",
		Token:          c.Token,
		SigningSecrets: func(context.Context, bool) ([]string, error) { return c.SigningSecrets, nil },
		MailKeys:       func(context.Context) ([]handle.MailKey, error) { return keys, nil },
		DigestKey:      func(context.Context) ([]byte, error) { return []byte(c.MailKey), nil },
		Address:        func(context.Context) string { return c.Bot },
		Team:           c.TeamID,
		Enterprise:     c.EnterpriseID,
		App:            c.AppID,
		Defaults:       c.Defaults,
		Account:        c.Account,
		Origins:        []string{c.CloudFormation},
	}
	r := deps.Reconciler()
	deps.Log = log.With("function", "bot")
	return &Functions{Bot: deps.Bot(r), Notifier: deps.Notifier(r)}
}

// InvokePath is the path that invokes the notifier, as in the Lambda API: POST the
// event. See https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
const InvokePath = "/2015-03-31/functions/countersign-notifier/invocations"

const maxEvent = 1 << 20 // bytes; the limit of an asynchronous Lambda invocation

// Invoke is the HTTP handler for InvokePath. It answers 200 if the notifier handled
// the event, and 500 if Lambda would retry it.
func (f *Functions) Invoke(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != InvokePath {
		http.NotFound(w, r)
		return
	}
	event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		http.Error(w, "the event is too large", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), Timeout)
	defer cancel()
	if err := f.Notifier.Handle(ctx, json.RawMessage(event)); err != nil {
		f.Notifier.Log.ErrorContext(ctx, "invocation failed", "error", err)
		http.Error(w, "the function failed", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprintln(w, "null")
}
