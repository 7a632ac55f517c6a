package handle_test

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"countersign/handle"
)

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
	old, encoded := roomy(l.r), encode(t, l.r)
	next := change(old)
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

// roomy is r with room behind its lists, where an append would not copy them.
func roomy(r handle.Request) handle.Request {
	r.Votes, r.Events, r.Messages = slices.Grow(r.Votes, 4), slices.Grow(r.Events, 4), slices.Grow(r.Messages, 4)
	return r
}

// elsewhere is what another process makes of the same value at the same time.
func (l *life) elsewhere(r handle.Request) {
	other := handle.Person{Team: "T0HOME", ID: "U0ELSEWHERE"}
	r.RecordRefusal(other, handle.RefusedNotApprover, at)
	r.Expire(at.AddDate(1, 0, 0))
	r.Withdraw("elsewhere", at)
	r.RecordBypass("elsewhere", at)
	r.MarkPosted("C0ELSEWHERE", "1", "elsewhere", at)
	r.AdoptMessage("C0ELSEWHERE", "2")
	r.MarkDelivered("reply/elsewhere", "C0ELSEWHERE", "3", at)
	r.RecordFailure(handle.Step{Kind: handle.StepWatch}, handle.Failure{Reason: "elsewhere"}, at)
	r.RecordEnd(handle.Ended{Status: "DELETE_FAILED", At: at})
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
		end.Add(-1), end, end.Add(30 * time.Hour), l.r.NextDue(), l.r.NextDue().Add(-1),
	}).Draw(t, "to")
	if to.After(l.now) {
		l.now = to
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
