package handle_test

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"countersign/handle"
)

// model is one request, a clock, and what the test itself knows about the request.
type model struct {
	r   handle.Request
	now time.Time

	approvers map[string]bool // Slack IDs of lawful approvers, by the test's own count; "" by mail
	marks     []appliedMark   // all that were applied so far
	snapshots []snapshot      // every value of the request so far
	ts        int             // number of the last message
}

type appliedMark struct {
	name   string
	change func(handle.Request) handle.Request
}

// snapshot is an earlier value and its encoding at that time.
type snapshot struct {
	r       handle.Request
	encoded string
}

func newModel(t *rapid.T) *model {
	r := launch(approvals(rapid.IntRange(1, 3).Draw(t, "approvals")))
	r.Terms.SelfApproval = rapid.Bool().Draw(t, "self-approval")
	if rapid.Bool().Draw(t, "not looked up") {
		unidentified(&r)
	}
	r.Stack.Unverified = rapid.IntRange(0, 3).Draw(t, "unverified") == 0
	r.Terms.UnprovenRequester = rapid.SampledFrom([]string{"", handle.UnprovenTwoApprovers, handle.UnprovenWarn}).Draw(t, "unproven requester")
	switch rapid.IntRange(0, 2).Draw(t, "reminders") {
	case 0:
		r.Terms.RemindAt = time.Time{}
	case 1:
		r.Terms.RemindAt, r.Terms.Reminders = time.Time{}, handle.ReminderTimes(at, r.Terms.Deadline, handle.DefaultReminders(), handle.WorkingHours{})
	}
	if rapid.Bool().Draw(t, "escalate") {
		r.Terms.EscalateAt, r.Terms.EscalateTo = at.Add(2*time.Hour), []string{ann, "U0EVE"}
	}
	r.Terms.ReassignTo = rapid.SampledFrom([][]string{nil, {ben, rob, "U0EVE", guards}}).Draw(t, "reassign to")
	if rapid.IntRange(0, 3).Draw(t, "without Slack") == 0 {
		withoutSlack(&r)
	}
	return &model{r: r, now: at, approvers: map[string]bool{}}
}

func encode(t *rapid.T, r handle.Request) string {
	b, err := handle.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// apply makes a change and checks it against the laws.
func (m *model) apply(t *rapid.T, what string, change func(handle.Request) handle.Request) {
	old, encoded := withSpareCapacity(m.r), encode(t, m.r)
	next := change(old)
	if now := encode(t, old); now != encoded {
		t.Fatalf("%s changed its receiver (-before +after):\n%s", what, cmp.Diff(encoded, now))
	}
	m.snapshots = append(m.snapshots, snapshot{old, encoded})
	checkChange(t, what, old, next)
	encodedNext := encode(t, next)
	m.applyElsewhere(old)
	if now := encode(t, next); now != encodedNext {
		t.Fatalf("%s shares memory with other changes of the same value (-before +after):\n%s", what, cmp.Diff(encodedNext, now))
	}
	m.r = next
}

// withSpareCapacity returns r with spare capacity in its lists, so that an append
// does not copy them.
func withSpareCapacity(r handle.Request) handle.Request {
	r.Votes, r.Events, r.Messages = slices.Grow(r.Votes, 4), slices.Grow(r.Events, 4), slices.Grow(r.Messages, 4)
	r.Questions, r.Reviews, r.Nudges = slices.Grow(r.Questions, 4), slices.Grow(r.Reviews, 4), slices.Grow(r.Nudges, 4)
	r.Reassignments = slices.Grow(r.Reassignments, 4)
	if r.Terms.Approvers != nil { // which Encode tells from an empty list
		r.Terms.Approvers = slices.Grow(r.Terms.Approvers, 4)
	}
	return r
}

// applyElsewhere makes the changes that another process could make to the same
// value.
func (m *model) applyElsewhere(r handle.Request) {
	other := handle.Person{Team: "T0HOME", ID: "U0ELSEWHERE"}
	r.RecordRefusal(other, handle.RefusedNotApprover, at)
	r.Expire(at.AddDate(1, 0, 0))
	r.Withdraw("elsewhere", at)
	r.RecordBypass("elsewhere", at)
	r.MarkPosted("C0ELSEWHERE", "1", "elsewhere", at)
	r.AdoptMessage("C0ELSEWHERE", "2")
	r.MarkDelivered("reply/elsewhere", "C0ELSEWHERE", "3", at)
	r.RecordFailure(handle.Step{Kind: handle.StepWatch}, handle.Failure{Reason: "elsewhere"}, at)
	r.RecordEnd(handle.Ended{Status: "DELETE_FAILED", At: at})
	r.Terms.SelfApproval, r.Terms.Approvers = true, []string{other.ID}
	r.RecordGroups(map[string]handle.Group{guards: {Name: "elsewhere"}})
	r.Escalate(at.AddDate(1, 0, 0))
	r.EndReviews(at.AddDate(1, 0, 0))
	requester := handle.Voter{Person: handle.Person{ID: r.Requester.SlackID}, Home: true}
	_, _, _ = r.Ask(voter(ann), "elsewhere", at)
	_, _ = r.AnswerQuestion("q1", requester, "elsewhere", at)
	_, _ = r.StartReview(voter(ann), at.Add(time.Minute))
	_, _ = r.StopReview(voter(ann), at)
	_, _ = r.Nudge(requester, at)
	_, _ = r.Reassign(voter(ann), r.Terms.ReassignTo, at)
	_, _ = r.WithdrawByRequester(requester, "elsewhere", at)
	_, _ = r.VoteBySlack(handle.Voter{Person: other, Home: true}, handle.Approve, "", at)
}

// mark applies a Mark… or Record… method, checks that applying it twice changes
// nothing more, and remembers it.
func (m *model) mark(t *rapid.T, name string, f func(handle.Request) handle.Request) {
	m.apply(t, name, f)
	if name != "RecordFailure" && name != "StillInProgress" { // which count attempts
		m.checkSameExceptCounts(t, name+" twice", f(m.r))
	}
	m.marks = append(m.marks, appliedMark{name, f})
}

var ignoreCounts = []cmp.Option{
	cmpopts.IgnoreFields(handle.Event{}, "Count"),
	cmp.Comparer(func(a, b handle.WaitURL) bool { return a.Expose() == b.Expose() }),
	cmpopts.EquateEmpty(),
}

// checkSameExceptCounts checks that next differs from the request in the counts of
// events at most.
func (m *model) checkSameExceptCounts(t *rapid.T, what string, next handle.Request) {
	if encode(t, m.r) == encode(t, next) {
		return
	}
	if diff := cmp.Diff(m.r, next, ignoreCounts...); diff != "" {
		t.Fatalf("%s (-before +after):\n%s", what, diff)
	}
}

// repeatMark applies an earlier mark to the present value, as after a conflict.
func (m *model) repeatMark(t *rapid.T) {
	if len(m.marks) == 0 {
		t.Skip("no mark yet")
	}
	again := rapid.SampledFrom(m.marks).Draw(t, "mark")
	m.apply(t, again.name+" again", again.change)
}

func (m *model) advanceClock(t *rapid.T) {
	end := m.r.Terms.Deadline
	to := rapid.SampledFrom([]time.Time{
		m.now.Add(time.Nanosecond), m.now.Add(time.Second), m.now.Add(20 * time.Second), m.now.Add(10 * time.Minute), m.now.Add(5 * time.Hour),
		end.Add(-1), end, end.Add(30 * time.Hour), m.r.NextDue(), m.r.NextDue().Add(-1),
	}).Draw(t, "to")
	if to.After(m.now) {
		m.now = to
	}
}

// runAllSteps takes all steps that are due now.
func (m *model) runAllSteps(t *rapid.T) {
	run := &runner{r: m.r, now: m.now, stackStatus: "CREATE_COMPLETE"}
	for range 100 {
		due := run.r.Due(run.now)
		if len(due) == 0 {
			break
		}
		before := run.r
		run.take(due[0])
		checkChange(t, due[0].Key(), before, run.r)
	}
	if due := run.r.Due(run.now); len(due) != 0 {
		t.Fatalf("still due after all steps: %q", keys(due))
	}
}

// encodeAndDecode replaces the request by its stored form.
func (m *model) encodeAndDecode(t *rapid.T) {
	next, err := handle.Decode([]byte(encode(t, m.r)))
	if err != nil {
		t.Fatal(err)
	}
	m.checkSameExceptCounts(t, "after encoding and decoding", next)
	m.r = next
}
