package blocks

import (
	"cmp"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// ReviewModal is the callback_id of the modal that shows a request from a list.
const ReviewModal = "review"

// Review is the modal with the details of a request and, if the person can decide it,
// the buttons to do so. metadata comes back with a click.
func Review(r handle.Request, decides bool, metadata string) slack.ModalViewRequest {
	v := Details(r)
	v.CallbackID, v.PrivateMetadata = ReviewModal, metadata
	first := rows(r)[0]
	if left := withoutDetails(first.buttons); decides && len(left) > 0 {
		l := layout{v.Blocks.BlockSet}
		l.actions(first.id, left...)
		v.Blocks.BlockSet = l.blocks
	}
	return v
}

// withoutDetails leaves out the button that opens the details.
func withoutDetails(row []slack.BlockElement) (left []slack.BlockElement) {
	for _, e := range row {
		if b, ok := e.(*slack.ButtonBlockElement); ok && b.ActionID == DetailsAction {
			continue
		}
		left = append(left, e)
	}
	return left
}

// Result is the modal that replaces a review once its person has acted: text is
// mrkdwn.
func Result(text string) slack.ModalViewRequest {
	var l layout
	l.section("", text)
	return l.modal(ReviewModal, "Countersign", "Close")
}

// Outcome tells a person the result of their vote where no message shows it.
func Outcome(r handle.Request, verdict handle.Verdict, text string) string {
	if text == "" {
		switch {
		case verdict == handle.Revoke:
			text = "The approval for relaunch is revoked."
		case r.Decision != nil && r.Grant != nil && !r.Grant.At.IsZero():
			text = "Approved for relaunch."
		case r.Decision != nil:
			state := string(r.State())
			text = strings.ToUpper(state[:1]) + state[1:] + "."
		}
	}
	if r.ID == "" {
		return text
	}
	return launch(r) + "\n" + cmp.Or(text, "Done.")
}
