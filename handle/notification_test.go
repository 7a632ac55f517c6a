package handle_test

import (
	"testing"
	"time"

	"countersign/handle"
)

func TestQuestionIsMailedWhenSlackFails(t *testing.T) {
	post := handle.Step{Kind: handle.StepPost}
	limited := handle.Failure{Reason: "rate limited", RateLimited: true, RetryAfter: 30 * time.Second}
	const notDue = -1
	askedReply := handle.Step{Kind: handle.StepNotify, Notification: handle.Notification{Name: handle.NotifyAsked}}
	for _, tt := range []struct {
		name string
		r    func(handle.Request) handle.Request
		want time.Duration // after the launch
	}{
		{"not tried yet", func(r handle.Request) handle.Request { return r }, time.Hour},
		{"not tried yet, deadline soon", func(r handle.Request) handle.Request { r.Terms.Deadline = at.Add(time.Hour); return r }, 15 * time.Minute},
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
		{"asked to wait beyond the deadline", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{RateLimited: true, RetryAfter: 100 * time.Hour}, at)
		}, 0},
		{"asked to wait until the deadline", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{RateLimited: true, RetryAfter: r.Terms.Deadline.Sub(at)}, at)
		}, 0},
		{"posted, but the thread takes no mention", func(r handle.Request) handle.Request {
			return r.MarkPosted("C0APPROVALS", "1.000001", "pending", at).RecordFailure(askedReply, handle.Failure{Permanent: true}, at)
		}, 0},
		{"posted, but the thread takes no mention yet", func(r handle.Request) handle.Request {
			return r.MarkPosted("C0APPROVALS", "1.000001", "pending", at).RecordFailure(askedReply, handle.Failure{Reason: "no answer"}, at)
		}, notDue},
		{"posted, but the reminder is refused", func(r handle.Request) handle.Request {
			return postAndNotify(r).RecordFailure(handle.Step{Kind: handle.StepNotify, Notification: handle.Notification{Name: handle.NotifyReminder}}, handle.Failure{Permanent: true}, at)
		}, 0},
		{"posted", func(r handle.Request) handle.Request { return postAndNotify(r) }, notDue},
		{"failed, then posted", func(r handle.Request) handle.Request {
			return postAndNotify(r.RecordFailure(post, handle.Failure{}, at))
		}, notDue},
		{"failed, then decided", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{}, at).Withdraw("x", at)
		}, notDue},
		{"mailed", func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{}, at).MarkDelivered("mail/asked", "", "", at)
		}, notDue},
	} {
		got := time.Duration(notDue)
		for _, s := range tt.r(launch()).Outstanding() {
			if s.Key() == "mail/asked" {
				got = s.At.Sub(at)
			}
		}
		if got != tt.want {
			t.Errorf("%s: due %s after the launch, want %s", tt.name, got, tt.want)
		}
	}
}

// However posting fails, approvers must be asked long before the deadline.
func TestApproversAreAskedHoweverPostingFails(t *testing.T) {
	for name, f := range map[string]handle.Failure{
		"no answer":            {},
		"refused for good":     {Permanent: true},
		"asked to wait":        {RateLimited: true, RetryAfter: 30 * time.Second},
		"asked to wait long":   {RateLimited: true, RetryAfter: time.Hour},
		"asked to wait longer": {RateLimited: true, RetryAfter: 100 * time.Hour},
	} {
		run := newRunner(launch())
		run.fail = func(s handle.Step) (handle.Failure, bool) { return f, s.Kind == handle.StepPost }
		run.runUntil(t, at.Add(2*time.Hour))
		if !run.r.Asked() {
			t.Errorf("%s: not asked two hours after the launch", name)
		}
	}
}

func TestNoQuestionOrReminderAfterDecision(t *testing.T) {
	for state, r := range closedRequests(t, launch()) {
		r = r.MarkPosted(posted.Channel, posted.TS, r.ViewHash(), r.Decision.At) // Slack was down before
		if needs(r, "tell/asked") {
			t.Errorf("%s: the approvers are asked", state)
		}
		if needs(r, "tell/reminder") {
			t.Errorf("%s: the approvers are reminded", state)
		}
	}
}

// A crash came between posting and recording the post, and the message was clicked
// before the next sweep. The requester is not identified yet, so votes are refused,
// and the step that identifies the requester must stay outstanding.
func TestAdoptedMessageDoesNotEndIdentification(t *testing.T) {
	r := launch(unidentified).AdoptMessage("C0APPROVALS", "1.000001")
	if refusalReason(r.Authorize(voter(ann))) == handle.RefusedUnverified && !needs(r, "identify") {
		t.Errorf("votes stay refused: only %q is outstanding", keys(r.Outstanding()))
	}
}
