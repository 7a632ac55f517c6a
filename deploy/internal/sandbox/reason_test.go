package sandbox_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"countersign/bot/slacktest"
	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// An output of the template is wrong. That stands only on the stack's own event, and
// the requester is told.
func TestRequesterGetsReasonFromStack(t *testing.T) {
	store := &handle.Memory{}
	w := newWorld(t, store)
	source, err := os.ReadFile("testdata/reason-on-the-stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hears(t, w, store, sandbox.Launch{Name: "my-queue", Requester: "rita@example.com"}, source, "Approver")
}

// A resource fails inside a nested stack. Only its own events say why.
func TestRequesterGetsReasonFromNestedStack(t *testing.T) {
	store := &handle.Memory{}
	w := newWorld(t, store)
	source, err := os.ReadFile("testdata/reason-on-the-stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nested := strings.Replace(string(source), "  Queue:\n    Type: AWS::SQS::Queue\n", "  Network:\n    Type: AWS::CloudFormation::Stack\n    Properties: {TemplateURL: https://example.com/network.yaml}\n", 1)
	hears(t, w, store, sandbox.Launch{Name: "my-queue", Requester: "rita@example.com", Failures: map[string]string{"Network": "The CIDR conflicts"}},
		[]byte(nested), "Network / Inner: The CIDR conflicts")
}

// A hook refuses a resource. Only the hook's own event says why.
func TestRequesterGetsReasonFromHook(t *testing.T) {
	store := &handle.Memory{}
	w := newWorld(t, store)
	source, err := os.ReadFile("testdata/reason-on-the-stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l := sandbox.Launch{Name: "my-queue", Requester: "rita@example.com", Failures: map[string]string{"Queue": fakecfn.FailedHook("queues must be encrypted")}}
	hears(t, w, store, l, source, "Queue: the hook Example::Encryption::Hook failed: queues must be encrypted")
}

// hears launches a product and checks that the thread and the requester are told the
// reason of its failure.
func hears(t *testing.T, w *sandbox.Sandbox, store handle.Store, l sandbox.Launch, source []byte, reason string) {
	t.Helper()
	template, err := gate.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	l.Template = template
	stack, err := w.Launch(l)
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
	thread, _ := w.Slack.Message(root.Channel, root.TS)
	for where, messages := range map[string][]slacktest.Message{"thread": thread.Replies, "direct message": flat(w.Slack.DMs(sandbox.Rita))} {
		told := false
		for _, m := range messages {
			told = told || strings.Contains(m.Text, "First failure:") && strings.Contains(m.Text, reason)
		}
		if !told {
			t.Errorf("%s: no message says %q: %+v", where, reason, messages)
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
