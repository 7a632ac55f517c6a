package handle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// lifeTerms lets a request be escalated after two hours, and reassigned.
func lifeTerms(r *handle.Request) {
	r.Terms.EscalateAt, r.Terms.EscalateTo = at.Add(2*time.Hour), []string{"U0EVE", "S0SECOND"}
	r.Terms.ReassignTo = []string{"U0EVE", "U0FAY", rob, "S0SECOND"}
}

func TestWhoMayAsk(t *testing.T) {
	pending := launch()
	for name, tt := range map[string]struct {
		r    handle.Request
		v    handle.Voter
		text string
		want handle.RefusalReason
	}{
		"an approver":                     {pending, voter(ann), "Why?", ""},
		"a member of an approvers' group": {pending, voter(gil, guards), "Why?", ""},
		"a stranger":                      {pending, voter(sam), "Why?", handle.RefusedNotApprover},
		"the requester":                   {pending, voter(rob), "Why?", handle.RefusedOwnRequest},
		"of another workspace":            {pending, handle.Voter{Person: handle.Person{ID: ann}}, "Why?", handle.RefusedOtherWorkspace},
		"nothing":                         {pending, voter(ann), " \n", handle.RefusedNoText},
		"blanks":                          {pending, voter(ann), "\u200b\u2060\u3164\u2800\u00ad\u115f", handle.RefusedNoText},
		"of an unknown requester":         {launch(unidentified), voter(ann), "Why?", handle.RefusedUnverified},
		"of a requester without Slack":    {launch(unidentified).IdentifyRequester("", nil, false), voter(ann), "Why?", handle.RefusedNoRequester},
		"of a claimed requester": {launch(unidentified, func(r *handle.Request) { r.Requester.Principal = "arn:aws:iam::111122223333:user/x" }).
			IdentifyRequester(rob, []string{rob}, false), voter(ann), "Why?", handle.RefusedNoRequester},
		"after the decision": {approved(t, pending, at.Add(time.Minute)), voter(ann), "Why?", handle.RefusedDecided},
		"after expiry":       {pending.Expire(pending.Terms.Deadline), voter(ann), "Why?", handle.RefusedExpired},
	} {
		next, q, err := tt.r.Ask(tt.v, tt.text, at.Add(time.Hour))
		if got := refusalReason(err); got != tt.want {
			t.Errorf("%s: refused with %q, want %q", name, got, tt.want)
		}
		if tt.want != "" {
			wantSame(t, name, tt.r, next)
		} else if want := (handle.Question{ID: "q1", By: tt.v.Person, At: at.Add(time.Hour), Text: tt.text}); cmp.Diff(want, q) != "" || next.State() != handle.Pending {
			t.Errorf("%s: got %+v, %s, want %+v", name, q, next.State(), want)
		}
	}
}

func TestQuestionIsAnsweredOnce(t *testing.T) {
	r := mustAsk(t, postAndNotify(launch()), ann, "Why?", at.Add(time.Hour))
	if !needs(r, "tell/question-q1") || !needs(r, "refresh/C0APPROVALS/1.000001") {
		t.Errorf("the question is not told: %q", keys(r.Outstanding()))
	}
	answer := func(v handle.Voter, id, text string) handle.RefusalReason {
		next, err := r.AnswerQuestion(id, v, text, at.Add(2*time.Hour))
		if err == nil {
			r = next
		}
		return refusalReason(err)
	}
	for _, tt := range []struct {
		v        handle.Voter
		id, text string
		want     handle.RefusalReason
	}{
		{voter(ann), "q1", "no", handle.RefusedNotRequester},
		{voter(sam), "q1", "no", handle.RefusedNotRequester},
		{voter(rob), "q2", "no", handle.RefusedNoQuestion},
		{voter(rob), "q1", "\u200b", handle.RefusedNoText},
		{handle.Voter{Person: handle.Person{ID: "W0ROB", Aliases: []string{rob}}, Home: true}, "q1", "For <the> report", ""},
		{voter(rob), "q1", "For <the> report", ""}, // delivered twice
		{voter(rob), "q1", "something else", handle.RefusedAnswered},
	} {
		if got := answer(tt.v, tt.id, tt.text); got != tt.want {
			t.Errorf("%s answers %s with %q: refused with %q, want %q", tt.v.ID, tt.id, tt.text, got, tt.want)
		}
	}
	if q := r.Questions[0]; q.Answer == nil || q.Answer.Text != "For <the> report" || !needs(r, "tell/answer-q1") {
		t.Errorf("got %+v and %q, want the answer, told", q.Answer, keys(r.Outstanding()))
	}
	want := []handle.EventKind{handle.EventCreated, handle.EventAsked, handle.EventQuestion, handle.EventAnswer}
	if diff := cmp.Diff(want, kinds(r)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	r = mustAsk(t, r, ben, "Since when?", at.Add(3*time.Hour))
	r = approved(t, r, at.Add(4*time.Hour))
	if got := answer(voter(rob), "q2", "now"); got != handle.RefusedDecided {
		t.Errorf("an answer after the decision: refused with %q, want %q", got, handle.RefusedDecided)
	}
	if needs(r, "tell/question-q2") || needs(r, "tell/answer-q1") {
		t.Errorf("told after the decision: %q", keys(r.Outstanding()))
	}
}

// Slack can deliver a form again after it was answered, or after the decision. The same
// words at another time are another question.
func TestRedeliveredQuestionIsRecordedOnce(t *testing.T) {
	r := mustAsk(t, postAndNotify(launch()), ann, "Why?", at)
	r, err := r.AnswerQuestion("q1", voter(rob), "Because", at.Add(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "a question delivered again", r, mustAsk(t, r, ann, "Why?", at.Add(20*time.Second)))
	if next := mustAsk(t, r, ben, "Why?", at.Add(20*time.Second)); len(next.Questions) != 2 {
		t.Errorf("the same question of another approver: %+v", next.Questions)
	}
	if next := mustAsk(t, r, ann, "Why?", at.Add(2*time.Minute)); len(next.Questions) != 2 {
		t.Errorf("the same question at another time: %+v", next.Questions)
	}
	r = approved(t, r, at.Add(10*time.Second))
	wantSame(t, "a question delivered again after the decision", r, mustAsk(t, r, ann, "Why?", at.Add(20*time.Second)))
	again, err := r.AnswerQuestion("q1", voter(rob), "Because", at.Add(20*time.Second))
	if err != nil {
		t.Errorf("an answer delivered again after the decision: %v", err)
	}
	wantSame(t, "an answer delivered again after the decision", r, again)
}

func TestQuestionsAreLimited(t *testing.T) {
	r := launch()
	for n := range 20 {
		r = mustAsk(t, r, ann, strings.Repeat("long ", 10_000)+string(rune('a'+n)), at.Add(time.Duration(n)))
		r.Questions[n].Text = string(rune('a' + n)) // the cut texts are alike
	}
	if _, _, err := r.Ask(voter(ann), "one more", at); refusalReason(err) != handle.RefusedTooMany {
		t.Errorf("got error %v, want %q", err, handle.RefusedTooMany)
	}
	next := mustAsk(t, launch(), ann, strings.Repeat("long ", 10_000), at)
	if n := len(next.Questions[0].Text); n > 2000 {
		t.Errorf("%d bytes of a question were kept", n)
	}
}

func mustAsk(t *testing.T, r handle.Request, id, text string, now time.Time) handle.Request {
	t.Helper()
	next, _, err := r.Ask(voter(id), text, now)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestReviewEndsByItself(t *testing.T) {
	review := func(r handle.Request, id string, now time.Time) handle.Request {
		t.Helper()
		next, err := r.StartReview(voter(id, guards), now)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	r := postAndNotify(launch())
	shown := r.ViewHash()
	r = review(review(r, ann, at), gil, at.Add(10*time.Minute))
	if len(r.Reviews) != 2 || r.ViewHash() == shown {
		t.Fatalf("got %+v, want two reviews that are shown", r.Reviews)
	}
	r = review(r, ann, at.Add(20*time.Minute)) // goes on
	run := &runner{r: r, now: at.Add(20 * time.Minute)}
	run.runDue(t)
	run.takeDone()
	run.runUntil(t, at.Add(40*time.Minute))
	if diff := cmp.Diff([]string{"reviews", "refresh/C0APPROVALS/1.000001"}, run.takeDone()); diff != "" {
		t.Errorf("when gil's review ends (-want +got):\n%s", diff)
	}
	if len(run.r.Reviews) != 1 || run.r.Reviews[0].By.ID != ann {
		t.Errorf("left is %+v, want ann's", run.r.Reviews)
	}
	run.runUntil(t, at.Add(50*time.Minute))
	if len(run.r.Reviews) != 0 || run.r.ViewHash() != shown {
		t.Errorf("in the end: %+v, shown %q, want %q", run.r.Reviews, run.r.ViewHash(), shown)
	}

	if _, err := r.StopReview(voter(ben), at.Add(25*time.Minute)); refusalReason(err) != handle.RefusedNotReviewing {
		t.Errorf("ben stops what he did not begin: got error %v", err)
	}
	stopped, err := r.StopReview(voter(ann), at.Add(25*time.Minute))
	if err != nil || len(stopped.Reviews) != 1 || stopped.Reviews[0].By.ID != gil {
		t.Errorf("ann stops: got %+v and error %v", stopped.Reviews, err)
	}
	if done := votes(t, stopped, handle.Reject, at.Add(26*time.Minute), ben); len(done.Reviews) != 0 {
		t.Errorf("after the decision: %+v", done.Reviews)
	}
	if _, err := r.StartReview(voter(sam), at); refusalReason(err) != handle.RefusedNotApprover {
		t.Errorf("a stranger reviews: got error %v", err)
	}
	if late := review(launch(), ann, r.Terms.Deadline.Add(-time.Minute)); !late.Reviews[0].Until.Equal(r.Terms.Deadline) {
		t.Errorf("a review lasts until %s, after the deadline", late.Reviews[0].Until)
	}
}

func TestWithdrawalByRequester(t *testing.T) {
	r := postAndNotify(launch())
	for name, v := range map[string]handle.Voter{"an approver": voter(ann), "a stranger": voter(sam)} {
		if _, err := r.WithdrawByRequester(v, "x", at); refusalReason(err) != handle.RefusedNotRequester {
			t.Errorf("by %s: got error %v", name, err)
		}
	}
	next, err := r.WithdrawByRequester(voter(rob), "Wrong account", at.Add(time.Hour))
	if err != nil || next.State() != handle.Withdrawn || !next.WithdrawnByRequester() {
		t.Fatalf("got %s and error %v, want it withdrawn", next.State(), err)
	}
	body, _ := next.SignalBody()
	if body.Status != handle.SignalFailure || body.Reason != "Withdrawn by "+rob+": Wrong account" {
		t.Errorf("signals %+v", body)
	}
	if again, err := next.WithdrawByRequester(voter(rob), "Wrong account", at.Add(2*time.Hour)); err != nil {
		t.Errorf("delivered twice: %v", err)
	} else {
		wantSame(t, "delivered twice", next, again)
	}
	// Its stack is waiting, so a signal that cannot be delivered is a fault.
	if lost := next.MarkSignalled("403", at.Add(time.Hour)); lost.Signal.Undeliverable == "" {
		t.Error("an undeliverable signal is not on record")
	}
	if _, err := approved(t, r, at).WithdrawByRequester(voter(rob), "", at.Add(time.Hour)); refusalReason(err) != handle.RefusedDecided {
		t.Errorf("after the decision: got error %v", err)
	}
	if next, err := r.WithdrawByRequester(voter(rob), "\u200b", at); err != nil || next.Decision.Reason == "\u200b" || next.Decision.Reason == "" {
		t.Errorf("without a reason: got %+v and error %v", next.Decision, err)
	}

	update := launch(func(r *handle.Request) {
		r.Stack.Updating, r.Requester.Principal, r.Requester.Proven = true, "", false
		r.Update = &handle.Update{RequestID: "1", PhysicalID: "old"}
	})
	update, err = update.WithdrawByRequester(voter(rob), "not now", at)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := update.StackSignal()
	if got, ok := answer.(handle.Response); !ok || got.Status != "FAILED" || got.PhysicalResourceID != "old" || !strings.Contains(got.Reason, "not now") {
		t.Errorf("an update is answered with %+v", answer)
	}
}

func TestRequesterEndsGrant(t *testing.T) {
	r := launch(func(r *handle.Request) {
		r.Terms.GrantForSeconds = 3600
		r.Content = handle.Content{Template: "x"}
	})
	awaiting := r.Expire(r.Terms.Deadline)
	now := r.Terms.Deadline.Add(time.Minute)
	given := approved(t, awaiting, now)
	for name, r := range map[string]handle.Request{"awaited": awaiting, "given": given} {
		next, err := r.WithdrawByRequester(voter(rob), "", now)
		if err != nil || next.AwaitsRelaunchApproval(now) || next.GrantUsable(now) || next.Grant.RevokedBy.ID != rob {
			t.Errorf("%s: got %+v and error %v, want it ended", name, next.Grant, err)
		}
		if _, err := next.WithdrawByRequester(voter(rob), "", now); err != nil {
			t.Errorf("%s: delivered twice: %v", name, err)
		}
	}
}

func TestNudgeAtMostOnceInFourHours(t *testing.T) {
	r := postAndNotify(launch())
	first := at.Add(30 * time.Minute)
	if _, err := r.Nudge(voter(ann), first); refusalReason(err) != handle.RefusedNotRequester {
		t.Errorf("by an approver: got error %v", err)
	}
	r, err := r.Nudge(voter(rob), first)
	if err != nil || !needs(r, "tell/nudge-0") {
		t.Fatalf("got error %v and %q", err, keys(r.Outstanding()))
	}
	var refused *handle.Refusal
	_, err = r.Nudge(voter(rob), first.Add(4*time.Hour-1))
	if !errors.As(err, &refused) || refused.Reason != handle.RefusedTooSoon || !refused.RetryAt.Equal(first.Add(4*time.Hour)) {
		t.Errorf("too soon: got %+v", err)
	}
	r, err = r.Nudge(voter(rob), first.Add(4*time.Hour))
	if err != nil || len(r.Nudges) != 2 || !needs(r, "tell/nudge-1") {
		t.Errorf("four hours later: got %d and error %v", len(r.Nudges), err)
	}
	for _, n := range r.Notifications() {
		if _, direct := r.PendingDeliveries(n); n.Kind() == handle.NotifyNudge && direct {
			t.Error("the requester is told of their own nudge")
		}
	}
	if needs(approved(t, r, first.Add(5*time.Hour)), "tell/nudge-1") {
		t.Error("approvers are nudged after the decision")
	}
}

func TestReassignReplacesThoseWhoHaveNotVoted(t *testing.T) {
	r := votes(t, postAndNotify(launch(lifeTerms)), handle.Approve, at.Add(time.Hour), gil)
	now := at.Add(time.Hour)
	for name, tt := range map[string]struct {
		v    handle.Voter
		to   []string
		want handle.RefusalReason
	}{
		"by a stranger":           {voter(sam), []string{"U0EVE"}, handle.RefusedNotApprover},
		"by the requester":        {voter(rob), []string{"U0EVE"}, handle.RefusedOwnRequest},
		"to no one":               {voter(ann), nil, handle.RefusedNotReassigned},
		"to people not on a list": {voter(ann), []string{"U0EVE", sam}, handle.RefusedNotReassigned},
		"to the requester":        {voter(ann), []string{"U0EVE", rob}, handle.RefusedNotReassigned},
	} {
		next, err := r.Reassign(tt.v, tt.to, now)
		if got := refusalReason(err); got != tt.want {
			t.Errorf("%s: refused with %q, want %q", name, got, tt.want)
		}
		wantSame(t, name, r, next)
	}
	if _, err := launch(lifeTerms).Reassign(voter(ann), []string{"U0EVE"}, now); refusalReason(err) != handle.RefusedTooFew {
		t.Errorf("to one, where two are needed: got error %v", err)
	}

	next, err := r.Reassign(voter(ann), []string{"U0EVE"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"U0EVE", gil}, next.Terms.Approvers); diff != "" {
		t.Errorf("approvers (-want +got):\n%s", diff)
	}
	if next.ApprovalsNeeded() != 2 || next.ApprovalsMissing() != 1 || !needs(next, "tell/reassigned-0") {
		t.Errorf("needs %d, %d missing, due %q", next.ApprovalsNeeded(), next.ApprovalsMissing(), keys(next.Outstanding()))
	}
	if err := next.Authorize(voter(ann)); refusalReason(err) != handle.RefusedNotApprover {
		t.Errorf("ann, who was replaced: got error %v", err)
	}
	if rejected := votes(t, next, handle.Reject, now, gil); rejected.State() != handle.Rejected {
		t.Errorf("gil, who had approved, rejects: %s", rejected.State())
	}
	if done := votes(t, next, handle.Approve, now, "U0EVE"); done.State() != handle.Approved {
		t.Errorf("after both approved: %s", done.State())
	}
	if diff := cmp.Diff([]string{ann, ben, rob, guards}, next.AskedAtFirst()); diff != "" {
		t.Errorf("asked at first (-want +got):\n%s", diff)
	}
}

// A form that Slack delivers again, or that is submitted again later, changes nothing
// while its choice stands.
func TestRepeatedReassignmentChangesNothing(t *testing.T) {
	r, to := launch(lifeTerms, approvals(1)), []string{"U0EVE", "U0FAY"}
	r, err := r.Reassign(voter(ann), to, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, time.Second, time.Hour} {
		next, err := r.Reassign(voter(ann), to, at.Add(later))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, later.String(), r, next)
	}
	if _, err := r.Reassign(voter(ben), to, at.Add(time.Second)); refusalReason(err) != handle.RefusedNotApprover {
		t.Errorf("by another: got error %v", err)
	}
	if diff := cmp.Diff([]string{"U0EVE", "U0FAY", "S0SECOND"}, r.ReassignOptions()); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func TestEscalationAddsApprovers(t *testing.T) {
	run := newRunner(launch(lifeTerms, approvals(1)))
	run.runUntil(t, at.Add(2*time.Hour-1))
	if len(run.r.Terms.Approvers) != 4 {
		t.Fatalf("escalated before its time: %v", run.r.Terms.Approvers)
	}
	run.takeDone()
	run.runUntil(t, at.Add(2*time.Hour))
	if diff := cmp.Diff([]string{"escalate", "refresh/C0APPROVALS/20261123090000.000000000", "refresh/D0ROB/20261123090000.000000000", "tell/escalated"}, run.takeDone()); diff != "" {
		t.Errorf("two hours after the launch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{ann, ben, rob, guards, "U0EVE", "S0SECOND"}, run.r.Terms.Approvers); diff != "" {
		t.Errorf("approvers (-want +got):\n%s", diff)
	}
	for _, id := range []string{ann, "U0EVE"} {
		if r := votes(t, run.r, handle.Approve, run.now, id); r.State() != handle.Approved {
			t.Errorf("approved by %s: %s", id, r.State())
		}
	}
	if r := approved(t, launch(lifeTerms, approvals(1)), at); r.Escalate(at.Add(3*time.Hour)).EscalatedAt != (time.Time{}) {
		t.Error("escalated after the decision")
	}
}

// A release that does not know the fields of this one drops them when it writes a
// request. What was decided and who may decide must stay.
func TestOlderReleaseKeepsWhoMayDecide(t *testing.T) {
	r := mustAsk(t, votes(t, launch(lifeTerms), handle.Approve, at, gil), ann, "Why?", at)
	r, err := r.Reassign(voter(ann), []string{"U0EVE"}, at)
	if err != nil {
		t.Fatal(err)
	}
	old := r
	old.Questions, old.Reviews, old.Nudges, old.Reassignments, old.FirstApprovers, old.Groups = nil, nil, nil, nil, nil, nil
	old.EscalatedAt, old.Terms.Reminders, old.Terms.EscalateAt, old.Terms.EscalateTo, old.Terms.ReassignTo = time.Time{}, nil, time.Time{}, nil, nil
	if !slices.Equal(old.Terms.Approvers, r.Terms.Approvers) || len(old.ApprovedBy()) != 1 || old.ApprovalsMissing() != 1 {
		t.Errorf("approvers %v, approved by %v", old.Terms.Approvers, old.ApprovedBy())
	}
	if refusalReason(old.Authorize(voter(ann))) != handle.RefusedNotApprover || old.Authorize(voter("U0EVE")) != nil {
		t.Error("the reassignment is undone")
	}
}

func TestWaitingForThoseWhoHaveNotActed(t *testing.T) {
	ids := func(r handle.Request) []string {
		var list []string
		for _, a := range r.WaitingFor() {
			list = append(list, a.ID)
		}
		return list
	}
	r := launch()
	if diff := cmp.Diff([]string{ann, ben, guards}, ids(r)); diff != "" {
		t.Errorf("at launch (-want +got):\n%s", diff)
	}
	r = r.RecordGroups(map[string]handle.Group{
		guards: {Name: "Guards <1>\n", Size: 4, Members: []string{gil, ann, "U0HAL", rob}},
		"bad":  {Name: "no group"},
	})
	if g := r.Groups[guards]; g.Name != "Guards <1>" || len(r.Groups) != 1 {
		t.Errorf("groups: %+v", r.Groups)
	}
	r = votes(t, r, handle.Approve, at, ann)
	if diff := cmp.Diff([]string{ben, gil, "U0HAL"}, ids(r)); diff != "" {
		t.Errorf("after ann approved (-want +got):\n%s", diff)
	}
	r = r.RecordGroups(map[string]handle.Group{guards: {Name: "Guards", Size: 200, Members: make([]string, 200)}})
	if got := r.WaitingFor(); len(got) != 2 || got[1].Group.Size != 200 || got[1].Group.Name != "Guards" || got[1].Group.Members != nil {
		t.Errorf("a large group: %+v", got)
	}
	for state, r := range closedRequests(t, launch()) {
		if got := r.WaitingFor(); got != nil {
			t.Errorf("%s: waits for %v", state, got)
		}
	}
}
