package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"countersign/deploy/internal/awsfix"
	"countersign/handle/dynamo"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// Function is one of the two functions, in a process of Lambda's.
type Function struct {
	config  Config
	faults  error // what is wrong with the configuration; nil: nothing
	log     *slog.Logger
	metrics *Metrics
	wire    *Transport
	learnt  atomic.Pointer[string] // the bot's own address

	notifier *notifier.Notifier
	serve    http.Handler // of the bot
}

// NewNotifier makes the notifier from the environment. It never fails: with a
// faulty configuration the function says so to everybody who calls it.
func NewNotifier(environ []string, out io.Writer) *Function {
	f, parts := start(RoleNotifier, environ, out)
	if f.faults != nil {
		f.notifier = &notifier.Notifier{
			Reconciler: &reconcile.Reconciler{Client: f.wire.Client, Now: now, Log: f.log},
			Origins:    f.config.Origins,
			ConfigErr:  fmt.Errorf("nobody can be asked to approve this: %w", f.faults),
		}
		return f
	}
	f.notifier = parts.Notifier(parts.Reconciler())
	return f
}

// NewBot makes the bot from the environment. It never fails: with a faulty
// configuration it answers 503.
func NewBot(environ []string, out io.Writer) *Function {
	f, parts := start(RoleBot, environ, out)
	f.serve = http.HandlerFunc(unavailable)
	if f.faults == nil {
		f.serve = parts.Bot(parts.Reconciler())
	}
	return f
}

// start reads the configuration, and makes of it what both functions are made
// of. The secret is read here, so that the first click does not wait for it; if
// that fails, it is read again when it is needed.
func start(role Role, environ []string, out io.Writer) (*Function, Deps) {
	f := &Function{
		log:     NewLog(out, os.Getenv("AWS_LAMBDA_LOG_LEVEL")),
		metrics: &Metrics{Out: out, Function: lambdacontext.FunctionName, Now: now},
		wire:    NewTransport(),
	}
	var sdk aws.Config
	if f.config, f.faults = ReadConfig(role, environ); f.faults == nil {
		sdk, f.faults = AWS(f.wire.Client)
	}
	if f.faults != nil {
		f.log.Error("the function cannot work", "error", f.faults)
		return f, Deps{}
	}
	keeper := &SecretCache{Client: secretsmanager.NewFromConfig(sdk), ARN: f.config.Secret, Now: now, Log: f.log}
	begun := time.Now()
	_, err := keeper.Secret(context.Background())
	f.log.Info("ready", "secret", err == nil, "secretMillis", float64(time.Since(begun).Microseconds())/1000)
	return f, f.parts(sdk, keeper)
}

func now() time.Time { return time.Now().UTC() }

func (f *Function) parts(sdk aws.Config, keeper *SecretCache) Deps {
	c := f.config
	store := observe(dynamo.New(sdk, awsfix.HTTPClient(f.wire.Client), c.Table), f.metrics)
	slackClient := *f.wire.Client
	slackClient.Transport = authorized{f.wire.Client.Transport, keeper.Token}
	p := Deps{
		Store:          store,
		Stacks:         reconcile.CloudFormation{Client: cloudformation.NewFromConfig(sdk)},
		Client:         f.wire.Client,
		Now:            now,
		Log:            f.log,
		Slack:          &slackClient,
		SlackAPI:       c.SlackAPI,
		SigningSecrets: keeper.SigningSecrets,
		MailKeys:       keeper.MailKeys,
		Address:        f.address,
		Team:           c.SlackTeam,
		Enterprise:     c.SlackEnterprise,
		App:            c.SlackApp,
		Defaults:       c.defaults(),
		MailDomain:     c.MailDomain,
		Origins:        c.Origins,
		Watch:          &watcher{metrics: f.metrics, keeper: keeper, store: store, log: f.log},
	}
	if c.Topic != "" {
		p.Mail = reconcile.SNSTopic{Client: sns.NewFromConfig(sdk), ARN: c.Topic}
	}
	return p
}

// address is where people reach the bot: as configured, else as its requests
// came in.
func (f *Function) address() string {
	if f.config.URL != "" {
		return f.config.URL
	}
	if learnt := f.learnt.Load(); learnt != nil {
		return *learnt
	}
	return ""
}

// Invoke takes one event: of the bot an HTTP request in payload format 2.0, of
// the notifier whatever [notifier.Notifier.Handle] takes. It is a
// [lambda.Handler], so that nothing decodes the event before us.
func (f *Function) Invoke(ctx context.Context, event []byte) (answer []byte, err error) {
	defer f.wire.Wake(time.Now)()
	if c, ok := lambdacontext.FromContext(ctx); ok {
		running.Store(&c.AwsRequestID)
	}
	defer func() {
		if p := recover(); p != nil { // never p itself: it may quote a secret
			f.log.ErrorContext(ctx, "panic", "at", string(debug.Stack()))
			answer, err = nil, errPanic
		}
	}()
	if f.faults != nil {
		f.log.ErrorContext(ctx, "the function cannot work", "error", f.faults)
		f.metrics.faulty(ctx)
	}
	if f.serve != nil {
		return f.http(ctx, event)
	}
	if err := f.notifier.Handle(ctx, json.RawMessage(event)); err != nil {
		f.log.ErrorContext(ctx, "couldn't do all of an event", "error", err)
		return nil, err
	}
	return []byte("null"), nil
}

func (f *Function) http(ctx context.Context, event []byte) ([]byte, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, errors.New("the event is no HTTP request in payload format 2.0") // err may quote it
	}
	if own := address(e); own != "" {
		f.learnt.Store(&own)
	}
	res, err := Serve(ctx, f.serve, e)
	if err != nil {
		f.log.ErrorContext(ctx, "couldn't serve an event", "error", err)
		return nil, err
	}
	return json.Marshal(res)
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}
