package handle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// why reads the reason off a refusal; empty for no error. Any other error is
// returned as it prints.
func why(err error) handle.Why {
	var refusal *handle.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Why
	}
	return handle.Why(err.Error())
}

func TestEntitled(t *testing.T) {
	member := func(id string, edit func(*handle.Voter)) handle.Voter {
		v := voter(id)
		edit(&v)
		return v
	}
	selfApproval := func(r *handle.Request) { r.Terms.SelfApproval = true }
	for _, tt := range []struct {
		name  string
		terms func(*handle.Request)
		voter handle.Voter
		want  handle.Why
	}{
		{name: "named", voter: voter(ann)},
		{name: "by group", voter: voter(gil, guards)},
		{name: "by one of several groups", voter: voter(gil, "S0OTHERS", guards)},
		{name: "stranger", voter: voter(sam), want: handle.WhyNotApprover},
		{name: "in another group", voter: voter(sam, "S0OTHERS"), want: handle.WhyNotApprover},
		{name: "in a group that bears an approver's name", voter: voter(sam, ann), want: handle.WhyNotApprover},
		{name: "in a nameless group", voter: voter(sam, ""), want: handle.WhyNotApprover},
		{name: "the zero voter", voter: handle.Voter{}, want: handle.WhyOtherWorkspace},
		{name: "nobody", voter: voter(""), want: handle.WhyNoMember},
		{name: "a group as a person", voter: voter(guards), want: handle.WhyNoMember},
		{name: "an ID in small letters", voter: voter("u0ann"), want: handle.WhyNoMember},
		{name: "another workspace", voter: member(ann, func(v *handle.Voter) { v.Home = false }), want: handle.WhyOtherWorkspace},
		{name: "guest", voter: member(ann, func(v *handle.Voter) { v.Guest = true }), want: handle.WhyNoMember},
		{name: "bot", voter: member(ann, func(v *handle.Voter) { v.Bot = true }), want: handle.WhyNoMember},
		{name: "deactivated", voter: member(ann, func(v *handle.Voter) { v.Deactivated = true }), want: handle.WhyNoMember},
		{name: "own request", voter: voter(rob), want: handle.WhyOwnRequest},
		{name: "own request, by group", voter: voter(rob, guards), want: handle.WhyOwnRequest},
		{name: "own request, self-approval", terms: selfApproval, voter: voter(rob)},
		{name: "the claim leads to another person", voter: voter(ben), want: handle.WhyOwnRequest,
			terms: func(r *handle.Request) { r.Requester.SlackIDs = []string{rob, ben} }},
		{name: "requester not looked up", terms: unidentified, voter: voter(ann), want: handle.WhyUnknown},
		{name: "requester not looked up, self-approval", voter: voter(ann),
			terms: func(r *handle.Request) { unidentified(r); selfApproval(r) }},
		{name: "stranger and not looked up", terms: unidentified, voter: voter(sam), want: handle.WhyNotApprover},
		{name: "no approvers", voter: voter(ann), want: handle.WhyNotApprover,
			terms: func(r *handle.Request) { r.Terms.Approvers = nil }},
		{name: "no approvers, no group", voter: voter(ann, ""), want: handle.WhyNotApprover,
			terms: func(r *handle.Request) { r.Terms.Approvers = []string{""} }},
		{name: "an approver that is no ID", voter: voter(sam, "everybody"), want: handle.WhyNotApprover,
			terms: func(r *handle.Request) { r.Terms.Approvers = []string{"everybody"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := launch()
			if tt.terms != nil {
				tt.terms(&r)
			}
			if got := why(r.Entitled(tt.voter)); got != tt.want {
				t.Errorf("Entitled: got %q, want %q", got, tt.want)
			}
			for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
				next, err := r.VoteBySlack(tt.voter, verdict, "because", at)
				if got := why(err); got != tt.want {
					t.Errorf("%s: got %q, want %q", verdict, got, tt.want)
				}
				if err != nil {
					same(t, "after a refusal", r, next)
				}
			}
		})
	}
}

func TestEntitledSaysNothingOfTheState(t *testing.T) {
	for state, r := range settled(t, launch()) {
		if err := r.Entitled(voter(gil, guards)); err != nil {
			t.Errorf("%s: got %v, want nil", state, err)
		}
	}
}

func TestVote(t *testing.T) {
	deadline := launch().Terms.Deadline
	for _, tt := range []struct {
		name    string
		verdict handle.Verdict
		reason  string
		now     time.Time
		want    handle.State
		why     handle.Why
	}{
		{name: "approve", verdict: handle.Approve, now: at, want: handle.Approved},
		{name: "approve with a reason", verdict: handle.Approve, reason: "fine", now: at, want: handle.Approved},
		{name: "approve in the last moment", verdict: handle.Approve, now: deadline.Add(-1), want: handle.Approved},
		{name: "approve at the deadline", verdict: handle.Approve, now: deadline, want: handle.Pending, why: handle.WhyExpired},
		{name: "approve after the deadline", verdict: handle.Approve, now: deadline.Add(time.Hour), want: handle.Pending, why: handle.WhyExpired},
		{name: "reject", verdict: handle.Reject, reason: "too dear", now: at, want: handle.Rejected},
		{name: "reject in the last moment", verdict: handle.Reject, reason: "too dear", now: deadline.Add(-1), want: handle.Rejected},
		{name: "reject at the deadline", verdict: handle.Reject, reason: "too dear", now: deadline, want: handle.Pending, why: handle.WhyExpired},
		{name: "reject without a reason", verdict: handle.Reject, now: at, want: handle.Pending, why: handle.WhyNoReason},
		{name: "reject with nothing but space", verdict: handle.Reject, reason: " \n\t\u2028\u202e", now: at, want: handle.Pending, why: handle.WhyNoReason},
		{name: "neither", verdict: "maybe", now: at, want: handle.Pending, why: `unknown verdict "maybe"`},
		{name: "nothing", verdict: "", now: at, want: handle.Pending, why: `unknown verdict ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := launch(approvals(1))
			for _, way := range []struct {
				via  handle.Via
				by   handle.Person
				vote func() (handle.Request, error)
			}{
				{handle.BySlack, voter(ann).Person, func() (handle.Request, error) { return r.VoteBySlack(voter(ann), tt.verdict, tt.reason, tt.now) }},
				{handle.ByMail, handle.Person{Name: "Ann"}, func() (handle.Request, error) { return r.VoteByMail("Ann", tt.verdict, tt.reason, tt.now) }},
			} {
				next, err := way.vote()
				if got := why(err); got != tt.why {
					t.Errorf("by %s: got refusal %q, want %q", way.via, got, tt.why)
				}
				if got := next.State(); got != tt.want {
					t.Errorf("by %s: got %s, want %s", way.via, got, tt.want)
				}
				if err != nil {
					same(t, "after a refusal", r, next)
					continue
				}
				want := &handle.Decision{State: tt.want, By: way.by, Reason: tt.reason, Via: way.via, At: tt.now}
				if diff := cmp.Diff(want, next.Decision); diff != "" {
					t.Errorf("by %s: decision (-want +got):\n%s", way.via, diff)
				}
				wantVotes := []handle.Vote{{By: way.by, Verdict: tt.verdict, Reason: tt.reason, Via: way.via, At: tt.now}}
				if diff := cmp.Diff(wantVotes, next.Votes); diff != "" {
					t.Errorf("by %s: votes (-want +got):\n%s", way.via, diff)
				}
				if diff := cmp.Diff([]handle.Kind{handle.EventCreated, handle.EventVote, handle.EventDecided}, kinds(next)); diff != "" {
					t.Errorf("by %s: events (-want +got):\n%s", way.via, diff)
				}
			}
		})
	}
}

func TestApprovalsAreOfDifferentPeople(t *testing.T) {
	r := launch(approvals(3))
	again := func(who string, v handle.Voter, missing int) {
		t.Helper()
		next, err := r.VoteBySlack(v, handle.Approve, "", at)
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		if r = next; r.Missing() != missing {
			t.Fatalf("after %s: got %d missing, want %d", who, r.Missing(), missing)
		}
	}
	renamed := voter(ann)
	renamed.Name = "somebody else"

	again("ann", voter(ann), 2)
	again("ann again", voter(ann), 2)
	again("ann under another name", renamed, 2)
	again("ann through her group", voter(ann, guards), 2)
	again("gil", voter(gil, guards), 1)
	again("gil again", voter(gil, guards), 1)
	if r.State() != handle.Pending {
		t.Fatalf("after two of three: got %s, want %s", r.State(), handle.Pending)
	}
	again("ben", voter(ben), 0)

	if r.State() != handle.Approved || r.Decision.By.ID != ben {
		t.Errorf("after three of three: got %s by %s, want %s by %s", r.State(), r.Decision.By.ID, handle.Approved, ben)
	}
	var ids []string
	for _, p := range r.ApprovedBy() {
		ids = append(ids, p.ID)
	}
	if diff := cmp.Diff([]string{ann, gil, ben}, ids); diff != "" {
		t.Errorf("ApprovedBy (-want +got):\n%s", diff)
	}
	if len(r.Votes) != 3 {
		t.Errorf("got %d votes, want 3", len(r.Votes))
	}
}

func TestOnePersonIsNotTwoApprovers(t *testing.T) {
	r := votes(t, launch(), handle.Approve, at, ann)
	elsewhere := voter(ann)
	elsewhere.Team = "T0AWAY" // as an enterprise grid may report it at another click
	r, err := r.VoteBySlack(elsewhere, handle.Approve, "", at)
	if err != nil {
		t.Fatal(err)
	}
	if r.State() != handle.Pending {
		t.Errorf("one Slack user with two workspace IDs: got %s, want %s", r.State(), handle.Pending)
	}
}

func TestOneRejectionDecides(t *testing.T) {
	r := votes(t, launch(approvals(3)), handle.Approve, at, ann, ben)
	r = votes(t, r, handle.Reject, at.Add(time.Minute), ann) // who changed her mind
	if r.State() != handle.Rejected || r.Decision.By.ID != ann || r.Decision.Reason != "because" {
		t.Errorf("got %s by %s because of %q, want %s by %s", r.State(), r.Decision.By.ID, r.Decision.Reason, handle.Rejected, ann)
	}
}

func TestSayingTheSameTwice(t *testing.T) {
	later := at.Add(time.Hour)
	t.Run("by Slack", func(t *testing.T) {
		for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
			r := votes(t, launch(approvals(1)), verdict, at, ann)
			for _, now := range []time.Time{at, later, r.Terms.Deadline, r.Terms.Deadline.Add(time.Hour)} {
				next, err := r.VoteBySlack(voter(ann), verdict, "another reason", now)
				if err != nil {
					t.Errorf("%s again at %s: %v", verdict, now, err)
				}
				same(t, string(verdict)+" again", r, next)
			}
			_, err := r.VoteBySlack(voter(ben), verdict, "because", later)
			if got := why(err); got != handle.WhyDecided {
				t.Errorf("%s by another: got %q, want %q", verdict, got, handle.WhyDecided)
			}
		}
	})
	t.Run("by mail", func(t *testing.T) {
		r, err := launch(approvals(1)).VoteByMail(" Ann\n", handle.Approve, "", at)
		if err != nil {
			t.Fatal(err)
		}
		next, err := r.VoteByMail("Ann", handle.Approve, "", later)
		if err != nil {
			t.Errorf("again: %v", err)
		}
		same(t, "again", r, next)
		_, err = r.VoteByMail("Ben", handle.Approve, "", later)
		if got := why(err); got != handle.WhyDecided {
			t.Errorf("another name: got %q, want %q", got, handle.WhyDecided)
		}
		_, err = r.VoteByMail("Ann", handle.Reject, "no", later)
		if got := why(err); got != handle.WhyDecided {
			t.Errorf("another verdict: got %q, want %q", got, handle.WhyDecided)
		}
	})
}

func TestMailCannotApproveWhereSeveralMust(t *testing.T) {
	r := launch(approvals(2))
	next, err := r.VoteByMail("Ann", handle.Approve, "", at)
	if got := why(err); got != handle.WhyNotByMail {
		t.Errorf("approve: got %q, want %q", got, handle.WhyNotByMail)
	}
	same(t, "after a refusal", r, next)
	if next, err = r.VoteByMail("Ann", handle.Reject, "too dear", at); err != nil || next.State() != handle.Rejected {
		t.Errorf("reject: got %s, %v, want %s", next.State(), err, handle.Rejected)
	}
}

func TestTypedTextIsBounded(t *testing.T) {
	flood := strings.Repeat("😀<&\"", 25_000)
	r, err := launch(approvals(1)).VoteByMail(flood, handle.Reject, flood, at)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Decision.By.Name); n > 80 {
		t.Errorf("name by mail: got %d bytes, want at most 80", n)
	}
	if n := len(r.Decision.Reason); n > 600 {
		t.Errorf("reason: got %d bytes, want at most 600", n)
	}
	v := voter(ann)
	v.Name = flood
	if r, err = launch(approvals(1)).VoteBySlack(v, handle.Reject, flood, at); err != nil {
		t.Fatal(err)
	}
	if n := len(r.Decision.By.Name); n > 80 {
		t.Errorf("name in Slack: got %d bytes, want at most 80", n)
	}
}

func TestOneDecisionEver(t *testing.T) {
	for state, r := range settled(t, launch()) {
		t.Run(string(state), func(t *testing.T) {
			before := *r.Decision
			late := r.Terms.Deadline.Add(time.Hour)
			answer := handle.WhyDecided
			if state == handle.Expired {
				answer = handle.WhyExpired
			}
			for what, try := range map[string]func() (handle.Request, error){
				"approve":         func() (handle.Request, error) { return r.VoteBySlack(voter(gil, guards), handle.Approve, "", at) },
				"reject":          func() (handle.Request, error) { return r.VoteBySlack(voter(gil, guards), handle.Reject, "no", at) },
				"reject by mail":  func() (handle.Request, error) { return r.VoteByMail("Gil", handle.Reject, "no", at) },
				"reject too late": func() (handle.Request, error) { return r.VoteByMail("Gil", handle.Reject, "no", late) },
			} {
				next, err := try()
				if got := why(err); got != answer {
					t.Errorf("%s: got %q, want %q", what, got, answer)
				}
				same(t, what, r, next)
			}
			same(t, "expire", r, r.Expire(late))
			same(t, "withdraw", r, r.Withdraw("again", late))
			for _, status := range []string{"CREATE_COMPLETE", "ROLLBACK_COMPLETE", ""} {
				if next := r.End(handle.Ended{Status: status, At: late}); *next.Decision != before {
					t.Errorf("the stack's end %q: got %+v, want %+v", status, *next.Decision, before)
				}
			}
			if next := r.GoneRound("the wait was released", late); *next.Decision != before {
				t.Errorf("gone round: got %+v, want %+v", *next.Decision, before)
			}
		})
	}
}

func TestExpire(t *testing.T) {
	r := launch()
	same(t, "before the deadline", r, r.Expire(r.Terms.Deadline.Add(-1)))
	next := r.Expire(r.Terms.Deadline)
	want := &handle.Decision{State: handle.Expired, Reason: "nobody decided in time", At: r.Terms.Deadline}
	if diff := cmp.Diff(want, next.Decision); diff != "" {
		t.Errorf("at the deadline (-want +got):\n%s", diff)
	}
	if half := votes(t, r, handle.Approve, at, ann); half.Expire(r.Terms.Deadline).State() != handle.Expired {
		t.Errorf("one approval of two at the deadline: got %s, want %s", half.Expire(r.Terms.Deadline).State(), handle.Expired)
	}
}

func TestWithdraw(t *testing.T) {
	next := launch().Withdraw(strings.Repeat("é", 1000), at)
	if next.State() != handle.Withdrawn || len(next.Decision.Reason) > 600 {
		t.Errorf("got %s with %d bytes of reason, want %s with at most 600", next.State(), len(next.Decision.Reason), handle.Withdrawn)
	}
}

func TestOpens(t *testing.T) {
	r := launch()
	if r.Opens(r.Stack.ID) {
		t.Error("a pending request opens its stack")
	}
	for state, s := range settled(t, r) {
		if got, want := s.Opens(r.Stack.ID), state == handle.Approved; got != want {
			t.Errorf("%s: Opens of its own stack: got %t, want %t", state, got, want)
		}
		for _, other := range []string{"", r.Stack.ID + "x", r.Stack.Name, strings.ToUpper(r.Stack.ID)} {
			if s.Opens(other) {
				t.Errorf("%s: opens the stack %q", state, other)
			}
		}
	}
	nowhere := approved(t, launch(func(r *handle.Request) { r.Stack.ID = "" }), at)
	if nowhere.Opens("") {
		t.Error("an approval of no stack opens a stack without a name")
	}
	if !approved(t, r, at).GoneRound("tried early", at).Opens(r.Stack.ID) {
		t.Error("an approval does not open its stack after somebody tried to go round")
	}
}

func TestGoneRound(t *testing.T) {
	r := launch().GoneRound("the wait was released", at)
	if want := (handle.Bypass{At: at, How: "the wait was released"}); r.Bypass == nil || *r.Bypass != want {
		t.Fatalf("got %+v, want %+v", r.Bypass, want)
	}
	same(t, "the second is not kept", r, r.GoneRound("again", at.Add(time.Hour)))
}

func TestPersonIs(t *testing.T) {
	home := handle.Person{Team: "T0HOME", ID: ann, Name: "Ann"}
	for _, tt := range []struct {
		name string
		p, q handle.Person
		want bool
	}{
		{"the same", home, home, true},
		{"another name", home, handle.Person{Team: "T0HOME", ID: ann, Name: "Anne"}, true},
		{"another workspace", home, handle.Person{Team: "T0AWAY", ID: ann, Name: "Ann"}, true},
		{"another ID, same name", home, handle.Person{Team: "T0HOME", ID: ben, Name: "Ann"}, false},
		{"names identify nobody", handle.Person{Name: "Ann"}, handle.Person{Name: "Ann"}, false},
		{"nobody", handle.Person{}, handle.Person{}, false},
	} {
		if got := tt.p.Is(tt.q); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
		if got := tt.q.Is(tt.p); got != tt.want {
			t.Errorf("%s, turned round: got %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestRefusalIsAnErrorWithItsReason(t *testing.T) {
	err := fmt.Errorf("couldn't vote: %w", &handle.Refusal{Why: handle.WhyOwnRequest})
	if got := why(err); got != handle.WhyOwnRequest {
		t.Errorf("got %q, want %q", got, handle.WhyOwnRequest)
	}
	if want := "couldn't vote: vote refused: own request"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
