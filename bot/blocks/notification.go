package blocks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// sentence is what a notification says.
type sentence struct {
	sign        string // of the state, beside its word
	toRequester bool   // addresses the requester
	text        string // our own words, in mrkdwn
	quote       string // outside text: a reason, or the first failure
	list        string // in mrkdwn, in a block of its own
}

// Notification words n: as a reply in the request's thread or, if direct, as a
// private message to the requester.
func Notification(r handle.Request, n handle.Notification, direct bool) View {
	s := word(r, n, direct)
	switch {
	case direct:
		s.text = launch(r) + ": " + s.text
	case s.toRequester:
		s.text = requester(r, 100) + ": " + s.text
	}
	if s.sign != "" {
		s.text = s.sign + " " + s.text
	}
	var l layout
	l.section("", s.text)
	l.quote(s.quote, 2000)
	l.section("", s.list)
	if n.Kind() == handle.NotifyQuestion {
		l.actions("answer", button(AnswerAction, actionValue(r, AnswerAction, r.Questions[n.Index].ID), "Answer", "Answer this question about the "+Operation(r)+" of "+Title(r), slack.StyleDefault))
	}
	text := s.text
	if !handle.Blank(s.quote) {
		text += " " + code(s.quote, 300)
	}
	if s.list != "" {
		text += "\n" + s.list
	}
	return l.view(text)
}

// Signs of notifications that are about neither a state nor an end.
const (
	reminderSign = "⏰"
	questionSign = "❓"
	answerSign   = "💬"
	lockedSign   = "🔒"
	bypassSign   = "🚨"
	failedSign   = "⚠️"
)

// result says where the requester reads how an approved launch ends. Countersign can't
// follow stacks in other accounts.
func result(r handle.Request) string {
	if r.Stack.OtherAccount {
		return "see CloudFormation in its account for the result."
	}
	return "the result will be posted here."
}

func word(r handle.Request, n handle.Notification, direct bool) sentence {
	approvers := mentions(r.Terms.Approvers)
	switch n.Kind() {
	case handle.NotifyAsked:
		of := approvers
		if !direct {
			of = askedOf(r)
		}
		text := "this " + Operation(r) + " is waiting for approval by " + of + "."
		if r.ApprovalsNeeded() > 1 {
			text += " " + count(r.ApprovalsNeeded(), "approval is", "approvals are") + " needed, each from a different person."
		}
		return sentence{sign: states[handle.Pending].sign, toRequester: true, text: text + " Expires " + Mrkdwn.Date(r.Terms.Deadline) + ". Updates will appear in this thread."}
	case handle.NotifyReasked:
		of := askedOf(r)
		if r.RootWasReply() {
			of = awaited(r.WaitingFor())
		}
		return sentence{sign: states[handle.Pending].sign, text: "the earlier message about this " + Operation(r) + " was deleted, so the request is posted again here for " + of + ". Expires " + Mrkdwn.Date(r.Terms.Deadline) + "."}
	case handle.NotifyVote:
		missing := r.ApprovalsNeeded() - approvalsUpTo(r, n.Vote)
		return sentence{sign: states[handle.Pending].sign, toRequester: true, text: "approved by " + mention(r.Votes[n.Vote].By.ID) + "; " + count(missing, "more approval is", "more approvals are") + " needed."}
	case handle.NotifyReminder:
		text := reminder(r, n)
		if all := len(r.Terms.Reminders); all > 1 {
			text += fmt.Sprintf(" Reminder %d of %d.", n.Index+1, all)
		}
		return sentence{sign: reminderSign, text: text}
	case handle.NotifyNudge:
		return sentence{sign: reminderSign, text: awaited(r.WaitingFor()) + ": the requester asks for your decision on this " + Operation(r) + ", which has been waiting for " + waited(r, n.At) + ". " + otherwise(r)}
	case handle.NotifyQuestion:
		q := r.Questions[n.Index]
		return sentence{sign: questionSign, toRequester: true, text: mention(q.By.ID) + " asks:", quote: q.Text}
	case handle.NotifyAnswer:
		q := r.Questions[n.Index]
		return sentence{sign: answerSign, text: mention(q.By.ID) + ": the requester answered:", quote: q.Answer.Text}
	case handle.NotifyReassigned:
		m := r.Reassignments[n.Index]
		return sentence{sign: states[handle.Pending].sign, toRequester: true, text: mention(m.By.ID) + " reassigned this " + Operation(r) + " to " + mentions(m.To) + "."}
	case handle.NotifyEscalated:
		return escalated(r, n, direct)
	case handle.NotifyLocked:
		return sentence{sign: lockedSign, text: fmt.Sprintf("the mailed link to %s this %s was locked after %d wrong codes; nothing was decided. Decide here in Slack. If no approver mistyped the code, someone else may have the mail: check who receives it.", n.Verdict, Operation(r), handle.MaxWrongCodes)}
	case handle.NotifyDecided:
		return decided(r)
	case handle.NotifyBypass:
		what := "launch"
		if r.State() == handle.Approved { // and an update has bypassed the gate since
			what = "product"
		}
		text := "this " + what + " bypassed approval: " + escape(handle.OneLine(r.Bypass.How, 300)) + ". "
		if direct {
			return sentence{sign: bypassSign, text: text + "The approvers have been notified."}
		}
		return sentence{sign: bypassSign, toRequester: true, text: text + approvers + ", please investigate."}
	case handle.NotifyEnded:
		return ended(r, direct)
	case handle.NotifyGranted:
		text := "approved for relaunch by " + approvedBy(r, handle.ViaSlack) + ". Launch it again with the same values by " + Mrkdwn.Date(r.Grant.Until) + " and it continues at once"
		if url := productPage(r); url != "" {
			text += ": " + link(url, "the product in Service Catalog")
		}
		return sentence{sign: states[handle.Approved].sign, toRequester: true, text: text + "."}
	}
	return sentence{}
}

func decided(r handle.Request) sentence {
	d := r.Decision
	by := Mrkdwn.Person(d.By, d.Via)
	s := sentence{sign: states[d.State].sign, toRequester: true}
	switch {
	case isUpdate(r) && d.State == handle.Approved:
		s.text, s.quote = "the update was approved by "+by+" and continues; "+result(r), d.Reason
		return s
	case isUpdate(r) && d.State == handle.Rejected:
		s.text, s.quote = "the update was rejected by "+by+" and is being rolled back. Reason:", d.Reason
		return s
	case isUpdate(r) && d.State == handle.Expired:
		s.text = "the update expired without a decision and is being rolled back. To try again, update the product again."
		return s
	case d.Via == handle.ViaGrant:
		s.text = "approved for relaunch by " + approvedBy(r, handle.ViaSlack) + ", so the launch continues at once; " + result(r)
		return s
	}
	if r.WithdrawnByRequester() {
		s.text, s.quote = "withdrawn by "+by+". The "+Operation(r)+" is being rolled back. Reason:", d.Reason
		return s
	}
	switch d.State {
	case handle.Approved:
		s.text, s.quote = "approved by "+by+". The launch continues; "+result(r), d.Reason
	case handle.Rejected:
		s.text, s.quote = "rejected by "+by+". The launch is being rolled back. Reason:", d.Reason
	case handle.Expired:
		s.text = "expired without a decision. The launch is being rolled back. To try again, terminate the failed product and launch it again."
		if r.Grant != nil {
			s.text += " Approvers can still approve it until " + Mrkdwn.Date(r.Decision.At.Add(time.Duration(r.Terms.GrantForSeconds)*time.Second)) +
				"; it can then be launched again with the same values, without waiting."
		}
	default:
		s.text, s.quote = "withdrawn, so no decision is needed anymore. Reason:", d.Reason
	}
	return s
}

// ended words the stack's end. A person whom only a typed e-mail names gets no
// outputs by private message.
func ended(r handle.Request, direct bool) sentence {
	e := r.Ended
	text := stackEnd(e)
	s := sentence{sign: failedSign, toRequester: true, text: strings.ToLower(text[:1]) + text[1:]}
	if e.Succeeded() {
		s.sign = states[handle.Approved].sign
		if r.Requester.Proven || !direct {
			s.list = fields("Outputs", e.Outputs)
		}
		return s
	}
	if !handle.Blank(e.Reason) {
		s.text, s.quote = s.text+" First failure:", e.Reason
	}
	return s
}

// escalated words an escalation: for the second approvers and those who have not acted
// or, if direct, for the requester.
func escalated(r handle.Request, n handle.Notification, direct bool) sentence {
	var second, first []string
	for _, id := range r.Terms.EscalateTo {
		if slices.Contains(r.Terms.Approvers, id) { // not replaced since
			second = append(second, id)
		}
	}
	for _, a := range r.WaitingFor() {
		if !slices.Contains(r.Terms.EscalateTo, a.ID) {
			first = append(first, a.ID)
		}
	}
	if direct {
		return sentence{sign: states[handle.Pending].sign, text: "no decision for " + waited(r, n.At) + ", so it was escalated to " + mentions(second) +
			", who can now decide too. Expires " + Mrkdwn.Date(r.Terms.Deadline) + "."}
	}
	text := mentions(second) + ": this " + Operation(r) + " has been waiting for a decision for " + waited(r, n.At) + ", so it was escalated to you."
	if len(first) > 0 {
		text += " These approvers can still decide too: " + mentions(first) + "."
	}
	return sentence{sign: states[handle.Pending].sign, text: text + " " + otherwise(r)}
}

// waited says how long r had been waiting at t.
func waited(r handle.Request, t time.Time) string {
	minutes := max(1, int(t.Sub(r.CreatedAt)/time.Minute))
	var age string
	switch h, m := minutes/60, minutes%60; {
	case h == 0:
		age = fmt.Sprintf("%d min", m)
	case m == 0:
		age = fmt.Sprintf("%d h", h)
	default:
		age = fmt.Sprintf("%d h %d min", h, m)
	}
	return age + ", since " + Mrkdwn.Date(r.CreatedAt)
}

// otherwise says until when a pending request can be decided, what follows if it is
// not, and how to decide it.
func otherwise(r handle.Request) string {
	return expiry(r) + " Approve or reject it at the top of this thread."
}

func expiry(r handle.Request) string {
	return "Without a decision it expires " + Mrkdwn.Date(r.Terms.Deadline) + " and is rolled back."
}

// reminder mentions those who have not acted. If all of them have asked and wait for
// an answer, it mentions the requester instead.
func reminder(r handle.Request, n handle.Notification) string {
	missing := r.ToRemind()
	if len(missing) == 0 && len(r.WaitingFor()) > 0 {
		return requester(r, 100) + ": this " + Operation(r) + " has been waiting for " + waited(r, n.At) + ", and now for your answer. Answer the open question in this thread or in your direct messages. " + expiry(r)
	}
	return awaited(missing) + ": this " + Operation(r) + " has been waiting for your decision for " + waited(r, n.At) + ". " + otherwise(r)
}

// awaited mentions those who are missing.
func awaited(missing []handle.Awaited) string {
	var ids []string
	for _, a := range missing {
		ids = append(ids, a.ID)
	}
	if len(ids) == 0 {
		return "Approvers"
	}
	return mentions(ids)
}

// approvalsUpTo counts the approvals among the votes up to and including i.
func approvalsUpTo(r handle.Request, i int) int {
	r.Votes = r.Votes[:i+1]
	return len(r.ApprovedBy())
}
