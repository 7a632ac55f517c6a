package bot_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// code returns the code that the mail shows beside the link.
func code(link string) string {
	return mailKey.Code(strings.TrimPrefix(link, "/decide/"))
}

// wrongCode returns a different code.
func wrongCode(link string) string {
	c := []byte(code(link))
	c[0] = '0' + (c[0]-'0'+1)%10
	return string(c)
}

func form(name, code, reason string) url.Values {
	return url.Values{"name": {name}, "code": {code}, "reason": {reason}, "extra": {""}}
}

func (w *world) post(link string, form url.Values) response {
	w.Helper()
	return w.do(w.formRequest(link, form))
}

func (w *world) formRequest(link string, form url.Values) *http.Request {
	w.Helper()
	r := w.request(http.MethodPost, link, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// wantPage checks the status of a page and that it shows each text.
func (w *world) wantPage(res response, status int, want ...string) {
	w.Helper()
	_, shown, _ := strings.Cut(res.body, "<main>")
	if res.status != status {
		w.Errorf("status: got %d, want %d; page %s", res.status, status, shown)
	}
	for _, text := range want {
		if !strings.Contains(res.body, text) {
			w.Errorf("the page does not show %q: %s", text, shown)
		}
	}
}

// TestReadingDecidesNothing opens both links as people and scanners do.
func TestReadingDecidesNothing(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	for range 2 {
		for _, v := range []handle.Verdict{handle.Approve, handle.Reject} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				res := w.do(w.request(method, w.mailLink(r, v)+"?code="+code(w.mailLink(r, v))+"&name=Kim&reason=because", ""))
				w.wantPage(res, 200)
				if method == http.MethodHead && res.body != "" {
					t.Errorf("HEAD: got a body of %d bytes", len(res.body))
				}
			}
			// Some scanners submit forms, but do not know the code.
			w.wantPage(w.post(w.mailLink(r, v), url.Values{}), 422)
			w.wantPage(w.post(w.mailLink(r, v), form("scanner", "", "scanned")), 422)
			w.wantPage(w.post(w.mailLink(r, v), form("scanner", "scanner", "scanned")), 422)
			w.wantPage(w.post(w.mailLink(r, v), form("scanner", "12345", "scanned")), 422)
		}
	}
	if diff := handletest.Diff(r, w.stored(r.ID)); diff != "" {
		t.Errorf("the record changed (-before +after):\n%s", diff)
	}
	if n := w.store.Counts(); n.Writes != 0 || len(w.afterCalls()) != 0 {
		t.Errorf("got %d writes and %d calls of After, want none", n.Writes, len(w.afterCalls()))
	}
}

// Mail clients group the digits of the code in different ways.
func TestGroupedCodes(t *testing.T) {
	for group, decides := range map[string]bool{
		" ": true, "-": true, "\u00A0": true, "\u202F": true, "\u2013": true, "\u200E": true, "\u00AD": true,
		"\x00": false, "\n": false, "x": false, "\xff": false, "0": false,
	} {
		w := newInMemoryWorld(t)
		r := w.launch()
		link := w.mailLink(r, handle.Approve)
		status := 422
		if decides {
			status = 200
		}
		w.wantPage(w.post(link, form("Kim", " "+code(link)[:3]+group+code(link)[3:], "")), status)
		if got := w.stored(r.ID); len(got.Votes) != 0 != decides || got.Rev != r.Rev != decides {
			t.Errorf("grouped by %q: %d votes", group, len(got.Votes))
		}
	}
}

// TestHeadHasNoBody calls the bot without net/http's server, which would drop a body.
func TestHeadHasNoBody(t *testing.T) {
	w := newInMemoryWorld(t)
	res := w.do(w.request("HEAD", w.mailLink(w.launch(), handle.Approve), ""))
	if res.status != 200 || res.body != "" {
		t.Errorf("HEAD: got %d and a body of %d bytes, want 200 and none", res.status, len(res.body))
	}
}

func TestPage(t *testing.T) {
	w := newWorld(t)
	r := w.launch(func(r *handle.Request) {
		r.Product.Name = "Workbench <script>alert(1)</script>"
		r.Details = append(r.Details, handle.Field{Name: "Asked for by, proven by AWS", Value: r.WaitURL.Expose()})
	})
	res := w.do(w.request("GET", w.mailLink(r, handle.Reject), ""))
	w.wantPage(res, 200,
		"Reject the launch of Workbench &lt;script&gt;alert(1)&lt;/script&gt;?", "Opening it changed nothing",
		"Requester (proven by AWS)</dt><dd>Developers/robin.requester@example.com",
		"Principal</dt><dd>arn:aws:sts::111122223333:assumed-role/Developers/robin.requester@example.com",
		"E-mail (as typed, not verified)</dt><dd>robin.requester@example.com",
		"111122223333", "us-east-1", r.Stack.Name, "Monthly report &lt;draft&gt; &amp; review", "m7i.large", "MasterPassword", "****",
		r.Terms.Deadline.Format("2006-01-02 15:04 UTC"), "Details from the template", "Parameters", `class="reject"`)
	for _, secret := range []string{code(w.mailLink(r, handle.Reject)), "X-Amz-Signature", "cloudformation-waitcondition", mailKey.Seal(handle.Ticket{ID: r.ID, Verdict: handle.Reject}, r.Terms.Deadline)} {
		if strings.Contains(res.body, secret) {
			t.Errorf("the page reveals %q", secret)
		}
	}
	if strings.Contains(res.body, "<script") || strings.Contains(res.body, "style=") {
		t.Errorf("the page has a script or an inline style, which its policy forbids: %s", res.body)
	}
	approve := w.do(w.request("GET", w.mailLink(r, handle.Approve), ""))
	w.wantPage(approve, 200, "Approve the launch of", `class="approve"`, "Reason (optional)")
}

// TestPageHeaders checks that every page of the mail route has the same headers, and
// that the policy allows exactly the page's style.
func TestPageHeaders(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	link := w.mailLink(r, handle.Approve)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`)
	for name, res := range map[string]response{
		"page":     w.do(w.request("GET", link, "")),
		"head":     w.do(w.request("HEAD", link, "")),
		"bad link": w.do(w.request("GET", link+"x", "")),
		"faults":   w.post(link, form("", "", "")),
		"wrong":    w.post(link, form("Kim", wrongCode(link), "")),
		"recorded": w.post(link, form("Kim", code(link), "")),
	} {
		hash := ""
		if found := style.FindStringSubmatch(res.body); found != nil {
			sum := sha256.Sum256([]byte(found[1]))
			hash = base64.StdEncoding.EncodeToString(sum[:])
		} else if name != "head" {
			t.Errorf("%s: no style in %s", name, res.body)
			continue
		}
		policy := res.header.Get("Content-Security-Policy")
		want := "default-src 'none'; style-src 'sha256-" + hash + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
		if name != "head" && policy != want || !strings.HasPrefix(policy, "default-src 'none'; ") {
			t.Errorf("%s: policy: got %q, want %q", name, policy, want)
		}
		for key, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"X-Robots-Tag": "noindex, nofollow", "X-Content-Type-Options": "nosniff",
			"Strict-Transport-Security": "max-age=63072000", "Content-Type": "text/html; charset=utf-8",
		} {
			if got := res.header.Get(key); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, key, got, want)
			}
		}
	}
}

func TestDecideByMail(t *testing.T) {
	tests := []struct {
		verdict handle.Verdict
		code    func(string) string
		reason  string
		state   handle.State
		shows   string
	}{
		{handle.Approve, code, "", handle.Approved, "Recorded: approved by Kim Lee (by mail)"},
		{handle.Approve, func(l string) string { return " " + code(l)[:3] + " " + code(l)[3:] }, "fine by me", handle.Approved, "Recorded: approved by Kim Lee (by mail)"},
		{handle.Reject, func(l string) string { return code(l)[:3] + "-" + code(l)[3:] }, "  too dear\nby far ", handle.Rejected, "Recorded: rejected by Kim Lee (by mail)"},
	}
	for _, tt := range tests {
		t.Run(string(tt.verdict), func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			link := w.mailLink(r, tt.verdict)
			w.wantPage(w.post(link, form(" Kim \u202E Lee ", tt.code(link), tt.reason)), 200, tt.shows)
			got := w.wantVotes(r.ID, 1, tt.state)
			if v := got.Votes[0]; v.Via != handle.ViaMail || !reflect.DeepEqual(v.By, handle.Person{Name: "Kim Lee"}) || v.Reason != strings.TrimSpace(tt.reason) {
				t.Errorf("the vote: got %+v, want one by mail by Kim Lee", v)
			}
			if n := w.store.Counts(); n.Reads != 1 || n.Writes != 1 {
				t.Errorf("calls of the store: got %+v, want one read and one write", n)
			}
			if after := w.afterCalls(); len(after) != 1 || after[0].holder == "" {
				t.Errorf("After: got %+v, want one call under a lease", after)
			}

			w.wantPage(w.post(link, form("Kim Lee", code(link), tt.reason)), 200, tt.shows) // again
			w.wantVotes(r.ID, 1, tt.state)
			w.wantPage(w.post(link, form("Sam", code(link), "me too")), 409, "Already "+string(tt.state)+" by Kim Lee (by mail, name as typed), 2026-11-22 10:10 UTC.")
			w.wantPage(w.post(link, form("Sam", wrongCode(link), "me too")), 409, "Already "+string(tt.state))
			w.wantPage(w.post(link, form("", "", "")), 409, "Already "+string(tt.state))
			got = w.wantVotes(r.ID, 1, tt.state)
			if got.CountRefusals(handle.RefusedDecided) != 1 || wrongCodes(got, link) != 0 {
				t.Errorf("refusals: got %+v, want one, with the right code", got.Events)
			}
			res := w.do(w.request("GET", link, ""))
			w.wantPage(res, 200, "Already decided")
			if strings.Contains(res.body, "<form") {
				t.Error("the page of a decided request has a form")
			}
		})
	}
}

func TestInvalidLinks(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	link := w.mailLink(r, handle.Approve)
	other := handle.MailKey("another key of at least thirty-two bytes")
	ticket := handle.Ticket{ID: r.ID, Verdict: handle.Approve}
	tests := []struct {
		name, link string
		status     int
		shows      string
	}{
		{"edited", strings.Replace(link, "approve", "reject", 1), 404, "This link is not valid"},
		{"cut", link[:len(link)-1], 404, "Nothing was changed."},
		{"extended", link + "A", 404, "Open the complete link from the mail, or decide in Slack"},
		{"not sealed", "/decide/" + ticket.String(), 404, "This link is not valid"},
		{"nonsense", "/decide/%00%ff", 404, "This link is not valid"},
		{"very long", "/decide/" + strings.Repeat("A", 5000), 404, "This link is not valid"},
		{"sealed with another key", "/decide/" + other.Seal(ticket, r.Terms.Deadline), 404, "This link is not valid"},
		{"of an unknown request", "/decide/" + mailKey.Seal(handle.Ticket{ID: "abcdefghabcdefgh-abcdefgh", Verdict: handle.Approve}, r.Terms.Deadline), 404, "This link is not valid"},
		{"expired", "/decide/" + mailKey.Seal(ticket, w.clock()), 410, "This link has expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.wantPage(w.do(w.request("GET", tt.link, "")), tt.status, tt.shows, "Nothing was changed.")
			w.wantPage(w.post(tt.link, form("Kim", mailKey.Code(strings.TrimPrefix(tt.link, "/decide/")), "because")), tt.status, tt.shows)
			if diff := handletest.Diff(r, w.stored(r.ID)); diff != "" {
				t.Errorf("the record changed (-before +after):\n%s", diff)
			}
		})
	}
}

// TestMailKeyRotation accepts links that were sealed with the old key.
func TestMailKeyRotation(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.bot.MailKeys = func(context.Context) ([]handle.MailKey, error) {
		return []handle.MailKey{handle.MailKey("a newer key of at least thirty-two bytes"), mailKey}, nil
	}
	link := w.mailLink(r, handle.Approve)
	w.wantPage(w.post(link, form("Kim", code(link), "")), 200, "Recorded")
	w.wantVotes(r.ID, 1, handle.Approved)

	w.bot.MailKeys = func(context.Context) ([]handle.MailKey, error) { return nil, fmt.Errorf("simulated failure") }
	w.wantPage(w.do(w.request("GET", link, "")), 503, "nothing was changed")
}

func TestInvalidForms(t *testing.T) {
	tests := []struct {
		name    string
		verdict handle.Verdict
		form    func(link string) url.Values
		status  int
		shows   []string
	}{
		{"no name", handle.Approve, func(l string) url.Values { return form("\u200E \n", code(l), "why <not>") }, 422, []string{"Enter your name", ">why &lt;not&gt;</textarea>"}},
		{"no code", handle.Approve, func(string) url.Values { return form("Kim & Lee", "", "") }, 422, []string{"Enter the six digits", `value="Kim &amp; Lee"`}},
		{"an invalid code", handle.Approve, func(string) url.Values { return form("Kim", "12345x", "") }, 422, []string{"Enter the six digits", `value="12345x"`}},
		{"no reason to reject", handle.Reject, func(l string) url.Values { return form("Kim", code(l), " \n ") }, 422, []string{"Enter a reason", `value="Kim"`}},
		{"nothing", handle.Reject, func(string) url.Values { return nil }, 422, []string{"Enter your name", "Enter the six digits", "Enter a reason"}},
		{"the honeypot", handle.Approve, func(l string) url.Values {
			f := form("Kim", code(l), "")
			f.Set("extra", "https://spam.example")
			return f
		}, 400, []string{"Nothing was changed."}},
		{"a field twice", handle.Approve, func(l string) url.Values {
			f := form("Kim", wrongCode(l), "")
			f.Add("code", code(l))
			return f
		}, 400, []string{"Nothing was changed."}},
		{"too much", handle.Approve, func(l string) url.Values { return form("Kim", code(l), strings.Repeat("x", 64<<10)) }, 413, []string{"Nothing was changed."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newInMemoryWorld(t)
			r := w.launch()
			link := w.mailLink(r, tt.verdict)
			w.wantPage(w.post(link, tt.form(link)), tt.status, tt.shows...)
			if diff := handletest.Diff(r, w.stored(r.ID)); diff != "" {
				t.Errorf("the record changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestCrossOriginForms(t *testing.T) {
	tests := []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"our own page, in a browser", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200}, // null because the page sends no referrer
		{"our own page, in an old browser", map[string]string{"Origin": "OURS"}, 200},
		{"no browser", nil, 200},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"another site that says it is ours", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "OURS"}, 403},
		{"another site of the same domain", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"another site, in an old browser", map[string]string{"Origin": "https://evil.example"}, 403},
		{"an opaque origin, in an old browser", map[string]string{"Origin": "null"}, 403},
		{"JSON", map[string]string{"Content-Type": "application/json"}, 415},
		{"plain text", map[string]string{"Content-Type": "text/plain"}, 415},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			link := w.mailLink(r, handle.Approve)
			req := w.formRequest(link, form("Kim", code(link), ""))
			for key, value := range tt.header {
				req.Header.Set(key, strings.ReplaceAll(value, "OURS", w.url))
			}
			w.wantPage(w.do(req), tt.want)
			if got := w.stored(r.ID); (len(got.Votes) == 1) != (tt.want == 200) {
				t.Errorf("votes: got %+v", got.Votes)
			}
		})
	}
}

// wrongCodes counts the wrong codes at one link.
func wrongCodes(r handle.Request, link string) int {
	sealed := strings.TrimPrefix(link, "/decide/")
	ticket, _, err := handle.OpenTicket([]handle.MailKey{mailKey}, sealed, r.CreatedAt)
	if err != nil {
		panic(err)
	}
	return r.WrongCodes(ticket.WrongCode(sealed))
}

// TestWrongCodesLockTheLink locks one link after five wrong codes, also for the right
// code. The request's other link and Slack still work, and people are told.
func TestWrongCodesLockTheLink(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	yes, no := w.mailLink(r, handle.Approve), w.mailLink(r, handle.Reject)
	for _, left := range []string{"4 attempts left.", "3 attempts left.", "2 attempts left.", "One attempt left."} {
		w.wantPage(w.post(yes, form("Kim", wrongCode(yes), "because")), 403, left, `value="`+wrongCode(yes)+`"`, `value="Kim"`, ">because</textarea>")
	}
	if n := len(w.afterCalls()); n != 0 {
		t.Errorf("before the link is locked, After was called %d times", n)
	}
	w.wantPage(w.post(yes, form("Kim", wrongCode(yes), "")), 403, "This mailed link is locked", "Decide in Slack")
	after := w.afterCalls()
	if len(after) != 1 || after[0].holder == "" || !slices.ContainsFunc(after[0].request.Due(w.clock()), func(s handle.Step) bool {
		return s.Kind == handle.StepNotify && s.Notification.Kind() == handle.NotifyLocked && s.Notification.Verdict == handle.Approve
	}) {
		t.Errorf("the channel is not told that a link is locked: %+v", after)
	}
	w.wantPage(w.post(yes, form("Kim", code(yes), "")), 403, "is locked")
	w.wantPage(w.do(w.request("GET", yes, "")), 200, "is locked")
	got := w.wantVotes(r.ID, 0, handle.Pending)
	if n := wrongCodes(got, yes); n != 5 {
		t.Errorf("wrong codes on the record: got %d, want 5", n)
	}
	w.wantPage(w.post(no, form("Sam", wrongCode(no), "because")), 403, "4 attempts left.")
	w.wantAck(w.send(w.approve(r))) // Slack still works
	w.wantVotes(r.ID, 1, handle.Approved)
	w.wantPage(w.do(w.request("GET", yes, "")), 200, "Already approved")

	other := w.launch(func(r *handle.Request) { r.ID = handle.NewID(r.Stack.ID, "Other", "1") })
	yes, no = w.mailLink(other, handle.Approve), w.mailLink(other, handle.Reject)
	for range 5 {
		w.wantPage(w.post(yes, form("Kim", wrongCode(yes), "")), 403)
	}
	w.wantPage(w.post(no, form("Sam", code(no), "because")), 200, "Recorded: rejected by Sam")
}

// TestWrongCodesOfEarlierReleases count for every link, as they did.
func TestWrongCodesOfEarlierReleases(t *testing.T) {
	w := newInMemoryWorld(t)
	r := w.launch(func(r *handle.Request) {
		for range 4 {
			*r = r.RecordRefusal(handle.Person{Name: "Kim"}, handle.RefusedWrongCode, r.CreatedAt)
		}
	})
	yes, no := w.mailLink(r, handle.Approve), w.mailLink(r, handle.Reject)
	w.wantPage(w.do(w.request("GET", no, "")), 200, "Reject this launch")
	w.wantPage(w.post(yes, form("Kim", wrongCode(yes), "")), 403, "is locked")
	w.wantPage(w.post(no, form("Sam", wrongCode(no), "because")), 403, "is locked")
}

// TestConcurrentGuesses sends hundreds of guesses at once, of which at most five are
// answered.
func TestConcurrentGuesses(t *testing.T) {
	w := newInMemoryWorld(t)
	w.bot.Budget = time.Minute
	r := w.launch()
	link := w.mailLink(r, handle.Approve)
	var wg sync.WaitGroup
	var answered atomic.Int32
	for i := range 200 {
		guess := fmt.Sprintf("%06d", i)
		if guess == code(link) {
			continue
		}
		wg.Go(func() {
			if res := w.post(link, form("Kim", guess, "")); strings.Contains(res.body, "more tr") {
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	if n := answered.Load(); n > 4 {
		t.Errorf("guesses answered as wrong with attempts left: got %d, want at most 4", n)
	}
	if n := wrongCodes(w.wantVotes(r.ID, 0, handle.Pending), link); n != 5 {
		t.Errorf("wrong codes on the record: got %d, want 5", n)
	}
}

// TestWrongCodeIsRecordedBeforeAnswer answers no guess that was not counted.
func TestWrongCodeIsRecordedBeforeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInMemoryWorld(t)
		r := w.launch()
		link := w.mailLink(r, handle.Approve)
		w.store.Fault = func(v handletest.Method, _ string) handletest.Fault {
			if v == handletest.Replace {
				return handletest.NotApplied
			}
			return handletest.NoFault
		}
		res := w.post(link, form("Kim", wrongCode(link), "because"))
		w.wantPage(res, 503, "Your decision may not have been recorded.", `value="Kim"`, ">because</textarea>")
		right := w.post(link, form("Kim", code(link), "because"))
		if strings.ReplaceAll(right.body, code(link), wrongCode(link)) != res.body {
			t.Errorf("right and wrong codes get different responses:\n%s\n%s", right.body, res.body)
		}
		w.wantVotes(r.ID, 0, handle.Pending)
	})
}

// TestWrongCodesWithFullHistory counts wrong codes although the event history is full.
func TestWrongCodesWithFullHistory(t *testing.T) {
	w := newWorld(t)
	r := w.launch(func(r *handle.Request) {
		for i := range 300 {
			*r = r.RecordRefusal(handle.Person{Team: "T0HOME", ID: fmt.Sprintf("U0MANY%d", i)}, handle.RefusedNotApprover, launched)
		}
	})
	link := w.mailLink(r, handle.Approve)
	for i := range 5 {
		w.post(link, form(fmt.Sprintf("Kim %d", i), wrongCode(link), ""))
	}
	w.wantPage(w.post(link, form("Kim", code(link), "")), 403, "is locked")
	w.wantVotes(r.ID, 0, handle.Pending)
}

// TestQuorumByMail refuses approvals by mail where several are needed, because mail
// does not identify people. A rejection counts.
func TestQuorumByMail(t *testing.T) {
	w := newWorld(t)
	r := w.launch(quorum(2))
	yes, no := w.mailLink(r, handle.Approve), w.mailLink(r, handle.Reject)
	res := w.do(w.request("GET", yes, ""))
	w.wantPage(res, 200, "can&#39;t be approved by mail", "needs 2 different approvers")
	if strings.Contains(res.body, "<form") {
		t.Error("the page has a form although mail cannot decide")
	}
	w.wantPage(w.post(yes, form("Kim", code(yes), "")), 403, "can&#39;t be approved by mail")
	if got := w.wantVotes(r.ID, 0, handle.Pending); got.CountRefusals(handle.RefusedNotByMail) != 1 {
		t.Errorf("refusals: got %+v", got.Events)
	}
	w.wantPage(w.post(no, form("Kim", code(no), "too dear")), 200, "Recorded: rejected")
	w.wantVotes(r.ID, 1, handle.Rejected)
}

// TestMailLinkAfterDeadline has a link that is valid longer than its request.
func TestMailLinkAfterDeadline(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	link := "/decide/" + mailKey.Seal(handle.Ticket{ID: r.ID, Verdict: handle.Approve}, r.Terms.Deadline.Add(time.Hour))
	w.advance(r.Terms.Deadline.Sub(w.clock()))
	w.wantPage(w.do(w.request("GET", link, "")), 410, "This request expired without a decision ("+r.Terms.Deadline.Format("2006-01-02 15:04 UTC")+")")
	w.wantVotes(r.ID, 0, handle.Pending)
	w.wantPage(w.post(link, form("Kim", code(link), "")), 410, "This request expired")
	w.wantVotes(r.ID, 0, handle.Expired)
	if len(w.afterCalls()) != 1 {
		t.Errorf("After: got %d calls, want 1", len(w.afterCalls()))
	}
}

// TestMailDecisionStoreFailures is TestStoreFails for the form of a mailed link.
func TestMailDecisionStoreFailures(t *testing.T) {
	for _, fault := range []handletest.Fault{handletest.NotApplied, handletest.ResponseLost, handletest.RetriedByClient} {
		for n := range 3 {
			t.Run(fmt.Sprintf("%s at call %d", fault, n), func(t *testing.T) {
				w := newWorld(t)
				r := w.launch()
				w.store.Fault = handletest.FailNth(n, fault)
				link := w.mailLink(r, handle.Approve)
				w.wantPage(w.post(link, form("Kim", code(link), "")), 200, "Recorded: approved by Kim (by mail)")
				w.wantVotes(r.ID, 1, handle.Approved)
			})
		}
	}
}

// TestMailDecisionPanics checks that the page says what was recorded.
func TestMailDecisionPanics(t *testing.T) {
	tests := []struct {
		name   string
		inject func(*world)
		votes  int
		want   int
		shows  string
	}{
		{"After", func(w *world) {
			w.bot.After = func(context.Context, handle.Request, string) { panic("simulated panic") }
		}, 1, 200, "Recorded"},
		{"the keys", func(w *world) {
			w.bot.MailKeys = func(context.Context) ([]handle.MailKey, error) { panic("simulated panic") }
		}, 0, 503, "nothing was changed"},
		{"the bot, before", func(w *world) { w.bot.NewHolder = func() string { panic("simulated panic") } }, 0, 503, `value="Kim"`},
		{"the bot, after", func(w *world) {
			w.bot.Now = func() time.Time {
				if w.store.Counts().Writes > 0 {
					panic("simulated panic")
				}
				return w.clock()
			}
		}, 1, 200, "Recorded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newInMemoryWorld(t)
			r := w.launch()
			tt.inject(w)
			link := w.mailLink(r, handle.Approve)
			w.wantPage(w.post(link, form("Kim", code(link), "")), tt.want, tt.shows)
			if got := w.stored(r.ID); len(got.Votes) != tt.votes {
				t.Errorf("votes: got %d, want %d", len(got.Votes), tt.votes)
			}
			if !strings.Contains(w.logs.String(), "panic") {
				t.Error("the panic was not logged")
			}
		})
	}
}

// TestLinksAreNotLogged searches the log for links, codes and names.
func TestLinksAreNotLogged(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	link := w.mailLink(r, handle.Approve)
	sealed := strings.TrimPrefix(link, "/decide/")
	w.do(w.request("GET", link, ""))
	w.do(w.request("GET", link+"x", ""))
	w.post(link, form("Kim Lee", wrongCode(link), "very private"))
	w.store.Fault = handletest.FailNth(1, handletest.NotApplied)
	w.post(link, form("Kim Lee", code(link), "very private"))
	w.do(w.request("GET", "/decide/"+mailKey.Seal(handle.Ticket{ID: r.ID, Verdict: handle.Approve}, launched), ""))
	w.wantVotes(r.ID, 1, handle.Approved)
	logs := w.logs.String()
	if logs == "" {
		t.Fatal("the log is empty")
	}
	mac := sealed[strings.LastIndexByte(sealed, '.')+1:]
	for _, secret := range []string{mac, "/decide/", handle.Ticket{ID: r.ID, Verdict: handle.Approve}.String(), code(link), wrongCode(link), "Kim Lee", "very private"} {
		if strings.Contains(logs, secret) {
			t.Errorf("the log has %q: %s", secret, logs)
		}
	}
}

// The page of an update says so, and shows what changes before anything else that
// the template's user wrote.
func TestPageOfUpdate(t *testing.T) {
	w := newWorld(t)
	r := w.launch(func(r *handle.Request) {
		r.Update = &handle.Update{
			Approved: "before", RequestID: "u1", PhysicalID: "before", Unshown: true,
			Changes: []handle.Change{{Name: "Environment", Old: "test", New: "<b>production</b>"}, {Name: "Owner", New: r.WaitURL.Expose()}},
		}
	})
	link := w.mailLink(r, handle.Approve)
	res := w.do(w.request("GET", link, ""))
	w.wantPage(res, 200, "Approve the update of Analytics workbench?", "This link can only approve this update.", "<h2>The update</h2>", "<h2>Changes</h2>",
		"Environment</dt><dd>test → &lt;b&gt;production&lt;/b&gt;", "Owner</dt><dd>none → ", "The template changes, or a value that isn&#39;t shown here.")
	if strings.Contains(res.body, "X-Amz-Signature") || strings.Index(res.body, "<h2>Changes</h2>") > strings.Index(res.body, "<h2>Details from the template</h2>") {
		t.Errorf("the page: %s", res.body)
	}
	w.wantPage(w.post(link, form("Kim", code(link), "")), 200, "Recorded: approved by Kim (by mail)", "The update of Analytics workbench was approved.")
	w.wantVotes(r.ID, 1, handle.Approved)
}
