package notifier_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/handle"
)

// A launch that no one, or too few people, can approve fails at once, and says why: to
// the stack, and to the requester.
func TestLaunchFailsIfNoOneIsLeftToDecide(t *testing.T) {
	approvers := func(ids ...string) func(*testWorld) {
		return func(w *testWorld) { w.notifier.Defaults.Approvers = ids }
	}
	members := func(users ...string) func(*testWorld) {
		return func(w *testWorld) {
			w.slack.AddUserGroup(slacktest.UserGroup{ID: group, Handle: "platform", Users: users})
		}
	}
	for _, tt := range []struct {
		name    string
		change  func(*testWorld)
		needed  int
		refused string // in the reason; empty: the launch asks
	}{
		{"a group with members", func(*testWorld) {}, 1, ""},
		{"only deactivated people", approvers("U0GONE"), 1, "none of the approvers can approve this launch: U0GONE is deactivated"},
		{"a person who does not exist", approvers("U0NONE"), 1, "U0NONE does not exist"},
		{"a bot", approvers("U0BOT"), 1, "U0BOT is a bot"},
		{"a guest", approvers("U0GUEST"), 1, "U0GUEST is a guest"},
		{"an empty group", members(), 1, "user group S0PLATFORM has no members"},
		{"a group of deactivated people", members("U0GONE"), 1, "U0GONE is deactivated"},
		{"a group with only the requester", members(rita), 1, "U0RITA is the requester"},
		{"a group with only the requester, under their other ID", func(w *testWorld) {
			w.slack.AddUser(slacktest.User{ID: rita, Name: "rita", Email: "rita@example.com", EnterpriseUserID: "W0RITA"})
			members("W0RITA")(w)
		}, 1, "W0RITA is the requester"},
		{"a disabled group", func(w *testWorld) {
			w.slack.AddUserGroup(slacktest.UserGroup{ID: group, Handle: "platform", Users: []string{ann}, Disabled: true})
		}, 1, "user group S0PLATFORM does not exist or is disabled"},
		{"a group that no longer exists", approvers("S0NONE"), 1, "user group S0NONE does not exist or is disabled"},
		{"a plan without groups", func(w *testWorld) { w.refuse("usergroups.users.list", "plan_upgrade_required") }, 1, "this Slack plan has no user groups"},
		{"an empty group, and a person", func(w *testWorld) { members()(w); approvers(group, ann)(w) }, 1, ""},
		{"two of three are left", approvers("U0GONE", ann, bob), 2, ""},
		{"one of three is left", approvers("U0GONE", rita, ann), 2, "this launch needs 2 approvers, but only 1 can approve it: U0GONE is deactivated, U0RITA is the requester"},
		{"one person, under two IDs", func(w *testWorld) {
			w.slack.AddUser(slacktest.User{ID: ann, Name: "ann", Email: "ann@example.com", EnterpriseUserID: "W0ANN"})
			approvers(ann, "W0ANN")(w)
		}, 2, "this launch needs 2 approvers, but only 1 can approve it"},
		{"a person who is also in a group", func(w *testWorld) { members(ann)(w); approvers(ann, group)(w) }, 2, "only 1 can approve it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.slack.AddUser(slacktest.User{ID: "U0GONE", Name: "gone", Deleted: true})
			w.slack.AddUser(slacktest.User{ID: "U0GUEST", Name: "guest", Restricted: true})
			w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
			tt.change(w)
			w.notifier.Defaults.Approvals = tt.needed
			got, err := w.handle(w.event(nil, nil))
			if err != nil {
				t.Fatal(err)
			}
			if tt.refused == "" {
				if got.Status != "SUCCESS" {
					t.Errorf("answered %+v", got)
				}
				return
			}
			if got.Status != "FAILED" || !strings.Contains(got.Reason, tt.refused) {
				t.Errorf("answered %s %q, want FAILED with %q", got.Status, got.Reason, tt.refused)
			}
			if n := len(w.slack.Messages(channel)); n > 0 {
				t.Errorf("%d questions that no one can answer", n)
			}
			w.sweep(10 * time.Minute)
			if dms := w.slack.DMs(rita); len(dms) != 1 || !strings.Contains(string(dms[0].Blocks), tt.refused) {
				t.Errorf("the requester got %+v, want the reason", dms)
			}
		})
	}
}

// refuse makes Slack answer a method with an error code; an empty code ends that.
func (w *testWorld) refuse(method, code string) {
	w.slack.SetFault(func(called string, _ url.Values) *slacktest.Fault {
		if called == method && code != "" {
			return &slacktest.Fault{Error: code}
		}
		return nil
	})
}

// That Slack can't be asked fails no launch: it is asked again. What it then answers
// counts, and the thread says so.
func TestUnansweredApproversFailNoLaunch(t *testing.T) {
	for _, method := range []string{"usergroups.users.list", "users.info"} {
		for _, code := range []string{"missing_scope", "internal_error", "account_inactive", "a_code_of_next_year"} {
			t.Run(method+" "+code, func(t *testing.T) {
				w := newWorld(t)
				w.refuse(method, code)
				r := w.launch()
				w.sweep(5 * time.Hour)
				if r = w.load(r.ID); r.State() != handle.Pending || !r.ApproversUnchecked {
					t.Fatalf("%s, unchecked %t, want it pending and unchecked", r.State(), r.ApproversUnchecked)
				}
				w.slack.AddUserGroup(slacktest.UserGroup{ID: group, Handle: "platform"})
				w.refuse("", "")
				w.sweep(30 * time.Minute)
				root, _ := r.Root()
				if r = w.load(r.ID); r.State() != handle.Withdrawn || len(w.bucket.signals) != 1 || w.bucket.signals[0].Status != handle.SignalFailure {
					t.Fatalf("%s, signals %+v, want it withdrawn and failed", r.State(), w.bucket.signals)
				}
				if replies := w.message(root).Replies; !strings.Contains(replies[len(replies)-1].Text, "has no members") {
					t.Errorf("the thread does not say why: %+v", replies)
				}
			})
		}
	}
}

// A group with many members that can't approve costs a bounded number of calls, and
// is given the benefit of the doubt.
func TestCallsForApproversAreBounded(t *testing.T) {
	w := newWorld(t)
	var gone []string
	for i := range 500 {
		id := "U0GONE" + string(rune('A'+i/26)) + string(rune('A'+i%26))
		w.slack.AddUser(slacktest.User{ID: id, Name: id, Deleted: true})
		gone = append(gone, id)
	}
	w.slack.AddUserGroup(slacktest.UserGroup{ID: group, Handle: "platform", Users: append(gone, ann)})
	if r := w.launch(); r.State() != handle.Pending {
		t.Errorf("the request is %s", r.State())
	}
	if got := w.slack.Counts(); got["users.info"] > 26 || got["usergroups.users.list"] > 1 {
		t.Errorf("calls: %v", got)
	}
}

// Enough people are found at the first: the others are not looked up, and a minute's
// launches share one answer.
func TestApproversCostTwoCalls(t *testing.T) {
	w := newWorld(t)
	w.launch()
	if got := w.slack.Counts(); got["users.info"] != 1 || got["usergroups.users.list"] != 1 {
		t.Errorf("calls: %v", got)
	}
}
