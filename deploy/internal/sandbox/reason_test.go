package sandbox_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"countersign/bot/slacktest"
	"countersign/deploy/gate"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// An output of the template is wrong. That stands only on the stack's own event, and
// the requester is told.
func TestRequesterIsToldTheReasonOnTheStack(t *testing.T) {
	store := &handle.Memory{}
	w := newWorld(t, store)
	source, err := os.ReadFile("testdata/reason-on-the-stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template, err := gate.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := w.Launch(sandbox.Launch{Template: template, Name: "my-queue", Requester: "rita@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, w)
	requests, err := store.OfStack(context.Background(), stack)
	if err != nil || len(requests) != 1 {
		t.Fatalf("%d requests, error %v", len(requests), err)
	}
	root, _ := requests[0].Root()
	if i, err := w.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, string(handle.Approve)); err != nil || i.Failed {
		t.Fatalf("click: %+v, %v", i.Notice, err)
	}
	run(t, w)
	const reason = "Approver"
	thread, _ := w.Slack.Message(root.Channel, root.TS)
	for where, messages := range map[string][]slacktest.Message{"thread": thread.Replies, "direct message": flat(w.Slack.DMs(sandbox.Rita))} {
		told := false
		for _, m := range messages {
			told = told || strings.Contains(m.Text, "First failure:") && strings.Contains(m.Text, reason)
		}
		if !told {
			t.Errorf("%s: no message names the wrong output: %+v", where, messages)
		}
	}
}

// flat returns messages with their replies.
func flat(messages []slacktest.Message) []slacktest.Message {
	var list []slacktest.Message
	for _, m := range messages {
		list = append(append(list, m), m.Replies...)
	}
	return list
}
