package handle_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
	"countersign/handle/handletest"
)

// at is when every launch of these tests is received.
var at = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// The people of these tests.
const (
	ann    = "U0ANN"    // named as an approver
	ben    = "U0BEN"    // named too
	gil    = "U0GIL"    // approver by user group alone
	rob    = "U0ROB"    // the requester, also named as an approver
	sam    = "U0SAM"    // a stranger
	guards = "S0GUARDS" // the user group
)

// launch returns a pending request of rob, who is identified in Slack. It needs two
// approvals from ann, ben, rob and the group. The edits are applied last.
func launch(edits ...func(*handle.Request)) handle.Request {
	known := func(r *handle.Request) {
		r.Requester.SlackID, r.Requester.SlackIDs, r.Requester.LookedUp, r.Requester.Proven = rob, []string{rob}, true, true
		r.Terms.Approvers, r.Terms.Approvals = []string{ann, ben, rob, guards}, 2
		r.Terms.Reminders, r.Terms.RemindAt = nil, at.Add(8*time.Hour+13*time.Minute+30*time.Second) // as of an earlier release
	}
	return handletest.Request(1, at, slices.Concat([]func(*handle.Request){known}, edits)...)
}

func approvals(n int) func(*handle.Request) {
	return func(r *handle.Request) { r.Terms.Approvals = n }
}

func unidentified(r *handle.Request) {
	r.Requester.SlackID, r.Requester.SlackIDs, r.Requester.LookedUp, r.Requester.Proven = "", nil, false, false
}

func withoutSlack(r *handle.Request) {
	unidentified(r)
	r.Terms.Channel, r.Terms.Approvers, r.Terms.Approvals = "", nil, 1
}

// voter returns a full member of the home workspace.
func voter(id string, groups ...string) handle.Voter {
	return handle.Voter{Person: handle.Person{Team: "T0HOME", ID: id, Name: id}, Home: true, Groups: groups}
}

// votes casts votes that must be accepted.
func votes(t *testing.T, r handle.Request, verdict handle.Verdict, now time.Time, ids ...string) handle.Request {
	t.Helper()
	for _, id := range ids {
		next, err := r.VoteBySlack(voter(id, guards), verdict, "because", now)
		if err != nil {
			t.Fatalf("%s by %s: %v", verdict, id, err)
		}
		r = next
	}
	return r
}

func approved(t *testing.T, r handle.Request, now time.Time) handle.Request {
	t.Helper()
	return votes(t, r, handle.Approve, now, []string{ann, ben, gil}[:r.Terms.Approvals]...)
}

func rejected(t *testing.T, r handle.Request, now time.Time) handle.Request {
	t.Helper()
	return votes(t, r, handle.Reject, now, ann)
}

// closedRequests returns a request in each final state.
func closedRequests(t *testing.T, r handle.Request) map[handle.State]handle.Request {
	t.Helper()
	return map[handle.State]handle.Request{
		handle.Approved:  approved(t, r, at.Add(time.Hour)),
		handle.Rejected:  rejected(t, r, at.Add(time.Hour)),
		handle.Expired:   r.Expire(r.Terms.Deadline),
		handle.Withdrawn: r.Withdraw("the stack was deleted", at.Add(time.Hour)),
	}
}

// wantSame fails the test if want and got differ.
func wantSame(t testing.TB, what string, want, got handle.Request) {
	t.Helper()
	if diff := handletest.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(want.Rev, got.Rev); diff != "" {
		t.Errorf("%s: only the store changes the revision (-want +got):\n%s", what, diff)
	}
}

// kinds returns the kinds of all events.
func kinds(r handle.Request) []handle.EventKind {
	var list []handle.EventKind
	for _, e := range r.Events {
		list = append(list, e.Kind)
	}
	return list
}
