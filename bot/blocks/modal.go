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
	return slack.ModalViewRequest{
		Type:            slack.VTModal,
		CallbackID:      RejectModal,
		PrivateMetadata: metadata,
		Title:           plain("Reject this launch?"),
		Submit:          plain("Reject"),
		Close:           plain("Cancel"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			section(subject(r)),
			slack.NewInputBlock(ReasonBlock, plain("Reason"), plain("The requester will see it. It also becomes the stack's failure reason."), input),
		}},
	}
}

// subject says what is rejected, who requested it, and where it runs.
func subject(r handle.Request) string {
	return "*Product:* " + code(Title(r), 150) +
		"\n*Requested by:* " + requester(r) +
		"\n" + identity(r, Mrkdwn) +
		"\n*Account:* " + code(r.Stack.Account, 20) + " in " + code(r.Stack.Region, 30)
}
