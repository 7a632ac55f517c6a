package page_test

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
)

// The page as people use it. Each test has a world and a tab of its own.
func TestBrowser(t *testing.T) {
	browser := startBrowser(t)
	for name, test := range map[string]func(*testing.T, *stage, *tab){
		"story": story, "keyboard": keyboard, "refusals": refusals, "audit": audit, "reconnects": reconnects,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStageAt(t, nil)
			s.live()
			test(t, s, openTab(browser, s, 1280, 900))
		})
	}
}

// The whole story as a newcomer plays it: one launch is rejected with a reason,
// one is approved, and who may not decide is told so in private.
func story(t *testing.T, s *stage, tab *tab) {
	tab.sees("#hints, .hints", "Launch as Rita")

	tab.click("#launch-form button.primary")
	tab.sees("#stacks .stack .state", "waits for approval")
	tab.sees("#slack", "Approval needed: Message queue (test)")
	tab.keepsTheSecret("while it is pending")
	tab.is("the launch form is folded after the launch", `!document.querySelector("#launch-fold").open`)

	tab.become(sandbox.Ann)
	tab.click("#slack .slack-button.danger")
	tab.until("the form is open", `document.querySelector("#modal").open && document.activeElement.matches("textarea")`)
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
	tab.sees("#slack", "Approval needed: Message queue (production)")
	tab.until("two launches are listed", `document.querySelectorAll(".launches li").length === 2`)

	tab.become(sandbox.Dan)
	tab.click("#slack .message:last-child .slack-button.primary")
	tab.sees("#slack .message.private", "Only visible to you")
	tab.sees("#slack .message.private", "You aren't an approver of this launch")

	tab.become(sandbox.Ann)
	tab.is("what was said to Dan alone is not shown to Ann", `!document.querySelector("#slack .message.private")`)
	tab.picture(os.Getenv("COUNTERSIGN_PICTURE"))
	tab.click("#slack .slack-button.primary")
	tab.sees("#stacks .stack .state", "up")
	tab.sees("#stacks .events", "CREATE_COMPLETE")
	tab.sees("#slack .thread", "approved by @Ann Approver. The launch continues")
	tab.sees("#slack .thread", "the stack is ready")
	tab.is("the focus is not lost with the button that was pressed", `document.activeElement !== document.body`)
	tab.sees("#record", "approve by slack")
	tab.keepsTheSecret("at the end")
	tab.fits("on a desk")
	tab.onAPhone()
}

// rejectBecause types a reason in two parts. Between them the world moves, and
// nothing of what was typed is lost.
func (t *tab) rejectBecause(first, second string) {
	t.Helper()
	const typed = `document.querySelector("#modal textarea")`
	t.do(chromedp.KeyEvent(first))
	if _, err := t.world.Slack.PostAs(sandbox.Bob, sandbox.Channel, "", "Has anybody seen this one?"); err != nil {
		t.Fatal(err)
	}
	t.sees("#channel", "Has anybody seen this one?")
	t.is("what was typed is kept, and the focus", typed+`.value.length > 10 && document.activeElement === `+typed)
	t.do(chromedp.KeyEvent(second))
	t.click("#modal button.primary")
	t.until("the form is closed", `!document.querySelector("#modal").open`)
}

// failures are the reasons of what failed in a stack.
func failures(s fakecfn.Stack) string {
	var reasons []string
	for _, e := range s.Events {
		if e.Status == fakecfn.CreateFailed {
			reasons = append(reasons, e.Reason)
		}
	}
	return strings.Join(reasons, "\n")
}

// onAPhone looks at the page as it is, as everybody, in a narrow window.
func (t *tab) onAPhone() {
	t.Helper()
	t.do(chromedp.EmulateViewport(360, 740))
	for _, id := range []string{sandbox.Rita, sandbox.Ann, sandbox.Olga} {
		t.become(id)
		t.fits("on a phone, as " + shortName(id) + ",")
	}
	t.click("#launch-fold > summary")
	t.fits("on a phone, with the launch form,")
}

// Everything can be done with the keys alone.
func keyboard(t *testing.T, s *stage, tab *tab) {
	tab.do(chromedp.Focus(chromedp.CSS("#f-Purpose")), chromedp.KeyEvent(kb.Enter))
	tab.sees("#stacks .stack .state", "waits for approval")
	tab.do(chromedp.Focus(chromedp.CSS(`#people input:checked`)), chromedp.KeyEvent(kb.ArrowRight))
	tab.sees("#slack .bar", "seen by Ann")
	tab.do(chromedp.Focus(chromedp.CSS("#slack .slack-button.danger")), chromedp.KeyEvent(kb.Enter))
	tab.until("the form is open", `document.querySelector("#modal").open`)
	tab.do(chromedp.KeyEvent(kb.Escape))
	tab.until("Escape closes the form", `!document.querySelector("#modal").open && !document.querySelector("#modal form")`)
	if _, open := s.world.Slack.Modal(sandbox.Ann); open {
		t.Error("Slack still has the form open")
	}
	tab.do(chromedp.Focus(chromedp.CSS("#slack .slack-button.primary")), chromedp.KeyEvent(" "))
	tab.sees("#stacks .stack .state", "up")
	tab.is("the newest state is said to screen readers", `document.querySelector("#said").textContent.length > 0`)
}

// CloudFormation's refusal is shown in its own words, and points at the field.
func refusals(t *testing.T, s *stage, tab *tab) {
	tab.do(chromedp.SetValue(chromedp.CSS("#f-MaxReceives"), "1000"))
	tab.click("#launch-form button.primary")
	tab.sees("#launch-form .error", "ValidationError: Parameter 'MaxReceives' must be a number not greater than 100")
	tab.is("the field is pointed at", `document.querySelector("#f-MaxReceives").matches("[aria-invalid=true]:focus")`)
	tab.do(chromedp.SetValue(chromedp.CSS("#f-MaxReceives"), "10"))
	tab.click("#launch-form button.primary")
	tab.sees("#stacks .stack .state", "waits for approval")
	tab.become(sandbox.Olga)
	tab.sees("#stacks", "Olga has no access to this AWS account")
}

// Everything can be read, by day and by night, and everything has a name.
func audit(t *testing.T, s *stage, tab *tab) {
	script, err := os.ReadFile("testdata/audit.js")
	if err != nil {
		t.Fatal(err)
	}
	look := func(when string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			tab.media("prefers-color-scheme", scheme)
			faults, err := chromedp.Run(tab.ctx, chromedp.Evaluate[[]string](string(script)))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range faults {
				t.Errorf("%s, %s: %s", when, scheme, f)
			}
		}
	}
	look("at first")
	s.launch(sandbox.Rita, body{"mishap": "slack-down"})
	tab.sees("#mail", "Approval needed")
	tab.click(".cheat > summary")
	look("while Slack is down")
	s.do("clear", sandbox.Rita, nil)
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	s.press(sandbox.Dan, "approve")
	tab.become(sandbox.Dan)
	tab.sees("#slack", "Only visible to you")
	look("refused")
	s.press(sandbox.Bob, "reject")
	tab.become(sandbox.Bob)
	tab.until("the form is open", `document.querySelector("#modal").open`)
	look("with a form open")
	tab.do(chromedp.KeyEvent(kb.Escape))
	s.do("signal", sandbox.Rita, body{"stack": s.stack().ID})
	tab.become(sandbox.Rita)
	tab.sees("#stacks", "rolled back")
	look("gone round")
	tab.do(chromedp.Navigate(s.url + "/storybook"))
	look("in the storybook")
}

// A page whose program has gone says so, and goes on when it is back.
func reconnects(t *testing.T, s *stage, tab *tab) {
	tab.sees(".hints", "Launch as Rita")
	s.hangUp()
	tab.sees("#offline", "The program does not answer")
	s.serveAt(strings.TrimPrefix(s.url, "http://"))
	tab.until("the page is connected again", `document.querySelector("#offline").hidden`)
	s.launch(sandbox.Rita, nil)
	tab.sees("#stacks .stack .state", "waits for approval")
}
