package bot

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/handle"
)

// An act is an action on a request other than a vote: a click, or a form that the click
// opens. Package handle has its rules. The button's action_id is also the form's
// callback_id, and the name of the handle.Action that both carry.
type act struct {
	label       string // of the button
	byRequester bool   // only the requester can do it; otherwise, approvers
	onMessage   bool   // the button is on the request's message

	// apply returns the request after the act. Before a form opens, it is called with
	// probe's result to check that the person may act; that result is dropped.
	apply func(r handle.Request, v handle.Voter, in filled, now time.Time) (handle.Request, error)

	form  func(i *interaction, r handle.Request, metadata string) slack.ModalViewRequest // nil if the click is enough
	probe func(r handle.Request, in filled) filled
	field string // block_id and action_id of the form's input

	done func(r handle.Request) string // tells the person what a click did; nil if they see it
}

// filled is the input from a button and its form.
type filled struct {
	item   string   // of the button, such as the ID of a question
	text   string   // that was typed
	chosen []string // values of a menu
}

// acts are all acts by action_id.
var acts = sync.OnceValue(func() map[string]act {
	anyText := func(_ handle.Request, in filled) filled { return filled{item: in.item, text: "-"} }
	return map[string]act{
		blocks.AskAction: {
			label: "Ask", onMessage: true, field: blocks.QuestionField, probe: anyText,
			apply: func(r handle.Request, v handle.Voter, in filled, now time.Time) (handle.Request, error) {
				next, _, err := r.Ask(v, in.text, now)
				return next, err
			},
			form: func(_ *interaction, r handle.Request, metadata string) slack.ModalViewRequest {
				return blocks.Ask(r, metadata)
			},
		},
		blocks.AnswerAction: {
			label: "Answer", byRequester: true, field: blocks.AnswerField, probe: anyText,
			apply: func(r handle.Request, v handle.Voter, in filled, now time.Time) (handle.Request, error) {
				return r.AnswerQuestion(in.item, v, in.text, now)
			},
			form: func(i *interaction, r handle.Request, metadata string) slack.ModalViewRequest {
				return blocks.Answer(r, i.in.item, metadata)
			},
		},
		blocks.StartReviewAction: {
			label: "I'm reviewing", onMessage: true,
			apply: func(r handle.Request, v handle.Voter, _ filled, now time.Time) (handle.Request, error) {
				return r.StartReview(v, now)
			},
		},
		blocks.StopReviewAction: {
			label: "Stop reviewing", onMessage: true,
			apply: func(r handle.Request, v handle.Voter, _ filled, now time.Time) (handle.Request, error) {
				return r.StopReview(v, now)
			},
		},
		blocks.WithdrawAction: {
			label: "Withdraw", byRequester: true, field: blocks.WithdrawField, probe: anyText,
			apply: func(r handle.Request, v handle.Voter, in filled, now time.Time) (handle.Request, error) {
				return r.WithdrawByRequester(v, in.text, now)
			},
			form: func(_ *interaction, r handle.Request, metadata string) slack.ModalViewRequest {
				return blocks.Withdraw(r, metadata)
			},
		},
		blocks.NudgeAction: {
			label: "Nudge", byRequester: true, done: blocks.Nudged,
			apply: func(r handle.Request, v handle.Voter, _ filled, now time.Time) (handle.Request, error) {
				return r.Nudge(v, now)
			},
		},
		blocks.ReassignAction: {
			label: "Reassign", onMessage: true, field: blocks.ApproversField,
			probe: func(r handle.Request, _ filled) filled { return filled{chosen: r.ReassignOptions()} },
			apply: func(r handle.Request, v handle.Voter, in filled, now time.Time) (handle.Request, error) {
				return r.Reassign(v, in.chosen, now)
			},
			form: func(i *interaction, r handle.Request, metadata string) slack.ModalViewRequest {
				return blocks.Reassign(r, i.names(i.work, r.ReassignOptions()), metadata)
			},
		},
	}
})

// clicked performs a button's act, or opens its form.
func (i *interaction) clicked(a act, pressed action, trigger string) reply {
	about, err := handle.ParseAction(pressed.Value)
	if err != nil || about.Name != pressed.ID {
		i.b.log().Warn("button without a valid action", "action", pressed.ID, "user", i.user.ID, "channel", i.message.Channel)
		return i.acknowledge(blocks.UnknownButton)
	}
	i.act, i.in, i.opening = a, filled{item: about.Item}, a.form != nil
	o := i.decideAct(about)
	text := i.answerAct(o, about, blocks.Mrkdwn)
	if i.opening && o.counts() {
		text = i.openForm(o.request, trigger, a.label, a.form(i, o.request, i.metadata(about.String())))
		i.recorded = text == ""
	}
	if i.view.Type != "" && (text != "" || !i.opening) { // no message shows the person what happened
		text = blocks.ActionOutcome(o.request, about.Name, text)
	}
	return i.finish(o, text)
}

// submittedAct handles a submitted form. Errors are shown in it, and it stays open, so
// that nothing typed is lost.
func (b *Bot) submittedAct(d deadlines, a act, payload viewSubmission) (answer reply) {
	i := &interaction{
		b: b, deadlines: d, act: a,
		user:         payload.User,
		organization: payload.Enterprise.ID,
	}
	defer func() {
		if cause := recover(); cause != nil {
			b.logPanic("a submitted form", cause)
			if answer = ok; !i.recorded {
				answer = invalidAt(a.field, blocks.NotDone)
			}
		}
	}()
	var from metadata
	err := json.Unmarshal([]byte(payload.View.PrivateMetadata), &from)
	about, badAction := handle.ParseAction(from.Ticket)
	if err != nil || badAction != nil || about.Name != payload.View.CallbackID {
		b.log().Warn("form without a valid action", "form", payload.View.CallbackID, "user", i.user.ID)
		return invalidAt(a.field, blocks.UnknownForm)
	}
	i.message = wellFormed(handle.Message{Channel: from.Channel, TS: from.TS})
	i.in = filled{
		item:   about.Item,
		text:   strings.TrimSpace(payload.input(a.field, a.field)),
		chosen: payload.choices(a.field, a.field),
	}
	o := i.decideAct(about)
	i.whileReconciling([]outcome{o}, func() {
		if from.Home && o.counts() {
			i.refreshHome(blocks.ActionOutcome(o.request, about.Name, ""), o.request)
		}
	})
	if !o.counts() {
		return invalidAt(a.field, i.answerAct(o, about, blocks.Plain))
	}
	if from.View == viewModal {
		return closeAll
	}
	return ok
}

func (i *interaction) decideAct(about handle.Action) outcome {
	a := attempt{request: about.ID, evaluate: i.evaluate}
	if i.act.onMessage {
		a.message = i.message
	}
	o := i.b.decide(i.work, a)
	i.recorded = o.counts()
	i.b.log().Info("interaction", "request", about.ID, "user", i.user.ID, "team", i.user.TeamID, "action", about.Name, "item", about.Item, "opening", i.opening, "result", o.result())
	return o
}

// evaluateAct applies the rules of an act after asking Slack who the person is.
func (i *interaction) evaluateAct(ctx context.Context, r handle.Request, now time.Time) evaluation {
	v, err := i.lookUp(ctx, r)
	if i.unverified = err != nil; err != nil {
		i.b.log().Warn("could not verify a person", "request", r.ID, "user", i.user.ID, "error", err)
		return evaluation{next: r, refused: handle.RefusedUnverified}
	}
	if i.opening {
		_, err := i.act.apply(r, v, i.act.probe(r, i.in), now)
		return evaluated(r, err)
	}
	return evaluated(i.act.apply(r, v, i.in, now))
}

// answerAct words the outcome of an act for the person; empty if the message or the
// thread shows it.
func (i *interaction) answerAct(o outcome, about handle.Action, f blocks.Format) string {
	switch {
	case errors.Is(o.err, handle.ErrNotFound) && f == blocks.Plain:
		return blocks.UnknownForm
	case errors.Is(o.err, handle.ErrNotFound):
		return blocks.UnknownButton
	case o.err != nil && o.maybeWritten:
		return blocks.MaybeDone
	case o.err != nil:
		return blocks.NotDone
	case o.refused == handle.RefusedUnverified && i.unverified:
		return blocks.PersonUnknown
	case o.refused != "":
		return f.RefusedAction(o.request, about.Name, o.refused)
	case i.act.done != nil:
		return i.act.done(o.request)
	}
	return ""
}

const (
	maxNames  = 20                     // users that are looked up for a form
	namesTime = 500 * time.Millisecond // for all of them; the form must open within three seconds of the click
)

// names returns the names of users, by ID, that Slack returns within namesTime.
func (i *interaction) names(ctx context.Context, ids []string) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	var (
		mu    sync.Mutex
		names = map[string]string{}
		calls []func()
		n     int
	)
	for _, id := range ids {
		if !handle.IsUser(id) {
			continue
		}
		if n++; n > maxNames {
			break
		}
		calls = append(calls, func() {
			m, err := i.b.member(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				names[id] = m.Name
			}
		})
	}
	i.b.sideBySide(maxNames, calls)
	return names
}
