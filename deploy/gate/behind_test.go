package gate_test

import (
	"fmt"
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
	if got := gate.Dependents(resources, "Early"); len(got) != 1 || got[0].LogicalID != "Early2" {
		t.Errorf("dependents of Early: got %v, want Early2", got)
	}
}

// The last resource that an approval releases is one that the stack has, and a custom resource only if there is no other.
func TestLastBehindGate(t *testing.T) {
	const head = "Conditions: {Large: !Equals [!Ref AWS::Region, %s]}\nResources:\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n" +
		"  W: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref H, Timeout: 10}}\n" +
		"  V: {Type: Custom::ApprovalVerdict, DependsOn: W, Properties: {ServiceToken: x, RequestId: x}}\n"
	const region = "'<AWS::Region>'" // of the environment
	tests := []struct{ region, resources, want string }{
		{region, "  Q: {Type: AWS::SQS::Queue, DependsOn: V}\n  C: {Type: Custom::Tags, DependsOn: V, Properties: {ServiceToken: x}}\n", "Q"},
		{region, "  Q: {Type: AWS::SQS::Queue, DependsOn: V}\n  T: {Type: AWS::SNS::Topic, DependsOn: V, Condition: Large}\n", "T"},
		{"x", "  Q: {Type: AWS::SQS::Queue, DependsOn: V}\n  T: {Type: AWS::SNS::Topic, DependsOn: V, Condition: Large}\n", "Q"},
		{"x", "  C: {Type: Custom::Tags, DependsOn: V, Properties: {ServiceToken: x}}\n", "C"},
		{"x", "  T: {Type: AWS::SNS::Topic, DependsOn: V, Condition: Large}\n", ""},
	}
	for _, tt := range tests {
		in, err := parse(t, []byte(fmt.Sprintf(head, tt.region)+tt.resources)).Instantiate(account{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		last, ok := in.LastBehindGate()
		if ok != (tt.want != "") || ok && last.LogicalID != tt.want {
			t.Errorf("%s: got %v %t, want %q", tt.resources, last, ok, tt.want)
		}
	}
}
