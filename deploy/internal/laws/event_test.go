package laws_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/laws"
	"countersign/handle"
)

const waiting = `
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Request: {Type: Custom::ApprovalRequest, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f', WaitUrl: !Ref Handle}}
`

// TestCheckWriteReportsForgedEvents checks what no event may cause that is not
// CloudFormation's.
func TestCheckWriteReportsForgedEvents(t *testing.T) {
	template, err := gate.Parse([]byte(waiting))
	if err != nil {
		t.Fatal(err)
	}
	engine := fakecfn.New(fakecfn.Config{Now: func() time.Time { return start }, Origin: "http://cloudformation.localhost"})
	stacks := map[string]fakecfn.Stack{}
	for _, account := range []string{"111122223333", "444455556666"} {
		id, err := engine.CreateStack(fakecfn.CreateStackInput{Name: "s" + account, Template: template, Account: account})
		if err != nil {
			t.Fatal(err)
		}
		stacks[account], _ = engine.Stack(id)
	}
	record := func(account, request string) handle.Request {
		id := stacks[account].ID
		return handle.Request{ID: handle.NewID(id, "Request", request), Rev: 1, CreatedAt: start, Stack: handle.Stack{ID: id, Gate: "Request"}, Terms: handle.Terms{Deadline: start.Add(time.Hour), Approvers: []string{"U0ANN"}, Approvals: 1}}
	}
	own := record("111122223333", stacks["111122223333"].Requests[0].ID)
	posted := []handle.Message{{Channel: "C0", TS: "1.0"}}
	unapprovable := own.Clone() // can approve it
	unapprovable.Terms.Approvers = []string{"U0GONE"}
	changed := func(change func(*handle.Request)) handle.Request {
		r := own.Clone()
		r.Rev++
		change(&r)
		return r
	}
	for _, test := range []struct {
		name   string
		old, r handle.Request
		want   string // empty: lawful
	}{
		{"a genuine request", handle.Request{}, own, ""},
		{"a request of a forged event", handle.Request{}, record("111122223333", "forged"), "no forged event creates a request"},
		{"a request recorded before its answer", handle.Request{}, record("444455556666", stacks["444455556666"].Requests[0].ID), "recorded once its answer is accepted"},
		{"a withdrawal during the creation", own, changed(func(r *handle.Request) {
			r.Messages = posted
			r.Decision = &handle.Decision{State: handle.Withdrawn, Reason: "the stack was rolled back or deleted before a decision", At: start}
		}), "no forged event withdraws a request"},
		{"a withdrawal for lack of approvers", unapprovable, changed(func(r *handle.Request) {
			r.Terms.Approvers = unapprovable.Terms.Approvers
			r.Decision = &handle.Decision{State: handle.Withdrawn, Reason: "no one is left", At: start}
		}), ""},
		{"a withdrawal that only says so", own, changed(func(r *handle.Request) {
			r.Messages = posted
			r.Decision = &handle.Decision{State: handle.Withdrawn, Reason: "no one is left who can approve this launch", At: start}
		}), "no forged event withdraws a request"},
		{"an end that never was", own, changed(func(r *handle.Request) { r.Ended = &handle.Ended{Status: "CREATE_COMPLETE"} }), "no forged event ends a launch"},
		{"a bypass of a wait that waits", own, changed(func(r *handle.Request) { r.Bypass = &handle.Bypass{How: "x"} }), "no forged event records a bypass"},
	} {
		workspace := slacktest.New(slacktest.Config{TeamID: "T0"})
		workspace.AddUser(slacktest.User{ID: "U0ANN", TeamID: "T0"})
		checker := laws.Checker{Team: "T0", Account: "111122223333", Slack: workspace, CloudFormation: engine}
		found := checker.CheckWrite(test.old, test.r, start)
		if got := fmt.Sprint(found); test.want == "" && len(found) > 0 || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %q", test.name, got, test.want)
		}
	}
}
