package sandbox_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// TestRequesterOutsideTheChannel follows a launch in the direct messages of a requester
// who is not in the approvers' channel: question and answer, a nudge, and the withdrawal,
// which fails the stack with their reason.
func TestRequesterOutsideTheChannel(t *testing.T) {
	store := &handle.Memory{}
	w := newWorld(t, store)
	if err := w.Slack.Remove(sandbox.Channel, sandbox.Rita); err != nil {
		t.Fatal(err)
	}
	stack, root := launch(t, w, store)
	click := func(who string, m slacktest.Message, action string) slacktest.Interaction {
		t.Helper()
		i, err := w.Slack.ClickButton(who, m.ChannelID, m.TS, action)
		if err != nil || i.Failed {
			t.Fatalf("%s: %+v, %v", action, i.Notice, err)
		}
		return i
	}
	submit := func(who, field, text string) {
		t.Helper()
		form, ok := w.Slack.Modal(who)
		if !ok {
			t.Fatalf("%s: no form is open", field)
		}
		if i, err := w.Slack.Submit(who, form.ID, map[string]map[string]string{field: {field: text}}); err != nil || i.Failed || strings.Contains(i.Body, "errors") {
			t.Fatalf("%s: %+v %s, %v", field, i.Notice, i.Body, err)
		}
	}
	direct := func(replies int) slacktest.Message {
		t.Helper()
		list := w.Slack.DMs(sandbox.Rita)
		if len(list) != 1 || len(list[0].Replies) != replies {
			t.Fatalf("direct messages, want one with %d replies: %+v", replies, list)
		}
		return list[0]
	}
	if first := direct(0); len(first.ButtonsIn("requester")) != 2 || first.MentionsChannel {
		t.Errorf("the first direct message: %s", first.Blocks)
	}
	message, _ := w.Slack.Message(root.Channel, root.TS)
	click(sandbox.Ann, message, blocks.AskAction)
	submit(sandbox.Ann, blocks.QuestionField, "How long do you need it?")
	click(sandbox.Rita, direct(1).Replies[0], blocks.AnswerAction)
	submit(sandbox.Rita, blocks.AnswerField, "Until May")
	click(sandbox.Rita, direct(1), blocks.NudgeAction)
	click(sandbox.Rita, direct(1), blocks.NudgeAction) // too soon
	if err := w.Advance(context.Background(), 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(direct(1).Blocks), "answered") {
		t.Errorf("the first direct message does not show the answer: %s", direct(1).Blocks)
	}
	stale := direct(1)
	click(sandbox.Rita, stale, blocks.WithdrawAction)
	submit(sandbox.Rita, blocks.WithdrawField, "Wrong size")
	run(t, w)
	if got := direct(3).Replies[1].Text; !strings.Contains(got, "withdrawn by <@"+sandbox.Rita+">") {
		t.Errorf("the direct message says %q", got)
	}
	if i, err := w.Slack.ClickStale(sandbox.Rita, stale, blocks.NudgeAction); err != nil || i.Failed {
		t.Errorf("a nudge after the decision: %+v, %v", i.Notice, err)
	}
	if err := w.Advance(context.Background(), 20*time.Minute); err != nil {
		t.Fatal(err)
	}
	if first := direct(3); len(first.ButtonsIn("requester")) != 0 || !strings.Contains(string(first.Blocks), "Wrong size") {
		t.Errorf("the first direct message at the end: %s", first.Blocks)
	}
	requests, err := store.OfStack(context.Background(), stack)
	if err != nil || len(requests) != 1 || requests[0].State() != handle.Withdrawn || requests[0].Signal == nil || requests[0].Ended == nil {
		t.Fatalf("requests %+v, error %v", requests, err)
	}
	message, _ = w.Slack.Message(root.Channel, root.TS)
	if len(message.Reactions) != 1 || message.Reactions[0].Name != handle.ReactionWithdrawn || !strings.Contains(string(message.Blocks), "Wrong size") {
		t.Errorf("reactions %+v, message %s", message.Reactions, message.Blocks)
	}
	if due := requests[0].NextDue(); !due.IsZero() {
		t.Errorf("still due at %v: %+v", due, requests[0].Outstanding())
	}
	for _, v := range w.Check(context.Background(), store) {
		t.Errorf("broken law: %v", v)
	}
}
