// Package localfn is the two Lambda functions, bot and notifier, tied
// together as on AWS and served over HTTP on this machine.
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
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"countersign/bot"
	"countersign/deploy/internal/awsfix"
	"countersign/deploy/internal/function"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// Config says where the world is that the functions meet, and what they share
// with it. It survives JSON, for a functions process of its own.
type Config struct {
	CloudFormation, Slack, Mail string // origins, such as http://127.0.0.1:4310
	Bot                         string // origin under which people reach the bot

	Region   string
	TopicARN string
	Token    string // the bot's Slack token
	TeamID   string
	AppID    string

	SigningSecrets []string
	MailKey        []byte

	Defaults notifier.Defaults
}

// Timeout is how long one invocation may take, as a Lambda function's time-out.
const Timeout = 60 * time.Second

// Functions are the bot and the notifier over one store.
type Functions struct {
	Bot      *bot.Bot
	Notifier *notifier.Notifier
}

// New ties the functions together. client carries everything that leaves them.
func New(c Config, store handle.Store, now func() time.Time, client *http.Client, log *slog.Logger) *Functions {
	aws := aws.Config{
		Region:      c.Region,
		HTTPClient:  awsfix.HTTPClient(client),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDLOCAL", "local", ""),
	}
	keys := []handle.MailKey{handle.MailKey(c.MailKey)}
	parts := function.Deps{
		Store:          store,
		Stacks:         reconcile.CloudFormation{Client: cloudformation.NewFromConfig(aws, func(o *cloudformation.Options) { o.BaseEndpoint = &c.CloudFormation })},
		Mail:           reconcile.SNSTopic{Client: sns.NewFromConfig(aws, func(o *sns.Options) { o.BaseEndpoint = &c.Mail }), ARN: c.TopicARN},
		Client:         client,
		Now:            now,
		Log:            log.With("function", "notifier"),
		Slack:          client,
		SlackAPI:       c.Slack + "/api/",
		Token:          c.Token,
		SigningSecrets: func(context.Context, bool) ([]string, error) { return c.SigningSecrets, nil },
		MailKeys:       func(context.Context) ([]handle.MailKey, error) { return keys, nil },
		Address:        func() string { return c.Bot },
		Team:           c.TeamID,
		App:            c.AppID,
		Defaults:       c.Defaults,
		Origins:        []string{c.CloudFormation},
	}
	r := parts.Reconciler()
	parts.Log = log.With("function", "bot")
	return &Functions{Bot: parts.Bot(r), Notifier: parts.Notifier(r)}
}

// InvokePath is where the notifier is invoked, as by the Lambda API: POST the
// event. See https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
const InvokePath = "/2015-03-31/functions/countersign-notifier/invocations"

const maxEvent = 1 << 20 // bytes; Lambda takes as much of an asynchronous event

// Invoke is the HTTP handler of InvokePath: 200 if the notifier took the event,
// 500 if Lambda would deliver it again.
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
