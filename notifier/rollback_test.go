package notifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// oldHandle is the URL of a wait handle that a stack had months ago. Its signature
// has expired.
func (w *testWorld) oldHandle() string {
	return strings.NewReplacer("ApprovalHandle", "OldHandle", "X-Amz-Date="+start.Format("20060102T150405Z"), "X-Amz-Date=20250302T090000Z").Replace(w.waitURL())
}

// updateEvent is an Update of a resource from old properties to new ones.
func (w *testWorld) updateEvent(physicalID, logicalID, requestID string, old, properties map[string]any) []byte {
	return w.event(nil, map[string]any{"RequestType": "Update", "PhysicalResourceId": physicalID, "LogicalResourceId": logicalID, "RequestId": requestID,
		"OldResourceProperties": old, "ResourceProperties": properties})
}

// gate is a request resource's properties.
func (w *testWorld) gate(waitURL, environment string) map[string]any {
	return mergeProperties(gateOf(environment, "1"), map[string]any{"WaitUrl": waitURL, "EmailID": "rita@example.com"})
}

// Whatever is wrong with Countersign, a stack that is rolling back can return to what
// it was.
func TestUpdateThatRollsBackSucceeds(t *testing.T) {
	request := func(w *testWorld, r handle.Request) []byte {
		return w.updateEvent(r.ID, "ApprovalRequest", "back", w.gate(w.waitURL(), "production"), w.gate(w.waitURL(), "test-of-old"))
	}
	verdict := func(w *testWorld, r handle.Request) []byte {
		return w.updateEvent(r.ID+"-verdict", "ApprovalVerdict", "back", map[string]any{"RequestId": r.ID}, map[string]any{"RequestId": "an-older-one"})
	}
	stores := map[string]func(context.Context) error{
		"fails":                func(context.Context) error { return errors.New("down") },
		"panics":               func(context.Context) error { panic("down") },
		"hangs":                func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"ignores its deadline": func(context.Context) error { select {} },
	}
	cases := map[string]func(w *testWorld, r handle.Request) []byte{
		"back to an expired handle": func(w *testWorld, r handle.Request) []byte {
			return w.updateEvent(r.ID, "ApprovalRequest", "back", w.gate(w.waitURL(), "test"), w.gate(w.oldHandle(), "test"))
		},
		"back to properties that are no longer valid": func(w *testWorld, r handle.Request) []byte {
			return w.updateEvent(r.ID, "ApprovalRequest", "back", w.gate(w.waitURL(), "production"), mergeProperties(w.gate(w.waitURL(), "test-of-old"), map[string]any{"Approvals": "0", "Approvers": "ann"}))
		},
		"back to a gate without properties": func(w *testWorld, r handle.Request) []byte {
			return w.updateEvent(r.ID, "ApprovalRequest", "back", w.gate(w.waitURL(), "production"), map[string]any{})
		},
		"the verdict of an unknown request": verdict,
		"the verdict of a different stack's request": func(w *testWorld, r handle.Request) []byte {
			other := r
			other.ID, other.Stack.ID = handle.NewID("another", "stack", "x"), "arn:aws:cloudformation:us-east-1:111122223333:stack/x/y"
			if _, err := w.store.Create(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			return w.updateEvent(r.ID+"-verdict", "ApprovalVerdict", "back", map[string]any{"RequestId": r.ID}, map[string]any{"RequestId": other.ID})
		},
		"an unreadable event": func(w *testWorld, r handle.Request) []byte {
			b := request(w, r)
			return b[:len(b)-1]
		},
		"an event with a wrong type": func(w *testWorld, r handle.Request) []byte {
			return []byte(strings.Replace(string(request(w, r)), `"ResourceType":"Custom::ApprovalRequest"`, `"ResourceType":[]`, 1))
		},
		"invalid configuration": func(w *testWorld, r handle.Request) []byte {
			w.notifier.ConfigErr, w.notifier.Store, w.notifier.Slack = errors.New("invalid configuration"), nil, nil
			return request(w, r)
		},
		"invalid configuration, verdict": func(w *testWorld, r handle.Request) []byte {
			w.notifier.ConfigErr, w.notifier.Store, w.notifier.Slack = errors.New("invalid configuration"), nil, nil
			return verdict(w, r)
		},
		"CloudFormation is throttled at first": func(w *testWorld, r handle.Request) []byte {
			w.stacks.fail = 3
			return w.updateEvent(r.ID, "ApprovalRequest", "back", w.gate(w.waitURL(), "test"), w.gate(w.oldHandle(), "test"))
		},
	}
	for name, load := range stores {
		cases["request, and the store "+name] = func(w *testWorld, r handle.Request) []byte {
			w.notifier.Store = hookStore{load: load}
			return request(w, r)
		}
		cases["verdict, and the store "+name] = func(w *testWorld, r handle.Request) []byte {
			w.notifier.Store = hookStore{load: load}
			return verdict(w, r)
		}
	}
	for name, event := range cases {
		for status, rollingBack := range map[string]bool{
			"UPDATE_ROLLBACK_IN_PROGRESS": true, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": true, "UPDATE_ROLLBACK_FAILED": true,
			"UPDATE_IN_PROGRESS":       false,
			"UPDATE_ROLLBACK_COMPLETE": false, // of the update before, as a read that lags shows it
		} {
			t.Run(name+"/"+status, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				launched := w.launchApproved()
				w.stacks.description.Status = status
				w.stacks.gate = reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "UPDATE_IN_PROGRESS", Handle: reconcile.HandleMatches}
				ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
				defer cancel()
				_ = w.notifier.Handle(ctx, event(w, launched))
				got := w.bucket.last(t)
				if want := map[bool]string{true: "SUCCESS", false: "FAILED"}[rollingBack]; got.Status != want || got.RequestId != "back" {
					t.Fatalf("answered %+v, want %s", got, want)
				}
				if rollingBack && strings.HasSuffix(got.LogicalResourceId, "Verdict") && (got.Data["ApprovedBy"] == "" || got.Data["ApprovedAt"] == "" || got.Data["RequestId"] == "") {
					t.Errorf("Fn::GetAtt would fail: %v", got.Data)
				}
				if alarm := strings.Contains(w.log.String(), `"alarm":"bypass"`); rollingBack && alarm {
					t.Error("a rollback raised the alarm of a bypass")
				}
			})
		}
	}
}

// A broken configuration must not keep products from being changed, as long as what
// was approved stays, or from being deleted.
func TestBrokenConfigurationFailsOnlyWhatMustBeApproved(t *testing.T) {
	retitled := func(p map[string]any) map[string]any {
		return mergeProperties(p, map[string]any{"Title": "Another", "ServiceTimeout": "600"})
	}
	for _, tt := range []struct {
		name, want string
		event      func(w *testWorld) []byte
	}{
		{"Create", "FAILED", func(w *testWorld) []byte { return w.event(nil, nil) }},
		{"Delete", "SUCCESS", func(w *testWorld) []byte {
			return w.event(nil, map[string]any{"RequestType": "Delete", "PhysicalResourceId": "x"})
		}},
		{"Delete that is cut off", "SUCCESS", func(w *testWorld) []byte {
			b := w.event(nil, map[string]any{"RequestType": "Delete", "PhysicalResourceId": "x"})
			return b[:len(b)-1]
		}},
		{"Update of the title", "SUCCESS", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalRequest", "u", w.gate(w.waitURL(), "test"), retitled(w.gate(w.waitURL(), "test")))
		}},
		{"Update of a gate of an earlier release", "SUCCESS", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalRequest", "u", map[string]any{"WaitUrl": w.waitURL(), "EmailID": "a@example.com"}, map[string]any{"WaitUrl": w.waitURL(), "EmailID": "b@example.com"})
		}},
		{"Update of a parameter", "FAILED", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalRequest", "u", w.gate(w.waitURL(), "test"), w.gate(w.waitURL(), "production"))
		}},
		{"Update of the template", "FAILED", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalRequest", "u", w.gate(w.waitURL(), "test"), mergeProperties(w.gate(w.waitURL(), "test"), map[string]any{"Template": "2"}))
		}},
		{"Update of the handle", "FAILED", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalRequest", "u", w.gate(w.oldHandle(), "test"), w.gate(w.waitURL(), "test"))
		}},
		{"Update that adds the parameters", "FAILED", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalRequest", "u", map[string]any{"WaitUrl": w.waitURL()}, w.gate(w.waitURL(), "test"))
		}},
		{"Update without old properties", "FAILED", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalRequest", "u", nil, w.gate(w.waitURL(), "test"))
		}},
		{"Update of the verdict's timeout", "SUCCESS", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalVerdict", "u", map[string]any{"RequestId": "r"}, map[string]any{"RequestId": "r", "ServiceTimeout": "600"})
		}},
		{"Update of the verdict's request", "FAILED", func(w *testWorld) []byte {
			return w.updateEvent("x", "ApprovalVerdict", "u", map[string]any{"RequestId": "r"}, map[string]any{"RequestId": "s"})
		}},
	} {
		for _, stacks := range []bool{true, false} {
			w := newWorld(t)
			w.stacks.description.Status = "UPDATE_IN_PROGRESS"
			event := tt.event(w)
			w.notifier.ConfigErr, w.notifier.Store, w.notifier.Slack = errors.New("invalid configuration"), nil, nil
			if !stacks {
				w.notifier.Stacks = nil
			}
			if got, err := w.handle(event); err != nil || got.Status != tt.want {
				t.Errorf("%s: answered %+v, error %v; want %s", tt.name, got, err, tt.want)
			}
		}
		w := newWorld(t)
		w.stacks.description.Status = "UPDATE_IN_PROGRESS"
		w.notifier.Store = hookStore{load: func(context.Context) error { return errors.New("down") }}
		if got, _ := w.handle(tt.event(w)); got.Status != tt.want {
			t.Errorf("%s, with the store down: answered %+v, want %s", tt.name, got, tt.want)
		}
	}
}

// A verdict that the record refuses stays refused, also if its resource keeps its
// request.
func TestUpdateOfARefusedVerdictFails(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.stacks.description.Status = "UPDATE_IN_PROGRESS"
	got, err := w.handle(w.updateEvent("v", "ApprovalVerdict", "u", map[string]any{"RequestId": r.ID}, map[string]any{"RequestId": r.ID, "ServiceTimeout": "60"}))
	if err != nil || got.Status != "FAILED" || w.load(r.ID).Bypass == nil {
		t.Errorf("answered %+v, error %v, bypass %+v", got, err, w.load(r.ID).Bypass)
	}
}

// If the digest key can't be read, the event itself shows that nothing changes.
func TestUpdateThatKeepsItsContentNeedsNoDigestKey(t *testing.T) {
	for _, when := range []string{"at launch", "at the update"} {
		w := newWorld(t)
		if when == "at launch" {
			w.keyErr = errors.New("throttled")
		}
		launched := w.launchApproved()
		w.keyErr = nil
		if when == "at the update" {
			w.keyErr = errors.New("throttled")
		}
		w.stacks.gate = reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "UPDATE_IN_PROGRESS"}
		got, err := w.handle(w.updateEvent(launched.ID, "ApprovalRequest", "u", w.gate(w.waitURL(), "test"), mergeProperties(w.gate(w.waitURL(), "test"), map[string]any{"Title": "Another"})))
		if err != nil || got.Status != "SUCCESS" || got.RequestId != "u" {
			t.Errorf("%s: answered %+v, error %v", when, got, err)
		}
	}
}

// Stacks of other accounts can't be read. An Update that returns to what was approved
// before is taken for a rollback there, also if their account has sent too much.
func TestRollbackInAnotherAccountSucceeds(t *testing.T) {
	topic := func(event []byte) []byte {
		b, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{"Message": string(event)}}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, flood := range []bool{false, true} {
		w := newWorld(t)
		w.notifier.Account = "999900001111"
		w.notifier.Defaults.UnprovenRequester = handle.UnprovenWarn
		got, err := w.handle(topic(w.event(w.gate(w.waitURL(), "test"), nil)))
		if err != nil || got.Status != "SUCCESS" {
			t.Fatalf("launch: answered %+v, error %v", got, err)
		}
		w.vote(got.PhysicalResourceId, handle.Approve, ann)
		launched := got.PhysicalResourceId
		if r := w.load(launched); r.State() != handle.Approved {
			t.Fatalf("the launch is %s", r.State())
		}
		if flood {
			for range 40 {
				_, _ = w.handle(topic(w.event(nil, map[string]any{"LogicalResourceId": "Spam"})))
			}
		}
		newHandle := strings.Replace(w.waitURL(), "ApprovalHandle", "NewHandle", 1)
		for name, tt := range map[string]struct {
			old, new map[string]any
			back     bool
		}{
			"to the handle that was approved":                     {w.gate(newHandle, "production"), w.gate(w.waitURL(), "test"), true},
			"to the handle that was approved, with other content": {w.gate(newHandle, "test"), w.gate(w.waitURL(), "production"), false},
			"to a new handle, with the content that was approved": {w.gate(w.waitURL(), "production"), w.gate(newHandle, "test"), false},
			"the same content": {w.gate(w.waitURL(), "test"), mergeProperties(w.gate(w.waitURL(), "test"), map[string]any{"Title": "x"}), true},
		} {
			got, err := w.handle(topic(w.updateEvent("p", "ApprovalRequest", "u", tt.old, tt.new)))
			if err != nil || got.RequestId != "u" || tt.back && got.Status != "SUCCESS" || flood && !tt.back && got.Status != "FAILED" {
				t.Errorf("%s, flood %t: answered %+v, error %v", name, flood, got, err)
			}
			if approved := got.PhysicalResourceId == launched; approved != (tt.back && strings.HasPrefix(name, "to ")) && name != "the same content" {
				t.Errorf("%s, flood %t: the physical ID is the approved request's: %t", name, flood, approved)
			}
		}
		if w.stacks.reads != 0 {
			t.Errorf("%d reads of another account's stack", w.stacks.reads)
		}
	}
}
