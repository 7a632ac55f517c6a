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
type story struct {
	name, template string
	refuse         map[string]string // why, by request type and logical ID
	early          []string          // signals that come before the wait begins
	signals        []string          // that come while ApprovalWait waits
	withdraw       bool              // the stack is deleted while it waits
	end            string            // the stack's status
	terminate      string            // then the stack is deleted, and ends so
}

// The made CloudFormation of deploy/internal/fakecfn does what MiniStack's does: the same
// events with the same reasons, the same requests to custom resources, the same
// outputs. Where the two differ AWS's documents say what is right, and the
// difference has its name among the deviations.
func TestMadeCloudFormation(t *testing.T) {
	m := startMiniStack(t)
	p := newProvider(t)
	p.hire(t, m)
	theirs, ours := newMiniStackTwin(t, m), newMade(t, p)
	var seen sync.Map
	t.Run("story", func(t *testing.T) {
		for _, s := range twinStories(t) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				name := "twin-" + strings.ReplaceAll(s.name, " ", "-")
				got := ours.play(t, s, p, name)
				want := theirs.play(t, s, p, name+"-at-ministack")
				for _, d := range deviations {
					before := got
					if got = d.apply(s, got); !cmp.Equal(before, got) {
						seen.Store(d.what, nil)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("MiniStack (-) and the made CloudFormation (+) differ:\n%s", diff)
				}
			})
		}
	})
	for _, d := range deviations {
		if _, ok := seen.Load(d.what); !ok && !t.Failed() {
			t.Errorf("no story shows any more that %s: take it out of the list", d.what)
		}
	}
}

func twinStories(t *testing.T) []story {
	sample := product(t, "deploy/product.yaml", "function:countersign-notifier", "function:provider",
		"  UserEmail:\n", "  UserEmail:\n    Default: rita@example.com\n", "  Purpose:\n", "  Purpose:\n    Default: Orders <!channel> & returns\n")
	original := product(t, "deploy/gate/testdata/sample-gate.yaml", "sns:${AWS::Region}:${AWS::AccountId}:approvals", "lambda:${AWS::Region}:${AWS::AccountId}:function:provider")
	approve, reject := signal("SUCCESS", "approved-1", "Approved by Ann"), signal("FAILURE", "rejected-1", `Rejected by Ann: it's "too" big <&> “so”`)
	return []story{
		{name: "approved and terminated", template: sample, signals: []string{approve}, end: "CREATE_COMPLETE", terminate: "DELETE_COMPLETE"},
		{name: "approved before it waits", template: sample, early: []string{approve}, end: "CREATE_COMPLETE"},
		{name: "rejected", template: sample, signals: []string{reject}, end: "ROLLBACK_COMPLETE"},
		{name: "rejected before it waits", template: sample, early: []string{reject}, end: "ROLLBACK_COMPLETE"},
		{name: "not decided in time", template: waits(sample, "2"), end: "ROLLBACK_COMPLETE"},
		{name: "bypassed", template: sample, signals: []string{signal("SUCCESS", "thief", "")},
			refuse: map[string]string{"Create ApprovalVerdict": "Nobody approved this launch"}, end: "ROLLBACK_COMPLETE"},
		{name: "not asked", template: sample, refuse: map[string]string{"Create ApprovalRequest": "Timeout must be at least 180 s"}, end: "ROLLBACK_COMPLETE"},
		{name: "withdrawn", template: sample, withdraw: true, end: "DELETE_COMPLETE"},
		{name: "withdrawn and told", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Delete"), withdraw: true, end: "DELETE_COMPLETE"},
		{name: "retained", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Retain"), signals: []string{reject}, end: "ROLLBACK_COMPLETE"},
		{name: "not rolled back", template: sample, signals: []string{reject},
			refuse: map[string]string{"Delete ApprovalRequest": "The store is down"}, end: "ROLLBACK_FAILED"},
		{name: "not deleted", template: strings.ReplaceAll(sample, "RetainExceptOnCreate", "Delete"), signals: []string{approve},
			refuse: map[string]string{"Delete ApprovalRequest": "The store is down"}, end: "CREATE_COMPLETE", terminate: "DELETE_FAILED"},
		{name: "said twice and contradicted", template: two, early: []string{approve}, signals: []string{approve, signal("FAILURE", "approved-1", "no"), signal("SUCCESS", "approved-2", "")},
			end: "CREATE_COMPLETE"},
		{name: "half decided", template: waits(two, "2"), early: []string{approve}, end: "ROLLBACK_COMPLETE"},
		{name: "unparsable", template: sample, signals: []string{"SUCCESS", reject}, end: "ROLLBACK_COMPLETE"},
		{name: "the original approved", template: original, early: []string{approve}, end: "CREATE_COMPLETE", terminate: "DELETE_COMPLETE"},
		{name: "the original rejected", template: original, early: []string{reject}, end: "ROLLBACK_COMPLETE"},
		{name: "side by side", template: diamond, end: "CREATE_COMPLETE"},
	}
}

func signal(status, id, reason string) string {
	b, _ := json.Marshal(handle.SignalBody{Status: status, UniqueID: id, Reason: reason, Data: "r1"}) // cannot fail: strings only
	return string(b)
}

// waits lets the wait of a template time out after so many seconds.
func waits(template, seconds string) string {
	return strings.ReplaceAll(template, "'39600'", "'"+seconds+"'")
}

// two waits for two signals.
const two = `
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
