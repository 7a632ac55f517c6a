package bot_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// TestPublishedVector sends the example request of
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func TestPublishedVector(t *testing.T) {
	const (
		body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
		sum  = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	)
	w := newWorld(t)
	w.now = time.Unix(1531420618, 0)
	w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) {
		return []string{"8f742231b10e8888abcd99yyyzzz85a5"}, nil
	}
	r := w.signedRequest(body)
	r.Header.Set("X-Slack-Signature", sum)
	w.wantAck(w.do(r)) // slash commands are acknowledged and ignored

	r = w.signedRequest(body + " ")
	r.Header.Set("X-Slack-Signature", sum)
	if res := w.do(r); res.status != http.StatusUnauthorized {
		t.Errorf("with another body: got %d, want 401", res.status)
	}
}

// TestUnverifiedRequestsChangeNothing sends an approval with invalid headers.
func TestUnverifiedRequestsChangeNothing(t *testing.T) {
	header := func(key string, values ...string) func(*world, *http.Request, string) {
		return func(_ *world, r *http.Request, _ string) { r.Header[key] = values }
	}
	signedAt := func(d time.Duration) func(*world, *http.Request, string) {
		return func(w *world, r *http.Request, body string) {
			stamp := strconv.FormatInt(w.clock().Add(d).Unix(), 10)
			r.Header.Set("X-Slack-Request-Timestamp", stamp)
			r.Header.Set("X-Slack-Signature", sign(secret, stamp, body))
		}
	}
	stamped := func(form func(string) string) func(*world, *http.Request, string) {
		return func(w *world, r *http.Request, body string) {
			stamp := form(strconv.FormatInt(w.clock().Unix(), 10))
			r.Header["X-Slack-Request-Timestamp"] = []string{stamp}
			r.Header.Set("X-Slack-Signature", sign(secret, stamp, body))
		}
	}
	secrets := func(list ...string) func(*world, *http.Request, string) {
		return func(w *world, r *http.Request, body string) {
			w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) { return list, nil }
			r.Header.Set("X-Slack-Signature", sign("", r.Header.Get("X-Slack-Request-Timestamp"), body))
		}
	}
	tests := []struct {
		name string
		edit func(w *world, r *http.Request, body string)
		want int
	}{
		{"no signature", header("X-Slack-Signature"), 401},
		{"no time stamp", header("X-Slack-Request-Timestamp"), 401},
		{"empty signature", header("X-Slack-Signature", ""), 401},
		{"empty time stamp", stamped(func(string) string { return "" }), 401},
		{"another signature", header("X-Slack-Signature", "v0="+strings.Repeat("a5", 32)), 401},
		{"another version", header("X-Slack-Signature", "v1="+strings.Repeat("a5", 32)), 401},
		{"no version", func(_ *world, r *http.Request, _ string) {
			r.Header.Set("X-Slack-Signature", strings.TrimPrefix(r.Header.Get("X-Slack-Signature"), "v0="))
		}, 401},
		{"short signature", func(_ *world, r *http.Request, _ string) {
			s := r.Header.Get("X-Slack-Signature")
			r.Header.Set("X-Slack-Signature", s[:len(s)-2])
		}, 401},
		{"not hexadecimal", header("X-Slack-Signature", "v0="+strings.Repeat("zz", 32)), 401},
		{"the signature twice", func(_ *world, r *http.Request, _ string) {
			r.Header.Add("X-Slack-Signature", r.Header.Get("X-Slack-Signature"))
		}, 401},
		{"the time stamp twice", func(_ *world, r *http.Request, _ string) {
			r.Header.Add("X-Slack-Request-Timestamp", r.Header.Get("X-Slack-Request-Timestamp"))
		}, 401},
		{"two signatures in one header", func(_ *world, r *http.Request, _ string) {
			s := r.Header.Get("X-Slack-Signature")
			r.Header.Set("X-Slack-Signature", s+","+s)
		}, 401},
		{"301 s old", signedAt(-301 * time.Second), 401},
		{"301 s in the future", signedAt(301 * time.Second), 401},
		{"far in the future", stamped(func(string) string { return "9223372036854775807" }), 401},
		{"time stamp with a sign", stamped(func(s string) string { return "+" + s }), 401},
		{"negative time stamp", stamped(func(s string) string { return "-" + s }), 401},
		{"time stamp with a fraction", stamped(func(s string) string { return s + ".0" }), 401},
		{"time stamp in words", stamped(func(string) string { return "now" }), 401},
		{"signed with another secret", func(_ *world, r *http.Request, body string) {
			r.Header.Set("X-Slack-Signature", sign(secret+"x", r.Header.Get("X-Slack-Request-Timestamp"), body))
		}, 401},
		{"no secrets", secrets(), 401},
		{"an empty secret", secrets(""), 401},
		{"an empty secret beside a good one", func(w *world, _ *http.Request, _ string) {
			w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) { return []string{secret, ""}, nil }
		}, 401},
		{"the secrets cannot be read", func(w *world, _ *http.Request, _ string) {
			w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) { return nil, errors.New("simulated failure") }
		}, 503},
		{"the secrets cannot be read again", func(w *world, r *http.Request, _ string) {
			w.bot.SigningSecrets = func(_ context.Context, again bool) ([]string, error) {
				if again {
					return nil, errors.New("simulated failure")
				}
				return []string{"the old one"}, nil
			}
		}, 401},
		{"reading the secrets panics", func(w *world, _ *http.Request, _ string) {
			w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) { panic("simulated panic") }
		}, 503},
		{"no content type", header("Content-Type"), 415},
		{"JSON", header("Content-Type", "application/json"), 415},
		{"multipart", header("Content-Type", "multipart/form-data; boundary=x"), 415},
		{"compressed", header("Content-Encoding", "gzip"), 415},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			body := payloadForm(t, w.approve(r))
			req := w.signedRequest(body)
			tt.edit(w, req, body)
			res := w.do(req)
			if res.status != tt.want {
				t.Errorf("status: got %d, want %d", res.status, tt.want)
			}
			if res.status == 401 && res.body != "Unauthorized\n" {
				t.Errorf("body: got %q, want the same short body for all", res.body)
			}
			w.wantUnchanged(r)
		})
	}
}

// wantUnchanged checks that the request is unchanged and that the bot called neither
// Slack nor the store nor After.
func (w *world) wantUnchanged(r handle.Request) {
	w.Helper()
	if diff := handletest.Diff(r, w.stored(r.ID)); diff != "" {
		w.Errorf("the record changed (-before +after):\n%s", diff)
	}
	if calls := w.slack.methods(); len(calls) != 0 || w.store.Counts() != (handletest.Counts{}) || len(w.afterCalls()) != 0 {
		w.Errorf("an unverified request caused calls: Slack %v, store %+v, %d of After", calls, w.store.Counts(), len(w.afterCalls()))
	}
}

func payloadForm(t testing.TB, d document) string {
	t.Helper()
	return url.Values{"payload": {encode(t, d)}}.Encode()
}

func TestVerified(t *testing.T) {
	tests := []struct {
		name string
		edit func(w *world, r *http.Request, body string)
	}{
		{"300 s old", func(w *world, r *http.Request, _ string) { w.advance(300 * time.Second) }},
		{"300 s in the future", func(w *world, r *http.Request, _ string) { w.advance(-300 * time.Second) }},
		{"upper-case digits", func(_ *world, r *http.Request, _ string) {
			r.Header.Set("X-Slack-Signature", "v0="+strings.ToUpper(r.Header.Get("X-Slack-Signature")[3:]))
		}},
		{"a charset", func(_ *world, r *http.Request, _ string) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}},
		{"the old one of two secrets", func(w *world, _ *http.Request, _ string) {
			w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) { return []string{"the new one", secret}, nil }
		}},
		{"the new one of two secrets", func(w *world, _ *http.Request, _ string) {
			w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) { return []string{secret, "the old one"}, nil }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			body := payloadForm(t, w.approve(r))
			req := w.signedRequest(body)
			tt.edit(w, req, body)
			w.wantAck(w.do(req))
			w.wantVotes(r.ID, 1, handle.Approved)
		})
	}
}

// TestRotation changes the secret of a running bot, which reads the secrets again if
// a signature does not match, at most once a minute.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	var reads []bool
	known := []string{"the old one"}
	w.bot.SigningSecrets = func(_ context.Context, again bool) ([]string, error) {
		reads = append(reads, again)
		if again {
			known = []string{secret}
		}
		return known, nil
	}
	r := w.launch()
	w.wantAck(w.send(w.approve(r)))
	w.wantVotes(r.ID, 1, handle.Approved)
	if want := []bool{false, true}; !slices.Equal(reads, want) {
		t.Errorf("reads of the secrets: got %v, want %v", reads, want)
	}

	forged := func() {
		req := w.signedRequest("payload={}")
		req.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("00", 32))
		if res := w.do(req); res.status != http.StatusUnauthorized {
			t.Errorf("forged: got %d, want 401", res.status)
		}
	}
	reads = nil
	for range 10 {
		w.advance(5 * time.Second)
		forged()
	}
	if slices.Contains(reads, true) {
		t.Errorf("reads within the minute: got %v, want no more", reads)
	}
	w.advance(10 * time.Second)
	reads = nil
	for range 10 {
		forged()
	}
	if n := len(slices.DeleteFunc(reads, func(again bool) bool { return !again })); n != 1 {
		t.Errorf("reads in the next minute: got %d, want 1", n)
	}
}

// TestReplay sends one signed request repeatedly while it is valid: the vote counts
// once.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	r := w.launch(quorum(2))
	body := payloadForm(t, w.approve(r))
	first := w.signedRequest(body)
	for range 5 {
		again := w.signedRequest(body)
		again.Header = first.Header.Clone()
		w.wantAck(w.do(again))
		w.advance(time.Minute)
	}
	w.wantVotes(r.ID, 1, handle.Pending)
	w.advance(time.Minute)
	again := w.signedRequest(body)
	again.Header = first.Header.Clone()
	if res := w.do(again); res.status != http.StatusUnauthorized {
		t.Errorf("after six minutes: got %d, want 401", res.status)
	}
}

func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	body := "payload=" + strings.Repeat("x", 1<<20)
	if res := w.do(w.signedRequest(body)); res.status != http.StatusRequestEntityTooLarge {
		t.Errorf("over 1 MiB: got %d, want 413", res.status)
	}
	if res := w.do(w.signedRequest(body[:1<<20])); res.status != http.StatusBadRequest {
		t.Errorf("1 MiB of invalid JSON: got %d, want 400", res.status)
	}
}

// TestSigned sends signed requests that are not clicks on our buttons.
func TestSigned(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	ticket := handle.Ticket{ID: r.ID, Verdict: handle.Approve}.String()
	good := encode(t, w.approve(r))
	form := func(payload string) string { return url.Values{"payload": {payload}}.Encode() }
	tests := []struct {
		name string
		body string
		want int
	}{
		{"nothing", "", 200},
		{"ssl_check", "ssl_check=1&token=x", 200},
		{"a slash command", "command=%2Fapprovals&text=&token=x", 200},
		{"an invalid form", "%zz", 400},
		{"two payloads", form(good) + "&" + form(good), 400},
		{"an empty payload", "payload=", 400},
		{"invalid JSON", form("{"), 400},
		{"a list", form("[]"), 400},
		{"deep nesting", form(strings.Repeat("[", 200_000)), 400},
		{"null", form("null"), 403},
		{"another app", form(encode(t, w.approve(r).set("A0OTHER", "api_app_id"))), 403},
		{"no app", form(encode(t, w.approve(r).set("", "api_app_id"))), 403},
		{"actions that are not a list", form(encode(t, w.approve(r).set("all of them", "actions"))), 400},
		{"an unknown type", form(encode(t, w.approve(r).set("block_dreams", "type"))), 200},
		{"a closed form", form(encode(t, w.document("closed.json", ticket))), 200},
		{"another form", form(encode(t, w.submission(r).set("survey", "view", "callback_id"))), 200},
		{"a link button", form(encode(t, w.document("link.json", ticket))), 200},
		{"url_verification", form(`{"type":"url_verification","challenge":"x","api_app_id":"A0COUNTERSIGN"}`), 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if res := w.sendSigned(tt.body); res.status != tt.want {
				t.Errorf("status: got %d, want %d", res.status, tt.want)
			}
			w.wantUnchanged(r)
		})
	}
}

// TestQueryString sends a payload in the query string, which the signature does not
// cover.
func TestQueryString(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	req := w.signedRequest("ssl_check=1")
	req.URL.RawQuery = payloadForm(t, w.approve(r))
	w.wantAck(w.do(req))
	w.wantUnchanged(r)
}

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"POST", "/", 404, ""},
		{"GET", "/slack/interactivity", 405, "POST"},
		{"HEAD", "/slack/interactivity", 405, "POST"},
		{"PUT", "/slack/interactivity", 405, "POST"},
		{"POST", "/slack/interactivity/", 404, ""},
		{"GET", "/slack/commands", 405, "POST"},
		{"GET", "/slack/events", 405, "POST"},
		{"POST", "/slack/options", 404, ""},
		{"GET", "/decide", 404, ""},
		{"GET", "/decide/", 404, ""},
		{"GET", "/decide/a/b", 404, ""},
		{"GET", "/decide/a%2Fb", 404, ""},
		{"GET", "//decide/a", 404, ""},
		{"DELETE", "/decide/a", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/decide/a", 405, "GET, HEAD, POST"},
		{"GET", "/decide/../slack/interactivity", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			res := w.do(w.request(tt.method, tt.path, ""))
			if res.status != tt.want || res.header.Get("Allow") != tt.allow {
				t.Errorf("got %d and Allow %q, want %d and %q", res.status, res.header.Get("Allow"), tt.want, tt.allow)
			}
			if res.header.Get("Cache-Control") != "no-store" || res.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers: got %v", res.header)
			}
		})
	}
}

// TestBotWithOneRoute configures only one of the two routes.
func TestBotWithOneRoute(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.bot.SigningSecrets = nil
	if res := w.send(w.approve(r)); res.status != http.StatusNotFound {
		t.Errorf("the Slack route without secrets: got %d, want 404", res.status)
	}
	w.bot.MailKeys = nil
	if res := w.do(w.request("GET", "/decide/x", "")); res.status != http.StatusNotFound {
		t.Errorf("the mail route without keys: got %d, want 404", res.status)
	}
	if err := w.bot.Check(); err == nil {
		t.Error("Check of a bot without routes: got no error")
	}
	w.wantUnchanged(r)
}
