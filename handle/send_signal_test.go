package handle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"countersign/handle"
)

// bucket is a wait condition bucket that keeps what was PUT to it.
type bucket struct {
	*httptest.Server
	mu   sync.Mutex
	puts []put
}

type put struct {
	method, uri, host string
	header            http.Header
	length            int64
	encoding          []string
	body              string
}

// newBucket returns a bucket with this handler; nil answers 200.
func newBucket(t *testing.T, answer http.HandlerFunc) *bucket {
	b := &bucket{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Errorf("couldn't read what was PUT: %v", err)
		}
		b.mu.Lock()
		b.puts = append(b.puts, put{req.Method, req.RequestURI, req.Host, req.Header, req.ContentLength, req.TransferEncoding, string(body)})
		b.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// url returns a wait URL of this bucket, in CloudFormation's form.
func (b *bucket) url(t *testing.T) handle.WaitURL {
	t.Helper()
	own := stackARN("aws", "us-west-2")
	u, err := handle.ParseWaitURL(b.URL+handlePath(own)+"%7Cend"+signed, own, []string{b.URL}, at)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (b *bucket) got() []put {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.puts
}

func TestSendSignalPutsTheBody(t *testing.T) {
	b := newBucket(t, nil)
	u := b.url(t)
	r := approved(t, launch(), at)
	outcome, err := handle.SendSignal(t.Context(), b.Client(), u, signalOf(t, r))
	if outcome != handle.Delivered || err != nil {
		t.Fatalf("got %s, %v, want done", outcome, err)
	}
	puts := b.got()
	if len(puts) != 1 {
		t.Fatalf("got %d requests, want 1", len(puts))
	}
	p := puts[0]
	if p.method != http.MethodPut {
		t.Errorf("got method %s, want PUT", p.method)
	}
	if want := strings.TrimPrefix(u.Expose(), b.URL); p.uri != want {
		t.Errorf("got request URI\n%s\nwant the same bytes\n%s", p.uri, want)
	}
	if _, ok := p.header["Content-Type"]; ok {
		t.Errorf("got Content-Type %q, want none at all", p.header["Content-Type"])
	}
	if p.length != int64(len(p.body)) || len(p.encoding) != 0 {
		t.Errorf("got Content-Length %d and encoding %q for %d bytes, want their number and none", p.length, p.encoding, len(p.body))
	}
	if want := fmt.Sprintf(`{"Status":"SUCCESS","Reason":"Approved by U0BEN","UniqueId":"approved-%s","Data":"%s"}`, r.ID, r.ID); strings.TrimSpace(p.body) != want {
		t.Errorf("got body\n%s\nwant\n%s", p.body, want)
	}
}

func TestSendSignalClassifiesStatus(t *testing.T) {
	for status, want := range map[int]handle.SendResult{
		200: handle.Delivered, 201: handle.Delivered, 204: handle.Delivered,
		301: handle.Permanent, 302: handle.Permanent, 303: handle.Permanent, 307: handle.Permanent, 308: handle.Permanent,
		403: handle.Retry, 404: handle.Permanent, 405: handle.Permanent, 410: handle.Permanent, 411: handle.Permanent, 412: handle.Permanent, 413: handle.Permanent, 501: handle.Retry,
		408: handle.Retry, 429: handle.Retry, 500: handle.Retry, 502: handle.Retry, 503: handle.Retry, 504: handle.Retry,
		// S3 answers 400 RequestTimeout, among others, when a body came too
		// slowly. See
		// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
		400: handle.Retry,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			elsewhere := newBucket(t, nil)
			b := newBucket(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", elsewhere.URL+"/elsewhere")
				w.WriteHeader(status)
				if status != http.StatusNoContent {
					_, _ = io.WriteString(w, "<Error><Message>Request has expired</Message></Error>")
				}
			})
			got, err := handle.SendSignal(t.Context(), b.Client(), b.url(t), signalOf(t, launch().Withdraw("x", at)))
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if (err == nil) != (want == handle.Delivered) {
				t.Errorf("got the error %v with the outcome %s", err, got)
			}
			if err != nil && !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("the error does not contain the status: %v", err)
			}
			if n := len(elsewhere.got()); n != 0 {
				t.Errorf("a redirect was followed %d times", n)
			}
			if n := len(b.got()); n != 1 {
				t.Errorf("got %d requests, want 1", n)
			}
		})
	}
}

func TestSendSignalKeepsTheClientsRedirectPolicy(t *testing.T) {
	b := newBucket(t, nil)
	client := b.Client()
	followed := func(*http.Request, []*http.Request) error { return nil }
	client.CheckRedirect = followed
	if _, err := handle.SendSignal(t.Context(), client, b.url(t), handle.SignalBody{}); err != nil {
		t.Fatal(err)
	}
	if client.CheckRedirect == nil || client.CheckRedirect(nil, nil) != nil {
		t.Error("SendSignal changed the client's CheckRedirect")
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestSendSignalErrorsHideTheURL(t *testing.T) {
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + closed.Addr().String()
	closed.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()

	for _, tt := range []struct {
		name   string
		ctx    context.Context
		answer http.HandlerFunc
		client func(*http.Client)
		raw    func(raw string) string
		want   handle.SendResult
	}{
		{name: "the answer is lost", answer: hangUp, want: handle.Retry},
		{name: "connection refused", raw: func(raw string) string { return refusing + raw[len("http://127.0.0.1:")+5:] }, want: handle.Retry},
		{name: "already cancelled", ctx: cancelled, want: handle.Retry},
		{name: "not HTTP", want: handle.Retry, answer: func(w http.ResponseWriter, req *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(conn, "%s\r\n\r\n", req.RequestURI)
			conn.Close()
		}},
		{name: "a redirect that quotes it", want: handle.Retry, answer: func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "http://[::1"+req.RequestURI)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}},
		{name: "a transport that quotes it", want: handle.Retry, client: func(c *http.Client) {
			c.Transport = transport(func(req *http.Request) (*http.Response, error) {
				return nil, fmt.Errorf("couldn't reach %s", req.URL)
			})
		}},
		{name: "a transport that quotes its path", want: handle.Retry, client: func(c *http.Client) {
			c.Transport = transport(func(req *http.Request) (*http.Response, error) {
				return nil, fmt.Errorf("couldn't reach %s %s", req.URL.Host, req.URL.RequestURI())
			})
		}},
		{name: "an unusable URL", raw: func(raw string) string { return raw + "\x7f" }, want: handle.Permanent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t, tt.answer)
			u := b.url(t)
			if tt.raw != nil {
				u = handle.StoredWaitURL(tt.raw(u.Expose()))
			}
			client := *b.Client()
			if tt.client != nil {
				tt.client(&client)
			}
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			got, err := handle.SendSignal(ctx, &client, u, handle.SignalBody{Status: handle.SignalFailure})
			if err == nil {
				t.Fatalf("got %s and no error", got)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s (%v)", got, tt.want, err)
			}
			if strings.Contains(err.Error(), signature) {
				t.Errorf("the error contains the URL: %v", err)
			}
		})
	}
}

func TestSanitizeError(t *testing.T) {
	const secret = "https://wait.example.com/x?X-Amz-Signature=" + signature
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"time ran out", &url.Error{Op: "Put", URL: secret, Err: context.DeadlineExceeded}, "no answer: context deadline exceeded"},
		{"cancelled", fmt.Errorf("%s: %w", secret, context.Canceled), "no answer: context canceled"},
		{"the network", &url.Error{Op: "Put", URL: secret, Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}, "dial tcp: connection refused"},
		{"a name", &url.Error{Op: "Put", URL: secret, Err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "wait.example.com"}}},
			"dial tcp: lookup wait.example.com: no such host"},
		{"anything else", errors.New(secret), "no answer"},
		{"EOF", &url.Error{Op: "Put", URL: secret, Err: io.EOF}, "no answer"},
	} {
		if got := handle.SanitizeError(tt.err); got.Error() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSendSignalTimesOut(t *testing.T) {
	silent := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	})}
	u := handle.StoredWaitURL("https://wait.example.com/x" + signed)
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name          string
			callerTimeout time.Duration // zero for none
			want          time.Duration
		}{
			{"by itself", 0, handle.SignalTimeout},
			{"by its caller", time.Second, time.Second},
			{"by itself before its caller", time.Hour, handle.SignalTimeout},
		} {
			ctx := t.Context()
			if tt.callerTimeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.callerTimeout)
				defer cancel()
			}
			start := time.Now()
			outcome, err := handle.SendSignal(ctx, silent, u, handle.SignalBody{})
			if outcome != handle.Retry || err == nil {
				t.Errorf("%s: got %s, %v, want retry and an error", tt.name, outcome, err)
			}
			if got := time.Since(start); got != tt.want {
				t.Errorf("%s: gave up after %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}
