package sandbox_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// The response to the first post is lost, so the message is posted twice and the
// record knows only the second. A click on the first counts, and both messages are
// updated.
func TestClickOnUnrecordedCopyCounts(t *testing.T) {
	for _, who := range []struct {
		id      string
		verdict handle.Verdict
		want    handle.State
	}{{sandbox.Ann, handle.Approve, handle.Approved}, {sandbox.Dan, handle.Approve, handle.Pending}} {
		store := &handle.Memory{}
		w := newWorld(t, store)
		lost := false
		w.Slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
			if method != "chat.postMessage" || lost {
				return nil
			}
			lost = true
			return &slacktest.Fault{Applied: true, Lost: true}
		})
		template, err := gate.Parse(deploy.Product)
		if err != nil {
			t.Fatal(err)
		}
		stack, err := w.Launch(sandbox.Launch{Template: template, Name: "q", Parameters: map[string]string{"UserEmail": "rita@example.com", "Purpose": "Orders"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Advance(context.Background(), 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		posts := w.Slack.Messages(sandbox.Channel)
		root, _ := only(t, store, stack).Root()
		if len(posts) != 2 || posts[0].TS == root.TS {
			t.Fatalf("%d messages, and %s is recorded: want an unrecorded copy", len(posts), root.TS)
		}
		if i, err := w.Slack.ClickButton(who.id, sandbox.Channel, posts[0].TS, string(who.verdict)); err != nil || i.Failed {
			t.Fatalf("click: %q, %v", i.Notice, err)
		}
		run(t, w)
		if got := only(t, store, stack).State(); got != who.want {
			t.Errorf("the request is %s, want %s", got, who.want)
		}
		for _, m := range w.Slack.Messages(sandbox.Channel) {
			if live := len(m.ButtonsIn("decide")) > 0; live != (who.want == handle.Pending) {
				t.Errorf("message %s of a %s request has %d buttons", m.TS, who.want, len(m.ButtonsIn("decide")))
			}
		}
		for _, v := range w.Check(context.Background(), store) {
			t.Error(v)
		}
	}
}
