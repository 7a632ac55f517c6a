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
	s := newStage(t)
	s.shows(sandbox.Rita, "hints", "Launch as Rita", "press Approve", "Watch the stack")
	s.shows(sandbox.Rita, "slack", "No messages yet")
	s.launch(sandbox.Rita, nil)
	s.shows(sandbox.Rita, "stacks", "orders-queue", "waits for approval", "Cancel the launch", "PUT SUCCESS to it myself")
	s.hides(sandbox.Ann, "stacks", "Cancel the launch", "PUT SUCCESS")
	s.shows(sandbox.Ann, "slack", "Approval needed: Message queue (test)", "@Rita Requester wants to launch", "Approve", "Reject", "1 reply", "@platform-approvers")
	s.shows(sandbox.Ann, "record", "pending", "proven by AWS", "1 of @platform-approvers in #launch-approvals")
	s.hides(sandbox.Ann, "hints", "Launch as Rita")
	s.press(sandbox.Ann, "approve")
	if got := s.request().State(); got != handle.Approved {
		t.Fatalf("the request is %s, want approved", got)
	}
	s.shows(sandbox.Ann, "stacks", "up (CREATE_COMPLETE)", "ApprovedBy Ann Approver")
	s.shows(sandbox.Ann, "slack", "Approved and launched", "approved by @Ann Approver", "The stack is ready")
	s.hides(sandbox.Ann, "slack", "Direct messages")
	s.shows(sandbox.Rita, "slack", "Direct messages Countersign to Rita", "the stack is ready")
	s.shows(sandbox.Ann, "record", "vote Ann Approver (U0ANN): approve by slack", "signalled SUCCESS", "ended CREATE_COMPLETE")
	if got := s.read(sandbox.Ann, "hints"); got != "" {
		t.Errorf("after the story the hints say %q", got)
	}
}

func TestReject(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, nil)
	s.press(sandbox.Ann, "reject")
	view, ok := s.world.Slack.Modal(sandbox.Ann)
	if !ok {
		t.Fatal("no modal was opened")
	}
	s.shows(sandbox.Ann, "modal", "Reject this launch?", "Reason", "Cancel")
	s.hides(sandbox.Bob, "modal", "Reject this launch?")
	status, fault := s.try("submit", sandbox.Ann, body{"view": view.ID, "values": body{"reason": body{"reason": "x"}}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(fault.Error, "shorter than 3") || cmp.Diff([]string{"reason"}, fault.Fields) != "" {
		t.Errorf("a reason too short: got %d %+v", status, fault)
	}
	s.do("submit", sandbox.Ann, body{"view": view.ID, "values": body{"reason": body{"reason": "Use the <b>shared</b> queue & <!channel>"}}})
	s.hides(sandbox.Ann, "modal", "Reject this launch?")
	const why = "Rejected by Ann Approver: Use the <b>shared</b> queue & <!channel>"
	s.shows(sandbox.Rita, "stacks", "rolled back (ROLLBACK_COMPLETE)", "CREATE_FAILED", why)
	s.shows(sandbox.Rita, "slack", "Rejected by @Ann Approver", "“Use the <b>shared</b> queue & <!channel>”")
	s.shows(sandbox.Rita, "record", "rejected by Ann Approver (U0ANN): Use the <b>shared</b> queue")
}

func TestCloseTheForm(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, nil)
	s.press(sandbox.Bob, "reject")
	view, _ := s.world.Slack.Modal(sandbox.Bob)
	s.do("close", sandbox.Bob, body{"view": view.ID})
	s.hides(sandbox.Bob, "modal", "Reject this launch?")
	s.do("close", sandbox.Bob, body{"view": view.ID}) // closed already: that is what was wanted
	if status, fault := s.try("submit", sandbox.Bob, body{"view": view.ID}); status != http.StatusConflict || !strings.Contains(fault.Error, "no longer open") {
		t.Errorf("submitting a closed form: got %d %+v", status, fault)
	}
}

func TestRefusedInPrivate(t *testing.T) {
	for _, test := range []struct{ who, as, want string }{
		{"a colleague", sandbox.Dan, "You aren't an approver"},
		{"a guest", sandbox.Gwen, "Guests"},
		{"somebody of another company", sandbox.Olga, "different Slack workspace"},
		{"whoever asked", sandbox.Rita, "your decision was not recorded"},
	} {
		t.Run(test.who, func(t *testing.T) {
			s := newStage(t)
			s.launch(sandbox.Rita, nil)
			s.press(test.as, "approve")
			s.shows(test.as, "slack", "Only visible to you", test.want)
			s.hides(sandbox.Ann, "slack", "Only visible to you", test.want)
			if got := s.request().State(); got != handle.Pending {
				t.Errorf("the request is %s, want pending", got)
			}
		})
	}
}

// Ann may launch too, and then may not approve.
func TestNobodyApprovesTheirOwn(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Ann, body{"parameters": map[string]string{"UserEmail": "ann@example.com", "Purpose": "Mine"}})
	s.shows(sandbox.Ann, "stacks", "launched by Ann Approver")
	s.press(sandbox.Ann, "approve")
	s.shows(sandbox.Ann, "slack", "This is your own request")
	s.press(sandbox.Bob, "approve")
	s.shows(sandbox.Ann, "stacks", "up (CREATE_COMPLETE)")
}

func TestGoRoundTheApproval(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, nil)
	id := s.stack().ID
	if status, fault := s.try("signal", sandbox.Ann, body{"stack": id}); status != http.StatusConflict || !strings.Contains(fault.Error, "not Ann") {
		t.Errorf("as somebody else: got %d %+v", status, fault)
	}
	s.do("signal", sandbox.Rita, body{"stack": id})
	s.shows(sandbox.Rita, "stacks", "rolled back (ROLLBACK_COMPLETE)", "no approval is on record")
	s.shows(sandbox.Ann, "slack", "Bypassed approval")
	s.shows(sandbox.Ann, "record", "bypassed approval", "bypass")
}

func TestCancel(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, nil)
	id := s.stack().ID
	if status, _ := s.try("cancel", sandbox.Dan, body{"stack": id}); status != http.StatusConflict {
		t.Errorf("as somebody else: got %d, want 409", status)
	}
	if status, _ := s.try("cancel", sandbox.Rita, body{"stack": "arn:gone"}); status != http.StatusConflict {
		t.Errorf("a stack that is not there: got %d, want 409", status)
	}
	s.do("cancel", sandbox.Rita, body{"stack": id})
	s.shows(sandbox.Rita, "stacks", "deleted (DELETE_COMPLETE)")
	s.shows(sandbox.Rita, "slack", "Withdrawn")
	s.shows(sandbox.Rita, "record", "withdrawn")
}

func TestTimePasses(t *testing.T) {
	s := newStage(t)
	if status, fault := s.try("advance", sandbox.Rita, body{"deadline": true}); status != http.StatusConflict || !strings.Contains(fault.Error, "Nothing is pending") {
		t.Errorf("without a deadline: got %d %+v", status, fault)
	}
	for _, seconds := range []int{0, -60, 49 * 3600} {
		if status, _ := s.try("advance", sandbox.Rita, body{"seconds": seconds}); status != http.StatusConflict {
			t.Errorf("by %d s: got %d, want 409", seconds, status)
		}
	}
	s.launch(sandbox.Rita, nil)
	s.do("advance", sandbox.Rita, body{"seconds": 900})
	if got, want := s.world.Clock.Now(), start.Add(15*time.Minute); !got.Equal(want) {
		t.Errorf("after 15 minutes it is %v, want %v", got, want)
	}
	s.shows(sandbox.Rita, "clock", "15 min skipped")
	s.do("advance", sandbox.Rita, body{"deadline": true})
	if got := s.request().State(); got != handle.Expired {
		t.Errorf("past the deadline the request is %s, want expired", got)
	}
	s.shows(sandbox.Rita, "slack", "this launch has been waiting", "expired without a decision")
	s.shows(sandbox.Rita, "stacks", "rolled back", "Expired: nobody decided by")
	if !strings.Contains(s.panes(sandbox.Rita)["clock"], "disabled") {
		t.Error("the way to a deadline is open, though nothing is pending")
	}
}

func TestLaunchIsRefused(t *testing.T) {
	s := newStage(t)
	for _, test := range []struct {
		name, as string
		doc      body
		status   int
		want     string
		fields   []string
	}{
		{"no access", sandbox.Olga, body{"name": "x", "parameters": parameters}, http.StatusConflict, "no access", nil},
		{"nobody", "U0NOBODY", body{"name": "x", "parameters": parameters}, http.StatusConflict, "Nobody here", nil},
		{"no name", sandbox.Rita, body{"parameters": parameters}, http.StatusUnprocessableEntity, "Name the provisioned product", []string{"-name"}},
		{"a name that is a path", sandbox.Rita, body{"name": "a/b", "parameters": parameters}, http.StatusUnprocessableEntity, "Name the provisioned product", []string{"-name"}},
		{"a missing parameter", sandbox.Rita, body{"name": "x", "parameters": body{"UserEmail": "rita@example.com"}}, http.StatusUnprocessableEntity, "Purpose", []string{"Purpose"}},
		{"a bad parameter", sandbox.Rita, body{"name": "x", "parameters": body{"UserEmail": "rita", "Purpose": "Orders"}}, http.StatusUnprocessableEntity, "must be an e-mail address", []string{"UserEmail"}},
		{"an unknown mishap", sandbox.Rita, body{"name": "x", "parameters": parameters, "mishap": "flood"}, http.StatusConflict, "no such mishap", nil},
		{"a bad parameter and a mishap", sandbox.Rita, body{"name": "x", "mishap": "slack-down"}, http.StatusUnprocessableEntity, "UserEmail", []string{"UserEmail", "Purpose"}},
	} {
		status, fault := s.try("launch", test.as, test.doc)
		if status != test.status || !strings.Contains(fault.Error, test.want) {
			t.Errorf("%s: got %d %q, want %d and %q", test.name, status, fault.Error, test.status, test.want)
		}
		if diff := cmp.Diff(test.fields, fault.Fields); diff != "" {
			t.Errorf("%s: fields (-want +got)\n%s", test.name, diff)
		}
	}
	if n := len(s.world.CloudFormation.Stacks()); n != 0 {
		t.Errorf("%d stacks were made", n)
	}
	s.hides(sandbox.Rita, "slack", "Slack is down")
}

func TestLaterResourceFails(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, body{"mishap": "later-resource"})
	s.press(sandbox.Ann, "approve")
	s.shows(sandbox.Rita, "stacks", "rolled back", "quota of your account")
	s.shows(sandbox.Rita, "slack", "Approved, but the launch failed", "quota of your account")
}

func TestSlackIsDown(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, body{"mishap": "slack-down"})
	s.shows(sandbox.Ann, "slack", "Slack is down.", "Bring it back")
	s.shows(sandbox.Ann, "mail", "Approval needed: Message queue (test)", "To approve, open this page and type the code:")
	if !strings.Contains(s.panes(sandbox.Ann)["mail"], `<a href="http://127.0.0.1:`) {
		t.Error("the links of the mail cannot be followed")
	}
	s.hides(sandbox.Ann, "slack", "Approval needed")
	s.do("clear", sandbox.Ann, nil)
	s.do("advance", sandbox.Ann, body{"seconds": 900})
	s.shows(sandbox.Ann, "slack", "Approval needed")
	s.hides(sandbox.Ann, "slack", "Slack is down.")
}

func TestPressIsRefused(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, nil)
	m := s.world.Slack.Messages(sandbox.Channel)[0]
	for _, test := range []struct {
		name, as string
		doc      body
		want     string
	}{
		{"no such message", sandbox.Ann, body{"channel": m.ChannelID, "ts": "1.000000", "action": "approve"}, "no longer there"},
		{"no such button", sandbox.Ann, body{"channel": m.ChannelID, "ts": m.TS, "action": "launch"}, "no longer there"},
		{"no such channel", sandbox.Ann, body{"channel": "C0NONE", "ts": m.TS, "action": "approve"}, "no such channel"},
		{"nobody", "U0NOBODY", body{"channel": m.ChannelID, "ts": m.TS, "action": "approve"}, "knows nobody"},
	} {
		if status, fault := s.try("press", test.as, test.doc); status != http.StatusConflict || !strings.Contains(fault.Error, test.want) {
			t.Errorf("%s: got %d %q, want 409 and %q", test.name, status, fault.Error, test.want)
		}
	}
	s.world.Slack.SetDown(true)
	if status, fault := s.try("press", sandbox.Ann, body{"channel": m.ChannelID, "ts": m.TS, "action": "approve"}); status != http.StatusConflict || !strings.Contains(fault.Error, "Slack is down") {
		t.Errorf("while Slack is down: got %d %q", status, fault.Error)
	}
}

// A bot that does not answer leaves Slack's mark beside the button, for whoever
// pressed it, until they press again.
func TestOperationFailed(t *testing.T) {
	s := newStage(t)
	s.launch(sandbox.Rita, nil)
	s.world.UseRemote("http://127.0.0.1:1", s.world.InvokeURL) // nobody listens there
	m := s.world.Slack.Messages(sandbox.Channel)[0]
	if status, fault := s.try("press", sandbox.Ann, body{"channel": m.ChannelID, "ts": m.TS, "action": "approve"}); status != http.StatusOK {
		t.Fatalf("got %d %q", status, fault.Error)
	}
	s.shows(sandbox.Ann, "slack", "operation failed")
	s.hides(sandbox.Bob, "slack", "operation failed")
	s.world.Restart(s.store)
	s.press(sandbox.Ann, "approve")
	s.hides(sandbox.Ann, "slack", "operation failed")
}
