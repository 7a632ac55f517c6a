package fakecfn_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

// gate launches gate.yaml through Service Catalog and responds to the approval request.
func (w *fixture) gate() (stackID, name string) {
	w.t.Helper()
	id, pp, err := w.engine.ProvisionProduct(fakecfn.ProvisionProductInput{
		Name: "my-queue", Principal: "arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com",
		Stack: fakecfn.CreateStackInput{Template: load(w.t, "gate.yaml"), Parameters: map[string]string{"UserEmail": "rita@example.com"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.advance(time.Second)
	w.answer(w.last("ApprovalRequest"), "req-1", "", nil)
	return id, "SC-111122223333-" + pp
}

// logUntilWait is the event log of a gated stack up to the wait.
func logUntilWait(name string) []line {
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

// logOfRollback is the event log of a gated stack whose wait fails.
func logOfRollback(name, reason string) []line {
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
	w := newFixture(t)
	id, name := w.gate()
	w.advance(time.Hour)
	w.mustPut(w.handleURL(id, "ApprovalHandle"), signal("SUCCESS", "req-1", "approved", "Approved by Ada"))
	verdict := w.last("ApprovalVerdict")
	if got := verdict.ResourceProperties["RequestId"]; got != "req-1" {
		t.Errorf("verdict asks about: got %v, want the request's physical ID", got)
	}
	w.answer(verdict, "verdict-1", "", map[string]any{"ApprovedBy": "ada@example.com"})
	want := append(logUntilWait(name),
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
	w := newFixture(t)
	id, name := w.gate()
	w.mustPut(w.handleURL(id, "ApprovalHandle"), signal("FAILURE", "req-1", "", "Rejected by Ada: too big"))
	del := w.last("ApprovalRequest")
	if del.RequestType != "Delete" || del.PhysicalResourceId != "req-1" {
		t.Fatalf("after the rejection: got %s of %q, want a Delete of req-1", del.RequestType, del.PhysicalResourceId)
	}
	w.answer(del, "req-1", "", nil)
	want := append(logUntilWait(name), logOfRollback(name, "WaitCondition received failed message: 'Rejected by Ada: too big' for uniqueId: req-1")...)
	if diff := cmp.Diff(want, w.log(id)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestGateTimedOut(t *testing.T) {
	w := newFixture(t)
	id, name := w.gate()
	w.advance(39600 * time.Second)
	w.answer(w.last("ApprovalRequest"), "req-1", "", nil)
	want := append(logUntilWait(name), logOfRollback(name, "WaitCondition timed out. Received 0 conditions when expecting 1")...)
	if diff := cmp.Diff(want, w.log(id)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// A requester can read the wait URL in the stack's events and signal it. The verdict then fails the stack.
func TestVerdictStopsForgedSignal(t *testing.T) {
	w := newFixture(t)
	id, name := w.gate()
	stolen := ""
	for _, ev := range w.stack(id).Events {
		if ev.LogicalID == "ApprovalWait" {
			stolen = ev.Properties[len(`{"Handle":"`) : len(ev.Properties)-len(`","Timeout":"39600"}`)]
		}
	}
	w.mustPut(stolen, signal("SUCCESS", "thief", "", ""))
	verdict := w.last("ApprovalVerdict")
	w.answer(verdict, "verdict-1", "no approval is on record", nil)
	for range 2 { // first the verdict's Delete, then the request's
		w.answer(w.invoked[len(w.invoked)-1], "x", "", nil)
	}
	log := w.log(id)
	before(t, log,
		line{"ApprovalVerdict", "CREATE_FAILED", "Received response status [FAILED] from custom resource. Message returned: no approval is on record (RequestId: " + verdict.RequestId + ")"},
		line{name, "ROLLBACK_COMPLETE", ""})
	if slices.ContainsFunc(log, func(l line) bool { return l.LogicalID == "Queue" }) {
		t.Error("the queue was begun")
	}
}

// TestOriginalSampleGate runs a template in the original sample's form, with a topic as ServiceToken.
func TestOriginalSampleGate(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: load(t, "sample-gate.yaml")})
	if got, want := w.invoked[0].ServiceToken, "arn:aws:sns:us-east-1:111122223333:approvals"; got != want {
		t.Errorf("token: got %s, want %s", got, want)
	}
	if next, ok := w.engine.Next(); !ok || !next.Equal(w.now.Add(time.Hour)) {
		t.Errorf("Next: got %v %t, want the service timeout", next, ok)
	}
	if got := w.stack(id).Resource("Bucket").Status; got != "" {
		t.Errorf("bucket: got %s before an approval", got)
	}
}
