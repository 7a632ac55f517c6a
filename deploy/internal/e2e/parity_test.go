package e2e_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// story is what happens to one stack.
type scenario struct {
	name, template     string
	failures           map[string]string // why, by request type and logical ID
	earlySignals       []string          // signals that come before the wait begins
	signals            []string          // that come while ApprovalWait waits
	deleteWhileWaiting bool              // the stack is deleted while it waits
	status             string            // the stack's status
	statusAfterDelete  string            // then the stack is deleted, and ends so
}

// The made CloudFormation of deploy/internal/fakecfn does what MiniStack's does: the same
// events with the same reasons, the same requests to custom resources, the same
// outputs. Where the two differ AWS's documents say what is right, and the
// difference has its name among the deviations.
func TestSimulatedCloudFormationMatchesMiniStack(t *testing.T) {
	m := startMiniStack(t)
	p := newProvider(t)
	p.createFunction(t, m)
	theirs, ours := newMiniStackEngine(t, m), newSimulated(t, p)
	var seen sync.Map
	t.Run("story", func(t *testing.T) {
		for _, s := range scenarios(t) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				name := "twin-" + strings.ReplaceAll(s.name, " ", "-")
				got := ours.run(t, s, p, name)
				want := theirs.run(t, s, p, name+"-at-ministack")
				for _, d := range differences {
					before := got
					if got = d.apply(s, got); !cmp.Equal(before, got) {
						seen.Store(d.description, nil)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("MiniStack (-) and the made CloudFormation (+) differ:\n%s", diff)
				}
			})
		}
	})
	for _, d := range differences {
		if _, ok := seen.Load(d.description); !ok && !t.Failed() {
			t.Errorf("no story shows any more that %s: take it out of the list", d.description)
		}
	}
}

func scenarios(t *testing.T) []scenario {
	sample := product(t, "deploy/product.yaml", "function:countersign-notifier", "function:provider",
		"  UserEmail:\n", "  UserEmail:\n    Default: rita@example.com\n", "  Purpose:\n", "  Purpose:\n    Default: Orders <!channel> & returns\n")
	original := product(t, "deploy/gate/testdata/sample-gate.yaml", "sns:${AWS::Region}:${AWS::AccountId}:approvals", "lambda:${AWS::Region}:${AWS::AccountId}:function:provider")
	approve, reject := signal("SUCCESS", "approved-1", "Approved by Ann"), signal("FAILURE", "rejected-1", `Rejected by Ann: it's "too" big <&> “so”`)
	return []scenario{
		{name: "approved and terminated", template: sample, signals: []string{approve}, status: "CREATE_COMPLETE", statusAfterDelete: "DELETE_COMPLETE"},
		{name: "approved before it waits", template: sample, earlySignals: []string{approve}, status: "CREATE_COMPLETE"},
		{name: "rejected", template: sample, signals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "rejected before it waits", template: sample, earlySignals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "not decided in time", template: withTimeout(sample, "2"), status: "ROLLBACK_COMPLETE"},
		{name: "bypassed", template: sample, signals: []string{signal("SUCCESS", "thief", "")},
			failures: map[string]string{"Create ApprovalVerdict": "Nobody approved this launch"}, status: "ROLLBACK_COMPLETE"},
		{name: "not asked", template: sample, failures: map[string]string{"Create ApprovalRequest": "Timeout must be at least 180 s"}, status: "ROLLBACK_COMPLETE"},
		{name: "withdrawn", template: sample, deleteWhileWaiting: true, status: "DELETE_COMPLETE"},
		{name: "withdrawn and told", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Delete"), deleteWhileWaiting: true, status: "DELETE_COMPLETE"},
		{name: "retained", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Retain"), signals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "not rolled back", template: sample, signals: []string{reject},
			failures: map[string]string{"Delete ApprovalRequest": "The store is down"}, status: "ROLLBACK_FAILED"},
		{name: "not deleted", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Delete"), signals: []string{approve},
			failures: map[string]string{"Delete ApprovalRequest": "The store is down"}, status: "CREATE_COMPLETE", statusAfterDelete: "DELETE_FAILED"},
		{name: "said twice and contradicted", template: twoSignals, earlySignals: []string{approve}, signals: []string{approve, signal("FAILURE", "approved-1", "no"), signal("SUCCESS", "approved-2", "")},
			status: "CREATE_COMPLETE"},
		{name: "half decided", template: withTimeout(twoSignals, "2"), earlySignals: []string{approve}, status: "ROLLBACK_COMPLETE"},
		{name: "unparsable", template: sample, signals: []string{"SUCCESS", reject}, status: "ROLLBACK_COMPLETE"},
		{name: "the original approved", template: original, earlySignals: []string{approve}, status: "CREATE_COMPLETE", statusAfterDelete: "DELETE_COMPLETE"},
		{name: "the original rejected", template: original, earlySignals: []string{reject}, status: "ROLLBACK_COMPLETE"},
		{name: "side by side", template: diamond, status: "CREATE_COMPLETE"},
	}
}

func signal(status, id, reason string) string {
	b, _ := json.Marshal(handle.SignalBody{Status: status, UniqueID: id, Reason: reason, Data: "r1"}) // cannot fail: strings only
	return string(b)
}

// waits lets the wait of a template time out after so many seconds.
func withTimeout(template, seconds string) string {
	return strings.ReplaceAll(template, "'39600'", "'"+seconds+"'")
}

// two waits for two signals.
const twoSignals = `
Resources:
  ApprovalHandle: {Type: AWS::CloudFormation::WaitConditionHandle}
  ApprovalRequest:
    Type: Custom::ApprovalRequest
    Properties: {ServiceToken: '` + providerARN + `', WaitUrl: !Ref ApprovalHandle, Approvals: 2, Urgent: true, Sizes: [1, 2.5, large]}
  ApprovalWait:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: ApprovalRequest
    Properties: {Handle: !Ref ApprovalHandle, Timeout: '39600', Count: 2}
Outputs:
  Data: {Value: !GetAtt ApprovalWait.Data}
  Request: {Value: !Ref ApprovalRequest}
`

// diamond is one, then two that could stand side by side, then one.
const diamond = `
Resources:
  Bottom: {Type: AWS::SQS::Queue, DependsOn: [Left, Right]}
  Left: {Type: AWS::SQS::Queue, DependsOn: Top}
  Right: {Type: AWS::SQS::Queue, DependsOn: Top}
  Top: {Type: AWS::SQS::Queue}
`
