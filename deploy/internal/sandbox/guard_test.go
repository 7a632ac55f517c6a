package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// A web page that is open in the developer's browser reaches none of the servers,
// under whatever name and by whatever kind of request. Mailed links work.
func TestServersRefuseOtherSites(t *testing.T) {
	w, err := sandbox.New(sandbox.Config{Store: &handle.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := w.FunctionsConfig
	browser := func(site, origin string) http.Header {
		return http.Header{"Sec-Fetch-Site": {site}, "Origin": {origin}}
	}
	for _, server := range []struct{ name, url, method string }{
		{"CloudFormation's API", c.CloudFormation + "/", http.MethodPost},
		{"CloudFormation's bucket", c.CloudFormation + "/handle", http.MethodPut},
		{"Slack", c.Slack + "/api/auth.test", http.MethodPost},
		{"mail", c.Mail + "/", http.MethodPost},
		{"the bot", c.Bot + "/slack/interactivity", http.MethodPost},
		{"the notifier", w.InvokeURL, http.MethodPost},
	} {
		for _, test := range []struct {
			name, method, host string
			header             http.Header
			refused            bool
		}{
			{"a program", server.method, "", nil, false},
			{"a rebound name", server.method, "evil.example.com", nil, true},
			{"another site", server.method, "", browser("cross-site", "https://evil.example.com"), true},
			{"another port", server.method, "", browser("same-site", "http://127.0.0.1:1"), true},
			{"an old browser", server.method, "", http.Header{"Origin": {"https://evil.example.com"}}, true},
			{"an image on another site", http.MethodGet, "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, server.name != "the bot"},
		} {
			req, err := http.NewRequestWithContext(t.Context(), test.method, server.url, strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = test.host
			for name := range test.header {
				req.Header.Set(name, test.header.Get(name))
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := make([]byte, 200)
			n, _ := res.Body.Read(body)
			_ = res.Body.Close()
			text := string(body[:n])
			refused := res.StatusCode == http.StatusForbidden && !strings.Contains(text, "<Error")
			if refused != test.refused {
				t.Errorf("%s, from %s: got %d %s", server.name, test.name, res.StatusCode, text)
			}
		}
	}
}
