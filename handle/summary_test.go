package handle_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

func TestSummaryOfOpenRequests(t *testing.T) {
	withGrant := func(r *handle.Request) {
		r.Terms.GrantForSeconds = 3600
		r.Content = handle.Content{Template: "x"}
	}
	r := launch(withGrant)
	expired := r.Expire(r.Terms.Deadline)
	granted := approved(t, expired, r.Terms.Deadline.Add(time.Minute))
	for name, tt := range map[string]struct {
		r     handle.Request
		kind  handle.OpenKind // empty if it is not open
		until time.Time
	}{
		"pending":                {r, handle.OpenPending, r.Terms.Deadline},
		"approved":               {approved(t, r, at), "", time.Time{}},
		"expired":                {expired, handle.OpenExpired, r.Terms.Deadline.Add(time.Hour)},
		"granted":                {granted, handle.OpenGranted, granted.Grant.Until},
		"lapsed":                 {granted.LapseGrant(granted.Grant.Until), "", time.Time{}},
		"expired for good":       {launch().Expire(r.Terms.Deadline), "", time.Time{}},
		"withdrawn":              {r.Withdraw("x", at), "", time.Time{}},
		"lapsed before approval": {expired.LapseGrant(expired.Grant.Until), "", time.Time{}},
	} {
		s, ok := tt.r.Summary()
		if ok != (tt.kind != "") || s.Kind != tt.kind || !s.Deadline.Equal(tt.until) {
			t.Errorf("%s: got %s until %s, open: %t, want %s until %s", name, s.Kind, s.Deadline, ok, tt.kind, tt.until)
		}
	}
}

// A list shows as waiting for someone what they may approve at the click.
func TestSummaryWaitsForThoseWhoMayApprove(t *testing.T) {
	r := votes(t, launch(), handle.Approve, at, ann)
	for name, r := range map[string]handle.Request{
		"pending":       r,
		"self-approval": votes(t, launch(func(r *handle.Request) { r.Terms.SelfApproval = true }), handle.Approve, at, ann),
	} {
		s, _ := r.Summary()
		for _, who := range people {
			if !who.voter.Home || who.voter.Guest || who.voter.Bot { // which lists are not shown to
				continue
			}
			want := r.Authorize(who.voter) == nil && who.voter.ID != ann
			if got := s.WaitsFor(who.voter, at); got != want {
				t.Errorf("%s: waits for %s: got %t, want %t", name, who.voter.ID, got, want)
			}
			if got, want := s.RequestedBy(who.voter.Person), r.AuthorizeRequester(who.voter) == nil; got != want {
				t.Errorf("%s: requested by %s: got %t, want %t", name, who.voter.ID, got, want)
			}
		}
		if s.WaitsFor(voter(ben), r.Terms.Deadline) {
			t.Errorf("%s: waits for ben at the deadline", name)
		}
	}
}

func TestCursorsAreRead(t *testing.T) {
	s, _ := launch().Summary()
	deadline, id, err := handle.ParseCursor(s.Cursor())
	if err != nil || !deadline.Equal(s.Deadline) || id != s.ID {
		t.Errorf("got %s, %s and error %v", deadline, id, err)
	}
}

// A page of the list is one query of DynamoDB, which returns 1 MB at most. See
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
func TestHundredSummariesFitInOneQuery(t *testing.T) {
	r := launch(func(r *handle.Request) {
		long := strings.Repeat("\u2028", 500)
		r.Product = handle.Product{Name: long, ProductName: long, ID: strings.Repeat("x", 100), Provisioned: strings.Repeat("x", 128)}
		r.Stack.AccountName, r.Requester.Email = long, long
		r.Terms.Approvers = nil
		for i := range 50 {
			r.Terms.Approvers = append(r.Terms.Approvers, fmt.Sprintf("S0%09d", i))
		}
		for i := range 20 {
			r.Votes = append(r.Votes, handle.Vote{Verdict: handle.Approve, By: handle.Person{ID: fmt.Sprintf("U0%09d", i), Aliases: []string{fmt.Sprintf("W0%09d", i)}}})
		}
	})
	s, _ := r.Summary()
	b, err := json.Marshal(s)
	if err != nil || len(b) > 9_000 {
		t.Errorf("the largest summary has %d bytes, error %v", len(b), err)
	}
}
