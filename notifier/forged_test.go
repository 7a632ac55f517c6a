package notifier_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// Attacks by someone who may invoke the notifier or publish to its topic.

// refuseResponses makes the bucket refuse custom resource responses, as S3 does if
// CloudFormation did not sign the URL.
func (w *testWorld) refuseResponses() {
	w.bucket.override = func(r *http.Request) int {
		if strings.Contains(r.URL.Path, "|") {
			return http.StatusForbidden
		}
		return 0
	}
}

func TestCreateContradictedByCloudFormationFails(t *testing.T) {
	inProgress := reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "CREATE_IN_PROGRESS", Handle: reconcile.HandleMatches}
	for name, forge := range map[string]func(*stacks){
		"another wait URL": func(s *stacks) { s.gate = inProgress; s.gate.Handle = reconcile.HandleDiffers },
		"another type":     func(s *stacks) { s.gate = inProgress; s.gate.Type = "Custom::Other" },
		"an old resource":  func(s *stacks) { s.gate = inProgress; s.gate.Status = "CREATE_FAILED" },
		"a finished stack": func(s *stacks) { s.description.Status = "CREATE_COMPLETE" },
		"no such stack":    func(s *stacks) { s.err = reconcile.ErrNoStack },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			forge(w.stacks)
			got, err := w.handle(w.event(nil, nil))
			if err != nil || got.Status != "FAILED" || got.Reason == "" {
				t.Errorf("answered %+v, error %v; want FAILED", got, err)
			}
			if requests, _ := w.store.OfStack(t.Context(), stackID); len(requests) != 0 || len(w.slack.Messages(channel)) != 0 || len(w.mail.sent) != 0 {
				t.Errorf("%d requests, %d messages, %d mails; want none", len(requests), len(w.slack.Messages(channel)), len(w.mail.sent))
			}
		})
	}
}

// Where the stack cannot be read, an event that claims a bypass raises no alarm.
func TestForgedStackEventRecordsNoBypass(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.decide(r.ID, handle.Reject, "no")
	w.stacks.err = reconcile.ErrDenied
	_ = w.ended("CREATE_COMPLETE")
	w.sweep(30 * time.Minute)
	if got := w.load(r.ID); got.Bypass != nil || got.Ended != nil {
		t.Errorf("bypass %+v, ended %+v", got.Bypass, got.Ended)
	}
}

// A stack in another account cannot be read. Its event is genuine only if
// CloudFormation's bucket accepts the response.
func TestUnreadableCreateIsProcessedAfterItsResponseIsAccepted(t *testing.T) {
	for _, genuine := range []bool{false, true} {
		w := newWorld(t)
		w.notifier.Account = "999999999999"
		w.stacks.err = errors.New("read a stack in another account")
		if !genuine {
			w.refuseResponses()
		}
		_, err := w.handle(w.event(nil, nil))
		requests, _ := w.store.OfStack(t.Context(), stackID)
		if asked := len(w.slack.Messages(channel)) == 1 && len(requests) == 1; asked != genuine || (err == nil) != genuine {
			t.Errorf("genuine %t: %d messages, %d requests, error %v", genuine, len(w.slack.Messages(channel)), len(requests), err)
		}
		if genuine && (requests[0].Stack.Unverified || requests[0].Requester.Principal != "") {
			t.Errorf("want a verified stack and no principal: %+v, %+v", requests[0].Stack, requests[0].Requester)
		}
	}
}

func TestForgedDeleteWithdrawsNothing(t *testing.T) {
	deletion := func(w *testWorld, id string) []byte {
		return w.event(nil, map[string]any{"RequestType": "Delete", "PhysicalResourceId": id, "RequestId": "d"})
	}
	for name, forge := range map[string]func(*testWorld){
		"the bucket refuses the answer": func(w *testWorld) {
			w.stacks.description.Status = "ROLLBACK_IN_PROGRESS"
			w.refuseResponses()
		},
		"the stack is still in progress": func(*testWorld) {},
		"the stack cannot be read now":   func(w *testWorld) { w.stacks.err = errors.New("throttled") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			forge(w)
			_, _ = w.handle(deletion(w, r.ID))
			if got := w.load(r.ID); got.State() != handle.Pending || len(w.bucket.signals) != 0 {
				t.Errorf("the request is %s, %d signals", got.State(), len(w.bucket.signals))
			}
		})
	}
}

func TestForgedVerdictRecordsNoBypass(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.refuseResponses()
	_, _ = w.handle(w.event(map[string]any{"WaitUrl": nil, "RequestId": r.ID}, map[string]any{"LogicalResourceId": "ApprovalVerdict", "RequestId": "v"}))
	if got := w.load(r.ID); got.Bypass != nil || strings.Contains(w.log.String(), `"alarm":"bypass"`) {
		t.Errorf("bypass %+v", got.Bypass)
	}
}

func TestForgedStackEventDecidesNothing(t *testing.T) {
	for _, status := range []string{"DELETE_COMPLETE", "CREATE_COMPLETE", "ROLLBACK_COMPLETE"} {
		w := newWorld(t)
		r := w.launch()
		w.stacks.err = reconcile.ErrDenied
		_ = w.ended(status)
		w.sweep(30 * time.Minute)
		if got := w.load(r.ID); got.State() != handle.Pending || got.Bypass != nil || got.Ended != nil {
			t.Errorf("%s: the request is %s, bypass %+v, ended %+v", status, got.State(), got.Bypass, got.Ended)
		}
	}
}

func TestResponseURLMustBeThisRequests(t *testing.T) {
	key := func(stack, resource, request string) string {
		return "/" + url.PathEscape(stack+"|"+resource+"|"+request)
	}
	for name, path := range map[string]string{
		"another stack":    key(stackID+"x", "ApprovalRequest", "11111111-2222-3333-4444-555566667777"),
		"another resource": key(stackID, "Other", "11111111-2222-3333-4444-555566667777"),
		"another request":  key(stackID, "ApprovalRequest", "1"),
	} {
		w := newWorld(t)
		err := w.notifier.Handle(t.Context(), w.event(nil, map[string]any{"ResponseURL": w.bucket.origin + path}))
		if !errors.Is(err, notifier.ErrEvent) || len(w.bucket.answers()) != 0 {
			t.Errorf("%s: error %v, %d answers", name, err, len(w.bucket.answers()))
		}
	}
}

func TestTopicAcceptsOnlyOtherAccountsRequests(t *testing.T) {
	published := func(message string) []byte {
		b, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{"Message": message}}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	w := newWorld(t)
	w.notifier.Account = account
	for name, message := range map[string]string{
		"a schedule":                            `{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`,
		"a stack event":                         `{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change","detail":{"stack-id":"` + stackID + `","status-details":{"status":"DELETE_COMPLETE"}}}`,
		"records within a record":               string(published(string(w.event(nil, nil)))),
		"a stack in the notifier's own account": string(w.event(nil, nil)),
		"plain text":                            "hello",
	} {
		if err := w.notifier.Handle(t.Context(), published(message)); !errors.Is(err, notifier.ErrEvent) {
			t.Errorf("%s: error %v, want ErrEvent", name, err)
		}
	}
	if n := len(w.bucket.answers()); n != 0 || len(w.slack.Messages(channel)) != 0 {
		t.Errorf("%d answers, %d messages", n, len(w.slack.Messages(channel)))
	}

	w.notifier.Account = "999999999999"
	other := func(account, request string) []byte {
		stack := strings.Replace(stackID, "111122223333", account, 1)
		wait := w.bucket.origin + "/" + url.PathEscape(stack) + "/ApprovalHandle?X-Amz-Signature=" + request
		return published(string(w.event(map[string]any{"WaitUrl": wait}, map[string]any{"StackId": stack, "RequestId": request})))
	}
	failed := 0
	for range 40 { // all at the same time
		if got, err := w.handle(other("444455556666", "same")); err != nil {
			t.Fatal(err)
		} else if got.Status == "FAILED" {
			failed++
		}
	}
	if failed != 10 {
		t.Errorf("%d of 40 simultaneous requests from one account were refused, want 10", failed)
	}
	if got, err := w.handle(other("777788889999", "first")); err != nil || got.Status != "SUCCESS" {
		t.Errorf("another account at the same time: answered %+v, error %v", got, err)
	}
}

func TestSecondRequestForSameHandleFails(t *testing.T) {
	w := newWorld(t)
	w.launch()
	got, err := w.handle(w.event(nil, map[string]any{"LogicalResourceId": "SecondRequest", "RequestId": "second"}))
	if err != nil || got.Status != "FAILED" || !strings.Contains(got.Reason, "its own wait handle") || len(w.slack.Messages(channel)) != 1 {
		t.Errorf("answered %+v, error %v, %d messages", got, err, len(w.slack.Messages(channel)))
	}
}

// CloudFormation throttles the reads while the launch is recorded. The check stays
// pending, and no vote counts until it is done.
func TestThrottledLaunchStaysUnverified(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/ann@example.com")
	w.stacks.err = errors.New("Throttling: Rate exceeded")
	got, err := w.handle(w.event(map[string]any{"EmailID": "rita@example.com"}, nil))
	if err != nil || got.Status != "SUCCESS" {
		t.Fatalf("answered %+v, error %v", got, err)
	}
	r := w.load(got.PhysicalResourceId)
	root, posted := r.Root()
	if !posted || !r.Stack.Unverified || !strings.Contains(string(w.message(root).Blocks), "has not been verified with CloudFormation yet") {
		t.Fatalf("posted %t, unverified %t: %s", posted, r.Stack.Unverified, w.message(root).Blocks)
	}
	if _, err := r.VoteBySlack(handle.Voter{Person: handle.Person{ID: ann}, Home: true, Groups: []string{group}}, handle.Approve, "", w.Now()); err == nil {
		t.Error("a vote counted before the check was done")
	}
	w.stacks.err, w.stacks.gate = nil, reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "CREATE_COMPLETE", Handle: reconcile.HandleMatches}
	w.sweep(15 * time.Minute)
	r = w.load(r.ID)
	if r.Stack.Unverified || !r.Requester.Proven || !r.Requester.LookedUp || r.Requester.SlackID != ann {
		t.Errorf("after the sweep: unverified %t, %+v", r.Stack.Unverified, r.Requester)
	}
	var refusal *handle.Refusal
	if _, err := r.VoteBySlack(handle.Voter{Person: handle.Person{ID: ann}, Home: true, Groups: []string{group}}, handle.Approve, "", w.Now()); !errors.As(err, &refusal) || refusal.Reason != handle.RefusedOwnRequest {
		t.Errorf("the requester's own vote: %v", err)
	}
}

// A forged launch that could not be checked at first is withdrawn by a later check.
func TestThrottledForgeryIsWithdrawnLater(t *testing.T) {
	w := newWorld(t)
	w.stacks.err = errors.New("Throttling: Rate exceeded")
	got, err := w.handle(w.event(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	w.stacks.err, w.stacks.gate = nil, reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "CREATE_COMPLETE", Handle: reconcile.HandleDiffers}
	w.sweep(15 * time.Minute)
	if r := w.load(got.PhysicalResourceId); r.State() != handle.Withdrawn {
		t.Errorf("the request is %s", r.State())
	}
}

// A launch that could not be verified is answered first. If the function dies
// before it is recorded, the event comes again when the resource is complete.
func TestAnsweredLaunchIsRecordedOnRedelivery(t *testing.T) {
	for _, genuine := range []bool{true, false} {
		w := newWorld(t)
		w.stacks.gate = reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "CREATE_COMPLETE", Handle: reconcile.HandleMatches}
		if !genuine {
			w.refuseResponses()
		}
		_, _ = w.handle(w.event(nil, nil))
		requests, _ := w.store.OfStack(t.Context(), stackID)
		if recorded := len(requests) == 1 && len(w.slack.Messages(channel)) == 1; recorded != genuine {
			t.Errorf("genuine %t: %d requests, %d messages", genuine, len(requests), len(w.slack.Messages(channel)))
		}
	}
}

// The stack went past its gate before the request could be recorded, so only an
// alarm can say so. A forged event raises none.
func TestLaunchThatEndedUnrecordedRaisesAlarm(t *testing.T) {
	for _, genuine := range []bool{true, false} {
		w := newWorld(t)
		w.stacks.description.Status = "CREATE_COMPLETE"
		if !genuine {
			w.refuseResponses()
		}
		_, _ = w.handle(w.event(nil, nil))
		if alarm := strings.Contains(w.log.String(), `"alarm":"bypass"`); alarm != genuine {
			t.Errorf("genuine %t: alarm %t", genuine, alarm)
		}
	}
}

func TestRollbackOfAnUpdateSucceeds(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.decide(r.ID, handle.Approve, "")
	w.stacks.description.Status = "UPDATE_ROLLBACK_IN_PROGRESS"
	got, err := w.handle(w.event(nil, map[string]any{"RequestType": "Update", "PhysicalResourceId": "new", "RequestId": "back",
		"OldResourceProperties": map[string]any{"WaitUrl": w.waitURL() + "&new"}}))
	if err != nil || got.Status != "SUCCESS" || got.PhysicalResourceId != r.ID || len(w.slack.Messages(channel)) != 1 {
		t.Errorf("answered %+v, error %v, %d messages", got, err, len(w.slack.Messages(channel)))
	}

	// The verdict of a rejected request: only a rollback gets past it.
	w = newWorld(t)
	rejected := w.launch()
	w.decide(rejected.ID, handle.Reject, "no")
	for status, want := range map[string]string{"UPDATE_ROLLBACK_IN_PROGRESS": "SUCCESS", "UPDATE_IN_PROGRESS": "FAILED"} {
		w.stacks.description.Status = status
		got, err = w.handle(w.event(map[string]any{"WaitUrl": nil, "RequestId": rejected.ID}, map[string]any{"RequestType": "Update",
			"PhysicalResourceId": "verdict", "LogicalResourceId": "ApprovalVerdict", "RequestId": "v" + status}))
		if err != nil || got.Status != want {
			t.Errorf("%s: the verdict was answered %+v, error %v; want %s", status, got, err, want)
		}
	}
}
