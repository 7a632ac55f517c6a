package handle_test

import (
	"testing"
	"time"

	"countersign/handle"
)

func TestTheQuestionIsMailedWhenSlackFails(t *testing.T) {
	post := handle.Step{Kind: handle.StepPost}
	limited := handle.Failure{Reason: "rate limited", RateLimited: true, RetryAfter: 30 * time.Second}
	const never = -1
	for _, tt := range []struct {
		name string
		r    func(handle.Request) handle.Request
		want time.Duration // after the launch
	}{
		{"not tried yet", func(r handle.Request) handle.Request { return r }, time.Hour},
		{"not tried yet, and soon closed", func(r handle.Request) handle.Request { r.Terms.Deadline = at.Add(time.Hour); return r }, 15 * time.Minute},
		{"no answer", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{Reason: "no answer"}, at)
		}, 0},
		{"refused for good", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{Permanent: true}, at)
		}, 0},
		{"asked to wait", func(r handle.Request) handle.Request { return r.RecordFailure(post, limited, at) }, time.Hour},
		{"asked to wait, and then no answer", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, limited, at).RecordFailure(post, handle.Failure{Reason: "no answer"}, at)
		}, 0},
		{"asked to wait longer than the request lives", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{RateLimited: true, RetryAfter: 100 * time.Hour}, at)
		}, time.Hour},
		{"posted", func(r handle.Request) handle.Request { return ask(r) }, never},
		{"failed, then posted", func(r handle.Request) handle.Request { return ask(r.RecordFailure(post, handle.Failure{}, at)) }, never},
		{"failed, then decided", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{}, at).Withdraw("x", at)
		}, never},
		{"mailed", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{}, at).MarkDelivered("mail/asked", "", "", at)
		}, never},
	} {
		got := time.Duration(never)
		for _, s := range tt.r(launch()).Outstanding() {
			if s.Key() == "mail/asked" {
				got = s.At.Sub(at)
			}
		}
		if got != tt.want {
			t.Errorf("%s: owed %s after the launch, want %s", tt.name, got, tt.want)
		}
	}
}

// TestSomebodyIsAlwaysAsked looks for records that wait for nobody: pending,
// and neither asked about nor to be asked about before the deadline.
func TestSomebodyIsAlwaysAsked(t *testing.T) {
	for name, f := range map[string]handle.Failure{
		"no answer":            {},
		"refused for good":     {Permanent: true},
		"asked to wait":        {RateLimited: true, RetryAfter: 30 * time.Second},
		"asked to wait long":   {RateLimited: true, RetryAfter: time.Hour},
		"asked to wait longer": {RateLimited: true, RetryAfter: 100 * time.Hour},
	} {
		w := begin(launch())
		w.fail = func(s handle.Step) (handle.Failure, bool) { return f, s.Kind == handle.StepPost }
		w.until(t, at.Add(2*time.Hour))
		if !w.r.Asked() {
			t.Errorf("%s: two hours after the launch nobody has been asked", name)
		}
	}
}

func TestNobodyIsAskedAboutWhatIsSettled(t *testing.T) {
	for state, r := range settled(t, launch()) {
		r = r.MarkPosted(posted.Channel, posted.TS, r.ViewHash(), r.Decision.At) // Slack was down until now
		if owes(r, "tell/asked") {
			t.Errorf("%s: the approvers are told that it waits for them", state)
		}
		if owes(r, "tell/reminder") {
			t.Errorf("%s: the approvers are reminded", state)
		}
	}
}

// TestAStrayClickDoesNotEndTheAsking is about a crash between posting and
// recording that, and a click on that message before the next sweep: nobody has
// found out yet who asks, so nobody may approve until somebody has.
func TestAStrayClickDoesNotEndTheAsking(t *testing.T) {
	r := launch(unidentified).AdoptMessage("C0APPROVALS", "1.000001")
	if why(r.Authorize(voter(ann))) == handle.RefusedUnverified && !owes(r, "post") {
		t.Errorf("nobody can be verified, and nobody will be: owed is only %q", keys(r.Outstanding()))
	}
}
