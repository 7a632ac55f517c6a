package bot

import (
	"net/http"

	"countersign/handle"
)

// button answers a pressed button. Whatever becomes of it, Slack gets its 200:
// what people must know of it they are told in private. Only where nothing was
// recorded and they cannot be told, Slack gets a 500, and shows them a sign of
// its own that it came to nothing.
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
				answer = failed
			}
		}
	}()
	var err error
	p.ticket, err = handle.ParseTicket(act.Value)
	if err != nil || string(p.ticket.Verdict) != act.ID {
		b.log().Warn("a button with no ticket of ours was pressed", "action", act.ID, "user", p.user.ID, "channel", p.message.Channel)
		return p.say(textUnknownButton)
	}
	p.opening = p.ticket.Verdict == handle.Reject
	return p.decide(payload.TriggerID)
}

// failed makes Slack show that a click came to nothing. See
// https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
var failed = reply{status: http.StatusInternalServerError}

// decide records an approval, or opens the form for the reason of a rejection.
func (p *press) decide(trigger string) reply {
	o := p.b.decide(p.work, p.ballot())
	p.recorded = o.counts()
	p.note(o)
	text := p.words(o, mrkdwn)
	if p.opening && o.counts() && !p.said(o.request) {
		text = p.openForm(o.request, trigger)
		p.recorded = text == ""
	}
	rest := p.b.settle(p.visit, o.request, o.holder)
	defer rest()
	return p.say(text)
}

// say tells the person, and returns what Slack is to be answered.
func (p *press) say(text string) reply {
	if p.tell(text) || p.recorded {
		return fine
	}
	return failed
}
