package handle_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
	"countersign/handle/handletest"
)

// storedV1 is the request in testdata/request-v1.json, as an earlier release
// encoded it. Deployed tables hold such documents, so never regenerate the file.
func storedV1() handle.Request {
	clock := func(hour, minute, second int) time.Time {
		return time.Date(2026, 11, 23, hour, minute, second, 123456789, time.UTC)
	}
	return handle.Request{
		ID:        "9d7698w6yqhuzcrp-zt39tjwz",
		Rev:       9,
		CreatedAt: clock(9, 0, 0),
		Stack: handle.Stack{
			ID:   "arn:aws:cloudformation:us-east-1:111122223333:stack/SC-111122223333-pp-abcdefghijklm/5f0c1d70-c8a1-11f0-9f6a-0123456789ab",
			Name: "SC-111122223333-pp-abcdefghijklm", Account: "111122223333", Region: "us-east-1", Gate: "ApprovalRequest",
			Status: "CREATE_COMPLETE", Reason: "a reason", StatusAt: clock(10, 9, 0),
		},
		Product: handle.Product{
			Name: "Workbench", ID: "prod-4abcdefghijkl", Version: "pa-4abcdefghijkl", Portfolio: "port-4abcdefghijkl",
			Provisioned: "workbench-1", ProvisionedID: "pp-abcdefghijklm",
		},
		Requester: handle.Requester{
			Email: "rob@example.com", Principal: "arn:aws:sts::111122223333:assumed-role/Developers/rob@example.com",
			SlackID: "U0ROB", SlackIDs: []string{"U0ROB", "W0ROB"}, LookedUp: true, Proven: true,
		},
		Purpose:    "Monthly report <draft> & review",
		Details:    []handle.Field{{Name: "Instance type", Value: "m7i.large"}},
		Parameters: []handle.Field{{Name: "InstanceType", Value: "m7i.large"}, {Name: "MasterPassword", Value: "****"}},
		Terms: handle.Terms{
			Channel: "C0APPROVALS", Approvers: []string{"U0ANN", "S0GUARDS"}, Approvals: 2, SelfApproval: true,
			Deadline: clock(19, 58, 0), RemindAt: clock(17, 13, 30),
		},
		WaitURL: handle.StoredWaitURL("https://wait.example.com/a%3Ab%7Cc?d=%2B&e=<f>"),
		Votes: []handle.Vote{
			{By: handle.Person{Team: "T0HOME", ID: "U0ANN", Name: "Ann <&> Approver"}, Verdict: handle.Approve, Reason: "fine", Via: handle.ViaSlack, At: clock(10, 0, 0)},
			{By: handle.Person{Name: "Ben"}, Verdict: handle.Reject, Reason: "too dear", Via: handle.ViaMail, At: clock(10, 1, 0)},
		},
		Decision: &handle.Decision{State: handle.Rejected, By: handle.Person{Team: "T0HOME", ID: "U0BEN", Name: "Ben"}, Reason: "too dear", Via: handle.ViaMail, At: clock(10, 1, 0)},
		Signal:   &handle.Signal{Status: "FAILURE", At: clock(10, 2, 0), Undeliverable: "403 Forbidden"},
		Bypass:   &handle.Bypass{At: clock(10, 10, 0), How: "the stack reached CREATE_COMPLETE and the request was rejected"},
		Ended: &handle.Ended{
			Status: "CREATE_COMPLETE", Reason: "ended", Outputs: []handle.Field{{Name: "Queue", Value: "https://sqs.example.com/q"}},
			At: clock(10, 10, 0), Superseded: true,
		},
		Messages: []handle.Message{{Channel: "C0APPROVALS", TS: "1.000001", Shown: "rejected for U0ROB"}, {Channel: "D0ANN", TS: "1.000009"}},
		Delivered: map[string]handle.Delivery{
			"reply/asked":    {At: clock(9, 0, 1), Channel: "C0APPROVALS", TS: "1.000002"},
			"direct/decided": {At: clock(10, 2, 1), Channel: "D0ROB", TS: "1.000003"},
			"mail/asked":     {At: clock(9, 0, 2)},
		},
		Attempts: map[string]handle.Attempts{
			"tell/ended":                   {Count: 2, Since: clock(10, 10, 1), NotBefore: clock(10, 10, 21), Reason: "rate limited", RateLimited: true},
			"refresh/C0APPROVALS/1.000001": {Count: 1, Since: clock(10, 10, 1), NotBefore: clock(10, 10, 11), Reason: "channel_not_found", Abandoned: true},
		},
		Lease: handle.Lease{Holder: "notifier-1", Until: clock(10, 10, 30)},
		Events: []handle.Event{
			{At: clock(9, 0, 0), Kind: handle.EventCreated},
			{At: clock(9, 0, 1), Kind: handle.EventAsked, Text: "slack C0APPROVALS 1.000001"},
			{At: clock(9, 30, 0), Kind: handle.EventRefused, By: handle.Person{Team: "T0HOME", ID: "U0SAM", Name: "Sam"}, Text: "not an approver", Count: 3},
		},
	}
}

func TestRequestStoredByEarlierReleaseDecodesAndEncodesUnchanged(t *testing.T) {
	stored, err := os.ReadFile("testdata/request-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := handle.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	if d := handletest.Diff(storedV1(), got); d != "" {
		t.Errorf("decoded (-want +got):\n%s", d)
	}
	encoded, err := handle.Encode(got)
	if err != nil {
		t.Fatal(err)
	}
	var want, again any
	if err := errors.Join(json.Unmarshal(stored, &want), json.Unmarshal(encoded, &again)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, again); d != "" {
		t.Errorf("encoded again (-stored +now):\n%s", d)
	}
}
