package bot_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// fuzzWorld is a world without a network, with one request that waits.
func fuzzWorld(t *testing.T) (*world, handle.Request) {
	t.Helper()
	w := newBareWorld(t)
	w.bot.Log = nil
	return w, w.launch()
}

// FuzzSignature sends an approval under all kinds of headers. Only the right
// ones may change anything.
func FuzzSignature(f *testing.F) {
	stamp := strconv.FormatInt(launched.Add(10*time.Minute).Unix(), 10)
	for _, seed := range [][2]string{
		{stamp, "v0=" + strings.Repeat("a5", 32)},
		{stamp, "v0="},
		{stamp, ""},
		{"", "v0=" + strings.Repeat("00", 32)},
		{"-" + stamp, "v0=zz"},
		{"99999999999999999999", "v0=" + strings.Repeat("A5", 32)},
		{"9223372036854775807", "V0=" + strings.Repeat("a5", 32)},
		{"0", "v0=" + strings.Repeat("a5", 33)},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, stamp, sum string) {
		w, r := fuzzWorld(t)
		body := payloadForm(t, w.approve(r))
		req := w.signedRequest(body)
		req.Header["X-Slack-Request-Timestamp"] = []string{stamp}
		req.Header["X-Slack-Signature"] = []string{sum}
		if strings.EqualFold(sum, sign(secret, stamp, body)) {
			t.Skip("the fuzzer forged HMAC-SHA256")
		}
		if res := w.do(req); res.status != http.StatusUnauthorized {
			t.Errorf("status: got %d, want 401", res.status)
		}
		w.untouched(r)
	})
}

// FuzzPayload sends all kinds of bodies, signed and unsigned. Unsigned, none
// may do anything. Signed, none may break the bot, and the record may change
// only if our ticket is in it.
func FuzzPayload(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal("no payloads in testdata: ", err)
	}
	r := handletest.Request(1, launched)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, v := range []handle.Verdict{handle.Approve, handle.Reject} {
			ticket := handle.Ticket{ID: r.ID, Verdict: v}.String()
			payload := strings.NewReplacer(`"TICKET"`, `"`+ticket+`"`, `"METADATA"`, `"{\"ticket\":\"`+ticket+`\"}"`).Replace(string(b))
			f.Add(url.Values{"payload": {payload}}.Encode())
		}
	}
	for _, seed := range []string{"", "payload", "payload=&payload=", "payload=null", "payload=%7B%22type%22%3A%22view_submission%22%7D", "ssl_check=1", "%", ";", "payload=[[[["} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w, r := fuzzWorld(t)
		req := w.signedRequest(body)
		req.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("a5", 32))
		if res := w.do(req); res.status != http.StatusUnauthorized {
			t.Errorf("unsigned: got %d, want 401", res.status)
		}
		w.untouched(r)

		switch res := w.sendSigned(body); res.status {
		case 200, 400, 403:
		default:
			t.Errorf("signed: got %d", res.status)
		}
		got := w.stored(r.ID)
		decoded, _ := url.QueryUnescape(body)
		if len(got.Votes) > 1 || len(got.Votes) == 1 && got.Votes[0].By.Team != "T0HOME" {
			t.Errorf("votes: got %+v, want one of a person of the workspace at most", got.Votes)
		}
		if got.Rev != r.Rev && !strings.Contains(decoded, "v1") {
			t.Errorf("the record changed without a ticket: %q", body)
		}
	})
}

// FuzzLetter follows all kinds of links and sends all kinds of forms. The record
// may change only with the right seal, and be decided only with the right code.
func FuzzLetter(f *testing.F) {
	r := handletest.Request(1, launched)
	for _, v := range []handle.Verdict{handle.Approve, handle.Reject} {
		sealed := mailKey.Seal(handle.Ticket{ID: r.ID, Verdict: v}, r.Terms.Deadline)
		good := form("Kim", mailKey.Code(sealed), "because").Encode()
		f.Add("/decide/"+sealed, good)
		f.Add("/decide/"+sealed, form("Kim", "000000", "because").Encode())
		f.Add("/decide/"+sealed+"A", good)
		f.Add("/decide/"+sealed[:len(sealed)-3], good)
		f.Add("/decide/"+strings.ToUpper(sealed), good)
	}
	for _, path := range []string{"/decide/", "/decide/.", "/decide/..", "/decide/v1....", "/decide/\x00", "/slack/interactivity", "/", "", "*"} {
		f.Add(path, "name=Kim&code=1&reason=%zz")
	}
	f.Fuzz(func(t *testing.T, path, body string) {
		w, r := fuzzWorld(t)
		good := map[string]handle.Verdict{w.link(r, handle.Approve): handle.Approve, w.link(r, handle.Reject): handle.Reject}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			req := w.request(method, "/", body)
			req.URL.Path = path
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res := w.do(req)
			if res.status >= 500 || res.status < 200 {
				t.Errorf("%s %q: got %d", method, path, res.status)
			}
			got := w.stored(r.ID)
			verdict, sealed := good[path]
			if got.Rev != r.Rev && (method != http.MethodPost || !sealed) {
				t.Errorf("%s %q changed the record", method, path)
			}
			values, _ := url.ParseQuery(body)
			typed := strings.NewReplacer(" ", "", "-", "").Replace(values.Get("code"))
			if len(got.Votes) > 0 && (got.Votes[0].Verdict != verdict || typed != code(path)) {
				t.Errorf("%s %q with %q decided: %+v", method, path, body, got.Votes)
			}
		}
	})
}
