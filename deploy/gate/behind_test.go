package gate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
)

const gated = `
Conditions: {Large: !Equals [!Ref AWS::Region, us-east-1]}
Resources:
  Early: {Type: AWS::SQS::Queue}
  Early2: {Type: AWS::SQS::Queue, DependsOn: Early}
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Request: {Type: Custom::ApprovalRequest, Properties: {ServiceToken: x, WaitUrl: !Ref Handle}}
  BySub: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub 'a-${ByAttribute.QueueName}'}}
  ByAttribute: {Type: AWS::SQS::Queue, Properties: {Tags: [{Key: a, Value: !GetAtt Verdict.ApprovedBy}]}}
  Wait: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Request, Properties: {Handle: !Ref Handle, Timeout: 10}}
  Verdict: {Type: Custom::ApprovalVerdict, DependsOn: [Wait], Properties: {ServiceToken: x, RequestId: !Ref Request}}
  Nested: {Type: AWS::CloudFormation::Stack, DependsOn: Verdict, Properties: {TemplateURL: x}}
  Optional: {Type: AWS::SQS::Queue, Condition: Large, DependsOn: Nested}
  Custom: {Type: Custom::Tags, DependsOn: Optional, Properties: {ServiceToken: x}}
`

func TestBehindGate(t *testing.T) {
	resources := parse(t, []byte(gated)).Resources()
	var got []string
	for _, r := range gate.BehindGate(resources) {
		got = append(got, r.LogicalID)
	}
	if diff := cmp.Diff([]string{"BySub", "ByAttribute", "Verdict", "Nested", "Optional", "Custom"}, got); diff != "" {
		t.Errorf("behind the gate (-want +got):\n%s", diff)
	}
	if last, ok := gate.LastBehindGate(resources); !ok || last.LogicalID != "Nested" {
		t.Errorf("last resource behind the gate: got %v %t, want Nested", last, ok)
	}
	if last, ok := gate.LastBehindGate(resources[:2]); ok {
		t.Errorf("last resource behind no gate: got %s", last.LogicalID)
	}
	if got := gate.Dependents(resources, "Early"); len(got) != 1 || got[0].LogicalID != "Early2" {
		t.Errorf("dependents of Early: got %v, want Early2", got)
	}
}
