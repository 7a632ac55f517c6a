package dynamo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

func TestWriteConditions(t *testing.T) {
	r := handletest.Request(1, at)
	r.Rev = 3
	for _, test := range []struct {
		name      string
		write     func(*dynamo.Store) (handle.Request, error)
		condition string
		rev       string
	}{
		{"Create", func(s *dynamo.Store) (handle.Request, error) { return s.Create(t.Context(), r) }, `attribute_not_exists (StackKey)`, "1"},
		{"Replace", func(s *dynamo.Store) (handle.Request, error) { return s.Replace(t.Context(), r) }, `Rev = {"N":"3"}`, "4"},
	} {
		s, fake := newFake(t, empty)
		next, err := test.write(s)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := fmt.Sprint(next.Rev); got != test.rev {
			t.Errorf("%s: returned revision %s, want %s", test.name, got, test.rev)
		}
		if len(fake.calls) != 1 || fake.calls[0].operation != "PutItem" {
			t.Fatalf("%s: sent %d requests, want one PutItem", test.name, len(fake.calls))
		}
		put := fake.calls[0]
		if got := resolve(put, "ConditionExpression"); got != test.condition {
			t.Errorf("%s: condition %q, want %q", test.name, got, test.condition)
		}
		if got := put.body["ReturnValuesOnConditionCheckFailure"]; got != "ALL_OLD" {
			t.Errorf("%s: ReturnValuesOnConditionCheckFailure %v, want ALL_OLD", test.name, got)
		}
		item := put.body["Item"].(map[string]any)
		if got := item["Rev"].(map[string]any)["N"]; got != test.rev {
			t.Errorf("%s: attribute Rev %v, want %s", test.name, got, test.rev)
		}
	}
}

// Deployed tables have these attributes. The wait URL must be in Record only.
func TestItemAttributes(t *testing.T) {
	s, fake := newFake(t, empty)
	r := handletest.Request(1, at).IdentifyRequester("", nil, false)
	voter := handle.Voter{Person: handle.Person{Team: "T0", ID: r.Terms.Approvers[0], Name: "Ann Approver"}, Home: true}
	r, err := r.VoteBySlack(voter, handle.Approve, "", at.Add(90*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	item := fake.calls[0].body["Item"].(map[string]any)
	text := func(name string) string {
		value, _ := item[name].(map[string]any)
		s, _ := value["S"].(string)
		return s
	}
	wantText := map[string]string{
		"StackKey":    r.ID[:16],
		"GateKey":     r.ID[17:],
		"Kind":        "request",
		"Wake":        "2026-11-22T10:00:00.000000000Z",
		"Id":          r.ID,
		"State":       "approved",
		"CreatedAt":   "2026-11-22T10:00:00.000000000Z",
		"StackName":   r.Stack.Name,
		"StackId":     r.Stack.ID,
		"Product":     r.Product.Name,
		"Principal":   r.Requester.Principal,
		"Email":       r.Requester.Email,
		"DecidedAt":   "2026-11-22T11:30:00.000000000Z",
		"DecidedBy":   "Ann Approver",
		"DecidedById": r.Terms.Approvers[0],
	}
	for name := range item {
		if _, ok := wantText[name]; !ok && name != "Rev" && name != "Record" {
			t.Errorf("unknown attribute %s", name)
		}
	}
	for name, want := range wantText {
		if got := text(name); got != want {
			t.Errorf("attribute %s: got %q, want %q", name, got, want)
		}
	}
	if got, err := handle.Decode([]byte(text("Record"))); err != nil || got.WaitURL.Expose() != r.WaitURL.Expose() {
		t.Errorf("attribute Record does not hold the request with its wait URL: %v", err)
	}
	delete(item, "Record")
	rest, err := json.Marshal(fake.calls[0].body)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"X-Amz-", "cloudformation-waitcondition"} {
		if bytes.Contains(rest, []byte(secret)) {
			t.Errorf("%q is in the request beside Record", secret)
		}
	}
}

// An item without Wake is not in the index Due.
func TestItemWithNothingDueHasNoWake(t *testing.T) {
	s, fake := newFake(t, empty)
	r := handle.Request{ID: handletest.Request(1, at).ID, Decision: &handle.Decision{State: handle.Withdrawn}, Signal: &handle.Signal{}, Ended: &handle.Ended{}}
	if !r.NextDue().IsZero() {
		t.Fatalf("the request is due at %v", r.NextDue())
	}
	if _, err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if wake, found := fake.calls[0].body["Item"].(map[string]any)["Wake"]; found {
		t.Errorf("attribute Wake: got %v, want none", wake)
	}
}
