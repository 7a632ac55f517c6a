package gate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/deploy"
	"countersign/deploy/gate"
)

const cleanGate = `Parameters:
  Mail: {Type: String}
  Env: {Type: String, AllowedValues: [test, production]}
  Secret: {Type: String, NoEcho: true}
Mappings: {Gate: {Wait: {Seconds: '28800'}}}
Conditions: {Production: !Equals [!Ref Env, production]}
Resources:
  Handle:
    Type: AWS::CloudFormation::WaitConditionHandle
  Request:
    Type: Custom::ApprovalRequest
    Properties:
      ServiceToken: !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:countersign-notifier
      ServiceTimeout: 3600
      WaitUrl: !Ref Handle
      EmailID: !Ref Mail
      Timeout: !FindInMap [Gate, Wait, Seconds]
      Parameters: {Mail: !Ref Mail, Env: !Ref Env}
  Wait:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: Request
    Properties:
      Handle: !Ref Handle
      Timeout: '28800'
  Verdict:
    Type: Custom::ApprovalVerdict
    DependsOn: Wait
    Properties:
      ServiceToken: !Join [':', [arn, !Ref AWS::Partition, lambda, !Ref AWS::Region, !Ref AWS::AccountId, function, countersign-notifier]]
      ServiceTimeout: 600
      RequestId: !Ref Request
  Queue:
    Type: AWS::SQS::Queue
    DependsOn: Verdict
Outputs:
  Id: {Value: !Ref Request}
`

// lintOf returns the findings as "rule line:column".
func lintOf(t testing.TB, src []byte) []string {
	t.Helper()
	var got []string
	for _, f := range parse(t, src).Lint() {
		if f.Message == "" || !strings.HasSuffix(f.Fix, ".") || strings.HasSuffix(f.Message, ".") {
			t.Errorf("%s: message %q, fix %q", f.ID, f.Message, f.Fix)
		}
		got = append(got, fmt.Sprintf("%s %d:%d", f.ID, f.Line, f.Column))
	}
	return got
}

// withDigest writes the digest, so that only what a test changes is wrong.
func withDigest(t testing.TB, src string) []byte {
	t.Helper()
	out, _, err := gate.SetDigest([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func edit(t testing.TB, src string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(src, pairs[i]) {
			t.Fatalf("no %q in\n%s", pairs[i], src)
		}
		src = strings.Replace(src, pairs[i], pairs[i+1], 1)
	}
	return src
}

func TestLintFindsEachRule(t *testing.T) {
	const token = "!Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:countersign-notifier"
	const handle, queue = "  Handle:\n    Type: AWS::CloudFormation::WaitConditionHandle\n", "  Queue:\n    Type: AWS::SQS::Queue\n    DependsOn: Verdict\n"
	tests := []struct {
		name  string
		edits []string
		want  string // the digest adds one line, the 15th
	}{
		{"nothing is wrong", nil, ""},
		{"a resource leaks", []string{"    DependsOn: Verdict\n", ""}, "leak 33:3"},
		{"a resource leaks in some stacks", []string{"    DependsOn: Verdict\n", "    Properties: {QueueName: !If [Production, !Ref Verdict, x]}\n"}, "leak 33:3"},
		{"the request depends on a resource", []string{"EmailID: !Ref Mail", "EmailID: !Ref Early", queue, queue + "  Early: {Type: AWS::SNS::Topic}\n"}, "leak 36:3"},
		{"a macro", []string{"Parameters:\n", "Transform: Macro\nParameters:\n"}, "unproven 1:1"},
		{"no verdict", []string{"      RequestId: !Ref Request\n", ""}, "no-verdict 10:3"},
		{"a verdict of a literal request", []string{"RequestId: !Ref Request", "RequestId: r-1"}, "no-verdict 10:3; wrong-request 32:7; leak 33:3"},
		{"a verdict of the handle", []string{"RequestId: !Ref Request", "RequestId: !Ref Handle"}, "url-exposed 32:18; no-verdict 10:3; wrong-request 32:7; leak 33:3"},
		{"WaitUrl is a text", []string{"WaitUrl: !Ref Handle", "WaitUrl: https://example.com"}, "wait-url 16:7; leak 20:3"},
		{"no wait", []string{"      Handle: !Ref Handle\n", "      Handle: x\n"}, "no-wait 10:3; leak 20:3"},
		{"the verdict does not wait", []string{"    DependsOn: Wait\n", ""}, "verdict-order 26:3"},
		{"the verdict waits in some stacks", []string{"    DependsOn: Wait\n", "", "RequestId: !Ref Request\n", "RequestId: !Ref Request\n      X: !If [Production, !Ref Wait, x]\n"}, "verdict-order 26:3"},
		{"the wait does not wait for the request", []string{"    DependsOn: Request\n", ""}, "wait-order 20:3"},
		{"a handle of two requests", []string{queue, queue + "  Request2: {Type: Custom::R, Properties: {ServiceToken: 'arn:aws:sns:a:b:c', ServiceTimeout: 60, WaitUrl: !Ref Handle, Timeout: 28800, Parameters: {Mail: !Ref Mail, Env: !Ref Env}}}\n"}, "no-verdict 36:3; handle-reused 36:129"},
		{"a handle of two waits", []string{queue, queue + "  Wait2: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Request, Properties: {Handle: !Ref Handle, Timeout: 28800}}\n"}, "handle-reused 36:86"},
		{"a conditional gate", []string{handle, handle + "    Condition: Production\n"}, "conditional-gate 10:5"},
		{"a conditional verdict", []string{"    DependsOn: Wait\n", "    DependsOn: Wait\n    Condition: Production\n"}, "conditional-gate 29:5; leak 34:3"},
		{"Count", []string{"      Timeout: '28800'\n", "      Timeout: '28800'\n      Count: 2\n"}, "count 26:7"},
		{"Count of one", []string{"      Timeout: '28800'\n", "      Timeout: '28800'\n      Count: 1\n"}, ""},
		{"different timeouts", []string{"Timeout: '28800'", "Timeout: '28801'"}, "timeouts-differ 18:7"},
		{"no Timeout of the request", []string{"      Timeout: !FindInMap [Gate, Wait, Seconds]\n", ""}, "timeouts-differ 10:3"},
		{"a wait as long as its URL", []string{"Seconds: '28800'", "Seconds: '43200'", "Timeout: '28800'", "Timeout: 43200"}, "timeout-long 25:7"},
		{"a parameter that can be as long", []string{"Timeout: !FindInMap [Gate, Wait, Seconds]", "Timeout: !Ref Long", "Timeout: '28800'", "Timeout: !Ref Long", "{Mail: !Ref Mail,", "{L: !Ref Long, Mail: !Ref Mail,", "  Mail: {", "  Long: {Type: Number, AllowedValues: [3600, 43200]}\n  Mail: {"}, "timeout-long 26:7"},
		{"a wait of a minute", []string{"Seconds: '28800'", "Seconds: '60'", "Timeout: '28800'", "Timeout: 60"}, "timeout-short 25:7"},
		{"a parameter is not passed on", []string{", Env: !Ref Env}", "}"}, "parameters 19:7"},
		{"a parameter is passed on in a text", []string{"Env: !Ref Env}", "Env: !Sub 'in ${Env}'}"}, ""},
		{"a parameter is passed on in some stacks", []string{"Env: !Ref Env}", "Env: !If [Production, !Ref Env, x]}"}, "parameters 19:7"},
		{"no Parameters", []string{"      Parameters: {Mail: !Ref Mail, Env: !Ref Env}\n", ""}, "parameters 10:3"},
		{"the wait URL in an output", []string{"Outputs:\n", "Outputs:\n  Url: {Value: !Sub 'x ${Handle}'}\n"}, "url-exposed 37:16"},
		{"the wait URL in metadata", []string{"    DependsOn: Verdict\n", "    DependsOn: Verdict\n    Metadata: {Url: !Ref Handle}\n"}, "url-exposed 36:21"},
		{"the wait URL in another property", []string{"EmailID: !Ref Mail", "EmailID: !Ref Mail\n      Details: {Url: !Ref Handle}"}, "url-exposed 18:22"},
		{"no ServiceToken", []string{"      ServiceToken: " + token + "\n", ""}, "service-token 10:3"},
		{"a ServiceToken that is not an ARN", []string{token, "notifier"}, "service-token 13:7; service-token 30:7"},
		{"another ServiceToken", []string{token, "!Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:other"}, "service-token 30:7"},
		{"a fixed Region", []string{token, "!Sub arn:aws:lambda:us-east-1:${AWS::AccountId}:function:n", "ServiceToken: !Join [':', [arn, !Ref AWS::Partition, lambda, !Ref AWS::Region, !Ref AWS::AccountId, function, countersign-notifier]]", "ServiceToken: !Sub arn:aws:lambda:us-east-1:${AWS::AccountId}:function:n"}, "fixed-service-token 13:7; fixed-service-token 30:7"},
		{"a topic", []string{token, "arn:aws:sns:us-east-1:111122223333:requests", "ServiceToken: !Join [':', [arn, !Ref AWS::Partition, lambda, !Ref AWS::Region, !Ref AWS::AccountId, function, countersign-notifier]]", "ServiceToken: arn:aws:sns:us-east-1:111122223333:requests"}, ""},
		{"no ServiceTimeout", []string{"      ServiceTimeout: 600\n", ""}, "service-timeout 26:3"},
		{"a ServiceTimeout of two hours", []string{"ServiceTimeout: 3600", "ServiceTimeout: 7200"}, "service-timeout-invalid 14:7"},
	}
	seen := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := lintOf(t, withDigest(t, edit(t, cleanGate, test.edits...)))
			var want []string
			if test.want != "" {
				want = strings.Split(test.want, "; ")
			}
			for _, f := range got {
				seen[strings.Fields(f)[0]] = true
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", strings.Join(got, "; "), strings.Join(want, "; "))
			}
		})
	}
	if got := lintOf(t, []byte(cleanGate)); !slices.Equal(got, []string{"digest 10:3"}) {
		t.Errorf("without a digest: %v", got)
	}
	if got := lintOf(t, []byte(edit(t, string(withDigest(t, cleanGate)), "  Mail: {Type: String}", "  Mail: {Type: String, Default: x}"))); !slices.Equal(got, []string{"digest 15:7"}) {
		t.Errorf("with a stale digest: %v", got)
	}
	if got := lintOf(t, []byte("Resources:\n  Q: {Type: AWS::SQS::Queue}\n")); !slices.Equal(got, []string{"no-gate 1:1"}) {
		t.Errorf("without a gate: %v", got)
	}
	if got := lintOf(t, []byte("Resources:\n  V: {Type: Custom::V, Properties: {RequestId: x}}\n")); !slices.Equal(got, []string{"no-gate 2:3"}) {
		t.Errorf("with half a gate: %v", got)
	}
	seen["digest"], seen["no-gate"] = true, true
	for _, r := range gate.Rules() {
		if !seen[r.ID] {
			t.Errorf("no test finds %s", r.ID)
		}
	}
}

// A second gate whose verdict checks the first one's request.
func TestLintFindsAVerdictOfTheOtherRequest(t *testing.T) {
	second := strings.NewReplacer("Handle:\n", "Handle2:\n", "!Ref Handle", "!Ref Handle2", "  Request:\n", "  Request2:\n", "  Wait:\n", "  Wait2:\n", "  Verdict:\n", "  Verdict2:\n", "DependsOn: Request", "DependsOn: Request2", "DependsOn: Wait", "DependsOn: Wait2").
		Replace(cleanGate[strings.Index(cleanGate, "  Handle:\n"):strings.Index(cleanGate, "  Queue:\n")])
	two := edit(t, cleanGate, "  Queue:\n", second+"  Queue:\n")
	if got := lintOf(t, withDigest(t, two)); !slices.Equal(got, []string{"no-verdict 35:3", "wrong-request 57:7"}) {
		t.Errorf("got %v", got)
	}
	whole := two[:strings.LastIndex(two, "RequestId: !Ref Request")] + edit(t, two[strings.LastIndex(two, "RequestId: !Ref Request"):], "RequestId: !Ref Request", "RequestId: !Ref Request2")
	if got := lintOf(t, withDigest(t, whole)); len(got) > 0 {
		t.Errorf("two whole gates: got %v", got)
	}
}

func TestLintCountsCharactersInJSON(t *testing.T) {
	src := `{"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle", "Metadata": {"Ü": "ü"}}, "Request": {"Type": "Custom::R", "Properties": {"WaitUrl": {"Ref": "Handle"}}}}}`
	want := fmt.Sprintf("no-wait 1:%d", len([]rune(src[:strings.Index(src, `"Request"`)]))+1)
	if got := lintOf(t, []byte(src)); !slices.Contains(got, want) {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLintRaisesNoFalseAlarm(t *testing.T) {
	if got := lintOf(t, deploy.Product); len(got) > 0 {
		t.Errorf("the sample: %v", got)
	}
}

// largeTemplate has more than 5,000 lines and nearly as many resources and conditions as a template may have.
func largeTemplate(t testing.TB) []byte {
	var b strings.Builder
	head, resources, _ := strings.Cut(cleanGate, "Resources:\n")
	gateResources, outputs, _ := strings.Cut(resources, "Outputs:\n")
	var entries []string
	for i := range 60 {
		fmt.Fprintf(&b, "  P%d: {Type: String, AllowedValues: [a, b, c]}\n", i)
		entries = append(entries, fmt.Sprintf("P%d: !Ref P%d", i, i))
	}
	head = strings.Replace(head, "Parameters:\n", "Parameters:\n"+b.String(), 1)
	head = strings.Replace(head, "Conditions: {Production: !Equals [!Ref Env, production]}\n", "Conditions:\n  Production: !Equals [!Ref Env, production]\n", 1)
	b.Reset()
	for i := range 120 {
		fmt.Fprintf(&b, "  C%d: !Equals [!Ref P%d, %c]\n", i, i%60, 'a'+i%3)
	}
	for i := range 80 {
		fmt.Fprintf(&b, "  D%d: !Or [!And [!Condition C%d, !Not [!Condition C%d]], !Condition C%d]\n", i, i, i+1, i+2)
	}
	src := head + b.String() + "Resources:\n" + strings.Replace(gateResources, "Parameters: {", "Parameters: {"+strings.Join(entries, ", ")+", ", 1)
	b.Reset()
	for i := range 490 {
		on := "Queue"
		if i > 0 {
			on = fmt.Sprintf("R%d", i/2)
		}
		fmt.Fprintf(&b, "  R%d:\n    Type: AWS::SQS::Queue\n    Properties:\n      Name: !If [D%d, !Sub '${%s}', !Ref %s]\n", i, i%80, on, on)
		for j := range 6 {
			fmt.Fprintf(&b, "      V%d: !If [C%d, x, y]\n", j, (i+j)%120)
		}
	}
	out := withDigest(t, src+b.String()+"Outputs:\n"+outputs)
	if n := strings.Count(string(out), "\n"); n < 5000 {
		t.Fatalf("%d lines", n)
	}
	return out
}

func TestLintOfFiveThousandLinesTakesLessThanASecond(t *testing.T) {
	src := largeTemplate(t)
	best := time.Hour
	for range 3 {
		start := time.Now()
		if got := lintOf(t, src); len(got) > 0 {
			t.Fatalf("got %v", got)
		}
		best = min(best, time.Since(start))
	}
	if best > time.Second {
		t.Errorf("it took %v", best)
	}
	t.Logf("%v", best)
}

func BenchmarkLint(b *testing.B) {
	src := largeTemplate(b)
	for b.Loop() {
		parse(b, src).Lint()
	}
}

func TestRulesAreDocumented(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "template.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range gate.Rules() {
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", r.ID, r.Level, r.About); !strings.Contains(string(docs), row) {
			t.Errorf("docs/template.md lacks %s", row)
		}
	}
}
