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

// refusalReason returns the reason of a refusal; empty for no error. For any other
// error it returns the message.
func refusalReason(err error) handle.RefusalReason {
	var refusal *handle.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Reason
	}
	return handle.RefusalReason(err.Error())
}

func TestAuthorize(t *testing.T) {
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
		want  handle.RefusalReason
	}{
		{name: "named", voter: voter(ann)},
		{name: "by group", voter: voter(gil, guards)},
		{name: "by one of several groups", voter: voter(gil, "S0OTHERS", guards)},
		{name: "stranger", voter: voter(sam), want: handle.RefusedNotApprover},
		{name: "in another group", voter: voter(sam, "S0OTHERS"), want: handle.RefusedNotApprover},
		{name: "in a group with an approver's ID", voter: voter(sam, ann), want: handle.RefusedNotApprover},
		{name: "in a group without ID", voter: voter(sam, ""), want: handle.RefusedNotApprover},
		{name: "the zero voter", voter: handle.Voter{}, want: handle.RefusedOtherWorkspace},
		{name: "no ID", voter: voter(""), want: handle.RefusedNotMember},
		{name: "a group ID as user ID", voter: voter(guards), want: handle.RefusedNotMember},
		{name: "an ID in small letters", voter: voter("u0ann"), want: handle.RefusedNotMember},
		{name: "another workspace", voter: member(ann, func(v *handle.Voter) { v.Home = false }), want: handle.RefusedOtherWorkspace},
		{name: "guest", voter: member(ann, func(v *handle.Voter) { v.Guest = true }), want: handle.RefusedNotMember},
		{name: "bot", voter: member(ann, func(v *handle.Voter) { v.Bot = true }), want: handle.RefusedNotMember},
		{name: "deactivated", voter: member(ann, func(v *handle.Voter) { v.Deactivated = true }), want: handle.RefusedNotMember},
		{name: "own request", voter: voter(rob), want: handle.RefusedOwnRequest},
		{name: "own request, by group", voter: voter(rob, guards), want: handle.RefusedOwnRequest},
		{name: "own request, self-approval", terms: selfApproval, voter: voter(rob)},
		{name: "the claim leads to another person", voter: voter(ben), want: handle.RefusedOwnRequest,
			terms: func(r *handle.Request) { r.Requester.SlackIDs = []string{rob, ben} }},
		{name: "requester not looked up", terms: unidentified, voter: voter(ann), want: handle.RefusedUnverified},
		{name: "requester not looked up, self-approval", voter: voter(ann),
			terms: func(r *handle.Request) { unidentified(r); selfApproval(r) }},
		{name: "stranger and not looked up", terms: unidentified, voter: voter(sam), want: handle.RefusedNotApprover},
		{name: "no approvers", voter: voter(ann), want: handle.RefusedNotApprover,
			terms: func(r *handle.Request) { r.Terms.Approvers = nil }},
		{name: "no approvers, no group", voter: voter(ann, ""), want: handle.RefusedNotApprover,
			terms: func(r *handle.Request) { r.Terms.Approvers = []string{""} }},
		{name: "an approver that is not an ID", voter: voter(sam, "everybody"), want: handle.RefusedNotApprover,
			terms: func(r *handle.Request) { r.Terms.Approvers = []string{"everybody"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := launch()
			if tt.terms != nil {
				tt.terms(&r)
			}
			if got := refusalReason(r.Authorize(tt.voter)); got != tt.want {
				t.Errorf("Authorize: got %q, want %q", got, tt.want)
			}
			for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
				next, err := r.VoteBySlack(tt.voter, verdict, "because", at)
				if got := refusalReason(err); got != tt.want {
					t.Errorf("%s: got %q, want %q", verdict, got, tt.want)
				}
				if err != nil {
					wantSame(t, "after a refusal", r, next)
				}
			}
		})
	}
}

func TestAuthorizeIgnoresTheState(t *testing.T) {
	for state, r := range closedRequests(t, launch()) {
		if err := r.Authorize(voter(gil, guards)); err != nil {
			t.Errorf("%s: got %v, want nil", state, err)
		}
	}
}

func TestVoteDecides(t *testing.T) {
	deadline := launch().Terms.Deadline
	for _, tt := range []struct {
		name    string
		verdict handle.Verdict
		reason  string
		now     time.Time
		want    handle.State
		refused handle.RefusalReason
	}{
		{name: "approve", verdict: handle.Approve, now: at, want: handle.Approved},
		{name: "approve with a reason", verdict: handle.Approve, reason: "fine", now: at, want: handle.Approved},
		{name: "approve just before the deadline", verdict: handle.Approve, now: deadline.Add(-1), want: handle.Approved},
		{name: "approve at the deadline", verdict: handle.Approve, now: deadline, want: handle.Pending, refused: handle.RefusedExpired},
		{name: "approve after the deadline", verdict: handle.Approve, now: deadline.Add(time.Hour), want: handle.Pending, refused: handle.RefusedExpired},
		{name: "reject", verdict: handle.Reject, reason: "too dear", now: at, want: handle.Rejected},
		{name: "reject just before the deadline", verdict: handle.Reject, reason: "too dear", now: deadline.Add(-1), want: handle.Rejected},
		{name: "reject at the deadline", verdict: handle.Reject, reason: "too dear", now: deadline, want: handle.Pending, refused: handle.RefusedExpired},
		{name: "reject without a reason", verdict: handle.Reject, now: at, want: handle.Pending, refused: handle.RefusedNoReason},
		{name: "reject with only white space", verdict: handle.Reject, reason: " \n\t\u2028\u202e", now: at, want: handle.Pending, refused: handle.RefusedNoReason},
		{name: "neither", verdict: "maybe", now: at, want: handle.Pending, refused: `unknown verdict "maybe"`},
		{name: "nothing", verdict: "", now: at, want: handle.Pending, refused: `unknown verdict ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := launch(approvals(1))
			for _, vote := range []struct {
				via  handle.Via
				by   handle.Person
				cast func() (handle.Request, error)
			}{
				{handle.ViaSlack, voter(ann).Person, func() (handle.Request, error) { return r.VoteBySlack(voter(ann), tt.verdict, tt.reason, tt.now) }},
				{handle.ViaMail, handle.Person{Name: "Ann"}, func() (handle.Request, error) { return r.VoteByMail("Ann", tt.verdict, tt.reason, tt.now) }},
			} {
				next, err := vote.cast()
				if got := refusalReason(err); got != tt.refused {
					t.Errorf("by %s: got refusal %q, want %q", vote.via, got, tt.refused)
				}
				if got := next.State(); got != tt.want {
					t.Errorf("by %s: got %s, want %s", vote.via, got, tt.want)
				}
				if err != nil {
					wantSame(t, "after a refusal", r, next)
					continue
				}
				want := &handle.Decision{State: tt.want, By: vote.by, Reason: tt.reason, Via: vote.via, At: tt.now}
				if diff := cmp.Diff(want, next.Decision); diff != "" {
					t.Errorf("by %s: decision (-want +got):\n%s", vote.via, diff)
				}
				wantVotes := []handle.Vote{{By: vote.by, Verdict: tt.verdict, Reason: tt.reason, Via: vote.via, At: tt.now}}
				if diff := cmp.Diff(wantVotes, next.Votes); diff != "" {
					t.Errorf("by %s: votes (-want +got):\n%s", vote.via, diff)
				}
				if diff := cmp.Diff([]handle.EventKind{handle.EventCreated, handle.EventVote, handle.EventDecided}, kinds(next)); diff != "" {
					t.Errorf("by %s: events (-want +got):\n%s", vote.via, diff)
				}
			}
		})
	}
}

func TestIsOpenUntilDecidedOrDeadline(t *testing.T) {
	r := launch()
	deadline := r.Terms.Deadline
	last := deadline.Add(-1)
	decided := closedRequests(t, r)
	half := votes(t, r, handle.Approve, at, ann)
	mailed, err := launch().VoteByMail("-", handle.Reject, "-", at)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		r    handle.Request
		now  time.Time
		want handle.RefusalReason // empty: open
	}{
		{"new", r, at, ""},
		{"one approval of two", half, at, ""},
		{"just before the deadline", r, last, ""},
		{"at the deadline, not yet expired", r, deadline, handle.RefusedExpired},
		{"long after the deadline, not yet expired", half, deadline.Add(time.Hour), handle.RefusedExpired},
		{"approved", decided[handle.Approved], last, handle.RefusedDecided},
		{"rejected", decided[handle.Rejected], last, handle.RefusedDecided},
		{"rejected by mail", mailed, last, handle.RefusedDecided},
		{"approved, after the deadline", decided[handle.Approved], deadline, handle.RefusedDecided},
		{"withdrawn", decided[handle.Withdrawn], last, handle.RefusedDecided},
		{"expired", decided[handle.Expired], deadline, handle.RefusedExpired},
		{"expired, by a clock that is behind", decided[handle.Expired], last, handle.RefusedExpired},
	} {
		if got, want := tt.r.IsOpen(tt.now), tt.want == ""; got != want {
			t.Errorf("%s: IsOpen: got %t, want %t", tt.name, got, want)
		}
		for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
			if got := tt.r.RefusalFor(handle.ViaSlack, verdict, tt.now); got != tt.want {
				t.Errorf("%s: %s in Slack: got %q, want %q", tt.name, verdict, got, tt.want)
			}
		}
		if got := tt.r.RefusalFor(handle.ViaMail, handle.Reject, tt.now); got != tt.want {
			t.Errorf("%s: reject by mail: got %q, want %q", tt.name, got, tt.want)
		}
		if got := tt.r.RefusalFor(handle.ViaMail, handle.Approve, tt.now); got != handle.RefusedNotByMail {
			t.Errorf("%s: approve by mail where two must: got %q, want %q", tt.name, got, handle.RefusedNotByMail)
		}
	}
	if got := launch(approvals(1)).RefusalFor(handle.ViaMail, handle.Approve, at); got != "" {
		t.Errorf("approve by mail where one must: got %q, want that it is open", got)
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
	if n := len(r.Decision.Reason); n > 2000 {
		t.Errorf("reason: got %d bytes, want at most 2000", n)
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

func TestRefusalCarriesItsReason(t *testing.T) {
	err := fmt.Errorf("couldn't vote: %w", &handle.Refusal{Reason: handle.RefusedOwnRequest})
	if got := refusalReason(err); got != handle.RefusedOwnRequest {
		t.Errorf("got %q, want %q", got, handle.RefusedOwnRequest)
	}
	if want := "couldn't vote: refused: own request"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// With Enterprise Grid a person has several IDs. ann is U0ANN in her workspace and
// W0ANN in the organization.
func TestPersonIsTheSetOfTheirIDs(t *testing.T) {
	local, global := voter(ann), voter(ann)
	local.Aliases = []string{"W0ANN"}
	global.ID, global.Aliases = "W0ANN", []string{ann}

	t.Run("own request", func(t *testing.T) {
		r := launch(func(r *handle.Request) {
			r.Requester.SlackID, r.Requester.SlackIDs = ann, []string{ann}
		})
		for _, v := range []handle.Voter{local, global} {
			if got := refusalReason(r.Authorize(v)); got != handle.RefusedOwnRequest {
				t.Errorf("as %s: got %q, want %q", v.ID, got, handle.RefusedOwnRequest)
			}
		}
	})
	t.Run("quorum and repetition", func(t *testing.T) {
		r := launch(approvals(2))
		for _, v := range []handle.Voter{local, global, local} {
			next, err := r.VoteBySlack(v, handle.Approve, "", at)
			if err != nil {
				t.Fatal(err)
			}
			r = next
		}
		if len(r.Votes) != 1 || r.State() != handle.Pending {
			t.Errorf("got %d votes, %s; want one vote, pending", len(r.Votes), r.State())
		}
	})
	t.Run("named approver", func(t *testing.T) {
		r := launch(func(r *handle.Request) { r.Terms.Approvers = []string{"W0ANN"} })
		if err := r.Authorize(local); err != nil {
			t.Errorf("named by an alias: %v", err)
		}
	})
}

func TestUnprovenRequesterNeedsOneMoreApprover(t *testing.T) {
	unproven := func(r *handle.Request) { r.Requester.Proven = false }
	policy := func(p string) func(*handle.Request) {
		return func(r *handle.Request) { r.Terms.UnprovenRequester = p }
	}
	for _, tt := range []struct {
		name string
		r    handle.Request
		want int
	}{
		{"proven", launch(approvals(1), policy(handle.UnprovenTwoApprovers)), 1},
		{"unproven, one asked for", launch(approvals(1), unproven, policy(handle.UnprovenTwoApprovers)), 2},
		{"unproven, two asked for", launch(approvals(2), unproven, policy(handle.UnprovenTwoApprovers)), 3},
		{"unproven, warn", launch(approvals(1), unproven, policy(handle.UnprovenWarn)), 1},
		{"unproven, of an earlier release", launch(approvals(1), unproven), 1},
		{"unproven, self-approval allowed", launch(approvals(1), unproven, policy(handle.UnprovenTwoApprovers), func(r *handle.Request) { r.Terms.SelfApproval = true }), 1},
		{"unproven, mail alone", launch(approvals(1), unproven, policy(handle.UnprovenTwoApprovers), withoutSlack), 1},
		{"not identified yet", launch(approvals(1), unidentified, policy(handle.UnprovenTwoApprovers)), 1},
	} {
		if got := tt.r.ApprovalsNeeded(); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	r := launch(approvals(1), unproven, policy(handle.UnprovenTwoApprovers))
	if r = votes(t, r, handle.Approve, at, ann); r.State() != handle.Pending {
		t.Errorf("after one approval: got %s, want pending", r.State())
	}
	if got := r.RefusalFor(handle.ViaMail, handle.Approve, at); got != handle.RefusedNotByMail {
		t.Errorf("by mail: got %q, want %q", got, handle.RefusedNotByMail)
	}
	if r = votes(t, r, handle.Approve, at, ben); r.State() != handle.Approved {
		t.Errorf("after two approvals: got %s, want approved", r.State())
	}

	alone := launch(approvals(1), unproven, policy(handle.UnprovenTwoApprovers), func(r *handle.Request) { r.Terms.Approvers = []string{ann} })
	if err := alone.CheckApprovers(); err == nil || !strings.Contains(err.Error(), "UnprovenRequester") {
		t.Errorf("one approver for an unproven requester: got %v, want an error that names UnprovenRequester", err)
	}
	refused := launch(unproven, policy(handle.UnprovenRefuse))
	if err := refused.CheckApprovers(); err == nil || !strings.Contains(err.Error(), "UnprovenRequester") {
		t.Errorf("refused: got %v, want an error that names UnprovenRequester", err)
	}
}

// Until CloudFormation has answered, no vote counts.
func TestNoVoteBeforeVerification(t *testing.T) {
	r := launch(approvals(1), func(r *handle.Request) { r.Stack.Unverified = true })
	for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
		if _, err := r.VoteBySlack(voter(ann), verdict, "because", at); refusalReason(err) != handle.RefusedUnverified {
			t.Errorf("%s by Slack: got %v, want %q", verdict, err, handle.RefusedUnverified)
		}
		if _, err := r.VoteByMail("Ann", verdict, "because", at); refusalReason(err) != handle.RefusedUnverified {
			t.Errorf("%s by mail: got %v, want %q", verdict, err, handle.RefusedUnverified)
		}
		if got := r.RefusalFor(handle.ViaMail, verdict, at); got != handle.RefusedUnverified {
			t.Errorf("RefusalFor %s: got %q, want %q", verdict, got, handle.RefusedUnverified)
		}
	}
	if !needs(r, "identify") {
		t.Errorf("only %q is outstanding", keys(r.Outstanding()))
	}
	r = r.VerifyStack(handle.Product{ID: "prod-1"}, "arn:aws:sts::111122223333:assumed-role/R/rob", nil, handle.Content{})
	if _, err := r.VoteBySlack(voter(ann), handle.Approve, "", at); err != nil {
		t.Errorf("after verification: %v", err)
	}
}
