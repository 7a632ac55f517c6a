package handle_test

import (
	"testing"
	"time"

	"countersign/handle"
)

// Every step fails, in every way and from every state. All steps must be abandoned
// in bounded time.
func TestFailingStepsAreAbandonedInTime(t *testing.T) {
	const limit = 5 * 24 * time.Hour
	failures := map[string]handle.Failure{
		"retry":                {Reason: "no answer"},
		"asked to wait":        {Reason: "rate limited", RateLimited: true, RetryAfter: 15 * time.Minute},
		"asked to wait long":   {Reason: "rate limited", RateLimited: true, RetryAfter: 2 * time.Hour},
		"asked to wait longer": {Reason: "rate limited", RateLimited: true, RetryAfter: 1000 * time.Hour},
		"permanent":            {Reason: "refused", Permanent: true},
		"refused":              {Reason: "a new code", Refused: true},
	}
	starts := closedRequests(t, launch())
	starts[handle.Pending] = launch()
	for state, start := range starts {
		for name, failure := range failures {
			for where, edit := range map[string]func(*handle.Request){
				"before it was posted": func(*handle.Request) {},
				"after": func(r *handle.Request) {
					*r = r.MarkPosted("C0APPROVALS", "1.000001", "", at).AdoptMessage("C0APPROVALS", "1.000002").MarkDelivered("mail/asked", "", "", at)
				},
				"with a URL that does not expire": func(r *handle.Request) { r.WaitURL = handle.StoredWaitURL("https://wait.example.com/") },
				"after a bypass":                  func(r *handle.Request) { *r = r.RecordBypass("the wait was released", at) },
				"leased by a dead process":        func(r *handle.Request) { *r, _ = r.Claim("dead", at) },
				"after the end": func(r *handle.Request) {
					*r = r.RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at.Add(2 * time.Hour)})
				},
				"after a status event": func(r *handle.Request) { *r = r.ObserveStatus("ROLLBACK_COMPLETE", "", at.Add(2*time.Hour)) },
			} {
				t.Run(string(state)+"/"+name+"/"+where, func(t *testing.T) {
					run := newRunner(start)
					edit(&run.r)
					run.fail = func(handle.Step) (handle.Failure, bool) { return failure, true }
					run.runUntil(t, at.Add(limit))
					if next := run.r.NextDue(); !next.IsZero() {
						t.Errorf("%s after the launch, still outstanding: %v", limit, run.r.Outstanding())
					}
					if run.r.Decision == nil {
						t.Fatal("the request was never closed")
					}
					if run.r.Signal == nil || run.r.State() != handle.Withdrawn && run.r.Signal.Undeliverable == "" {
						t.Errorf("got signal %+v, want it undeliverable", run.r.Signal)
					}
					if n := len(run.r.Events); n > 60 {
						t.Errorf("got %d events of an outage, want a few", n)
					}
				})
			}
		}
	}
}

// A message that is clicked days after the end is refreshed for a day, although
// Slack fails at first.
func TestMessageFoundLateIsRefreshedForADay(t *testing.T) {
	late := at.Add(100 * time.Hour)
	r := launch(approvals(1)).Withdraw("x", at).RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at.Add(time.Minute)})
	r = r.AdoptMessage("C0APPROVALS", "1.000007")
	refresh := handle.Step{Kind: handle.StepRefresh, Message: r.Messages[0]}
	for _, s := range []handle.Step{refresh, {Kind: handle.StepNotify, Notification: handle.Notification{Name: handle.NotifyEnded}}} {
		failed, now, attempts := r, late, 0
		for ; needs(failed, s.Key()); attempts++ {
			failed = failed.RecordFailure(s, handle.Failure{Reason: "no answer"}, now)
			now = failed.Attempts[s.Key()].NotBefore
		}
		if last := failed.Attempts[s.Key()]; attempts < 100 || now.Before(late.Add(24*time.Hour)) || now.After(late.Add(25*time.Hour)) {
			t.Errorf("%s: abandoned after %d attempts, %s: got %+v, want a day of them", s.Key(), attempts, now.Sub(late), last)
		}
	}
}

func TestSignalIsRetriedUntilTheURLExpires(t *testing.T) {
	run := newRunner(approved(t, launch(), at))
	expires, ok := run.r.WaitURL.Expires()
	if !ok {
		t.Fatal("the wait URL does not say when it expires")
	}
	run.fail = func(s handle.Step) (handle.Failure, bool) {
		return handle.Failure{Reason: "no answer"}, s.Kind == handle.StepSignal
	}
	run.runUntil(t, expires.Add(-15*time.Minute))
	if run.r.Signal != nil {
		t.Fatalf("15 minutes before the URL expires: got %+v, want no result yet", run.r.Signal)
	}
	run.runUntil(t, expires)
	if run.r.Signal == nil || run.r.Signal.Undeliverable == "" {
		t.Errorf("after the URL expired: got %+v, want it undeliverable", run.r.Signal)
	}
}

func TestStackIsWatchedForThreeDays(t *testing.T) {
	run := newRunner(approved(t, launch(), at)) // the stack operation never ends
	run.runUntil(t, run.r.Terms.Deadline.Add(70*time.Hour))
	if run.r.NextDue().IsZero() {
		t.Error("70 hours after the deadline: nothing is due")
	}
	asked := 0
	for _, key := range run.takeDone() {
		if key == "watch" {
			asked++
		}
	}
	if asked > 100 {
		t.Errorf("CloudFormation was asked %d times, want about once an hour", asked)
	}
	run.runUntil(t, run.r.Terms.Deadline.Add(74*time.Hour))
	if !run.r.NextDue().IsZero() {
		t.Errorf("74 hours after the deadline: still outstanding: %v", run.r.Outstanding())
	}
}

// A refusal with an unknown code is tried a few times, not for a day; other failures
// in between do not count.
func TestRepeatedRefusalIsPermanent(t *testing.T) {
	s := handle.Step{Kind: handle.StepPost}
	r, now, refusals := launch(), at, 0
	for ; needs(r, s.Key()); refusals++ {
		r = r.RecordFailure(s, handle.Failure{Reason: "no answer"}, now)
		r = r.RecordFailure(s, handle.Failure{Reason: "a new code", Refused: true}, now)
		now = r.Attempts[s.Key()].NotBefore
	}
	if refusals != 5 || !r.Attempts[s.Key()].Abandoned {
		t.Errorf("abandoned after %d refusals, want 5: %+v", refusals, r.Attempts[s.Key()])
	}
}

func TestBackoffGrowsAndHonoursRetryAfter(t *testing.T) {
	s := handle.Step{Kind: handle.StepPost}
	r := launch()
	for i, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second,
		320 * time.Second, 10 * time.Minute, 10 * time.Minute} {
		r = r.RecordFailure(s, handle.Failure{Reason: "no answer"}, at)
		if got := r.Attempts[s.Key()].NotBefore.Sub(at); got != want || r.Attempts[s.Key()].Count != i+1 {
			t.Errorf("after failure %d: waits %s, counts %d, want %s", i+1, got, r.Attempts[s.Key()].Count, want)
		}
	}
	r = launch().RecordFailure(s, handle.Failure{Reason: "no answer", RetryAfter: time.Hour}, at)
	if got := r.Attempts[s.Key()].NotBefore.Sub(at); got != time.Hour {
		t.Errorf("Retry-After of an hour: waits %s", got)
	}
	for range 5 {
		r = r.RecordFailure(s, handle.Failure{Reason: "rate limited", RateLimited: true, RetryAfter: 15 * time.Second}, at)
		if got := r.Attempts[s.Key()].NotBefore.Sub(at); got != 15*time.Second {
			t.Errorf("rate limited for 15 s: waits %s", got)
		}
	}
}
