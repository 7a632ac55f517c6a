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
		wake := w.r.NextDue()
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
			w.r = w.r.RecordFailure(s, f, w.now)
			return
		}
	}
	switch s.Kind {
	case handle.StepExpire:
		w.r = w.r.Expire(w.now)
	case handle.StepSignal:
		w.r = w.r.MarkSignalled("", w.now)
	case handle.StepPost:
		if !w.r.Requester.LookedUp {
			w.r = w.r.IdentifyRequester(rob, []string{rob}, true)
		}
		if _, posted := w.r.Root(); !posted {
			w.r = w.r.MarkPosted("C0APPROVALS", w.ts(), w.r.ViewHash(), w.now)
		}
	case handle.StepRefresh:
		w.r = w.r.MarkRefreshed(s.Message, w.r.ViewHash())
	case handle.StepNotify:
		reply, direct := w.r.PendingDeliveries(s.Notification)
		if reply {
			w.r = w.r.MarkDelivered(s.Notification.ReplyKey(), "C0APPROVALS", w.ts(), w.now)
		}
		if direct {
			w.r = w.r.MarkDelivered(s.Notification.DirectKey(), "D0ROB", w.ts(), w.now)
		}
	case handle.StepMail:
		w.r = w.r.MarkDelivered(s.Notification.MailKey(), "", "", w.now)
	case handle.StepWatch:
		if w.becomes == "" {
			w.r = w.r.StillInProgress(w.now)
			return
		}
		w.r = w.r.RecordEnd(handle.Ended{Status: w.becomes, At: w.now})
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
		case handle.StepPost, handle.StepRefresh, handle.StepNotify:
			return handle.Failure{Reason: "Slack is down"}, true
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
			{61 * time.Minute, func(_ *testing.T, w *world) { w.r = w.r.ObserveStatus("CREATE_COMPLETE", "", w.now) },
				[]string{"watch", "refresh/C0APPROVALS/20261123090000.000000000", "tell/ended"}},
		}},
		{name: "somebody goes round the gate", become: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, func(_ *testing.T, w *world) { w.r = w.r.ObserveStatus("CREATE_COMPLETE", "", w.now) },
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
			if !w.r.NextDue().IsZero() || w.r.Ended == nil {
				t.Errorf("when all is done: wakes at %s, ended %v, want neither more to do nor no end", w.r.NextDue(), w.r.Ended)
			}
		})
	}
}
