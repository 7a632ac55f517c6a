package page_test

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// Each test has its own sandbox and tab.
func TestBrowser(t *testing.T) {
	browser := startBrowser(t)
	for name, test := range map[string]func(*testing.T, *fixture, *tab){
		"story": story, "keyboard": keyboard, "update": update, "refusals": refusals, "audit": audit, "axe": axe, "mail page": mailPage, "reconnects": reconnects,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixtureAt(t, nil)
			s.live()
			test(t, s, openTab(browser, s, 1280, 900))
		})
	}
}

// A visitor's complete session: one launch is rejected with a reason, one is
// approved, and a person who may not decide gets an ephemeral refusal.
func story(t *testing.T, s *fixture, tab *tab) {
	tab.sees("#hints, .hints", "Launch as Rita")

	tab.click("#launch-form button.primary")
	tab.sees("#stacks .stack .state", "waiting for approval")
	tab.sees("#slack", "Approval needed: Message queue, v3")
	tab.hidesWaitURL("while it is pending")
	tab.is("the launch form is closed after the launch", `!document.querySelector("#launch-fold").open`)

	tab.become(sandbox.Ann)
	tab.click("#slack .slack-button.danger")
	tab.until("the modal is open", `document.querySelector("#modal").open && document.activeElement.matches("textarea")`)
	tab.rejectBecause("Use the shared queue of the orders team", " <b>please</b> & ask first")
	const why = "Use the shared queue of the orders team <b>please</b> & ask first"
	tab.sees("#stacks .stack .state", "rolled back")
	tab.sees("#stacks .stack > .reason", why)
	tab.sees("#stacks .events", why)
	tab.sees("#slack", "Rejected by @Ann Approver")
	tab.sees("#slack .thread", why)
	if !strings.Contains(failures(s.stack()), why) {
		t.Errorf("the stack's events do not say why: %s", failures(s.stack()))
	}

	tab.become(sandbox.Rita)
	tab.sees("#slack .direct", "rejected by @Ann Approver")
	tab.click("#launch-fold > summary")
	tab.do(chromedp.SetValue(chromedp.CSS("#f-Environment"), "production"))
	tab.click("#launch-form button.primary")
	tab.sees("#slack", "Approval needed: Message queue, v3")
	tab.until("two launches are listed", `document.querySelectorAll(".launches li").length === 2`)

	tab.become(sandbox.Dan)
	tab.click("#slack .message:last-child .slack-button.primary")
	tab.sees("#slack .message.private", "Only visible to you")
	tab.sees("#slack .message.private", "You aren't an approver of this launch")

	tab.become(sandbox.Ann)
	tab.is("Dan's ephemeral message is not shown to Ann", `!document.querySelector("#slack .message.private")`)
	tab.click("#slack .slack-button.primary")
	tab.sees("#stacks .stack .state", "running")
	tab.sees("#stacks .events", "CREATE_COMPLETE")
	tab.sees("#slack .thread", "approved by @Ann Approver. The launch continues")
	tab.sees("#slack .thread", "the stack is ready")
	tab.is("the focus is not lost with the clicked button", `document.activeElement !== document.body`)
	tab.sees("#record", "approve by slack")
	tab.hidesWaitURL("at the end")
	tab.fits("on a desktop")
	tab.onPhone()
}

// rejectBecause types a reason in two parts. The page updates between them and
// must keep the text and the focus.
func (t *tab) rejectBecause(first, second string) {
	t.Helper()
	const typed = `document.querySelector("#modal textarea")`
	t.do(chromedp.KeyEvent(first))
	if _, err := t.sandbox.Slack.PostAs(sandbox.Bob, sandbox.Channel, "", "Has anyone looked at this?"); err != nil {
		t.Fatal(err)
	}
	t.sees("#channel", "Has anyone looked at this?")
	t.is("the typed text and the focus are kept", typed+`.value.length > 10 && document.activeElement === `+typed)
	t.do(chromedp.KeyEvent(second))
	t.click("#modal button.primary")
	t.until("the modal is closed", `!document.querySelector("#modal").open`)
}

// failures returns the reasons of a stack's failed resources.
func failures(s fakecfn.Stack) string {
	var reasons []string
	for _, e := range s.Events {
		if e.Status == fakecfn.CreateFailed {
			reasons = append(reasons, e.Reason)
		}
	}
	return strings.Join(reasons, "\n")
}

// onPhone checks the current page in a narrow window, as several people.
func (t *tab) onPhone() {
	t.Helper()
	t.do(chromedp.EmulateViewport(360, 740))
	for _, id := range []string{sandbox.Rita, sandbox.Ann, sandbox.Olga} {
		t.become(id)
		t.fits("on a phone, as " + shortName(id) + ",")
	}
	t.click("#launch-fold > summary")
	t.fits("on a phone, with the launch form,")
}

// A launched product is updated: first with a value that CloudFormation rejects, then
// with one that Ann and Bob approve.
func update(t *testing.T, s *fixture, tab *tab) {
	s.launch(sandbox.Rita, nil)
	s.clickButton(sandbox.Ann, "approve")
	tab.sees("#stacks .stack .state", "running")
	tab.click(".update > summary")
	tab.do(chromedp.SetValue(chromedp.CSS("#u-MaxReceives"), "1000"))
	tab.click(".update button.primary")
	tab.sees(".update .error", "ValidationError: Parameter 'MaxReceives' must be a number not greater than 100")
	tab.is("the invalid field is marked and focused", `document.querySelector("#u-MaxReceives").matches("[aria-invalid=true]:focus")`)
	tab.do(chromedp.SetValue(chromedp.CSS("#u-MaxReceives"), "10"), chromedp.SetValue(chromedp.CSS("#u-Environment"), "production"))
	tab.click(".update button.primary")
	tab.sees("#stacks .stack .state", "waiting for approval")
	tab.sees("#slack", "Update needs approval")
	tab.sees("#slack", "test → production")
	tab.is("the update form is gone", `!document.querySelector(".update")`)
	s.clickButton(sandbox.Ann, "approve")
	s.clickButton(sandbox.Bob, "approve")
	tab.sees("#stacks .stack .state", "updated")
	tab.click(".update > summary")
	tab.is("the form has the new values", `document.querySelector("#u-MaxReceives").value === "10" && document.querySelector("#u-Environment").value === "production"`)
	tab.fits("with the update form,")
}

// Everything can be done with the keyboard alone.
func keyboard(t *testing.T, s *fixture, tab *tab) {
	tab.do(chromedp.Focus(chromedp.CSS("#f-Purpose")), chromedp.KeyEvent(kb.Enter))
	tab.sees("#stacks .stack .state", "waiting for approval")
	tab.do(chromedp.Focus(chromedp.CSS(`#people input:checked`)), chromedp.KeyEvent(kb.ArrowRight))
	tab.sees("#slack .bar", "viewed as Ann")
	tab.do(chromedp.Focus(chromedp.CSS("#slack .slack-button.danger")), chromedp.KeyEvent(kb.Enter))
	tab.until("the modal is open", `document.querySelector("#modal").open`)
	tab.do(chromedp.KeyEvent(kb.Escape))
	tab.until("Escape closes the modal", `!document.querySelector("#modal").open && !document.querySelector("#modal form")`)
	if _, open := s.sandbox.Slack.Modal(sandbox.Ann); open {
		t.Error("the modal is still open in Slack")
	}
	tab.do(chromedp.Focus(chromedp.CSS("#slack .slack-button.primary")), chromedp.KeyEvent(" "))
	tab.sees("#stacks .stack .state", "running")
	tab.is("the new state is announced to screen readers", `document.querySelector("#announcer").textContent.length > 0`)
}

// CloudFormation's validation error is shown unchanged, and its field is
// highlighted.
func refusals(t *testing.T, s *fixture, tab *tab) {
	tab.do(chromedp.SetValue(chromedp.CSS("#f-MaxReceives"), "1000"))
	tab.click("#launch-form button.primary")
	tab.sees("#launch-form .error", "ValidationError: Parameter 'MaxReceives' must be a number not greater than 100")
	tab.is("the invalid field is marked and focused", `document.querySelector("#f-MaxReceives").matches("[aria-invalid=true]:focus")`)
	tab.do(chromedp.SetValue(chromedp.CSS("#f-MaxReceives"), "10"))
	tab.click("#launch-form button.primary")
	tab.sees("#stacks .stack .state", "waiting for approval")
	tab.become(sandbox.Olga)
	tab.sees("#stacks", "Olga has no access to this AWS account.")
}

// audit checks contrast, names and IDs with a script of our own, which needs no
// peer.
func audit(t *testing.T, s *fixture, tab *tab) {
	script, err := os.ReadFile("testdata/audit.js")
	if err != nil {
		t.Fatal(err)
	}
	visitStates(t, s, tab, func() []string {
		findings, err := chromedp.Run(tab.ctx, chromedp.Evaluate[[]string](string(script)))
		if err != nil {
			t.Fatal(err)
		}
		return findings
	})
}

// axe checks all rules of axe-core, best practices included.
func axe(t *testing.T, s *fixture, tab *tab) {
	script := axeScript(t)
	visitStates(t, s, tab, func() []string { return tab.axe(script) })
}

// visitStates calls findings in every state of the page, the storybook and the mailed
// page, in both color schemes, and fails the test for everything it returns.
func visitStates(t *testing.T, s *fixture, tab *tab, findings func() []string) {
	check := func(when string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			tab.colorScheme(scheme)
			for _, f := range findings() {
				t.Errorf("%s, %s: %s", when, scheme, f)
			}
		}
	}
	check("initially")
	s.launch(sandbox.Rita, body{"failure": "slack-down"})
	tab.sees("#mail", "Approval needed")
	tab.click(".bypass > summary")
	check("while Slack is down")
	link, code := s.mailedDecision(handle.Reject)
	tab.do(chromedp.Navigate(link))
	check("on the mailed page")
	tab.do(
		chromedp.SendKeys(chromedp.CSS("#name"), "Kim Lee"),
		chromedp.SendKeys(chromedp.CSS("#code"), wrongCode(code)),
		chromedp.SendKeys(chromedp.CSS("#reason"), "too expensive"),
		chromedp.Click(chromedp.CSS("button")),
		chromedp.WaitVisible(chromedp.CSS("#code-fault")),
	)
	check("on the mailed page, with a wrong code")
	tab.do(chromedp.Navigate(s.url))
	tab.sees("#mail", "Approval needed")
	tab.click("#launch-fold > summary")
	s.do("clear", sandbox.Rita, nil)
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	s.clickButton(sandbox.Dan, "approve")
	tab.become(sandbox.Dan)
	tab.sees("#slack", "Only visible to you")
	check("refused")
	s.clickButton(sandbox.Bob, "reject")
	tab.become(sandbox.Bob)
	tab.until("the modal is open", `document.querySelector("#modal").open`)
	check("with a form open")
	tab.do(chromedp.KeyEvent(kb.Escape))
	s.clickButton(sandbox.Bob, "details")
	tab.until("the details are open", `document.querySelector("#modal").open`)
	check("with the details open")
	tab.do(chromedp.KeyEvent(kb.Escape))
	tab.until("the details are closed", `!document.querySelector("#modal").open`)
	tab.do(chromedp.Focus(chromedp.CSS(`[data-key="home"] > summary`)), chromedp.KeyEvent(kb.Enter))
	tab.do(chromedp.Focus(chromedp.CSS(`[data-do="home"]`)), chromedp.KeyEvent(kb.Enter))
	tab.sees("#home", "Waiting for you")
	tab.do(chromedp.SendKeys(chromedp.CSS("#command"), "all"), chromedp.KeyEvent(kb.Enter))
	tab.sees("#channel", "Open requests")
	check("with the Home tab and a list")
	s.do("signal", sandbox.Rita, body{"stack": s.stack().ID})
	tab.become(sandbox.Rita)
	tab.sees("#stacks", "rolled back")
	check("bypassed")
	s.launch(sandbox.Rita, body{"name": "orders-queue-2"})
	s.clickButton(sandbox.Bob, "approve")
	tab.become(sandbox.Rita)
	tab.sees("#stacks", "running")
	tab.click(".update > summary")
	check("with the update form open")
	tab.do(chromedp.Navigate(s.url + "/storybook"))
	check("in the storybook")
	tab.do(chromedp.Navigate(link))
	check("on the mailed page of a closed request")
	tab.do(chromedp.Navigate(link + "x"))
	check("on the mailed page of an invalid link")
	s.do("clear", sandbox.Rita, nil)
	s.launch(sandbox.Rita, body{"name": "orders-queue-3", "failure": "slack-down"})
	link, code = s.lastMailedDecision(handle.Approve)
	tab.do(chromedp.Navigate(link), chromedp.Click(chromedp.CSS("button")))
	check("on the mailed page that approves")
	tab.do(
		chromedp.SendKeys(chromedp.CSS("#name"), "Kim Lee"),
		chromedp.SendKeys(chromedp.CSS("#code"), code),
		chromedp.Click(chromedp.CSS("button")),
		chromedp.WaitNotPresent(chromedp.CSS("form")),
	)
	check("on the mailed page, approved")
}

// A page that loses its connection says so, and continues when the program is back.
func reconnects(t *testing.T, s *fixture, tab *tab) {
	tab.sees(".hints", "Launch as Rita")
	s.stop()
	tab.sees("#offline", "Connection lost")
	s.serveAt(strings.TrimPrefix(s.url, "http://"))
	tab.until("the page is connected again", `document.querySelector("#offline").hidden`)
	s.launch(sandbox.Rita, nil)
	tab.sees("#stacks .stack .state", "waiting for approval")
}
