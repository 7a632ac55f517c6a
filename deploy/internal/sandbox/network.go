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

// server serves a handler, that may be changed, at an origin.
type server struct {
	origin  string
	http    *http.Server // nil: it is reached from inside only
	handler atomic.Pointer[http.Handler]
}

// listen makes a server on a free loopback port.
func listen() (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("couldn't listen on loopback: %w", err)
	}
	s := &server{origin: "http://" + l.Addr().String()}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() { _ = s.http.Serve(l) }() // ends with close
	return s, nil
}

func (s *server) serve(h http.Handler) { s.handler.Store(&h) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := s.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	http.Error(w, "nobody is here", http.StatusServiceUnavailable)
}

func (s *server) close() {
	if s.http != nil {
		_ = s.http.Close()
	}
}

// inside leads requests straight into the servers of one world, without
// sockets: by their host.
type inProcess []*server

// RoundTrip implements http.RoundTripper. A handler that aborts is a connection
// that is lost.
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

// answer is an http.ResponseWriter that becomes a response.
type responseRecorder struct {
	header http.Header
	sent   http.Header // as it was when the status was sent
	status int
	body   bytes.Buffer
}

func (a *responseRecorder) Header() http.Header { return a.header }

func (a *responseRecorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status, a.sent = status, a.header.Clone()
	}
}

func (a *responseRecorder) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *responseRecorder) response(req *http.Request) *http.Response {
	a.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.sent, Body: io.NopCloser(bytes.NewReader(a.body.Bytes())), ContentLength: int64(a.body.Len()), Request: req,
	}
}

// forward passes requests on to another origin.
func forward(origin string, client *http.Client) http.Handler {
	target, err := url.Parse(origin)
	if err != nil {
		return http.NotFoundHandler()
	}
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		Transport: client.Transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "nobody is here", http.StatusBadGateway)
		},
	}
}

// Wire is what lies between the functions and the world.
type Network struct {
	base http.RoundTripper

	mu     sync.Mutex
	around func(*http.Request, http.RoundTripper) (*http.Response, error)
}

// Around lets f answer every request in place of the wire: next is the wire
// itself, to which f hands on what shall arrive. nil lets all pass. No lock is
// held, so f may send requests of its own meanwhile.
func (t *Network) Intercept(f func(req *http.Request, next http.RoundTripper) (*http.Response, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.around = f
}

// RoundTrip implements http.RoundTripper.
func (t *Network) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	around := t.around
	t.mu.Unlock()
	if around != nil {
		return around(req, t.base)
	}
	return t.base.RoundTrip(req)
}

// signalTo reads the stack's ARN off a PUT to a wait handle: its path is that
// ARN, a UUID and the handle's logical ID.
func signalTo(req *http.Request) (stackID string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(req.URL.Path, "/"), "/")
	if req.Method != http.MethodPut || len(parts) != 5 || !strings.HasPrefix(parts[0], "arn:") {
		return "", false
	}
	return strings.Join(parts[:3], "/"), true
}

// ErrCut is what a request meets that does not arrive, or whose answer is lost.
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
