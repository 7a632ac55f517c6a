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

// TestLaws drives one request through random lawful changes on a moving clock,
// and holds it to the laws after each.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		t.Repeat(map[string]func(*rapid.T){
			"":               l.check,
			"time passes":    l.timePasses,
			"press":          l.press,
			"mail":           l.mail,
			"step":           l.step,
			"mark again":     l.markAgain,
			"lease":          l.lease,
			"look up":        l.lookUp,
			"stray click":    l.strayClick,
			"refuse":         l.refuse,
			"stack":          l.stack,
			"settle":         l.settle,
			"work it all":    l.workItAll,
			"pass by stores": l.passByStores,
		})
		l.checkPast(t)
	})
}

// checkChange holds the step from one value of a request to the next to the
// laws.
func checkChange(t *rapid.T, what string, old, next handle.Request) {
	fail := func(law string, args ...any) { t.Fatalf("%s: %s", what, fmt.Sprintf(law, args...)) }
	if old.Decision != nil && (next.Decision == nil || *next.Decision != *old.Decision) {
		fail("the decision was changed from %+v to %+v", old.Decision, next.Decision)
	}
	if len(next.Votes) < len(old.Votes) || !slices.Equal(next.Votes[:len(old.Votes)], old.Votes) {
		fail("votes were changed from %v to %v", old.Votes, next.Votes)
	}
	if old.Signal != nil && old.Signal.Undeliverable == "" && *next.Signal != *old.Signal {
		fail("a signal that was taken was changed to %+v", next.Signal)
	}
	if old.Bypass != nil && *next.Bypass != *old.Bypass || old.Ended != nil && !reflect.DeepEqual(next.Ended, old.Ended) {
		fail("the bypass or the end was changed")
	}
	for key, told := range old.Delivered {
		if next.Delivered[key] != told {
			fail("what was told as %s was changed from %+v to %+v", key, told, next.Delivered[key])
		}
	}
	if len(next.Events) < len(old.Events) {
		fail("events were removed: %v", next.Events)
	}
	for i, was := range old.Events {
		is := next.Events[i]
		if is.Kind != was.Kind || is.Text != was.Text || is.By != was.By || is.Count < was.Count {
			fail("event %d was changed from %+v to %+v", i, was, is)
		}
	}
	if next.Rev != old.Rev || next.ID != old.ID || !next.CreatedAt.Equal(old.CreatedAt) || next.WaitURL.Expose() != old.WaitURL.Expose() ||
		next.Stack.ID != old.Stack.ID || !reflect.DeepEqual(next.Terms, old.Terms) {
		fail("something that never changes was changed")
	}
}

// check holds the request as it is to the laws.
func (l *life) check(t *rapid.T) {
	l.checkDecision(t)
	l.checkSignal(t)
	l.checkOwed(t)
}

// checkPast checks that no change reached a value that was passed by long ago.
func (l *life) checkPast(t *rapid.T) {
	for i, m := range l.past {
		if got := encode(t, m.r); got != m.encoded {
			t.Fatalf("value %d was changed by a later change (-then +now):\n%s", i, cmp.Diff(m.encoded, got))
		}
	}
}

func (l *life) checkDecision(t *rapid.T) {
	r, d := l.r, l.r.Decision
	people := map[string]bool{}
	for _, p := range r.ApprovedBy() {
		if people[p.ID] {
			t.Fatalf("%q is counted twice among %v", p.ID, r.ApprovedBy())
		}
		people[p.ID] = true
	}
	if !maps.Equal(people, l.approvers) {
		t.Fatalf("approved by %v, and lawfully by %v", people, l.approvers)
	}
	if got, want := r.ApprovalsMissing(), max(0, r.Terms.Approvals-len(people)); got != want {
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
			t.Fatalf("pending with %d decisions in its history and %d approvals missing", decided, r.ApprovalsMissing())
		}
		return
	}
	before := d.At.Before(r.Terms.Deadline)
	switch d.State {
	case handle.Approved:
		if len(people) < r.Terms.Approvals || !before {
			t.Fatalf("approved by %v of %d, %s before the deadline", people, r.Terms.Approvals, r.Terms.Deadline.Sub(d.At))
		}
	case handle.Rejected:
		if last := r.Votes[len(r.Votes)-1]; last.Verdict != handle.Reject || last.By != d.By || d.Reason == "" || !before {
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

func (l *life) checkSignal(t *rapid.T) {
	body, ok := l.r.SignalBody()
	if ok != (l.r.Decision != nil) {
		t.Fatalf("%s, and owes a signal: %t", l.r.State(), ok)
	}
	approved := l.r.State() == handle.Approved
	if ok && (body.Status == handle.SignalSuccess) != approved {
		t.Fatalf("%s, and signals %s", l.r.State(), body.Status)
	}
	if l.r.Signal != nil && (!ok || l.r.Signal.Status != body.Status) {
		t.Fatalf("%s, and signalled %s", l.r.State(), l.r.Signal.Status)
	}
	if l.r.ApprovedFor(l.r.Stack.ID) != approved || l.r.ApprovedFor("") {
		t.Fatalf("%s, and opens: %t", l.r.State(), l.r.ApprovedFor(l.r.Stack.ID))
	}
}

func (l *life) checkOwed(t *rapid.T) {
	r := l.r
	owed, wake := r.Outstanding(), r.NextDue()
	if wake.IsZero() != (len(owed) == 0) {
		t.Fatalf("owes %q and wakes at %s", keys(owed), wake)
	}
	seen := map[string]bool{}
	message := false
	for _, s := range owed {
		if seen[s.Key()] {
			t.Fatalf("owes %s twice", s.Key())
		}
		seen[s.Key()] = true
		if s.NeedsLease() {
			message = true
		} else if message {
			t.Fatalf("a message comes before %s: %q", s.Key(), keys(owed))
		}
		// With nobody at work it wakes by the time of every step; with
		// somebody, a step that needs the lease waits for its end.
		latest := s.At
		if s.NeedsLease() && latest.Before(r.Lease.Until) {
			latest = r.Lease.Until
		}
		if wake.After(latest) {
			t.Fatalf("sleeps until %s over %s, due at %s, leased until %s", wake, s.Key(), s.At, r.Lease.Until)
		}
	}
	free := r
	free.Lease = handle.Lease{}
	for _, now := range []time.Time{free.NextDue(), free.NextDue().Add(time.Hour), l.now} {
		if due := free.Due(now); (len(due) == 0) != (free.NextDue().IsZero() || now.Before(free.NextDue())) {
			t.Fatalf("wakes at %s, and at %s due is %q", free.NextDue(), now, keys(due))
		}
	}
	occasions := r.Notifications()
	if !slices.IsSortedFunc(occasions, func(a, b handle.Notification) int { return a.At.Compare(b.At) }) {
		t.Fatalf("occasions out of order: %+v", occasions)
	}
}
