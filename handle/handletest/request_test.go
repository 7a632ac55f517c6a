package handletest_test

import (
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

func TestRequestIsConsistentAndCanBeApproved(t *testing.T) {
	r := handletest.Request(1, at)
	if _, err := handle.ParseWaitURL(r.WaitURL.Expose(), r.Stack.ID, nil, at); err != nil {
		t.Errorf("wait URL: %v", err)
	}
	if expires, ok := r.WaitURL.Expires(); !ok || !expires.Equal(at.Add(43199*time.Second)) {
		t.Errorf("wait URL expires: got %v, want 43199 s after %v", expires, at)
	}
	if n := len(r.WaitURL.Expose()); n < 1400 || n > 1800 {
		t.Errorf("wait URL: got %d bytes, want about 1.5 KB, as CloudFormation's have", n)
	}
	if key, _, ok := handle.SplitID(r.ID); !ok || key != handle.StackKey(r.Stack.ID) {
		t.Errorf("ID %s does not belong to the stack", r.ID)
	}
	if err := r.CheckApprovers(); err != nil {
		t.Errorf("CheckApprovers: %v", err)
	}
	if r.State() != handle.Pending || !r.NextDue().Equal(at) {
		t.Errorf("got %s, due at %v; want it pending and due at once", r.State(), r.NextDue())
	}
	identified := r.IdentifyRequester("U0REQUESTER", []string{"U0REQUESTER"}, true)
	voter := handle.Voter{Person: handle.Person{Team: "T0", ID: r.Terms.Approvers[0], Name: "Ann Approver"}, Home: true}
	approved, err := identified.VoteBySlack(voter, handle.Approve, "", at.Add(time.Hour))
	if err != nil || approved.State() != handle.Approved {
		t.Errorf("an approver's vote: got %s and error %v, want it approved", approved.State(), err)
	}
}

func TestRequestsOfDifferentLaunchesDiffer(t *testing.T) {
	r, again := handletest.Request(1, at), handletest.Request(1, at)
	if d := handletest.Diff(r, again); d != "" {
		t.Errorf("the same request twice differs (-want +got):\n%s", d)
	}
	other := handletest.Request(2, at)
	if r.ID == other.ID || r.Stack.ID == other.Stack.ID || r.WaitURL.Expose() == other.WaitURL.Expose() {
		t.Error("two requests share ID, stack or wait URL")
	}
	second := handletest.Request(1, at, handletest.WithGate("Second"))
	if second.Stack.ID != r.Stack.ID || second.ID == r.ID || !strings.HasPrefix(second.ID, r.ID[:16]) {
		t.Errorf("another gate of the same stack: got ID %s beside %s", second.ID, r.ID)
	}
}

// The log of a failing test can be public.
func TestDiffHidesWaitURL(t *testing.T) {
	r := handletest.Request(1, at)
	for name, change := range map[string]func(*handle.Request){
		"the URL":        func(r *handle.Request) { r.WaitURL = handletest.Request(2, at).WaitURL },
		"its neighbours": func(r *handle.Request) { r.Terms.Approvals, r.Votes = 7, []handle.Vote{{}} },
		"all":            func(r *handle.Request) { *r = handle.Request{} },
	} {
		d := handletest.Diff(r, handletest.Request(1, at, change))
		if d == "" {
			t.Errorf("%s: Diff finds no difference", name)
		}
		if strings.Contains(d, "X-Amz") {
			t.Errorf("%s: Diff shows a wait URL", name)
		}
	}
}
