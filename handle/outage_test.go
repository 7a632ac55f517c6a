package handle_test

import (
	"testing"
	"time"

	"countersign/handle"
)

// TestNothingIsOwedForEver fails everything, each in every way there is, from
// every state: what is owed then is given up in bounded time, the signal not
// before the URL is of no more use.
func TestNothingIsOwedForEver(t *testing.T) {
	const patience = 5 * 24 * time.Hour
	failures := map[string]handle.Failure{
		"again":                {Reason: "no answer"},
		"asked to wait":        {Reason: "rate limited", RateLimited: true, RetryAfter: 15 * time.Minute},
		"asked to wait long":   {Reason: "rate limited", RateLimited: true, RetryAfter: 2 * time.Hour},
		"asked to wait longer": {Reason: "rate limited", RateLimited: true, RetryAfter: 1000 * time.Hour},
		"never":                {Reason: "refused", Permanent: true},
	}
	starts := settled(t, launch())
	starts[handle.Pending] = launch()
	for state, start := range starts {
		for name, failure := range failures {
			for where, edit := range map[string]func(*handle.Request){
				"before it was posted": func(*handle.Request) {},
				"after": func(r *handle.Request) {
					*r = r.MarkPosted("C0APPROVALS", "1.000001", "", at).AdoptMessage("C0APPROVALS", "1.000002").MarkDelivered("mail/asked", "", "", at)
				},
				"with a URL that does not expire": func(r *handle.Request) { r.WaitURL = handle.StoredWaitURL("https://wait.example.com/") },
				"after somebody went round":       func(r *handle.Request) { *r = r.RecordBypass("the wait was released", at) },
				"in the hands of the dead":        func(r *handle.Request) { *r, _ = r.Claim("dead", at) },
				"when it has ended": func(r *handle.Request) {
					*r = r.RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at.Add(2 * time.Hour)})
				},
				"when it was heard of": func(r *handle.Request) { *r = r.ObserveStatus("ROLLBACK_COMPLETE", "", at.Add(2*time.Hour)) },
			} {
				t.Run(string(state)+"/"+name+"/"+where, func(t *testing.T) {
					w := begin(start)
					edit(&w.r)
					w.fail = func(handle.Step) (handle.Failure, bool) { return failure, true }
					w.until(t, at.Add(patience))
					if wake := w.r.NextDue(); !wake.IsZero() {
						t.Errorf("%s after the launch, still owed: %v", patience, w.r.Outstanding())
					}
					if w.r.Decision == nil {
						t.Fatal("nobody ever decided")
					}
					if w.r.Signal == nil || w.r.State() != handle.Withdrawn && w.r.Signal.Undeliverable == "" {
						t.Errorf("got signal %+v, want one that was given up", w.r.Signal)
					}
					if n := len(w.r.Events); n > 60 {
						t.Errorf("got %d events of an outage, want a few", n)
					}
				})
			}
		}
	}
}

// TestWhatIsFoundLateIsTried: a message that somebody comes upon days after the
// end is refreshed, though Slack fails at first; and not for ever.
func TestWhatIsFoundLateIsTried(t *testing.T) {
	late := at.Add(100 * time.Hour)
	r := launch(approvals(1)).Withdraw("x", at).RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at.Add(time.Minute)})
	r = r.AdoptMessage("C0APPROVALS", "1.000007")
	refresh := handle.Step{Kind: handle.StepRefresh, Message: r.Messages[0]}
	for _, s := range []handle.Step{refresh, {Kind: handle.StepNotify, Notification: handle.Notification{Name: handle.NotifyEnded}}} {
		failed, now, tries := r, late, 0
		for ; owes(failed, s.Key()); tries++ {
			failed = failed.RecordFailure(s, handle.Failure{Reason: "no answer"}, now)
			now = failed.Attempts[s.Key()].NotBefore
		}
		if gave := failed.Attempts[s.Key()]; tries < 100 || now.Before(late.Add(24*time.Hour)) || now.After(late.Add(25*time.Hour)) {
			t.Errorf("%s: given up after %d tries, %s: got %+v, want a day of them", s.Key(), tries, now.Sub(late), gave)
		}
	}
}

func TestTheSignalIsTriedWhileTheURLLives(t *testing.T) {
	w := begin(approved(t, launch(), at))
	expires, ok := w.r.WaitURL.Expires()
	if !ok {
		t.Fatal("the wait URL does not say when it expires")
	}
	w.fail = func(s handle.Step) (handle.Failure, bool) {
		return handle.Failure{Reason: "no answer"}, s.Kind == handle.StepSignal
	}
	w.until(t, expires.Add(-15*time.Minute))
	if w.r.Signal != nil {
		t.Fatalf("a quarter of an hour before the URL expires: given up: %+v", w.r.Signal)
	}
	w.until(t, expires)
	if w.r.Signal == nil || w.r.Signal.Undeliverable == "" {
		t.Errorf("when the URL has expired: got %+v, want a signal given up", w.r.Signal)
	}
}

func TestTheStackIsWatchedForDays(t *testing.T) {
	w := begin(approved(t, launch(), at)) // and it never comes to its end
	w.until(t, w.r.Terms.Deadline.Add(70*time.Hour))
	if w.r.NextDue().IsZero() {
		t.Error("70 hours after the deadline: nobody watches the stack any more")
	}
	asked := 0
	for _, key := range w.read() {
		if key == "watch" {
			asked++
		}
	}
	if asked > 100 {
		t.Errorf("CloudFormation was asked %d times, want about once an hour", asked)
	}
	w.until(t, w.r.Terms.Deadline.Add(74*time.Hour))
	if !w.r.NextDue().IsZero() {
		t.Errorf("74 hours after the deadline: still owed: %v", w.r.Outstanding())
	}
}

func TestBackoff(t *testing.T) {
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
		t.Errorf("asked to wait an hour: waits %s", got)
	}
	for range 5 {
		r = r.RecordFailure(s, handle.Failure{Reason: "rate limited", RateLimited: true, RetryAfter: 15 * time.Second}, at)
		if got := r.Attempts[s.Key()].NotBefore.Sub(at); got != 15*time.Second {
			t.Errorf("only asked to wait 15 s: waits %s", got)
		}
	}
}
