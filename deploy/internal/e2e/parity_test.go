package e2e_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// scenario is what happens to one stack.
type scenario struct {
	name, template     string
	failures           map[string]string // reasons of failed custom resource requests, by "RequestType LogicalId"; each fails once
	earlySignals       []string          // sent before the wait begins
	signals            []string          // sent while ApprovalWait waits
	deleteWhileWaiting bool
	status             string // the stack's final status
	update             string // if set, the template of an update that follows
	statusAfterUpdate  string
	replaced           []string // custom resources that answer an update with a new physical ID, and its rollback with the old one
	statusAfterDelete  string   // if set, the stack is then deleted and ends with this status
}

// The simulated CloudFormation behaves like MiniStack's: same events and reasons,
// same requests to custom resources, same outputs. Where they differ, the simulated
// one follows AWS's documentation, and the difference is listed in differences. The
// events of updates are not compared: MiniStack has events for resources that do not
// change.
func TestSimulatedCloudFormationMatchesMiniStack(t *testing.T) {
	m := startMiniStack(t)
	p := newProvider(t)
	createForwarder(t, awsConfig(m.origin), "provider", p.origin)
	ministack, simulated := newMiniStackEngine(t, m), newSimulated(t, p)
	var seen sync.Map
	t.Run("scenario", func(t *testing.T) {
		for _, s := range scenarios(t) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				name := "parity-" + strings.ReplaceAll(s.name, " ", "-")
				got := simulated.run(t, s, p, name)
				want := ministack.run(t, s, p, name+"-at-ministack")
				for _, d := range differences {
					before := got
					if got = d.apply(s, got); !cmp.Equal(before, got) {
						seen.Store(d.description, nil)
					}
				}
				if s.update != "" {
					got.Events, want.Events = nil, nil
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("MiniStack (-) and the simulated CloudFormation (+) differ:\n%s", diff)
				}
			})
		}
	})
	for _, d := range differences {
		if _, ok := seen.Load(d.description); !ok && !t.Failed() {
			t.Errorf("no scenario shows any more that %s: remove it from the list", d.description)
		}
	}
}

func scenarios(t *testing.T) []scenario {
	sample := product(t, "deploy/product.yaml", "function:countersign-notifier", "function:provider",
		"  UserEmail:\n", "  UserEmail:\n    Default: rita@example.com\n", "  Purpose:\n", "  Purpose:\n    Default: Orders <!channel> & returns\n")
	original := product(t, "deploy/gate/testdata/sample-gate.yaml", "sns:${AWS::Region}:${AWS::AccountId}:approvals", "lambda:${AWS::Region}:${AWS::AccountId}:function:provider")
	changed := strings.ReplaceAll(sample, "    Default: 4\n", "    Default: 7\n")
	approve, reject := signal("SUCCESS", "approved-1", "Approved by Ann"), signal("FAILURE", "rejected-1", `Rejected by Ann: it's "too" big <&> “so”`)
	return []scenario{
		{name: "approved and terminated", template: sample, signals: []string{approve}, status: "CREATE_COMPLETE", statusAfterDelete: "DELETE_COMPLETE"},
		{name: "approved before it waits", template: sample, earlySignals: []string{approve}, status: "CREATE_COMPLETE"},
		{name: "rejected", template: sample, signals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "rejected before it waits", template: sample, earlySignals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "not decided in time", template: withTimeout(sample, "2"), status: "ROLLBACK_COMPLETE"},
		{name: "bypassed", template: sample, signals: []string{signal("SUCCESS", "bypass", "")},
			failures: map[string]string{"Create ApprovalVerdict": "no approval"}, status: "ROLLBACK_COMPLETE"},
		{name: "request fails", template: sample, failures: map[string]string{"Create ApprovalRequest": "Timeout must be at least 180 s"}, status: "ROLLBACK_COMPLETE"},
		{name: "withdrawn", template: sample, deleteWhileWaiting: true, status: "DELETE_COMPLETE"},
		{name: "withdrawn without retention", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Delete"), deleteWhileWaiting: true, status: "DELETE_COMPLETE"},
		{name: "retained", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Retain"), signals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "not rolled back", template: sample, signals: []string{reject},
			failures: map[string]string{"Delete ApprovalRequest": "The store is down"}, status: "ROLLBACK_FAILED"},
		{name: "not deleted", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Delete"), signals: []string{approve},
			failures: map[string]string{"Delete ApprovalRequest": "The store is down"}, status: "CREATE_COMPLETE", statusAfterDelete: "DELETE_FAILED"},
		{name: "duplicate and contradicting signals", template: twoSignals, earlySignals: []string{approve}, signals: []string{approve, signal("FAILURE", "approved-1", "no"), signal("SUCCESS", "approved-2", "")},
			status: "CREATE_COMPLETE"},
		{name: "one of two signals", template: withTimeout(twoSignals, "2"), earlySignals: []string{approve}, status: "ROLLBACK_COMPLETE"},
		{name: "unparsable signal", template: sample, signals: []string{"SUCCESS", reject}, status: "ROLLBACK_COMPLETE"},
		{name: "the original approved", template: original, earlySignals: []string{approve}, status: "CREATE_COMPLETE", statusAfterDelete: "DELETE_COMPLETE"},
		{name: "the original rejected", template: original, earlySignals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "parallel creation", template: diamond, status: "CREATE_COMPLETE"},
		{name: "update approved", template: sample, earlySignals: []string{approve}, status: "CREATE_COMPLETE",
			update: changed, replaced: []string{"ApprovalRequest"}, statusAfterUpdate: "UPDATE_COMPLETE", statusAfterDelete: "DELETE_COMPLETE"},
		{name: "update that the gate keeps", template: sample, earlySignals: []string{approve}, status: "CREATE_COMPLETE",
			update: changed, statusAfterUpdate: "UPDATE_COMPLETE"},
		{name: "update rejected", template: sample, earlySignals: []string{approve}, status: "CREATE_COMPLETE",
			update: changed, failures: map[string]string{"Update ApprovalRequest": "Rejected by Ann"}, statusAfterUpdate: "UPDATE_ROLLBACK_COMPLETE"},
		{name: "update without a verdict", template: sample, earlySignals: []string{approve}, status: "CREATE_COMPLETE", update: changed,
			replaced: []string{"ApprovalRequest"}, failures: map[string]string{"Update ApprovalVerdict": "no approval"}, statusAfterUpdate: "UPDATE_ROLLBACK_COMPLETE"},
		{name: "update past the gate", template: sample, earlySignals: []string{approve}, status: "CREATE_COMPLETE",
			update: strings.ReplaceAll(sample, "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 60"), statusAfterUpdate: "UPDATE_COMPLETE"},
	}
}

func signal(status, id, reason string) string {
	b, _ := json.Marshal(handle.SignalBody{Status: status, UniqueID: id, Reason: reason, Data: "r1"}) // cannot fail: strings only
	return string(b)
}

// withTimeout sets the timeout of a template's wait condition.
func withTimeout(template, seconds string) string {
	return strings.ReplaceAll(template, "'28800'", "'"+seconds+"'")
}

// twoSignals is a template that waits for two signals.
const twoSignals = `
Resources:
  ApprovalHandle: {Type: AWS::CloudFormation::WaitConditionHandle}
  ApprovalRequest:
    Type: Custom::ApprovalRequest
    Properties: {ServiceToken: '` + providerARN + `', WaitUrl: !Ref ApprovalHandle, Approvals: 2, Urgent: true, Sizes: [1, 2.5, large]}
  ApprovalWait:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: ApprovalRequest
    Properties: {Handle: !Ref ApprovalHandle, Timeout: '28800', Count: 2}
Outputs:
  Data: {Value: !GetAtt ApprovalWait.Data}
  Request: {Value: !Ref ApprovalRequest}
`

// diamond is a template with two resources that may be created in parallel.
const diamond = `
Resources:
  Bottom: {Type: AWS::SQS::Queue, DependsOn: [Left, Right]}
  Left: {Type: AWS::SQS::Queue, DependsOn: Top}
  Right: {Type: AWS::SQS::Queue, DependsOn: Top}
  Top: {Type: AWS::SQS::Queue}
`
