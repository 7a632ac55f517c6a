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
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"countersign/deploy/internal/awsfix"
	"countersign/handle/dynamo"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// Function is one of the two functions, in a Lambda process.
type Function struct {
	config    Config
	configErr error // set if the function cannot work
	log       *slog.Logger
	metrics   *Metrics
	transport *Transport

	notifier *notifier.Notifier
	serve    http.Handler // of the bot
}

// NewNames makes what finds the names of products: catalog.NewFind. Only the notifier
// does; without the SDK of Service Catalog the bot starts faster.
type NewNames func(sdk aws.Config, now func() time.Time, log *slog.Logger) func(ctx context.Context, product, version string) (productName, versionName string)

// NewNotifier returns the notifier, configured by the environment. With an invalid
// configuration it answers custom resource requests with FAILED and the problems,
// except what must succeed all the same; see [notifier.Notifier].
func NewNotifier(environ []string, out io.Writer, names NewNames) *Function {
	f, deps := start(RoleNotifier, environ, out, names)
	if f.configErr != nil {
		f.notifier = &notifier.Notifier{
			Reconciler: &reconcile.Reconciler{Stacks: deps.Stacks, Client: f.transport.Client, Now: now, Log: f.log, Account: f.config.Account},
			Origins:    f.config.Origins,
			ConfigErr:  fmt.Errorf("cannot ask for approval: %w", f.configErr),
		}
		return f
	}
	f.notifier = deps.Notifier(deps.Reconciler())
	return f
}

// NewBot returns the bot, configured by the environment. With an invalid
// configuration it answers 503.
func NewBot(environ []string, out io.Writer) *Function {
	f, deps := start(RoleBot, environ, out, nil)
	f.serve = http.HandlerFunc(serveUnavailable)
	if f.configErr == nil {
		f.serve = deps.Bot(deps.Reconciler())
	}
	return f
}

// start reads the configuration and returns what both functions depend on. It also
// reads the secret, so that the first click does not wait for it; if that fails,
// it is read again when it is needed. Meanwhile it opens the connections to DynamoDB
// and Slack that the first event will use.
func start(role Role, environ []string, out io.Writer, names NewNames) (*Function, Deps) {
	f := &Function{
		log:       NewLog(out, os.Getenv("AWS_LAMBDA_LOG_LEVEL")),
		metrics:   &Metrics{Out: out, Function: lambdacontext.FunctionName, Now: now},
		transport: NewTransport(),
	}
	sdk, sdkErr := AWS(f.transport.Client)
	f.config, f.configErr = ReadConfig(role, environ)
	if f.configErr == nil {
		f.configErr = sdkErr
	}
	if f.configErr != nil {
		f.log.Error("invalid configuration", "error", f.configErr)
		if sdkErr != nil {
			return f, Deps{}
		}
		return f, Deps{Stacks: reconcile.CloudFormation{Client: cloudformation.NewFromConfig(sdk)}}
	}
	f.transport.Open(1, tableEndpoint(sdk))
	f.transport.Open(map[Role]int{RoleBot: 3, RoleNotifier: 1}[role], f.config.SlackAPI) // a decision makes three calls at once
	secrets := &SecretCache{Client: secretsmanager.NewFromConfig(sdk), ARN: f.config.Secret, Now: now, Log: f.log}
	begun := time.Now()
	_, err := secrets.Secret(context.Background())
	f.log.Info("ready", "secret", err == nil, "secretMillis", float64(time.Since(begun).Microseconds())/1000)
	deps := f.deps(sdk, secrets)
	if names != nil {
		deps.Names = names(sdk, now, f.log)
	}
	return f, deps
}

// tableEndpoint returns the URL of DynamoDB; empty if it cannot be determined.
func tableEndpoint(sdk aws.Config) string {
	ctx := context.Background()
	p := dynamodb.EndpointParameters{Region: &sdk.Region, Endpoint: sdk.BaseEndpoint}
	if own, ok, _ := (endpoints{}).GetServiceBaseEndpoint(ctx, dynamodb.ServiceID); ok {
		p.Endpoint = &own
	}
	e, err := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, p.WithDefaults())
	if err != nil {
		return ""
	}
	return e.URI.String()
}

func now() time.Time { return time.Now().UTC() }

func (f *Function) deps(sdk aws.Config, secrets *SecretCache) Deps {
	c := f.config
	store := meterStore(dynamo.New(sdk, awsfix.HTTPClient(f.transport.Client), c.Table), f.metrics)
	d := Deps{
		Store:          store,
		Stacks:         reconcile.CloudFormation{Client: cloudformation.NewFromConfig(sdk)},
		Client:         f.transport.Client,
		Now:            now,
		Log:            f.log,
		Slack:          slackClient(f.transport.Client, secrets.Token),
		SlackAPI:       c.SlackAPI,
		SigningSecrets: secrets.SigningSecrets,
		MailKeys:       secrets.MailKeys,
		DigestKey:      secrets.DigestKey,
		Address:        f.address,
		Account:        c.Account,
		Accounts:       c.accounts(),

		CancelUnapproved: c.CancelUnapprovedUpdates,
		Team:             c.SlackTeam,
		Enterprise:       c.SlackEnterprise,
		App:              c.SlackApp,
		Defaults:         c.defaults(),
		MailDomain:       c.MailDomain,
		Origins:          c.Origins,
		Observer:         &observer{metrics: f.metrics, secrets: secrets, store: store, log: f.log},
	}
	if c.Topic != "" {
		d.Mail = reconcile.SNSTopic{Client: sns.NewFromConfig(sdk), ARN: c.Topic}
	}
	return d
}

// address returns the bot's URL: as configured, else the one that the request of
// ctx was sent to. The latter is used only for the work on that request, which
// begins after its signature or link is verified, and never kept: an unverified
// event must not change where later mails link to.
func (f *Function) address(ctx context.Context) string {
	if f.config.URL != "" {
		return f.config.URL
	}
	own, _ := ctx.Value(addressKey{}).(string)
	return own
}

// addressKey is the context key of the URL that a request was sent to.
type addressKey struct{}

// Invoke handles one event: for the bot an HTTP request in payload format 2.0, for
// the notifier what [notifier.Notifier.Handle] takes. It implements
// [lambda.Handler], so that aws-lambda-go does not decode the event.
func (f *Function) Invoke(ctx context.Context, event []byte) (answer []byte, err error) {
	defer f.transport.BeginInvocation(time.Now)()
	if c, ok := lambdacontext.FromContext(ctx); ok {
		currentRequestID.Store(&c.AwsRequestID)
	}
	defer func() {
		if p := recover(); p != nil { // never p itself: it may quote a secret
			f.log.ErrorContext(ctx, "panic", "at", string(debug.Stack()))
			answer, err = nil, errPanic
		}
	}()
	if f.configErr != nil {
		f.log.ErrorContext(ctx, "invalid configuration", "error", f.configErr)
		f.metrics.configurationFault(ctx)
	}
	if f.serve != nil {
		return f.http(ctx, event)
	}
	if err := f.notifier.Handle(ctx, json.RawMessage(event)); err != nil {
		f.log.ErrorContext(ctx, "couldn't handle an event", "error", err)
		return nil, err
	}
	return []byte("null"), nil
}

func (f *Function) http(ctx context.Context, event []byte) ([]byte, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, errors.New("the event is not an HTTP request in payload format 2.0") // err may quote it
	}
	res, err := Serve(context.WithValue(ctx, addressKey{}, address(e)), f.serve, e)
	if err != nil {
		f.log.ErrorContext(ctx, "couldn't serve an event", "error", err)
		return nil, err
	}
	return json.Marshal(res)
}

func serveUnavailable(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}
