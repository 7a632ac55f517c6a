package handle_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"countersign/handle"
)

// people are those who click. entitled means that they may decide rob's request.
var people = []struct {
	voter    handle.Voter
	entitled bool
	self     bool // entitled only if self-approval is allowed
}{
	{voter: voter(ann), entitled: true},
	{voter: voter(ben), entitled: true},
	{voter: voter(gil, guards), entitled: true},
	{voter: voter("U0HAL", guards), entitled: true},
	{voter: voter(rob), entitled: true, self: true},
	{voter: voter("U0EVE"), entitled: true}, // after an escalation or a reassignment
	{voter: voter(sam)},
	{voter: voter(sam, "S0OTHERS")},
	{voter: handle.Voter{Person: handle.Person{Team: "T0AWAY", ID: ann}, Groups: []string{guards}}},
	{voter: handle.Voter{Person: handle.Person{Team: "T0HOME", ID: "U0GUEST"}, Home: true, Guest: true, Groups: []string{guards}}},
	{voter: handle.Voter{Person: handle.Person{Team: "T0HOME", ID: "U0BOT"}, Home: true, Bot: true, Groups: []string{guards}}},
}

func (m *model) voteInSlack(t *rapid.T) {
	who := rapid.SampledFrom(people).Draw(t, "who")
	verdict := rapid.SampledFrom([]handle.Verdict{handle.Approve, handle.Approve, handle.Approve, handle.Reject, "maybe"}).Draw(t, "verdict")
	reason := rapid.SampledFrom([]string{"", " ", "because"}).Draw(t, "reason")
	may := m.mayDecide(who.voter, who.entitled) && verdict != "maybe"

	before := m.r
	var err error
	m.apply(t, "VoteBySlack", func(r handle.Request) (next handle.Request) {
		next, err = r.VoteBySlack(who.voter, verdict, reason, m.now)
		return next
	})
	m.checkVote(t, before, verdict, err, may)
	if err == nil && verdict == handle.Approve && len(m.r.Votes) > len(before.Votes) {
		m.approvers[who.voter.ID] = true
	}
}

// mayDecide reports whether v, if entitled at all, is an approver at present.
func (m *model) mayDecide(v handle.Voter, entitled bool) bool {
	named := slices.Contains(m.r.Terms.Approvers, v.ID) || slices.Contains(v.Groups, guards) && slices.Contains(m.r.Terms.Approvers, guards)
	return entitled && named && !m.r.Stack.Unverified && (m.r.Terms.SelfApproval || v.ID != rob && m.r.Requester.LookedUp)
}

func (m *model) voteByMail(t *rapid.T) {
	name := rapid.SampledFrom([]string{"Ann", "Ben", ""}).Draw(t, "name")
	verdict := rapid.SampledFrom([]handle.Verdict{handle.Approve, handle.Reject}).Draw(t, "verdict")
	before := m.r
	var err error
	m.apply(t, "VoteByMail", func(r handle.Request) (next handle.Request) {
		next, err = r.VoteByMail(name, verdict, "because", m.now)
		return next
	})
	m.checkVote(t, before, verdict, err, !before.Stack.Unverified && (verdict == handle.Reject || before.ApprovalsNeeded() == 1))
	if err == nil && verdict == handle.Approve {
		m.approvers[""] = true
	}
}

// checkVote checks the result of a vote. may means that this person may give this
// verdict.
func (m *model) checkVote(t *rapid.T, before handle.Request, verdict handle.Verdict, err error, may bool) {
	changed := encode(t, before) != encode(t, m.r)
	late := !m.now.Before(m.r.Terms.Deadline)
	switch {
	case err == nil && !may:
		t.Fatalf("a vote was accepted that is not allowed")
	case err != nil && changed:
		t.Fatalf("a refused vote (%v) changed the request", err)
	case changed && (late || before.Decision != nil):
		t.Fatalf("a vote changed a request that was %s, %s before its deadline", before.State(), m.r.Terms.Deadline.Sub(m.now))
	case changed && verdict == handle.Reject && m.r.State() != handle.Rejected:
		t.Fatalf("a rejection was accepted, but the request is %s", m.r.State())
	}
}

// takeStep takes one of the due steps, with a random outcome.
func (m *model) takeStep(t *rapid.T) {
	due := m.r.Due(m.now)
	if len(due) == 0 {
		t.Skip("nothing is due")
	}
	s := rapid.SampledFrom(due).Draw(t, "step")
	now, viewHash := m.now, m.r.ViewHash()
	m.ts++
	ts := fmt.Sprintf("%010d.000000", m.ts)
	outcome := rapid.SampledFrom([]string{"done", "done", "done", "retry", "rate limited", "permanent"}).Draw(t, "outcome")
	if outcome != "done" && s.Kind != handle.StepExpire {
		f := handle.Failure{Reason: "x", RateLimited: outcome == "rate limited", Permanent: outcome == "permanent",
			RetryAfter: rapid.SampledFrom([]time.Duration{0, time.Minute, 1000 * time.Hour}).Draw(t, "wait")}
		m.mark(t, "RecordFailure", func(r handle.Request) handle.Request { return r.RecordFailure(s, f, now) })
		return
	}
	switch s.Kind {
	case handle.StepExpire:
		m.mark(t, "Expire", func(r handle.Request) handle.Request { return r.Expire(now) })
	case handle.StepSignal:
		refused := rapid.SampledFrom([]string{"", "", "403"}).Draw(t, "answer")
		m.mark(t, "MarkSignalled", func(r handle.Request) handle.Request { return r.MarkSignalled(refused, now) })
	case handle.StepEscalate:
		m.mark(t, "Escalate", func(r handle.Request) handle.Request { return r.Escalate(now) })
	case handle.StepReviews:
		m.mark(t, "EndReviews", func(r handle.Request) handle.Request { return r.EndReviews(now) })
	case handle.StepIdentify:
		if m.r.Stack.Unverified {
			m.mark(t, "VerifyStack", func(r handle.Request) handle.Request {
				return r.VerifyStack(r.Product, r.Requester.Principal, r.Parameters, handle.Content{})
			})
		}
		if !m.r.Requester.LookedUp {
			m.lookUp(t)
		}
	case handle.StepPost:
		if _, posted := m.r.Root(); posted {
			return
		}
		viewHash = m.r.ViewHash()
		m.mark(t, "MarkPosted", func(r handle.Request) handle.Request { return r.MarkPosted("C0APPROVALS", ts, viewHash, now) })
	case handle.StepReact:
		root, _ := m.r.Root()
		reaction := m.r.Reaction()
		m.mark(t, "MarkReacted", func(r handle.Request) handle.Request { return r.MarkReacted(root, reaction) })
	case handle.StepRefresh:
		if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
			m.mark(t, "MarkMessageGone", func(r handle.Request) handle.Request { return r.MarkMessageGone(s.Message, now) })
			return
		}
		m.mark(t, "MarkRefreshed", func(r handle.Request) handle.Request { return r.MarkRefreshed(s.Message, viewHash) })
	case handle.StepNotify:
		reply, direct := m.r.PendingDeliveries(s.Notification)
		if root, _ := m.r.Root(); reply && rapid.IntRange(0, 3).Draw(t, "at root") == 0 {
			m.mark(t, "MoveRoot", func(r handle.Request) handle.Request {
				return r.MoveRoot(root, s.Notification, "C0APPROVALS", ts, now)
			})
			return
		}
		if reply {
			m.mark(t, "MarkDelivered", func(r handle.Request) handle.Request {
				return r.MarkDelivered(s.Notification.ReplyKey(), "C0APPROVALS", ts, now)
			})
		}
		if direct {
			m.mark(t, "BeginDirect", func(r handle.Request) handle.Request {
				return r.BeginDirect(s.Notification.DirectKey(), "D0ROB", ts, viewHash, now)
			})
		}
	case handle.StepMail:
		m.mark(t, "MarkDelivered", func(r handle.Request) handle.Request { return r.MarkDelivered(s.Notification.MailKey(), "", "", now) })
	case handle.StepAsk:
		m.mark(t, "MarkDelivered", func(r handle.Request) handle.Request { return r.MarkDelivered(s.Key(), "D0"+s.To, ts, now) })
	case handle.StepWatch:
		m.observeStack(t)
	}
}

func (m *model) observeStack(t *rapid.T) {
	now := m.now
	status := rapid.SampledFrom([]string{"CREATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_COMPLETE", ""}).Draw(t, "status")
	switch rapid.SampledFrom([]string{"event", "ended", "in progress"}).Draw(t, "what") {
	case "event":
		m.mark(t, "ObserveStatus", func(r handle.Request) handle.Request { return r.ObserveStatus(status, "", now) })
	case "ended":
		m.mark(t, "RecordEnd", func(r handle.Request) handle.Request {
			return r.RecordEnd(handle.Ended{Status: status, At: now, Outputs: []handle.Field{{Name: "Queue", Value: "q"}}})
		})
	case "in progress":
		m.mark(t, "StillInProgress", func(r handle.Request) handle.Request { return r.StillInProgress(now) })
	}
}

// closeWithoutVote makes a change that needs no vote.
func (m *model) closeWithoutVote(t *rapid.T) {
	now := m.now
	switch rapid.SampledFrom([]string{"expire", "withdraw", "bypass"}).Draw(t, "how") {
	case "expire":
		m.mark(t, "Expire", func(r handle.Request) handle.Request { return r.Expire(now) })
	case "withdraw":
		m.mark(t, "Withdraw", func(r handle.Request) handle.Request { return r.Withdraw("x", now) })
	case "bypass":
		m.mark(t, "RecordBypass", func(r handle.Request) handle.Request { return r.RecordBypass("x", now) })
	}
}

func (m *model) lookUp(t *rapid.T) {
	if m.r.Requester.LookedUp {
		t.Skip("looked up already")
	}
	all := rapid.SampledFrom([][]string{{rob}, {rob, sam}}).Draw(t, "found")
	m.mark(t, "IdentifyRequester", func(r handle.Request) handle.Request { return r.IdentifyRequester(rob, all, true) })
}

func (m *model) clickUnknownMessage(t *rapid.T) {
	ts := rapid.SampledFrom([]string{"", "9000000000.000001", "9000000000.000002"}).Draw(t, "message")
	m.mark(t, "AdoptMessage", func(r handle.Request) handle.Request { return r.AdoptMessage("C0APPROVALS", ts) })
}

func (m *model) recordRefusal(t *rapid.T) {
	by := rapid.SampledFrom(people).Draw(t, "who").voter.Person
	reason := rapid.SampledFrom([]handle.RefusalReason{handle.RefusedNotApprover, handle.RefusedDecided}).Draw(t, "why")
	before := m.r.CountRefusals(reason)
	m.apply(t, "RecordRefusal", func(r handle.Request) handle.Request { return r.RecordRefusal(by, reason, m.now) })
	if got := m.r.CountRefusals(reason); got != before+1 {
		t.Fatalf("refused once more: got %d, was %d", got, before)
	}
}

func (m *model) useLease(t *rapid.T) {
	who := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "who")
	if rapid.Bool().Draw(t, "release") {
		m.apply(t, "Release", func(r handle.Request) handle.Request { return r.Release(who) })
		return
	}
	other := map[string]string{"one": "two", "two": "one"}[who]
	taken := m.r.HeldBy(other, m.now)
	ok := false
	m.apply(t, "Claim", func(r handle.Request) (next handle.Request) {
		next, ok = r.Claim(who, m.now)
		return next
	})
	if ok == taken || ok != m.r.HeldBy(who, m.now) || m.r.HeldBy(who, m.now) && m.r.HeldBy(other, m.now) {
		t.Fatalf("%s claims the lease, %s holds it: %t; got %t, %+v", who, other, taken, ok, m.r.Lease)
	}
}

// act makes a change that may be refused, and checks that it is refused to those who
// may not, and that a refusal changes nothing. Done twice it changes nothing more.
func (m *model) act(t *rapid.T, what string, may bool, f func(handle.Request) (handle.Request, error)) {
	before := m.r
	var err error
	m.apply(t, what, func(r handle.Request) (next handle.Request) {
		next, err = f(r)
		return next
	})
	open := before.Decision == nil && m.now.Before(before.Terms.Deadline)
	changed := encode(t, before) != encode(t, m.r)
	switch {
	case err == nil && changed && !(may && open):
		t.Fatalf("%s was accepted that is not allowed", what)
	case err != nil && changed:
		t.Fatalf("a refused %s (%v) changed the request", what, err)
	}
	if again, err2 := f(m.r); err == nil && (err2 != nil || encode(t, again) != encode(t, m.r)) {
		t.Fatalf("%s again changed the request, or got error %v", what, err2)
	}
}

func (m *model) anyone(t *rapid.T) (v handle.Voter, mayDecide, isRequester bool) {
	who := rapid.SampledFrom(people).Draw(t, "who")
	return who.voter, m.mayDecide(who.voter, who.entitled), who.voter.ID == rob && m.r.Requester.LookedUp && !m.r.Stack.Unverified
}

func (m *model) ask(t *rapid.T) {
	v, may, _ := m.anyone(t)
	text := rapid.SampledFrom([]string{"why?", "for how long?", " ", "\u200b\u2060"}).Draw(t, "text")
	visible := text == "why?" || text == "for how long?"
	m.act(t, "Ask", may && visible && m.r.Requester.SlackID != "", func(r handle.Request) (handle.Request, error) {
		next, q, err := r.Ask(v, text, m.now)
		if err == nil && !slices.ContainsFunc(next.Questions, func(p handle.Question) bool { return p.ID == q.ID && p.Text == text }) {
			t.Fatalf("the question %+v is not on record", q)
		}
		return next, err
	})
}

func (m *model) answer(t *rapid.T) {
	v, _, requester := m.anyone(t)
	id := rapid.SampledFrom([]string{"q1", "q2", "q9", ""}).Draw(t, "question")
	text := rapid.SampledFrom([]string{"because", "an hour", ""}).Draw(t, "text")
	m.act(t, "AnswerQuestion", requester && text != "", func(r handle.Request) (handle.Request, error) {
		return r.AnswerQuestion(id, v, text, m.now)
	})
}

func (m *model) review(t *rapid.T) {
	v, may, _ := m.anyone(t)
	if rapid.Bool().Draw(t, "stop") {
		m.apply(t, "StopReview", func(r handle.Request) (next handle.Request) {
			next, _ = r.StopReview(v, m.now)
			return next
		})
		return
	}
	m.act(t, "StartReview", may, func(r handle.Request) (handle.Request, error) { return r.StartReview(v, m.now) })
}

func (m *model) nudge(t *rapid.T) {
	v, _, requester := m.anyone(t)
	m.act(t, "Nudge", requester, func(r handle.Request) (handle.Request, error) { return r.Nudge(v, m.now) })
}

func (m *model) withdraw(t *rapid.T) {
	v, _, requester := m.anyone(t)
	reason := rapid.SampledFrom([]string{"", "no longer needed"}).Draw(t, "reason")
	m.act(t, "WithdrawByRequester", requester, func(r handle.Request) (handle.Request, error) {
		return r.WithdrawByRequester(v, reason, m.now)
	})
}

func (m *model) reassign(t *rapid.T) {
	v, may, _ := m.anyone(t)
	to := rapid.SampledFrom([][]string{nil, {ben}, {rob}, {sam}, {"U0EVE"}, {ben, "U0EVE"}, {guards}}).Draw(t, "to")
	may = may && len(to) > 0 && !slices.Contains(to, rob) && !slices.Contains(to, sam) && len(m.r.Terms.ReassignTo) > 0
	m.act(t, "Reassign", may, func(r handle.Request) (handle.Request, error) { return r.Reassign(v, to, m.now) })
}
