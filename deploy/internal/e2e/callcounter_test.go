package e2e_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// callCounter is a proxy between the functions and DynamoDB that counts their calls.
type callCounter struct {
	origin string

	mu    sync.Mutex
	calls map[string]int // by operation
}

func newCallCounter(t *testing.T, dynamoDB string) *callCounter {
	t.Helper()
	target, err := url.Parse(dynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	m := &callCounter{calls: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		m.count(r.Header.Get("X-Amz-Target"), string(body))
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	m.origin = server.URL
	return m
}

// count counts a call, except queries of the index Due: those are the sweep's and
// belong to no request.
func (m *callCounter) count(target, body string) {
	if strings.Contains(body, `"IndexName":"Due"`) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, operation, _ := strings.Cut(target, ".")
	m.calls[operation]++
}

func (m *callCounter) read() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.calls)
}
