package notifier_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/notifier"
)

func workingHours(t *testing.T, zone, hours, days string) handle.WorkingHours {
	t.Helper()
	h, err := handle.ParseWorkingHours(zone, hours, days)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The deployment says when people are reminded, and to whom a request may go; a
// template has no say in it.
func TestLaunchTakesRemindersAndEscalationFromTheDeployment(t *testing.T) {
	w := newWorld(t)
	w.notifier.Defaults.Reminders = []int{50, 10}
	w.notifier.Defaults.Hours = workingHours(t, "Europe/Berlin", "09:00-13:00", "Mon-Fri")
	w.notifier.Defaults.EscalateAfter, w.notifier.Defaults.EscalateTo = 90*time.Minute, []string{bob}
	w.notifier.Defaults.ReassignTo = []string{ann}
	got, err := w.handle(w.event(map[string]any{"Timeout": "36000", "Approvers": ann, "EscalateTo": rita, "ReassignTo": rita}, nil))
	if err != nil || got.Status != "SUCCESS" {
		t.Fatal(got, err)
	}
	terms := w.load(got.PhysicalResourceId).Terms
	// Half of the time is left at 13:59 UTC, after the last working hour in Berlin, whose
	// next one begins after the deadline.
	decide := 10*time.Hour - handle.MinMargin
	if diff := cmp.Diff([]time.Time{start.Add(decide / 2), start.Add(decide - decide/10)}, terms.Reminders); diff != "" {
		t.Error(diff)
	}
	if want := start.Add(90 * time.Minute); !terms.EscalateAt.Equal(want) {
		t.Errorf("escalated at %v, want %v", terms.EscalateAt, want)
	}
	if diff := cmp.Diff([][]string{{ann}, {bob}, {ann}}, [][]string{terms.Approvers, terms.EscalateTo, terms.ReassignTo}); diff != "" {
		t.Error(diff)
	}
}

func TestLaunchWithoutRemindersAndEscalation(t *testing.T) {
	w := newWorld(t)
	w.notifier.Defaults.Reminders = []int{}
	w.notifier.Defaults.EscalateAfter, w.notifier.Defaults.EscalateTo = 11*time.Hour, []string{bob}
	got, err := w.handle(w.event(map[string]any{"Timeout": "3600"}, nil))
	if err != nil || got.Status != "SUCCESS" {
		t.Fatal(got, err)
	}
	// The request would be escalated only after its deadline.
	if terms := w.load(got.PhysicalResourceId).Terms; len(terms.Reminders) > 0 || !terms.EscalateAt.IsZero() || len(terms.EscalateTo) > 0 {
		t.Errorf("got %+v", terms)
	}
}

// Mail tells no people apart, so no one can be reminded, replaced or added.
func TestMailOnlyLaunchIsNotEscalated(t *testing.T) {
	w := newWorld(t)
	w.notifier.Slack = nil
	w.notifier.Defaults = notifier.Defaults{Approvals: 1, Margin: handle.MinMargin, EscalateAfter: time.Hour, EscalateTo: []string{bob}, ReassignTo: []string{bob}}
	if terms := w.launch().Terms; !terms.EscalateAt.IsZero() || len(terms.EscalateTo) > 0 || len(terms.ReassignTo) > 0 {
		t.Errorf("got %+v", terms)
	}
}

// What Slack says about groups at the launch is on record, so that the next reminder
// mentions only those who have not acted. Groups whose reading fails cost nothing.
func TestLaunchRecordsTheMembersOfGroups(t *testing.T) {
	w := newWorld(t)
	w.slack.AddUserGroup(slacktest.UserGroup{ID: "S0SECOND", Handle: "second", Users: []string{bob}})
	w.slack.AddUserGroup(slacktest.UserGroup{ID: "S0EMPTY", Handle: "empty"})
	w.notifier.Defaults.Approvers, w.notifier.Defaults.Approvals = []string{ann, group}, 2
	w.notifier.Defaults.EscalateAfter, w.notifier.Defaults.EscalateTo = time.Hour, []string{"S0SECOND"}
	w.notifier.Defaults.ReassignTo = []string{"S0EMPTY", "S0NONE", "S0SECOND"}
	r := w.launch()
	want := map[string]handle.Group{group: {Name: "platform", Size: 2, Members: []string{ann, bob}}, "S0SECOND": {Name: "second", Size: 1, Members: []string{bob}}}
	if diff := cmp.Diff(want, r.Groups); diff != "" {
		t.Error(diff)
	}
	if c := w.slack.Counts(); c["usergroups.users.list"] != 4 || c["usergroups.list"] != 1 {
		t.Errorf("calls: %v; want each group read once, and the names once", c)
	}
}

// Names are shown where Slack gives them, and missed where it does not.
func TestLaunchContinuesWithoutGroupNames(t *testing.T) {
	w := newWorld(t)
	w.refuse("usergroups.list", "missing_scope")
	if diff := cmp.Diff(map[string]handle.Group{group: {Size: 2, Members: []string{ann, bob}}}, w.launch().Groups); diff != "" {
		t.Error(diff)
	}
}

// The people who are missing are mentioned once in each reminder, and no one else is.
// The requester is told of the escalation by direct message.
func TestReminderAndEscalationMentionThoseWhoHaveNotActed(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	w.slack.AddUser(slacktest.User{ID: "U0CARL", Name: "carl", Email: "carl@example.com"})
	w.notifier.Defaults.Approvals = 2
	w.notifier.Defaults.Reminders = []int{50}
	w.notifier.Defaults.EscalateAfter, w.notifier.Defaults.EscalateTo = 2*time.Hour, []string{"U0CARL"}
	r := w.launch()
	voted, err := r.VoteBySlack(handle.Voter{Person: handle.Person{Team: "T0EXAMPLE", ID: ann}, Home: true, Groups: []string{group}}, handle.Approve, "", w.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Replace(t.Context(), voted); err != nil {
		t.Fatal(err)
	}
	mentions := func(text string) (ids []string) {
		for _, id := range []string{ann, bob, "U0CARL", rita, group} {
			if strings.Contains(text, id) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	latest := func() string {
		m := w.slack.Messages(channel)[0]
		return m.Replies[len(m.Replies)-1].Text
	}
	w.advance(2 * time.Hour)
	w.sweep(time.Second)
	if got := latest(); !strings.Contains(got, "escalated to you") || !slices.Equal(mentions(got), []string{bob, "U0CARL"}) {
		t.Errorf("the thread says %q", got)
	}
	if dms := w.slack.DMs(rita); !strings.Contains(dms[0].Replies[len(dms[0].Replies)-1].Text, "it was escalated to <@U0CARL>") {
		t.Errorf("the requester was not told of the escalation: %v", dms[0].Replies)
	}
	w.advance(4 * time.Hour)
	w.sweep(time.Second)
	if got := latest(); !strings.Contains(got, "waiting for your decision") || !slices.Equal(mentions(got), []string{bob, "U0CARL"}) {
		t.Errorf("the thread says %q", got)
	}
	if n := len(w.slack.Messages(channel)[0].Replies); n != 4 {
		t.Errorf("%d replies, want the question, the approval, the escalation and the reminder", n)
	}
}
