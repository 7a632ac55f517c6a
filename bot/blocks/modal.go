package blocks

import (
	"cmp"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// The modal that takes a rejection's reason: its callback_id, and the block and
// action of its input.
const (
	RejectModal  = "reject"
	ReasonBlock  = "reason"
	ReasonAction = "reason"

	MinReason = 3   // characters
	MaxReason = 500 // characters
)

// Reject is the modal for rejecting r. metadata comes back with the submission.
// See https://docs.slack.dev/surfaces/modals
func Reject(r handle.Request, metadata string) slack.ModalViewRequest {
	input := textInput(ReasonAction, "For example: use the shared cluster instead")
	input.MinLength, input.MaxLength = MinReason, MaxReason
	var l layout
	l.section("", subject(r))
	l.quote(r.Purpose, 400)
	l.input(ReasonBlock, "Reason", "The requester will see it. It also becomes the stack's failure reason.", input)
	return l.form(RejectModal, "Reject this "+Operation(r)+"?", "Reject", metadata)
}

// The action_ids of the approvers' buttons other than votes, and of Answer. The form that
// a button opens has the same callback_id.
const (
	AskAction         = "ask"
	AnswerAction      = "answer"
	StartReviewAction = "reviewing"
	StopReviewAction  = "stopreviewing"
	ReassignAction    = "reassign"
)

// The block_id and action_id of each form's input.
const (
	QuestionField  = "question"
	AnswerField    = "answer"
	ApproversField = "approvers"
)

// MaxText is how long a question or an answer may be, in characters.
const MaxText = 500

// actionValue is the value of a button, and of the form that it opens.
func actionValue(r handle.Request, name, item string) string {
	return handle.Action{ID: r.ID, Name: name, Item: item}.String()
}

// ActionOutcome tells a person the result of their action where no message shows it:
// text or, if that is empty, that the action is done.
func ActionOutcome(r handle.Request, action, text string) string {
	done := map[string]string{
		AskAction: "Your question was sent to the requester. The answer will appear in the thread.", AnswerAction: "Your answer was sent.",
		StartReviewAction: "The message now shows that you are reviewing.", StopReviewAction: "You are no longer reviewing.",
		ReassignAction: "Reassigned.", WithdrawAction: "Withdrawn.",
	}
	text = cmp.Or(text, done[action], "Done.")
	if r.ID == "" {
		return text
	}
	return launch(r) + "\n" + text
}

// Ask is the modal for a question to the requester.
func Ask(r handle.Request, metadata string) slack.ModalViewRequest {
	var l layout
	l.section("", subject(r))
	l.quote(r.Purpose, 400)
	l.input(QuestionField, "Question", "Sent to "+requesterName(r)+" by direct message and posted in the thread. The "+Operation(r)+" stays pending.", textInput(QuestionField, "For example: how long do you need it?"))
	return l.form(AskAction, "Ask the requester", "Ask", metadata)
}

// Answer is the modal for the requester's answer to the question with an ID.
func Answer(r handle.Request, id, metadata string) slack.ModalViewRequest {
	var l layout
	l.section("", launch(r))
	for _, q := range r.Questions {
		if q.ID == id {
			l.section("", mention(q.By.ID)+" asks:")
			l.quote(q.Text, 2000)
		}
	}
	l.input(AnswerField, "Answer", "Posted in the request's thread, where everyone in the channel can read it.", textInput(AnswerField, "For example: until the end of the month"))
	return l.form(AnswerAction, "Answer", "Send", metadata)
}

// Reassign is the modal for choosing other approvers. names are the known names of
// users, by ID.
func Reassign(r handle.Request, names map[string]string, metadata string) slack.ModalViewRequest {
	var options []*slack.OptionBlockObject
	for _, id := range r.ReassignOptions() {
		options = append(options, slack.NewOptionBlockObject(id, plain(cutPlain(approverName(r, id, names), maxLabel)), nil))
	}
	menu := slack.NewOptionsMultiSelectBlockElement(slack.MultiOptTypeStatic, plain("Choose people or groups"), ApproversField, options...)
	var l layout
	l.section("", subject(r))
	l.section("", "They replace the approvers who have not decided yet. Approvals already given still count.")
	l.input(ApproversField, "New approvers", "They will be mentioned in the thread, and the requester will be notified.", menu)
	return l.form(ReassignAction, "Reassign this "+Operation(r)+"?", "Reassign", metadata)
}

// approverName names a user or user group in plain text.
func approverName(r handle.Request, id string, names map[string]string) string {
	if handle.IsUserGroup(id) {
		if g := r.Groups[id]; !handle.Blank(g.Name) {
			return groupName(g)
		}
		return "User group " + id
	}
	if name := handle.OneLine(names[id], maxName); name != "" {
		return name
	}
	return "User " + id
}

// groupName names a group by name and size.
func groupName(g handle.Group) string {
	name := "@" + strings.TrimPrefix(handle.OneLine(g.Name, maxName), "@")
	if g.Size > 0 {
		name += " (" + count(g.Size, "person", "people") + ")"
	}
	return name
}

// textInput is a field for a question or an answer.
func textInput(action, example string) *slack.PlainTextInputBlockElement {
	input := slack.NewPlainTextInputBlockElement(plain(example), action)
	input.Multiline, input.MinLength, input.MaxLength, input.FocusOnLoad = true, 1, MaxText, true
	return input
}

// subject says who wants what, and where.
func subject(r handle.Request) string {
	return asks(r, 100) + ".\n" + identity(r, Mrkdwn)
}
