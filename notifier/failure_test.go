package notifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
	"countersign/notifier/reconcile"
)

// fault is a RoundTripper whose hook may answer in the network's place.
type fault func(*http.Request) (*http.Response, error)

func (f fault) RoundTrip(req *http.Request) (*http.Response, error) {
	if res, err := f(req); res != nil || err != nil {
		return res, err
	}
	return http.DefaultTransport.RoundTrip(req)
}

// throughSlack makes the notifier's calls of Slack go through f.
func (w *testWorld) throughSlack(f fault) *reconcile.Slack {
	return reconcile.NewSlack("xoxb-test", w.slackOrigin+"/api/", &http.Client{Transport: f}, w.Now)
}

func isPost(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "chat.postMessage") }

// A launch that was failed is over: when Lambda delivers its event again,
// nobody is asked about a stack that was rolled back.
func TestAFailedLaunchIsNotAskedAboutLater(t *testing.T) {
	w := newWorld(t)
	dead := true
	w.notifier.Store = &handletest.FaultyStore{Store: w.store, Fault: func(handletest.Method, string) handletest.Fault {
		if dead {
			return handletest.NotApplied
		}
		return handletest.NoFault
	}}
	create := w.event(nil, nil)
	failed, again := w.handle(create)
	if failed.Status != "FAILED" {
		t.Fatalf("with a dead store: answered %+v", failed)
	}
	dead = false
	w.stacks.is.Status = "ROLLBACK_COMPLETE"
	if _, err := w.handle(w.event(nil, map[string]any{"RequestType": "Delete", "RequestId": "delete", "PhysicalResourceId": failed.PhysicalResourceId})); err != nil {
		t.Fatal(err)
	}
	if again != nil { // so Lambda delivers it again
		if _, err := w.handle(create); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.slack.Messages(channel)); n != 0 {
		t.Errorf("%d messages ask about a stack that was rolled back", n)
	}
}

// Waiting as Slack asks must not outlast the lease: another process then posts
// too.
func TestPatienceKeepsTheLease(t *testing.T) {
	w := newWorld(t)
	limited := func(req *http.Request) (*http.Response, error) {
		if !isPost(req) {
			return nil, nil
		}
		return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"40"}},
			Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
	}
	first, other := *w.notifier.Reconciler, *w.notifier.Reconciler
	w.notifier.Slack = w.throughSlack(limited)
	launched, err := w.handle(w.event(nil, nil)) // which has no patience for 40 s
	if err != nil {
		t.Fatal(err)
	}
	w.advance(41 * time.Second)

	calls := 0
	first.Slack = w.throughSlack(func(req *http.Request) (*http.Response, error) {
		if calls++; isPost(req) && len(w.slack.Messages(channel)) == 0 && calls == 1 {
			return limited(req)
		}
		return nil, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	first.Wait = func(_ context.Context, d time.Duration) error {
		w.advance(d)
		return other.Reconcile(ctx, launched.PhysicalResourceId) // the next sweep
	}
	if err := first.Reconcile(ctx, launched.PhysicalResourceId); err != nil {
		t.Fatal(err)
	}
	w.advance(41 * time.Second)
	if err := other.Reconcile(ctx, launched.PhysicalResourceId); err != nil { // what the first left
		t.Fatal(err)
	}
	if n := len(w.slack.Messages(channel)); n != 1 {
		t.Errorf("%d messages ask for one launch", n)
	}
}

// DescribeStacks by ARN finds deleted stacks too, for 90 days. What it does not
// find is another account's or Region's: then the event is all there is.
func TestAStackThatCannotBeFoundEndsAsItsEventSays(t *testing.T) {
	t.Run("it went on without an approval", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.stacks.err = reconcile.ErrNoStack
		if err := w.ended("CREATE_COMPLETE"); err != nil {
			t.Fatal(err)
		}
		if r = w.load(r.ID); r.Bypass == nil || !r.Ended.Succeeded() {
			t.Errorf("ended %+v, bypass %+v, want the alarm", r.Ended, r.Bypass)
		}
	})
	t.Run("nothing was heard of it", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.decide(r.ID, handle.Approve, "")
		w.stacks.err = reconcile.ErrNoStack
		w.sweep(30 * time.Minute)
		if r = w.load(r.ID); r.Ended != nil {
			t.Errorf("half an hour after the approval it is told to have been deleted: %+v", r.Ended)
		}
	})
}

// A stack of another account cannot be read, and never will be: to try that for
// days would ring the alarm. Should an event tell of its end, that counts.
func TestAStackThatMayNotBeReadIsAskedAboutOnce(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.decide(r.ID, handle.Approve, "")
	w.stacks.err = reconcile.ErrDenied
	w.sweep(10 * time.Minute)
	watch := handle.Step{Kind: handle.StepWatch}.Key()
	if r = w.load(r.ID); !r.Attempts[watch].Abandoned || r.Attempts[watch].Count != 1 {
		t.Errorf("%+v", r.Attempts)
	}
	if err := w.ended("CREATE_COMPLETE"); err != nil {
		t.Fatal(err)
	}
	if r = w.load(r.ID); r.Ended == nil || !r.Ended.Succeeded() {
		t.Errorf("ended %+v, want what the event says", r.Ended)
	}
}

// What fails in a sweep is left to the next one: Lambda would put it where lost
// launches are looked for.
func TestASweepIsNotDeliveredAgain(t *testing.T) {
	w := newWorld(t)
	w.notifier.ConfigErr = errors.New("a fault of the configuration")
	if err := w.notifier.Handle(t.Context(), json.RawMessage(`{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`)); err != nil {
		t.Error(err)
	}
}

// A template may show its handle by mistake.
func TestTheWaitURLIsNotShownAsText(t *testing.T) {
	for _, property := range []string{"Purpose", "Title", "EmailID"} {
		w := newWorld(t) // whose cleanup looks for the URL
		if _, err := w.handle(w.event(map[string]any{property: "see " + w.waitURL()}, nil)); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	if _, err := w.handle(w.event(map[string]any{"Details": map[string]any{"Handle": "see " + w.waitURL()}}, nil)); err != nil {
		t.Fatal(err)
	}
}

// An update that was rejected, and another that was approved soon after: the
// stack's success is the second's. In one and the same operation it is not.
func TestALaterApprovalIsNoBypassOfAnEarlierRejection(t *testing.T) {
	for _, tt := range []struct {
		gate    string
		another bool // another operation on the stack
		bypass  bool
	}{
		{"ApprovalRequest", true, false},
		{"ApprovalRequest", false, true},
		{"SecondRequest", true, true}, // another gate's approval says nothing about this one
	} {
		w := newWorld(t)
		rejected := w.launch()
		w.decide(rejected.ID, handle.Reject, "too dear")
		w.advance(time.Minute)
		w.stacks.is.Status = "UPDATE_IN_PROGRESS"
		if tt.another {
			w.stacks.is.Updated = w.Now()
		}
		second, err := w.handle(w.event(map[string]any{"WaitUrl": w.waitURL() + "&second"}, map[string]any{"RequestId": "second", "LogicalResourceId": tt.gate}))
		if err != nil {
			t.Fatal(err)
		}
		w.decide(second.PhysicalResourceId, handle.Approve, "")
		w.stacks.is.Status = "UPDATE_COMPLETE"
		w.sweep(30 * time.Minute)
		if r := w.load(rejected.ID); (r.Bypass != nil) != tt.bypass {
			t.Errorf("%+v: bypass %+v", tt, r.Bypass)
		}
	}
}

// meanwhile lets somebody else act before the first write of a withdrawal.
type meanwhile struct {
	handle.Store
	act func()
}

func (s *meanwhile) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	if act := s.act; act != nil && r.State() == handle.Withdrawn {
		s.act = nil
		act()
	}
	return s.Store.Replace(ctx, r)
}

// Slack took the message and its answer was lost; somebody approves it just
// before the launch gives up.
func TestALaunchThatWasApprovedIsNotFailed(t *testing.T) {
	w := newWorld(t)
	w.notifier.Slack = w.throughSlack(func(req *http.Request) (*http.Response, error) {
		if !isPost(req) {
			return nil, nil
		}
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			res.Body.Close()
		}
		return nil, errors.New("the answer was lost")
	})
	w.notifier.Mail = nil
	store := &meanwhile{Store: w.store}
	w.notifier.Store = store
	id := handle.NewID(stackID, "ApprovalRequest", "11111111-2222-3333-4444-555566667777")
	store.act = func() {
		r := w.load(id)
		r, err := r.VoteBySlack(handle.Voter{Person: handle.Person{Team: "T0EXAMPLE", ID: ann}, Home: true, Groups: []string{group}}, handle.Approve, "", w.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.Replace(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.handle(w.event(nil, nil))
	if err != nil || got.Status != "SUCCESS" {
		t.Errorf("approved, and answered %+v, %v", got, err)
	}
	if got.Status == "FAILED" && got.Reason == "" {
		t.Error("failed without a reason, which CloudFormation requires")
	}
}
