package handle_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"countersign/handle"
)

func TestPutReturnsAnyStatusAndFollowsNoRedirect(t *testing.T) {
	elsewhere := newBucket(t, nil)
	for _, status := range []int{200, 307, 403, 503} {
		b := newBucket(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20)) // more than Put reads
		})
		got, err := handle.Put(t.Context(), b.Client(), b.URL+"/a%3Ab?c=%2B", []byte(`{"Status":"SUCCESS"}`))
		if got != status || err != nil {
			t.Errorf("got status %d and error %v, want %d", got, err, status)
		}
		puts := b.got()
		if len(puts) != 1 {
			t.Fatalf("status %d: got %d requests, want 1", status, len(puts))
		}
		p := puts[0]
		_, typed := p.header["Content-Type"]
		if p.method != http.MethodPut || p.uri != "/a%3Ab?c=%2B" || p.body != `{"Status":"SUCCESS"}` || typed || p.length != int64(len(p.body)) || len(p.encoding) != 0 {
			t.Errorf("status %d: sent %+v", status, p)
		}
	}
	if n := len(elsewhere.got()); n != 0 {
		t.Errorf("followed %d redirects", n)
	}
}

func TestPutErrorsHideTheURL(t *testing.T) {
	const secret = "?X-Amz-Signature=" + signature
	failing := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		return nil, errors.New("couldn't reach " + req.URL.String())
	})}
	for _, tt := range []struct {
		url      string
		unusable bool
	}{
		{"https://wait.example.com/" + secret, false},
		{"https://wait.example.com/\x7f" + secret, true},
		{"%" + secret, true},
	} {
		status, err := handle.Put(t.Context(), failing, tt.url, nil)
		if status != 0 || err == nil || errors.Is(err, handle.ErrUnusableURL) != tt.unusable {
			t.Errorf("got status %d and error %v, want an error that is ErrUnusableURL: %t", status, err, tt.unusable)
		}
		if err != nil && strings.Contains(err.Error(), signature) {
			t.Errorf("the error shows the URL: %v", err)
		}
	}
}
