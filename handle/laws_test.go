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
		next.Stack.ID != old.Stack.ID || !reflect.DeepEqual(next.Terms, old.Terms) {
		fail("a field that never changes was changed")
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
