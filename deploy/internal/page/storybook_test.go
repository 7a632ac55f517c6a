package page

import (
	"fmt"
	"strings"
	"testing"

	"countersign/deploy"
	"countersign/handle"
)

// The samples expire when launches of the sample product do.
func TestSamplesWaitAsTheProductDoes(t *testing.T) {
	if want := fmt.Sprintf("Wait: {Seconds: '%d'}", int(sampleWait.Seconds())); !strings.Contains(string(deploy.Product), want) {
		t.Errorf("product.yaml has no %q", want)
	}
}

func TestStorybook(t *testing.T) {
	b, err := newStorybook()
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := render("storybook", b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Sections {
		for _, p := range c.Examples {
			if strings.HasSuffix(p.Title, ": ") {
				t.Errorf("%q does not name its notification", p.Title)
			}
			for _, problem := range p.Problems {
				t.Errorf("%s: Slack would reject it: %v", p.Title, problem)
			}
		}
	}
	for _, s := range samples() {
		if !strings.Contains(rendered, `data-title="`+s.Name+`"`) {
			t.Errorf("there is no example of %q", s.Name)
		}
	}
	for _, want := range []string{ // one of each headline, reply and mail
		"Approval needed: Message queue, v3", "Approval needed: Message queue (production)", "production (account 111122223333)", "1 of 2 (1 more needed)", "Identity not verified", "by mail, name as typed",
		"not been verified with CloudFormation yet", "not been looked up in Slack yet", "so 2 people must approve", "(claimed)", "can't prevent self-approval", "444455556666",
		"Rejected: ", "Expired: ", "Withdrawn: ", "Bypassed approval: ", "Approved and launched: ", "Approved, but the launch failed: ",
		"no longer accepts the signal", "this launch has been waiting for your decision", "so it was escalated to you", "the requester asks for your decision", "1 more approval is needed",
		"Slack did not let Countersign mention you in the channel", "Update needs approval: ", "test → production", "The template changes, or a value", "No approved launch of this stack is on record", "Countersign has no permission to read the template", "Update approved: ", "Approved and updated: ",
		"Update rejected: ", "Update expired: ", "Update withdrawn: ", "the update was approved by", "this product bypassed approval",
		"Approve for relaunch", "1 of 2 have approved", "Approved for relaunch by @Ann Approver", "Approved late and relaunched: ", "Approval for relaunch revoked by @Bob Approver",
		"Approval for relaunch not used", "so the launch continues at once", "approved for relaunch by @Ann Approver, @Bob Approver",
		"the mailed link to reject this launch was locked", "Mailed link locked", "Slack could not be reached", "ALARM: ", "mail can't tell people apart. Approve it in Slack.", "The links in the earlier mail no longer work",
	} {
		if !strings.Contains(visible(rendered), want) {
			t.Errorf("the storybook does not show %q", want)
		}
	}
}

// Text that a launch controls becomes no mention, no link and no element.
func TestHostileTextIsEscaped(t *testing.T) {
	b, err := newStorybook()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.Sections[0].Examples {
		if p.Title != "Pending, hostile text" {
			continue
		}
		rendered, err := render("message", *p.Message)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(rendered, `class="mention`); got != 1 { // the requester's
			t.Errorf("%d mentions, want 1: %s", got, rendered)
		}
		if got := strings.Count(rendered, "<a "); got != 1 { // the console's
			t.Errorf("%d links, want 1: %s", got, rendered)
		}
		if strings.Contains(rendered, "<script") {
			t.Errorf("a script: %s", rendered)
		}
		return
	}
	t.Error("there is no example of hostile text")
}

// Each sample is in the state that its name says.
func TestSamplesHaveTheirState(t *testing.T) {
	want := map[string]handle.State{
		"Pending": handle.Pending, "Pending, one of two": handle.Pending, "Pending, requester claimed, one of two": handle.Pending,
		"Approved, requester claimed": handle.Approved, "Approved by a member of an organization": handle.Approved, "Approved": handle.Approved, "Approved by two": handle.Approved,
		"Approved by mail": handle.Approved, "Rejected": handle.Rejected, "Expired": handle.Expired, "Withdrawn": handle.Withdrawn,
		"Signal refused": handle.Approved, "Bypassed approval": handle.Withdrawn, "Approved and launched": handle.Approved,
		"Approved, but the launch failed": handle.Approved,
		"Update pending":                  handle.Pending, "Update pending, one of two": handle.Pending, "Update approved": handle.Approved, "Approved and updated": handle.Approved,
		"Update rejected": handle.Rejected, "Update expired": handle.Expired, "Update withdrawn": handle.Withdrawn, "Bypassed by an update": handle.Approved,
		"Expired, late approval awaited": handle.Expired, "Approved for relaunch": handle.Expired, "Relaunched": handle.Expired,
		"Approval for relaunch revoked": handle.Expired, "Approval for relaunch lapsed": handle.Expired, "Approved by grant": handle.Approved,
	}
	for _, s := range samples() {
		if state, ok := want[s.Name]; ok && s.Request.State() != state {
			t.Errorf("%s: the request is %s, want %s", s.Name, s.Request.State(), state)
		}
		delete(want, s.Name)
	}
	for name := range want {
		t.Errorf("there is no sample %q", name)
	}
}
