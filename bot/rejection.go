package bot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// The form in which a rejection's reason is typed.
const (
	formID      = "reject" // callback_id
	reasonBlock = "reason"
	reasonInput = "reason"

	minReason = 3   // characters
	maxReason = 500 // characters
)

// routing is what the form remembers of the message it was opened from. It
// comes back under Slack's signature, and says where, never who may.
type routing struct {
	Ticket  string `json:"ticket"`
	Channel string `json:"channel,omitempty"`
	TS      string `json:"ts,omitempty"`
}

// openForm opens the form. It returns what to tell the person if that failed.
func (p *press) openForm(r handle.Request, trigger string) string {
	view, err := rejection(r, routing{p.ticket.String(), p.message.Channel, p.message.TS})
	if err == nil {
		_, err = within(p.work, p.b, "open a form", func(ctx context.Context) (*slack.ViewResponse, error) {
			return p.b.Slack.OpenViewContext(ctx, trigger, view)
		})
	}
	if err == nil {
		return ""
	}
	p.b.log().Warn("could not open the form for a reason", "request", r.ID, "user", p.user.ID, "error", err)
	if tooSlow(err) {
		return textTooSlow
	}
	return textNoForm
}

// tooSlow reports whether the three seconds of the trigger were over, or the
// budget. Slack's documentation has two spellings of its codes. See
// https://docs.slack.dev/reference/methods/views.open
func tooSlow(err error) bool {
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

// rejection is the form for rejecting r.
func rejection(r handle.Request, from routing) (slack.ModalViewRequest, error) {
	metadata, err := json.Marshal(from)
	if err != nil {
		return slack.ModalViewRequest{}, err
	}
	label := func(text string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
	}
	input := slack.NewPlainTextInputBlockElement(label("For instance: use the shared cluster instead"), reasonInput)
	input.Multiline, input.MinLength, input.MaxLength, input.FocusOnLoad = true, minReason, maxReason, true
	return slack.ModalViewRequest{
		Type:            slack.VTModal,
		CallbackID:      formID,
		PrivateMetadata: string(metadata),
		Title:           label("Reject this launch?"),
		Submit:          label("Reject"),
		Close:           label("Cancel"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, subject(r), false, true), nil, nil),
			slack.NewInputBlock(reasonBlock, label("Why?"), label("The requester reads it, and it becomes the failure reason of the stack."), input),
		}},
	}, nil
}

// subject says what is rejected, and who asked for it.
func subject(r handle.Request) string {
	lines := []string{"*Product:* " + mrkdwn.outside(title(r), 150)}
	var who []string
	if handle.IsUser(r.Requester.SlackID) && (r.Requester.Proven || r.Requester.Principal == "") {
		who = append(who, mrkdwn.id(r.Requester.SlackID))
	}
	if r.Requester.Principal != "" {
		who = append(who, mrkdwn.outside(r.Requester.Principal, 300)+" (proven by AWS)")
	}
	if r.Requester.Email != "" {
		who = append(who, mrkdwn.outside(r.WaitURL.Redact(r.Requester.Email), 150)+" (as typed)")
	}
	if len(who) > 0 {
		lines = append(lines, "*Asked for by:* "+strings.Join(who, ", "))
	}
	lines = append(lines, "*Account:* "+mrkdwn.outside(r.Stack.Account, 20)+" in "+mrkdwn.outside(r.Stack.Region, 30))
	return strings.Join(lines, "\n")
}

// title names what is to be launched.
func title(r handle.Request) string {
	for _, name := range []string{r.Product.Name, r.Product.Provisioned, r.Stack.Name} {
		if name = handle.OneLine(r.WaitURL.Redact(name), 150); name != "" {
			return name
		}
	}
	return r.Product.ID
}

// submission takes a submitted form. What is wrong is said in the form, which
// stays open, so that nothing of what was typed is lost.
func (b *Bot) submission(v visit, payload viewSubmission) (answer reply) {
	if payload.View.CallbackID != formID {
		return fine
	}
	p := &press{
		b:            b,
		visit:        v,
		user:         payload.User,
		organization: payload.Enterprise.ID,
		reason:       strings.TrimSpace(payload.typed(reasonBlock, reasonInput)),
	}
	defer func() {
		if cause := recover(); cause != nil {
			b.caught("a submitted form", cause)
			if answer = fine; !p.recorded {
				answer = wrong(textNotRecorded)
			}
		}
	}()
	if !p.route(payload.View.PrivateMetadata) {
		b.log().Warn("a form with no ticket of ours was submitted", "user", p.user.ID)
		return wrong(textUnknownForm)
	}
	if utf8.RuneCountInString(p.reason) < minReason {
		return wrong(textReason)
	}
	o := b.decide(p.work, p.ballot())
	p.recorded = o.counts()
	p.note(o)
	b.settle(v, o.request, o.holder)()
	if errors.Is(o.err, handle.ErrNotFound) {
		return wrong(textUnknownForm)
	}
	if o.counts() {
		return fine
	}
	return wrong(p.words(o, plain))
}

// route takes from the form which request it is about. ok is false if it is
// none of our forms.
func (p *press) route(metadata string) (ok bool) {
	var from routing
	if json.Unmarshal([]byte(metadata), &from) != nil {
		return false
	}
	ticket, err := handle.ParseTicket(from.Ticket)
	if err != nil || ticket.Verdict != handle.Reject {
		return false
	}
	p.ticket = ticket
	p.message = plausible(handle.Message{Channel: from.Channel, TS: from.TS})
	return true
}

// wrong keeps the form open, with text at the reason.
func wrong(text string) reply {
	return reply{status: http.StatusOK, errors: map[string]string{reasonBlock: text}}
}
