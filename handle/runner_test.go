package handle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// runner takes the steps of a request on its own clock and records their keys. By
// default every step succeeds at the first attempt.
type runner struct {
	r    handle.Request
	now  time.Time
	done []string

	fail        func(handle.Step) (handle.Failure, bool) // nil if nothing fails
	stackStatus string                                   // the stack's final status; empty while in progress
}

func newRunner(r handle.Request) *runner { return &runner{r: r, now: r.CreatedAt} }

// runDue takes all steps that are due, the most important first.
func (run *runner) runDue(t *testing.T) {
	t.Helper()
	for range 1000 {
		due := run.r.Due(run.now)
		if len(due) == 0 {
			return
		}
		run.done = append(run.done, due[0].Key())
		run.take(due[0])
	}
	t.Fatalf("at %s still due after 1000 steps: %s", run.now.Sub(at), run.r.Due(run.now)[0].Key())
}

// runUntil takes all steps until end, each when it is due.
func (run *runner) runUntil(t *testing.T, end time.Time) {
	t.Helper()
	for !run.now.After(end) {
		run.runDue(t)
		next := run.r.NextDue()
		if next.IsZero() || next.After(end) {
			break
		}
		if !next.After(run.now) {
			t.Fatalf("at %s NextDue is %s, but nothing is due", run.now.Sub(at), next.Sub(at))
		}
		run.now = next
	}
	run.now = end
}

// take takes one step.
func (run *runner) take(s handle.Step) {
	if run.fail != nil && s.Kind != handle.StepExpire {
		if f, failed := run.fail(s); failed {
			run.r = run.r.RecordFailure(s, f, run.now)
			return
		}
	}
	switch s.Kind {
	case handle.StepExpire:
		run.r = run.r.Expire(run.now)
	case handle.StepEscalate:
		run.r = run.r.Escalate(run.now)
	case handle.StepReviews:
		run.r = run.r.EndReviews(run.now)
	case handle.StepSignal:
		run.r = run.r.MarkSignalled("", run.now)
	case handle.StepIdentify:
		if run.r.Stack.Unverified {
			run.r = run.r.VerifyStack(run.r.Product, run.r.Requester.Principal, run.r.Parameters, handle.Content{})
		}
		run.r = run.r.IdentifyRequester(rob, []string{rob}, true)
	case handle.StepPost:
		if _, posted := run.r.Root(); !posted {
			run.r = run.r.MarkPosted("C0APPROVALS", run.ts(), run.r.ViewHash(), run.now)
		}
	case handle.StepReact:
		run.r = run.r.MarkReacted(run.r.Messages[0], run.r.Reaction())
	case handle.StepRefresh:
		run.r = run.r.MarkRefreshed(s.Message, run.r.ViewHash())
	case handle.StepNotify:
		reply, direct := run.r.PendingDeliveries(s.Notification)
		if reply {
			run.r = run.r.MarkDelivered(s.Notification.ReplyKey(), "C0APPROVALS", run.ts(), run.now)
		}
		if direct {
			run.r = run.r.BeginDirect(s.Notification.DirectKey(), "D0ROB", run.ts(), run.r.ViewHash(), run.now)
		}
	case handle.StepMail:
		run.r = run.r.MarkDelivered(s.Notification.MailKey(), "", "", run.now)
	case handle.StepAsk:
		run.r = run.r.MarkDelivered(s.Key(), "D0"+s.To, run.ts(), run.now)
	case handle.StepWatch:
		if run.stackStatus == "" {
			run.r = run.r.StillInProgress(run.now)
			return
		}
		run.r = run.r.RecordEnd(handle.Ended{Status: run.stackStatus, At: run.now})
	}
}

// ts returns a timestamp for a message sent now.
func (run *runner) ts() string { return run.now.Format("20060102150405.000000000") }

// takeDone returns the keys recorded since the last call.
func (run *runner) takeDone() []string {
	done := run.done
	run.done = nil
	return done
}

func TestStepsOfWholeRequests(t *testing.T) {
	approve := func(ids ...string) func(*testing.T, *runner) {
		return func(t *testing.T, run *runner) { run.r = votes(t, run.r, handle.Approve, run.now, ids...) }
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
		what  func(*testing.T, *runner)
		want  []string // keys of the steps taken then
	}
	for _, tt := range []struct {
		name   string
		edit   func(*handle.Request)
		endsAs string
		steps  []step
	}{
		{name: "approved by two", endsAs: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann), []string{"refresh/C0APPROVALS/20261123090000.000000000", "tell/vote-0"}},
			{2 * time.Hour, approve(ben), []string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
			{2*time.Hour + time.Minute, nil, []string{"refresh/D0ROB/20261123090000.000000000", "react"}},
			{2*time.Hour + 5*time.Minute, nil, []string{"watch", "refresh/C0APPROVALS/20261123090000.000000000", "refresh/D0ROB/20261123090000.000000000", "tell/ended"}},
		}},
		{name: "approved by two at once", endsAs: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann, ben), []string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
		}},
		{name: "rejected", endsAs: "ROLLBACK_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, func(t *testing.T, run *runner) { run.r = rejected(t, run.r, run.now) },
				[]string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
			{61 * time.Minute, nil, []string{"refresh/D0ROB/20261123090000.000000000", "react"}},
			{65 * time.Minute, nil, []string{"watch", "refresh/C0APPROVALS/20261123090000.000000000", "refresh/D0ROB/20261123090000.000000000", "tell/ended"}},
		}},
		{name: "no one decides", endsAs: "ROLLBACK_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{8 * time.Hour, nil, nil},
			{8*time.Hour + 13*time.Minute + 30*time.Second, nil, []string{"tell/reminder"}},
			{10*time.Hour + 58*time.Minute, nil, []string{"expire", "signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
		}},
		{name: "the stack is deleted", endsAs: "DELETE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, func(_ *testing.T, run *runner) { run.r = run.r.Withdraw("the stack was deleted", run.now) },
				[]string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
		}},
		{name: "an event reports the end", endsAs: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann, ben), []string{"signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided"}},
			{61 * time.Minute, func(_ *testing.T, run *runner) { run.r = run.r.ObserveStatus("CREATE_COMPLETE", "", run.now) },
				[]string{"refresh/D0ROB/20261123090000.000000000", "watch", "refresh/C0APPROVALS/20261123090000.000000000", "refresh/D0ROB/20261123090000.000000000", "tell/ended", "react"}},
		}},
		{name: "the gate is bypassed", endsAs: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"post", "tell/asked"}},
			{time.Hour, func(_ *testing.T, run *runner) { run.r = run.r.ObserveStatus("CREATE_COMPLETE", "", run.now) },
				[]string{"watch", "signal", "refresh/C0APPROVALS/20261123090000.000000000", "tell/decided", "tell/bypass", "tell/ended"}},
		}},
		{name: "by mail alone", edit: withoutSlack, endsAs: "CREATE_COMPLETE", steps: []step{
			{0, nil, []string{"mail/asked"}},
			{8*time.Hour + 14*time.Minute, nil, nil},
			{9 * time.Hour, func(t *testing.T, run *runner) {
				var err error
				if run.r, err = run.r.VoteByMail("Ann", handle.Approve, "", run.now); err != nil {
					t.Fatal(err)
				}
			}, []string{"signal", "mail/decided"}},
			{9*time.Hour + 5*time.Minute, nil, []string{"watch"}},
		}},
		{name: "Slack comes back", edit: approvals(1), endsAs: "CREATE_COMPLETE", steps: []step{
			{0, func(_ *testing.T, run *runner) { run.fail = slackFails }, []string{"post", "mail/asked"}},
			{70 * time.Second, func(_ *testing.T, run *runner) { run.fail = nil }, []string{"post", "tell/asked"}},
			{time.Hour, approve(ann), []string{"signal", "refresh/C0APPROVALS/20261123090110.000000000", "tell/decided", "mail/decided"}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := newRunner(launch())
			if tt.edit != nil {
				tt.edit(&run.r)
			}
			run.stackStatus = tt.endsAs
			for _, s := range tt.steps {
				run.runUntil(t, at.Add(s.after-1))
				run.now = at.Add(s.after)
				if s.what != nil {
					run.takeDone() // drops what was done in between
					s.what(t, run)
				}
				run.runDue(t)
				if diff := cmp.Diff(s.want, run.takeDone()); diff != "" {
					t.Errorf("%s after the launch (-want +got):\n%s", s.after, diff)
				}
			}
			run.runUntil(t, at.Add(24*time.Hour))
			if !run.r.NextDue().IsZero() || run.r.Ended == nil {
				t.Errorf("in the end: next due at %s, ended %v, want nothing due and an end", run.r.NextDue(), run.r.Ended)
			}
		})
	}
}
