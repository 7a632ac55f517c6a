package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server serves a handler, that may be changed, on a free loopback port.
type server struct {
	origin  string
	http    *http.Server
	handler atomic.Pointer[http.Handler]
}

func listen() (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("couldn't listen on loopback: %w", err)
	}
	s := &server{origin: "http://" + l.Addr().String()}
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h := s.handler.Load(); h != nil {
				(*h).ServeHTTP(w, r)
				return
			}
			http.Error(w, "nobody is here", http.StatusServiceUnavailable)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
	go func() { _ = s.http.Serve(l) }() // ends with close
	return s, nil
}

func (s *server) serve(h http.Handler) { s.handler.Store(&h) }

func (s *server) close() { _ = s.http.Close() }

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

// Wire is what lies between the functions and the world. It can be cut.
type Wire struct {
	base http.RoundTripper

	mu  sync.Mutex
	cut func(*http.Request) error
}

// Cut lets f refuse requests before they arrive; nil lets all pass.
func (t *Wire) Cut(f func(*http.Request) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cut = f
}

// RoundTrip implements http.RoundTripper.
func (t *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	cut := t.cut
	t.mu.Unlock()
	if cut != nil {
		if err := cut(req); err != nil {
			return nil, err
		}
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

// ErrCut is what a request meets that the wire was cut for.
var ErrCut = errors.New("connection refused")

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
