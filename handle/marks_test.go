package handle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign/handle"
	"countersign/handle/handletest"
)

// After a write whose response was lost, a caller applies the same method again. It
// may change no more than counts.
func TestMarksAreIdempotent(t *testing.T) {
	approvedReq := approved(t, postAndNotify(launch(approvals(1))), at)
	post := handle.Step{Kind: handle.StepPost}
	for _, tt := range []struct {
		name string
		r    handle.Request
		mark func(handle.Request) handle.Request
	}{
		{"MarkSignalled", approvedReq, func(r handle.Request) handle.Request { return r.MarkSignalled("", at) }},
		{"MarkSignalled, never", approvedReq, func(r handle.Request) handle.Request { return r.MarkSignalled("403", at) }},
		{"MarkSignalled, never, withdrawn", launch().Withdraw("x", at), func(r handle.Request) handle.Request { return r.MarkSignalled("403", at) }},
		{"IdentifyRequester", launch(unidentified), func(r handle.Request) handle.Request { return r.IdentifyRequester(rob, []string{rob, ben}, true) }},
		{"MarkPosted", launch(), func(r handle.Request) handle.Request { return r.MarkPosted("C0APPROVALS", "1.000001", "pending", at) }},
		{"AdoptMessage", postAndNotify(launch()), func(r handle.Request) handle.Request { return r.AdoptMessage("C0APPROVALS", "1.000009") }},
		{"MarkRefreshed", approvedReq, func(r handle.Request) handle.Request { return r.MarkRefreshed(approvedReq.Messages[0], "approved") }},
		{"MarkRefreshed, of no message", approvedReq, func(r handle.Request) handle.Request { return r.MarkRefreshed(handle.Message{TS: "9"}, "approved") }},
		{"MarkMessageGone", approvedReq, func(r handle.Request) handle.Request { return r.MarkMessageGone(posted, at) }},
		{"MarkMessageGone, of a pending one", postAndNotify(launch()), func(r handle.Request) handle.Request { return r.MarkMessageGone(posted, at) }},
		{"MoveRoot", postAndNotify(launch()), func(r handle.Request) handle.Request {
			return r.MoveRoot(posted, reminder, "C0APPROVALS", "1.000007", at)
		}},
		{"MoveRoot, by a vote", postAndNotify(launch()), func(r handle.Request) handle.Request {
			return r.MoveRoot(posted, handle.Notification{Name: "vote-0"}, "C0APPROVALS", "1.000007", at)
		}},
		{"MoveRoot, decided", approvedReq, func(r handle.Request) handle.Request {
			return r.MoveRoot(posted, handle.Notification{Name: handle.NotifyDecided}, "C0APPROVALS", "1.000007", at)
		}},
		{"MarkDelivered", approvedReq, func(r handle.Request) handle.Request {
			return r.MarkDelivered("reply/decided", "C0APPROVALS", "1.000003", at)
		}},
		{"MarkDelivered by mail", launch(), func(r handle.Request) handle.Request { return r.MarkDelivered("mail/asked", "", "", at) }},
		{"RecordFailure", launch(), func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{Reason: "no answer"}, at)
		}},
		{"RecordFailure for good", launch(), func(r handle.Request) handle.Request {
			return r.RecordFailure(post, handle.Failure{Reason: "refused", Permanent: true}, at)
		}},
		{"RecordFailure to signal for good", approvedReq, func(r handle.Request) handle.Request {
			return r.RecordFailure(handle.Step{Kind: handle.StepSignal}, handle.Failure{Reason: "refused", Permanent: true}, at)
		}},
		{"StillInProgress", approvedReq, func(r handle.Request) handle.Request { return r.StillInProgress(at) }},
		{"StillInProgress, too late", approvedReq, func(r handle.Request) handle.Request { return r.StillInProgress(at.Add(1000 * time.Hour)) }},
		{"ObserveStatus", approvedReq, func(r handle.Request) handle.Request { return r.ObserveStatus("CREATE_COMPLETE", "", at) }},
		{"RecordEnd", approvedReq, func(r handle.Request) handle.Request {
			return r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: at})
		}},
		{"RecordEnd of a pending one", launch(), func(r handle.Request) handle.Request {
			return r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: at})
		}},
		{"RecordBypass", launch(), func(r handle.Request) handle.Request { return r.RecordBypass("x", at) }},
		{"Expire", launch(), func(r handle.Request) handle.Request { return r.Expire(r.Terms.Deadline) }},
		{"Withdraw", launch(), func(r handle.Request) handle.Request { return r.Withdraw("x", at) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			once := tt.mark(tt.r)
			if handletest.Diff(tt.r, once) == "" && !strings.Contains(tt.name, "of no message") {
				t.Error("the method changed nothing")
			}
			counts := []cmp.Option{
				cmpopts.IgnoreFields(handle.Attempts{}, "Count", "NotBefore"),
				cmpopts.IgnoreFields(handle.Event{}, "Count"),
				cmp.Comparer(func(a, b handle.WaitURL) bool { return a.Expose() == b.Expose() }),
				cmpopts.EquateEmpty(),
			}
			if diff := cmp.Diff(once, tt.mark(once), counts...); diff != "" {
				t.Errorf("applied twice (-once +twice):\n%s", diff)
			}
		})
	}
}

func TestMarkSignalled(t *testing.T) {
	wantSame(t, "pending", launch(), launch().MarkSignalled("", at))
	approvedReq := approved(t, launch(), at)
	taken := approvedReq.RecordFailure(handle.Step{Kind: handle.StepSignal}, handle.Failure{Reason: "no answer"}, at).MarkSignalled("", at.Add(time.Second))
	if want := (handle.Signal{Status: "SUCCESS", At: at.Add(time.Second)}); *taken.Signal != want {
		t.Errorf("accepted: got %+v, want %+v", *taken.Signal, want)
	}
	if len(taken.Attempts) != 0 || needs(taken, "signal") {
		t.Errorf("accepted: got attempts %v and outstanding %q, want no signal in them", taken.Attempts, keys(taken.Outstanding()))
	}
	wantSame(t, "refused after it was accepted", taken, taken.MarkSignalled("403", at.Add(time.Minute)))
	wantSame(t, "a failure after it was accepted", taken, taken.RecordFailure(handle.Step{Kind: handle.StepSignal}, handle.Failure{Permanent: true}, at.Add(time.Minute)))

	never := approvedReq.MarkSignalled("403", at)
	if want := (handle.Signal{Status: "SUCCESS", At: at, Undeliverable: "403"}); *never.Signal != want || needs(never, "signal") {
		t.Errorf("refused: got %+v, want %+v", *never.Signal, want)
	}
	if again := never.MarkSignalled("", at); again.Signal.Undeliverable != "" {
		t.Errorf("accepted after it was refused: got %+v, want it accepted", *again.Signal)
	}
	withdrawn := launch().Withdraw("x", at).MarkSignalled("403", at)
	if want := (handle.Signal{Status: "FAILURE", At: at}); *withdrawn.Signal != want {
		t.Errorf("withdrawn and refused: got %+v, want %+v", *withdrawn.Signal, want)
	}
}

func TestIdentifyRequester(t *testing.T) {
	all := []string{rob, ben}
	r := launch(unidentified).IdentifyRequester(rob, all, true)
	all[0] = sam
	if diff := cmp.Diff(handle.Requester{Email: r.Requester.Email, Principal: r.Requester.Principal,
		SlackID: rob, SlackIDs: []string{rob, ben}, LookedUp: true, Proven: true}, r.Requester); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if claimed := launch(unidentified).IdentifyRequester(rob, []string{rob}, false); claimed.Requester.Proven {
		t.Error("a claimed requester is Proven")
	}
	if unknown := launch(unidentified).IdentifyRequester("", nil, true); unknown.Requester.Proven {
		t.Error("Proven without a Slack user")
	}
	if unknown := launch(unidentified).IdentifyRequester("", nil, false); !unknown.Requester.LookedUp || unknown.Requester.SlackID != "" {
		t.Errorf("unknown: got %+v, want LookedUp", unknown.Requester)
	}
}

func TestPostedAndAdoptedMessages(t *testing.T) {
	r := launch().RecordFailure(handle.Step{Kind: handle.StepPost}, handle.Failure{Reason: "no answer"}, at)
	if _, ok := r.Root(); ok || r.Asked() {
		t.Error("not posted, but has a root or was asked")
	}
	r = r.MarkPosted("C0APPROVALS", "1.000001", "pending", at)
	if len(r.Attempts) != 0 {
		t.Errorf("posted: got attempts %v, want none", r.Attempts)
	}
	r = r.AdoptMessage("C0APPROVALS", "1.000002").AdoptMessage("C0OTHER", "1.000001").AdoptMessage("", "1.000003").AdoptMessage("C0APPROVALS", "")
	want := []handle.Message{{Channel: "C0APPROVALS", TS: "1.000001", Shown: "pending"}, {Channel: "C0APPROVALS", TS: "1.000002"}, {Channel: "C0OTHER", TS: "1.000001"}}
	if diff := cmp.Diff(want, r.Messages); diff != "" {
		t.Fatalf("adopted (-want +got):\n%s", diff)
	}
	if root, ok := r.Root(); !ok || root != want[0] || !r.Asked() {
		t.Errorf("got root %+v, want the first", root)
	}
	r = r.RecordFailure(handle.Step{Kind: handle.StepRefresh, Message: want[1]}, handle.Failure{Reason: "no answer"}, at)
	r = r.MarkRefreshed(want[1], "pending 1")
	if r.Messages[1].Shown != "pending 1" || r.Messages[0].Shown != "pending" || len(r.Attempts) != 0 {
		t.Errorf("refreshed: got %+v, attempts %v, want only the second changed", r.Messages, r.Attempts)
	}
	if elsewhere := r.MarkRefreshed(want[2], "pending 1"); elsewhere.Messages[0].Shown != "pending" || elsewhere.Messages[2].Shown != "pending 1" {
		t.Errorf("refreshed a message in another channel: got %+v", elsewhere.Messages)
	}
	r = r.MarkPosted("C0APPROVALS", "1.000002", "pending 2", at) // the post whose answer came late
	if len(r.Messages) != 3 || r.Messages[1].Shown != "" {
		t.Errorf("posted after it was adopted and refreshed: got %+v, want an unknown state", r.Messages)
	}
	r = r.MarkRefreshed(r.Messages[1], "pending 2")
	if late := r.MarkRefreshed(want[1], "pending 1"); late.Messages[1].Shown != "" {
		t.Errorf("refreshed twice to different states: got %+v, want an unknown state", late.Messages)
	}
	if again := r.MarkRefreshed(want[1], "pending 2"); again.Messages[1].Shown != "pending 2" {
		t.Errorf("refreshed twice to the same state: got %+v", again.Messages)
	}
	r = r.MarkMessageGone(want[0], at)
	if root, _ := r.Root(); root.TS != "1.000002" || needs(r, "post") {
		t.Errorf("the root was deleted: got root %+v, outstanding %q, want the next message as root", root, keys(r.Outstanding()))
	}
	r = r.MarkMessageGone(want[1], at).MarkMessageGone(want[2], at)
	if _, ok := r.Root(); ok || !needs(r, "post") {
		t.Errorf("all were deleted: outstanding %q, want another post", keys(r.Outstanding()))
	}
}

var reminder = handle.Notification{Name: handle.NotifyReminder}

// A pending request whose message was deleted is posted again, and its new thread
// mentions the approvers, who may not have seen the first.
func TestDeletedQuestionIsAskedAgain(t *testing.T) {
	r := postAndNotify(launch())
	gone := r.MarkMessageGone(posted, at)
	if !needs(gone, "post") || needs(gone, "tell/asked") {
		t.Errorf("outstanding %q, want the post", keys(gone.Outstanding()))
	}
	again := gone.MarkPosted("C0APPROVALS", "1.000005", gone.ViewHash(), at)
	if root, _ := again.Root(); root.TS != "1.000005" || !needs(again, "tell/reasked-0") {
		t.Errorf("posted again: root %+v, outstanding %q, want the new root and a mention", root, keys(again.Outstanding()))
	}
	for _, before := range []handle.Request{launch().MarkPosted(posted.Channel, posted.TS, "pending", at), approved(t, r, at)} {
		if gone := before.MarkMessageGone(posted, at); len(gone.Reasked) > 0 {
			t.Errorf("%s: the approvers are mentioned again, without a mention before or a question", gone.State())
		}
	}
	if copied := r.AdoptMessage("C0APPROVALS", "1.000009").MarkMessageGone(handle.Message{Channel: "C0APPROVALS", TS: "1.000009"}, at); len(copied.Reasked) > 0 {
		t.Error("a copy was deleted, and the approvers are mentioned again in the same thread")
	}
}

// A reply whose parent was deleted lands in the channel. It becomes the message of the
// question; of a decided request it stays what it is.
func TestReplyAtRootBecomesTheQuestion(t *testing.T) {
	r := postAndNotify(launch()).RecordFailure(handle.Step{Kind: handle.StepNotify, Notification: handle.Notification{Name: "vote-0"}}, handle.Failure{Permanent: true}, at)
	moved := r.MoveRoot(posted, reminder, "C0APPROVALS", "1.000007", at)
	root, _ := moved.Root()
	if root.TS != "1.000007" || len(moved.Messages) != 1 || !needs(moved, "refresh/C0APPROVALS/1.000007") {
		t.Errorf("messages %+v, outstanding %q, want the reply as root, to be refreshed", moved.Messages, keys(moved.Outstanding()))
	}
	if needs(moved, "tell/reminder") || needs(moved, "tell/reasked-0") || len(moved.Attempts) > 0 {
		t.Errorf("the reply mentioned the approvers, and outstanding are %q, attempts %v", keys(moved.Outstanding()), moved.Attempts)
	}
	if vote := r.MoveRoot(posted, handle.Notification{Name: "vote-0"}, "C0APPROVALS", "1.000007", at); !needs(vote, "tell/reasked-0") {
		t.Errorf("the reply mentioned only the requester, and outstanding are %q", keys(vote.Outstanding()))
	}
	decided := approved(t, r, at)
	if kept := decided.MoveRoot(posted, handle.Notification{Name: handle.NotifyDecided}, "C0APPROVALS", "1.000007", at); len(kept.Messages) != 1 || kept.Messages[0].TS != posted.TS || kept.Delivered["reply/decided"].TS != "1.000007" {
		t.Errorf("decided: messages %+v, delivered %+v, want them as they were, and the reply as delivered", kept.Messages, kept.Delivered)
	}
}

// Something that deletes each message makes no flood of mentions.
func TestMentionsAfterDeletionsAreBounded(t *testing.T) {
	r := postAndNotify(launch())
	for range 20 {
		root, _ := r.Root()
		r = r.MarkMessageGone(root, at).MarkPosted("C0APPROVALS", root.TS+"1", "pending", at)
	}
	if len(r.Reasked) != 3 {
		t.Errorf("the approvers are mentioned %d more times, want 3", len(r.Reasked))
	}
}

func TestAdoptedMessagesAreBounded(t *testing.T) {
	r := postAndNotify(launch())
	for i := range 1000 {
		r = r.AdoptMessage("C0APPROVALS", strings.Repeat("1", 1+i))
	}
	if n := len(r.Messages); n != 20 {
		t.Errorf("got %d messages, want 20", n)
	}
}

func TestMarkDeliveredKeepsTheFirst(t *testing.T) {
	r := launch().MarkDelivered("reply/asked", "C0APPROVALS", "1.000001", at)
	wantSame(t, "delivered twice", r, r.MarkDelivered("reply/asked", "C0APPROVALS", "2.000002", at.Add(time.Hour)))
	if want := (handle.Delivery{At: at, Channel: "C0APPROVALS", TS: "1.000001"}); r.Delivered["reply/asked"] != want {
		t.Errorf("got %+v, want %+v", r.Delivered["reply/asked"], want)
	}
	if r.Asked() {
		t.Error("Asked after a reply in a thread")
	}
	if !r.MarkDelivered("mail/asked", "", "", at).Asked() {
		t.Error("not Asked after a mail")
	}
}

func TestDirectThreadIsTheFirstMessage(t *testing.T) {
	r := launch().MarkDelivered("reply/asked", "C0APPROVALS", "1.000001", at).MarkDelivered("mail/asked", "", "", at)
	if channel, ts, ok := r.DirectThread(); ok {
		t.Errorf("no direct message: got %s %s", channel, ts)
	}
	r = r.MarkDelivered("direct/ended", "D0ROB", "3.000001", at).MarkDelivered("direct/decided", "D0ROB", "2.000001", at).MarkDelivered("direct/bypass", "D0ROB", "2.500001", at)
	for range 20 { // maps have no order
		if channel, ts, ok := r.DirectThread(); channel != "D0ROB" || ts != "2.000001" || !ok {
			t.Fatalf("got %s %s %t, want the first", channel, ts, ok)
		}
	}
}

func TestObserveStatus(t *testing.T) {
	r := launch().ObserveStatus("ROLLBACK_COMPLETE", strings.Repeat("é", 1000), at)
	if r.Stack.Status != "ROLLBACK_COMPLETE" || len(r.Stack.Reason) > 500 || !r.Stack.StatusAt.Equal(at) {
		t.Errorf("got %+v", r.Stack)
	}
	wantSame(t, "observed again", r, r.ObserveStatus("ROLLBACK_COMPLETE", "another reason", at.Add(time.Hour)))
	if next := r.ObserveStatus("DELETE_COMPLETE", "", at.Add(time.Hour)); next.Stack.Status != "DELETE_COMPLETE" || next.Stack.Reason != "" {
		t.Errorf("another status: got %+v", next.Stack)
	}
	ended := r.RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at})
	wantSame(t, "observed after the end", ended, ended.ObserveStatus("DELETE_COMPLETE", "", at.Add(time.Hour)))
}

func TestRecordEnd(t *testing.T) {
	for _, tt := range []struct {
		name   string
		r      handle.Request
		status string
		want   handle.State
		bypass string
	}{
		{"pending, rolled back", launch(), "ROLLBACK_COMPLETE", handle.Withdrawn, ""},
		{"pending, deleted", launch(), "DELETE_COMPLETE", handle.Withdrawn, ""},
		{"pending, gone", launch(), "", handle.Withdrawn, ""},
		{"pending, created", launch(), "CREATE_COMPLETE", handle.Withdrawn, "the stack reached CREATE_COMPLETE while the request was pending"},
		{"pending, updated", launch(), "UPDATE_COMPLETE", handle.Withdrawn, "the stack reached UPDATE_COMPLETE while the request was pending"},
		{"approved, created", approved(t, launch(), at), "CREATE_COMPLETE", handle.Approved, ""},
		{"approved, rolled back", approved(t, launch(), at), "ROLLBACK_COMPLETE", handle.Approved, ""},
		{"rejected, created", rejected(t, launch(), at), "CREATE_COMPLETE", handle.Rejected, "the stack reached CREATE_COMPLETE while the request was rejected"},
		{"rejected, rolled back", rejected(t, launch(), at), "UPDATE_ROLLBACK_COMPLETE", handle.Rejected, ""},
		{"bypassed before", launch().RecordBypass("first", at), "CREATE_COMPLETE", handle.Withdrawn, "first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.r.StillInProgress(at).RecordEnd(handle.Ended{Status: tt.status, At: at.Add(time.Hour)})
			if r.State() != tt.want {
				t.Errorf("got %s, want %s", r.State(), tt.want)
			}
			got := ""
			if r.Bypass != nil {
				got = r.Bypass.How
			}
			if got != tt.bypass {
				t.Errorf("bypass: got %q, want %q", got, tt.bypass)
			}
			if r.Ended.Status != tt.status || !r.Ended.At.Equal(at.Add(time.Hour)) || len(r.Attempts) != 0 {
				t.Errorf("got %+v, attempts %v", r.Ended, r.Attempts)
			}
			wantSame(t, "ended again", r, r.RecordEnd(handle.Ended{Status: "DELETE_COMPLETE", At: at.Add(2 * time.Hour)}))
		})
	}
}

func TestRecordEndBoundsText(t *testing.T) {
	var outputs []handle.Field
	for range 200 {
		outputs = append(outputs, handle.Field{Name: strings.Repeat("n\n", 500), Value: strings.Repeat("😀", 500)})
	}
	r := launch().RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", Reason: strings.Repeat("x", 5000), Outputs: outputs, At: at})
	if len(r.Ended.Outputs) != 20 || len(r.Ended.Reason) > 500 {
		t.Fatalf("got %d outputs and %d bytes of reason, want 20 and at most 500", len(r.Ended.Outputs), len(r.Ended.Reason))
	}
	for _, f := range r.Ended.Outputs {
		if len(f.Name) > 100 || len(f.Value) > 300 || strings.Contains(f.Name, "\n") {
			t.Errorf("got an output of %d and %d bytes: %.30q", len(f.Name), len(f.Value), f.Name)
		}
	}
	if outputs[0].Name != strings.Repeat("n\n", 500) {
		t.Error("RecordEnd changed its caller's outputs")
	}
}

func TestFinalStatus(t *testing.T) {
	for status, want := range map[string]bool{
		"CREATE_COMPLETE": true, "CREATE_FAILED": true, "ROLLBACK_COMPLETE": true, "ROLLBACK_FAILED": true,
		"UPDATE_COMPLETE": true, "UPDATE_FAILED": true, "UPDATE_ROLLBACK_COMPLETE": true, "UPDATE_ROLLBACK_FAILED": true,
		"DELETE_COMPLETE": true, "DELETE_FAILED": true,
		"CREATE_IN_PROGRESS": false, "ROLLBACK_IN_PROGRESS": false, "UPDATE_IN_PROGRESS": false, "DELETE_IN_PROGRESS": false,
		"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": false, "UPDATE_ROLLBACK_IN_PROGRESS": false,
		"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": false, "REVIEW_IN_PROGRESS": false, "": false, "create_complete": false,
	} {
		if got := handle.FinalStatus(status); got != want {
			t.Errorf("%q: got %t, want %t", status, got, want)
		}
		succeeded := status == "CREATE_COMPLETE" || status == "UPDATE_COMPLETE"
		if got := (handle.Ended{Status: status}).Succeeded(); got != succeeded {
			t.Errorf("%q succeeded: got %t, want %t", status, got, succeeded)
		}
	}
}
