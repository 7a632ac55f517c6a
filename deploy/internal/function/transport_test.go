package function_test

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"countersign/deploy/internal/function"
)

// countingServer counts the connections to it that are open.
type countingServer struct {
	*httptest.Server
	opened, open, requests atomic.Int32
}

func newCountingServer(t *testing.T, secure bool) *countingServer {
	s := &countingServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.requests.Add(1) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *countingServer) get(t *testing.T, w *function.Transport) {
	t.Helper()
	res, err := w.Client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

// Connections are opened ahead without a request, and the first calls use them.
func TestConnectionsAreOpenedAhead(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			s := newCountingServer(t, secure)
			w := function.NewTransport()
			if secure {
				roots := x509.NewCertPool()
				roots.AddCert(s.Certificate())
				w.Trust(roots)
			}
			w.Open(2, s.URL+"/api/")
			eventually(t, "two connections are open", func() bool { return s.open.Load() == 2 })
			if n := s.requests.Load(); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
			end := w.BeginInvocation(time.Now)
			for range 3 {
				s.get(t, w)
			}
			end()
			if n := s.opened.Load(); n != 2 {
				t.Errorf("%d connections were opened, want no more than the two", n)
			}
		})
	}
}

// A frozen process closes the connections that it opened ahead.
func TestConnectionsOpenedAheadAreClosedAfterFreeze(t *testing.T) {
	s := newCountingServer(t, false)
	w := function.NewTransport()
	w.Open(2, s.URL)
	eventually(t, "two connections are open", func() bool { return s.open.Load() == 2 })
	w.BeginInvocation(func() time.Time { return time.Now().Add(4 * time.Second) })
	eventually(t, "they are closed", func() bool { return s.open.Load() == 0 })
	s.get(t, w)
	if n := s.opened.Load(); n != 3 {
		t.Errorf("%d connections were opened, want a third", n)
	}
}

// A server that cannot be reached ahead is dialled again by the call, whose error it is.
func TestUnreachableServerFailsOnlyTheCall(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	w := function.NewTransport()
	w.Open(1, "http://"+address)
	w.Open(1, "not a URL")
	if res, err := w.Client.Get("http://" + address); err == nil {
		_ = res.Body.Close()
		t.Error("the call succeeded")
	}
}
