package blocks

import (
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
	input := slack.NewPlainTextInputBlockElement(plain("For example: use the shared cluster instead"), ReasonAction)
	input.Multiline, input.MinLength, input.MaxLength, input.FocusOnLoad = true, MinReason, MaxReason, true
	var l layout
	l.section("", subject(r))
	l.quote(r.Purpose, 400)
	l.blocks = append(l.blocks, slack.NewInputBlock(ReasonBlock, plain("Reason"), plain("The requester will see it. It also becomes the stack's failure reason."), input))
	v := l.modal(RejectModal, "Reject this "+Operation(r)+"?", "Cancel")
	v.PrivateMetadata, v.Submit = metadata, plain("Reject")
	return v
}

// subject says who wants what, and where.
func subject(r handle.Request) string {
	return requester(r) + " wants to " + Operation(r) + " " + launch(r) + ".\n" + identity(r, Mrkdwn)
}
