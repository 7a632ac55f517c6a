package handle_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

func TestDecisionNeverChanges(t *testing.T) {
	for state, r := range closedRequests(t, launch()) {
		t.Run(string(state), func(t *testing.T) {
			before := *r.Decision
			late := r.Terms.Deadline.Add(time.Hour)
			want := handle.RefusedDecided
			if state == handle.Expired {
				want = handle.RefusedExpired
			}
			for what, try := range map[string]func() (handle.Request, error){
				"approve":         func() (handle.Request, error) { return r.VoteBySlack(voter(gil, guards), handle.Approve, "", at) },
				"reject":          func() (handle.Request, error) { return r.VoteBySlack(voter(gil, guards), handle.Reject, "no", at) },
				"reject by mail":  func() (handle.Request, error) { return r.VoteByMail("Gil", handle.Reject, "no", at) },
				"reject too late": func() (handle.Request, error) { return r.VoteByMail("Gil", handle.Reject, "no", late) },
			} {
				next, err := try()
				if got := refusalReason(err); got != want {
					t.Errorf("%s: got %q, want %q", what, got, want)
				}
				wantSame(t, what, r, next)
			}
			wantSame(t, "expire", r, r.Expire(late))
			wantSame(t, "withdraw", r, r.Withdraw("again", late))
			for _, status := range []string{"CREATE_COMPLETE", "ROLLBACK_COMPLETE", ""} {
				if next := r.RecordEnd(handle.Ended{Status: status, At: late}); !reflect.DeepEqual(*next.Decision, before) {
					t.Errorf("the stack's end %q: got %+v, want %+v", status, *next.Decision, before)
				}
			}
			if next := r.RecordBypass("the wait was released", late); !reflect.DeepEqual(*next.Decision, before) {
				t.Errorf("bypassed: got %+v, want %+v", *next.Decision, before)
			}
		})
	}
}

func TestExpire(t *testing.T) {
	r := launch()
	wantSame(t, "before the deadline", r, r.Expire(r.Terms.Deadline.Add(-1)))
	next := r.Expire(r.Terms.Deadline)
	want := &handle.Decision{State: handle.Expired, Reason: "no decision was made in time", At: r.Terms.Deadline}
	if diff := cmp.Diff(want, next.Decision); diff != "" {
		t.Errorf("at the deadline (-want +got):\n%s", diff)
	}
	if half := votes(t, r, handle.Approve, at, ann); half.Expire(r.Terms.Deadline).State() != handle.Expired {
		t.Errorf("one approval of two at the deadline: got %s, want %s", half.Expire(r.Terms.Deadline).State(), handle.Expired)
	}
}

func TestWithdraw(t *testing.T) {
	next := launch().Withdraw(strings.Repeat("é", 1000), at)
	if next.State() != handle.Withdrawn || len(next.Decision.Reason) > 2000 {
		t.Errorf("got %s with %d bytes of reason, want %s with at most 2000", next.State(), len(next.Decision.Reason), handle.Withdrawn)
	}
}

func TestApprovedForItsOwnStackOnly(t *testing.T) {
	r := launch()
	if r.ApprovedFor(r.Stack.ID) {
		t.Error("a pending request is ApprovedFor its stack")
	}
	for state, s := range closedRequests(t, r) {
		if got, want := s.ApprovedFor(r.Stack.ID), state == handle.Approved; got != want {
			t.Errorf("%s: ApprovedFor its own stack: got %t, want %t", state, got, want)
		}
		for _, other := range []string{"", r.Stack.ID + "x", r.Stack.Name, strings.ToUpper(r.Stack.ID)} {
			if s.ApprovedFor(other) {
				t.Errorf("%s: ApprovedFor the stack %q", state, other)
			}
		}
	}
	noStack := approved(t, launch(func(r *handle.Request) { r.Stack.ID = "" }), at)
	if noStack.ApprovedFor("") {
		t.Error("a request without a stack is ApprovedFor the empty stack ID")
	}
	if !approved(t, r, at).RecordBypass("tried early", at).ApprovedFor(r.Stack.ID) {
		t.Error("not ApprovedFor its stack after an attempted bypass")
	}
}

func TestRecordBypassKeepsTheFirst(t *testing.T) {
	r := launch().RecordBypass("the wait was released", at)
	if want := (handle.Bypass{At: at, How: "the wait was released"}); r.Bypass == nil || *r.Bypass != want {
		t.Fatalf("got %+v, want %+v", r.Bypass, want)
	}
	wantSame(t, "the second is not kept", r, r.RecordBypass("again", at.Add(time.Hour)))
}
