package notifier_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

// stackEvent delivers a stack status change from EventBridge.
func (w *testWorld) stackEvent(status string) {
	w.Helper()
	event := fmt.Sprintf(`{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change","detail":{"stack-id":%q,"status-details":{"status":%q}}}`, stackID, status)
	if err := w.notifier.Handle(w.Context(), json.RawMessage(event)); err != nil {
		w.Fatal(err)
	}
}

// running is an approved launch whose stack is up.
func (w *testWorld) running() handle.Request {
	w.Helper()
	w.stacks.template = "the template"
	r := w.launchApproved()
	w.stacks.description.Status = "CREATE_COMPLETE"
	w.stackEvent("CREATE_COMPLETE")
	w.advance(time.Hour)
	w.stacks.description.Updated = w.Now()
	return w.load(r.ID)
}

func TestUpdateThatBypassesTheGateIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*stacks)
		bypass string
	}{
		"nothing changed":        {func(*stacks) {}, ""},
		"another template":       {func(s *stacks) { s.template = "another" }, "its template"},
		"another parameter":      {func(s *stacks) { s.description.Parameters[0].Value = "production" }, "its parameters"},
		"rolled back":            {func(s *stacks) { s.template, s.description.Status = "another", "UPDATE_ROLLBACK_COMPLETE" }, ""},
		"parameters reordered":   {func(s *stacks) { p := s.description.Parameters; p[0], p[1] = p[1], p[0] }, ""},
		"the template is denied": {func(s *stacks) { s.template = "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.running()
			w.stacks.description.Status = "UPDATE_COMPLETE"
			tt.change(w.stacks)
			w.stackEvent("UPDATE_COMPLETE")
			r = w.load(r.ID)
			if (r.Bypass != nil) != (tt.bypass != "") || r.Bypass != nil && !strings.Contains(r.Bypass.How, tt.bypass) || !r.Stack.UpdateAt.IsZero() {
				t.Errorf("bypass %+v, update at %s; want %q", r.Bypass, r.Stack.UpdateAt, tt.bypass)
			}
			if r.Bypass != nil {
				root, _ := r.Root()
				if shown := w.message(root).Text; !strings.Contains(shown, "Bypassed approval") {
					t.Errorf("the message says %q", shown)
				}
			}
		})
	}
}

// The end of a launch is first seen after an update of its stack has ended.
func TestBypassBeforeTheEndWasSeenIsFound(t *testing.T) {
	w := newWorld(t)
	w.stacks.template = "the template"
	launched := w.launchApproved()
	w.advance(time.Minute)
	w.stacks.description.Status, w.stacks.description.Updated = "UPDATE_COMPLETE", w.Now()
	w.stacks.template = "another"
	w.stackEvent("UPDATE_COMPLETE")
	if r := w.load(launched.ID); r.Ended == nil || r.Bypass == nil {
		t.Errorf("the launch: ended %+v, bypass %+v", r.Ended, r.Bypass)
	}
}

// The end of an approved update is first seen after a later update, which bypassed
// the gate: what runs by then is not what was approved.
func TestLaterUpdateIsNotTakenForTheApprovedOne(t *testing.T) {
	w := newWorld(t)
	launched := w.running()
	w.stacks.description.Status = "UPDATE_IN_PROGRESS"
	if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", gateOf("production", "1"))); err != nil {
		t.Fatal(err)
	}
	r := w.held()
	w.vote(r.ID, handle.Approve, ann, "U0BEN")
	w.advance(time.Second)
	w.stacks.description.Status, w.stacks.description.Updated = "UPDATE_COMPLETE", w.Now()
	w.stacks.template = "unapproved"
	w.stackEvent("UPDATE_COMPLETE")
	if r = w.load(r.ID); r.Ended == nil || r.Bypass == nil {
		t.Errorf("the update: ended %+v, bypass %+v", r.Ended, r.Bypass)
	}
}

// A stack is updated only once its creation has succeeded, even if the update fails.
func TestLaunchThatWasUpdatedWithoutApprovalIsABypass(t *testing.T) {
	for _, status := range []string{"UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"} {
		w := newWorld(t)
		got, err := w.handle(w.event(nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		w.advance(time.Minute)
		w.stacks.description.Status, w.stacks.description.Updated = status, w.Now()
		w.stackEvent(status)
		if r := w.load(got.PhysicalResourceId); r.Bypass == nil || r.State() != handle.Withdrawn {
			t.Errorf("%s: %s, bypass %+v", status, r.State(), r.Bypass)
		}
	}
}

func TestApprovedUpdateIsNoBypass(t *testing.T) {
	w := newWorld(t)
	launched := w.running()
	w.stacks.description.Status = "UPDATE_IN_PROGRESS"
	if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", gateOf("production", "1"))); err != nil {
		t.Fatal(err)
	}
	r := w.held()
	w.vote(r.ID, handle.Approve, ann, "U0BEN")
	w.stacks.description.Status, w.stacks.template = "UPDATE_COMPLETE", "the new template"
	w.stacks.description.Parameters[0].Value = "production"
	w.stackEvent("UPDATE_COMPLETE")
	if got := w.load(launched.ID); got.Bypass != nil {
		t.Errorf("the launch: bypass %+v", got.Bypass)
	}
	r = w.load(r.ID)
	if r.Ended == nil || r.Bypass != nil || r.Content.Template != handle.TemplateDigest("the new template") {
		t.Errorf("the update: ended %+v, bypass %+v, content %+v", r.Ended, r.Bypass, r.Content)
	}
	// The next update is compared with this one.
	w.advance(time.Hour)
	w.stacks.description.Updated, w.stacks.template = w.Now(), "yet another"
	w.stackEvent("UPDATE_COMPLETE")
	if r = w.load(r.ID); r.Bypass == nil {
		t.Error("a later update without approval was not found")
	}
}

// An approved update fails and is rolled back; the next one changes nothing that runs.
func TestUpdateAfterAFailedOneIsNoBypass(t *testing.T) {
	for template, bypass := range map[string]bool{"the template": false, "another": true} {
		w := newWorld(t)
		launched := w.running()
		w.stacks.description.Status, w.stacks.template = "UPDATE_IN_PROGRESS", "the new template"
		if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", gateOf("production", "1"))); err != nil {
			t.Fatal(err)
		}
		r := w.held()
		w.vote(r.ID, handle.Approve, ann, "U0BEN")
		w.stacks.description.Status = "UPDATE_ROLLBACK_COMPLETE"
		w.stackEvent("UPDATE_ROLLBACK_COMPLETE")
		w.advance(time.Hour)
		w.stacks.description.Status, w.stacks.description.Updated, w.stacks.template = "UPDATE_COMPLETE", w.Now(), template
		w.stackEvent("UPDATE_COMPLETE")
		if r = w.load(r.ID); (r.Bypass != nil) != bypass {
			t.Errorf("%s: bypass %+v", template, r.Bypass)
		}
	}
}

func TestUnapprovedUpdateIsCancelled(t *testing.T) {
	for _, cancel := range []bool{true, false} {
		w := newWorld(t)
		w.notifier.CancelUnapproved = cancel
		r := w.running()
		w.stacks.description.Status, w.stacks.template = "UPDATE_IN_PROGRESS", "another"
		w.stackEvent("UPDATE_IN_PROGRESS")
		if w.stacks.cancelled != 0 {
			t.Error("cancelled before the gate could have asked")
		}
		w.sweep(20 * time.Minute)
		r = w.load(r.ID)
		if (w.stacks.cancelled == 1) != cancel || (r.Bypass != nil) != cancel {
			t.Errorf("cancel %t: cancelled %d times, bypass %+v", cancel, w.stacks.cancelled, r.Bypass)
		}
	}
}

// bypassCount counts the bypasses that are reported besides the records.
type bypassCount struct{ n, failures int }

func (c *bypassCount) StepFailed(context.Context, handle.Step) { c.failures++ }
func (c *bypassCount) Bypassed(context.Context, string)        { c.n++ }
func (*bypassCount) Swept(context.Context)                     {}

// The record keeps the first bypass. Later ones raise the alarm all the same.
func TestEachBypassingUpdateIsReported(t *testing.T) {
	w := newWorld(t)
	counted := &bypassCount{}
	w.notifier.Observer = counted
	r := w.running()
	w.stacks.description.Status = "UPDATE_COMPLETE"
	for i, template := range []string{"another", "yet another", "a fourth"} {
		w.advance(time.Hour)
		w.stacks.description.Updated, w.stacks.template = w.Now(), template
		w.stackEvent("UPDATE_COMPLETE")
		if r = w.load(r.ID); r.Bypass == nil || counted.n != i || !r.Stack.UpdateAt.IsZero() {
			t.Errorf("update %d: bypass %+v, %d others reported, want %d", i+1, r.Bypass, counted.n, i)
		}
	}
}

// An update that waits for its approval is no failure: it raises no alarm.
func TestUpdateInProgressIsNoFailure(t *testing.T) {
	for _, cancel := range []bool{true, false} {
		w := newWorld(t)
		counted := &bypassCount{}
		w.notifier.Observer, w.notifier.CancelUnapproved = counted, cancel
		launched := w.running()
		w.stacks.description.Status = "UPDATE_IN_PROGRESS"
		w.stackEvent("UPDATE_IN_PROGRESS")
		if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", gateOf("production", "1"))); err != nil {
			t.Fatal(err)
		}
		w.stacks.description.Parameters[0].Value = "production"
		for range 5 {
			w.sweep(10 * time.Minute)
		}
		r := w.load(launched.ID)
		if counted.failures != 0 || counted.n != 0 || r.Bypass != nil || w.stacks.cancelled != 0 || w.held().ID == "" {
			t.Errorf("cancel %t: %d failures, %d bypasses, bypass %+v, cancelled %d times", cancel, counted.failures, counted.n, r.Bypass, w.stacks.cancelled)
		}
		if r.Stack.UpdateAt.IsZero() || r.NextDue().IsZero() {
			t.Errorf("the update is no longer checked: %+v", r.Attempts)
		}
	}
}
