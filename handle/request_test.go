package handle_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
	"countersign/handle/handletest"
)

// fullRequest returns a request with something in every list, map and pointer.
func fullRequest(t *testing.T) handle.Request {
	t.Helper()
	r := votes(t, postAndNotify(launch()), handle.Approve, at, ann).RecordBypass("x", at).AdoptMessage("C0APPROVALS", "1.000009")
	r = votes(t, r, handle.Approve, at, ben)
	r = r.RecordRefusal(voter(sam).Person, handle.RefusedDecided, at).MarkSignalled("", at)
	r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", Outputs: []handle.Field{{Name: "Queue", Value: "q"}}, At: at})
	r.Votes[0].By.Aliases, r.Decision.By.Aliases, r.Events[0].By.Aliases = []string{"W0ANN"}, []string{"W0BEN"}, []string{"W0SAM"}
	r.Reasked = []time.Time{at}
	r.Direct = &handle.Message{Channel: "D0ROB", TS: "1.000002"}
	r.Update = &handle.Update{Changes: []handle.Change{{Name: "A"}}}
	r.Grant = &handle.Grant{RevokedBy: handle.Person{Aliases: []string{"W0ANN"}}}
	r.Terms.Reminders, r.Terms.EscalateTo, r.Terms.ReassignTo, r.FirstApprovers = []time.Time{at}, []string{sam}, []string{sam}, []string{ann}
	alias := handle.Person{ID: "U0ANN", Aliases: []string{"W0ANN"}}
	r.Questions = []handle.Question{{By: alias, Answer: &handle.Answer{By: alias}}}
	r.Reviews, r.Nudges = []handle.Review{{By: alias}}, []handle.Nudge{{At: at}}
	r.Reassignments = []handle.Reassignment{{By: alias, To: []string{sam}}}
	r.Groups = map[string]handle.Group{guards: {Members: []string{gil}}}
	r, _ = r.Claim("one", at)
	return r.RecordFailure(handle.Step{Kind: handle.StepNotify, Notification: handle.Notification{Name: handle.NotifyEnded}}, handle.Failure{Reason: "no answer"}, at)
}

// sharedFields returns the fields through which a and b share mutable memory. It
// fails the test for empty fields, where it cannot tell.
func sharedFields(t *testing.T, a, b reflect.Value, path string) []string {
	t.Helper()
	var list []string
	switch a.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if a.IsNil() || a.Kind() != reflect.Pointer && a.Len() == 0 {
			t.Errorf("%s is empty: set it in fullRequest", path)
			return nil
		}
		if a.Pointer() == b.Pointer() {
			return []string{path}
		}
	}
	switch a.Kind() {
	case reflect.Pointer:
		return sharedFields(t, a.Elem(), b.Elem(), path)
	case reflect.Slice:
		return sharedFields(t, a.Index(0), b.Index(0), path+"[0]")
	case reflect.Struct:
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[handle.WaitURL]() {
				list = append(list, sharedFields(t, a.Field(i), b.Field(i), path+"."+f.Name)...)
			}
		}
	}
	return list
}

func TestCloneSharesNoMemory(t *testing.T) {
	r := fullRequest(t)
	clone := r.Clone()
	wantSame(t, "the clone", r, clone)
	if list := sharedFields(t, reflect.ValueOf(r), reflect.ValueOf(clone), "Request"); len(list) > 0 {
		t.Errorf("a clone shares memory through %v", list)
	}
	if diff := handletest.Diff(handle.Request{}, handle.Request{}.Clone()); diff != "" {
		t.Errorf("the clone of the zero Request (-want +got):\n%s", diff)
	}
}

func TestStateIsThatOfTheDecision(t *testing.T) {
	if got := (handle.Request{}).State(); got != handle.Pending {
		t.Errorf("without a decision: got %s, want %s", got, handle.Pending)
	}
	for want, r := range closedRequests(t, launch()) {
		if got := r.State(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRecordCreation(t *testing.T) {
	r := handle.Request{CreatedAt: at}
	if diff := cmp.Diff([]handle.Event{{At: at, Kind: handle.EventCreated}}, r.RecordCreation().Events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Events) != 0 {
		t.Error("RecordCreation changed its receiver")
	}
}
