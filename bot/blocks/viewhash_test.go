package blocks_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign/bot/blocks"
	"countersign/handle"
	"countersign/handle/handletest"
)

// TestViewHashCoversMessage runs a request through random events. Two of its
// values with the same handle.Request.ViewHash must render the same message: a message
// is refreshed only if its hash has changed.
func TestViewHashCoversMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &hashedRequest{
			now:   time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
			shown: map[string]shown{},
		}
		f.r = handletest.Request(1, f.now, func(r *handle.Request) {
			r.Terms.Approvals = rapid.IntRange(1, 3).Draw(t, "approvals")
			r.Terms.SelfApproval = rapid.Bool().Draw(t, "self-approval")
			r.Terms.ReassignTo, r.Terms.EscalateTo, r.Terms.EscalateAt = []string{"U0GUARD1", "S0OTHERS"}, []string{"S0OTHERS"}, f.now.Add(time.Hour)
		})
		t.Repeat(map[string]func(*rapid.T){
			"":            f.check,
			"time passes": f.timePasses,
			"step":        f.step,
			"vote":        f.vote,
			"mail":        f.mail,
			"stack":       f.stack,
			"stray click": f.strayClick,
			"claim":       f.claim,
			"act":         f.act,
		})
	})
}

// hashedRequest is a request, its clock, and the message rendered for each ViewHash.
type hashedRequest struct {
	r     handle.Request
	now   time.Time
	shown map[string]shown
	ts    int
}

type shown struct {
	message string
	after   string // the last event
}

func (f *hashedRequest) check(t *rapid.T) {
	b, err := json.MarshalIndent([]blocks.View{blocks.Message(f.r), blocks.Direct(f.r)}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if _, posted := f.r.Root(); !posted {
		return // not in Slack yet
	}
	last := f.r.Events[len(f.r.Events)-1]
	is := shown{string(b), fmt.Sprint(last.Kind, " ", last.Text)}
	was, ok := f.shown[f.r.ViewHash()]
	if !ok {
		f.shown[f.r.ViewHash()] = is
		return
	}
	if diff := cmp.Diff(was.message, is.message); diff != "" {
		t.Fatalf("one hash %q, but different messages after %q and after %q:\n%s", f.r.ViewHash(), was.after, is.after, diff)
	}
}

func (f *hashedRequest) timePasses(t *rapid.T) {
	f.now = f.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 12 * time.Hour}).Draw(t, "by"))
}

func (f *hashedRequest) claim(t *rapid.T) {
	f.r, _ = f.r.Claim(rapid.SampledFrom([]string{"one", "two"}).Draw(t, "who"), f.now)
}

// act does what people and reconcilers can do besides deciding.
func (f *hashedRequest) act(t *rapid.T) {
	member := func(id string) handle.Voter {
		return handle.Voter{Person: handle.Person{Team: "T0HOME", ID: id, Name: id}, Home: true, Groups: []string{"S0APPROVERS"}}
	}
	v := member(rapid.SampledFrom([]string{"U0APPROVER1", "U0GUARD1"}).Draw(t, "who"))
	next, err := f.r, error(nil)
	switch rapid.IntRange(0, 7).Draw(t, "act") {
	case 0:
		next, _, err = f.r.Ask(v, rapid.SampledFrom([]string{"Why?", "How long?"}).Draw(t, "question"), f.now)
	case 1:
		next, err = f.r.AnswerQuestion(rapid.SampledFrom([]string{"q1", "q2"}).Draw(t, "ID"), member("U0REQUESTER"), "Because", f.now)
	case 2:
		next, err = f.r.StartReview(v, f.now)
	case 3:
		next, err = f.r.StopReview(v, f.now)
	case 4:
		next, err = f.r.Reassign(v, rapid.SampledFrom([][]string{{"U0GUARD1"}, {"S0OTHERS"}}).Draw(t, "to"), f.now)
	case 5:
		next = f.r.Escalate(f.now)
	case 6:
		next = f.r.EndReviews(f.now)
	case 7:
		g := handle.Group{Name: rapid.SampledFrom([]string{"", "platform"}).Draw(t, "name"), Size: rapid.IntRange(0, 3).Draw(t, "size")}
		if g.Size == 2 {
			g.Members = []string{"U0GUARD1", "U0GUARD2"}
		}
		next = f.r.RecordGroups(map[string]handle.Group{rapid.SampledFrom([]string{"S0APPROVERS", "S0OTHERS"}).Draw(t, "group"): g})
	}
	if err == nil {
		f.r = next
	}
}

func (f *hashedRequest) vote(t *rapid.T) {
	id := rapid.SampledFrom([]string{"U0APPROVER1", "U0GUARD1", "U0GUARD2", "U0STRANGER"}).Draw(t, "who")
	v := handle.Voter{Person: handle.Person{Team: "T0HOME", ID: id, Name: rapid.SampledFrom([]string{id, "Ann"}).Draw(t, "name")}, Home: true}
	if id != "U0STRANGER" {
		v.Groups = []string{"S0APPROVERS"}
	}
	verdict := rapid.SampledFrom([]handle.Verdict{handle.Approve, handle.Approve, handle.Approve, handle.Reject}).Draw(t, "verdict")
	next, err := f.r.VoteBySlack(v, verdict, rapid.SampledFrom([]string{"", "because", "for <another> reason"}).Draw(t, "reason"), f.now)
	if err != nil {
		next = f.r.RecordRefusal(v.Person, handle.RefusedNotApprover, f.now)
	}
	f.r = next
}

func (f *hashedRequest) mail(t *rapid.T) {
	verdict := rapid.SampledFrom([]handle.Verdict{handle.Approve, handle.Reject}).Draw(t, "verdict")
	f.r, _ = f.r.VoteByMail(rapid.SampledFrom([]string{"Ann", "*Ben*"}).Draw(t, "name"), verdict, "because", f.now)
}

// strayClick is a click on a message whose posting was never marked.
func (f *hashedRequest) strayClick(t *rapid.T) {
	f.r = f.r.AdoptMessage("C0APPROVALS", rapid.SampledFrom([]string{"9000000000.000001", "9000000000.000002"}).Draw(t, "message"))
}

// step performs one of the due steps, as the reconciler does.
func (f *hashedRequest) step(t *rapid.T) {
	due := f.r.Due(f.now)
	if len(due) == 0 {
		t.Skip("nothing is due")
	}
	s := rapid.SampledFrom(due).Draw(t, "step")
	f.ts++
	ts := fmt.Sprintf("%010d.000000", f.ts)
	if s.Kind != handle.StepExpire && rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
		f.r = f.r.RecordFailure(s, handle.Failure{Reason: "x", Permanent: rapid.Bool().Draw(t, "permanent")}, f.now)
		return
	}
	switch s.Kind {
	case handle.StepExpire:
		f.r = f.r.Expire(f.now)
	case handle.StepSignal:
		f.r = f.r.MarkSignalled(rapid.SampledFrom([]string{"", "403", "404"}).Draw(t, "answer"), f.now)
	case handle.StepPost:
		if !f.r.Requester.LookedUp {
			f.r = f.r.IdentifyRequester(rapid.SampledFrom([]string{"", "U0REQUESTER"}).Draw(t, "requester"), []string{"U0REQUESTER"}, rapid.Bool().Draw(t, "proven"))
		}
		if _, posted := f.r.Root(); posted {
			return
		}
		f.r = f.r.MarkPosted("C0APPROVALS", ts, f.r.ViewHash(), f.now)
	case handle.StepRefresh:
		if rapid.IntRange(0, 4).Draw(t, "deleted") == 0 {
			f.r = f.r.MarkMessageGone(s.Message, f.now)
			return
		}
		f.r = f.r.MarkRefreshed(s.Message, f.r.ViewHash())
	case handle.StepNotify:
		f.r = f.r.MarkDelivered(s.Notification.ReplyKey(), "C0APPROVALS", ts, f.now).MarkDelivered(s.Notification.DirectKey(), "D0REQUESTER", ts, f.now)
	case handle.StepMail:
		f.r = f.r.MarkDelivered(s.Notification.MailKey(), "", "", f.now)
	case handle.StepAsk:
		f.r = f.r.MarkDelivered(s.Key(), "D0"+s.To, ts, f.now)
	case handle.StepWatch:
		f.stack(t)
	}
}

func (f *hashedRequest) stack(t *rapid.T) {
	status := rapid.SampledFrom([]string{"CREATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_COMPLETE", "DELETE_FAILED", ""}).Draw(t, "status")
	why := rapid.SampledFrom([]string{"", "no room", "no <money>"}).Draw(t, "why")
	switch rapid.SampledFrom([]string{"status", "ended", "in progress", "withdrawn", "bypassed"}).Draw(t, "what") {
	case "status":
		f.r = f.r.ObserveStatus(status, why, f.now)
	case "ended":
		f.r = f.r.RecordEnd(handle.Ended{Status: status, Reason: why, Outputs: []handle.Field{{Name: "Queue", Value: why}}, At: f.now})
	case "in progress":
		f.r = f.r.StillInProgress(f.now)
	case "withdrawn":
		f.r = f.r.Withdraw(why, f.now)
	case "bypassed":
		f.r = f.r.RecordBypass("the wait was released "+why, f.now)
	}
}
