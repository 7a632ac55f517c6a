package page_test

import (
	"regexp"
	"testing"

	"github.com/chromedp/chromedp"

	"countersign/deploy/internal/fakemail"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// The mailed page works in a real browser, which enforces its policies: without a
// referrer, a browser sends the form with the origin "null".
func mailPage(t *testing.T, s *fixture, tab *tab) {
	s.launch(sandbox.Rita, body{"failure": "slack-down"})
	link, code := s.mailedDecision(handle.Reject)
	tab.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(link))
	tab.is("the button is 44px high", `getComputedStyle(document.querySelector("button")).minHeight === "44px"`)
	tab.is("the honeypot is off screen", `document.querySelector(".honeypot").getBoundingClientRect().right <= 0`)
	tab.fits("on a phone")
	tab.do(
		chromedp.SendKeys(chromedp.CSS("#name"), "Kim Lee"),
		chromedp.SendKeys(chromedp.CSS("#code"), wrongCode(code)),
		chromedp.SendKeys(chromedp.CSS("#reason"), "too expensive"),
		chromedp.Click(chromedp.CSS("button")),
		chromedp.WaitVisible(chromedp.CSS("#code-fault")),
	)
	tab.is("the name is kept after a wrong code", `document.querySelector("#name").value === "Kim Lee"`)
	if got := s.request(); got.State() != handle.Pending || len(got.Votes) != 0 {
		t.Errorf("after a wrong code the request is %s with %d votes, want pending with none", got.State(), len(got.Votes))
	}
	tab.do(
		chromedp.SetValue(chromedp.CSS("#code"), code),
		chromedp.Click(chromedp.CSS("button")),
		chromedp.WaitNotPresent(chromedp.CSS("form")),
	)
	tab.is("the result is the heading", `document.querySelector("h1").textContent.startsWith("Recorded: rejected by Kim Lee")`)
	if got := s.request(); got.State() != handle.Rejected || len(got.Votes) != 1 {
		t.Errorf("the request is %s with %d votes, want rejected with 1", got.State(), len(got.Votes))
	}
}

// mailedDecision waits for the mail that asks for a decision and returns the link
// and the code for one verdict.
func (s *fixture) mailedDecision(v handle.Verdict) (link, code string) {
	s.Helper()
	s.run()
	return s.mailedDecisionIn(s.sandbox.Mail.Messages(), v)
}

// lastMailedDecision is mailedDecision of the newest mail.
func (s *fixture) lastMailedDecision(v handle.Verdict) (link, code string) {
	s.Helper()
	s.run()
	all := s.sandbox.Mail.Messages()
	return s.mailedDecisionIn(all[len(all)-1:], v)
}

func (s *fixture) mailedDecisionIn(mails []fakemail.Message, v handle.Verdict) (link, code string) {
	s.Helper()
	pattern := regexp.MustCompile(`To ` + string(v) + `,[^\n]*\n\s+(http\S+)\s+Code: (\d{6})`)
	for _, m := range mails {
		if found := pattern.FindStringSubmatch(m.Text); found != nil {
			return found[1], found[2]
		}
	}
	s.Fatalf("no mail has a link to %s", v)
	return "", ""
}

// wrongCode returns a code that differs from code in its last digit.
func wrongCode(code string) string {
	last := (code[len(code)-1]-'0'+1)%10 + '0'
	return code[:len(code)-1] + string(last)
}
