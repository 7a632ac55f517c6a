package bot

import (
	"net/http"

	"countersign/handle"
)

// button answers a pressed button. Whatever becomes of it, Slack gets its 200:
// what people must know of it they are told in private.
func (b *Bot) button(v visit, payload blockActions) (answer reply) {
	act, ours := payload.pressed()
	if !ours {
		return fine // a link, or another of the app's buttons
	}
	p := &press{
		b:            b,
		visit:        v,
		user:         payload.User,
		organization: payload.Enterprise.ID,
		message:      payload.place(),
	}
	defer func() {
		if cause := recover(); cause != nil {
			b.caught("a pressed button", cause)
			if answer = fine; !p.recorded {
				p.tell(textNotRecorded)
				answer = reply{status: http.StatusInternalServerError}
			}
		}
	}()
	var err error
	p.ticket, err = handle.ParseTicket(act.Value)
	if err != nil || string(p.ticket.Verdict) != act.ID {
		b.log().Warn("a button with no ticket of ours was pressed", "action", act.ID, "user", p.user.ID, "channel", p.message.Channel)
		p.tell(textUnknownButton)
		return fine
	}
	p.opening = p.ticket.Verdict == handle.Reject
	p.decide(payload.TriggerID)
	return fine
}

// decide records an approval, or opens the form for the reason of a rejection.
func (p *press) decide(trigger string) {
	o := p.b.decide(p.work, p.ballot())
	p.recorded = o.counts()
	p.note(o)
	text := p.words(o, mrkdwn)
	if p.opening && o.counts() && !p.said(o.request) {
		text = p.openForm(o.request, trigger)
	}
	rest := p.b.settle(p.visit, o.request, o.holder)
	p.tell(text)
	rest()
}
