package page_test

import (
	"net/http"
	"strings"
	"testing"

	"countersign/deploy/internal/sandbox"
)

func TestOtherSitesAreKeptAway(t *testing.T) {
	s := newStage(t)
	own := strings.TrimPrefix(s.url, "http://")
	const act = `{"as":"U0RITA","seconds":60}`
	json := map[string]string{"Content-Type": "application/json"}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{"Content-Type": "application/json"}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	for _, test := range []struct {
		name, method, path, host string
		header                   map[string]string
		want                     int
	}{
		{"the page", "GET", "/", own, nil, http.StatusOK},
		{"the page as localhost", "GET", "/", "localhost:8080", nil, http.StatusOK},
		{"the page by IPv6", "GET", "/", "[::1]:8080", nil, http.StatusOK},
		{"the page without a port", "GET", "/", "127.0.0.1", nil, http.StatusOK},
		{"a name turned to this machine", "GET", "/", "evil.example.com", nil, http.StatusForbidden},
		{"a name that begins like ours", "GET", "/api/state", "localhost.evil.example.com:80", nil, http.StatusForbidden},
		{"an address of the network", "GET", "/", "192.0.2.1:8080", nil, http.StatusForbidden},
		{"an act under such a name", "POST", "/api/advance", "evil.example.com", json, http.StatusForbidden},
		{"an act of the page", "POST", "/api/advance", own, with(map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.url}), http.StatusOK},
		{"an act of another site", "POST", "/api/advance", own, with(map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"}), http.StatusForbidden},
		{"an act of another port of this machine", "POST", "/api/advance", own, with(map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}), http.StatusForbidden},
		{"an act of an old browser on another site", "POST", "/api/advance", own, with(map[string]string{"Origin": "https://evil.example.com"}), http.StatusForbidden},
		{"an act by a form", "POST", "/api/advance", own, map[string]string{"Content-Type": "text/plain"}, http.StatusUnsupportedMediaType},
		{"an act by GET", "GET", "/api/advance", own, nil, http.StatusMethodNotAllowed},
		{"an unknown act", "POST", "/api/approve", own, json, http.StatusNotFound},
		{"the files", "GET", "/static/", own, nil, http.StatusNotFound},
		{"another path", "GET", "/etc/passwd", own, nil, http.StatusNotFound},
	} {
		res, _ := s.fetch(test.method, test.path, test.host, test.header, act)
		if res.StatusCode != test.want {
			t.Errorf("%s: got %d, want %d", test.name, res.StatusCode, test.want)
		}
	}
}

func TestBadDocuments(t *testing.T) {
	s := newStage(t)
	for _, test := range []struct{ name, doc string }{
		{"no JSON", "as=U0RITA"}, {"a list", "[]"}, {"another kind", `{"seconds":"60"}`}, {"nothing", ""},
		{"too long", `{"name":"` + strings.Repeat("x", 70<<10) + `"}`},
	} {
		res, got := s.fetch("POST", "/api/advance", "", map[string]string{"Content-Type": "application/json"}, test.doc)
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(got, `"error"`) {
			t.Errorf("%s: got %d %s, want 400 and a sentence", test.name, res.StatusCode, got)
		}
	}
}

// The page runs nothing that stands in it, so that even text that escaped its
// place could not act.
func TestPolicy(t *testing.T) {
	s := newStage(t)
	for _, path := range []string{"/", "/storybook", "/api/state", "/static/page.js"} {
		res, got := s.fetch("GET", path, "", nil, "")
		policy := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy has no %q: %s", path, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %s", path, policy)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: got header %v", path, res.Header)
		}
		if path == "/" && (strings.Contains(got, "style=") || strings.Contains(got, "onclick") || strings.Contains(got, "<script>")) {
			t.Error("the page has a style or a script of its own, which the policy forbids")
		}
	}
	res, _ := s.fetch("GET", "/static/page.css?v=another", "", nil, "")
	if got := res.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("a style sheet of another build: Cache-Control is %q, want no-cache", got)
	}
}

// Nobody sees the wait URL whole, in any pane, whatever happens.
func TestNobodySeesTheWaitURL(t *testing.T) {
	s := newStage(t)
	var signature string
	look := func(when string) {
		t.Helper()
		for _, as := range []string{sandbox.Rita, sandbox.Ann, sandbox.Bob, sandbox.Dan, sandbox.Gwen, sandbox.Olga} {
			for name, drawn := range s.panes(as) {
				if strings.Contains(drawn, signature) {
					t.Errorf("%s, %s sees the wait URL in the pane %s", when, as, name)
				}
				if name != "stacks" && strings.Contains(drawn, "X-Amz-") {
					t.Errorf("%s, %s sees a part of the wait URL in the pane %s", when, as, name)
				}
			}
		}
	}
	s.launch(sandbox.Rita, body{"mishap": "slack-down"})
	_, signature, _ = strings.Cut(s.stack().Resource("ApprovalHandle").PhysicalID, "X-Amz-Signature=")
	if len(signature) < 64 {
		t.Fatalf("the wait URL has no signature: %q", signature)
	}
	look("pending")
	s.do("clear", sandbox.Rita, nil)
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	s.do("signal", sandbox.Rita, body{"stack": s.stack().ID})
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	look("gone round")
}
