package slacktest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

// Each failure comes in two kinds: the call had no effect, or it took effect and
// only the response is bad.
func TestFaults(t *testing.T) {
	status := func(code int) func(error) bool {
		return func(err error) bool {
			var s api.StatusCodeError
			return errors.As(err, &s) && s.Code == code
		}
	}
	refusal := func(want string) func(error) bool { return func(err error) bool { return code(err) == want } }
	limited := func(want time.Duration) func(error) bool {
		return func(err error) bool {
			var l *api.RateLimitedError
			return errors.As(err, &l) && l.RetryAfter == want
		}
	}
	transport := func(err error) bool {
		var u *url.Error
		return errors.As(err, &u)
	}
	malformed := func(err error) bool {
		var s *json.SyntaxError
		return errors.As(err, &s) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	tests := []struct {
		name  string
		fault slacktest.Fault
		is    func(error) bool
	}{
		{"503", slacktest.Fault{Status: 503}, status(503)},
		{"429", slacktest.Fault{RetryAfter: 1500 * time.Millisecond}, limited(2 * time.Second)},
		{"429 without Retry-After", slacktest.Fault{Status: 429}, status(429)},
		{"ok:false", slacktest.Fault{Error: "fatal_error"}, refusal("fatal_error")},
		{"no JSON", slacktest.Fault{Body: "<html>"}, malformed},
		{"lost", slacktest.Fault{Lost: true}, transport},
	}
	for _, tt := range tests {
		for _, act := range []bool{false, true} {
			name := tt.name
			if act {
				name += ", but done"
			}
			t.Run(name, func(t *testing.T) {
				fault := tt.fault
				fault.Applied = act
				w := newWorld(t, func(c *slacktest.Config) {
					c.Fault = func(string, url.Values) *slacktest.Fault { return &fault }
				})
				_, _, err := w.api.PostMessageContext(t.Context(), public, text("x"))
				if !tt.is(err) {
					t.Errorf("got %T %v", err, err)
				}
				want := 0
				if act {
					want = 1
				}
				if got := len(w.Messages(public)); got != want {
					t.Errorf("messages: got %d, want %d", got, want)
				}
				if got := w.Calls(); len(got) != 1 || !got[0].Fault {
					t.Errorf("calls: got %+v, want one with a fault", got)
				}
			})
		}
	}
	t.Run("truncated", func(t *testing.T) {
		w := newWorld(t)
		w.SetFault(func(string, url.Values) *slacktest.Fault { return &slacktest.Fault{Truncate: true} })
		if _, _, err := w.api.PostMessageContext(t.Context(), public, text("x")); !malformed(err) {
			t.Errorf("got %T %v", err, err)
		}
		if got := len(w.Messages(public)); got != 1 {
			t.Errorf("messages: got %d, want 1", got)
		}
	})
}

// The hook sees the arguments. It runs before the call, BeforeResponse after it.
func TestFaultHookChangesWorkspace(t *testing.T) {
	w := newWorld(t)
	var order []string
	say := func(s string) {
		order = append(order, s)
		if _, err := w.PostAs(ann, public, "", s); err != nil {
			t.Error(err)
		}
	}
	w.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if method != "chat.postMessage" || form.Get("channel") != public || form.Get("text") != "between" || form.Has("token") {
			t.Errorf("the hook saw %s %v", method, form)
		}
		say("before")
		return &slacktest.Fault{BeforeResponse: func() { say("after") }}
	})
	w.post(public, text("between"))
	var got []string
	for _, m := range w.Messages(public) {
		got = append(got, m.Text)
	}
	if diff := cmp.Diff([]string{"before", "between", "after"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestDown(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	w.SetDown(true)
	var s api.StatusCodeError
	if _, err := w.api.AuthTestContext(t.Context()); !errors.As(err, &s) || s.Code != http.StatusServiceUnavailable {
		t.Errorf("auth.test: got %v, want 503", err)
	}
	if _, err := w.ClickButton(ann, public, ts, "approve"); !errors.Is(err, slacktest.ErrDown) {
		t.Errorf("clicking: got %v, want %v", err, slacktest.ErrDown)
	}
	w.SetDown(false)
	if _, err := w.api.AuthTestContext(t.Context()); err != nil {
		t.Errorf("auth.test after the outage: %v", err)
	}
}

func TestPostLimit(t *testing.T) {
	w := newWorld(t, func(c *slacktest.Config) { c.RateLimits = slacktest.RateLimits{PostsPerMinute: 60, PostBurst: 3} })
	post := func(channel string) error {
		_, _, err := w.api.PostMessageContext(t.Context(), channel, text("x"))
		return err
	}
	for i := range 3 {
		if err := post(public); err != nil {
			t.Fatalf("post %d of the burst: %v", i+1, err)
		}
	}
	var limited *api.RateLimitedError
	if err := post(public); !errors.As(err, &limited) || limited.RetryAfter != time.Second {
		t.Fatalf("after the burst: got %v, want a wait of 1 s", err)
	}
	if got := len(w.Messages(public)); got != 3 {
		t.Errorf("messages: got %d, want 3", got)
	}
	if err := post(private); err != nil {
		t.Errorf("another channel: %v", err)
	}
	w.clock.add(time.Second)
	if err := post(public); err != nil {
		t.Errorf("a second later: %v", err)
	}
	if err := post(public); !errors.As(err, &limited) {
		t.Errorf("immediately again: got %v, want a limit", err)
	}
}

func TestMethodLimit(t *testing.T) {
	w := newWorld(t, func(c *slacktest.Config) { c.RateLimits = slacktest.PublishedRateLimits() })
	var limited *api.RateLimitedError
	var err error
	n := 0
	for ; n < 100; n++ {
		if _, err = w.api.GetUserGroupMembersContext(t.Context(), group); err != nil {
			break
		}
	}
	if n != 20 || !errors.As(err, &limited) || limited.RetryAfter != 3*time.Second {
		t.Errorf("usergroups.users.list: %d calls, then %v; want 20, then a wait of 3 s", n, err)
	}
	if _, err := w.api.GetUserInfoContext(t.Context(), ann); err != nil {
		t.Errorf("another method: %v", err)
	}
}

func TestCalls(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post("#approvals", text("x"))
	_, err := w.api.GetUserInfoContext(t.Context(), "U0UNKNOWN")
	wantCode(t, "users.info", err, "user_not_found")
	want := []slacktest.Call{
		{Seq: 1, Method: "chat.postMessage", At: start, Channel: public, TS: ts},
		{Seq: 2, Method: "users.info", At: start, Error: "user_not_found"},
	}
	if diff := cmp.Diff(want, w.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	for range 1500 {
		w.serve("auth.test", nil)
	}
	calls := w.Calls()
	if len(calls) != 1024 || calls[0].Seq != 1502-1023 || calls[1023].Seq != 1502 {
		t.Errorf("kept %d calls from %d to %d, want the latest 1024", len(calls), calls[0].Seq, calls[len(calls)-1].Seq)
	}
	if diff := cmp.Diff(map[string]int{"chat.postMessage": 1, "users.info": 1, "auth.test": 1500}, w.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestInvalidRequests(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, method, path, contentType, body string
		status                                int
		want                                  string // in the body
	}{
		{"another path", "GET", "/", "", "", 404, ""},
		{"a token in the query", "GET", "/api/auth.test?token=" + token, "", "", 200, "not_authed"},
		{"a token in JSON", "POST", "/api/auth.test", "application/json", `{"token":"` + token + `"}`, 200, "not_authed"},
		{"a token in the form", "POST", "/api/auth.test", "application/x-www-form-urlencoded", "token=" + token, 200, `"ok":true`},
		{"no JSON", "POST", "/api/auth.test", "application/json", `{`, 200, "invalid_form_data"},
		{"no form", "POST", "/api/auth.test", "application/x-www-form-urlencoded", `%zz`, 200, "invalid_form_data"},
		{"no type", "POST", "/api/auth.test", "", "token=" + token, 200, "invalid_form_data"},
		{"an unknown type", "POST", "/api/auth.test", "text/plain", "token=" + token, 200, "invalid_form_data"},
		{"too much", "POST", "/api/auth.test", "application/x-www-form-urlencoded", "x=" + strings.Repeat("x", 1<<20), 200, "invalid_form_data"},
		{"an unknown response URL", "POST", "/actions/T0HERE/X", "application/json", `{}`, 404, "no_such_url"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, w.origin+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if tt.contentType != "" {
			req.Header.Set("Content-Type", tt.contentType)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: got %d %s, want %d with %s", tt.name, res.StatusCode, body, tt.status, tt.want)
		}
		if slices.Contains([]string{"a token in the query", "no JSON"}, tt.name) && res.Header.Get("X-OAuth-Scopes") != "" {
			t.Errorf("%s: scopes are sent without a token", tt.name)
		}
	}
}
