package function

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
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

	dialer    net.Dialer
	tlsConfig *tls.Config // of the server, without its name

	mu        sync.Mutex
	idleSince time.Time                  // the end of the last invocation
	opened    map[target][]openingSocket // by Open, not yet used
}

// target is where a connection leads to.
type target struct {
	address string // host:port
	secure  bool   // over TLS
}

// openingSocket is a connection that is being opened, or is open.
type openingSocket struct {
	begun time.Time     // wall time
	conn  chan net.Conn // receives one value; nil if it could not be opened
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
	w := &Transport{dialer: net.Dialer{Timeout: dialTimeout}, tlsConfig: &tls.Config{NextProtos: []string{"http/1.1"}}, opened: map[target][]openingSocket{}}
	w.Client = &http.Client{Transport: retryTransport{&http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            w.dial,
		DialTLSContext:         w.dialTLS,
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    maxIdleConns,
		MaxResponseHeaderBytes: maxHeaders,
		Protocols:              protocols,
	}}}
	return w
}

func (w *Transport) dial(ctx context.Context, _, address string) (net.Conn, error) {
	return w.connect(ctx, target{address, false})
}

func (w *Transport) dialTLS(ctx context.Context, _, address string) (net.Conn, error) {
	return w.connect(ctx, target{address, true})
}

// connect returns a connection that Open has opened, or opens one.
func (w *Transport) connect(ctx context.Context, to target) (net.Conn, error) {
	for {
		socket, ok := w.take(to)
		if !ok {
			return w.open(ctx, to)
		}
		select {
		case conn := <-socket.conn:
			if conn != nil {
				return conn, nil
			}
		case <-ctx.Done():
			socket.close()
			return nil, ctx.Err()
		}
	}
}

// take removes the oldest connection to a target. One that has not been used for
// maxFrozen is closed, for the server may have dropped it.
func (w *Transport) take(to target) (openingSocket, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.opened[to]) > 0 {
		socket := w.opened[to][0]
		w.opened[to] = w.opened[to][1:]
		if age := time.Now().Round(0).Sub(socket.begun); age >= 0 && age < maxFrozen {
			return socket, true
		}
		socket.close()
	}
	return openingSocket{}, false
}

// close closes the connection once it is open.
func (s openingSocket) close() {
	go func() {
		if conn := <-s.conn; conn != nil {
			_ = conn.Close()
		}
	}()
}

// open opens a connection, with the TLS handshake if it is secure.
func (w *Transport) open(ctx context.Context, to target) (net.Conn, error) {
	conn, err := w.dialer.DialContext(ctx, "tcp", to.address)
	if err != nil || !to.secure {
		return conn, err
	}
	c := w.tlsConfig.Clone()
	if c.ServerName, _, err = net.SplitHostPort(to.address); err == nil {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		secured := tls.Client(conn, c)
		if err = secured.HandshakeContext(ctx); err == nil {
			return secured, nil
		}
	}
	_ = conn.Close()
	return nil, err
}

// Open begins to open n connections to the server of a URL, for calls that follow
// within maxFrozen. It sends no request, and a failure shows only in the calls. With
// a proxy it does nothing.
func (w *Transport) Open(n int, server string) {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" {
		return
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); proxy != nil || err != nil {
		return
	}
	to := target{u.Host, u.Scheme == "https"}
	if u.Port() == "" {
		to.address = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[to.secure])
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idleSince = time.Now().Round(0)
	for range n {
		socket := openingSocket{w.idleSince, make(chan net.Conn, 1)}
		w.opened[to] = append(w.opened[to], socket)
		go func() {
			conn, err := w.open(context.Background(), to)
			if err != nil {
				conn = nil
			}
			socket.conn <- conn
		}()
	}
}

// BeginInvocation must be called when an invocation begins, and the returned func when
// it ends. It uses wall time because the monotonic clock may stop while Lambda
// freezes the process.
func (w *Transport) BeginInvocation(now func() time.Time) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gap := now().Round(0).Sub(w.idleSince); gap < 0 || gap > maxFrozen {
		w.Client.CloseIdleConnections()
		for _, sockets := range w.opened {
			for _, socket := range sockets {
				socket.close()
			}
		}
		clear(w.opened)
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
	case "users.info", "users.lookupByEmail", "usergroups.list", "usergroups.users.list", "chat.update":
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
