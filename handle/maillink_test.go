package handle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

func lockedNames(r handle.Request) (names []string) {
	for _, n := range r.Notifications() {
		if n.Kind() == handle.NotifyLocked {
			names = append(names, n.Name)
		}
	}
	return names
}

func TestWrongCodesLockOneLink(t *testing.T) {
	approve, reject := ticket(handle.Approve).WrongCode("a"), ticket(handle.Reject).WrongCode("b")
	r := launch()
	for i := range handle.MaxWrongCodes {
		if r.LinkLocked(approve) || len(lockedNames(r)) != 0 {
			t.Fatalf("locked after %d wrong codes", i)
		}
		// Attackers choose the name that they type.
		r = r.RecordRefusal(handle.Person{Name: fmt.Sprint("Kim", i)}, approve, at.Add(time.Duration(i)*time.Minute))
	}
	if !r.LinkLocked(approve) || r.LinkLocked(reject) || r.LinkLocked(ticket(handle.Approve).WrongCode("rotated key")) {
		t.Error("want one link locked, and only that")
	}
	names := lockedNames(r)
	if len(names) != 1 || !needs(postAndNotify(r), "tell/"+names[0]) {
		t.Fatalf("notifications %q", names)
	}
	for _, n := range r.Notifications() {
		if n.Kind() == handle.NotifyLocked && (!n.At.Equal(at.Add(4*time.Minute)) || n.Verdict != handle.Approve) {
			t.Errorf("got %+v", n)
		}
	}
	for range handle.MaxWrongCodes {
		r = r.RecordRefusal(handle.Person{Name: "Kim"}, reject, at.Add(time.Hour))
	}
	if got := lockedNames(r); len(got) != 2 || got[0] != names[0] {
		t.Errorf("notifications %q", got)
	}
	if got := lockedNames(r.Withdraw("x", at.Add(2*time.Hour))); len(got) != 0 {
		t.Errorf("after the decision: notifications %q", got)
	}
}

// TestWrongCodesOfEarlierReleases count for every link. They were never reported.
func TestWrongCodesOfEarlierReleases(t *testing.T) {
	r := launch()
	for range handle.MaxWrongCodes {
		r = r.RecordRefusal(handle.Person{Name: "Kim"}, handle.RefusedWrongCode, at)
	}
	if !r.LinkLocked(ticket(handle.Approve).WrongCode("a")) || !r.LinkLocked(ticket(handle.Reject).WrongCode("b")) {
		t.Error("a link still decides")
	}
	if got := lockedNames(r); len(got) != 0 {
		t.Errorf("notifications %q", got)
	}
}

// TestCountOfWrongCodesIsExact mixes wrong codes into more refusals than the record
// keeps apart.
func TestCountOfWrongCodesIsExact(t *testing.T) {
	link := ticket(handle.Approve).WrongCode("a")
	r := launch()
	for i := range 400 {
		r = r.RecordRefusal(handle.Person{Name: fmt.Sprint("Kim", i)}, handle.RefusedDecided, at)
	}
	for i := range 4 {
		r = r.RecordRefusal(handle.Person{Name: fmt.Sprint("Kim", i)}, link, at)
	}
	if got := r.WrongCodes(link); got != 4 {
		t.Errorf("got %d, want 4", got)
	}
}

func TestActionsAreNotVerdicts(t *testing.T) {
	id := ticket(handle.Approve).ID
	for _, want := range []handle.Action{{ID: id, Name: "details"}, {ID: id, Name: "answer", Item: "q12"}} {
		value := want.String()
		if got, err := handle.ParseAction(value); got != want || err != nil {
			t.Errorf("%q: got %+v, %v", value, got, err)
		}
		if _, err := handle.ParseTicket(value); err == nil {
			t.Errorf("%q is a ticket", value)
		}
	}
	value := handle.Action{ID: id, Name: "ask"}.String()
	for _, s := range []string{"", ".ask", "v1..ask", id, "v1." + id, id + ".ask", "v2." + id + ".ask", value + ".q1.q2", value + ".", value + ". ", value + "\n", "v1.v1." + id + ".ask", "v1." + id + ".", value + strings.Repeat("x", 75)} {
		if got, err := handle.ParseAction(s); err == nil {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}
