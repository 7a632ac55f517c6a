package handle_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign/handle"
)

// The test drives one request through random changes on a moving clock and checks
// the laws after each.
func TestRandomChangesKeepTheLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"":                      m.check,
			"advance clock":         m.advanceClock,
			"vote in Slack":         m.voteInSlack,
			"vote by mail":          m.voteByMail,
			"take step":             m.takeStep,
			"repeat mark":           m.repeatMark,
			"lease":                 m.useLease,
			"look up":               m.lookUp,
			"click unknown message": m.clickUnknownMessage,
			"refuse":                m.recordRefusal,
			"stack":                 m.observeStack,
			"close without vote":    m.closeWithoutVote,
			"run all steps":         m.runAllSteps,
			"encode and decode":     m.encodeAndDecode,
			"ask":                   m.ask,
			"answer":                m.answer,
			"review":                m.review,
			"nudge":                 m.nudge,
			"withdraw":              m.withdraw,
			"reassign":              m.reassign,
		})
		m.checkSnapshots(t)
	})
}

// checkChange checks the laws about a change from one value to the next.
func checkChange(t *rapid.T, what string, old, next handle.Request) {
	fail := func(law string, args ...any) { t.Fatalf("%s: %s", what, fmt.Sprintf(law, args...)) }
	if old.Decision != nil && (next.Decision == nil || !reflect.DeepEqual(*next.Decision, *old.Decision)) {
		fail("the decision was changed from %+v to %+v", old.Decision, next.Decision)
	}
	if len(next.Votes) < len(old.Votes) || len(old.Votes) > 0 && !reflect.DeepEqual(next.Votes[:len(old.Votes)], old.Votes) {
		fail("votes were changed from %v to %v", old.Votes, next.Votes)
	}
	if old.Signal != nil && old.Signal.Undeliverable == "" && *next.Signal != *old.Signal {
		fail("an accepted signal was changed to %+v", next.Signal)
	}
	if old.Bypass != nil && *next.Bypass != *old.Bypass || old.Ended != nil && !reflect.DeepEqual(next.Ended, old.Ended) {
		fail("the bypass or the end was changed")
	}
	for key, delivery := range old.Delivered {
		if next.Delivered[key] != delivery {
			fail("delivery %s was changed from %+v to %+v", key, delivery, next.Delivered[key])
		}
	}
	if len(next.Events) < len(old.Events) {
		fail("events were removed: %v", next.Events)
	}
	for i, was := range old.Events {
		is := next.Events[i]
		if is.Kind != was.Kind || is.Text != was.Text || !reflect.DeepEqual(is.By, was.By) || is.Count < was.Count {
			fail("event %d was changed from %+v to %+v", i, was, is)
		}
	}
	if next.Rev != old.Rev || next.ID != old.ID || !next.CreatedAt.Equal(old.CreatedAt) || next.WaitURL.Expose() != old.WaitURL.Expose() ||
		next.Stack.ID != old.Stack.ID {
		fail("a field that never changes was changed")
	}
	checkTerms(fail, old, next)
	checkActions(fail, old, next)
}

// checkTerms checks that nothing but a reassignment or an escalation of a pending
// request changes the terms, and only the approvers.
func checkTerms(fail func(string, ...any), old, next handle.Request) {
	terms := next.Terms
	terms.Approvers = old.Terms.Approvers
	if !reflect.DeepEqual(terms, old.Terms) {
		fail("the terms were changed from %+v to %+v", old.Terms, next.Terms)
	}
	if next.ApprovalsNeeded() < old.ApprovalsNeeded() && next.Requester.LookedUp == old.Requester.LookedUp {
		fail("fewer approvals are needed: %d, not %d", next.ApprovalsNeeded(), old.ApprovalsNeeded())
	}
	if !slices.Equal(next.AskedAtFirst(), old.AskedAtFirst()) {
		fail("who was asked at first was changed from %v to %v", old.AskedAtFirst(), next.AskedAtFirst())
	}
	if slices.Equal(next.Terms.Approvers, old.Terms.Approvers) {
		return
	}
	allowed := slices.Concat(old.Terms.Approvers, old.Terms.EscalateTo)
	switch {
	case old.Decision != nil:
		fail("the approvers were changed after the decision")
	case len(next.Reassignments) == len(old.Reassignments)+1:
		allowed = slices.Concat(old.Terms.ReassignTo)
		for _, v := range old.Votes {
			allowed = append(allowed, v.By.ID)
		}
	case !old.EscalatedAt.IsZero() || next.EscalatedAt.IsZero():
		fail("the approvers were changed without a reassignment or an escalation")
	}
	for _, id := range next.Terms.Approvers {
		if !slices.Contains(allowed, id) {
			fail("%s became an approver, who is not among %v", id, allowed)
		}
	}
}

// checkActions checks that what people said and did stays on record.
func checkActions(fail func(string, ...any), old, next handle.Request) {
	changed := len(next.Questions) < len(old.Questions) || len(next.Nudges) < len(old.Nudges) || len(next.Reassignments) < len(old.Reassignments)
	for i := 0; !changed && i < len(old.Questions); i++ {
		was, is := old.Questions[i], next.Questions[i]
		if was.Answer == nil {
			is.Answer = nil
		}
		changed = !reflect.DeepEqual(was, is)
	}
	changed = changed || len(old.Nudges) > 0 && !reflect.DeepEqual(next.Nudges[:len(old.Nudges)], old.Nudges) ||
		len(old.Reassignments) > 0 && !reflect.DeepEqual(next.Reassignments[:len(old.Reassignments)], old.Reassignments)
	if changed {
		fail("what people did was changed from %+v %+v %+v to %+v %+v %+v", old.Questions, old.Nudges, old.Reassignments, next.Questions, next.Nudges, next.Reassignments)
	}
	if old.Decision != nil && (len(next.Questions) > len(old.Questions) || len(next.Nudges) > len(old.Nudges) || next.EscalatedAt != old.EscalatedAt || len(next.Reviews) > 0) {
		fail("something was done after the decision")
	}
	for i := 1; i < len(next.Nudges); i++ {
		if d := next.Nudges[i].At.Sub(next.Nudges[i-1].At); d < handle.NudgeInterval {
			fail("nudged twice in %s", d)
		}
	}
	if !old.EscalatedAt.IsZero() && !next.EscalatedAt.Equal(old.EscalatedAt) {
		fail("escalated twice")
	}
}

// check checks the laws about one value.
func (m *model) check(t *rapid.T) {
	m.checkDecision(t)
	m.checkSignal(t)
	m.checkSteps(t)
}

// checkSnapshots checks that no change altered an earlier value.
func (m *model) checkSnapshots(t *rapid.T) {
	for i, old := range m.snapshots {
		if got := encode(t, old.r); got != old.encoded {
			t.Fatalf("value %d was altered by a later change (-then +now):\n%s", i, cmp.Diff(old.encoded, got))
		}
	}
}

func (m *model) checkDecision(t *rapid.T) {
	r, d := m.r, m.r.Decision
	counted := map[string]bool{}
	for _, p := range r.ApprovedBy() {
		if counted[p.ID] {
			t.Fatalf("%q is counted twice in %v", p.ID, r.ApprovedBy())
		}
		counted[p.ID] = true
	}
	if !maps.Equal(counted, m.approvers) {
		t.Fatalf("approved by %v, want %v", counted, m.approvers)
	}
	if got, want := r.ApprovalsMissing(), max(0, r.Terms.Approvals-len(counted)); got != want {
		t.Fatalf("got %d missing, want %d", got, want)
	}
	decided := 0
	for _, e := range r.Events {
		if e.Kind == handle.EventDecided {
			decided++
		}
	}
	if d == nil {
		if decided != 0 || r.ApprovalsMissing() == 0 {
			t.Fatalf("pending, with %d decisions in its history and %d approvals missing", decided, r.ApprovalsMissing())
		}
		return
	}
	before := d.At.Before(r.Terms.Deadline)
	switch d.State {
	case handle.Approved:
		if len(counted) < r.ApprovalsNeeded() || !before {
			t.Fatalf("approved by %v of %d, %s before the deadline", counted, r.Terms.Approvals, r.Terms.Deadline.Sub(d.At))
		}
	case handle.Rejected:
		if last := r.Votes[len(r.Votes)-1]; last.Verdict != handle.Reject || !reflect.DeepEqual(last.By, d.By) || d.Reason == "" || !before {
			t.Fatalf("rejected by %+v after the vote %+v", d, last)
		}
	case handle.Expired:
		if before {
			t.Fatalf("expired %s before the deadline", r.Terms.Deadline.Sub(d.At))
		}
	case handle.Withdrawn:
		if d.By.ID != "" && (!d.By.Has(r.Requester.SlackID) || !before) {
			t.Fatalf("withdrawn by %+v, who is not the requester, or after the deadline", d.By)
		}
	default:
		t.Fatalf("decided to be %s", d.State)
	}
	if decided != 1 {
		t.Fatalf("decided %d times", decided)
	}
}

func (m *model) checkSignal(t *rapid.T) {
	body, ok := m.r.SignalBody()
	if ok != (m.r.Decision != nil) {
		t.Fatalf("%s, but needs a signal: %t", m.r.State(), ok)
	}
	approved := m.r.State() == handle.Approved
	if ok && (body.Status == handle.SignalSuccess) != approved {
		t.Fatalf("%s, but signals %s", m.r.State(), body.Status)
	}
	if m.r.Signal != nil && (!ok || m.r.Signal.Status != body.Status) {
		t.Fatalf("%s, but signalled %s", m.r.State(), m.r.Signal.Status)
	}
	if m.r.ApprovedFor(m.r.Stack.ID) != approved || m.r.ApprovedFor("") {
		t.Fatalf("%s, but ApprovedFor its stack: %t", m.r.State(), m.r.ApprovedFor(m.r.Stack.ID))
	}
}

func (m *model) checkSteps(t *rapid.T) {
	r := m.r
	steps, next := r.Outstanding(), r.NextDue()
	if next.IsZero() != (len(steps) == 0) {
		t.Fatalf("%q outstanding, next due at %s", keys(steps), next)
	}
	seen := map[string]bool{}
	leased := false
	for _, s := range steps {
		if seen[s.Key()] {
			t.Fatalf("%s is outstanding twice", s.Key())
		}
		seen[s.Key()] = true
		if s.NeedsLease() {
			leased = true
		} else if leased {
			t.Fatalf("a step that needs the lease comes before %s: %q", s.Key(), keys(steps))
		}
		// NextDue is no later than any step, except that a step which needs the
		// lease waits until a held lease expires.
		latest := s.At
		if s.NeedsLease() && latest.Before(r.Lease.Until) {
			latest = r.Lease.Until
		}
		if next.After(latest) {
			t.Fatalf("next due at %s, after %s, which is due at %s and leased until %s", next, s.Key(), s.At, r.Lease.Until)
		}
	}
	free := r
	free.Lease = handle.Lease{}
	for _, now := range []time.Time{free.NextDue(), free.NextDue().Add(time.Hour), m.now} {
		if due := free.Due(now); (len(due) == 0) != (free.NextDue().IsZero() || now.Before(free.NextDue())) {
			t.Fatalf("next due at %s, but at %s due is %q", free.NextDue(), now, keys(due))
		}
	}
	notifications := r.Notifications()
	if !slices.IsSortedFunc(notifications, func(a, b handle.Notification) int { return a.At.Compare(b.At) }) {
		t.Fatalf("notifications out of order: %+v", notifications)
	}
}
