package bot

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/handle"
)

// interaction is what one person does in Slack: pressing a button, or submitting
// the modal.
type interaction struct {
	b *Bot
	deadlines
	user         user
	organization string // Enterprise Grid organization of the payload
	message      handle.Message
	view         view // where they act, if not on a message
	ticket       handle.Ticket
	reason       string
	act          act    // zero if the person votes
	in           filled // of act
	opening      bool   // the click only opens a form

	voter      *handle.Voter // once Slack has confirmed the person
	unverified bool          // Slack could not be asked about them
	recorded   bool
}

// pressed handles a pressed button. Slack gets its 200 in any case: the person
// is told privately. Only if nothing was recorded and the person cannot be told
// does Slack get a 500, upon which it shows a warning sign.
func (b *Bot) pressed(d deadlines, payload blockActions) (answer reply) {
	action, ours := payload.action()
	if !ours {
		return ok // a link, or another button of the app
	}
	i := &interaction{
		b:            b,
		deadlines:    d,
		user:         payload.User,
		organization: payload.Enterprise.ID,
		message:      payload.source(),
		view:         payload.View,
	}
	defer func() {
		if cause := recover(); cause != nil {
			b.logPanic("a pressed button", cause)
			if answer = ok; !i.recorded {
				i.tell(blocks.NotRecorded)
				answer = failed
			}
		}
	}()
	switch action.ID {
	case blocks.DetailsAction:
		return i.showDetails(action.Value, payload.TriggerID)
	case blocks.ReviewAction:
		return i.review(action.Value, payload.TriggerID)
	case blocks.BatchAction:
		return i.chooseBatch(action.Value, payload.TriggerID)
	case blocks.NextAction, blocks.PreviousAction:
		return i.turnPage(action.Value, payload.ResponseURL)
	case blocks.HomeNextAction, blocks.HomePreviousAction:
		return i.turnHome(action.Value)
	}
	if act, ok := acts()[action.ID]; ok {
		return i.clicked(act, action, payload.TriggerID)
	}
	var err error
	i.ticket, err = handle.ParseTicket(action.Value)
	if err != nil || string(i.ticket.Verdict) != action.ID {
		b.log().Warn("button without a valid ticket", "action", action.ID, "user", i.user.ID, "channel", i.message.Channel)
		return i.acknowledge(blocks.UnknownButton)
	}
	i.opening = i.ticket.Verdict == handle.Reject
	return i.vote(payload.TriggerID)
}

// failed makes Slack show that a click failed. See
// https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
var failed = reply{status: http.StatusInternalServerError}

// vote records an approval, or opens the modal for the reason of a rejection.
func (i *interaction) vote(trigger string) reply {
	o := i.b.decide(i.work, i.attempt())
	i.recorded = o.counts()
	i.logResult(o)
	text := i.answer(o, blocks.Mrkdwn)
	if i.opening && o.counts() && !i.repeats(o.request) {
		text = i.openModal(o.request, trigger)
		i.recorded = text == ""
	}
	if i.view.Type != "" && (text != "" || !i.opening) { // no message shows the person what happened
		text = blocks.Outcome(o.request, i.ticket.Verdict, text)
	}
	return i.finish(o, text)
}

// finish reconciles the request and tells the person. A view takes its own reads to show
// what happened, so there both happen at the same time.
func (i *interaction) finish(o outcome, text string) (answer reply) {
	if i.view.Type == "" {
		defer i.b.reconcile(i.deadlines, o.request, o.holder)()
		return i.acknowledge(text, o.request)
	}
	answer = failed
	if i.recorded {
		answer = ok
	}
	i.whileReconciling([]outcome{o}, func() { answer = i.acknowledge(text, o.request) })
	return answer
}

// whileReconciling reconciles requests and tells the person at the same time.
func (i *interaction) whileReconciling(outcomes []outcome, tell func()) {
	i.b.sideBySide(2, []func(){
		func() { i.b.reconcileAll(i.deadlines, outcomes) },
		func() {
			defer func() {
				if cause := recover(); cause != nil {
					i.b.logPanic("telling a person", cause)
				}
			}()
			tell()
		},
	})
}

// acknowledge tells the person, and returns Slack's answer. fresh are requests as just
// written or read.
func (i *interaction) acknowledge(text string, fresh ...handle.Request) reply {
	if i.tell(text, fresh...) || i.recorded {
		return ok
	}
	return failed
}

func (i *interaction) attempt() attempt {
	return attempt{request: i.ticket.ID, message: i.message, evaluate: i.evaluate}
}

// evaluate applies the voting rules after asking Slack who the person is. Slack
// is not asked where the answer does not depend on it.
func (i *interaction) evaluate(ctx context.Context, r handle.Request, now time.Time) evaluation {
	e := i.rules(ctx, r, now)
	e.by = i.person()
	return e
}

func (i *interaction) rules(ctx context.Context, r handle.Request, now time.Time) evaluation {
	if outside := i.b.home().excludes(i.user.TeamID, i.organization); outside || !handle.IsUser(i.user.ID) {
		return evaluated(r, r.Authorize(handle.Voter{Person: i.person(), Home: !outside}))
	}
	if i.act.apply != nil {
		return i.evaluateAct(ctx, r, now)
	}
	if i.ticket.Verdict == handle.Revoke {
		return i.revoke(ctx, r, now)
	}
	if reason := r.RefusalFor(handle.ViaSlack, i.ticket.Verdict, now); reason != "" {
		if i.repeats(r) {
			return evaluation{next: r}
		}
		return evaluation{next: r, refused: reason}
	}
	v, err := i.lookUp(ctx, r)
	i.unverified = err != nil
	switch {
	case err != nil:
		i.b.log().Warn("could not verify a person", "request", r.ID, "user", i.user.ID, "error", err)
		return evaluation{next: r, refused: handle.RefusedUnverified}
	case i.opening:
		return evaluated(r, r.Authorize(v))
	}
	return evaluated(r.VoteBySlack(v, i.ticket.Verdict, i.reason, now))
}

// revoke ends the grant of an expired request.
func (i *interaction) revoke(ctx context.Context, r handle.Request, now time.Time) evaluation {
	v, err := i.lookUp(ctx, r)
	if i.unverified = err != nil; err != nil {
		i.b.log().Warn("could not verify a person", "request", r.ID, "user", i.user.ID, "error", err)
		return evaluation{next: r, refused: handle.RefusedUnverified}
	}
	next, err := r.RevokeGrant(v, now)
	if errors.Is(err, handle.ErrNoGrant) {
		return evaluation{next: r} // revoked before, used, or lapsed: the message shows it
	}
	return evaluated(next, err)
}

// repeats reports whether the person has given the same verdict before.
func (i *interaction) repeats(r handle.Request) bool {
	return slices.ContainsFunc(r.Votes, func(v handle.Vote) bool {
		return v.Verdict == i.ticket.Verdict && v.By.Is(i.person())
	})
}

// person is who acts, as far as known.
func (i *interaction) person() handle.Person {
	if i.voter != nil {
		return i.voter.Person
	}
	return handle.Person{Team: i.user.TeamID, ID: i.user.ID, Name: i.user.name()}
}

// answer words the outcome for the person; empty if the message shows it.
func (i *interaction) answer(o outcome, f blocks.Format) string {
	r := o.request
	switch {
	case errors.Is(o.err, handle.ErrNotFound):
		return blocks.UnknownButton
	case o.err != nil && o.maybeWritten:
		return blocks.MaybeRecorded
	case o.err != nil:
		return blocks.NotRecorded
	case o.refused == handle.RefusedUnverified && !i.unverified:
		return blocks.RequesterPending
	case o.refused != "":
		return f.Refused(r, o.refused)
	case i.ticket.Verdict == handle.Revoke:
		return ""
	case o.repeated:
		return f.Repeated(r, i.ticket.Verdict)
	case r.Decision == nil, i.ticket.Verdict == handle.Approve && r.AwaitsRelaunchApproval(i.b.Now()):
		return blocks.Recorded(r)
	}
	return ""
}

// tell tells the person something that only they see: in the modal or on the Home tab
// where they act, else in a message, whose delivery Slack does not guarantee. See
// https://docs.slack.dev/reference/methods/chat.postEphemeral
func (i *interaction) tell(text string, fresh ...handle.Request) (sent bool) {
	switch {
	case text == "":
		return true
	case i.view.Type == viewModal:
		return i.showResult(text, fresh...)
	case i.view.Type == viewHome:
		return i.refreshHome(text, fresh...)
	}
	if i.message.Channel == "" || i.user.ID == "" {
		i.b.log().Warn("no channel for a private reply", "user", i.user.ID)
		return false
	}
	_, err := within(i.answerBy, i.b, "send a private reply", func(ctx context.Context) (string, error) {
		return i.b.Slack.PostEphemeralContext(ctx, i.message.Channel, i.user.ID,
			slack.MsgOptionText(text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	})
	if err != nil {
		i.b.log().Warn("could not send a private reply", "user", i.user.ID, "channel", i.message.Channel, "error", err)
	}
	return err == nil
}

func (i *interaction) logResult(o outcome) {
	i.b.log().Info("interaction", "request", i.ticket.ID, "user", i.user.ID, "team", i.user.TeamID, "verdict", string(i.ticket.Verdict), "opening", i.opening, "result", o.result())
}
