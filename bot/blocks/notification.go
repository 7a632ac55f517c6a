package blocks

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// Tell is what is said of one occasion: in the thread of the request's message,
// or, if direct, to the requester alone.
func Notification(r handle.Request, o handle.Notification, direct bool) View {
	lead, said, aside := told(r, o, direct)
	if !direct && lead {
		said = requester(r) + ": " + said
	}
	if direct {
		said = about(r) + ": " + said
	}
	v := View{Text: said, Blocks: []slack.Block{section(said)}}
	if aside != "" {
		v.Blocks = append(v.Blocks, slack.NewSectionBlock(quoted(aside, 2000), nil, nil))
		v.Text += " " + code(aside, 300)
	}
	return v
}

// about names the launch where no thread does.
func about(r handle.Request) string {
	s := bold(title(r), maxTitle)
	if r.Product.Provisioned != "" {
		s += " (" + code(r.Product.Provisioned, 100) + ")"
	}
	return s + " in account " + code(r.Stack.Account, 20)
}

// told says it: whether the requester is addressed, in our own words, and what
// somebody typed.
func told(r handle.Request, o handle.Notification, direct bool) (lead bool, said, aside string) {
	switch name, _, _ := strings.Cut(o.Name, "-"); name {
	case handle.NotifyAsked:
		need := ""
		if r.Terms.Approvals > 1 {
			need = fmt.Sprintf(" %d different people must approve.", r.Terms.Approvals)
		}
		return true, "this waits for the approval of " + mentions(r.Terms.Approvers) + "." + need +
			" It closes by itself " + date(r.Terms.Deadline) + ". You will hear here what comes of it.", ""
	case handle.NotifyVote:
		by := r.Votes[o.Vote].By
		missing := r.Terms.Approvals - approvalsUpTo(r, o.Vote)
		return true, fmt.Sprintf("approved by %s; %s needed.", mention(by.ID), count(missing, "more approval is", "more approvals are")), ""
	case handle.NotifyReminder:
		return false, mentions(r.Terms.Approvers) + ": this is still waiting, since " + date(r.CreatedAt) +
			". If nobody decides, it closes by itself " + date(r.Terms.Deadline) + " and the launch is rolled back.", ""
	case handle.NotifyDecided:
		return decided(r)
	case handle.NotifyBypass:
		said = ":rotating_light: this launch went round the approval: " + escape(handle.OneLine(r.Bypass.How, 300)) + ". "
		if direct {
			return false, said + "The approvers have been told.", ""
		}
		return true, said + mentions(r.Terms.Approvers) + ", please look into it.", ""
	case handle.NotifyEnded:
		return endedAtLength(r)
	}
	return false, "", ""
}

func decided(r handle.Request) (lead bool, said, aside string) {
	d := r.Decision
	switch d.State {
	case handle.Approved:
		return true, "approved by " + person(d.By, d.Via) + ". The launch goes on; you will hear when the stack is up.", d.Reason
	case handle.Rejected:
		return true, "rejected by " + person(d.By, d.Via) + ". The launch is being rolled back. The reason:", d.Reason
	case handle.Expired:
		return true, "nobody decided in time, so the launch is being rolled back. To ask again, terminate the failed product and launch it again.", ""
	}
	return true, "withdrawn. Nobody needs to decide any more.", d.Reason
}

func endedAtLength(r handle.Request) (lead bool, said, aside string) {
	said = ended(r)
	said = strings.ToLower(said[:1]) + said[1:]
	if r.Ended.Succeeded() {
		if outputs := fields("Outputs", r.Ended.Outputs); outputs != "" {
			said += "\n" + outputs
		}
		return true, said, ""
	}
	if r.Ended.Reason != "" {
		said += " The first failure:"
	}
	return true, said, r.Ended.Reason
}

// approvalsUpTo counts the approvals among the votes up to and including i.
func approvalsUpTo(r handle.Request, i int) int {
	r.Votes = r.Votes[:i+1]
	return len(r.ApprovedBy())
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
