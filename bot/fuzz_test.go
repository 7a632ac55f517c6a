package bot_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"countersign/handle"
	"countersign/handle/handletest"
)

// newFuzzWorld returns an in-memory world with one pending request.
func newFuzzWorld(t *testing.T) (*world, handle.Request) {
	t.Helper()
	w := newInMemoryWorld(t)
	w.bot.Log = nil
	return w, w.launch()
}

// FuzzSignature sends an approval with arbitrary headers. It counts if and only if
// each header occurs once, the timestamp is decimal and at most five minutes off, and
// the signature matches.
func FuzzSignature(f *testing.F) {
	at := launched.Add(10 * time.Minute).Unix()
	stamp := strconv.FormatInt(at, 10)
	for _, seed := range []struct {
		stamp, sum   string
		fits         bool // send the right signature instead of sum
		stamps, sums byte // additional copies of the header
		form         byte
	}{
		{stamp: stamp, fits: true},
		{stamp: stamp, fits: true, form: 1}, {stamp: stamp, fits: true, form: 2}, {stamp: stamp, fits: true, form: 3}, {stamp: stamp, fits: true, form: 4},
		{stamp: stamp, fits: true, stamps: 1},
		{stamp: stamp, fits: true, sums: 1},
		{stamp: strconv.FormatInt(at-300, 10), fits: true},
		{stamp: strconv.FormatInt(at+300, 10), fits: true},
		{stamp: strconv.FormatInt(at-301, 10), fits: true},
		{stamp: strconv.FormatInt(at+301, 10), fits: true},
		{stamp: "+" + stamp, fits: true}, {stamp: " " + stamp, fits: true}, {stamp: stamp + ".0", fits: true}, {stamp: "", fits: true},
		{stamp: "00" + stamp, fits: true}, {stamp: "9223372036854775807", fits: true}, {stamp: "1_795_342_200", fits: true},
		{stamp: stamp, sum: "v0=" + strings.Repeat("a5", 32)},
		{stamp: stamp, sum: "v0="}, {stamp: stamp}, {sum: "v0=" + strings.Repeat("00", 32)},
		{stamp: "-" + stamp, sum: "v0=zz"}, {stamp: "0", sum: "V0=" + strings.Repeat("A5", 33)},
	} {
		f.Add(seed.stamp, seed.sum, seed.fits, seed.stamps, seed.sums, seed.form)
	}
	f.Fuzz(func(t *testing.T, stamp, sum string, fits bool, stamps, sums, form byte) {
		w, r := newFuzzWorld(t)
		body := payloadForm(t, w.approve(r))
		if fits {
			digits := strings.TrimPrefix(sign(secret, stamp, body), "v0=")
			forms := []string{"v0=" + digits, "v0=" + strings.ToUpper(digits), "V0=" + digits, digits, "v0=" + digits + digits[:2]}
			sum = forms[int(form)%len(forms)]
		}
		req := w.signedRequest(body)
		req.Header["X-Slack-Request-Timestamp"] = slices.Repeat([]string{stamp}, int(stamps%3)+1)
		req.Header["X-Slack-Signature"] = slices.Repeat([]string{sum}, int(sums%3)+1)

		seconds, err := strconv.ParseInt(stamp, 10, 64)
		near := err == nil && decimal.MatchString(stamp) && seconds >= at-300 && seconds <= at+300
		good := near && stamps%3 == 0 && sums%3 == 0 && strings.HasPrefix(sum, "v0=") && strings.EqualFold(sum, sign(secret, stamp, body))
		res := w.do(req)
		if good {
			w.wantAck(res)
			w.wantVotes(r.ID, 1, handle.Approved)
			return
		}
		if res.status != http.StatusUnauthorized {
			t.Errorf("status: got %d, want 401", res.status)
		}
		w.wantUnchanged(r)
	})
}

// decimal matches timestamps as Slack writes them; leading zeros are accepted.
var decimal = regexp.MustCompile(`^[0-9]{1,12}$`)

// FuzzPayload sends arbitrary bodies. Unsigned, they must have no effect. Signed, they
// must not break the bot, and may change the request only with a valid ticket.
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
			f.Add(url.Values{"payload": {strings.ReplaceAll(payload, "C0APPROVALS", "C0APPROVAL\x9b")}}.Encode())
		}
	}
	for _, seed := range []string{"", "payload", "payload=&payload=", "payload=null", "payload=%7B%22type%22%3A%22view_submission%22%7D", "ssl_check=1", "%", ";", "payload=[[[["} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w, r := newFuzzWorld(t)
		req := w.signedRequest(body)
		req.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("a5", 32))
		if res := w.do(req); res.status != http.StatusUnauthorized {
			t.Errorf("unsigned: got %d, want 401", res.status)
		}
		w.wantUnchanged(r)

		res := w.sendSigned(body)
		got := w.stored(r.ID)
		switch res.status {
		case 200, 400, 403:
		case 500: // nothing was recorded, and the channel of the private message is invalid
			if len(got.Votes) > 0 || len(w.slack.ephemerals()) > 0 {
				t.Errorf("signed: got 500 with votes %+v and private messages %q", got.Votes, w.slack.ephemerals())
			}
		default:
			t.Errorf("signed: got %d", res.status)
		}
		decoded, _ := url.QueryUnescape(body)
		if len(got.Votes) > 1 || len(got.Votes) == 1 && got.Votes[0].By.Team != "T0HOME" {
			t.Errorf("votes: got %+v, want at most one, of a member of the workspace", got.Votes)
		}
		if got.Rev != r.Rev && !strings.Contains(decoded, "v1") {
			t.Errorf("the request changed without a ticket: %q", body)
		}
	})
}

// FuzzMailLink opens arbitrary links and submits arbitrary forms. The request may
// change only with a valid seal, and be decided only with the right code.
func FuzzMailLink(f *testing.F) {
	r := handletest.Request(1, launched)
	for _, v := range []handle.Verdict{handle.Approve, handle.Reject} {
		sealed := mailKey.Seal(handle.Ticket{ID: r.ID, Verdict: v}, r.Terms.Deadline)
		good := form("Kim", mailKey.Code(sealed), "because").Encode()
		f.Add("/decide/"+sealed, good)
		f.Add("/decide/"+sealed, form("Kim", "000000", "because").Encode())
		f.Add("/decide/"+sealed, form("Kim", mailKey.Code(sealed)[:3]+"\x00\x00"+mailKey.Code(sealed)[3:], "because").Encode())
		f.Add("/decide/"+sealed+"A", good)
		f.Add("/decide/"+sealed[:len(sealed)-3], good)
		f.Add("/decide/"+strings.ToUpper(sealed), good)
	}
	for _, path := range []string{"/decide/", "/decide/.", "/decide/..", "/decide/v1....", "/decide/\x00", "/slack/interactivity", "/", "", "*"} {
		f.Add(path, "name=Kim&code=1&reason=%zz")
	}
	f.Fuzz(func(t *testing.T, path, body string) {
		w, r := newFuzzWorld(t)
		good := map[string]handle.Verdict{w.mailLink(r, handle.Approve): handle.Approve, w.mailLink(r, handle.Reject): handle.Reject}
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
				t.Errorf("%s %q changed the request", method, path)
			}
			values, _ := url.ParseQuery(body)
			typed := strings.Map(func(c rune) rune {
				if unicode.IsControl(c) || unicode.In(c, unicode.L, unicode.N, unicode.S) {
					return c // not in a code
				}
				return -1
			}, values.Get("code"))
			if len(got.Votes) > 0 && (got.Votes[0].Verdict != verdict || typed != code(path)) {
				t.Errorf("%s %q with %q decided: %+v", method, path, body, got.Votes)
			}
		}
	})
}
