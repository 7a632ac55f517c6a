package handle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// world does what a record owes, on a clock of its own, and keeps a diary of
// it. Its zero values do everything at the first attempt.
type world struct {
	r     handle.Request
	now   time.Time
	diary []string

	fail    func(handle.Step) (handle.Failure, bool) // nil: nothing fails
	becomes string                                   // the stack's status; empty: it has not come to its end
}

func begin(r handle.Request) *world { return &world{r: r, now: r.CreatedAt} }

// work does all that is due, the most important first.
func (w *world) work(t *testing.T) {
	t.Helper()
	for range 1000 {
		due := w.r.Due(w.now)
		if len(due) == 0 {
			return
		}
		w.diary = append(w.diary, due[0].Key())
		w.do(due[0])
	}
	t.Fatalf("at %s the record still owes %s", w.now.Sub(at), w.r.Due(w.now)[0].Key())
}

// until works whenever the record wakes, up to the end.
func (w *world) until(t *testing.T, end time.Time) {
	t.Helper()
	for !w.now.After(end) {
		w.work(t)
		wake := w.r.Wake()
		if wake.IsZero() || wake.After(end) {
			break
		}
		if !wake.After(w.now) {
			t.Fatalf("at %s the record wakes at %s, and owes nothing", w.now.Sub(at), wake.Sub(at))
		}
		w.now = wake
	}
	w.now = end
}

// do takes one step.
func (w *world) do(s handle.Step) {
	if w.fail != nil && s.Kind != handle.StepExpire {
		if f, failed := w.fail(s); failed {
			w.r = w.r.Failed(s, f, w.now)
			return
		}
	}
	switch s.Kind {
	case handle.StepExpire:
		w.r = w.r.Expire(w.now)
	case handle.StepSignal:
		w.r = w.r.Signalled("", w.now)
	case handle.StepPost:
		if !w.r.Requester.LookedUp {
			w.r = w.r.Identified(rob, []string{rob})
		}
		if _, posted := w.r.Root(); !posted {
			w.r = w.r.Posted("C0APPROVALS", w.ts(), w.r.Face(), w.now)
		}
	case handle.StepRefresh:
		w.r = w.r.Refreshed(s.Message, w.r.Face())
	case handle.StepTell:
		reply, direct := w.r.Toward(s.About)
		if reply {
			w.r = w.r.Sent(s.About.Reply(), "C0APPROVALS", w.ts(), w.now)
		}
		if direct {
			w.r = w.r.Sent(s.About.Direct(), "D0ROB", w.ts(), w.now)
		}
	case handle.StepMail:
		w.r = w.r.Sent(s.About.Mail(), "", "", w.now)
	case handle.StepWatch:
		if w.becomes == "" {
			w.r = w.r.NotYet(w.now)
			return
		}
		w.r = w.r.End(handle.Ended{Status: w.becomes, At: w.now})
	}
}

// ts is Slack's timestamp of a message that goes out now.
func (w *world) ts() string { return w.now.Format("20060102150405.000000000") }

// read empties the diary.
func (w *world) read() []string {
	read := w.diary
	w.diary = nil
	return read
}

func TestFlows(t *testing.T) {
	approve := func(ids ...string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { w.r = votes(t, w.r, handle.Approve, w.now, ids...) }
	}
	slackFails := func(s handle.Step) (handle.Failure, bool) {
		switch s.Kind {
		case handle.StepPost, handle.StepRefresh, handle.StepTell:
			return handle.Failure{Why: "Slack is down"}, true
		}
		return handle.Failure{}, false
	}
	type step struct {
		after time.Duration // the launch
		what  func(*testing.T, *world)
		want  []string // done at that time
	}
	for _, tt := range []struct {
		name   string
		edit   func(*handle.Request)
		become string
		steps  []step
	}{
		{name: "approved by two", become: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann), []string{"refresh/C0APPROVALS/20261123090000.000000000", "tell/vote-0"}},
			{2 * time.Hour, approve(ben), []string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
			{2*time.Hour + 5*time.Minute, nil, []string{"watch", "refresh/C0APPROVALS/20261123090000.000000000", "tell/ended"}},
		}},
		{name: "approved by two at once", become: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann, ben), []string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
		}},
		{name: "rejected", become: "ROLLBACK_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, func(t *testing.T, w *world) { w.r = rejected(t, w.r, w.now) },
				[]string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
			{65 * time.Minute, nil, []string{"watch", "refresh/C0APPROVALS/20261123090000.000000000", "tell/ended"}},
		}},
		{name: "nobody decides", become: "ROLLBACK_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{8 * time.Hour, nil, nil},
			{8*time.Hour + 13*time.Minute + 30*time.Second, nil, []string{"tell/reminder"}},
			{10*time.Hour + 58*time.Minute, nil, []string{"expire", "signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
		}},
		{name: "the stack gives up", become: "DELETE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, func(_ *testing.T, w *world) { w.r = w.r.Withdraw("the stack was deleted", w.now) },
				[]string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
		}},
		{name: "an event tells of the end", become: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann, ben), []string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
			{61 * time.Minute, func(_ *testing.T, w *world) { w.r = w.r.Heard("CREATE_COMPLETE", "", w.now) },
				[]string{"watch", "refresh/C0APPROVALS/20261123090000.000000000", "tell/ended"}},
		}},
		{name: "somebody goes round the gate", become: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, func(_ *testing.T, w *world) { w.r = w.r.Heard("CREATE_COMPLETE", "", w.now) },
				[]string{"watch", "signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided", "tell/bypass", "tell/ended"}},
		}},
		{name: "by mail alone", edit: withoutSlack, become: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"mail/asked"}},
			{8*time.Hour + 14*time.Minute, nil, nil},
			{9 * time.Hour, func(t *testing.T, w *world) {
				var err error
				if w.r, err = w.r.VoteByMail("Ann", handle.Approve, "", w.now); err != nil {
					t.Fatal(err)
				}
			}, []string{"signal", "mail/decided"}},
			{9*time.Hour + 5*time.Minute, nil, []string{"watch"}},
		}},
		{name: "Slack comes back", edit: approvals(1), become: "CREATE_COMPLETE", steps: []step{
			{0, func(_ *testing.T, w *world) { w.fail = slackFails }, []string{"post", "mail/asked"}},
			{70 * time.Second, func(_ *testing.T, w *world) { w.fail = nil }, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann), []string{"signal", "refresh/C0APPROVALS/20261123090110.000000000", "tell/decided", "mail/decided"}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := begin(launch())
			if tt.edit != nil {
				tt.edit(&w.r)
			}
			w.becomes = tt.become
			for _, s := range tt.steps {
				w.until(t, at.Add(s.after-1))
				w.now = at.Add(s.after)
				if s.what != nil {
					w.read() // what came between
					s.what(t, w)
				}
				w.work(t)
				if diff := cmp.Diff(s.want, w.read()); diff != "" {
					t.Errorf("%s after the launch (-want +got):\n%s", s.after, diff)
				}
			}
			w.until(t, at.Add(24*time.Hour))
			if !w.r.Wake().IsZero() || w.r.Ended == nil {
				t.Errorf("when all is done: wakes at %s, ended %v, want neither more to do nor no end", w.r.Wake(), w.r.Ended)
			}
		})
	}
}

// TestNothingIsOwedForEver fails everything, each in every way there is, from
// every state: what is owed then is given up in bounded time, the signal not
// before the URL is of no more use.
func TestNothingIsOwedForEver(t *testing.T) {
	const patience = 5 * 24 * time.Hour
	failures := map[string]handle.Failure{
		"again":                {Why: "no answer"},
		"asked to wait":        {Why: "rate limited", Limited: true, Wait: 15 * time.Minute},
		"asked to wait long":   {Why: "rate limited", Limited: true, Wait: 2 * time.Hour},
		"asked to wait longer": {Why: "rate limited", Limited: true, Wait: 1000 * time.Hour},
		"never":                {Why: "refused", Never: true},
	}
	starts := settled(t, launch())
	starts[handle.Pending] = launch()
	for state, start := range starts {
		for name, failure := range failures {
			for where, edit := range map[string]func(*handle.Request){
				"before it was posted": func(*handle.Request) {},
				"after": func(r *handle.Request) {
					*r = r.Posted("C0APPROVALS", "1.000001", "", at).Adopt("C0APPROVALS", "1.000002").Sent("mail/asked", "", "", at)
				},
				"with a URL that does not expire": func(r *handle.Request) { r.WaitURL = handle.StoredWaitURL("https://wait.example.com/") },
				"after somebody went round":       func(r *handle.Request) { *r = r.GoneRound("the wait was released", at) },
				"in the hands of the dead":        func(r *handle.Request) { *r, _ = r.Claim("dead", at) },
				"when it has ended": func(r *handle.Request) {
					*r = r.End(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at.Add(2 * time.Hour)})
				},
				"when it was heard of": func(r *handle.Request) { *r = r.Heard("ROLLBACK_COMPLETE", "", at.Add(2*time.Hour)) },
			} {
				t.Run(string(state)+"/"+name+"/"+where, func(t *testing.T) {
					w := begin(start)
					edit(&w.r)
					w.fail = func(handle.Step) (handle.Failure, bool) { return failure, true }
					w.until(t, at.Add(patience))
					if wake := w.r.Wake(); !wake.IsZero() {
						t.Errorf("%s after the launch, still owed: %v", patience, w.r.Outstanding())
					}
					if w.r.Decision == nil {
						t.Fatal("nobody ever decided")
					}
					if w.r.Signal == nil || w.r.State() != handle.Withdrawn && w.r.Signal.Never == "" {
						t.Errorf("got signal %+v, want one that was given up", w.r.Signal)
					}
					if n := len(w.r.Events); n > 60 {
						t.Errorf("got %d events of an outage, want a few", n)
					}
				})
			}
		}
	}
}

func TestTheSignalIsTriedWhileTheURLLives(t *testing.T) {
	w := begin(approved(t, launch(), at))
	expires, ok := w.r.WaitURL.Expires()
	if !ok {
		t.Fatal("the wait URL does not say when it expires")
	}
	w.fail = func(s handle.Step) (handle.Failure, bool) {
		return handle.Failure{Why: "no answer"}, s.Kind == handle.StepSignal
	}
	w.until(t, expires.Add(-15*time.Minute))
	if w.r.Signal != nil {
		t.Fatalf("a quarter of an hour before the URL expires: given up: %+v", w.r.Signal)
	}
	w.until(t, expires)
	if w.r.Signal == nil || w.r.Signal.Never == "" {
		t.Errorf("when the URL has expired: got %+v, want a signal given up", w.r.Signal)
	}
}

func TestTheStackIsWatchedForDays(t *testing.T) {
	w := begin(approved(t, launch(), at)) // and it never comes to its end
	w.until(t, w.r.Terms.Deadline.Add(70*time.Hour))
	if w.r.Wake().IsZero() {
		t.Error("70 hours after the deadline: nobody watches the stack any more")
	}
	asked := 0
	for _, key := range w.read() {
		if key == "watch" {
			asked++
		}
	}
	if asked > 100 {
		t.Errorf("CloudFormation was asked %d times, want about once an hour", asked)
	}
	w.until(t, w.r.Terms.Deadline.Add(74*time.Hour))
	if !w.r.Wake().IsZero() {
		t.Errorf("74 hours after the deadline: still owed: %v", w.r.Outstanding())
	}
}

func TestBackoff(t *testing.T) {
	s := handle.Step{Kind: handle.StepPost}
	r := launch()
	for i, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second,
		320 * time.Second, 10 * time.Minute, 10 * time.Minute} {
		r = r.Failed(s, handle.Failure{Why: "no answer"}, at)
		if got := r.Tries[s.Key()].NotBefore.Sub(at); got != want || r.Tries[s.Key()].N != i+1 {
			t.Errorf("after failure %d: waits %s, counts %d, want %s", i+1, got, r.Tries[s.Key()].N, want)
		}
	}
	r = launch().Failed(s, handle.Failure{Why: "no answer", Wait: time.Hour}, at)
	if got := r.Tries[s.Key()].NotBefore.Sub(at); got != time.Hour {
		t.Errorf("asked to wait an hour: waits %s", got)
	}
	for range 5 {
		r = r.Failed(s, handle.Failure{Why: "rate limited", Limited: true, Wait: 15 * time.Second}, at)
		if got := r.Tries[s.Key()].NotBefore.Sub(at); got != 15*time.Second {
			t.Errorf("only asked to wait 15 s: waits %s", got)
		}
	}
}
