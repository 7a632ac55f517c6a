package notifier_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/handle/handletest"
	"countersign/notifier/reconcile"
)

// gathering is a RoundTripper that holds calls to Slack's chat methods until
// several of them have been made.
type gathering struct {
	several int
	signals func() int // sent so far

	mu      sync.Mutex
	early   bool // a message left before the signal
	arrived int
	all     chan struct{} // closed when several have arrived
}

func (g *gathering) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "/chat.") {
		g.mu.Lock()
		g.early = g.early || g.signals() == 0
		if g.arrived++; g.arrived == g.several {
			close(g.all)
		}
		g.mu.Unlock()
		select {
		case <-g.all:
		case <-time.After(3 * time.Second):
		}
	}
	return http.DefaultTransport.RoundTrip(req)
}

// TestMessagesLeaveSideBySide: after the signal, the message's update, the reply
// and the direct message are under way at the same time, and one write marks all.
func TestMessagesLeaveSideBySide(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	r := w.launch()
	g := &gathering{several: 3, all: make(chan struct{}), signals: func() int {
		w.bucket.mu.Lock()
		defer w.bucket.mu.Unlock()
		return len(w.bucket.signals)
	}}
	w.notifier.Slack = reconcile.NewSlack("xoxb-test", w.slackURL(), &http.Client{Transport: g}, w.Now)
	store := &handletest.FaultyStore{Store: w.store}
	w.notifier.Store = store
	w.decide(r.ID, handle.Approve, "")
	select {
	case <-g.all:
	default:
		t.Errorf("%d calls were under way at the same time, want %d", g.arrived, g.several)
	}
	if g.early {
		t.Error("a message left before the signal")
	}
	if got, want := store.Counts(), (handletest.Counts{Writes: 1}); got != want {
		t.Errorf("the store was called %+v, want %+v", got, want)
	}
	r = w.load(r.ID)
	if left := r.Due(w.Now()); len(left) > 0 || len(w.slack.DMs(rita)) != 1 {
		t.Errorf("due %+v, direct messages %+v", left, w.slack.DMs(rita))
	}
	decided := handle.Notification{Name: handle.NotifyDecided}
	root, _ := r.Root()
	reply, direct := r.Delivered[decided.ReplyKey()], r.Delivered[decided.DirectKey()]
	replies := w.message(root).Replies
	if reply.TS != replies[len(replies)-1].TS || direct.TS != w.slack.DMs(rita)[0].Replies[0].TS {
		t.Errorf("the marks are %+v and %+v", reply, direct)
	}
}

// TestOneFailureStopsNoOtherMessage fails one call of three. The others have their
// marks, and the failed one is made again.
func TestOneFailureStopsNoOtherMessage(t *testing.T) {
	isDirect := func(form url.Values) bool { return form.Get("channel") != channel }
	calls := map[string]func(method string, form url.Values) bool{
		"update": func(method string, _ url.Values) bool { return method == "chat.update" },
		"reply":  func(method string, form url.Values) bool { return method == "chat.postMessage" && !isDirect(form) },
		"direct": func(method string, form url.Values) bool { return method == "chat.postMessage" && isDirect(form) },
	}
	faults := map[string]slacktest.Fault{
		"error":        {Error: "internal_error"},
		"rate limited": {Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Second},
		"lost":         {Lost: true},
	}
	for name, matches := range calls {
		for kind, fault := range faults {
			t.Run(name+" "+kind, func(t *testing.T) {
				w := newWorld(t)
				w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
				r := w.launch()
				w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
					if matches(method, form) {
						return &fault
					}
					return nil
				})
				w.decide(r.ID, handle.Approve, "")
				r = w.load(r.ID)
				root, _ := r.Root()
				done := map[string]bool{
					"update": len(w.message(root).ButtonsIn("decide")) == 0,
					"reply":  len(w.message(root).Replies) == 2,
					"direct": len(w.slack.DMs(rita)[0].Replies) == 1, // to that of the question
				}
				for other, ok := range done {
					if ok == (other == name) {
						t.Errorf("%s: done is %v", other, ok)
					}
				}
				if r.Signal == nil {
					t.Error("the signal is not marked")
				}
				outstanding := slices.DeleteFunc(r.Outstanding(), func(s handle.Step) bool {
					return s.Kind == handle.StepWatch || s.At.Equal(r.Decision.At.Add(time.Minute)) // what waits until the click is answered
				})
				if len(outstanding) != 1 {
					t.Errorf("outstanding: %+v, want the failed step alone", outstanding)
				}
				w.slack.SetFault(nil)
				w.sweep(30 * time.Minute)
				if len(w.message(root).ButtonsIn("decide")) != 0 || len(w.message(root).Replies) != 2 || len(w.slack.DMs(rita)) != 1 || len(w.slack.DMs(rita)[0].Replies) != 1 {
					t.Errorf("afterwards: %d replies and the direct messages %+v, want 2 and one thread of 2", len(w.message(root).Replies), w.slack.DMs(rita))
				}
			})
		}
	}
}

// TestRateLimitDelaysNoMark: Slack asks to wait with one message. The others are
// marked before the wait begins.
func TestRateLimitDelaysNoMark(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	r := w.launch()
	limited := false
	w.slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
		if method != "chat.update" || limited {
			return nil
		}
		limited = true
		return &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second}
	})
	waited := false
	wait := w.notifier.Wait
	w.notifier.Wait = func(ctx context.Context, d time.Duration) error {
		waited = true
		if got := w.load(r.ID).Delivered; len(got) != 4 { // the question's reply and direct message, and the decision's
			t.Errorf("marked before the wait: %+v", got)
		}
		return wait(ctx, d)
	}
	w.decide(r.ID, handle.Approve, "")
	root, _ := r.Root()
	if !waited || len(w.message(root).ButtonsIn("decide")) != 0 {
		t.Errorf("waited: %v, %d buttons left", waited, len(w.message(root).ButtonsIn("decide")))
	}
}

// TestDeletionSeenBesideReply: the message was deleted, its thread not, which takes the
// reply. The update that leaves beside the reply shows the deletion, and a new
// message says what the reply said. A withdrawn request needs none.
func TestDeletionSeenBesideReply(t *testing.T) {
	for name, tt := range map[string]struct {
		approvals int
		next      func(w *testWorld, id string)
		shows     string
	}{
		"pending":   {2, func(w *testWorld, id string) { w.decide(id, handle.Approve, "") }, "1 of 2"},
		"decided":   {1, func(w *testWorld, id string) { w.decide(id, handle.Approve, "") }, "pproved"},
		"withdrawn": {1, func(w *testWorld, id string) { w.delete(id) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.notifier.Defaults.Approvals = tt.approvals
			r := w.launch()
			old := w.deleteRoot(r.ID, false)
			tt.next(w, r.ID)
			r = w.load(r.ID)
			root, posted := r.Root()
			if posted != (tt.shows != "") || root.TS == old.TS {
				t.Fatalf("the root is %+v", root)
			}
			if m := w.slack.Messages(channel); posted && (w.message(root).Deleted || !strings.Contains(string(w.message(root).Blocks), tt.shows)) {
				t.Errorf("no new message shows %q: %+v", tt.shows, m)
			}
			if due := r.Due(w.Now()); len(due) > 0 {
				t.Errorf("due: %+v", due)
			}
		})
	}
}
