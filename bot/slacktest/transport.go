package slacktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
)

var errLost = errors.New("slacktest: response lost")

// RoundTrip implements [http.RoundTripper] without a network: a client whose
// transport is the workspace can run in a bubble of testing/synctest. It returns
// the context's error when the client gives up, and an error when the response is
// lost. The call itself runs on its own goroutine, which ends with the call.
func (w *Workspace) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	rec := &responseBuffer{header: make(http.Header)}
	done := make(chan error, 1)
	go func() {
		defer func() {
			switch p := recover(); p {
			case nil:
				done <- nil
			case http.ErrAbortHandler:
				done <- errLost
			default:
				done <- fmt.Errorf("slacktest: panic: %v\n%s", p, debug.Stack())
			}
		}()
		w.ServeHTTP(rec, r)
	}()
	select {
	case err := <-done:
		if err != nil {
			return nil, err
		}
		return rec.response(r), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// responseBuffer is an http.ResponseWriter that keeps the response in memory.
type responseBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *responseBuffer) Header() http.Header { return b.header }

func (b *responseBuffer) WriteHeader(status int) { b.status = status }

func (b *responseBuffer) Write(p []byte) (int, error) { return b.body.Write(p) }

func (b *responseBuffer) response(r *http.Request) *http.Response {
	status := b.status
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: b.header, Body: io.NopCloser(&b.body), ContentLength: int64(b.body.Len()), Request: r,
	}
}
