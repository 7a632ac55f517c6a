package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/notifier"
)

// What people do besides deciding. All of it goes through what they see in Slack.

func question(ctx context.Context, run *runner) error {
	const asks, answers = "How long do you need it?", "Until the end of May. The orders team pays."
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.clickButton(sandbox.Dan, run.inChannel, blocks.AskAction, "Ask"),
		run.gotPrivateMessage(sandbox.Dan, "You aren't an approver"),
		run.clickButton(sandbox.Ann, run.inChannel, blocks.StartReviewAction, "I'm reviewing"),
		run.messageHas(mentionOf(sandbox.Ann)),
		run.clickButton(sandbox.Ann, run.inChannel, blocks.AskAction, "Ask"),
		run.submit(sandbox.Ann, asks),
		run.requestIs(handle.Pending),
		run.threadHas("@Ann Approver", asks),
		run.directMessagesHave(sandbox.Rita, asks),
		run.clickButton(sandbox.Rita, run.inDirect(sandbox.Rita), blocks.AnswerAction, "Answer"),
		run.submit(sandbox.Rita, answers),
		run.threadHas("@Rita Requester", answers),
		run.notified("the answer", sandbox.Ann),
		run.requestIs(handle.Pending),
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}

func remind(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.click(sandbox.Ann, handle.Approve),
		run.advance("until half of the time has passed", func(r handle.Request) time.Time { return r.Terms.Reminders[0].Add(time.Minute) }),
		run.notified("the reminder", sandbox.Bob), // Ann has acted
		run.later("five minutes", 5*time.Minute),
		run.clickButton(sandbox.Rita, run.inDirect(sandbox.Rita), blocks.NudgeAction, "Nudge"),
		run.notified("the nudge", sandbox.Bob),
		run.later("a minute", time.Minute),
		run.clickButton(sandbox.Rita, run.inDirect(sandbox.Rita), blocks.NudgeAction, "Nudge"),
		run.gotPrivateMessage(sandbox.Rita, "You can nudge them again after"),
		run.expect("the record", func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err == nil && len(r.Nudges) != 1 {
				err = fmt.Errorf("it has %d nudges, want 1 in four hours", len(r.Nudges))
			}
			return err
		}),
		run.click(sandbox.Bob, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}

// escalates escalates to Dan after twenty minutes.
func escalates(d *notifier.Defaults) {
	d.EscalateAfter, d.EscalateTo = 20*time.Minute, []string{sandbox.Dan}
}

func escalate(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.click(sandbox.Dan, handle.Approve),
		run.gotPrivateMessage(sandbox.Dan, "You aren't an approver"),
		run.advance("by twenty minutes", func(r handle.Request) time.Time { return r.Terms.EscalateAt.Add(time.Minute) }),
		run.threadHas("escalated"),
		run.notifiedToo("the escalation", sandbox.Dan),
		run.directMessagesHave(sandbox.Rita, "escalated"),
		run.click(sandbox.Dan, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
		run.threadHas("approved by @Dan Developer"),
	)
}

func withdrawByRequester(ctx context.Context, run *runner) error {
	const why = "Wrong size, I'll launch it again"
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.expect("the message in Slack", func(ctx context.Context) error {
			messages, err := run.inChannel(ctx)
			if err == nil {
				run.lastActive = messages[0]
			}
			return err
		}),
		run.clickButton(sandbox.Rita, run.inDirect(sandbox.Rita), blocks.WithdrawAction, "Withdraw"),
		run.submit(sandbox.Rita, why),
		run.requestIs(handle.Withdrawn),
		run.waitFails("Withdrawn by Rita Requester: "+why),
		run.stackIs("ROLLBACK_COMPLETE"),
		run.threadHas("withdrawn by @Rita Requester", why),
		run.later("ten minutes", 10*time.Minute),
		run.reacted(handle.ReactionWithdrawn),
		run.click(sandbox.Ann, handle.Approve), // as a slow client shows it
		run.gotPrivateMessage(sandbox.Ann, "withdrawn"),
		run.requestIs(handle.Withdrawn),
	)
}

func batch(ctx context.Context, run *runner) error {
	var launched []handle.Request
	another := func(ctx context.Context) error {
		if err := run.launch()(ctx); err != nil {
			return err
		}
		return run.sandbox.Run(ctx)
	}
	note := run.expect("the record", func(ctx context.Context) error {
		r, err := run.request(ctx)
		launched = append(launched, r)
		return err
	})
	state := func(n int, want handle.State) step {
		return run.expect("the record", func(ctx context.Context) error {
			r, err := run.load(ctx, launched[n].ID)
			if err == nil && (r.State() != want || want == handle.Approved && (len(r.Votes) != 1 || r.Signal == nil)) {
				err = fmt.Errorf("request %d is %s, want %s, with a vote and a signal of its own", n+1, r.State(), want)
			}
			return err
		})
	}
	return run.steps(ctx,
		another, note, another, note, another, note,
		run.openHome(sandbox.Ann),
		run.clickInView(sandbox.Ann, run.sandbox.Slack.Home, blocks.BatchAction, "Approve several"),
		func(ctx context.Context) error { // the form needs what the steps before it noted
			return run.choose(sandbox.Ann, launched[0].ID, launched[2].ID)(ctx)
		},
		run.confirm(sandbox.Ann),
		state(0, handle.Approved), state(1, handle.Pending), state(2, handle.Approved),
		run.command(sandbox.Ann, "/approvals", ""),
		run.command(sandbox.Rita, "/approvals", "mine"),
		run.openHome(sandbox.Ann),
		run.expect("the Home tab", func(context.Context) error {
			v, _ := run.sandbox.Slack.Home(sandbox.Ann)
			return errors.Join(contains(string(v.Blocks), []string{launched[1].ID}), lacks(string(v.Blocks), launched[0].ID, launched[2].ID))
		}),
	)
}

// later advances the clock.
func (run *runner) later(how string, d time.Duration) step {
	return run.advance("by "+how, func(handle.Request) time.Time { return run.sandbox.Clock.Now().Add(d) })
}

func lacks(text string, words ...string) error {
	for _, w := range words {
		if strings.Contains(text, w) {
			return fmt.Errorf("it still has %s", w)
		}
	}
	return nil
}

// inChannel returns the request's message.
func (run *runner) inChannel(ctx context.Context) ([]slacktest.Message, error) {
	root, err := run.root(ctx)
	if err != nil {
		return nil, err
	}
	m, _ := run.sandbox.Slack.Message(root.Channel, root.TS)
	return []slacktest.Message{m}, nil
}

// inDirect returns the direct messages to a person, with their replies, the newest first.
func (run *runner) inDirect(who string) func(context.Context) ([]slacktest.Message, error) {
	return func(context.Context) (list []slacktest.Message, err error) {
		for _, m := range run.sandbox.Slack.DMs(who) {
			list = append(append(list, m), m.Replies...)
		}
		slices.Reverse(list)
		return list, nil
	}
}

// clickButton clicks a button of one of the messages.
func (run *runner) clickButton(who string, where func(context.Context) ([]slacktest.Message, error), action, label string) step {
	return func(ctx context.Context) error {
		messages, err := where(ctx)
		if err != nil {
			return err
		}
		run.print(run.name(who), "clicks "+label)
		for _, m := range messages {
			if !slices.ContainsFunc(m.Buttons(), func(b slacktest.Button) bool { return b.ActionID == action && b.Text == label }) {
				continue
			}
			i, err := run.sandbox.Slack.ClickButton(who, m.ChannelID, m.TS, action)
			return run.seen(who, i, err)
		}
		return fmt.Errorf("no message shows the button %s", label)
	}
}

// clickInView clicks a button of a person's view.
func (run *runner) clickInView(who string, view func(string) (slacktest.View, bool), action, label string) step {
	return func(context.Context) error {
		v, _ := view(who)
		run.print(run.name(who), "clicks "+label)
		i, err := run.sandbox.Slack.Click(who, slacktest.Target{ViewID: v.ID, ActionID: action})
		return run.seen(who, i, err)
	}
}

// seen returns the error that a person saw, and prints the form that opened.
func (run *runner) seen(who string, i slacktest.Interaction, err error) error {
	if err == nil && i.Failed {
		err = fmt.Errorf("%s saw an error: %s", run.name(who), i.Notice)
	}
	if err == nil && i.Opened != nil {
		run.printView(who, *i.Opened)
	}
	return err
}

// submit types text into the form that the person has open, and submits it.
func (run *runner) submit(who, text string) step {
	return func(context.Context) error {
		v, ok := run.sandbox.Slack.Modal(who)
		if !ok {
			return errors.New("no form was opened")
		}
		block, action, err := firstInput(v.Blocks)
		if err != nil {
			return err
		}
		run.print(run.name(who), fmt.Sprintf("submits %q", text))
		i, err := run.sandbox.Slack.Submit(who, v.ID, map[string]map[string]string{block: {action: text}})
		if _, open := run.sandbox.Slack.Modal(who); err == nil && open {
			err = errors.New("the form stayed open")
		}
		return run.seen(who, i, err)
	}
}

// choose checks requests in the form to approve several, which then lists them.
func (run *runner) choose(who string, ids ...string) step {
	return func(ctx context.Context) error {
		v, ok := run.sandbox.Slack.Modal(who)
		if !ok {
			return errors.New("no form was opened")
		}
		block, action, err := firstInput(v.Blocks)
		if err != nil {
			return err
		}
		run.print(run.name(who), fmt.Sprintf("chooses %d requests", len(ids)))
		i, err := run.sandbox.Slack.Submit(who, v.ID, map[string]map[string]string{block: {action: strings.Join(ids, ",")}})
		if err := run.seen(who, i, err); err != nil {
			return err
		}
		list, _ := run.sandbox.Slack.Modal(who)
		run.printView(who, list)
		return contains(string(list.Blocks), ids)
	}
}

// confirm submits the list of those to approve, and prints the outcomes.
func (run *runner) confirm(who string) step {
	return func(context.Context) error {
		v, _ := run.sandbox.Slack.Modal(who)
		run.print(run.name(who), "clicks "+v.Submit)
		i, err := run.sandbox.Slack.Submit(who, v.ID, nil)
		if err := run.seen(who, i, err); err != nil {
			return err
		}
		if v, ok := run.sandbox.Slack.Modal(who); ok {
			run.printView(who, v)
		}
		return nil
	}
}

func (run *runner) openHome(who string) step {
	return func(context.Context) error {
		run.print(run.name(who), "opens the Home tab")
		i, err := run.sandbox.Slack.OpenHome(who)
		if err := run.seen(who, i, err); err != nil {
			return err
		}
		v, ok := run.sandbox.Slack.Home(who)
		if !ok {
			return errors.New("nothing was published")
		}
		run.printView(who, v)
		return nil
	}
}

// command runs a slash command and prints the answer.
func (run *runner) command(who, command, text string) step {
	return func(context.Context) error {
		run.print(run.name(who), strings.TrimSpace("types "+command+" "+text))
		i, err := run.sandbox.Slack.Command(who, sandbox.Channel, command, text)
		if err := run.seen(who, i, err); err != nil {
			return err
		}
		seen := run.sandbox.Slack.Ephemerals(who)
		if len(seen) == 0 {
			return errors.New("there was no answer")
		}
		run.print("only to "+run.name(who), run.blocksText(seen[len(seen)-1].Blocks))
		return nil
	}
}

// notified checks which people the last reply in the thread notified.
func (run *runner) notified(what string, want ...string) step {
	return run.lastReply(what, func(got []string) bool { return slices.Equal(got, want) }, want)
}

// notifiedToo checks that the last reply in the thread notified these people too.
func (run *runner) notifiedToo(what string, want ...string) step {
	return run.lastReply(what, func(got []string) bool {
		return !slices.ContainsFunc(want, func(id string) bool { return !slices.Contains(got, id) })
	}, want)
}

func (run *runner) lastReply(what string, holds func(got []string) bool, want []string) step {
	return run.expect(what, func(ctx context.Context) error {
		messages, err := run.inChannel(ctx)
		if err != nil {
			return err
		}
		replies := messages[0].Replies
		if len(replies) == 0 {
			return errors.New("there is none")
		}
		if last := replies[len(replies)-1]; !holds(last.Notified) {
			return fmt.Errorf("it notified %v, want %v: %s", last.Notified, want, run.text(last))
		}
		return nil
	})
}

// reacted checks that the message has this reaction, and no other.
func (run *runner) reacted(want string) step {
	return run.expect("the reactions to the message", func(ctx context.Context) error {
		messages, err := run.inChannel(ctx)
		if err != nil {
			return err
		}
		if got := messages[0].Reactions; len(got) != 1 || got[0].Name != want {
			return fmt.Errorf("got %v, want %s alone", got, want)
		}
		return nil
	})
}

// printView prints what a person sees in a modal or the Home tab.
func (run *runner) printView(who string, v slacktest.View) {
	where := run.name(who) + " sees"
	text := run.blocksText(v.Blocks)
	if v.Title != "" {
		text = v.Title + "\n" + text
	}
	run.print(where, text)
}

// blocksText returns the texts and buttons of blocks, a line each.
func (run *runner) blocksText(raw json.RawMessage) string {
	type text struct{ Type, Text string }
	var list []struct {
		Type     string
		Text     text
		Label    text
		Elements []json.RawMessage
		Element  struct{ Options []struct{ Text text } }
	}
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	shown := func(t text) string {
		if t.Type == "mrkdwn" {
			return run.spansText(slacktest.ParseMrkdwn(t.Text))
		}
		return t.Text
	}
	var lines []string
	add := func(s string) {
		if strings.TrimSpace(s) != "" {
			lines = append(lines, s)
		}
	}
	for _, b := range list {
		add(shown(b.Text))
		add(shown(b.Label))
		for _, o := range b.Element.Options {
			add("( ) " + o.Text.Text)
		}
		var row []string
		for _, e := range b.Elements {
			var button struct{ Text text }
			var plain text
			switch {
			case json.Unmarshal(e, &button) == nil && button.Text.Text != "":
				row = append(row, "["+button.Text.Text+"]")
			case json.Unmarshal(e, &plain) == nil && plain.Text != "":
				row = append(row, shown(plain))
			}
		}
		add(strings.Join(row, " "))
	}
	return strings.Join(lines, "\n")
}
