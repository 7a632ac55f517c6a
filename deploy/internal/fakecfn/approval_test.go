package fakecfn_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

// gate launches the gate template as Service Catalog does and answers the approval request.
func (w *world) gate() (stackID, name string) {
	w.t.Helper()
	id, pp, err := w.engine.ProvisionProduct(fakecfn.ProvisionProductInput{
		Name: "my-queue", Principal: "arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com",
		Stack: fakecfn.CreateStackInput{Template: load(w.t, "gate.yaml"), Parameters: map[string]string{"UserEmail": "rita@example.com"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.pass(time.Second)
	w.answer(w.last("ApprovalRequest"), "req-1", "", nil)
	return id, "SC-111122223333-" + pp
}

// opened is the log of a gate up to the wait.
func opened(name string) []line {
	return []line{
		{name, "CREATE_IN_PROGRESS", "User Initiated"},
		{"ApprovalHandle", "CREATE_IN_PROGRESS", ""},
		{"ApprovalHandle", "CREATE_IN_PROGRESS", initiated},
		{"ApprovalHandle", "CREATE_COMPLETE", ""},
		{"ApprovalRequest", "CREATE_IN_PROGRESS", ""},
		{"ApprovalRequest", "CREATE_IN_PROGRESS", initiated},
		{"ApprovalRequest", "CREATE_COMPLETE", ""},
		{"ApprovalWait", "CREATE_IN_PROGRESS", ""},
		{"ApprovalWait", "CREATE_IN_PROGRESS", initiated},
	}
}

// closed is the log of a gate that rolls back before the verdict.
func closed(name, reason string) []line {
	return []line{
		{"ApprovalWait", "CREATE_FAILED", reason},
		{name, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [ApprovalWait]. Rollback requested by user."},
		{"ApprovalWait", "DELETE_IN_PROGRESS", ""},
		{"ApprovalWait", "DELETE_COMPLETE", ""},
		{"ApprovalRequest", "DELETE_IN_PROGRESS", ""},
		{"ApprovalRequest", "DELETE_COMPLETE", ""},
		{"ApprovalHandle", "DELETE_IN_PROGRESS", ""},
		{"ApprovalHandle", "DELETE_COMPLETE", ""},
		{name, "ROLLBACK_COMPLETE", ""},
	}
}

func TestGateApproved(t *testing.T) {
	w := newWorld(t)
	id, name := w.gate()
	w.pass(time.Hour)
	w.mustPut(w.handleURL(id, "ApprovalHandle"), signal("SUCCESS", "req-1", "approved", "Approved by Ada"))
	verdict := w.last("ApprovalVerdict")
	if got := verdict.ResourceProperties["RequestId"]; got != "req-1" {
		t.Errorf("verdict asks about: got %v, want the request's physical ID", got)
	}
	w.answer(verdict, "verdict-1", "", map[string]any{"ApprovedBy": "ada@example.com"})
	want := append(opened(name),
		line{"ApprovalWait", "CREATE_COMPLETE", ""},
		line{"ApprovalVerdict", "CREATE_IN_PROGRESS", ""},
		line{"ApprovalVerdict", "CREATE_IN_PROGRESS", initiated},
		line{"ApprovalVerdict", "CREATE_COMPLETE", ""},
		line{"Queue", "CREATE_IN_PROGRESS", ""},
		line{"Queue", "CREATE_IN_PROGRESS", initiated},
		line{"Queue", "CREATE_COMPLETE", ""},
		line{name, "CREATE_COMPLETE", ""},
	)
	if diff := cmp.Diff(want, w.log(id)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if got, want := w.stack(id).Output("ApprovedBy"), "ada@example.com"; got != want {
		t.Errorf("ApprovedBy: got %q, want %q", got, want)
	}
}

func TestGateRejected(t *testing.T) {
	w := newWorld(t)
	id, name := w.gate()
	w.mustPut(w.handleURL(id, "ApprovalHandle"), signal("FAILURE", "req-1", "", "Rejected by Ada: too big"))
	del := w.last("ApprovalRequest")
	if del.RequestType != "Delete" || del.PhysicalResourceId != "req-1" {
		t.Fatalf("after the rejection: got %s of %q, want a Delete of req-1", del.RequestType, del.PhysicalResourceId)
	}
	w.answer(del, "req-1", "", nil)
	want := append(opened(name), closed(name, "WaitCondition received failed message: 'Rejected by Ada: too big' for uniqueId: req-1")...)
	if diff := cmp.Diff(want, w.log(id)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestGateTimedOut(t *testing.T) {
	w := newWorld(t)
	id, name := w.gate()
	w.pass(39600 * time.Second)
	w.answer(w.last("ApprovalRequest"), "req-1", "", nil)
	want := append(opened(name), closed(name, "WaitCondition timed out. Received 0 conditions when expecting 1")...)
	if diff := cmp.Diff(want, w.log(id)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestGateStolen is a requester who reads the URL out of the stack's events and opens the wait, which the verdict
// then finds out.
func TestGateStolen(t *testing.T) {
	w := newWorld(t)
	id, name := w.gate()
	stolen := ""
	for _, ev := range w.stack(id).Events {
		if ev.LogicalID == "ApprovalWait" {
			stolen = ev.Properties[len(`{"Handle":"`) : len(ev.Properties)-len(`","Timeout":"39600"}`)]
		}
	}
	w.mustPut(stolen, signal("SUCCESS", "thief", "", ""))
	verdict := w.last("ApprovalVerdict")
	w.answer(verdict, "verdict-1", "Nobody approved this", nil)
	for range 2 { // the verdict first, then the request
		w.answer(w.invoked[len(w.invoked)-1], "x", "", nil)
	}
	log := w.log(id)
	before(t, log,
		line{"ApprovalVerdict", "CREATE_FAILED", "Received response status [FAILED] from custom resource. Message returned: Nobody approved this (RequestId: " + verdict.RequestId + ")"},
		line{name, "ROLLBACK_COMPLETE", ""})
	if slices.ContainsFunc(log, func(l line) bool { return l.LogicalID == "Queue" }) {
		t.Error("the queue was begun")
	}
}

// TestSampleGate runs a template as the original sample had it, with the provider behind a topic.
func TestSampleGate(t *testing.T) {
	w := newWorld(t)
	id := w.create(fakecfn.CreateStackInput{Template: load(t, "sample-gate.yaml")})
	if got, want := w.invoked[0].ServiceToken, "arn:aws:sns:us-east-1:111122223333:approvals"; got != want {
		t.Errorf("token: got %s, want %s", got, want)
	}
	if next, ok := w.engine.Next(); !ok || !next.Equal(w.now.Add(time.Hour)) {
		t.Errorf("Next: got %v %t, want the service timeout", next, ok)
	}
	if got := w.stack(id).Resource("Bucket").Status; got != "" {
		t.Errorf("bucket: got %s before anybody approved", got)
	}
}
