package blocks

import (
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// sentence is what a notification says.
type sentence struct {
	toRequester bool   // addresses the requester
	text        string // our own words, in mrkdwn
	quote       string // outside text: a reason, or the first failure
}

// Notification words n: as a reply in the request's thread or, if direct, as a
// private message to the requester.
func Notification(r handle.Request, n handle.Notification, direct bool) View {
	s := word(r, n, direct)
	switch {
	case direct:
		s.text = launch(r) + ": " + s.text
	case s.toRequester:
		s.text = requester(r) + ": " + s.text
	}
	v := View{Text: s.text, Blocks: []slack.Block{section(s.text)}}
	if s.quote != "" {
		v.Blocks = append(v.Blocks, slack.NewSectionBlock(quote(s.quote, 2000), nil, nil))
		v.Text += " " + code(s.quote, 300)
	}
	return v
}

func word(r handle.Request, n handle.Notification, direct bool) sentence {
	approvers := mentions(r.Terms.Approvers)
	switch n.Kind() {
	case handle.NotifyAsked:
		text := "this " + Operation(r) + " is waiting for approval by " + approvers + "."
		if r.ApprovalsNeeded() > 1 {
			text += " " + count(r.ApprovalsNeeded(), "approval is", "approvals are") + " needed, each from a different person."
		}
		return sentence{toRequester: true, text: text + " Expires " + Mrkdwn.Date(r.Terms.Deadline) + ". Updates will appear in this thread."}
	case handle.NotifyReasked:
		return sentence{text: approvers + ": the earlier message about this " + Operation(r) + " was deleted, so the question is repeated here. Expires " + Mrkdwn.Date(r.Terms.Deadline) + "."}
	case handle.NotifyVote:
		missing := r.ApprovalsNeeded() - approvalsUpTo(r, n.Vote)
		return sentence{toRequester: true, text: "approved by " + mention(r.Votes[n.Vote].By.ID) + "; " + count(missing, "more approval is", "more approvals are") + " needed."}
	case handle.NotifyReminder:
		return sentence{text: awaited(r) + ": this " + Operation(r) + " has been waiting for your decision since " + Mrkdwn.Date(r.CreatedAt) +
			". Without one it expires " + Mrkdwn.Date(r.Terms.Deadline) + " and is rolled back."}
	case handle.NotifyNudge:
		return sentence{text: awaited(r) + ": the requester asks for your decision on this " + Operation(r) + ". Without one it expires " + Mrkdwn.Date(r.Terms.Deadline) + " and is rolled back."}
	case handle.NotifyQuestion:
		q := r.Questions[n.Index]
		return sentence{true, mention(q.By.ID) + " asks:", q.Text}
	case handle.NotifyAnswer:
		q := r.Questions[n.Index]
		return sentence{false, mention(q.By.ID) + ": the requester answered:", q.Answer.Text}
	case handle.NotifyReassigned:
		m := r.Reassignments[n.Index]
		return sentence{toRequester: true, text: mention(m.By.ID) + " reassigned this " + Operation(r) + " to " + mentions(m.To) + "."}
	case handle.NotifyEscalated:
		return sentence{toRequester: true, text: "this " + Operation(r) + " was escalated to " + mentions(r.Terms.EscalateTo) + ", who may now approve it too. Expires " + Mrkdwn.Date(r.Terms.Deadline) + "."}
	case handle.NotifyLocked:
		return sentence{text: fmt.Sprintf(":lock: the mailed link to %s this %s was locked after %d wrong codes; nothing was decided. Decide here in Slack. If no approver mistyped the code, someone else may have the mail: check who receives it.", n.Verdict, Operation(r), handle.MaxWrongCodes)}
	case handle.NotifyDecided:
		return decided(r)
	case handle.NotifyBypass:
		what := "launch"
		if r.State() == handle.Approved { // and an update has bypassed the gate since
			what = "product"
		}
		text := ":rotating_light: this " + what + " bypassed approval: " + escape(handle.OneLine(r.Bypass.How, 300)) + ". "
		if direct {
			return sentence{text: text + "The approvers have been notified."}
		}
		return sentence{toRequester: true, text: text + approvers + ", please investigate."}
	case handle.NotifyEnded:
		return ended(r, direct)
	case handle.NotifyGranted:
		return sentence{toRequester: true, text: "approved for relaunch by " + approvedBy(r, handle.ViaSlack) + ". Launch it again with the same values by " + Mrkdwn.Date(r.Grant.Until) +
			" and it continues at once: " + link(productPage(r), "the product in Service Catalog") + "."}
	}
	return sentence{}
}

func decided(r handle.Request) sentence {
	d := r.Decision
	by := Mrkdwn.Person(d.By, d.Via)
	switch {
	case isUpdate(r) && d.State == handle.Approved:
		return sentence{true, "the update was approved by " + by + " and continues; the result will be posted here.", d.Reason}
	case isUpdate(r) && d.State == handle.Rejected:
		return sentence{true, "the update was rejected by " + by + " and is being rolled back. Reason:", d.Reason}
	case isUpdate(r) && d.State == handle.Expired:
		return sentence{true, "the update expired without a decision and is being rolled back. To try again, update the product again.", ""}
	case d.Via == handle.ViaGrant:
		return sentence{true, "approved for relaunch by " + approvedBy(r, handle.ViaSlack) + ", so the launch continues at once; the result will be posted here.", ""}
	}
	switch d.State {
	case handle.Approved:
		return sentence{true, "approved by " + by + ". The launch continues; the result will be posted here.", d.Reason}
	case handle.Rejected:
		return sentence{true, "rejected by " + by + ". The launch is being rolled back. Reason:", d.Reason}
	case handle.Expired:
		text := "expired without a decision. The launch is being rolled back. To try again, terminate the failed product and launch it again."
		if r.Grant != nil {
			text += " Approvers can still approve it until " + Mrkdwn.Date(r.Decision.At.Add(time.Duration(r.Terms.GrantForSeconds)*time.Second)) +
				"; it can then be launched again with the same values, without waiting."
		}
		return sentence{true, text, ""}
	}
	return sentence{true, "withdrawn, so no decision is needed anymore. Reason:", d.Reason}
}

// ended words the stack's end. A person whom only a typed e-mail names gets no
// outputs by private message.
func ended(r handle.Request, direct bool) sentence {
	e := r.Ended
	text := stackEnd(e)
	text = strings.ToLower(text[:1]) + text[1:]
	if e.Succeeded() {
		if outputs := fields("Outputs", e.Outputs); outputs != "" && (r.Requester.Proven || !direct) {
			text += "\n" + outputs
		}
		return sentence{true, text, ""}
	}
	if e.Reason != "" {
		text += " First failure:"
	}
	return sentence{true, text, e.Reason}
}

// awaited mentions those who have not voted.
func awaited(r handle.Request) string {
	var ids []string
	for _, a := range r.WaitingFor() {
		ids = append(ids, a.ID)
	}
	return mentions(ids)
}

// approvalsUpTo counts the approvals among the votes up to and including i.
func approvalsUpTo(r handle.Request, i int) int {
	r.Votes = r.Votes[:i+1]
	return len(r.ApprovedBy())
}
