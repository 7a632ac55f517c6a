package handle_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"countersign/handle"
)

// TestLaws drives one request through random lawful changes on a moving clock,
// and holds it to the laws after each.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		t.Repeat(map[string]func(*rapid.T){
			"":            l.check,
			"time passes": l.timePasses,
			"press":       l.press,
			"mail":        l.mail,
			"step":        l.step,
			"mark again":  l.markAgain,
			"lease":       l.lease,
			"look up":     l.lookUp,
			"stray click": l.strayClick,
			"refuse":      l.refuse,
			"stack":       l.stack,
			"expire": func(t *rapid.T) {
				now := l.now
				l.mark(t, "Expire", func(r handle.Request) handle.Request { return r.Expire(now) })
			},
			"withdraw": func(t *rapid.T) {
				now := l.now
				l.mark(t, "Withdraw", func(r handle.Request) handle.Request { return r.Withdraw("x", now) })
			},
			"go round": func(t *rapid.T) {
				now := l.now
				l.mark(t, "GoneRound", func(r handle.Request) handle.Request { return r.GoneRound("x", now) })
			},
			"work it all":    l.workItAll,
			"pass by stores": l.passByStores,
		})
		l.checkPast(t)
	})
}

// life is one request, the clock, and what the test itself knows of it.
type life struct {
	r   handle.Request
	now time.Time

	approvers map[string]bool // who approved lawfully, as the test judges; by Slack ID, "" by mail
	marks     []mark          // all that were made so far
	past      []moment        // all values the request had
	ts        int             // of the last message
}

type mark struct {
	name string
	make func(handle.Request) handle.Request
}

// moment is a value that was passed by, and how it was encoded then.
type moment struct {
	r       handle.Request
	encoded string
}

// cast are the people who press. entitled says who may decide rob's request.
var cast = []struct {
	voter    handle.Voter
	entitled bool
	self     bool // may only if self-approval is allowed
}{
	{voter: voter(ann), entitled: true},
	{voter: voter(ben), entitled: true},
	{voter: voter(gil, guards), entitled: true},
	{voter: voter("U0HAL", guards), entitled: true},
	{voter: voter(rob), entitled: true, self: true},
	{voter: voter(sam)},
	{voter: voter(sam, "S0OTHERS")},
	{voter: handle.Voter{Person: handle.Person{Team: "T0AWAY", ID: ann}, Groups: []string{guards}}},
	{voter: handle.Voter{Person: handle.Person{Team: "T0HOME", ID: "U0GUEST"}, Home: true, Guest: true, Groups: []string{guards}}},
	{voter: handle.Voter{Person: handle.Person{Team: "T0HOME", ID: "U0BOT"}, Home: true, Bot: true, Groups: []string{guards}}},
}

func newLife(t *rapid.T) *life {
	r := launch(approvals(rapid.IntRange(1, 3).Draw(t, "approvals")))
	r.Terms.SelfApproval = rapid.Bool().Draw(t, "self-approval")
	if rapid.Bool().Draw(t, "not looked up") {
		unidentified(&r)
	}
	if rapid.Bool().Draw(t, "no reminder") {
		r.Terms.RemindAt = time.Time{}
	}
	if rapid.IntRange(0, 3).Draw(t, "without Slack") == 0 {
		withoutSlack(&r)
	}
	return &life{r: r, now: at, approvers: map[string]bool{}}
}

func encode(t *rapid.T, r handle.Request) string {
	b, err := handle.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// become makes a change, and checks that it is lawful as a change.
func (l *life) become(t *rapid.T, what string, change func(handle.Request) handle.Request) {
	old, encoded := l.r, encode(t, l.r)
	next := change(l.r)
	if now := encode(t, old); now != encoded {
		t.Fatalf("%s changed its receiver (-before +after):\n%s", what, cmp.Diff(encoded, now))
	}
	l.past = append(l.past, moment{old, encoded})
	checkChange(t, what, old, next)
	became := encode(t, next)
	l.elsewhere(old)
	if now := encode(t, next); now != became {
		t.Fatalf("%s shares memory with what else might have become (-before +after):\n%s", what, cmp.Diff(became, now))
	}
	l.r = next
}

// elsewhere is what another process makes of the same value at the same time.
func (l *life) elsewhere(r handle.Request) {
	other := handle.Person{Team: "T0HOME", ID: "U0ELSEWHERE"}
	r.Refuse(other, handle.WhyNotApprover, at)
	r.Expire(at.AddDate(1, 0, 0))
	r.Withdraw("elsewhere", at)
	r.GoneRound("elsewhere", at)
	r.Posted("C0ELSEWHERE", "1", "elsewhere", at)
	r.Adopt("C0ELSEWHERE", "2")
	r.Sent("reply/elsewhere", "C0ELSEWHERE", "3", at)
	r.Failed(handle.Step{Kind: handle.StepWatch}, handle.Failure{Why: "elsewhere"}, at)
	r.End(handle.Ended{Status: "DELETE_FAILED", At: at})
	r.Terms.SelfApproval, r.Terms.Approvers = true, []string{other.ID}
	_, _ = r.VoteBySlack(handle.Voter{Person: other, Home: true}, handle.Approve, "", at)
}

// mark makes a mark, checks that it holds twice, and remembers it.
func (l *life) mark(t *rapid.T, name string, f func(handle.Request) handle.Request) {
	l.become(t, name, f)
	if name != "Failed" && name != "NotYet" { // which count attempts
		l.alike(t, name+" twice", f(l.r))
	}
	l.marks = append(l.marks, mark{name, f})
}

var ignoreCounts = []cmp.Option{
	cmpopts.IgnoreFields(handle.Event{}, "Count"),
	cmp.Comparer(func(a, b handle.WaitURL) bool { return a.Expose() == b.Expose() }),
	cmpopts.EquateEmpty(),
}

// alike checks that nothing is different but how often something happened.
func (l *life) alike(t *rapid.T, what string, next handle.Request) {
	if encode(t, l.r) == encode(t, next) {
		return
	}
	if diff := cmp.Diff(l.r, next, ignoreCounts...); diff != "" {
		t.Fatalf("%s (-before +after):\n%s", what, diff)
	}
}

// markAgain makes an old mark on what the request has become since, as after a
// conflict.
func (l *life) markAgain(t *rapid.T) {
	if len(l.marks) == 0 {
		t.Skip("no mark yet")
	}
	m := rapid.SampledFrom(l.marks).Draw(t, "mark")
	l.become(t, m.name+" again", m.make)
}

func (l *life) timePasses(t *rapid.T) {
	end := l.r.Terms.Deadline
	to := rapid.SampledFrom([]time.Time{
		l.now.Add(time.Nanosecond), l.now.Add(time.Second), l.now.Add(20 * time.Second), l.now.Add(10 * time.Minute), l.now.Add(5 * time.Hour),
		end.Add(-1), end, end.Add(30 * time.Hour), l.r.Wake(), l.r.Wake().Add(-1),
	}).Draw(t, "to")
	if to.After(l.now) {
		l.now = to
	}
}

func (l *life) press(t *rapid.T) {
	who := rapid.SampledFrom(cast).Draw(t, "who")
	verdict := rapid.SampledFrom([]handle.Verdict{handle.Approve, handle.Approve, handle.Approve, handle.Reject, "maybe"}).Draw(t, "verdict")
	reason := rapid.SampledFrom([]string{"", " ", "because"}).Draw(t, "reason")
	may := who.entitled && (l.r.Terms.SelfApproval || !who.self && l.r.Requester.LookedUp) &&
		slices.Contains(l.r.Terms.Approvers, guards) && verdict != "maybe"

	before := l.r
	var err error
	l.become(t, "VoteBySlack", func(r handle.Request) (next handle.Request) {
		next, err = r.VoteBySlack(who.voter, verdict, reason, l.now)
		return next
	})
	l.voted(t, before, verdict, err, may)
	if err == nil && verdict == handle.Approve && len(l.r.Votes) > len(before.Votes) {
		l.approvers[who.voter.ID] = true
	}
}

func (l *life) mail(t *rapid.T) {
	name := rapid.SampledFrom([]string{"Ann", "Ben", ""}).Draw(t, "name")
	verdict := rapid.SampledFrom([]handle.Verdict{handle.Approve, handle.Reject}).Draw(t, "verdict")
	before := l.r
	var err error
	l.become(t, "VoteByMail", func(r handle.Request) (next handle.Request) {
		next, err = r.VoteByMail(name, verdict, "because", l.now)
		return next
	})
	l.voted(t, before, verdict, err, verdict == handle.Reject || l.r.Terms.Approvals == 1)
	if err == nil && verdict == handle.Approve {
		l.approvers[""] = true
	}
}

// voted checks what a vote came to. may is whether this person may give this
// verdict at all.
func (l *life) voted(t *rapid.T, before handle.Request, verdict handle.Verdict, err error, may bool) {
	changed := encode(t, before) != encode(t, l.r)
	late := !l.now.Before(l.r.Terms.Deadline)
	switch {
	case err == nil && !may:
		t.Fatalf("a vote was taken that is not allowed")
	case err != nil && changed:
		t.Fatalf("a refused vote (%v) changed the request", err)
	case changed && (late || before.Decision != nil):
		t.Fatalf("a vote changed a request that was %s, %s before its deadline", before.State(), l.r.Terms.Deadline.Sub(l.now))
	case changed && verdict == handle.Reject && l.r.State() != handle.Rejected:
		t.Fatalf("a rejection was taken, and the request is %s", l.r.State())
	}
}

// step takes one of the steps that are due, which comes out one way or another.
func (l *life) step(t *rapid.T) {
	due := l.r.Due(l.now)
	if len(due) == 0 {
		t.Skip("nothing is due")
	}
	s := rapid.SampledFrom(due).Draw(t, "step")
	now, face := l.now, l.r.Face()
	l.ts++
	ts := fmt.Sprintf("%010d.000000", l.ts)
	outcome := rapid.SampledFrom([]string{"done", "done", "done", "again", "limited", "never"}).Draw(t, "outcome")
	if outcome != "done" && s.Kind != handle.StepExpire {
		f := handle.Failure{Why: "x", Limited: outcome == "limited", Never: outcome == "never",
			Wait: rapid.SampledFrom([]time.Duration{0, time.Minute, 1000 * time.Hour}).Draw(t, "wait")}
		l.mark(t, "Failed", func(r handle.Request) handle.Request { return r.Failed(s, f, now) })
		return
	}
	switch s.Kind {
	case handle.StepExpire:
		l.mark(t, "Expire", func(r handle.Request) handle.Request { return r.Expire(now) })
	case handle.StepSignal:
		never := rapid.SampledFrom([]string{"", "", "403"}).Draw(t, "answer")
		l.mark(t, "Signalled", func(r handle.Request) handle.Request { return r.Signalled(never, now) })
	case handle.StepPost:
		if !l.r.Requester.LookedUp {
			l.lookUp(t)
		}
		if _, posted := l.r.Root(); posted {
			return
		}
		face = l.r.Face()
		l.mark(t, "Posted", func(r handle.Request) handle.Request { return r.Posted("C0APPROVALS", ts, face, now) })
	case handle.StepRefresh:
		if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
			l.mark(t, "Lost", func(r handle.Request) handle.Request { return r.Lost(s.Message, now) })
			return
		}
		l.mark(t, "Refreshed", func(r handle.Request) handle.Request { return r.Refreshed(s.Message, face) })
	case handle.StepTell:
		reply, direct := l.r.Toward(s.About)
		if reply {
			l.mark(t, "Sent", func(r handle.Request) handle.Request { return r.Sent(s.About.Reply(), "C0APPROVALS", ts, now) })
		}
		if direct {
			l.mark(t, "Sent", func(r handle.Request) handle.Request { return r.Sent(s.About.Direct(), "D0ROB", ts, now) })
		}
	case handle.StepMail:
		l.mark(t, "Sent", func(r handle.Request) handle.Request { return r.Sent(s.About.Mail(), "", "", now) })
	case handle.StepWatch:
		l.stack(t)
	}
}

func (l *life) stack(t *rapid.T) {
	now := l.now
	status := rapid.SampledFrom([]string{"CREATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_COMPLETE", ""}).Draw(t, "status")
	switch rapid.SampledFrom([]string{"heard", "ended", "not yet"}).Draw(t, "what") {
	case "heard":
		l.mark(t, "Heard", func(r handle.Request) handle.Request { return r.Heard(status, "", now) })
	case "ended":
		l.mark(t, "End", func(r handle.Request) handle.Request {
			return r.End(handle.Ended{Status: status, At: now, Outputs: []handle.Field{{Name: "Queue", Value: "q"}}})
		})
	case "not yet":
		l.mark(t, "NotYet", func(r handle.Request) handle.Request { return r.NotYet(now) })
	}
}

// settle makes the changes that need no vote.
func (l *life) settle(t *rapid.T) {
	now := l.now
	switch rapid.SampledFrom([]string{"expire", "withdraw", "go round"}).Draw(t, "how") {
	case "expire":
		l.mark(t, "Expire", func(r handle.Request) handle.Request { return r.Expire(now) })
	case "withdraw":
		l.mark(t, "Withdraw", func(r handle.Request) handle.Request { return r.Withdraw("x", now) })
	case "go round":
		l.mark(t, "GoneRound", func(r handle.Request) handle.Request { return r.GoneRound("x", now) })
	}
}

func (l *life) lookUp(t *rapid.T) {
	if l.r.Requester.LookedUp {
		t.Skip("looked up already")
	}
	all := rapid.SampledFrom([][]string{{rob}, {rob, sam}}).Draw(t, "found")
	l.mark(t, "Identified", func(r handle.Request) handle.Request { return r.Identified(rob, all) })
}

func (l *life) strayClick(t *rapid.T) {
	ts := rapid.SampledFrom([]string{"", "9000000000.000001", "9000000000.000002"}).Draw(t, "message")
	l.mark(t, "Adopt", func(r handle.Request) handle.Request { return r.Adopt("C0APPROVALS", ts) })
}

func (l *life) refuse(t *rapid.T) {
	by := rapid.SampledFrom(cast).Draw(t, "who").voter.Person
	reason := rapid.SampledFrom([]handle.Why{handle.WhyNotApprover, handle.WhyDecided}).Draw(t, "why")
	before := l.r.Refusals(reason)
	l.become(t, "Refuse", func(r handle.Request) handle.Request { return r.Refuse(by, reason, l.now) })
	if got := l.r.Refusals(reason); got != before+1 {
		t.Fatalf("refused once: counted %d, was %d", got, before)
	}
}

func (l *life) lease(t *rapid.T) {
	who := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "who")
	if rapid.Bool().Draw(t, "release") {
		l.become(t, "Release", func(r handle.Request) handle.Request { return r.Release(who) })
		return
	}
	other := map[string]string{"one": "two", "two": "one"}[who]
	taken := l.r.Held(other, l.now)
	ok := false
	l.become(t, "Claim", func(r handle.Request) (next handle.Request) {
		next, ok = r.Claim(who, l.now)
		return next
	})
	if ok == taken || ok != l.r.Held(who, l.now) || l.r.Held(who, l.now) && l.r.Held(other, l.now) {
		t.Fatalf("%s claims what %s holds (%t): got %t, %+v", who, other, taken, ok, l.r.Lease)
	}
}

// workItAll does all that is due, and goes on when the record wakes again.
func (l *life) workItAll(t *rapid.T) {
	w := &world{r: l.r, now: l.now, becomes: "CREATE_COMPLETE"}
	for range 100 {
		due := w.r.Due(w.now)
		if len(due) == 0 {
			break
		}
		before := w.r
		w.do(due[0])
		checkChange(t, due[0].Key(), before, w.r)
	}
	if due := w.r.Due(w.now); len(due) != 0 {
		t.Fatalf("all was done, and still due is %q", keys(due))
	}
}

// passByStores writes the request to a store and reads it back.
func (l *life) passByStores(t *rapid.T) {
	next, err := handle.Decode([]byte(encode(t, l.r)))
	if err != nil {
		t.Fatal(err)
	}
	l.alike(t, "there and back", next)
	l.r = next
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
	if old.Signal != nil && old.Signal.Never == "" && *next.Signal != *old.Signal {
		fail("a signal that was taken was changed to %+v", next.Signal)
	}
	if old.Bypass != nil && *next.Bypass != *old.Bypass || old.Ended != nil && !reflect.DeepEqual(next.Ended, old.Ended) {
		fail("the bypass or the end was changed")
	}
	for key, told := range old.Told {
		if next.Told[key] != told {
			fail("what was told as %s was changed from %+v to %+v", key, told, next.Told[key])
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
	if got, want := r.Missing(), max(0, r.Terms.Approvals-len(people)); got != want {
		t.Fatalf("got %d missing, want %d", got, want)
	}
	decided := 0
	for _, e := range r.Events {
		if e.Kind == handle.EventDecided {
			decided++
		}
	}
	if d == nil {
		if decided != 0 || r.Missing() == 0 {
			t.Fatalf("pending with %d decisions in its history and %d approvals missing", decided, r.Missing())
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
	if l.r.Opens(l.r.Stack.ID) != approved || l.r.Opens("") {
		t.Fatalf("%s, and opens: %t", l.r.State(), l.r.Opens(l.r.Stack.ID))
	}
}

func (l *life) checkOwed(t *rapid.T) {
	r := l.r
	owed, wake := r.Outstanding(), r.Wake()
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
		if s.Leased() {
			message = true
		} else if message {
			t.Fatalf("a message comes before %s: %q", s.Key(), keys(owed))
		}
		// With nobody at work it wakes by the time of every step; with
		// somebody, a step that needs the lease waits for its end.
		latest := s.At
		if s.Leased() && latest.Before(r.Lease.Until) {
			latest = r.Lease.Until
		}
		if wake.After(latest) {
			t.Fatalf("sleeps until %s over %s, due at %s, leased until %s", wake, s.Key(), s.At, r.Lease.Until)
		}
	}
	free := r
	free.Lease = handle.Lease{}
	for _, now := range []time.Time{free.Wake(), free.Wake().Add(time.Hour), l.now} {
		if due := free.Due(now); (len(due) == 0) != (free.Wake().IsZero() || now.Before(free.Wake())) {
			t.Fatalf("wakes at %s, and at %s due is %q", free.Wake(), now, keys(due))
		}
	}
	occasions := r.Occasions()
	if !slices.IsSortedFunc(occasions, func(a, b handle.Occasion) int { return a.At.Compare(b.At) }) {
		t.Fatalf("occasions out of order: %+v", occasions)
	}
}
