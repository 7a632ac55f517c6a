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

// Slack took the first message, and its answer was lost; so there are two. A
// click on the one that nobody remembers counts, and both are frozen.
func TestAnOrphanCopyWorksAndIsFrozen(t *testing.T) {
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
			t.Fatalf("%d messages, and %s is the one on record: want an orphan", len(posts), root.TS)
		}
		if i, err := w.Slack.ClickButton(who.id, sandbox.Channel, posts[0].TS, string(who.verdict)); err != nil || i.Failed {
			t.Fatalf("press: %q, %v", i.Notice, err)
		}
		run(t, w)
		if got := only(t, store, stack).State(); got != who.want {
			t.Errorf("the request is %s, want %s", got, who.want)
		}
		for _, m := range w.Slack.Messages(sandbox.Channel) {
			if live := len(m.Buttons()) > 0; live != (who.want == handle.Pending) {
				t.Errorf("message %s of a %s request has %d buttons", m.TS, who.want, len(m.Buttons()))
			}
		}
		for _, broken := range w.Check(context.Background(), store) {
			t.Error(broken)
		}
	}
}
