package gate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/deploy"
	"countersign/deploy/gate"
)

// gateOf is a gate without conditions. The tests append resources to it.
const gateOf = `
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Request: {Type: Custom::ApprovalRequest, Properties: {ServiceToken: x, WaitUrl: !Ref Handle}}
  Wait: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Request, Properties: {Handle: !Ref Handle, Timeout: 10}}
  Verdict: {Type: Custom::ApprovalVerdict, DependsOn: Wait, Properties: {ServiceToken: x, RequestId: !Ref Request}}
  Behind: {Type: AWS::SQS::Queue, DependsOn: Verdict}
`

const environments = `
Parameters:
  Env: {Type: String, AllowedValues: [test, production]}
  Size: {Type: String}
  Other: {Type: String}
Mappings:
  Large: {test: {Value: 'no'}, production: {Value: 'yes'}}
  Sizes: {s: {Large: 'no'}, l: {Large: 'yes'}}
Conditions:
  Production: !Equals [!Ref Env, production]
  Test: !Not [!Condition Production]
  AlsoTest: !Equals [!Sub '${Env}', test]
  Never: !And [!Condition Production, !Equals [test, !Ref Env]]
  Mapped: !Equals [!FindInMap [Large, !Ref Env, Value], 'yes']
  Small: !Equals [!Ref Size, s]
  Big: !Equals [!Ref Size, l]
  BigByMap: !Equals [!FindInMap [Sizes, !Ref Size, Large], 'yes']
  Same: !Equals [!Ref Size, !Ref Other]
  OtherIsSmall: !Equals [!Join ['', [!Ref Other]], s]
`

func TestLeaks(t *testing.T) {
	tests := []struct {
		name, src, want string // want: the leaks, joined
	}{
		{"none", "", ""},
		{"no dependency", "  A: {Type: AWS::SQS::Queue}", "A"},
		{"through a resource that leaks", "  A: {Type: AWS::SQS::Queue}\n  B: {Type: AWS::SQS::Queue, DependsOn: A}", "A; B"},
		{"a dependency on the wait", "  A: {Type: AWS::SQS::Queue, DependsOn: Wait}", "A"},
		{"a dependency on the request", "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Request}}", "A"},
		{"through another", "  A: {Type: AWS::SQS::Queue, DependsOn: Behind}", ""},
		{"by attribute", "  A: {Type: AWS::SQS::Queue, Properties: {Tags: [{Key: k, Value: !GetAtt Verdict.ApprovedBy}]}}", ""},
		{"by Sub", "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub 'a-${Verdict.ApprovedBy}'}}", ""},
		{"by Sub with a variable of that name", "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub ['a-${Verdict}', {Verdict: x}]}}", "A"},
		{"a literal in Sub", "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub 'a-${!Verdict}'}}", "A"},
		{"in metadata", "  A: {Type: AWS::SQS::Queue, Metadata: {By: !GetAtt Verdict.ApprovedBy}}", ""},
		{"a condition alone", "  A: {Type: AWS::SQS::Queue, Condition: Production}", "A"},
		{"a condition that never holds", "  A: {Type: AWS::SQS::Queue, Condition: Never}", ""},
		{"in one branch", "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !If [Production, !Ref Verdict, x]}}", "A (if Env=test)"},
		{"in both branches", "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !If [Production, !Ref Verdict, !Ref Behind]}}", ""},
		{"in the branch of its own condition", "  A: {Type: AWS::SQS::Queue, Condition: Production, Properties: {QueueName: !If [Production, !Ref Verdict, x]}}", ""},
		{"in the branch of a condition that follows from its own", "  A: {Type: AWS::SQS::Queue, Condition: Production, Properties: {QueueName: !If [AlsoTest, x, !Ref Verdict]}}", ""},
		{"in the branch of an equal condition by a mapping", "  A: {Type: AWS::SQS::Queue, Condition: Mapped, Properties: {QueueName: !If [Production, !Ref Verdict, x]}}", ""},
		{"in the other branch by a mapping", "  A: {Type: AWS::SQS::Queue, Condition: Mapped, Properties: {QueueName: !If [Production, x, !Ref Verdict]}}", "A"},
		{"in nested branches", "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !If [Production, !If [Test, x, !Ref Verdict], !If [Test, !Ref Verdict, x]]}}", ""},
		{"on a resource that is not created", "  C: {Type: AWS::SQS::Queue, Condition: Production, DependsOn: Verdict}\n  A: {Type: AWS::SQS::Queue, DependsOn: C}", "A (if Env=test)"},
		{"on resources of which one is created", "  C: {Type: AWS::SQS::Queue, Condition: Production, DependsOn: Verdict}\n  D: {Type: AWS::SQS::Queue, Condition: Test, DependsOn: Verdict}\n  A: {Type: AWS::SQS::Queue, DependsOn: [C, D]}", ""},
		{"on a resource of the same condition", "  C: {Type: AWS::SQS::Queue, Condition: Production, DependsOn: Verdict}\n  A: {Type: AWS::SQS::Queue, Condition: Mapped, DependsOn: C}", ""},
		{"two values of one parameter exclude each other", "  C: {Type: AWS::SQS::Queue, Condition: Small, DependsOn: Verdict}\n  A: {Type: AWS::SQS::Queue, Condition: Big, Properties: {N: !If [Small, !Ref C, !Ref Verdict]}}", ""},
		{"other values", "  A: {Type: AWS::SQS::Queue, Properties: {N: !If [Small, !Ref Verdict, !If [Big, !Ref Verdict, x]]}}", ""}, // any other size is refused: it is in no mapping
		{"a key of a mapping", "  A: {Type: AWS::SQS::Queue, Condition: BigByMap, Properties: {N: !If [Big, !Ref Verdict, x]}}", ""},
		{"equal parameters have equal values", "  A: {Type: AWS::SQS::Queue, Condition: Same, Properties: {N: !If [Small, !If [OtherIsSmall, !Ref Verdict, x], !Ref Verdict]}}", ""},
		{"different parameters", "  A: {Type: AWS::SQS::Queue, Properties: {N: !If [Small, !If [OtherIsSmall, !Ref Verdict, x], !Ref Verdict]}}", "A (if Size=s, Other=l)"},
		{"a Ref that is refused otherwise", "  C: {Type: AWS::SQS::Queue, Condition: Production, DependsOn: Verdict}\n  A: {Type: AWS::SQS::Queue, Properties: {N: !Ref C}}", ""},
		{"what the request needs", "  A: {Type: AWS::SNS::Topic, DependsOn: Verdict}\n  B: {Type: AWS::SNS::Topic}\n  R2: {Type: Custom::X, Properties: {ServiceToken: x, WaitUrl: !Ref Handle, Details: {T: !Ref B}}}", "B"},
		{"another wait", "  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n  W: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref H, Timeout: 10}}", "W"},
		{"another handle", "  H: {Type: AWS::CloudFormation::WaitConditionHandle}", ""},
		{"a verdict of no request", "  V: {Type: Custom::V, Properties: {ServiceToken: x, RequestId: r}}\n  A: {Type: AWS::SQS::Queue, DependsOn: V}", "A"},
		{"a verdict that is not always there", "  V: {Type: Custom::V, Condition: Production, DependsOn: Wait, Properties: {ServiceToken: x, RequestId: !Ref Request}}\n  A: {Type: AWS::SQS::Queue, DependsOn: V}", "A (if Env=test)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaks, err := parse(t, []byte(environments+gateOf+test.src)).Leaks()
			if err != nil {
				t.Fatal(err)
			}
			if got := joinLeaks(leaks); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func joinLeaks(leaks []gate.Leak) string {
	var words []string
	for _, l := range leaks {
		words = append(words, l.String())
	}
	return strings.Join(words, "; ")
}

func TestLeaksOfWholeTemplates(t *testing.T) {
	const head = "Transform: [AWS::LanguageExtensions]\nParameters: {Names: {Type: CommaDelimitedList, Default: 'A,B'}}\n"
	const sam = "Transform: AWS::Serverless-2016-10-31\n"
	tests := []struct{ name, src, want, unproven string }{
		{"the sample", string(deploy.Product), "", ""},
		{"a known loop", head + gateOf + "  Fn::ForEach::L: [N, [X, Y], {'Q${N}': {Type: AWS::SQS::Queue}, 'P${N}': {Type: AWS::SQS::Queue, DependsOn: Verdict}}]", "QX; QY", ""},
		{"a loop over a parameter", head + gateOf + "  Fn::ForEach::L: [N, !Ref Names, {'Q${N}': {Type: AWS::SQS::Queue}}]", "QA; QB", "Fn::ForEach"},
		{"a loop over a parameter, held back", head + gateOf + "  Fn::ForEach::L: [N, !Ref Names, {'Q${N}': {Type: AWS::SQS::Queue, DependsOn: Verdict}}]", "", "Fn::ForEach"},
		{"a loop inside a resource", head + gateOf + "  Q: {Type: AWS::SQS::Queue, DependsOn: Verdict, Properties: {Fn::ForEach::L: [N, !Ref Names, {'Q${N}': x}]}}", "", ""},
		{"a dependency only in a loop", head + gateOf + "  Q: {Type: AWS::SQS::Queue, Properties: {Fn::ForEach::L: [N, !Ref Names, {'Q${N}': !Ref Verdict}]}}", "Q", ""},
		{"a default value", "Transform: AWS::LanguageExtensions\nMappings: {M: {a: {b: c}}}" + gateOf + "  Q: {Type: AWS::SQS::Queue, Properties: {N: !FindInMap [M, a, b, {DefaultValue: !Ref Verdict}]}}", "Q", ""},
		{"a macro", "Transform: MyMacro" + gateOf, "", "MyMacro"},
		{"an included snippet", gateOf + "  Q: {Type: AWS::SQS::Queue, DependsOn: Verdict, Properties: {Fn::Transform: {Name: AWS::Include}}}", "", "Fn::Transform"},
		{"a SAM function", sam + gateOf + "  F: {Type: AWS::Serverless::Function, DependsOn: Verdict, Properties: {Handler: x}}", "the role of F", ""},
		{"a SAM function with a role", sam + gateOf + "  F: {Type: AWS::Serverless::Function, DependsOn: Verdict, Properties: {Handler: x, Role: r}}", "", ""},
		{"a SAM function with events", sam + gateOf + "  F:\n    Type: AWS::Serverless::Function\n    DependsOn: Verdict\n    Properties:\n      Role: r\n      Events: {A: {Type: Api}, B: {Type: ScheduleV2, Properties: {}}, C: {Type: SNS, Properties: {SqsSubscription: true}}}", "the role of the event B of F; the queue of the event C of F", ""},
		{"a SAM connector", sam + gateOf + "  C: {Type: AWS::Serverless::Connector, DependsOn: Verdict, Properties: {}}", "", "SAM generates for C"},
		{"SAM functions with a role", sam + "Globals: {Function: {Role: r}}" + gateOf + "  F: {Type: AWS::Serverless::Function, DependsOn: Verdict, Properties: {Handler: x}}", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaks, err := parse(t, []byte(test.src)).Leaks()
			if got := joinLeaks(leaks); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			var unproven *gate.UnprovenError
			if errors.As(err, &unproven) != (test.unproven != "") || !strings.Contains(fmt.Sprint(err), test.unproven) && err != nil {
				t.Errorf("error %v, want one about %q", err, test.unproven)
			}
		})
	}
	if _, err := parse(t, []byte("Resources: {Q: {Type: AWS::SQS::Queue}}")).Leaks(); !errors.Is(err, gate.ErrNoRequest) {
		t.Errorf("without a gate: %v", err)
	}
}

// TestTooManyCombinationsAreUnproven compares two rows of parameters pairwise: a diagram with the rows one after the other
// has a node for each value of the first row.
func TestTooManyCombinationsAreUnproven(t *testing.T) {
	const pairs = 30
	var parameters, order, conditions strings.Builder
	all := "!Condition P0"
	for i := range pairs {
		fmt.Fprintf(&parameters, "  A%d: {Type: String, AllowedValues: [x, y]}\n  B%d: {Type: String, AllowedValues: [x, y]}\n", i, i)
		fmt.Fprintf(&order, "  A%d: !Equals [!Ref A%d, x]\n", i, i)
		fmt.Fprintf(&conditions, "  P%d: !And [!Equals [!Ref A%d, x], !Equals [!Ref B%d, x]]\n", i, i, i)
		if i > 0 {
			all = fmt.Sprintf("!Or [%s, !Condition P%d]", all, i)
		}
	}
	src := "Parameters:\n" + parameters.String() + "Conditions:\n" + order.String() + conditions.String() + "  Any: " + all + "\n" + gateOf +
		"  Q: {Type: AWS::SQS::Queue, DependsOn: Verdict}\n  Q2: {Type: AWS::SQS::Queue, Condition: Any, Properties: {N: !If [Any, !Ref Verdict, x]}}\n"
	template := parse(t, []byte(src))
	start := time.Now()
	leaks, err := template.Leaks()
	var unproven *gate.UnprovenError
	if !errors.As(err, &unproven) || len(leaks) > 0 || !strings.Contains(err.Error(), "too many combinations") {
		t.Errorf("got %v, error %v", leaks, err)
	}
	found := map[string]bool{}
	for _, f := range template.Lint() {
		found[f.ID] = true
	}
	if !found["unproven"] || found["leak"] || found["verdict-order"] {
		t.Errorf("lint finds %v", found)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	t.Log(time.Since(start))
}
