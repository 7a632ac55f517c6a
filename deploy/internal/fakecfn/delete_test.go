package fakecfn_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

func TestDeleteOrder(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)})
	created := len(w.log(id))
	w.advance(time.Minute)
	if err := w.engine.DeleteStack(id); err != nil {
		t.Fatal(err)
	}
	log := w.log(id)[created:]
	if diff := cmp.Diff(line{"stack", "DELETE_IN_PROGRESS", "User Initiated"}, log[0]); diff != "" {
		t.Errorf("first line (-want +got):\n%s", diff)
	}
	for _, pair := range [][2]string{{"D", "B"}, {"D", "C"}, {"B", "A"}, {"C", "A"}} {
		before(t, log, line{pair[0], "DELETE_COMPLETE", ""}, line{pair[1], "DELETE_IN_PROGRESS", ""})
	}
	if diff := cmp.Diff(line{"stack", "DELETE_COMPLETE", ""}, log[len(log)-1]); diff != "" {
		t.Errorf("last line (-want +got):\n%s", diff)
	}
	if _, ok := w.engine.Stack("stack"); ok {
		t.Error("a deleted stack is found by its name")
	}
	if again := w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)}); again == id {
		t.Error("a new stack of the same name has the old ID")
	}
	if err := w.engine.DeleteStack(id); err != nil {
		t.Errorf("deleting what is deleted: %v", err)
	}
	if err := w.engine.DeleteStack("nope"); err == nil || refusalMessage(t, err) != "Stack [nope] does not exist" {
		t.Errorf("deleting nothing: got %v", err)
	}
}

// policiesTemplate has a custom resource for each deletion policy, and a queue that can fail.
const policiesTemplate = `
Resources:
  Plain: {Type: 'Custom::P', Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'}}
  Delete: {Type: 'Custom::P', DeletionPolicy: Delete, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'}}
  Retain: {Type: 'Custom::P', DeletionPolicy: Retain, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'}}
  Except: {Type: 'Custom::P', DeletionPolicy: RetainExceptOnCreate, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'}}
  Queue: {Type: AWS::SQS::Queue, DependsOn: [Plain, Delete, Retain, Except]}
`

func TestDeletionPolicies(t *testing.T) {
	const skipped, complete = fakecfn.DeleteSkipped, fakecfn.DeleteComplete
	tests := []struct {
		name     string
		fail     map[string]string
		answered bool // whether the Create requests got responses
		delete   bool
		want     map[string]fakecfn.Status
		end      fakecfn.Status
	}{
		{
			"rollback", map[string]string{"Queue": "no"}, true, false,
			map[string]fakecfn.Status{"Plain": complete, "Delete": complete, "Retain": skipped, "Except": complete}, "ROLLBACK_COMPLETE",
		},
		{
			"deletion", nil, true, true,
			map[string]fakecfn.Status{"Plain": complete, "Delete": complete, "Retain": skipped, "Except": skipped}, "DELETE_COMPLETE",
		},
		{
			// RetainExceptOnCreate retains: deleting a stack while it is being created is another stack operation.
			"deletion while creating", nil, false, true,
			map[string]fakecfn.Status{"Plain": complete, "Delete": complete, "Retain": skipped, "Except": skipped}, "DELETE_COMPLETE",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t)
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, policiesTemplate), Fail: tt.fail})
			if tt.answered {
				for _, in := range w.invoked[:4] {
					w.answer(in, in.LogicalResourceId, "", nil)
				}
			}
			if tt.delete {
				if err := w.engine.DeleteStack(id); err != nil {
					t.Fatal(err)
				}
			}
			for _, in := range w.invoked[4:] {
				w.answer(in, in.PhysicalResourceId, "", nil)
			}
			st := w.stack(id)
			for name, want := range tt.want {
				if got := st.Resource(name).Status; got != want {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
			if st.Status != tt.end {
				t.Errorf("stack: got %s, want %s", st.Status, tt.end)
			}
		})
	}
}

// TestDeleteWhileCreating checks the log of a stack that is deleted while it is being created.
func TestDeleteWhileCreating(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: load(t, "gate.yaml"), Parameters: map[string]string{"UserEmail": "rita@example.com"}})
	w.answer(w.last("ApprovalRequest"), "req-1", "", nil)
	created := len(w.log(id))
	if err := w.engine.DeleteStack(id); err != nil {
		t.Fatal(err)
	}
	want := []line{
		{"stack", "DELETE_IN_PROGRESS", "User Initiated"},
		{"ApprovalWait", "CREATE_FAILED", "Resource creation cancelled"},
		{"ApprovalWait", "DELETE_IN_PROGRESS", ""}, {"ApprovalWait", "DELETE_COMPLETE", ""},
		{"ApprovalRequest", "DELETE_SKIPPED", ""},
		{"ApprovalHandle", "DELETE_IN_PROGRESS", ""}, {"ApprovalHandle", "DELETE_COMPLETE", ""},
		{"stack", "DELETE_COMPLETE", ""},
	}
	if diff := cmp.Diff(want, w.log(id)[created:]); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if _, ok := w.engine.Next(); ok {
		t.Error("a timer outlives the stack")
	}
	w.mustPut(w.handleURL(id, "ApprovalHandle"), signal("SUCCESS", "late", "", "")) // stored and ignored
	if got := len(w.log(id)) - created; got != len(want) {
		t.Errorf("events after a late signal: got %d, want %d", got, len(want))
	}
}

// A resource that cannot be deleted keeps its dependencies. Deleting the stack again retries.
func TestFailedDeleteKeepsDependencies(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate+"  Alone: {Type: AWS::SNS::Topic}\n  Key: {Type: AWS::KMS::Key}\n")})
	w.answer(w.last("C"), "c", "", map[string]any{"Name": "jobs"})
	if err := w.engine.DeleteStack(id); err != nil {
		t.Fatal(err)
	}
	del := w.last("C")
	w.answer(del, "c", "in use", nil)
	st := w.stack(id)
	if want := "The following resource(s) failed to delete: [C]. "; st.Status != fakecfn.DeleteFailed || st.StatusReason != want {
		t.Fatalf("stack: got %s %q, want DELETE_FAILED %q", st.Status, st.StatusReason, want)
	}
	want := "Received response status [FAILED] from custom resource. Message returned: in use (RequestId: " + del.RequestId + ")"
	if got := st.Resource("C"); got.Status != fakecfn.DeleteFailed || got.StatusReason != want {
		t.Errorf("C: got %s %q, want %q", got.Status, got.StatusReason, want)
	}
	if got := st.Resource("Alone").Status; got != fakecfn.DeleteComplete {
		t.Errorf("Alone: got %s", got)
	}
	if err := w.engine.DeleteStack("stack"); err != nil {
		t.Fatal(err)
	}
	if again := w.last("C"); again.RequestId == del.RequestId {
		t.Error("deleting again sent no request")
	}
	w.answer(w.last("C"), "c", "", nil)
	if got := w.stack(id).Status; got != fakecfn.DeleteComplete {
		t.Errorf("stack: got %s", got)
	}
}

func TestDeleteDuringRollback(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate)})
	w.answer(w.last("C"), "c", "no", nil)
	err := w.engine.DeleteStack(id)
	if err == nil || refusalMessage(t, err) != "Stack [stack] cannot be deleted while in status ROLLBACK_IN_PROGRESS" {
		t.Errorf("DeleteStack: got %v", err)
	}
	w.answer(w.last("C"), "c", "", nil)
	if err := w.engine.DeleteStack(id); err != nil {
		t.Errorf("DeleteStack after the rollback: %v", err)
	}
	if got := w.stack(id).Status; got != fakecfn.DeleteComplete {
		t.Errorf("stack: got %s", got)
	}
}

func TestExports(t *testing.T) {
	w := newFixture(t)
	network := load(t, "network.yaml")
	producer := w.create(fakecfn.CreateStackInput{Name: "net", Template: network})
	tpl := mustParse(t, "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {Vpc: !ImportValue net-VpcId}}}\nOutputs: {Q: {Value: !Ref Q, Export: {Name: net-VpcId-queue}}}")
	consumer := w.create(fakecfn.CreateStackInput{Name: "app", Template: tpl})
	vpc := w.stack(producer).Output("VpcId")
	if got, want := w.stack(consumer).Events[1].Properties, `{"Vpc":"`+vpc+`"}`; got != want {
		t.Errorf("imported: got %s, want %s", got, want)
	}
	if err := w.engine.DeleteStack("net"); err == nil || refusalMessage(t, err) != "Delete canceled. Cannot delete export net-VpcId as it is in use by app." {
		t.Errorf("deleting the exporter: got %v", err)
	}
	second := w.create(fakecfn.CreateStackInput{Name: "app2", Template: tpl})
	before(t, w.log(second), line{"app2", "ROLLBACK_IN_PROGRESS", "Export with name net-VpcId-queue is already exported by stack app. Rollback requested by user."}, line{"app2", "ROLLBACK_COMPLETE", ""})
	for _, name := range []string{"app", "app2", "net"} {
		if err := w.engine.DeleteStack(name); err != nil {
			t.Errorf("deleting %s: %v", name, err)
		}
	}
	// A stack that has rolled back no longer imports.
	w.create(fakecfn.CreateStackInput{Name: "net", Template: network})
	w.create(fakecfn.CreateStackInput{Name: "broken", Template: tpl, Fail: map[string]string{"Q": "no"}})
	if err := w.engine.DeleteStack("net"); err != nil {
		t.Errorf("deleting the exporter after the importer rolled back: %v", err)
	}
	third := w.create(fakecfn.CreateStackInput{Name: "app3", Template: tpl})
	want := []line{
		{"app3", "CREATE_IN_PROGRESS", "User Initiated"},
		{"app3", "ROLLBACK_IN_PROGRESS", "No export named net-VpcId found. Rollback requested by user."},
		{"app3", "ROLLBACK_COMPLETE", ""},
	}
	if diff := cmp.Diff(want, w.log(third)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
