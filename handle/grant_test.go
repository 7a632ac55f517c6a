package handle_test

import (
	"errors"
	"testing"
	"time"

	"countersign/handle"
)

const grantFor = 72 * time.Hour

func grantable(r *handle.Request) {
	r.Terms.GrantForSeconds = int(grantFor / time.Second)
	r.Content = handle.Content{Product: "prod-1", Version: "pa-1", Template: "t", Parameters: "p", Account: "111122223333", Region: "us-east-1", Principal: "rob"}
}

// expiredLaunch is a launch for one approver that has expired.
func expiredLaunch(edits ...func(*handle.Request)) handle.Request {
	r := launch(append([]func(*handle.Request){approvals(1), grantable}, edits...)...)
	return r.Expire(r.Terms.Deadline)
}

func TestWhichExpiredLaunchesCanBeApprovedLate(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    handle.Request
		want bool
	}{
		{"proven requester, known content", expiredLaunch(), true},
		{"grants disabled", expiredLaunch(func(r *handle.Request) { r.Terms.GrantForSeconds = 0 }), false},
		{"unproven requester", expiredLaunch(func(r *handle.Request) { r.Requester.Proven = false }), false},
		{"content of an earlier release", expiredLaunch(func(r *handle.Request) { r.Content = handle.Content{} }), false},
		{"an update", expiredLaunch(func(r *handle.Request) { r.Update = &handle.Update{} }), false},
		{"mail alone", expiredLaunch(withoutSlack), false},
		{"rejected", rejected(t, launch(grantable), at), false},
		{"withdrawn", launch(grantable).Withdraw("x", at), false},
	} {
		now := tt.r.Decision.At.Add(time.Hour)
		if got := tt.r.AwaitsRelaunchApproval(now); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
		if tt.r.AwaitsRelaunchApproval(now.Add(grantFor)) {
			t.Errorf("%s: still open after its time", tt.name)
		}
	}
}

func TestLateApprovalGivesAGrant(t *testing.T) {
	r := expiredLaunch()
	late := r.Decision.At.Add(20 * time.Hour)
	if _, err := r.VoteBySlack(voter(ann), handle.Reject, "no", late); refusalReason(err) != handle.RefusedExpired {
		t.Errorf("a late rejection: got %v", err)
	}
	if _, err := r.VoteByMail("Ann", handle.Approve, "", late); refusalReason(err) != handle.RefusedExpired {
		t.Errorf("a late approval by mail: got %v", err)
	}
	if _, err := r.VoteBySlack(voter(rob), handle.Approve, "", late); refusalReason(err) != handle.RefusedOwnRequest {
		t.Errorf("the requester's late approval: got %v", err)
	}
	r, err := r.VoteBySlack(voter(ann), handle.Approve, "", late)
	if err != nil {
		t.Fatal(err)
	}
	if r.State() != handle.Expired || !r.GrantUsable(late) || r.GrantKey() != r.Content.Digest() || r.GrantKey() == "" {
		t.Fatalf("got %s, grant %+v, key %q", r.State(), r.Grant, r.GrantKey())
	}
	if r.GrantUsable(late.Add(grantFor)) {
		t.Error("the grant is usable after its time")
	}
	if body, ok := r.SignalBody(); !ok || body.Status != handle.SignalFailure {
		t.Errorf("the expired launch signals %+v", body)
	}
	if r.ApprovedFor(r.Stack.ID) {
		t.Error("a late approval opens the verdict of the expired stack")
	}
	if !needs(r, "tell/granted") || !needs(r, "lapse") {
		t.Errorf("outstanding: %q", keys(r.Outstanding()))
	}
}

func TestLateApprovalNeedsAllApprovers(t *testing.T) {
	r := votes(t, launch(approvals(2), grantable), handle.Approve, at, ann).Expire(launch().Terms.Deadline)
	late := r.Decision.At.Add(time.Hour)
	r, err := r.VoteBySlack(voter(ann), handle.Approve, "", late)
	if err != nil || r.GrantUsable(late) {
		t.Fatalf("the same approver again: %v, grant %+v", err, r.Grant)
	}
	if r, err = r.VoteBySlack(voter(ben), handle.Approve, "", late); err != nil || !r.GrantUsable(late) {
		t.Errorf("a second approver: %v, grant %+v", err, r.Grant)
	}
}

func TestGrantIsUsedOnce(t *testing.T) {
	given := expiredLaunch()
	late := given.Decision.At.Add(time.Hour)
	given, err := given.VoteBySlack(voter(ann), handle.Approve, "", late)
	if err != nil {
		t.Fatal(err)
	}
	relaunch := launch(approvals(1), grantable, func(r *handle.Request) { r.ID, r.GrantFrom = "other", given.ID })
	if got := relaunch.ApproveByGrant(given, late); got.Decision != nil {
		t.Error("approved by a grant that it has not taken")
	}
	used, ok := given.UseGrant(relaunch.ID, late)
	if !ok || used.GrantKey() != "" {
		t.Fatalf("used %t, key %q", ok, used.GrantKey())
	}
	if _, again := used.UseGrant(relaunch.ID, late); !again {
		t.Error("using it again for the same request must be harmless")
	}
	if _, twice := used.UseGrant("third", late); twice {
		t.Error("the grant was used twice")
	}
	got := relaunch.ApproveByGrant(used, late)
	if got.State() != handle.Approved || got.Decision.Via != handle.ViaGrant || !got.ApprovedFor(relaunch.Stack.ID) || len(got.ApprovedBy()) != 1 {
		t.Errorf("got %s, decision %+v, approved by %+v", got.State(), got.Decision, got.ApprovedBy())
	}
	for name, edit := range map[string]func(*handle.Request){
		"other content":        func(r *handle.Request) { r.Content.Template = "another" },
		"another requester":    func(r *handle.Request) { r.Content.Principal = "ann" },
		"more approvers":       func(r *handle.Request) { r.Terms.Approvals = 2 },
		"content unknown":      func(r *handle.Request) { r.Content = handle.Content{} },
		"other approvers":      func(r *handle.Request) { r.Terms.Approvers = []string{ben} },
		"another gate":         func(r *handle.Request) { r.Stack.Gate = "Second" },
		"another account":      func(r *handle.Request) { r.Content.Account = "444455556666" },
		"an ID that is not it": func(r *handle.Request) { r.ID = "third" },
	} {
		r := relaunch.Clone()
		edit(&r)
		if got := r.ApproveByGrant(used, late); got.Decision != nil {
			t.Errorf("%s: approved by the grant", name)
		}
	}
}

func TestRevokedAndLapsedGrants(t *testing.T) {
	given := expiredLaunch()
	late := given.Decision.At.Add(time.Hour)
	given, err := given.VoteBySlack(voter(ann), handle.Approve, "", late)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := given.RevokeGrant(voter(sam), late); refusalReason(err) != handle.RefusedNotApprover {
		t.Errorf("revoked by a person who is not an approver: %v", err)
	}
	revoked, err := given.RevokeGrant(voter(ben), late)
	if err != nil || revoked.GrantUsable(late) || revoked.GrantKey() != "" {
		t.Errorf("revoked: %v, %+v", err, revoked.Grant)
	}
	if _, err := revoked.RevokeGrant(voter(ben), late); !errors.Is(err, handle.ErrNoGrant) {
		t.Errorf("revoked again: %v", err)
	}
	if same := given.LapseGrant(given.Grant.Until.Add(-1)); same.Grant.Lapsed {
		t.Error("lapsed before its time")
	}
	lapsed := given.LapseGrant(given.Grant.Until)
	if !lapsed.Grant.Lapsed || lapsed.GrantKey() != "" || needs(lapsed, "lapse") {
		t.Errorf("lapsed: %+v", lapsed.Grant)
	}
}
