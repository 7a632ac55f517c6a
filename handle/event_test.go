package handle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

func TestRepeatedRefusalsAreCounted(t *testing.T) {
	by := voter(sam).Person
	renamed := by
	renamed.Name = "another name"
	r := launch().
		RecordRefusal(by, handle.RefusedNotApprover, at).
		RecordRefusal(by, handle.RefusedNotApprover, at.Add(time.Second)).
		RecordRefusal(renamed, handle.RefusedNotApprover, at.Add(2*time.Second)).
		RecordRefusal(by, handle.RefusedExpired, at.Add(3*time.Second)).
		RecordRefusal(voter(ben).Person, handle.RefusedNotApprover, at.Add(4*time.Second)).
		RecordRefusal(handle.Person{Name: "Ann"}, handle.RefusedExpired, at.Add(5*time.Second)).
		RecordRefusal(handle.Person{Name: "Ann"}, handle.RefusedExpired, at.Add(6*time.Second)).
		RecordRefusal(handle.Person{Name: "Ben"}, handle.RefusedExpired, at.Add(7*time.Second))
	want := []handle.Event{
		{At: at, Kind: handle.EventCreated},
		{At: at.Add(2 * time.Second), Kind: handle.EventRefused, By: by, Text: "not an approver", Count: 3},
		{At: at.Add(3 * time.Second), Kind: handle.EventRefused, By: by, Text: "expired"},
		{At: at.Add(4 * time.Second), Kind: handle.EventRefused, By: voter(ben).Person, Text: "not an approver"},
		{At: at.Add(6 * time.Second), Kind: handle.EventRefused, By: handle.Person{Name: "Ann"}, Text: "expired", Count: 2},
		{At: at.Add(7 * time.Second), Kind: handle.EventRefused, By: handle.Person{Name: "Ben"}, Text: "expired"},
	}
	if diff := cmp.Diff(want, r.Events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for reason, want := range map[handle.RefusalReason]int{handle.RefusedNotApprover: 4, handle.RefusedExpired: 4, handle.RefusedOwnRequest: 0} {
		if got := r.CountRefusals(reason); got != want {
			t.Errorf("%q: got %d refusals, want %d", reason, got, want)
		}
	}
	if r.State() != handle.Pending || len(r.Votes) != 0 {
		t.Error("a refusal changed state or votes")
	}
}

func TestCountRefusalsOfManyPeople(t *testing.T) {
	r := launch()
	for i := range 250 {
		r = r.RecordRefusal(voter(fmt.Sprintf("U%d", i)).Person, handle.RefusedNotApprover, at)
	}
	if got := r.CountRefusals(handle.RefusedNotApprover); got != 250 {
		t.Errorf("250 people clicked: got %d refusals", got)
	}
}

// Many people click for hours, and a step fails in many ways.
func TestRefusalsAndFailuresAreBounded(t *testing.T) {
	r := launch()
	reasons := []handle.RefusalReason{handle.RefusedNotApprover, handle.RefusedOwnRequest, handle.RefusedOtherWorkspace, handle.RefusedNotMember, handle.RefusedDecided,
		handle.RefusedExpired, handle.RefusedNoReason, handle.RefusedNotByMail, handle.RefusedUnverified}
	for i := range 3000 {
		by := voter(fmt.Sprintf("U%d", i/7)).Person
		by.Name = strings.Repeat("<", 1000)
		r = r.RecordRefusal(by, reasons[i%len(reasons)], at.Add(time.Duration(i)*time.Second))
	}
	for i := range 3000 {
		r = r.RecordFailure(handle.Step{Kind: handle.StepPost}, handle.Failure{Reason: fmt.Sprint(i)}, at)
	}
	total := 0
	for _, e := range r.Events {
		total += max(e.Count, 1)
	}
	if len(r.Events) > 420 || total != 6001 {
		t.Errorf("got %d events that count %d, want at most 420 that count all 6001", len(r.Events), total)
	}
}

// The request has as much outside text as the notifier accepts, of a character that
// HTML escapes would expand, and then many people click. A DynamoDB item holds 400 KB.
// See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
func TestLargestRequestFitsItsStore(t *testing.T) {
	flood := func(n int) string { return strings.Repeat("<", n) }
	fields := func(n, value int) (list []handle.Field) {
		for range n {
			list = append(list, handle.Field{Name: flood(100), Value: flood(value)})
		}
		return list
	}
	r := launch(approvals(20), func(r *handle.Request) {
		r.Purpose, r.Requester.Email = flood(2000), flood(320)
		r.Details, r.Parameters = fields(60, 300), fields(60, 300)
		r.WaitURL = handle.StoredWaitURL("https://wait.example.com/" + flood(8000))
	})
	click := func(i int, verdict handle.Verdict) {
		v := voter(fmt.Sprintf("U0%05d", i), guards)
		v.Name = flood(80)
		next, err := r.VoteBySlack(v, verdict, flood(600), at)
		if err != nil {
			r = r.RecordRefusal(v.Person, refusalReason(err), at)
			return
		}
		r = next
	}
	for i := range 19 {
		click(i, handle.Approve)
		r = r.AdoptMessage("C0APPROVALS", fmt.Sprint(i))
	}
	click(0, handle.Reject)
	for i := range 500 {
		click(100+i, handle.Approve)
		r = r.RecordFailure(handle.Step{Kind: handle.StepWatch}, handle.Failure{Reason: fmt.Sprint(i, flood(300))}, at)
	}
	for _, n := range r.Notifications() {
		r = r.MarkDelivered(n.ReplyKey(), "C0APPROVALS", "1.000001", at).MarkDelivered(n.DirectKey(), "D0ROB", "1.000002", at).MarkDelivered(n.MailKey(), "", "", at)
	}
	r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", Reason: flood(500), Outputs: fields(20, 300), At: at})

	b, err := handle.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	if most := 380 << 10; len(b) > most {
		t.Errorf("got %d bytes, want at most %d, so that the item's other attributes fit too", len(b), most)
	}
}

func TestEventTextIsBounded(t *testing.T) {
	by := handle.Person{Name: strings.Repeat("é\n", 1000)}
	r := launch().RecordRefusal(by, handle.RefusalReason(strings.Repeat("x", 1000)), at).RecordBypass(strings.Repeat("😀", 1000), at)
	for _, e := range r.Events {
		if len(e.Text) > 300 || len(e.By.Name) > 80 || strings.Contains(e.By.Name, "\n") {
			t.Errorf("%s: got %d bytes of text and the name %.20q of %d", e.Kind, len(e.Text), e.By.Name, len(e.By.Name))
		}
	}
}
