package laws_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/laws"
	"countersign/handle"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// TestCheckWriteReportsViolations checks that each unlawful write is reported,
// and a lawful one is not.
func TestCheckWriteReportsViolations(t *testing.T) {
	ann := handle.Person{Team: "T0", ID: "U0ANN", Name: "Ann"}
	vote := func(p handle.Person, v handle.Verdict) handle.Vote {
		return handle.Vote{By: p, Verdict: v, Reason: "because", Via: handle.ViaSlack, At: start}
	}
	pending := handle.Request{
		ID: "r-1", Rev: 3, Stack: handle.Stack{ID: "stack"}, CreatedAt: start,
		Requester: handle.Requester{SlackID: "U0RITA", SlackIDs: []string{"U0RITA"}, LookedUp: true, Proven: true},
		Terms:     handle.Terms{Channel: "C0", Approvers: []string{"U0ANN", "U0GWEN", "U0RITA"}, Approvals: 1, Deadline: start.Add(time.Hour)},
		Events:    []handle.Event{{At: start, Kind: handle.EventAsked}},
		Delivered: map[string]handle.Delivery{"reply/asked": {Channel: "C0", TS: "1.0"}},
	}
	approved := pending.Clone()
	approved.Votes = []handle.Vote{vote(ann, handle.Approve)}
	approved.Decision = &handle.Decision{State: handle.Approved, By: ann, At: start}

	tests := []struct {
		name string
		old  handle.Request
		edit func(r *handle.Request)
		want string // empty: lawful
	}{
		{"a lawful approval", pending, func(r *handle.Request) { r.Votes, r.Decision = approved.Votes, approved.Decision }, ""},
		{"a skipped revision", pending, func(r *handle.Request) { r.Rev++ }, "each write adds one revision"},
		{"a changed decision", approved, func(r *handle.Request) { r.Decision = &handle.Decision{State: handle.Withdrawn, At: start} }, "a decision never changes"},
		{"a removed decision", approved, func(r *handle.Request) { r.Decision = nil }, "a decision never changes"},
		{"changed terms", pending, func(r *handle.Request) { r.Terms.Approvals = 0 }, "terms, stack and wait URL never change"},
		{"a lost vote", approved, func(r *handle.Request) { r.Votes = nil }, "votes are kept"},
		{"a lost event", pending, func(r *handle.Request) { r.Events = nil }, "history is kept"},
		{"a lost mark", pending, func(r *handle.Request) { r.Delivered = nil }, "marks are kept"},
		{"no approval", pending, func(r *handle.Request) { r.Decision = approved.Decision }, "the required number of approvers"},
		{"a rejection without a reason", pending, func(r *handle.Request) { r.Decision = &handle.Decision{State: handle.Rejected, At: start} }, "a rejection has a reason"},
		{"an early expiry", pending, func(r *handle.Request) { r.Decision = &handle.Decision{State: handle.Expired, At: start} }, "no request expires early"},
		{"a guest's vote", pending, func(r *handle.Request) {
			r.Votes = []handle.Vote{vote(handle.Person{ID: "U0GWEN"}, handle.Approve)}
		}, "only approvers vote"},
		{"the launcher's vote", pending, func(r *handle.Request) {
			r.Votes = []handle.Vote{vote(handle.Person{ID: "U0RITA"}, handle.Approve)}
		}, "only approvers vote"},
		{"a stranger's vote", pending, func(r *handle.Request) { r.Votes = []handle.Vote{vote(handle.Person{ID: "U0NEW"}, handle.Approve)} }, "only approvers vote"},
		{"a vote that was not given", pending, func(r *handle.Request) { r.Votes = []handle.Vote{vote(ann, handle.Reject)} }, "a vote is what its person answered"},
		{"a repeated vote", approved, func(r *handle.Request) { r.Votes = append(r.Votes, r.Votes[0]) }, "a repeated vote counts once"},
		{"a vote before CloudFormation was asked", func() handle.Request { r := pending.Clone(); r.Stack.Unverified = true; return r }(), func(r *handle.Request) {
			r.Votes = []handle.Vote{vote(ann, handle.Approve)}
		}, "no vote counts before it is known who asked"},
		{"a vote before Slack was asked", func() handle.Request { r := pending.Clone(); r.Requester = handle.Requester{}; return r }(), func(r *handle.Request) {
			r.Votes = []handle.Vote{vote(ann, handle.Approve)}
		}, "no vote counts before it is known who asked"},
		{"a vote under the person's other ID", approved, func(r *handle.Request) {
			r.Votes = append(r.Votes, vote(handle.Person{ID: "W0ANN", Name: "Ann"}, handle.Approve))
		}, "a repeated vote counts once"},
		{"the launcher's vote under their other ID", func() handle.Request { r := pending.Clone(); r.Terms.Approvers = []string{"W0RITA"}; return r }(), func(r *handle.Request) {
			r.Votes = []handle.Vote{vote(handle.Person{ID: "W0RITA"}, handle.Approve)}
		}, "only approvers vote"},
		{"one person for two", func() handle.Request { r := approved.Clone(); r.Decision, r.Terms.Approvals = nil, 2; return r }(), func(r *handle.Request) {
			r.Votes = append(r.Votes, vote(handle.Person{ID: "W0ANN", Name: "Ann"}, handle.Approve))
			r.Decision = approved.Decision
		}, "the required number of approvers: r-1: 1 of 2"},
		{"one approval where nothing proves the requester", func() handle.Request {
			r := pending.Clone()
			r.Requester.Proven, r.Terms.UnprovenRequester = false, handle.UnprovenTwoApprovers
			return r
		}(), func(r *handle.Request) {
			r.Votes, r.Decision = approved.Votes, &handle.Decision{State: handle.Approved, By: ann, Via: handle.ViaSlack, At: start}
		}, "the required number of approvers: r-1: 1 of 2"},
		{"a late vote", pending, func(r *handle.Request) {
			r.Votes = []handle.Vote{vote(ann, handle.Approve)}
			r.Votes[0].At = r.Terms.Deadline
		}, "no vote counts past the deadline"},
		{"a mail approval of two", func() handle.Request { r := pending.Clone(); r.Terms.Approvals = 2; return r }(), func(r *handle.Request) {
			r.Votes = []handle.Vote{{By: handle.Person{Name: "Ann"}, Verdict: handle.Approve, Via: handle.ViaMail, At: start}}
		}, "mail cannot be one of several approvals"},
		{"a mark without a message", pending, func(r *handle.Request) { r.Delivered["reply/decided"] = handle.Delivery{Channel: "C0", TS: "2.0"} }, "a mark states what was done"},
		{"a message that was not posted", pending, func(r *handle.Request) {
			r.Messages = []handle.Message{{Channel: "C0", TS: "2.0", Shown: "x"}}
		}, "a mark states what was done"},
		{"an endless rewrite", func() handle.Request { r := pending.Clone(); r.Rev = 5000; return r }(), func(*handle.Request) {}, "a record comes to rest"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			slack := slacktest.New(slacktest.Config{TeamID: "T0", BotToken: "xoxb-made-up", Now: func() time.Time { return start }})
			for _, id := range []string{"U0ANN", "U0GWEN", "U0RITA"} {
				slack.AddUser(slacktest.User{ID: id, EnterpriseUserID: "W" + id[1:], TeamID: "T0", Name: id, Restricted: id == "U0GWEN"})
			}
			checker := laws.Checker{
				Team: "T0", Slack: slack,
				Answered: func(_ handle.Request, v handle.Vote) bool { return v.Verdict == handle.Approve },
			}
			r := test.old.Clone()
			r.Rev++
			test.edit(&r)
			found := checker.CheckWrite(test.old, r, start)
			if got := fmt.Sprint(found); test.want == "" && len(found) > 0 || !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %q", got, test.want)
			}
		})
	}
}

// TestCheckRemembersRecords checks that Check compares a record with the one
// that it saw before.
func TestCheckRemembersRecords(t *testing.T) {
	checker := laws.Checker{Team: "T0", Slack: slacktest.New(slacktest.Config{TeamID: "T0"})}
	r := handle.Request{ID: "r-1", Rev: 1, CreatedAt: start, Terms: handle.Terms{Deadline: start.Add(time.Hour)}}
	r.Decision = &handle.Decision{State: handle.Withdrawn, At: start}
	if found := checker.Check([]handle.Request{r}, start); len(found) > 0 {
		t.Fatalf("a lawful record: %v", found)
	}
	r.Decision = nil
	if got := fmt.Sprint(checker.Check([]handle.Request{r}, start)); !strings.Contains(got, "a decision never changes") {
		t.Errorf("got %s", got)
	}
}

// TestCheckWriteReportsForbiddenActions checks the rules of what people do besides
// voting.
func TestCheckWriteReportsForbiddenActions(t *testing.T) {
	ann, rita := handle.Person{ID: "U0ANN", Name: "Ann"}, handle.Person{ID: "U0RITA", Name: "Rita"}
	pending := handle.Request{
		ID: "r-1", Rev: 3, Stack: handle.Stack{ID: "stack"}, CreatedAt: start,
		Requester: handle.Requester{Email: "rita@example.com", SlackID: rita.ID, SlackIDs: []string{rita.ID}, LookedUp: true},
		Terms: handle.Terms{
			Channel: "C0", Approvers: []string{ann.ID}, Approvals: 1, Deadline: start.Add(9 * time.Hour),
			EscalateAt: start.Add(time.Hour), EscalateTo: []string{"U0DAN"}, ReassignTo: []string{"U0DAN"},
		},
		Questions: []handle.Question{{ID: "q1", By: ann, At: start, Text: "why"}},
		Nudges:    []handle.Nudge{{At: start}},
	}
	decided := pending.Clone()
	decided.Votes = []handle.Vote{{By: ann, Verdict: handle.Approve, Via: handle.ViaSlack, At: start}}
	decided.Decision = &handle.Decision{State: handle.Approved, By: ann, At: start}
	reassigned := func(r *handle.Request, by handle.Person, to ...string) {
		r.Reassignments = append(r.Reassignments, handle.Reassignment{By: by, At: start, To: to})
		r.Terms.Approvers = to
	}
	nudged := func(r *handle.Request, by handle.Person, at time.Time) {
		r.Nudges = append(r.Nudges, handle.Nudge{At: at})
		r.Events = append(r.Events, handle.Event{Kind: handle.EventNudged, By: by, At: at})
	}
	ask := func(by handle.Person) func(*handle.Request) {
		return func(r *handle.Request) {
			r.Questions = append(r.Questions, handle.Question{ID: "q2", By: by, At: start, Text: "how long"})
		}
	}
	answer := func(by handle.Person) func(*handle.Request) {
		return func(r *handle.Request) { r.Questions[0].Answer = &handle.Answer{By: by, At: start, Text: "so"} }
	}
	withdraw := func(by handle.Person, reason string) func(*handle.Request) {
		return func(r *handle.Request) {
			r.Decision = &handle.Decision{State: handle.Withdrawn, By: by, Reason: reason, Via: handle.ViaSlack, At: start}
		}
	}
	for _, test := range []struct {
		name string
		old  handle.Request
		edit func(r *handle.Request)
		want string // empty: lawful
	}{
		{"a question", pending, ask(ann), ""},
		{"the requester's question", pending, ask(rita), "only approvers ask"},
		{"a question after the decision", decided, ask(ann), "ends with its decision"},
		{"a changed question", pending, func(r *handle.Request) { r.Questions[0].Text = "x" }, "history is kept"},
		{"an answer", pending, answer(rita), ""},
		{"an approver's answer", pending, answer(ann), "only the requester answers"},
		{"an outsider's review", pending, func(r *handle.Request) { r.Reviews = []handle.Review{{By: handle.Person{ID: "U0DAN"}}} }, "only approvers ask, review"},
		{"a review after the decision", decided, func(r *handle.Request) { r.Reviews = []handle.Review{{By: ann}} }, "a review ends with the decision"},
		{"a nudge", pending, func(r *handle.Request) { nudged(r, rita, start.Add(4*time.Hour)) }, ""},
		{"an early nudge", pending, func(r *handle.Request) { nudged(r, rita, start.Add(4*time.Hour-1)) }, "four hours apart"},
		{"an approver's nudge", pending, func(r *handle.Request) { nudged(r, ann, start.Add(5*time.Hour)) }, "only the requester"},
		{"a withdrawal", pending, withdraw(rita, "wrong size"), ""},
		{"an approver's withdrawal", pending, withdraw(ann, "wrong size"), "only the requester"},
		{"a withdrawal without a reason", pending, withdraw(rita, " "), "a withdrawal has a reason"},
		{"a withdrawal after the approval", decided, withdraw(rita, "wrong size"), "a decision never changes"},
		{"a reassignment", pending, func(r *handle.Request) { reassigned(r, ann, "U0DAN") }, ""},
		{"a reassignment to others", pending, func(r *handle.Request) { reassigned(r, ann, "U0EVE") }, "whom the configuration names"},
		{"a reassignment by the requester", pending, func(r *handle.Request) { reassigned(r, rita, "U0DAN") }, "only approvers"},
		{"a reassignment that keeps those before", pending, func(r *handle.Request) {
			reassigned(r, ann, "U0DAN")
			r.Terms.Approvers = []string{"U0DAN", ann.ID}
		}, "approvers change only by"},
		{"approvers out of nowhere", pending, func(r *handle.Request) { r.Terms.Approvers = []string{"U0DAN", ann.ID} }, "approvers change only by"},
		{"an escalation", pending, func(r *handle.Request) {
			r.EscalatedAt, r.Terms.Approvers = start.Add(time.Hour), []string{ann.ID, "U0DAN"}
		}, ""},
		{"an early escalation", pending, func(r *handle.Request) { r.EscalatedAt, r.Terms.Approvers = start, []string{ann.ID, "U0DAN"} }, "at its time"},
	} {
		slack := slacktest.New(slacktest.Config{TeamID: "T0", Now: func() time.Time { return start }})
		for _, name := range []string{"ann", "dan", "rita"} {
			slack.AddUser(slacktest.User{ID: "U0" + strings.ToUpper(name), TeamID: "T0", Name: name, Email: name + "@example.com"})
		}
		checker := laws.Checker{Team: "T0", Slack: slack}
		r := test.old.Clone()
		r.Rev++
		test.edit(&r)
		found := checker.CheckWrite(test.old, r, start.Add(time.Hour))
		if got := fmt.Sprint(found); test.want == "" && len(found) > 0 || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %q", test.name, got, test.want)
		}
	}
}
