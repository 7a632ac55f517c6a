package handle_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"countersign/handle"
)

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
	now, face := l.now, l.r.ViewHash()
	l.ts++
	ts := fmt.Sprintf("%010d.000000", l.ts)
	outcome := rapid.SampledFrom([]string{"done", "done", "done", "again", "limited", "never"}).Draw(t, "outcome")
	if outcome != "done" && s.Kind != handle.StepExpire {
		f := handle.Failure{Reason: "x", RateLimited: outcome == "limited", Permanent: outcome == "never",
			RetryAfter: rapid.SampledFrom([]time.Duration{0, time.Minute, 1000 * time.Hour}).Draw(t, "wait")}
		l.mark(t, "Failed", func(r handle.Request) handle.Request { return r.RecordFailure(s, f, now) })
		return
	}
	switch s.Kind {
	case handle.StepExpire:
		l.mark(t, "Expire", func(r handle.Request) handle.Request { return r.Expire(now) })
	case handle.StepSignal:
		never := rapid.SampledFrom([]string{"", "", "403"}).Draw(t, "answer")
		l.mark(t, "Signalled", func(r handle.Request) handle.Request { return r.MarkSignalled(never, now) })
	case handle.StepPost:
		if !l.r.Requester.LookedUp {
			l.lookUp(t)
		}
		if _, posted := l.r.Root(); posted {
			return
		}
		face = l.r.ViewHash()
		l.mark(t, "Posted", func(r handle.Request) handle.Request { return r.MarkPosted("C0APPROVALS", ts, face, now) })
	case handle.StepRefresh:
		if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
			l.mark(t, "Lost", func(r handle.Request) handle.Request { return r.MarkMessageGone(s.Message, now) })
			return
		}
		l.mark(t, "Refreshed", func(r handle.Request) handle.Request { return r.MarkRefreshed(s.Message, face) })
	case handle.StepNotify:
		reply, direct := l.r.PendingDeliveries(s.Notification)
		if reply {
			l.mark(t, "Sent", func(r handle.Request) handle.Request {
				return r.MarkDelivered(s.Notification.ReplyKey(), "C0APPROVALS", ts, now)
			})
		}
		if direct {
			l.mark(t, "Sent", func(r handle.Request) handle.Request {
				return r.MarkDelivered(s.Notification.DirectKey(), "D0ROB", ts, now)
			})
		}
	case handle.StepMail:
		l.mark(t, "Sent", func(r handle.Request) handle.Request { return r.MarkDelivered(s.Notification.MailKey(), "", "", now) })
	case handle.StepWatch:
		l.stack(t)
	}
}

func (l *life) stack(t *rapid.T) {
	now := l.now
	status := rapid.SampledFrom([]string{"CREATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_COMPLETE", ""}).Draw(t, "status")
	switch rapid.SampledFrom([]string{"heard", "ended", "not yet"}).Draw(t, "what") {
	case "heard":
		l.mark(t, "Heard", func(r handle.Request) handle.Request { return r.ObserveStatus(status, "", now) })
	case "ended":
		l.mark(t, "End", func(r handle.Request) handle.Request {
			return r.RecordEnd(handle.Ended{Status: status, At: now, Outputs: []handle.Field{{Name: "Queue", Value: "q"}}})
		})
	case "not yet":
		l.mark(t, "NotYet", func(r handle.Request) handle.Request { return r.StillInProgress(now) })
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
		l.mark(t, "GoneRound", func(r handle.Request) handle.Request { return r.RecordBypass("x", now) })
	}
}

func (l *life) lookUp(t *rapid.T) {
	if l.r.Requester.LookedUp {
		t.Skip("looked up already")
	}
	all := rapid.SampledFrom([][]string{{rob}, {rob, sam}}).Draw(t, "found")
	l.mark(t, "Identified", func(r handle.Request) handle.Request { return r.IdentifyRequester(rob, all, true) })
}

func (l *life) strayClick(t *rapid.T) {
	ts := rapid.SampledFrom([]string{"", "9000000000.000001", "9000000000.000002"}).Draw(t, "message")
	l.mark(t, "Adopt", func(r handle.Request) handle.Request { return r.AdoptMessage("C0APPROVALS", ts) })
}

func (l *life) refuse(t *rapid.T) {
	by := rapid.SampledFrom(cast).Draw(t, "who").voter.Person
	reason := rapid.SampledFrom([]handle.RefusalReason{handle.RefusedNotApprover, handle.RefusedDecided}).Draw(t, "why")
	before := l.r.CountRefusals(reason)
	l.become(t, "Refuse", func(r handle.Request) handle.Request { return r.RecordRefusal(by, reason, l.now) })
	if got := l.r.CountRefusals(reason); got != before+1 {
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
	taken := l.r.HeldBy(other, l.now)
	ok := false
	l.become(t, "Claim", func(r handle.Request) (next handle.Request) {
		next, ok = r.Claim(who, l.now)
		return next
	})
	if ok == taken || ok != l.r.HeldBy(who, l.now) || l.r.HeldBy(who, l.now) && l.r.HeldBy(other, l.now) {
		t.Fatalf("%s claims what %s holds (%t): got %t, %+v", who, other, taken, ok, l.r.Lease)
	}
}
