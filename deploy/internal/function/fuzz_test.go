package function_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"countersign/deploy/internal/function"
)

// FuzzServe reads all kinds of events in payload format 2.0. What the handler
// gets is what was sent, and what it answers arrives.
func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		`{"version":"2.0","rawPath":"/slack/interactivity","headers":{"content-type":"application/x-www-form-urlencoded","x-slack-signature":"v0=a5","host":"h","x-padded":" y "},"requestContext":{"domainName":"d","http":{"method":"POST","path":"/slack/interactivity","sourceIp":"203.0.113.9"}},"body":"cGF5bG9hZD0=","isBase64Encoded":true}`,
		`{"version":"2.0","rawPath":"/decide/v1.a.b","rawQueryString":"a=b%zz","cookies":["a=b","c=d"],"requestContext":{"http":{"method":"GET"}},"body":""}`,
		`{"version":"2.0","rawPath":"//evil.example/x","requestContext":{"http":{"method":"HEAD"}}}`,
		`{"version":"2.0","rawPath":"/a%2Fb%","requestContext":{"http":{"method":"GET"}}}`,
		`{"version":"2.0","rawPath":"*","requestContext":{"http":{"method":"OPTIONS"}}}`,
		`{"version":"2.0","rawPath":"","requestContext":{"http":{"method":"GE T"}}}`,
		`{"version":"2.0","rawPath":"/","headers":{"a b":"c\r\nd","Host":"","x":" y "},"requestContext":{"http":{"method":"POST","sourceIp":"::1"}},"body":"%","isBase64Encoded":true}`,
		`{"version":"1.0","path":"/","httpMethod":"POST"}`, `{}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		var e events.APIGatewayV2HTTPRequest
		if json.Unmarshal([]byte(document), &e) != nil {
			return // the runtime refuses it
		}
		want := []byte(e.Body)
		if e.IsBase64Encoded {
			want, _ = base64.StdEncoding.DecodeString(e.Body)
		}
		called := false
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called = true
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != string(want) {
				t.Errorf("body: got %q, want %q, error %v", body, want, err)
			}
			if r.Method != e.RequestContext.HTTP.Method || !strings.HasPrefix(r.URL.Path, "/") || r.URL.Host != "" || r.URL.User != nil {
				t.Errorf("got %s %+v", r.Method, r.URL)
			}
			if r.URL.RawQuery != e.RawQueryString {
				t.Errorf("query: got %q, want %q", r.URL.RawQuery, e.RawQueryString)
			}
			for name, value := range e.Headers {
				if key := http.CanonicalHeaderKey(name); key != "Host" && key != "Cookie" && !contains(r.Header[key], value) {
					t.Errorf("header %q: got %q, want %q", name, r.Header[key], value)
				}
			}
			w.Header().Add("Set-Cookie", "a=b")
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write(body)
		})
		got, err := function.Serve(t.Context(), handler, e)
		switch {
		case err != nil && called:
			t.Errorf("error %v after the handler had answered", err)
		case err != nil || !called:
		case got.StatusCode != http.StatusAccepted || len(got.Cookies) != 1:
			t.Errorf("answered %+v", got)
		}
		if e.Version != "2.0" && err == nil {
			t.Errorf("took payload format %q", e.Version)
		}
		if called {
			body := []byte(got.Body)
			if got.IsBase64Encoded {
				body, err = base64.StdEncoding.DecodeString(got.Body)
			}
			if err != nil || string(body) != string(want) {
				t.Errorf("answer: got %q, want %q, error %v", body, want, err)
			}
		}
	})
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
