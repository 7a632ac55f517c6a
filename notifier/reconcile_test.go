package notifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/notifier/reconcile"
)

// decide does what the bot does: one read, one conditional write, and After.
func (w *testWorld) decide(id string, verdict handle.Verdict, reason string) handle.Request {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	holder := reconcile.NewHolder()
	for range 5 {
		r, err := w.store.Load(ctx, id)
		if err != nil {
			w.Fatalf("load: %v", err)
		}
		voter := handle.Voter{Person: handle.Person{Team: "T0EXAMPLE", ID: ann, Name: "Ann"}, Home: true, Groups: []string{group}}
		r, err = r.VoteBySlack(voter, verdict, reason, w.Now())
		if err != nil {
			w.Fatalf("vote: %v", err)
		}
		claimed, ok := r.Claim(holder, w.Now())
		if !ok {
			claimed, holder = r, ""
		}
		r, err = w.store.Replace(ctx, claimed)
		if err != nil {
			continue
		}
		r, _ = w.notifier.ReconcileRecord(ctx, r, holder)
		return r
	}
	w.Fatal("no decision could be written")
	return handle.Request{}
}

// ended delivers the EventBridge event of a stack that ended with status.
func (w *testWorld) ended(status string) error {
	w.Helper()
	w.stacks.description.Status = status
	event, _ := json.Marshal(map[string]any{
		"version": "0", "id": "6840c78b-0000-0000-0000-000000000000", "detail-type": "CloudFormation Stack Status Change",
		"source": "aws.cloudformation", "account": account, "time": w.Now().Format(time.RFC3339), "region": "us-east-1", "resources": []string{stackID},
		"detail": map[string]any{"stack-id": stackID, "status-details": map[string]string{"status": status, "status-reason": ""}, "client-request-token": ""},
	})
	return w.notifier.Handle(context.Background(), event)
}

// sweep advances the clock by d and runs a sweep every five minutes.
func (w *testWorld) sweep(d time.Duration) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for end := w.Now().Add(d); w.Now().Before(end); w.advance(5 * time.Minute) {
		if err := w.notifier.Handle(ctx, json.RawMessage(`{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`)); err != nil {
			w.Fatalf("sweep: %v", err)
		}
	}
}

func TestApprovedLaunchIsReportedToItsEnd(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	r := w.launch()
	if root, ok := r.Root(); !ok || len(w.message(root).ButtonsIn("decide")) != 3 {
		t.Fatalf("no message with its buttons: %+v", r.Messages)
	}
	w.decide(r.ID, handle.Approve, "")
	w.stacks.description.Outputs = []handle.Field{{Name: "QueueUrl", Value: "https://sqs.example.com/q"}, {Name: "Stolen", Value: w.waitURL()}}
	if err := w.ended("CREATE_COMPLETE"); err != nil {
		t.Fatal(err)
	}
	if err := w.ended("CREATE_COMPLETE"); err != nil { // EventBridge delivers at least once
		t.Fatal(err)
	}
	w.sweep(10 * time.Minute)
	r = w.load(r.ID)
	root, _ := r.Root()
	m := w.message(root)
	if len(m.Reactions) != 1 || m.Reactions[0].Name != handle.ReactionApproved {
		t.Errorf("reactions: %+v", m.Reactions)
	}
	if got := len(m.ButtonsIn("decide")); got != 0 {
		t.Errorf("the message still has %d buttons", got)
	}
	var replies []string
	for _, reply := range m.Replies {
		replies = append(replies, reply.Text)
	}
	for i, want := range []string{"waiting for approval by <!subteam^S0PLATFORM>", "approved by <@U0ANN>", "the stack is ready"} {
		if i >= len(replies) || !strings.Contains(replies[i], want) || !strings.Contains(replies[i], " <@U0RITA>: ") {
			t.Errorf("reply %d: want %q, addressed to Rita, in %q", i, want, replies)
		}
	}
	if len(replies) != 3 {
		t.Errorf("%d replies, want 3: %q", len(replies), replies)
	}
	direct := w.slack.DMs(rita)
	if len(direct) != 1 || len(direct[0].Replies) != 2 {
		t.Errorf("the requester got %+v, want three messages in one thread", direct)
	} else if first := direct[0]; len(first.ButtonsIn("requester")) != 0 || !strings.Contains(string(first.Blocks), "Approved and launched") {
		t.Errorf("the first direct message is %s", first.Blocks)
	}
	if len(w.bucket.signals) != 1 || w.bucket.signals[0].Status != handle.SignalSuccess {
		t.Errorf("signals: %+v", w.bucket.signals)
	}
	if due := r.NextDue(); !due.IsZero() {
		t.Errorf("still due at %v: %+v", due, r.Outstanding())
	}
}

func (w *testWorld) message(m handle.Message) slacktest.Message {
	w.Helper()
	got, ok := w.slack.Message(m.Channel, m.TS)
	if !ok {
		w.Fatalf("there is no message %+v", m)
	}
	return got
}

// countingStore counts reads and writes.
type countingStore struct {
	handle.Store
	reads, writes int
}

func (c *countingStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	c.writes++
	return c.Store.Create(ctx, r)
}

func (c *countingStore) Load(ctx context.Context, id string) (handle.Request, error) {
	c.reads++
	return c.Store.Load(ctx, id)
}

func (c *countingStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	c.writes++
	return c.Store.Replace(ctx, r)
}

func (c *countingStore) OfStack(ctx context.Context, id string) ([]handle.Request, error) {
	c.reads++
	return c.Store.OfStack(ctx, id)
}

// Counts the calls of one approval from launch to notification, without the bot's
// own look-ups. The signal is sent before any message.
func TestCallsPerApproval(t *testing.T) {
	w := newWorld(t)
	count := &countingStore{Store: w.store}
	w.notifier.Store = count
	r := w.launch()
	if count.writes > 3 || count.reads > 1 { // one query: does another request use the same handle?
		t.Errorf("a launch: %d writes, %d reads; at most 3 and 1", count.writes, count.reads)
	}
	count.reads = 0
	w.bucket.override = func(*http.Request) int { // the signal's arrival
		if n := w.slack.Counts()["chat.update"]; n != 0 || w.slack.Counts()["chat.postMessage"] != 3 { // the message, a reply, and one to the requester
			t.Errorf("Slack was called before the signal was sent: %v", w.slack.Counts())
		}
		if count.reads != 0 {
			t.Errorf("%d reads between the decision and the signal", count.reads)
		}
		return 0
	}
	before := count.writes
	w.decide(r.ID, handle.Approve, "")
	if got := count.writes - before; got > 1 || count.reads > 0 {
		t.Errorf("after the decision: %d writes, %d reads; at most 1 and 0", got, count.reads)
	}
	calls := w.slack.Counts()
	if got := calls["chat.postMessage"] + calls["chat.update"] - 3; got > 3 {
		t.Errorf("after the decision: %d messages and updates, at most 3: %v", got, calls)
	}
}

// failOnce is a RoundTripper that fails the call with index at, as mode says.
type failOnce struct {
	base  http.RoundTripper
	calls int
	at    int
	mode  string
}

var errLost = errors.New("connection reset")

// fails counts a call and reports whether it must fail.
func (b *failOnce) fails() bool {
	b.calls++
	return b.calls-1 == b.at
}

func (b *failOnce) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "|") || !b.fails() { // responses have tests of their own
		return b.base.RoundTrip(req)
	}
	respond := func(status int, body string) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json"}}
		if status == http.StatusTooManyRequests {
			h.Set("Retry-After", "3")
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
	switch b.mode {
	case "not done":
		return nil, errLost
	case "answer lost":
		res, err := b.base.RoundTrip(req)
		if err == nil {
			_ = res.Body.Close()
		}
		return nil, errLost
	case "503":
		return respond(http.StatusServiceUnavailable, "")
	case "429":
		return respond(http.StatusTooManyRequests, "")
	case "malformed":
		res, err := b.base.RoundTrip(req)
		if err == nil {
			_ = res.Body.Close()
		}
		return respond(http.StatusOK, `{"ok":tr`)
	}
	return b.base.RoundTrip(req)
}

// failOnceStore is a store whose calls count and fail with those of failOnce.
type failOnceStore struct {
	handle.Store
	*failOnce
}

func (s failOnceStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	return store(s, func() (handle.Request, error) { return s.Store.Create(ctx, r) })
}

func (s failOnceStore) Load(ctx context.Context, id string) (handle.Request, error) {
	return store(s, func() (handle.Request, error) { return s.Store.Load(ctx, id) })
}

func (s failOnceStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	return store(s, func() (handle.Request, error) { return s.Store.Replace(ctx, r) })
}

func (s failOnceStore) OfStack(ctx context.Context, id string) ([]handle.Request, error) {
	return store(s, func() ([]handle.Request, error) { return s.Store.OfStack(ctx, id) })
}

func store[T any](s failOnceStore, call func() (T, error)) (zero T, err error) {
	if !s.fails() {
		return call()
	}
	if s.mode == "answer lost" || s.mode == "malformed" {
		_, _ = call()
	}
	return zero, errLost
}

// Each run fails one outside call of a launch in one mode; together the runs fail
// every call in every mode. CloudFormation must always get its answer and the signal
// of the decision, and messages must match the record. Each message is posted once,
// or twice if a response or a mark was lost.
func TestEveryOutsideCallMayFailOnce(t *testing.T) {
	for _, mode := range []string{"not done", "answer lost", "503", "429", "malformed"} {
		for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
			calls := 0
			for at := 0; at <= calls; at++ {
				name := fmt.Sprintf("%s/%s/call %d", mode, verdict, at)
				t.Run(name, func(t *testing.T) {
					w := newWorld(t)
					b := &failOnce{base: http.DefaultTransport, at: at, mode: mode}
					client := &http.Client{Transport: b, Timeout: 10 * time.Second}
					w.notifier.Client, w.notifier.Store = client, failOnceStore{w.store, b}
					w.notifier.Slack = reconcile.NewSlack("xoxb-test", w.slackURL(), client, w.Now)
					w.notifier.SideBySide = func(calls []func()) { // so that each run fails another call
						for _, call := range calls {
							call()
						}
					}
					w.runLaunch(verdict)
					calls = b.calls
				})
				if calls > 200 {
					t.Fatal("the number of calls keeps growing")
				}
			}
			if calls < 10 {
				t.Errorf("only %d calls failed", calls)
			}
		}
	}
}

// runLaunch runs a launch to its end, with redeliveries as Lambda makes them, and
// checks the result.
func (w *testWorld) runLaunch(verdict handle.Verdict) {
	w.Helper()
	event := w.event(nil, nil)
	got, err := w.handle(event)
	for range 2 { // Lambda redelivers failed events
		if err == nil {
			break
		}
		w.advance(time.Minute)
		_, err = w.handle(event)
	}
	if got.Status == "" {
		w.Fatal("CloudFormation got no answer")
	}
	id := got.PhysicalResourceId
	if got.Status == "FAILED" {
		w.delete(id)
		w.sweep(2 * time.Hour)
		if r, err := w.store.Load(context.Background(), id); err == nil && r.State() == handle.Pending {
			w.Errorf("the launch failed, but its request is pending")
		}
		return
	}
	w.sweep(time.Hour)
	w.decide(id, verdict, "no")
	status := map[handle.Verdict]string{handle.Approve: "CREATE_COMPLETE", handle.Reject: "ROLLBACK_COMPLETE"}[verdict]
	if w.ended(status) != nil {
		_ = w.ended(status)
	}
	w.sweep(26 * time.Hour)
	w.checkDecided(id, verdict)
}

func (w *testWorld) delete(id string) {
	w.Helper()
	w.stacks.description.Status = "ROLLBACK_IN_PROGRESS"
	event := w.event(nil, map[string]any{"RequestType": "Delete", "PhysicalResourceId": id, "RequestId": "delete"})
	got, err := w.handle(event)
	if err != nil {
		got, _ = w.handle(event)
	}
	if got.Status != "SUCCESS" {
		w.Errorf("Delete was answered %+v", got)
	}
}

// checkDecided checks the record, signals and messages of a launch that was decided.
func (w *testWorld) checkDecided(id string, verdict handle.Verdict) {
	w.Helper()
	r := w.load(id)
	want := map[handle.Verdict]handle.State{handle.Approve: handle.Approved, handle.Reject: handle.Rejected}[verdict]
	if r.State() != want {
		w.Errorf("the request is %s, want %s", r.State(), want)
	}
	if steps := r.Due(w.Now()); len(steps) > 0 {
		w.Errorf("still due: %+v", steps)
	}
	body, _ := r.SignalBody()
	if len(w.bucket.signals) == 0 {
		w.Error("nothing was signalled")
	}
	for _, s := range w.bucket.signals {
		if s != body {
			w.Errorf("signalled %+v, decided %+v", s, body)
		}
	}
	root, ok := r.Root()
	if !ok {
		w.Fatal("no message is recorded")
	}
	if m := w.message(root); m.Text != blocks.Message(r).Text || len(m.ButtonsIn("decide")) > 0 {
		w.Errorf("the message says %q with %d buttons, want %q", m.Text, len(m.ButtonsIn("decide")), blocks.Message(r).Text)
	}
	posts := w.slack.Messages(channel)
	extra := len(posts) - 1
	replies := map[string]int{} // posts by text
	for _, p := range posts {
		for _, reply := range p.Replies {
			replies[reply.Text]++
		}
	}
	if len(replies) != 3 {
		w.Errorf("%d different replies, want 3: %v", len(replies), replies)
	}
	for _, n := range replies {
		extra += n - 1
	}
	if extra > 1 {
		w.Errorf("%d surplus messages, want at most 1", extra)
	}
}

func (w *testWorld) slackURL() string { return w.slackOrigin + "/api/" }

func TestBurstOfLaunchesLosesNoMessage(t *testing.T) {
	const launches = 1000
	w := newWorld(t)
	next := map[string]time.Time{}
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault { // one post a second in a channel
		key := method + form.Get("channel")
		if wait := next[key].Sub(w.Now()); wait > 0 {
			return &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: wait}
		}
		next[key] = w.Now().Add(time.Second)
		return nil
	})
	w.notifier.Wait = func(context.Context, time.Duration) error { return context.DeadlineExceeded } // launches do not wait
	for i := range launches {
		stack := fmt.Sprintf("%s%012d", stackID[:len(stackID)-12], i)
		event := strings.ReplaceAll(string(w.event(nil, nil)), url.PathEscape(stackID), url.PathEscape(stack))
		event = strings.ReplaceAll(event, stackID, stack)
		if got, err := w.handle([]byte(event)); err != nil || got.Status != "SUCCESS" {
			t.Fatalf("launch %d was answered %+v, error %v", i, got, err)
		}
	}
	w.notifier.Wait = func(_ context.Context, d time.Duration) error { w.advance(d); return nil }
	w.sweep(3 * time.Hour)
	if got := len(w.slack.Messages(channel)); got != launches {
		t.Errorf("%d messages were posted for %d launches", got, launches)
	}
	for _, m := range w.slack.Messages(channel) {
		if len(m.Replies) < 1 {
			t.Errorf("no reply that names the approvers: %q", m.Text)
		}
	}
	if n := len(w.mail.sent); n != 0 {
		t.Errorf("%d mails, although Slack only limited the rate", n)
	}
}

// TestLockedLinkIsReportedOnce replies in the thread, and mails only if the question
// was mailed.
func TestLockedLinkIsReportedOnce(t *testing.T) {
	for name, mailed := range map[string]bool{"asked in Slack": false, "asked by mail too": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
			r := w.launch()
			if mailed {
				r = r.MarkDelivered(handle.Notification{Name: handle.NotifyAsked}.MailKey(), "", "", w.Now())
			}
			wrong := handle.Ticket{ID: r.ID, Verdict: handle.Approve}.WrongCode("sealed")
			for range handle.MaxWrongCodes {
				r = r.RecordRefusal(handle.Person{Name: "Kim"}, wrong, w.Now())
			}
			if _, err := w.store.Replace(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			w.sweep(30 * time.Minute)
			root, _ := r.Root()
			told := 0
			for _, reply := range w.message(root).Replies {
				if strings.Contains(reply.Text, "the mailed link to approve this launch was locked after 5 wrong codes") {
					told++
				}
			}
			mails := 0
			for _, l := range w.mail.sent {
				if strings.HasPrefix(l.subject, "Mailed link locked: ") {
					mails++
				}
			}
			want := 0
			if mailed {
				want = 1
			}
			if told != 1 || mails != want {
				t.Errorf("%d replies and %d mails, want 1 and %d", told, mails, want)
			}
			if direct := w.slack.DMs(rita); len(direct) != 1 || len(direct[0].Replies) != 0 { // that it waits for approval
				t.Errorf("the requester was written to: %+v", direct)
			}
		})
	}
}
