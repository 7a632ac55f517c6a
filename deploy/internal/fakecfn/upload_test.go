package fakecfn_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/deploy/internal/fakecfn"
)

// TestHandleURL checks the form of a wait handle's URL, as observed on AWS.
func TestHandleURL(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, waitTemplate("Timeout: 60"))})
	raw := w.handleURL(id, "Handle")
	form := regexp.MustCompile(`^http://cloudformation\.example\.com/arn%3Aaws%3Acloudformation%3Aus-east-1%3A111122223333%3Astack/stack/[0-9a-f-]{36}/[0-9a-f-]{36}/Handle` +
		`\?X-Amz-Security-Token=IQoJb3JpZ2luX2Vj[A-Za-z0-9%]+&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261123T090000Z&X-Amz-SignedHeaders=host` +
		`&X-Amz-Expires=43199&X-Amz-Credential=ASIA[A-Z0-9]{16}%2F20261123%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=[0-9a-f]{64}$`)
	if !form.MatchString(raw) {
		t.Errorf("URL: got %s", raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(u.Path, "/"+id+"/") {
		t.Errorf("decoded path: got %s, want it to begin with the stack ID", u.Path)
	}
	if len(raw) < 1300 || len(raw) > 1700 {
		t.Errorf("length: got %d, want some 1.5 KB", len(raw))
	}
}

func TestUploadErrors(t *testing.T) {
	const (
		denied   = "<Code>AccessDenied</Code><Message>Access Denied</Message>"
		expired  = "<Code>AccessDenied</Code><Message>Request has expired</Message><X-Amz-Expires>43199</X-Amz-Expires><Expires>2026-11-23T20:59:59Z</Expires>"
		mismatch = "<Code>SignatureDoesNotMatch</Code>"
	)
	tests := []struct {
		name   string
		change func(w *fixture, r *http.Request)
		status int
		answer string
	}{
		{"good", func(*fixture, *http.Request) {}, 200, ""},
		{"empty Content-Type", func(_ *fixture, r *http.Request) { r.Header.Set("Content-Type", "") }, 200, ""},
		{"path written out", func(_ *fixture, r *http.Request) { r.URL.RawPath = "" }, 200, ""},
		{"last second", func(w *fixture, _ *http.Request) { w.now = w.now.Add(43199 * time.Second) }, 200, ""},
		{"expired", func(w *fixture, _ *http.Request) { w.now = w.now.Add(43200 * time.Second) }, 403, expired},
		{"Content-Type", func(_ *fixture, r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 403, mismatch},
		{"GET", func(_ *fixture, r *http.Request) { r.Method = "GET" }, 403, mismatch},
		{"other path", func(_ *fixture, r *http.Request) { r.URL.Path, r.URL.RawPath = r.URL.Path+"x", "" }, 403, mismatch},
		{"longer life", func(_ *fixture, r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "43199", "99999", 1)
		}, 403, mismatch},
		{"other signature", func(_ *fixture, r *http.Request) {
			r.URL.RawQuery = r.URL.RawQuery[:len(r.URL.RawQuery)-64] + strings.Repeat("0", 64)
		}, 403, mismatch},
		{"one more parameter", func(_ *fixture, r *http.Request) { r.URL.RawQuery += "&x=1" }, 403, mismatch},
		{"no signature", func(_ *fixture, r *http.Request) { r.URL.RawQuery = "" }, 403, denied},
		{"broken query", func(_ *fixture, r *http.Request) { r.URL.RawQuery += "&%zz" }, 403, denied},
		{"chunked", func(_ *fixture, r *http.Request) { r.TransferEncoding = []string{"chunked"} }, 501, "<Code>NotImplemented</Code>"},
		{"too large", func(_ *fixture, r *http.Request) {
			r.Body = http.NoBody
			*r = *httptest.NewRequest(r.Method, r.URL.String(), strings.NewReader(strings.Repeat(" ", 1<<20+1)))
		}, 400, "<Code>EntityTooLarge</Code>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t)
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Resources: {Handle: {Type: AWS::CloudFormation::WaitConditionHandle}}")})
			r := httptest.NewRequest(http.MethodPut, w.handleURL(id, "Handle"), strings.NewReader(signal("SUCCESS", "u", "", "")))
			tt.change(w, r)
			status, answer := w.send(r)
			if status != tt.status || !strings.Contains(answer, tt.answer) || (tt.answer == "") != (answer == "") {
				t.Errorf("PUT: got %d %s, want %d %s", status, answer, tt.status, tt.answer)
			}
			kept := 0
			if tt.status == 200 {
				kept = 1
			}
			if got := len(w.stack(id).Signals); got != kept {
				t.Errorf("signals kept: got %d, want %d", got, kept)
			}
		})
	}
}

func TestURLOfAnotherEngineIsRefused(t *testing.T) {
	tpl := mustParse(t, waitTemplate("Timeout: 60"))
	w1, w2 := newFixture(t), newFixture(t)
	w1.ids = 1000 // both engines have the same object key and different signing keys
	url := w1.handleURL(w1.create(fakecfn.CreateStackInput{Template: tpl}), "Handle")
	w2.create(fakecfn.CreateStackInput{Template: tpl})
	if status, answer := w2.put(url, signal("SUCCESS", "u", "", "")); status != 403 || !strings.Contains(answer, "<Code>AccessDenied</Code>") {
		t.Errorf("unknown key: got %d %s, want 403 AccessDenied", status, answer)
	}
	w3 := newFixture(t, func(c *fakecfn.Config) { c.NewID = nil })
	if status, answer := w3.put(url, signal("SUCCESS", "u", "", "")); status != 403 || !strings.Contains(answer, "SignatureDoesNotMatch") {
		t.Errorf("other key: got %d %s, want 403 SignatureDoesNotMatch", status, answer)
	}
}

// TestPutOverHTTP sends the signal with Go's HTTP client.
func TestPutOverHTTP(t *testing.T) {
	w, server := newHTTPFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, waitTemplate("Timeout: 60"))})
	url := w.handleURL(id, "Handle")
	put := func(body *strings.Reader) int {
		r, err := http.NewRequest(http.MethodPut, url, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := put(strings.NewReader(signal("SUCCESS", "u", "", ""))); got != http.StatusOK {
		t.Errorf("PUT: got %d", got)
	}
	if got := w.stack(id).Status; got != fakecfn.CreateComplete {
		t.Errorf("stack: got %s", got)
	}
	r, err := http.NewRequest(http.MethodPut, url, bufio.NewReader(strings.NewReader("x"))) // of unknown length: chunked
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("chunked PUT: got %d, want 501", resp.StatusCode)
	}
}

// newHTTPFixture returns a fixture whose engine is served over HTTP.
func newHTTPFixture(t *testing.T) (*fixture, *httptest.Server) {
	t.Helper()
	var w *fixture
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.engine.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w = newFixture(t, func(c *fakecfn.Config) { c.Origin = server.URL })
	return w, server
}
