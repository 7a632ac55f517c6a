package page_test

import (
	"net/http"
	"strings"
	"testing"

	"countersign/deploy/internal/sandbox"
)

func TestOtherSitesAreRejected(t *testing.T) {
	s := newFixture(t)
	own := strings.TrimPrefix(s.url, "http://")
	const action = `{"as":"U0RITA","seconds":60}`
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
		{"a DNS name rebound to this machine", "GET", "/", "evil.example.com", nil, http.StatusForbidden},
		{"a name that starts with localhost", "GET", "/api/state", "localhost.evil.example.com:80", nil, http.StatusForbidden},
		{"a network address", "GET", "/", "192.0.2.1:8080", nil, http.StatusForbidden},
		{"an action under a rebound name", "POST", "/api/advance", "evil.example.com", json, http.StatusForbidden},
		{"an action from the page", "POST", "/api/advance", own, with(map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.url}), http.StatusOK},
		{"an action from another site", "POST", "/api/advance", own, with(map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"}), http.StatusForbidden},
		{"an action from another local port", "POST", "/api/advance", own, with(map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}), http.StatusForbidden},
		{"an action from another site in an old browser", "POST", "/api/advance", own, with(map[string]string{"Origin": "https://evil.example.com"}), http.StatusForbidden},
		{"an action from an HTML form", "POST", "/api/advance", own, map[string]string{"Content-Type": "text/plain"}, http.StatusUnsupportedMediaType},
		{"an action by GET", "GET", "/api/advance", own, nil, http.StatusMethodNotAllowed},
		{"an unknown action", "POST", "/api/approve", own, json, http.StatusNotFound},
		{"the directory of assets", "GET", "/static/", own, nil, http.StatusNotFound},
		{"another path", "GET", "/etc/passwd", own, nil, http.StatusNotFound},
	} {
		res, _ := s.fetch(test.method, test.path, test.host, test.header, action)
		if res.StatusCode != test.want {
			t.Errorf("%s: got %d, want %d", test.name, res.StatusCode, test.want)
		}
	}
}

func TestInvalidJSONIsRejected(t *testing.T) {
	s := newFixture(t)
	for _, test := range []struct{ name, doc string }{
		{"not JSON", "as=U0RITA"}, {"an array", "[]"}, {"a wrong type", `{"seconds":"60"}`}, {"an empty body", ""},
		{"too long", `{"name":"` + strings.Repeat("x", 70<<10) + `"}`},
	} {
		res, got := s.fetch("POST", "/api/advance", "", map[string]string{"Content-Type": "application/json"}, test.doc)
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(got, `"error"`) {
			t.Errorf("%s: got %d %s, want 400 and an error", test.name, res.StatusCode, got)
		}
	}
}

// The policy forbids inline scripts and styles, so that markup injected into the
// page could not run.
func TestContentSecurityPolicy(t *testing.T) {
	s := newFixture(t)
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
			t.Error("the page has an inline style or script, which the policy forbids")
		}
	}
	res, _ := s.fetch("GET", "/static/page.css?v=another", "", nil, "")
	if got := res.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("the style sheet of a different build: Cache-Control is %q, want no-cache", got)
	}
}

// No pane shows the complete wait URL to anyone.
func TestWaitURLIsNeverShown(t *testing.T) {
	s := newFixture(t)
	var signature string
	check := func(when string) {
		t.Helper()
		for _, as := range []string{sandbox.Rita, sandbox.Ann, sandbox.Bob, sandbox.Dan, sandbox.Gwen, sandbox.Olga} {
			for name, html := range s.panes(as) {
				if strings.Contains(html, signature) {
					t.Errorf("%s, %s sees the wait URL in the pane %s", when, as, name)
				}
				if name != "stacks" && strings.Contains(html, "X-Amz-") {
					t.Errorf("%s, %s sees part of the wait URL in the pane %s", when, as, name)
				}
			}
		}
	}
	s.launch(sandbox.Rita, body{"failure": "slack-down"})
	_, signature, _ = strings.Cut(s.stack().Resource("ApprovalHandle").PhysicalID, "X-Amz-Signature=")
	if len(signature) < 64 {
		t.Fatalf("the wait URL has no signature: %q", signature)
	}
	check("pending")
	s.do("clear", sandbox.Rita, nil)
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	s.do("signal", sandbox.Rita, body{"stack": s.stack().ID})
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	check("bypassed")
}
