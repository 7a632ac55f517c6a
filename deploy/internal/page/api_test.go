package page_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

func TestApprove(t *testing.T) {
	s := newFixture(t)
	s.shows(sandbox.Rita, "hints", "Launch as Rita", "Choose Approve as Ann", "Watch the stack")
	s.shows(sandbox.Rita, "slack", "No messages yet")
	s.launch(sandbox.Rita, nil)
	s.shows(sandbox.Rita, "stacks", "orders-queue", "waiting for approval", "Cancel the launch", "Send SUCCESS without approval")
	s.hides(sandbox.Ann, "stacks", "Cancel the launch", "Send SUCCESS")
	s.shows(sandbox.Ann, "slack", "Approval needed: Message queue, v3", "@Rita Requester wants to launch", "Approve", "Reject", "1 reply", "@platform-approvers")
	s.shows(sandbox.Ann, "record", "pending", "proven by AWS", "1 of @platform-approvers in #launch-approvals")
	s.hides(sandbox.Ann, "hints", "Launch as Rita")
	s.clickButton(sandbox.Ann, "approve")
	if got := s.request().State(); got != handle.Approved {
		t.Fatalf("the request is %s, want approved", got)
	}
	s.shows(sandbox.Ann, "stacks", "running (CREATE_COMPLETE)", "ApprovedBy Ann Approver")
	s.shows(sandbox.Ann, "slack", "Approved and launched", "approved by @Ann Approver", "The stack is ready")
	s.hides(sandbox.Ann, "slack", "Direct messages")
	s.shows(sandbox.Rita, "slack", "Direct messages Countersign to Rita", "the stack is ready")
	s.shows(sandbox.Ann, "record", "vote Ann Approver (U0ANN): approve by slack", "signalled SUCCESS", "ended CREATE_COMPLETE")
	if got := s.read(sandbox.Ann, "hints"); got != "" {
		t.Errorf("after the stack finished, the hints say %q", got)
	}
}

func TestReject(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.clickButton(sandbox.Ann, "reject")
	view, ok := s.sandbox.Slack.Modal(sandbox.Ann)
	if !ok {
		t.Fatal("no modal was opened")
	}
	s.shows(sandbox.Ann, "modal", "Reject this launch?", "Reason", "Cancel")
	s.hides(sandbox.Bob, "modal", "Reject this launch?")
	status, fault := s.try("submit", sandbox.Ann, body{"view": view.ID, "values": body{"reason": body{"reason": "x"}}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(fault.Error, "shorter than 3") || cmp.Diff([]string{"reason"}, fault.Fields) != "" {
		t.Errorf("a reason that is too short: got %d %+v", status, fault)
	}
	s.do("submit", sandbox.Ann, body{"view": view.ID, "values": body{"reason": body{"reason": "Use the <b>shared</b> queue & <!channel>"}}})
	s.hides(sandbox.Ann, "modal", "Reject this launch?")
	const why = "Rejected by Ann Approver: Use the <b>shared</b> queue & <!channel>"
	s.shows(sandbox.Rita, "stacks", "rolled back (ROLLBACK_COMPLETE)", "CREATE_FAILED", why)
	s.shows(sandbox.Rita, "slack", "Rejected by @Ann Approver", "“Use the <b>shared</b> queue & <!channel>”")
	s.shows(sandbox.Rita, "record", "rejected by Ann Approver (U0ANN): Use the <b>shared</b> queue")
}

func TestCloseModal(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.clickButton(sandbox.Bob, "reject")
	view, _ := s.sandbox.Slack.Modal(sandbox.Bob)
	s.do("close", sandbox.Bob, body{"view": view.ID})
	s.hides(sandbox.Bob, "modal", "Reject this launch?")
	s.do("close", sandbox.Bob, body{"view": view.ID}) // closing twice succeeds
	if status, fault := s.try("submit", sandbox.Bob, body{"view": view.ID}); status != http.StatusConflict || !strings.Contains(fault.Error, "no longer open") {
		t.Errorf("submitting a closed modal: got %d %+v", status, fault)
	}
}

func TestRefusalIsEphemeral(t *testing.T) {
	for _, test := range []struct{ who, as, want string }{
		{"a colleague", sandbox.Dan, "You aren't an approver"},
		{"a guest", sandbox.Gwen, "Guests"},
		{"a person from another workspace", sandbox.Olga, "a different Slack workspace"},
		{"the requester", sandbox.Rita, "your decision was not recorded"},
	} {
		t.Run(test.who, func(t *testing.T) {
			s := newFixture(t)
			s.launch(sandbox.Rita, nil)
			s.clickButton(test.as, "approve")
			s.shows(test.as, "slack", "Only visible to you", test.want)
			s.hides(sandbox.Ann, "slack", "Only visible to you", test.want)
			if got := s.request().State(); got != handle.Pending {
				t.Errorf("the request is %s, want pending", got)
			}
		})
	}
}

// Ann may launch too, but may not approve her own launch.
func TestOwnRequestCannotBeApproved(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Ann, body{"parameters": map[string]string{"UserEmail": "ann@example.com", "Purpose": "Mine"}})
	s.shows(sandbox.Ann, "stacks", "launched by Ann Approver")
	s.clickButton(sandbox.Ann, "approve")
	s.shows(sandbox.Ann, "slack", "This is your own request")
	s.clickButton(sandbox.Bob, "approve")
	s.shows(sandbox.Ann, "stacks", "running (CREATE_COMPLETE)")
}

func TestBypass(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	id := s.stack().ID
	if status, fault := s.try("signal", sandbox.Ann, body{"stack": id}); status != http.StatusConflict || !strings.Contains(fault.Error, "Ann did not") {
		t.Errorf("as another person: got %d %+v", status, fault)
	}
	s.do("signal", sandbox.Rita, body{"stack": id})
	s.shows(sandbox.Rita, "stacks", "rolled back (ROLLBACK_COMPLETE)", "no approval is on record")
	s.shows(sandbox.Ann, "slack", "Bypassed approval")
	s.shows(sandbox.Ann, "record", "bypassed approval", "bypass")
}

func TestCancel(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	id := s.stack().ID
	if status, _ := s.try("cancel", sandbox.Dan, body{"stack": id}); status != http.StatusConflict {
		t.Errorf("as another person: got %d, want 409", status)
	}
	if status, _ := s.try("cancel", sandbox.Rita, body{"stack": "arn:gone"}); status != http.StatusConflict {
		t.Errorf("a stack that does not exist: got %d, want 409", status)
	}
	s.do("cancel", sandbox.Rita, body{"stack": id})
	s.shows(sandbox.Rita, "stacks", "deleted (DELETE_COMPLETE)")
	s.shows(sandbox.Rita, "slack", "Withdrawn")
	s.shows(sandbox.Rita, "record", "withdrawn")
}

func TestUpdate(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	id := s.stack().ID
	s.hides(sandbox.Rita, "stacks", "Update the product")
	s.clickButton(sandbox.Ann, "approve")
	s.shows(sandbox.Rita, "stacks", "running (CREATE_COMPLETE)", "Update the product")
	s.hides(sandbox.Ann, "stacks", "Update the product")
	s.do("advance", sandbox.Rita, body{"seconds": 3600})

	if status, fault := s.try("update", sandbox.Ann, body{"stack": id}); status != http.StatusConflict || !strings.Contains(fault.Error, "Ann did not") {
		t.Errorf("as another person: got %d %+v", status, fault)
	}
	if status, fault := s.try("update", sandbox.Rita, body{"stack": id, "parameters": parameters}); status != http.StatusUnprocessableEntity || !strings.Contains(fault.Error, "No updates are to be performed") {
		t.Errorf("without a change: got %d %+v", status, fault)
	}
	production := body{"stack": id, "parameters": map[string]string{"Environment": "production"}}
	s.do("update", sandbox.Rita, production)
	s.shows(sandbox.Rita, "stacks", "waiting for approval (UPDATE_IN_PROGRESS)", "Cancel the update")
	s.hides(sandbox.Rita, "stacks", "Update the product")
	s.shows(sandbox.Ann, "slack", "Update needs approval", "Environment : test → production")
	s.do("cancel", sandbox.Rita, body{"stack": id})
	s.shows(sandbox.Rita, "stacks", "update rolled back (UPDATE_ROLLBACK_COMPLETE)")
	s.shows(sandbox.Ann, "slack", "withdrawn")

	s.do("update", sandbox.Rita, production)
	s.clickButton(sandbox.Ann, "approve")
	s.shows(sandbox.Rita, "stacks", "waiting for approval")
	s.clickButton(sandbox.Bob, "approve")
	s.shows(sandbox.Rita, "stacks", "updated (UPDATE_COMPLETE)")
}

// An expired launch that is approved late goes through at once when the same values
// are launched again.
func TestRelaunch(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.do("advance", sandbox.Rita, body{"deadline": true})
	s.shows(sandbox.Ann, "slack", "Approve for relaunch")
	s.clickButton(sandbox.Ann, "approve")
	s.shows(sandbox.Rita, "slack", "Approved for relaunch")
	s.launch(sandbox.Rita, body{"name": "orders-queue-2"})
	s.shows(sandbox.Rita, "stacks", "running (CREATE_COMPLETE)")
	if r := s.request(); r.State() != handle.Approved || r.Decision.Via != handle.ViaGrant {
		t.Errorf("the request is %s, %+v", r.State(), r.Decision)
	}
}

func TestAdvanceClock(t *testing.T) {
	s := newFixture(t)
	if status, fault := s.try("advance", sandbox.Rita, body{"deadline": true}); status != http.StatusConflict || !strings.Contains(fault.Error, "No request is pending") {
		t.Errorf("without a deadline: got %d %+v", status, fault)
	}
	for _, seconds := range []int{0, -60, 49 * 3600} {
		if status, _ := s.try("advance", sandbox.Rita, body{"seconds": seconds}); status != http.StatusConflict {
			t.Errorf("by %d s: got %d, want 409", seconds, status)
		}
	}
	s.launch(sandbox.Rita, nil)
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	if got, want := s.sandbox.Clock.Now(), start.Add(15*time.Minute); !got.Equal(want) {
		t.Errorf("after 15 minutes it is %v, want %v", got, want)
	}
	s.shows(sandbox.Rita, "clock", "15 min skipped")
	s.do("advance", sandbox.Rita, body{"deadline": true})
	if got := s.request().State(); got != handle.Expired {
		t.Errorf("past the deadline the request is %s, want expired", got)
	}
	s.shows(sandbox.Rita, "slack", "this launch has been waiting for your decision", "expired without a decision")
	s.shows(sandbox.Rita, "stacks", "rolled back", "Expired: no decision was made by")
	if !strings.Contains(s.panes(sandbox.Rita)["clock"], "disabled") {
		t.Error("the button to the deadline is enabled, though nothing is pending")
	}
}

func TestLaunchIsRefused(t *testing.T) {
	s := newFixture(t)
	for _, test := range []struct {
		name, as string
		doc      body
		status   int
		want     string
		fields   []string
	}{
		{"no access", sandbox.Olga, body{"name": "x", "parameters": parameters}, http.StatusConflict, "no access", nil},
		{"an unknown person", "U0UNKNOWN", body{"name": "x", "parameters": parameters}, http.StatusConflict, "no such person", nil},
		{"no name", sandbox.Rita, body{"parameters": parameters}, http.StatusUnprocessableEntity, "The name must start with a letter or digit", []string{"-name"}},
		{"a name that is a path", sandbox.Rita, body{"name": "a/b", "parameters": parameters}, http.StatusUnprocessableEntity, "The name must start with a letter or digit", []string{"-name"}},
		{"a missing parameter", sandbox.Rita, body{"name": "x", "parameters": body{"UserEmail": "rita@example.com"}}, http.StatusUnprocessableEntity, "Purpose", []string{"Purpose"}},
		{"a bad parameter", sandbox.Rita, body{"name": "x", "parameters": body{"UserEmail": "rita", "Purpose": "Orders"}}, http.StatusUnprocessableEntity, "must be an e-mail address", []string{"UserEmail"}},
		{"an unknown failure", sandbox.Rita, body{"name": "x", "parameters": parameters, "failure": "flood"}, http.StatusConflict, "no such failure", nil},
		{"missing parameters and a failure", sandbox.Rita, body{"name": "x", "failure": "slack-down"}, http.StatusUnprocessableEntity, "UserEmail", []string{"UserEmail", "Purpose"}},
	} {
		status, fault := s.try("launch", test.as, test.doc)
		if status != test.status || !strings.Contains(fault.Error, test.want) {
			t.Errorf("%s: got %d %q, want %d and %q", test.name, status, fault.Error, test.status, test.want)
		}
		if diff := cmp.Diff(test.fields, fault.Fields); diff != "" {
			t.Errorf("%s: fields (-want +got)\n%s", test.name, diff)
		}
	}
	if n := len(s.sandbox.CloudFormation.Stacks()); n != 0 {
		t.Errorf("%d stacks were created", n)
	}
	s.hides(sandbox.Rita, "slack", "Slack is down")
}

func TestResourceFailsAfterApproval(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, body{"failure": "later-resource"})
	s.clickButton(sandbox.Ann, "approve")
	s.shows(sandbox.Rita, "stacks", "rolled back", "quota of your account")
	s.shows(sandbox.Rita, "slack", "Approved, but the launch failed", "quota of your account")
}

func TestSlackIsDown(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, body{"failure": "slack-down"})
	s.shows(sandbox.Ann, "slack", "Slack is down.", "End the outage")
	s.shows(sandbox.Ann, "mail", "Approval needed: Message queue, v3", "To approve, open this page and type the code:")
	if !strings.Contains(s.panes(sandbox.Ann)["mail"], `<a href="http://127.0.0.1:`) {
		t.Error("the mail has no links")
	}
	s.hides(sandbox.Ann, "slack", "Approval needed")
	s.do("clear", sandbox.Ann, nil)
	s.do("advance", sandbox.Ann, body{"seconds": 900})
	s.shows(sandbox.Ann, "slack", "Approval needed")
	s.hides(sandbox.Ann, "slack", "Slack is down.")
}

func TestClickIsRefused(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	m := s.sandbox.Slack.Messages(sandbox.Channel)[0]
	for _, test := range []struct {
		name, as string
		doc      body
		want     string
	}{
		{"no such message", sandbox.Ann, body{"channel": m.ChannelID, "ts": "1.000000", "action": "approve"}, "message no longer exists"},
		{"no such button", sandbox.Ann, body{"channel": m.ChannelID, "ts": m.TS, "action": "launch"}, "button no longer exists"},
		{"no such channel", sandbox.Ann, body{"channel": "C0NONE", "ts": m.TS, "action": "approve"}, "no such channel"},
		{"an unknown person", "U0UNKNOWN", body{"channel": m.ChannelID, "ts": m.TS, "action": "approve"}, "no such Slack user"},
	} {
		if status, fault := s.try("click", test.as, test.doc); status != http.StatusConflict || !strings.Contains(fault.Error, test.want) {
			t.Errorf("%s: got %d %q, want 409 and %q", test.name, status, fault.Error, test.want)
		}
	}
	s.sandbox.Slack.SetDown(true)
	if status, fault := s.try("click", sandbox.Ann, body{"channel": m.ChannelID, "ts": m.TS, "action": "approve"}); status != http.StatusConflict || !strings.Contains(fault.Error, "Slack is down") {
		t.Errorf("while Slack is down: got %d %q", status, fault.Error)
	}
}

// If the bot does not respond, Slack shows an error beside the button to the person
// who clicked it, until they click it again.
func TestOperationFailed(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.sandbox.UseRemote("http://127.0.0.1:1", s.sandbox.InvokeURL) // nothing listens there
	m := s.sandbox.Slack.Messages(sandbox.Channel)[0]
	if status, fault := s.try("click", sandbox.Ann, body{"channel": m.ChannelID, "ts": m.TS, "action": "approve"}); status != http.StatusOK {
		t.Fatalf("got %d %q", status, fault.Error)
	}
	s.shows(sandbox.Ann, "slack", "operation failed")
	s.hides(sandbox.Bob, "slack", "operation failed")
	s.sandbox.Restart(s.store)
	s.clickButton(sandbox.Ann, "approve")
	s.hides(sandbox.Ann, "slack", "operation failed")
}

func TestHomeTabAndCommand(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.hides(sandbox.Ann, "slack", "Waiting for you")
	s.do("home", sandbox.Ann, nil)
	s.shows(sandbox.Ann, "slack", "Home tab", "Waiting for you", "Requested by @Rita Requester", "You have no open requests.")
	s.do("home", sandbox.Gwen, nil)
	s.shows(sandbox.Gwen, "slack", "Only full members of this workspace can list open requests")
	s.do("command", sandbox.Rita, body{"text": `requester:@rita product:"message queue"`})
	s.shows(sandbox.Rita, "slack", "Only visible to you", "Open requests", "Requested by @Rita Requester")
	s.do("command", sandbox.Ann, body{"text": "color:red"})
	s.shows(sandbox.Ann, "slack", "“color” is not a search field. Use requester, product or account.")
	if status, fault := s.try("command", sandbox.Olga, body{"text": ""}); status != http.StatusConflict {
		t.Errorf("a person from a different workspace ran the command: %d %+v", status, fault)
	}
	home, _ := s.sandbox.Slack.Home(sandbox.Ann)
	s.do("click", sandbox.Ann, body{"view": home.ID, "block": "decide/" + s.request().ID, "action": "approve"})
	if got := s.request().State(); got != handle.Approved {
		t.Fatalf("the request is %s, want approved", got)
	}
	s.shows(sandbox.Ann, "slack", "Nothing is waiting for you.")
}
