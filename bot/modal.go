package bot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/handle"
)

// metadata is what a form remembers of the message it was opened from. It
// returns under Slack's signature, and says where, never who may decide.
type metadata struct {
	Ticket  string `json:"ticket"` // or the action
	Channel string `json:"channel,omitempty"`
	TS      string `json:"ts,omitempty"`
	View    string `json:"view,omitempty"` // modal or home: where it was opened, if not on a message
	Home    bool   `json:"home,omitempty"` // opened on the Home tab, so refresh it
}

// openModal opens the modal for a reason. It returns what to tell the person if
// that failed.
func (i *interaction) openModal(r handle.Request, trigger string) string {
	return i.openForm(r, trigger, "Reject", blocks.Reject(r, i.metadata(i.ticket.String())))
}

// metadata returns a modal's private metadata: a ticket or an action, and the message
// that was clicked.
func (i *interaction) metadata(about string) string {
	from, err := json.Marshal(metadata{about, i.message.Channel, i.message.TS, i.view.Type, i.onHome()})
	if err != nil {
		return "" // unreachable: every field can be encoded
	}
	return string(from)
}

// openForm opens a form. It returns what to tell the person, who clicked the button with
// the given label, if that failed.
func (i *interaction) openForm(r handle.Request, trigger, label string, form slack.ModalViewRequest) string {
	err := i.open("open a form", trigger, form)
	switch {
	case err == nil:
		return ""
	case triggerExpired(err):
		i.b.log().Warn("could not open a form in time", "request", r.ID, "user", i.user.ID, "button", label)
		return blocks.TriggerExpired(label)
	}
	i.b.log().Warn("could not open a form", "request", r.ID, "user", i.user.ID, "button", label, "error", err)
	return blocks.FormNotOpened
}

// showDetails opens the modal with all details of a request. Anyone who sees the
// message may read them, and nothing is recorded.
func (i *interaction) showDetails(value, trigger string) reply {
	id, err := detailsOf(value)
	if err != nil {
		i.b.log().Warn("button without a valid ticket", "action", blocks.DetailsAction, "user", i.user.ID, "channel", i.message.Channel)
		return i.acknowledge(blocks.UnknownButton)
	}
	r, err := i.b.load(i.work, id)
	if errors.Is(err, handle.ErrNotFound) {
		return i.acknowledge(blocks.UnknownButton)
	}
	if err == nil {
		err = i.open("open the details", trigger, blocks.Details(r))
	}
	return i.opened(id, err)
}

// detailsOf returns the request's ID from the value of a button that shows it. The error
// is handle.ErrTicket.
func detailsOf(value string) (id string, err error) {
	a, err := handle.ParseAction(value)
	if err == nil && a.Name != blocks.DetailsAction {
		err = handle.ErrTicket
	}
	return a.ID, err
}

// open opens a modal: above the one in which the person acts, if any.
func (i *interaction) open(what, trigger string, v slack.ModalViewRequest) error {
	_, err := within(i.work, i.b, what, func(ctx context.Context) (*slack.ViewResponse, error) {
		if i.view.Type == viewModal {
			return i.b.Slack.PushViewContext(ctx, trigger, v)
		}
		return i.b.Slack.OpenViewContext(ctx, trigger, v)
	})
	return err
}

// opened answers after the details of the request with the given ID were to be opened.
func (i *interaction) opened(id string, err error) reply {
	switch {
	case err == nil:
		return ok
	case triggerExpired(err):
		i.b.log().Warn("could not open the details in time", "request", id, "user", i.user.ID)
		return i.acknowledge(blocks.DetailsExpired)
	}
	i.b.log().Warn("could not open the details", "request", id, "user", i.user.ID, "error", err)
	return i.acknowledge(blocks.DetailsNotOpened)
}

// triggerExpired reports whether the three seconds of the trigger, or the
// budget, were over. Slack documents two spellings of its codes. See
// https://docs.slack.dev/reference/methods/views.open
func triggerExpired(err error) bool {
	var answered slack.SlackErrorResponse
	if !errors.As(err, &answered) {
		return errors.Is(err, context.DeadlineExceeded)
	}
	switch answered.Err {
	case "expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged", "invalid_trigger_id", "invalid_trigger":
		return true
	}
	return false
}

// submitted handles a submitted modal. Errors are shown in the modal, which stays
// open, so that nothing typed is lost.
func (b *Bot) submitted(d deadlines, payload viewSubmission) (answer reply) {
	if act, ok := acts()[payload.View.CallbackID]; ok && act.form != nil {
		return b.submittedAct(d, act, payload)
	}
	switch payload.View.CallbackID {
	case blocks.RejectModal:
	case blocks.BatchChooseModal:
		return b.reviewBatch(d, payload)
	case blocks.BatchReviewModal:
		return b.approveBatch(d, payload)
	default:
		return ok
	}
	i := &interaction{
		b:            b,
		deadlines:    d,
		user:         payload.User,
		organization: payload.Enterprise.ID,
		reason:       strings.TrimSpace(payload.input(blocks.ReasonBlock, blocks.ReasonAction)),
	}
	defer func() {
		if cause := recover(); cause != nil {
			b.logPanic("a submitted modal", cause)
			if answer = ok; !i.recorded {
				answer = invalid(blocks.NotRecorded)
			}
		}
	}()
	from, known := i.readMetadata(payload.View.PrivateMetadata)
	if !known {
		b.log().Warn("modal without a valid ticket", "user", i.user.ID)
		return invalid(blocks.UnknownForm)
	}
	if handle.Visible(i.reason) < blocks.MinReason {
		return invalid(blocks.ReasonMissing)
	}
	o := b.decide(i.work, i.attempt())
	i.recorded = o.counts()
	i.logResult(o)
	i.whileReconciling([]outcome{o}, func() {
		if from.Home && o.counts() {
			i.refreshHome(blocks.Outcome(o.request, i.ticket.Verdict, ""), o.request)
		}
	})
	if errors.Is(o.err, handle.ErrNotFound) {
		return invalid(blocks.UnknownForm)
	}
	if !o.counts() {
		return invalid(i.answer(o, blocks.Plain))
	}
	if from.View == viewModal {
		return closeAll
	}
	return ok
}

// readMetadata takes the request and the message from the modal's metadata. ok
// is false if the modal is not one of ours.
func (i *interaction) readMetadata(text string) (from metadata, ok bool) {
	if json.Unmarshal([]byte(text), &from) != nil {
		return from, false
	}
	ticket, err := handle.ParseTicket(from.Ticket)
	if err != nil || ticket.Verdict != handle.Reject {
		return from, false
	}
	i.ticket = ticket
	i.message = wellFormed(handle.Message{Channel: from.Channel, TS: from.TS})
	return from, true
}

// closeAll closes the modal and those below it. See
// https://docs.slack.dev/surfaces/modals#close_all_views
var closeAll = reply{status: http.StatusOK, body: map[string]string{"response_action": "clear"}}

// invalid keeps the modal for a reason open, with text at the reason.
func invalid(text string) reply { return invalidAt(blocks.ReasonBlock, text) }

// invalidAt keeps a modal open, with text at an input block.
func invalidAt(block, text string) reply {
	return reply{status: http.StatusOK, errors: map[string]string{block: text}}
}
