package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/handletest"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, store handle.Store) *sandbox.Sandbox {
	t.Helper()
	w, err := sandbox.New(sandbox.Config{Store: store, Clock: sandbox.ManualClock(start), InProcess: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// launch launches the sample product and returns its stack and the request's message.
func launch(t *testing.T, w *sandbox.Sandbox, store handle.Store) (stack string, root handle.Message) {
	t.Helper()
	template, err := gate.Parse(deploy.Product)
	if err != nil {
		t.Fatal(err)
	}
	stack, err = w.Launch(sandbox.Launch{Template: template, Name: "my-queue",
		Parameters: map[string]string{"UserEmail": "rita@example.com", "Purpose": "Orders"}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, w)
	requests, err := store.OfStack(context.Background(), stack)
	if err != nil || len(requests) != 1 {
		t.Fatalf("%d requests, error %v", len(requests), err)
	}
	root, ok := requests[0].Root()
	if !ok {
		t.Fatal("no message was posted")
	}
	return stack, root
}

func run(t *testing.T, w *sandbox.Sandbox) {
	t.Helper()
	if err := w.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Before the signal is sent, a click costs at most one read, one conditional write
// and the lookups of the person in Slack, which are cached for a minute.
func TestClickCostBeforeTheSignal(t *testing.T) {
	store := &handletest.FaultyStore{Store: &handle.Memory{}}
	w := newWorld(t, store)
	lookups := map[string]bool{"users.info": true, "usergroups.users.list": true}
	for _, warm := range []bool{false, true} {
		_, root := launch(t, w, store)
		store.Reset()
		calls := len(w.Slack.Calls())
		sent := false
		w.Network.Intercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.Method != http.MethodPut || sent || strings.Contains(r.URL.RawPath+r.URL.Path, "|") {
				return next.RoundTrip(r)
			}
			sent = true
			if got := store.Counts(); got.Reads > 1 || got.Writes > 1 || got.Queries > 0 {
				t.Errorf("warm %v: before the signal %+v, want at most 1 read and 1 write", warm, got)
			}
			for _, call := range w.Slack.Calls()[calls:] {
				if warm || !lookups[call.Method] {
					t.Errorf("warm %v: %s was called before the signal", warm, call.Method)
				}
			}
			return next.RoundTrip(r)
		})
		if i, err := w.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, string(handle.Approve)); err != nil || i.Failed {
			t.Fatalf("click: %+v, %v", i.Notice, err)
		}
		if !sent {
			t.Fatal("no signal was sent")
		}
		w.Network.Intercept(nil)
		run(t, w)
	}
}

// TestCheckReportsViolations checks the checker itself.
func TestCheckReportsViolations(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, w *sandbox.Sandbox, store handle.Store, stack string, root handle.Message)
		want string
	}{
		{"no violation", func(*testing.T, *sandbox.Sandbox, handle.Store, string, handle.Message) {}, ""},
		{"a signal that the record does not state", func(t *testing.T, w *sandbox.Sandbox, store handle.Store, stack string, root handle.Message) {
			r := only(t, store, stack)
			u := r.WaitURL
			if _, err := handle.SendSignal(context.Background(), &http.Client{Transport: w.Network}, u, handle.SignalBody{Status: "SUCCESS", UniqueID: "approved-" + r.ID}); err != nil {
				t.Fatal(err)
			}
		}, "a signal states the recorded decision"},
		{"a vote of a person who may not vote", func(t *testing.T, w *sandbox.Sandbox, store handle.Store, stack string, root handle.Message) {
			r := only(t, store, stack)
			r.Votes = append(r.Votes, handle.Vote{By: handle.Person{ID: sandbox.Dan}, Verdict: handle.Approve, Via: handle.ViaSlack})
			replace(t, store, r)
		}, "only approvers vote"},
		{"a message that does not show the record", func(t *testing.T, w *sandbox.Sandbox, store handle.Store, stack string, root handle.Message) {
			r := only(t, store, stack)
			r, err := r.VoteByMail("x", handle.Approve, "", w.Clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			r = r.MarkRefreshed(root, r.ViewHash()).MarkSignalled("", w.Clock.Now())
			for _, o := range r.Notifications() {
				r = r.MarkDelivered(o.ReplyKey(), "C", "1.0", start).MarkDelivered(o.DirectKey(), "C", "1.0", start).MarkDelivered(o.MailKey(), "", "", start)
			}
			replace(t, store, r)
		}, "messages have buttons only while the request is pending"},
		{"the wait URL is shown", func(t *testing.T, w *sandbox.Sandbox, store handle.Store, stack string, root handle.Message) {
			if _, err := w.Slack.PostAs(sandbox.Rita, sandbox.Channel, "", "look: X-Amz-Signature"); err != nil {
				t.Fatal(err)
			}
		}, "no signed URL is shown"},
		{"a message pings the channel", func(t *testing.T, w *sandbox.Sandbox, store handle.Store, stack string, root handle.Message) {
			if _, err := w.Slack.PostAs(sandbox.Rita, sandbox.Channel, "", "<!channel>"); err != nil {
				t.Fatal(err)
			}
		}, "no message pings a channel"},
		{"CloudFormation gets no answer", func(t *testing.T, w *sandbox.Sandbox, store handle.Store, stack string, root handle.Message) {
			w.InvokeURL = "http://missing.localhost/"
			if _, err := w.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, "approve"); err != nil {
				t.Fatal(err)
			}
			if err := w.Advance(context.Background(), 2*time.Hour); err != nil {
				t.Fatal(err)
			}
		}, "each custom resource request is answered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := &handle.Memory{}
			w := newWorld(t, store)
			stack, root := launch(t, w, store)
			tt.do(t, w, store, stack, root)
			found := w.Check(context.Background(), store)
			if got := fmt.Sprint(found); tt.want == "" && len(found) > 0 || !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %q", got, tt.want)
			}
		})
	}
}

func only(t *testing.T, store handle.Store, stack string) handle.Request {
	t.Helper()
	requests, err := store.OfStack(context.Background(), stack)
	if err != nil || len(requests) != 1 {
		t.Fatalf("%d requests, error %v", len(requests), err)
	}
	return requests[0]
}

func replace(t *testing.T, store handle.Store, r handle.Request) {
	t.Helper()
	if _, err := store.Replace(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}
