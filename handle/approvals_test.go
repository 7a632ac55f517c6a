package handle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

func TestApprovalsCountDifferentPeople(t *testing.T) {
	r := launch(approvals(3))
	approve := func(who string, v handle.Voter, missing int) {
		t.Helper()
		next, err := r.VoteBySlack(v, handle.Approve, "", at)
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		if r = next; r.ApprovalsMissing() != missing {
			t.Fatalf("after %s: got %d missing, want %d", who, r.ApprovalsMissing(), missing)
		}
	}
	renamed := voter(ann)
	renamed.Name = "another name"

	approve("ann", voter(ann), 2)
	approve("ann again", voter(ann), 2)
	approve("ann under another name", renamed, 2)
	approve("ann through her group", voter(ann, guards), 2)
	approve("gil", voter(gil, guards), 1)
	approve("gil again", voter(gil, guards), 1)
	if r.State() != handle.Pending {
		t.Fatalf("after two of three: got %s, want %s", r.State(), handle.Pending)
	}
	approve("ben", voter(ben), 0)

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

func TestOneUserInTwoWorkspacesCountsOnce(t *testing.T) {
	r := votes(t, launch(), handle.Approve, at, ann)
	elsewhere := voter(ann)
	elsewhere.Team = "T0AWAY" // as Enterprise Grid may report it at another click
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
	r = votes(t, r, handle.Reject, at.Add(time.Minute), ann) // ann changes her mind
	if r.State() != handle.Rejected || r.Decision.By.ID != ann || r.Decision.Reason != "because" {
		t.Errorf("got %s by %s because of %q, want %s by %s", r.State(), r.Decision.By.ID, r.Decision.Reason, handle.Rejected, ann)
	}
}

func TestRepeatedVoteChangesNothing(t *testing.T) {
	later := at.Add(time.Hour)
	t.Run("by Slack", func(t *testing.T) {
		for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
			r := votes(t, launch(approvals(1)), verdict, at, ann)
			for _, now := range []time.Time{at, later, r.Terms.Deadline, r.Terms.Deadline.Add(time.Hour)} {
				next, err := r.VoteBySlack(voter(ann), verdict, "another reason", now)
				if err != nil {
					t.Errorf("%s again at %s: %v", verdict, now, err)
				}
				wantSame(t, string(verdict)+" again", r, next)
			}
			_, err := r.VoteBySlack(voter(ben), verdict, "because", later)
			if got := refusalReason(err); got != handle.RefusedDecided {
				t.Errorf("%s by another: got %q, want %q", verdict, got, handle.RefusedDecided)
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
		wantSame(t, "again", r, next)
		_, err = r.VoteByMail("Ben", handle.Approve, "", later)
		if got := refusalReason(err); got != handle.RefusedDecided {
			t.Errorf("another name: got %q, want %q", got, handle.RefusedDecided)
		}
		_, err = r.VoteByMail("Ann", handle.Reject, "no", later)
		if got := refusalReason(err); got != handle.RefusedDecided {
			t.Errorf("another verdict: got %q, want %q", got, handle.RefusedDecided)
		}
	})
}

func TestMailCannotApproveWhereSeveralMust(t *testing.T) {
	r := launch(approvals(2))
	next, err := r.VoteByMail("Ann", handle.Approve, "", at)
	if got := refusalReason(err); got != handle.RefusedNotByMail {
		t.Errorf("approve: got %q, want %q", got, handle.RefusedNotByMail)
	}
	wantSame(t, "after a refusal", r, next)
	if next, err = r.VoteByMail("Ann", handle.Reject, "too dear", at); err != nil || next.State() != handle.Rejected {
		t.Errorf("reject: got %s, %v, want %s", next.State(), err, handle.Rejected)
	}
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
		{"equal names", handle.Person{Name: "Ann"}, handle.Person{Name: "Ann"}, false},
		{"both empty", handle.Person{}, handle.Person{}, false},
	} {
		if got := tt.p.Is(tt.q); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
		if got := tt.q.Is(tt.p); got != tt.want {
			t.Errorf("%s, swapped: got %t, want %t", tt.name, got, tt.want)
		}
	}
}
