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

// transport is a RoundTripper that may respond itself. If it returns nil, nil, the
// request is sent.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if res, err := f(req); res != nil || err != nil {
		return res, err
	}
	return http.DefaultTransport.RoundTrip(req)
}

// slackVia returns a Slack client whose calls go through f.
func (w *testWorld) slackVia(f transport) *reconcile.Slack {
	return reconcile.NewSlack("xoxb-test", w.slackOrigin+"/api/", &http.Client{Transport: f}, w.Now)
}

func isPost(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "chat.postMessage") }

// After a launch was answered FAILED and its stack rolled back, Lambda may still
// redeliver the Create event. It must not post a request.
func TestRedeliveredFailedLaunchPostsNothing(t *testing.T) {
	w := newWorld(t)
	storeDown := true
	w.notifier.Store = &handletest.FaultyStore{Store: w.store, Fault: func(handletest.Method, string) handletest.Fault {
		if storeDown {
			return handletest.NotApplied
		}
		return handletest.NoFault
	}}
	create := w.event(nil, nil)
	failed, handleErr := w.handle(create)
	if failed.Status != "FAILED" {
		t.Fatalf("with the store down: answered %+v", failed)
	}
	storeDown = false
	w.stacks.description.Status = "ROLLBACK_COMPLETE"
	if _, err := w.handle(w.event(nil, map[string]any{"RequestType": "Delete", "RequestId": "delete", "PhysicalResourceId": failed.PhysicalResourceId})); err != nil {
		t.Fatal(err)
	}
	if handleErr != nil { // Lambda delivers the event again
		if _, err := w.handle(create); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.slack.Messages(channel)); n != 0 {
		t.Errorf("%d messages posted for a stack that was rolled back", n)
	}
}

// Waiting for Slack's Retry-After must not outlast the lease. If it did, a second
// process would post the same message.
func TestRetryAfterDoesNotOutlastLease(t *testing.T) {
	w := newWorld(t)
	limited := func(req *http.Request) (*http.Response, error) {
		if !isPost(req) {
			return nil, nil
		}
		return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"40"}},
			Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
	}
	first, other := *w.notifier.Reconciler, *w.notifier.Reconciler
	w.notifier.Slack = w.slackVia(limited)
	launched, err := w.handle(w.event(nil, nil)) // a launch does not wait 40 s
	if err != nil {
		t.Fatal(err)
	}
	w.advance(41 * time.Second)

	calls := 0
	first.Slack = w.slackVia(func(req *http.Request) (*http.Response, error) {
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
	if err := other.Reconcile(ctx, launched.PhysicalResourceId); err != nil { // finishes what first left
		t.Fatal(err)
	}
	if n := len(w.slack.Messages(channel)); n != 1 {
		t.Errorf("%d messages for one launch, want 1", n)
	}
}

// DescribeStacks by ARN finds deleted stacks for 90 days. A stack that it does not
// find is in another account or Region, so only its event can report its end.
func TestStackThatIsNotFoundEndsOnlyByEvent(t *testing.T) {
	t.Run("completed without approval", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.stacks.err = reconcile.ErrNoStack
		if err := w.ended("CREATE_COMPLETE"); err != nil {
			t.Fatal(err)
		}
		if r = w.load(r.ID); r.Bypass == nil || !r.Ended.Succeeded() {
			t.Errorf("ended %+v, bypass %+v, want a recorded bypass", r.Ended, r.Bypass)
		}
	})
	t.Run("no event", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.decide(r.ID, handle.Approve, "")
		w.stacks.err = reconcile.ErrNoStack
		w.sweep(30 * time.Minute)
		if r = w.load(r.ID); r.Ended != nil {
			t.Errorf("recorded as ended without an event: %+v", r.Ended)
		}
	})
}

// A stack in another account can never be read. Retrying for days would raise an
// alarm, so the sweep gives up after one attempt. An event still records its end.
func TestUnreadableStackIsReadOnce(t *testing.T) {
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
		t.Errorf("ended %+v, want the status of the event", r.Ended)
	}
}

// The next sweep retries what failed in this one. An error would make Lambda put the
// event into the queue for lost launches.
func TestFailedSweepReturnsNoError(t *testing.T) {
	w := newWorld(t)
	w.notifier.ConfigErr = errors.New("invalid configuration")
	if err := w.notifier.Handle(t.Context(), json.RawMessage(`{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`)); err != nil {
		t.Error(err)
	}
}

// A template may copy its wait URL into other properties by mistake. newWorld's
// cleanup looks for the URL.
func TestWaitURLInPropertiesIsRedacted(t *testing.T) {
	for _, property := range []string{"Purpose", "Title", "EmailID"} {
		w := newWorld(t)
		if _, err := w.handle(w.event(map[string]any{property: "see " + w.waitURL()}, nil)); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	if _, err := w.handle(w.event(map[string]any{"Details": map[string]any{"Handle": "see " + w.waitURL()}}, nil)); err != nil {
		t.Fatal(err)
	}
}

// One update is rejected and the next one approved. The stack's success belongs to
// the second update, unless both gates ran in the same stack operation.
func TestLaterApprovalIsNotBypassOfEarlierRejection(t *testing.T) {
	for _, tt := range []struct {
		gate   string
		newOp  bool // the second request belongs to a new stack operation
		bypass bool
	}{
		{"ApprovalRequest", true, false},
		{"ApprovalRequest", false, true},
		{"SecondRequest", true, true}, // another gate's approval says nothing about this one
	} {
		w := newWorld(t)
		rejected := w.launch()
		w.decide(rejected.ID, handle.Reject, "too expensive")
		w.advance(time.Minute)
		w.stacks.description.Status = "UPDATE_IN_PROGRESS"
		if tt.newOp {
			w.stacks.description.Updated = w.Now()
		}
		second, err := w.handle(w.event(map[string]any{"WaitUrl": w.waitURL() + "&second"}, map[string]any{"RequestId": "second", "LogicalResourceId": tt.gate}))
		if err != nil {
			t.Fatal(err)
		}
		w.decide(second.PhysicalResourceId, handle.Approve, "")
		w.stacks.description.Status = "UPDATE_COMPLETE"
		w.sweep(30 * time.Minute)
		if r := w.load(rejected.ID); (r.Bypass != nil) != tt.bypass {
			t.Errorf("%+v: bypass %+v", tt, r.Bypass)
		}
	}
}

// beforeWithdrawal is a store that calls act before the first write that withdraws
// a request.
type beforeWithdrawal struct {
	handle.Store
	act func()
}

func (s *beforeWithdrawal) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	if act := s.act; act != nil && r.State() == handle.Withdrawn {
		s.act = nil
		act()
	}
	return s.Store.Replace(ctx, r)
}

// Slack posts the message but its response is lost, and an approver clicks just
// before the launch is withdrawn.
func TestApprovalDuringWithdrawalLetsLaunchContinue(t *testing.T) {
	w := newWorld(t)
	w.notifier.Slack = w.slackVia(func(req *http.Request) (*http.Response, error) {
		if !isPost(req) {
			return nil, nil
		}
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			res.Body.Close()
		}
		return nil, errors.New("response lost")
	})
	w.notifier.Mail = nil
	store := &beforeWithdrawal{Store: w.store}
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
		t.Errorf("approved, but answered %+v, %v", got, err)
	}
	if got.Status == "FAILED" && got.Reason == "" {
		t.Error("failed without a reason, which CloudFormation requires")
	}
}
