package blocks

import (
	"github.com/slack-go/slack"

	"countersign/handle"
)

// Direct is the first direct message to the requester: their own view of the request,
// with the buttons to withdraw it and to nudge the approvers. Later notifications are
// replies to it. Like Message, it shows only what handle.Request.ViewHash digests and
// what never changes.
func Direct(r handle.Request) View {
	var l layout
	head := directHeadline(r)
	l.header(head.sign + " " + head.word + ": " + Title(r))
	l.section("summary", directSummary(r))
	l.section("status", directStatus(r))
	l.section("people", people(r, true))
	if r.Decision != nil && r.State() != handle.Expired {
		l.quote(r.Decision.Reason, 2000)
	}
	l.section("relaunching", relaunch(r, "You"))
	directButtons(&l, r)
	l.context("footer", footer(r)[0])
	return l.view(head.sign + " " + launch(r) + ": " + head.word + ".")
}

// FirstDirect is Direct as first posted: n's text is the notification that Slack shows.
func FirstDirect(r handle.Request, n handle.Notification) View {
	v := Direct(r)
	v.Text = Notification(r, n, true).Text
	return v
}

// AskDirect asks an approver by direct message when Slack did not let them be mentioned
// in the request's thread. They decide in the channel.
func AskDirect(r handle.Request) View {
	text := states[handle.Pending].sign + " " + launch(r) + ": this " + Operation(r) + " by " + requester(r, 100) + " is waiting for your approval. Expires " + Mrkdwn.Date(r.Terms.Deadline) +
		". Slack did not let Countersign mention you in the channel, so you get this direct message."
	if root, ok := r.Root(); ok {
		if url := messageLink(root.Channel, root.TS); url != "" {
			text += " To decide, " + link(url, "open the request") + "."
		}
	}
	var l layout
	l.section("", text)
	return l.view(text)
}

// directHeadline is headline in the requester's words.
func directHeadline(r handle.Request) head {
	h := headline(r)
	switch {
	case r.State() != handle.Pending || r.Bypass != nil:
	case isUpdate(r):
		h.word = "Update waiting for approval"
	default:
		h.word = "Waiting for approval"
	}
	return h
}

func directSummary(r handle.Request) string {
	s := "Your " + Operation(r) + " of " + launch(r) + "."
	if !r.Requester.Proven {
		s = "The " + Operation(r) + " of " + launch(r) + ".\n:warning: AWS doesn't prove that it is yours: your e-mail address was typed. If it isn't yours, tell the approvers."
	}
	return s
}

// directStatus is status in the requester's direct message. It promises no result for
// stacks in other accounts, which Countersign can't follow.
func directStatus(r handle.Request) string {
	text := status(r)
	if r.State() == handle.Approved && r.Ended == nil && r.Stack.OtherAccount {
		text += "\nCountersign can't follow stacks in other accounts: " + result(r)
	}
	return text
}

// directButtons adds the requester's buttons for the current state.
func directButtons(l *layout, r handle.Request) {
	about := " the " + Operation(r) + " of " + Title(r)
	act := func(name, label, aloud string) slack.BlockElement {
		return button(name, actionValue(r, name, ""), label, aloud, slack.StyleDefault)
	}
	withdraw := act(WithdrawAction, "Withdraw", "Withdraw"+about)
	switch g := r.Grant; {
	case r.Decision == nil:
		l.actions("requester", act(NudgeAction, "Nudge", "Nudge the approvers of"+about), withdraw)
	case r.State() == handle.Expired && g != nil && g.UsedBy == "" && g.RevokedAt.IsZero() && !g.Lapsed:
		l.actions("requester", withdraw)
	}
}

// The action_id of each of the requester's buttons, which is also the callback_id of its
// form; and the block_id and action_id of the form's input.
const (
	WithdrawAction = "withdraw"
	NudgeAction    = "nudge"
	WithdrawField  = "withdrawal"
)

// Withdraw is the form that confirms the withdrawal of r. metadata comes back with the
// submission.
func Withdraw(r handle.Request, metadata string) slack.ModalViewRequest {
	input := textInput(WithdrawField, "For example: wrong size, I'll launch it again")
	text := launch(r) + " stops waiting for approval and is rolled back at once. This can't be undone."
	switch {
	case r.Decision != nil:
		text = launch(r) + " will then need a new approval to be launched again. This can't be undone."
	case isUpdate(r):
		text = "The update of " + launch(r) + " stops waiting for approval and is rolled back at once. This can't be undone."
	}
	var l layout
	l.section("", text)
	reason := slack.NewInputBlock(WithdrawField, plain("Reason"), plain("The approvers will see it. It also becomes the stack's failure reason."), input)
	reason.Optional = true
	l.blocks = append(l.blocks, reason)
	return l.form(WithdrawAction, "Withdraw this "+Operation(r)+"?", "Withdraw", metadata)
}

// Nudged answers a requester who nudged the approvers.
func Nudged(r handle.Request) string {
	names := waitingMentioned(r)
	if len(names) == 0 {
		names = []string{"the approvers"}
	}
	text := enumerate(names) + " will be reminded in the request's thread."
	if open := r.OpenQuestions(); open > 0 {
		text += " " + count(open, "question still waits", "questions still wait") + " for your answer."
	}
	if next := nextNudge(r); next.Before(r.Terms.Deadline) {
		return text + " You can nudge them again after " + Mrkdwn.Date(next) + "."
	}
	return text + " The request expires before you can nudge them again."
}
