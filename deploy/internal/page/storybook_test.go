package page

import (
	"strings"
	"testing"

	"countersign/handle"
)

func TestStorybook(t *testing.T) {
	b, err := storybook()
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := render("storybook", b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Chapters {
		for _, p := range c.Plates {
			for _, problem := range p.Problems {
				t.Errorf("%s: Slack would refuse it: %v", p.Title, problem)
			}
		}
	}
	for _, s := range samples() {
		if !strings.Contains(drawn, `data-title="`+s.Name+`"`) {
			t.Errorf("there is no plate of %q", s.Name)
		}
	}
	for _, want := range []string{ // one of each headline, reply and mail
		"Approval needed: Message queue (production)", "1 of 2 (1 more needed)", "Identity not verified", "by mail, name as typed",
		"Rejected: ", "Expired: ", "Withdrawn: ", "Bypassed approval: ", "Approved and launched: ", "Approved, but the launch failed: ",
		"no longer takes the signal", "this launch has been waiting", "1 more approval is needed", "Slack could not be told", "ALARM: ",
		"can't tell people apart", "The links in the earlier mail no longer work",
	} {
		if !strings.Contains(visible(drawn), want) {
			t.Errorf("the book does not show %q", want)
		}
	}
}

// What a launch can choose makes no mention, no link and no element.
func TestHostileTextIsOnlyText(t *testing.T) {
	b, err := storybook()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.Chapters[0].Plates {
		if p.Title != "Pending, hostile text" {
			continue
		}
		drawn, err := render("message", *p.Message)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(drawn, `class="mention`); got != 1 { // the requester's
			t.Errorf("%d mentions, want 1: %s", got, drawn)
		}
		if got := strings.Count(drawn, "<a "); got != 1 { // the console's
			t.Errorf("%d links, want 1: %s", got, drawn)
		}
		if strings.Contains(drawn, "<script") {
			t.Errorf("a script: %s", drawn)
		}
		return
	}
	t.Error("there is no such plate")
}

// The samples are what the law makes of them: no state is only called so.
func TestSamplesAreLawful(t *testing.T) {
	want := map[string]handle.State{
		"Pending": handle.Pending, "Pending, one of two": handle.Pending, "Approved": handle.Approved, "Approved by two": handle.Approved,
		"Approved by mail": handle.Approved, "Rejected": handle.Rejected, "Expired": handle.Expired, "Withdrawn": handle.Withdrawn,
		"Unsignalled": handle.Approved, "Bypassed approval": handle.Withdrawn, "Approved and launched": handle.Approved,
		"Approved, but the launch failed": handle.Approved,
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
