package notifier_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// ask records n requests in a channel, with their messages posted and approvers asked,
// that are all reminded at the same time.
func (w *testWorld) ask(n int, channel string, remind, deadline time.Time) (ids []string) {
	w.Helper()
	ctx := context.Background()
	for i := range n {
		stack := fmt.Sprintf("arn:aws:cloudformation:us-east-1:111122223333:stack/SC-%s-%d/0d5b6a60-1111-2222-3333-444455556666", channel, i)
		waitURL, err := handle.ParseWaitURL(w.waitURL(), stackID, w.notifier.Origins, w.Now())
		if err != nil {
			w.Fatal(err)
		}
		r := handle.Request{
			ID: handle.NewID(stack, "ApprovalRequest", "1"), CreatedAt: w.Now(), WaitURL: waitURL,
			Stack:     handle.Stack{ID: stack, Account: account, Region: "us-east-1", Gate: "ApprovalRequest"},
			Terms:     handle.Terms{Channel: channel, Approvers: []string{group}, Approvals: 1, Deadline: deadline, Reminders: []time.Time{remind}},
			Requester: handle.Requester{SlackID: rita, SlackIDs: []string{rita}, LookedUp: true, Proven: true},
		}.RecordCreation()
		p, err := w.notifier.Slack.Post(ctx, channel, "", blocks.Message(r))
		if err != nil {
			w.Fatal(err)
		}
		direct, err := w.notifier.Slack.Post(ctx, rita, "", blocks.Notification(r, handle.Notification{Name: handle.NotifyAsked}, true))
		if err != nil {
			w.Fatal(err)
		}
		r = r.MarkPosted(p.Channel, p.TS, r.ViewHash(), w.Now()).
			MarkDelivered("reply/asked", channel, p.TS, w.Now()).MarkDelivered("direct/asked", direct.Channel, direct.TS, w.Now())
		if r, err = w.store.Create(ctx, r); err != nil {
			w.Fatal(err)
		}
		ids = append(ids, r.ID)
		w.advance(time.Second)
	}
	return ids
}

// reminders counts the reminders in the thread of a request.
func (w *testWorld) reminders(channel string) map[string]int {
	counts := map[string]int{} // by the root's TS
	for _, m := range w.slack.Messages(channel) {
		for _, reply := range m.Replies {
			if strings.Contains(reply.Text, "has been waiting for your decision") {
				counts[m.TS]++
			}
		}
	}
	return counts
}

// restart replaces the notifier by one that remembers nothing, as in another process.
func (w *testWorld) restart(wait func(context.Context, time.Duration) error) *notifier.Notifier {
	client := &http.Client{Timeout: 10 * time.Second}
	old := w.notifier.Reconciler
	return &notifier.Notifier{
		Reconciler: &reconcile.Reconciler{
			Store: old.Store, Stacks: old.Stacks, Mail: old.Mail, Client: client, Now: w.Now, Log: old.Log, Links: old.Links, Wait: wait,
			Slack: reconcile.NewSlack("xoxb-test", w.slackOrigin+"/api/", client, w.Now),
		},
		Origins: w.notifier.Origins, DigestKey: w.notifier.DigestKey, Defaults: w.notifier.Defaults, Workers: 8,
	}
}

// A thousand reminders that are due at once all go out, each once and before its
// deadline, at Slack's published limits. Launches meanwhile ask within seconds, also
// those whose process knows nothing of the sweep's. Sweeps may be cut off.
func TestThousandRemindersAreAllSentAndDelayNoLaunch(t *testing.T) {
	w := newLimitedWorld(t, slacktest.PublishedRateLimits())
	const n = 1000
	remind := start.Add(time.Hour)
	deadline := remind.Add(40 * time.Minute)
	ids := w.ask(n, channel, remind, deadline)
	w.advance(remind.Sub(w.Now()))

	launches, slowest := 0, time.Duration(0)
	launch := func() {
		launches++
		begun := w.Now()
		other := w.restart(func(_ context.Context, d time.Duration) error { w.advance(d); return nil })
		stack := fmt.Sprintf("arn:aws:cloudformation:us-east-1:111122223333:stack/SC-new-%d/0d5b6a60-1111-2222-3333-444455556666", launches)
		waitURL := strings.Replace(w.waitURL(), "SC-111122223333-pp-abcdefghijklm", fmt.Sprintf("SC-new-%d", launches), 1)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := other.Handle(ctx, w.event(map[string]any{"WaitUrl": waitURL}, map[string]any{"StackId": stack})); err != nil {
			t.Fatal(err)
		}
		r := w.load(w.bucket.last(t).PhysicalResourceId)
		if _, posted := r.Root(); !posted {
			t.Errorf("launch %d was not asked: %+v", launches, r.Attempts)
		}
		slowest = max(slowest, w.Now().Sub(begun))
	}
	sweeps, pauses := 0, 0
	for ; len(w.reminders(channel)) < n && w.Now().Before(deadline); sweeps++ {
		ctx, cut := context.WithCancel(context.Background())
		begun := w.Now()
		sweep := w.restart(func(ctx context.Context, d time.Duration) error {
			w.advance(d)
			if pauses++; pauses%20 == 0 {
				launch()
			}
			if sweeps == 3 && w.Now().Sub(begun) > 20*time.Second {
				cut() // Lambda ends the process
			}
			return ctx.Err()
		})
		if err := sweep.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		cut()
		w.advance(max(0, time.Minute-w.Now().Sub(begun))) // the next sweep
	}
	got := w.reminders(channel)
	for _, id := range ids {
		r := w.load(id)
		root, _ := r.Root()
		d := r.Delivered["reply/reminder-0"]
		if got[root.TS] != 1 || !d.At.Before(r.Terms.Deadline) {
			t.Fatalf("request %s has %d reminders; delivered at %v, deadline %v", id, got[root.TS], d.At, r.Terms.Deadline)
		}
	}
	if launches < 20 || slowest > 5*time.Second {
		t.Errorf("%d launches, of which the slowest asked after %s", launches, slowest)
	}
	limited := 0
	for _, c := range w.slack.Calls() {
		if c.Error == "ratelimited" {
			limited++
		}
	}
	if limited > 0 {
		t.Errorf("%d of the last calls were above Slack's limits", limited)
	}
	t.Logf("%d sweeps, %d launches, the slowest asked after %s", sweeps, launches, slowest)
}

// A thousand requests that expire at once are all signalled by the first sweep, long
// before CloudFormation gives up; that people are told at Slack's pace delays none.
func TestThousandExpiriesAreSignalledAtOnce(t *testing.T) {
	w := newLimitedWorld(t, slacktest.PublishedRateLimits())
	const n = 1000
	deadline := start.Add(time.Hour)
	ids := w.ask(n, channel, deadline.Add(-time.Minute), deadline)
	w.advance(deadline.Sub(w.Now()))
	told, signalled := 0, time.Duration(0)
	for sweep := 0; told < n && sweep < 40; sweep++ {
		begun := w.Now()
		process := w.restart(func(_ context.Context, d time.Duration) error {
			if signalled == 0 {
				signalled = w.Now().Sub(deadline)
				if got := len(w.bucket.signals); got != n {
					t.Errorf("%d signals left before the first message, want %d", got, n)
				}
			}
			w.advance(d)
			return nil
		})
		if err := process.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.advance(max(0, time.Minute-w.Now().Sub(begun)))
		told = 0
		for _, m := range w.slack.Messages(channel) {
			if len(m.Replies) > 0 && strings.Contains(m.Replies[len(m.Replies)-1].Text, "expired without a decision") {
				told++
			}
		}
	}
	if told != n {
		t.Errorf("%d requests were told to have expired, want %d", told, n)
	}
	for _, id := range ids {
		r := w.load(id)
		delete(r.Attempts, string(handle.StepWatch)) // the stack is still rolling back
		if len(r.Attempts) > 0 {
			t.Fatalf("request %s: %+v", id, r.Attempts)
		}
	}
}

// A channel that Slack asks to wait with is left alone until the next sweep. Others go on.
func TestRemindersOfARateLimitedChannelWait(t *testing.T) {
	w := newWorld(t)
	w.slack.AddChannel(slacktest.Channel{ID: "C0BUSY", Name: "busy", Members: []string{"U0BOT", ann}})
	remind := start.Add(time.Hour)
	w.ask(5, "C0BUSY", remind, remind.Add(time.Hour))
	w.ask(5, channel, remind, remind.Add(2*time.Hour))
	w.advance(remind.Sub(w.Now()))
	tried := 0
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if method == "chat.postMessage" && form.Get("channel") == "C0BUSY" {
			tried++
			return &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: 20 * time.Second}
		}
		return nil
	})
	w.sweep(time.Second)
	if got := len(w.reminders(channel)); got != 5 || tried != 1 {
		t.Errorf("%d reminders in the other channel, and %d calls in the busy one, want 5 and 1", got, tried)
	}
	w.slack.SetFault(nil)
	w.sweep(time.Second)
	if got := len(w.reminders("C0BUSY")); got != 5 {
		t.Errorf("%d reminders in the busy channel after the wait, want 5", got)
	}
}
