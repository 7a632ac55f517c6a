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

// Transport is the connection pool for all network calls of a process.
//
// Lambda freezes the process between invocations. Meanwhile servers and NAT
// gateways drop its connections, and a call on a dropped connection fails or hangs
// until its timeout. So connections are closed after a pause of maxFrozen.
type Transport struct {
	Client *http.Client

	mu        sync.Mutex
	idleSince time.Time // the end of the last invocation
}

const (
	dialTimeout  = time.Second      // for TCP, and again for TLS
	maxFrozen    = 3 * time.Second  // after this pause, connections are closed
	idleTimeout  = 20 * time.Second // while the process runs
	maxIdleConns = 16               // per host
	maxHeaders   = 64 << 10         // bytes
)

// NewTransport returns the pool of this process. Its client has no timeout: every
// call has one in its context.
func NewTransport() *Transport {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true) // with HTTP/2, one dropped connection would fail all calls
	dialer := net.Dialer{Timeout: dialTimeout}
	return &Transport{Client: &http.Client{Transport: retryTransport{&http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    maxIdleConns,
		MaxResponseHeaderBytes: maxHeaders,
		Protocols:              protocols,
	}}}}
}

// BeginInvocation must be called when an invocation begins, and the returned func when
// it ends. It uses wall time because the monotonic clock may stop while Lambda
// freezes the process.
func (w *Transport) BeginInvocation(now func() time.Time) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gap := now().Round(0).Sub(w.idleSince); gap < 0 || gap > maxFrozen {
		w.Client.CloseIdleConnections()
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.idleSince = now().Round(0)
	}
}

// retryTransport lets net/http retry idempotent calls on another connection if a
// reused one turns out to be closed. net/http does so for safe methods; an empty
// Idempotency-Key, which is not sent, marks others. See
// https://pkg.go.dev/net/http#Transport
type retryTransport struct{ base *http.Transport }

func (t retryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if isIdempotent(req) {
		req = req.Clone(req.Context())
		req.Header["Idempotency-Key"] = nil
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t retryTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// isIdempotent reports whether a call may be made twice: PUTs to CloudFormation, and
// Slack methods that read or that repeat the same update.
func isIdempotent(req *http.Request) bool {
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

// AWS returns the configuration of the AWS clients from the environment that Lambda
// sets: Region, credentials, and AWS_ENDPOINT_URL and its variants. The credentials
// are valid for the life of the process. Config files are not read. See
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

// endpoints returns the endpoint of a single service, such as
// AWS_ENDPOINT_URL_DYNAMODB. The SDK's clients look for this method. See
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
type endpoints struct{}

func (endpoints) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	url := os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(sdkID, " ", "_")))
	return url, url != "", nil
}
