package gate_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"countersign/deploy/gate"
)

func inject(t testing.TB, src string) string {
	t.Helper()
	out, err := parse(t, []byte(src)).Inject(gate.InjectOptions{ServiceToken: gate.DefaultServiceToken})
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	if !isSubsequence(src, string(out)) {
		t.Errorf("more was changed than inserted:\n%s", out)
	}
	if findings := parse(t, out).Lint(); len(findings) > 0 {
		t.Errorf("%s: %s\n%s", findings[0].ID, findings[0].Message, out)
	}
	return string(out)
}

// isSubsequence reports whether out is src with insertions.
func isSubsequence(src, out string) bool {
	i := 0
	for j := 0; j < len(out) && i < len(src); j++ {
		if out[j] == src[i] {
			i++
		}
	}
	return i == len(src)
}

func TestInject(t *testing.T) {
	src := `# A queue
Parameters:
  UserEmail: {Type: String}   # who asks
  Purpose: {Type: String}
  No: {Type: String, NoEcho: true}
Resources:   # all of them

  # the first
  Queue:
    Type: "AWS::SQS::Queue"  # FIFO?
    Properties: {FifoQueue: true}

  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties: {Queues: [!Ref Queue]}
`
	got := inject(t, src)
	digest, err := gate.Digest([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(edit(t, src, "    Type: \"AWS::SQS::Queue\"  # FIFO?\n", "    Type: \"AWS::SQS::Queue\"  # FIFO?\n    DependsOn: ApprovalVerdict\n",
		"Resources:   # all of them\n", `Resources:   # all of them
  ApprovalHandle:
    Type: AWS::CloudFormation::WaitConditionHandle

  ApprovalRequest:
    Type: Custom::ApprovalRequest
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Delete
    Properties:
      ServiceToken: !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:countersign-notifier
      ServiceTimeout: '3600'
      WaitUrl: !Ref ApprovalHandle
      EmailID: !Ref UserEmail
      Purpose: !Ref Purpose
      Timeout: '28800'
      Parameters:
        UserEmail: !Ref UserEmail
        Purpose: !Ref Purpose
        'No': !Ref No
      Template: 'DIGEST'

  ApprovalWait:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: ApprovalRequest
    Properties:
      Handle: !Ref ApprovalHandle
      Timeout: '28800'

  ApprovalVerdict:
    Type: Custom::ApprovalVerdict
    DependsOn: ApprovalWait
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      ServiceToken: !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:countersign-notifier
      ServiceTimeout: '600'
      RequestId: !Ref ApprovalRequest

`), "DIGEST", digest, 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestInjectKeepsEveryLayout(t *testing.T) {
	tests := []struct{ name, src, want string }{ // want: what the result contains
		{"no dependency", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n", "  Q:\n    Type: AWS::SQS::Queue\n    DependsOn: ApprovalVerdict\n"},
		{"no line break at the end", "Resources:\n  Q:\n    Type: AWS::SQS::Queue", "  Q:\n    Type: AWS::SQS::Queue\n    DependsOn: ApprovalVerdict"},
		{"carriage returns", "Resources:\r\n  Q:\r\n    Type: AWS::SQS::Queue\r\n", "    Type: AWS::SQS::Queue\r\n    DependsOn: ApprovalVerdict\r\n"},
		{"a byte order mark", "\ufeffResources:\n  Q: {Type: AWS::SQS::Queue}\n", "\ufeffResources:\n  ApprovalHandle:\n"},
		{"four spaces", "Resources:\n    Q:\n        Type: AWS::SQS::Queue\n", "\n    ApprovalHandle:\n        Type: AWS::CloudFormation::WaitConditionHandle\n    ApprovalRequest:\n"},
		{"no Type first", "Resources:\n  Q:\n    Properties:\n      A: |\n        Type: x\n    Type: AWS::SQS::Queue # x\n    Metadata: {}\n", "    Type: AWS::SQS::Queue # x\n    DependsOn: ApprovalVerdict\n    Metadata: {}\n"},
		{"a resource in braces", "Resources:\n  Q: {Type: AWS::SQS::Queue, Metadata: {}}\n", "  Q: {Type: AWS::SQS::Queue, DependsOn: ApprovalVerdict, Metadata: {}}\n"},
		{"all in braces", "Resources: {Q: {Type: 'AWS::SQS::Queue'}}\n", `"RequestId": {"Ref": "ApprovalRequest"}}}, Q: {Type: 'AWS::SQS::Queue', DependsOn: ApprovalVerdict}}`},
		{"one dependency", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    DependsOn: \"H\" # for now\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n", "    DependsOn: [\"H\", ApprovalVerdict] # for now\n"},
		{"a list of dependencies", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    DependsOn: [ H ]\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n", "    DependsOn: [ H, ApprovalVerdict ]\n"},
		{"a list on lines", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    DependsOn:\n    -   H # x\n    Metadata: {}\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n", "    -   H # x\n    -   ApprovalVerdict\n    Metadata: {}\n"},
		{"a list on lines at the end", "Resources:\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n  Q:\n    Type: AWS::SQS::Queue\n    DependsOn:\n      - H", "      - H\n      - ApprovalVerdict"},
		{"an empty list", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    DependsOn: []\n", "    DependsOn: [ApprovalVerdict]\n"},
		{"JSON", "{\n\t\"Resources\": {\n\t\t\"Q\": {\n\t\t\t\"Type\": \"AWS::SQS::Queue\"\n\t\t}\n\t}\n}\n", "\t\t\"Q\": {\n\t\t\t\"Type\": \"AWS::SQS::Queue\",\n\t\t\t\"DependsOn\": \"ApprovalVerdict\"\n\t\t}\n"},
		{"JSON on one line", `{"Resources":{"Q":{"Type":"AWS::SQS::Queue","Metadata":{}}}}`, `"Q":{"Type":"AWS::SQS::Queue", "DependsOn": "ApprovalVerdict","Metadata":{}}}}`},
		{"a list in JSON", "{\"Resources\": {\"H\": {\"Type\": \"AWS::CloudFormation::WaitConditionHandle\"},\n  \"Q\": {\"Type\": \"AWS::SQS::Queue\", \"DependsOn\": [\n    \"H\"\n  ]}}}", "[\n    \"H\",\n    \"ApprovalVerdict\"\n  ]}}}"},
		{"one dependency in JSON", `{"Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"}, "Q": {"Type": "AWS::SQS::Queue", "DependsOn": "H"}}}`, `"DependsOn": ["H", "ApprovalVerdict"]`},
		{"logical IDs that are taken", "Parameters: {ApprovalWait: {Type: String}}\nResources:\n  ApprovalVerdict2:\n    Type: AWS::SQS::Queue\n", "  ApprovalVerdict2:\n    Type: AWS::SQS::Queue\n    DependsOn: ApprovalVerdict3\n"},
		{"a conditional dependency", "Parameters: {E: {Type: String}}\nConditions: {C: !Equals [!Ref E, x]}\nResources:\n  A:\n    Type: AWS::SQS::Queue\n    Condition: C\n  B:\n    Type: AWS::SQS::Queue\n    DependsOn: A\n", "    DependsOn: [A, ApprovalVerdict]\n"},
		{"a loop inside a resource", "Transform: AWS::LanguageExtensions\nParameters: {L: {Type: CommaDelimitedList}}\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      Fn::ForEach::X: [N, !Ref L, {'A${N}': x}]\n", "    DependsOn: ApprovalVerdict\n"},
		{"a function of SAM with a role", "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {Role: r}\n", "    DependsOn: ApprovalVerdict\n"},
		{"CDK's metadata", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n  CDKMetadata:\n    Type: AWS::CDK::Metadata\n", "  CDKMetadata:\n    Type: AWS::CDK::Metadata\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := inject(t, test.src); !strings.Contains(got, test.want) {
				t.Errorf("got\n%s\nwant it to contain\n%s", got, test.want)
			}
		})
	}
}

func TestInjectRefusesWhatItCannotDoSafely(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"a gate", cleanGate, "the template has a gate already, with the request Request"},
		{"half a gate", "Resources:\n  V: {Type: Custom::V, Properties: {RequestId: x}}\n", "remove V"},
		{"a loop around resources", "Transform: AWS::LanguageExtensions\nResources:\n  Fn::ForEach::L: [N, [A, B], {'Q${N}': {Type: AWS::SQS::Queue}}]\n", "Fn::ForEach::L creates resources (line 3)"},
		{"a macro", "Transform: Macro\nResources:\n  Q: {Type: AWS::SQS::Queue}\n", "Macro"},
		{"a function of SAM without a role", "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {Handler: x}\n", "the role that SAM generates for F"},
		{"a name on more than one line", "Resources:\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n  Q:\n    Type: AWS::SQS::Queue\n    DependsOn: >-\n      H\n", "Q: the gate cannot be inserted safely"},
		{"the maximum of resources", manyResources(498), "greater than maximum allowed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, err := parse(t, []byte(test.src)).Inject(gate.InjectOptions{ServiceToken: gate.DefaultServiceToken})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q\n%s", err, test.want, out)
			}
		})
	}
	if _, err := parse(t, []byte(cleanGate)).Inject(gate.InjectOptions{}); !errors.Is(err, gate.ErrHasGate) {
		t.Errorf("error %v is not ErrHasGate", err)
	}
	if _, err := parse(t, []byte(manyResources(1))).Inject(gate.InjectOptions{Email: "Nope"}); err == nil || !strings.Contains(err.Error(), "no parameter Nope") {
		t.Errorf("error %v", err)
	}
}

func manyResources(n int) string {
	var b strings.Builder
	b.WriteString("Resources:\n")
	for i := range n {
		b.WriteString("  A" + strings.Repeat("x", i%7) + strings.Repeat("y", i/7) + ": {Type: AWS::SNS::Topic}\n")
	}
	return b.String()
}

// TestInjectHoldsBackEveryResource injects gates into random templates and tries every stack.
func TestInjectHoldsBackEveryResource(t *testing.T) {
	for seed := range uint64(60) {
		g := randomGated(rand.New(rand.NewPCG(seed, 19)))
		g.verdict = ""
		src := g.source()
		before, after, _ := strings.Cut(src, "  Handle: {")
		resources := after[strings.Index(after, "\n  R0:")+1:]
		src = before + strings.NewReplacer("!Ref Verdict", "!Ref AWS::StackName", "${Verdict}", "${AWS::StackName}", "[Verdict]", "[]", "[Verdict, ", "[", ", Verdict]", "]").Replace(resources)
		template, err := gate.Parse([]byte(src))
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		out, err := template.Inject(gate.InjectOptions{ServiceToken: gate.DefaultServiceToken})
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		leaks, _ := leaksByTrying(parse(t, bytes.ReplaceAll(out, []byte("ApprovalVerdict"), []byte("Verdict"))))
		if len(leaks) > 0 || !isSubsequence(src, string(out)) {
			t.Fatalf("%v leak\n%s", leaks, out)
		}
	}
}
