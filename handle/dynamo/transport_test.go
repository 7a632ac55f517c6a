package dynamo_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

// TestLargeAnswer reads a record that comes in two pieces, on a machine so busy
// that the answer has begun before the request is known to be written. It asks
// once.
func TestLargeAnswer(t *testing.T) {
	t.Parallel()
	r := handletest.Request(1, at, func(r *handle.Request) { r.Rev, r.Purpose = 1, strings.Repeat("long ", 20<<10) })
	answer := `{"Item":` + stored(t, r) + `}`
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		io.Copy(io.Discard, req.Body)
		io.WriteString(w, answer[:1000])
		w.(http.Flusher).Flush()
		time.Sleep(50 * time.Millisecond)
		io.WriteString(w, answer[1000:])
	}))
	t.Cleanup(server.Close)
	cfg := made
	cfg.BaseEndpoint = aws.String(server.URL)
	busy := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return busyConn{conn}, err
	}}
	t.Cleanup(busy.CloseIdleConnections)
	got, err := dynamo.New(cfg, &http.Client{Transport: busy, Timeout: time.Minute}, "requests").Load(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	if d := handletest.Diff(r, got); d != "" {
		t.Errorf("read something else (-want +got):\n%s", d)
	}
}

// busyConn is slow to say that something was written.
type busyConn struct{ net.Conn }

func (c busyConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	time.Sleep(20 * time.Millisecond)
	return n, err
}
