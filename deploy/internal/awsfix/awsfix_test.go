package awsfix_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"countersign/deploy/internal/awsfix"
	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

// The response comes in two parts, on a machine so busy that it begins before
// the request is known to be written. The store must read it all with one call.
func TestLargeResponseIsReadWithOneCall(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	want := handletest.Request(1, at, func(r *handle.Request) { r.Rev, r.Purpose = 1, strings.Repeat("long ", 20<<10) })
	response := getItemResponse(t, want)
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		calls.Add(1)
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(w, response[:1000])
		w.(http.Flusher).Flush()
		time.Sleep(50 * time.Millisecond)
		_, _ = io.WriteString(w, response[1000:])
	}))
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "eu-west-3", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("TESTKEY", "test secret", "")}
	busy := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return slowConn{conn}, err
	}}
	t.Cleanup(busy.CloseIdleConnections)

	client := awsfix.HTTPClient(&http.Client{Transport: busy, Timeout: time.Minute})
	got, err := dynamo.New(cfg, client, "requests").Load(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("got %d calls, want one", n)
	}
	if d := handletest.Diff(want, got); d != "" {
		t.Errorf("another request was read (-want +got):\n%s", d)
	}
}

// getItemResponse is DynamoDB's response to GetItem of r.
func getItemResponse(t *testing.T, r handle.Request) string {
	t.Helper()
	record, err := handle.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"Item": map[string]any{"Record": map[string]string{"S": string(record)}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// slowConn takes long to report that something was written.
type slowConn struct{ net.Conn }

func (c slowConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	time.Sleep(20 * time.Millisecond)
	return n, err
}
