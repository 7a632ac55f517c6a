package function

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"countersign/deploy/internal/awsfix"
)

// Wire is all network of a process: one pool of connections.
//
// Between two invocations Lambda freezes the process, and whoever is at the
// other end of its connections hangs up, or is forgotten by what lies between.
// A call on such a connection fails, or hangs until its time-out, and a click
// has but one. So no connection outlives a rest.
type Transport struct {
	Client *http.Client

	mu     sync.Mutex
	rested time.Time // when the last invocation ended
}

const (
	dialTimeout = time.Second      // to reach a host, and again to greet it
	rest        = 3 * time.Second  // after which no connection is trusted
	idleTimeout = 20 * time.Second // while the process is awake
	maxIdle     = 16               // connections for each host
	maxHeaders  = 64 << 10         // bytes
)

// NewWire makes the network of this process. Its client has no time-out of its
// own: every call has one by its context.
func NewTransport() *Transport {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true) // one connection for all calls would fail all of them
	dialer := net.Dialer{Timeout: dialTimeout}
	return &Transport{Client: &http.Client{Transport: repeatable{&http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    maxIdle,
		MaxResponseHeaderBytes: maxHeaders,
		Protocols:              protocols,
	}}}}
}

// Wake is to be called when an invocation begins; the returned func when it
// ends. It goes by the wall clock: others may stand still in a frozen process.
func (w *Transport) Wake(now func() time.Time) (sleep func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gap := now().Round(0).Sub(w.rested); gap < 0 || gap > rest {
		w.Client.CloseIdleConnections()
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.rested = now().Round(0)
	}
}

// repeatable lets net/http make a call again on another connection when one
// that was used before turns out to be dead, if doing it twice does no harm. It
// does so by itself for methods without an effect alone; the header, which is
// not sent, tells it more. See https://pkg.go.dev/net/http#Transport
type repeatable struct{ base *http.Transport }

func (t repeatable) RoundTrip(req *http.Request) (*http.Response, error) {
	if harmless(req) {
		req = req.Clone(req.Context())
		req.Header["Idempotency-Key"] = nil
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections is looked for by http.Client.
func (t repeatable) CloseIdleConnections() { t.base.CloseIdleConnections() }

// harmless reports whether a call may be made twice: signals and answers to
// CloudFormation, and what reads from Slack or says the same again.
func harmless(req *http.Request) bool {
	if req.Method == http.MethodPut {
		return true
	}
	switch path.Base(req.URL.Path) {
	case "users.info", "users.lookupByEmail", "usergroups.users.list", "chat.update":
		return req.Method == http.MethodPost
	}
	return false
}

const (
	awsAttempts = 3
	awsBackoff  = 200 * time.Millisecond
)

// AWS is the configuration of the AWS clients, from the environment that Lambda
// gives its functions: Region and credentials, and AWS_ENDPOINT_URL with its
// kin. Credentials are good for as long as the process lives; nothing else is
// looked for. See
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func AWS(client *http.Client) (aws.Config, error) {
	region := os.Getenv("AWS_REGION")
	keys := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"), Source: "environment"}
	switch {
	case region == "":
		return aws.Config{}, errors.New("AWS_REGION is missing: Lambda sets it; elsewhere set it to the Region of the table")
	case !keys.HasKeys():
		return aws.Config{}, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing: Lambda sets them from the function's role")
	}
	c := aws.Config{
		Region:      region,
		Credentials: credentials.StaticCredentialsProvider{Value: keys},
		HTTPClient:  awsfix.HTTPClient(client),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = awsAttempts, awsBackoff })
		},
		ConfigSources: []any{endpoints{}},
	}
	if all := os.Getenv("AWS_ENDPOINT_URL"); all != "" {
		c.BaseEndpoint = &all
	}
	return c, nil
}

// endpoints says where a single service is, if not where all are:
// AWS_ENDPOINT_URL_DYNAMODB and its kin. The clients look for this method. See
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
type endpoints struct{}

func (endpoints) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	url := os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(sdkID, " ", "_")))
	return url, url != "", nil
}
