package fakecfn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

// failLater updates updateTemplate so that C changes and Z fails after it.
func (w *fixture) failLater(stackID string) {
	w.t.Helper()
	src := strings.Replace(updateTemplate, "Z: {Type: AWS::SQS::Queue}", "Z: {Type: AWS::SQS::Queue, DependsOn: B, Properties: {X: 1}}", 1)
	src = strings.Replace(src, "\nOutputs", "\n  New: {Type: AWS::SQS::Queue}\n  NewC: {Type: Custom::Thing, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'}}\nOutputs", 1)
	w.update(fakecfn.UpdateStackInput{Stack: stackID, Template: mustParse(w.t, src), Parameters: map[string]string{"Size": "large"}, Fail: map[string]string{"Z": "no capacity"}})
	w.answer(w.last("NewC"), "new-1", "", nil)
}

// A later failure sends an Update with old and new properties exchanged. Created resources are deleted.
func TestRollbackAfterLaterFailure(t *testing.T) {
	w, id := launched(t)
	n := len(w.log(id))
	w.failLater(id)
	w.answer(w.last("C"), "c-1", "", map[string]any{"Data": "2"})
	w.wantStatus(id, fakecfn.UpdateRollbackInProgress)
	w.answer(w.last("C"), "c-1", "", map[string]any{"Data": "1"})
	w.wantStatus(id, fakecfn.UpdateRollbackCompleteCleanupInProgress)
	w.answer(w.last("NewC"), "new-1", "", nil)
	w.wantStatus(id, fakecfn.UpdateRollbackComplete)
	w.wantRequests("Create", "Update c-1 small>large", "Update c-1 large>small", "Delete new-1")
	log := w.since(id, n)
	rollsBack := line{"stack", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Z]."}
	before(t, log, line{"Z", "UPDATE_FAILED", "no capacity"}, rollsBack)
	_, after, _ := cutLines(log, rollsBack)
	if diff := cmp.Diff([]line{
		{"Z", "UPDATE_IN_PROGRESS", ""}, // in the old template it depends on nothing
		{"Z", "UPDATE_COMPLETE", ""},
		{"C", "UPDATE_IN_PROGRESS", ""},
		{"C", "UPDATE_COMPLETE", ""},
		{"B", "UPDATE_IN_PROGRESS", ""},
		{"B", "UPDATE_COMPLETE", ""},
		{"stack", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""},
		{"NewC", "DELETE_IN_PROGRESS", ""},
		{"New", "DELETE_IN_PROGRESS", ""},
		{"New", "DELETE_COMPLETE", ""},
		{"NewC", "DELETE_COMPLETE", ""},
		{"stack", "UPDATE_ROLLBACK_COMPLETE", ""},
	}, after); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if st := w.stack(id); len(st.Resources) != 4 || st.Output("C") != "c-1" {
		t.Errorf("after the rollback: %+v, %v", st.Resources, st.Outputs)
	}

	// The stack can be updated again.
	w.invoked = nil
	w.answer(w.resize(id, "large"), "c-1", "", map[string]any{"Data": "1"})
	w.wantStatus(id, fakecfn.UpdateComplete)
	w.wantRequests("Update c-1 small>large")
}

// cutLines returns the events before and after the first that equals at.
func cutLines(log []line, at line) (before, after []line, found bool) {
	for i, l := range log {
		if l == at {
			return log[:i], log[i+1:], true
		}
	}
	return log, nil, false
}

// After a replacement the Update of the rollback has the new physical ID. Its response decides which ID is deleted.
func TestRollbackAfterReplacement(t *testing.T) {
	tests := []struct {
		name, answer string
		deleted      []string
	}{
		{"back to the old ID", "c-1", []string{"Delete c-2 large"}},
		{"the new ID stays", "c-2", []string{"Delete c-1 small"}},
		{"a third ID", "c-3", []string{"Delete c-1 small", "Delete c-2 large"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, id := launched(t)
			w.failLater(id)
			w.answer(w.last("C"), "c-2", "", map[string]any{"Data": "2"})
			if got := w.stack(id).Resource("C").PhysicalID; got != "c-2" {
				t.Errorf("C during the rollback: got %s", got)
			}
			w.answer(w.last("C"), tt.answer, "", map[string]any{"Data": "1"})
			w.wantStatus(id, fakecfn.UpdateRollbackCompleteCleanupInProgress)
			w.wantRequests(append([]string{"Create", "Update c-1 small>large", "Update c-2 large>small", "Delete new-1"}, tt.deleted...)...)
			for _, in := range w.invoked {
				if in.RequestType == "Delete" {
					w.answer(in, in.PhysicalResourceId, "", nil)
				}
			}
			w.wantStatus(id, fakecfn.UpdateRollbackComplete)
			if st := w.stack(id); st.Resource("C").PhysicalID != tt.answer || st.Resource("C").Status != fakecfn.UpdateComplete || st.Output("C") != tt.answer {
				t.Errorf("C: got %+v, output %s", st.Resource("C"), st.Output("C"))
			}
		})
	}
}

// FAILED with the old physical ID, an invalid response and a time-out get an Update back. FAILED with a new ID gets a Delete
// of that ID instead.
func TestRollbackAfterOwnFailure(t *testing.T) {
	tests := []struct {
		name   string
		answer func(w *fixture, in invocation)
		reason string // {ID} stands for the request's ID
		want   string
	}{
		{"with the old ID", func(w *fixture, in invocation) { w.answer(in, "c-1", "rejected", nil) },
			"Received response status [FAILED] from custom resource. Message returned: rejected (RequestId: {ID})", "Update c-1 large>small"},
		{"with a new ID", func(w *fixture, in invocation) { w.answer(in, "c-2", "rejected", nil) },
			"Received response status [FAILED] from custom resource. Message returned: rejected (RequestId: {ID})", "Delete c-2 large"},
		{"no response", func(w *fixture, in invocation) { w.advance(599 * time.Second); w.advance(time.Second) },
			"CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [{ID}]. If you are using the Python cfn-response module, " +
				"you may need to update your Lambda function code so that CloudFormation can attach the updated version.", "Update c-1 large>small"},
		{"no valid response", func(w *fixture, in invocation) { w.mustPut(in.ResponseURL, "x") },
			"Invalid response object: it is not a JSON object.", "Update c-1 large>small"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, id := launched(t)
			n := len(w.log(id))
			in := w.resize(id, "large")
			tt.answer(w, in)
			w.wantRequests("Update c-1 small>large", tt.want)
			w.answer(w.last("C"), w.last("C").PhysicalResourceId, "", map[string]any{"Data": "1"})
			w.wantStatus(id, fakecfn.UpdateRollbackComplete)
			log := w.since(id, n)
			before(t, log, line{"C", "UPDATE_FAILED", strings.Replace(tt.reason, "{ID}", in.RequestId, 1)}, line{"C", "UPDATE_COMPLETE", ""})
			before(t, log, line{"stack", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [C]."}, line{"stack", "UPDATE_ROLLBACK_COMPLETE", ""})
			for _, l := range log {
				if l.LogicalID == "B" {
					t.Errorf("B was updated: %v", l)
				}
			}
			if st := w.stack(id); st.Resource("C").PhysicalID != "c-1" || st.Output("C") != "c-1" {
				t.Errorf("C: got %s, want c-1", st.Resource("C").PhysicalID)
			}
		})
	}
}

// An Update may be answered up to an hour later, the default ServiceTimeout.
func TestServiceTimeoutOfUpdate(t *testing.T) {
	const src = "Parameters: {P: {Type: String, Default: 1}}\nResources: {C: {Type: Custom::C, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f', Size: !Ref P}}}"
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src)})
	w.answer(w.last("C"), "c", "", nil)
	w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"P": "2"}})
	w.advance(3599 * time.Second)
	w.wantStatus(id, fakecfn.UpdateInProgress)
	w.advance(time.Second)
	w.wantStatus(id, fakecfn.UpdateRollbackInProgress)
}

// FAILED or a time-out during the rollback leaves UPDATE_ROLLBACK_FAILED. The stack can then only be deleted, with what the
// update left behind.
func TestFailedRollback(t *testing.T) {
	w, id := launched(t)
	w.failLater(id)
	w.answer(w.last("C"), "c-2", "", map[string]any{"Data": "2"})
	w.answer(w.last("C"), "c-2", "cannot go back", nil)
	w.wantStatus(id, fakecfn.UpdateRollbackFailed)
	st := w.stack(id)
	if want := "The following resource(s) failed to update: [C]."; st.StatusReason != want || st.Resource("C").Status != fakecfn.UpdateFailed || st.Resource("NewC").PhysicalID != "new-1" {
		t.Errorf("got %q %+v, want %q", st.StatusReason, st.Resources, want)
	}
	err := w.engine.UpdateStack(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"Size": "huge"}})
	if want := "is in UPDATE_ROLLBACK_FAILED state and can not be updated."; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("update: got %v", err)
	}
	w.invoked = nil
	if err := w.engine.DeleteStack(id); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(w.invoked); i++ {
		w.answer(w.invoked[i], w.invoked[i].PhysicalResourceId, "", nil)
	}
	w.wantStatus(id, fakecfn.DeleteComplete)
	deleted := map[string]bool{}
	for _, in := range w.invoked {
		deleted[in.RequestType+" "+in.PhysicalResourceId] = true
	}
	if diff := cmp.Diff(map[string]bool{"Delete c-1": true, "Delete c-2": true, "Delete new-1": true}, deleted); diff != "" {
		t.Errorf("deletes (-want +got):\n%s", diff)
	}
}

// Wait conditions cannot be updated, and a ServiceToken cannot be changed. The rollback does not touch them.
func TestResourcesThatCannotBeUpdated(t *testing.T) {
	const src = `
Parameters: {Timeout: {Type: String, Default: 60}, F: {Type: String, Default: f}}
Resources:
  H: {Type: AWS::CloudFormation::WaitConditionHandle}
  W: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref H, Timeout: !Ref Timeout}}
  C: {Type: Custom::C, Properties: {ServiceToken: !Sub 'arn:aws:lambda:us-east-1:111122223333:function:${F}'}}
`
	for parameter, want := range map[string]line{
		"Timeout": {"W", "UPDATE_FAILED", "Update to resource type AWS::CloudFormation::WaitCondition is not supported."},
		"F":       {"C", "UPDATE_FAILED", "Modifying service token is not allowed."},
	} {
		w := newFixture(t)
		id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src)})
		w.answer(w.last("C"), "c", "", nil)
		w.mustPut(w.handleURL(id, "H"), signal("SUCCESS", "1", "", ""))
		w.wantStatus(id, fakecfn.CreateComplete)
		w.invoked = nil
		w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{parameter: "90"}})
		w.wantStatus(id, fakecfn.UpdateRollbackComplete)
		before(t, w.log(id), want, line{"stack", "UPDATE_ROLLBACK_COMPLETE", ""})
		if len(w.invoked) != 0 {
			t.Errorf("%s: the provider got %v", parameter, w.requests())
		}
	}
}

// A wait condition that an update creates can fail: handle and condition are deleted.
func TestNewWaitConditionFails(t *testing.T) {
	w := newFixture(t)
	const src = "Resources: {Q: {Type: AWS::SQS::Queue}"
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src+"}")})
	w.update(fakecfn.UpdateStackInput{Stack: id, Template: mustParse(t, src+", H: {Type: AWS::CloudFormation::WaitConditionHandle}, W: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref H, Timeout: 60}}, R: {Type: AWS::SQS::Queue, DependsOn: W}}")})
	w.advance(time.Minute)
	w.wantStatus(id, fakecfn.UpdateRollbackComplete)
	log := w.log(id)
	before(t, log, line{"W", "CREATE_FAILED", "WaitCondition timed out. Received 0 conditions when expecting 1"},
		line{"stack", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [W]."})
	before(t, log, line{"W", "DELETE_COMPLETE", ""}, line{"H", "DELETE_IN_PROGRESS", ""})
	if st := w.stack(id); len(st.Resources) != 1 {
		t.Errorf("resources: got %+v", st.Resources)
	}
}

// Cancelling with a plain resource in progress: its update is undone, and the name it would have got is deleted.
func TestCancelPlainReplacement(t *testing.T) {
	w := newFixture(t, func(c *fakecfn.Config) { c.Delay = time.Minute })
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Parameters: {P: {Type: String, Default: one}}\nResources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref P}}}")})
	w.advance(time.Minute)
	old := w.stack(id).Resource("Q").PhysicalID
	w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"P": "two"}})
	if err := w.engine.CancelUpdateStack("stack"); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Minute)
	w.wantStatus(id, fakecfn.UpdateRollbackComplete)
	st := w.stack(id)
	if st.Resource("Q").PhysicalID != old {
		t.Errorf("Q: got %s, want %s", st.Resource("Q").PhysicalID, old)
	}
	deleted := ""
	for _, ev := range st.Events {
		if ev.Status == fakecfn.DeleteComplete {
			deleted += ev.PhysicalID
		}
	}
	if !strings.HasSuffix(deleted, "/two") {
		t.Errorf("deleted: got %s", deleted)
	}
}
