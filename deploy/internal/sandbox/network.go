package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server serves a handler, which can be replaced, at an origin.
type server struct {
	origin  string
	http    *http.Server // nil: reachable in this process only
	handler atomic.Pointer[http.Handler]
}

// listen starts a server on a free loopback port, behind a guard against web pages
// that are open in the developer's browser.
func listen(guard func(http.Handler) http.Handler) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("couldn't listen on loopback: %w", err)
	}
	s := &server{origin: "http://" + l.Addr().String()}
	s.http = &http.Server{Handler: guard(s), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() { _ = s.http.Serve(l) }() // returns after close
	return s, nil
}

func (s *server) serve(h http.Handler) { s.handler.Store(&h) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := s.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	http.Error(w, "no server here", http.StatusServiceUnavailable)
}

func (s *server) close() {
	if s.http != nil {
		_ = s.http.Close()
	}
}

// inProcess calls the servers of one sandbox directly by origin, without sockets.
type inProcess []*server

// RoundTrip implements http.RoundTripper. A handler that panics with
// http.ErrAbortHandler looks like a lost connection.
func (in inProcess) RoundTrip(req *http.Request) (res *http.Response, err error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	for _, s := range in {
		if s.origin != req.URL.Scheme+"://"+req.URL.Host {
			continue
		}
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler {
					panic(p)
				}
				res, err = nil, ErrDisconnected
			}
		}()
		arriving := req.Clone(req.Context())
		arriving.RequestURI, arriving.Host = req.URL.RequestURI(), req.URL.Host
		if arriving.Body == nil {
			arriving.Body = http.NoBody
		}
		w := &responseRecorder{header: http.Header{}}
		s.ServeHTTP(w, arriving)
		return w.response(req), nil
	}
	return nil, ErrDisconnected
}

// responseRecorder is an http.ResponseWriter that records the response.
type responseRecorder struct {
	header http.Header
	sent   http.Header // as of WriteHeader
	status int
	body   bytes.Buffer
}

func (w *responseRecorder) Header() http.Header { return w.header }

func (w *responseRecorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *responseRecorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *responseRecorder) response(req *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()), Request: req,
	}
}

// forward returns a proxy to another origin.
func forward(origin string, client *http.Client) http.Handler {
	target, err := url.Parse(origin)
	if err != nil {
		return http.NotFoundHandler()
	}
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		Transport: client.Transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "no server here", http.StatusBadGateway)
		},
	}
}

// Network is the transport between the functions, the simulated services and people.
type Network struct {
	base http.RoundTripper

	mu        sync.Mutex
	intercept func(*http.Request, http.RoundTripper) (*http.Response, error)
}

// Intercept lets f answer every request. next is the real transport, for requests that
// shall arrive. nil ends the interception. No lock is held while f runs, so f may
// send requests itself.
func (t *Network) Intercept(f func(req *http.Request, next http.RoundTripper) (*http.Response, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.intercept = f
}

// RoundTrip implements http.RoundTripper.
func (t *Network) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	intercept := t.intercept
	t.mu.Unlock()
	if intercept != nil {
		return intercept(req, t.base)
	}
	return t.base.RoundTrip(req)
}

// isSignal reports whether the request is a PUT to a wait handle: its path is the
// stack's ARN, a UUID and the handle's logical ID.
func isSignal(req *http.Request) bool {
	path := strings.TrimPrefix(req.URL.Path, "/")
	return req.Method == http.MethodPut && strings.HasPrefix(path, "arn:") && strings.Count(path, "/") == 4
}

// ErrDisconnected is returned for a request that does not arrive or whose response is
// lost.
var ErrDisconnected = errors.New("connection refused")

func send(ctx context.Context, client *http.Client, method, target string, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	drain(res.Body)
	return res.StatusCode, nil
}
