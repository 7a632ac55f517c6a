package fakecfn_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

// refusalMessage returns the message of an error that must be CloudFormation's.
func refusalMessage(t testing.TB, err error) string {
	t.Helper()
	var refused *fakecfn.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error: got %T %v, want *cloudformation.Error", err, err)
	}
	return refused.Message
}

func TestParseTemplateErrors(t *testing.T) {
	const queue = "Resources: {Q: {Type: AWS::SQS::Queue}}\n"
	tests := []struct{ name, src, want string }{
		{"empty", "", "Template format error: unsupported structure."},
		{"a list", "- a", "Template format error: unsupported structure."},
		{"no resources", "Description: x", "Template format error: At least one Resources member must be defined."},
		{"null resources", "Resources:", "[/Resources] 'null' values are not allowed in templates"},
		{"null property", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: {A: {B: ~}}", "[/Resources/Q/Properties/A/B] 'null' values are not allowed in templates"},
		{"bad indentation", "Resources:\n  Q:\n    Type: X\n   Properties: {}", "Template format error: YAML not well-formed. (line 4, column 4)"},
		{"unknown tag", "Resources:\n  Q:\n    Type: !Reff X", "Template format error: YAML not well-formed. (line 3, column 11)"},
		{"alias", "Resources:\n  A: &a {Type: AWS::SQS::Queue}\n  B: *a", "Template error: YAML aliases are not allowed in CloudFormation templates"},
		{"numeric key", "Resources:\n  1: {Type: AWS::SQS::Queue}", "Template format error: [/Resources] map keys must be strings; received numeric [1] instead"},
		{"bad JSON", "{\"Resources\": {\n \"Q\" }}", "Template format error: JSON not well-formed. (line 2, column 6)"},
		{"JSON and more", `{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}} x`, "Template format error: JSON not well-formed. (line 1, column 51)"},
		{"version", "AWSTemplateFormatVersion: 2011-09-09\n" + queue, "Template format error: unsupported value for AWSTemplateFormatVersion."},
		{"long description", "Description: " + strings.Repeat("x", 1025) + "\n" + queue, "Template format error: 'Description' length is greater than 1024."},
		{"unknown sections", "Recources: {}\nAbc: 1\n" + queue, "Invalid template property or properties [Abc, Recources]"},
		{"section twice", queue + queue, "Template format error: Duplicate key Resources in the template (line 2, column 1)"},
		{"logical ID twice", "Resources:\n  Q: {Type: AWS::SQS::Queue}\n  Q: {Type: AWS::SNS::Topic}", "Template format error: Duplicate key Q in the Resources block of the template (line 3, column 3)"},
		{"logical ID twice in JSON", `{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}, "Q": {"Type": "AWS::SQS::Queue"}}}`, "Template format error: Duplicate key Q in the Resources block of the template"},
		{"name with a dash", "Resources: {my-queue: {Type: AWS::SQS::Queue}}", "Template format error: Resource name my-queue is non alphanumeric."},
		{"resource no object", "Resources: {Q: AWS::SQS::Queue}", "Template format error: Any Resources member must be an object."},
		{"no type", "Resources: {Q: {Properties: {}}}", "Template format error: [/Resources/Q] Every Resources object must contain a Type member."},
		{"types that are none", "Resources: {A: {Type: AWS::SQS}, B: {Type: queue}}", "Template format error: Unrecognized resource types: [AWS::SQS, queue]"},
		{"long custom type", "Resources: {A: {Type: 'Custom::" + strings.Repeat("x", 60) + "'}}", "Template format error: Unrecognized resource types: [Custom::" + strings.Repeat("x", 60) + "]"},
		{"unknown attribute", "Resources: {Q: {Type: AWS::SQS::Queue, Tags: []}}", "Invalid template resource property 'Tags'"},
		{"unresolved names", "Resources:\n  Q: {Type: AWS::SQS::Queue, DependsOn: [Zed, Abc], Properties: {A: !Ref Mid}}", "Template format error: Unresolved resource dependencies [Abc, Mid, Zed] in the Resources block of the template"},
		{"unresolved output", queue + "Outputs: {O: {Value: !Ref Nope}}", "Template format error: Unresolved resource dependencies [Nope] in the Outputs block of the template"},
		{"cycle", "Resources:\n  A: {Type: AWS::SQS::Queue, DependsOn: B}\n  B: {Type: AWS::SQS::Queue, Properties: {X: !Sub '${C}'}}\n  C: {Type: AWS::SQS::Queue, Properties: {X: !GetAtt A.Arn}}\n  Before: {Type: AWS::SQS::Queue, DependsOn: A}\n  After: {Type: AWS::SQS::Queue}", "Circular dependency between resources: [A, B, C]"},
		{"itself", "Resources: {A: {Type: AWS::SQS::Queue, DependsOn: A}}", "Circular dependency between resources: [A]"},
		{"resource in condition", "Conditions: {C: !Equals [!Ref Q, a]}\n" + queue, "Template format error: Unresolved dependencies [Q]. Cannot reference resources in the Conditions block of the template"},
		{"condition no function", "Conditions: {C: 'true'}\n" + queue, "Template format error: Conditions can only be boolean operations on parameters and other conditions"},
		{"unknown condition of resource", "Resources: {Q: {Type: AWS::SQS::Queue, Condition: C}}", "Template format error: Unresolved condition dependency C in the Resources block of the template"},
		{"unknown condition of output", queue + "Outputs: {O: {Value: x, Condition: C}}", "Template format error: Unresolved condition dependency C in the Outputs block of the template"},
		{"conditions in a circle", "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}\n" + queue, "Template error: Found circular condition dependency between B and A"},
		{"And of one", "Conditions: {A: !And [!Equals [a, a]]}\n" + queue, "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters."},
		{"Equals of three", "Conditions: {A: !Equals [a, b, c]}\n" + queue, "Template error: every Fn::Equals object requires a list of 2 string parameters."},
		{"mapping of objects", "Mappings: {M: {a: {b: {c: d}}}}\n" + queue, "Template format error: Every Mappings attribute must be a String or a List."},
		{"unknown parameter type", "Parameters: {P: {Type: Strin}}\n" + queue, "Template format error: Unrecognized parameter type: Strin"},
		{"no parameter type", "Parameters: {P: {Default: a}}\n" + queue, "Template format error: Every Parameters object must contain a Type member."},
		{"MinLength of a number", "Parameters: {P: {Type: Number, MinLength: 2}}\n" + queue, "Template error: Parameter 'P' MinLength must be on a parameter of type String"},
		{"snapshot of a queue", "Resources: {Q: {Type: AWS::SQS::Queue, DeletionPolicy: Snapshot}}", "Template error: resource type AWS::SQS::Queue does not support deletion policy Snapshot"},
		{"computed policy", "Resources: {Q: {Type: AWS::SQS::Queue, DeletionPolicy: !Ref AWS::Region}}", "Template format error: Every DeletionPolicy member must be a string."},
		{"attribute of a wait", "Resources:\n  W: {Type: AWS::CloudFormation::WaitCondition}\n  Q: {Type: AWS::SQS::Queue, Properties: {A: !GetAtt W.Arn}}", "Template error: resource W does not support attribute type Arn in Fn::GetAtt"},
		{"output without value", queue + "Outputs: {O: {Description: x}}", "Template format error: Output O is malformed. The Value field of every Outputs member must evaluate to a String."},
		{"loop without its transform", "Resources:\n  Fn::ForEach::A: [X, [a], {'Q${X}': {Type: AWS::SQS::Queue}}]", "Template format error: Resource name Fn::ForEach::A is non alphanumeric."},
		{"too deep", "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {A: " + strings.Repeat("[", 120) + strings.Repeat("]", 120) + "}}}", "Template format error: the template nests deeper than 100 levels."},
		{"too many resources", "Resources:\n" + queues(501), "Template format error: Number of resources, 501, is greater than maximum allowed, 500"},
		{"too large", "# " + strings.Repeat("x", 1<<20), "Template may not exceed 1048576 bytes in size."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := fakecfn.ParseTemplate([]byte(tt.src))
			if err == nil {
				t.Fatal("ParseTemplate: got no error")
			}
			if tpl != nil {
				t.Error("ParseTemplate: got a template along with an error")
			}
			if got := refusalMessage(t, err); got != tt.want {
				t.Errorf("message: got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func queues(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  Q%d: {Type: AWS::SQS::Queue}\n", i)
	}
	return b.String()
}

// TestDuplicateProperty holds that below the logical IDs the last one of two wins, as on AWS: public templates
// have such slips.
func TestDuplicateProperty(t *testing.T) {
	w := newWorld(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: {QueueName: one, QueueName: two}")})
	if got := w.stack(id).Events[1].Properties; got != `{"QueueName":"two"}` {
		t.Errorf("properties: got %s", got)
	}
}

// TestSamples runs templates like the public ones to their end.
func TestSamples(t *testing.T) {
	tests := []struct {
		file       string
		parameters map[string]string
		resources  []string // besides those that every run has
		outputs    map[string]string
	}{
		{
			file:      "network.yaml",
			resources: []string{"Vpc", "Gateway", "Attachment", "PublicA", "PublicB", "Routes", "Default"},
			outputs:   map[string]string{"VpcId": "vpc-*", "Subnets": "subnet-*,subnet-*"},
		},
		{
			file:       "network.yaml",
			parameters: map[string]string{"Environment": "prod", "NatGateways": "true"},
			resources:  []string{"Vpc", "Gateway", "Attachment", "PublicA", "PublicB", "PublicC", "Address", "Nat", "Routes", "Default"},
			outputs:    map[string]string{"VpcId": "vpc-*", "Subnets": "subnet-*,subnet-*,subnet-*", "NatAddress": "203.0.113.*"},
		},
		{
			file:       "database.json",
			parameters: map[string]string{"Password": "correct1horse", "Subnets": "subnet-1,subnet-2", "Replica": "yes"},
			resources:  []string{"Group", "Database", "ReadReplica", "Login"},
			outputs:    map[string]string{"Url": "jdbc:mysql://*.rds.us-east-1.amazonaws.com:3306", "ReplicaId": "stack-ReadReplica-*"},
		},
		{
			file:      "loops.yaml",
			resources: []string{"Topicalpha", "QueuealphaInbox", "QueuealphaOutbox", "Topicbeta", "QueuebetaInbox", "QueuebetaOutbox"},
			outputs: map[string]string{
				"Namealpha": "stack-alpha", "Namebeta": "stack-beta", "HowMany": "2",
				"AsJson": `{"teams":["alpha","beta"],"many":2,"open":true}`,
			},
		},
		{
			file:       "loops.yaml",
			parameters: map[string]string{"Teams": "gamma,delta"},
			resources:  []string{"QueuegammaInbox", "QueuegammaOutbox", "Topicdelta", "QueuedeltaInbox", "QueuedeltaOutbox"},
			outputs:    nil, // NameGamma refers to a topic that its condition leaves out
		},
		{
			file:      "pipeline.yaml",
			resources: []string{"Store", "Role", "Build"},
			outputs:   map[string]string{"Environment": "arn:aws:iam::111122223333:role/stack-Role-*"},
		},
		{
			file:      "serverless.yaml",
			resources: []string{"Hello", "Table", "Alarm"},
			outputs: map[string]string{
				"Url":      "https://stack-ServerlessRestApi-*.execute-api.us-east-1.amazonaws.com/Prod/",
				"Function": "arn:aws:lambda:us-east-1:111122223333:function:stack-Hello-*", "Role": "stack-HelloRole-*",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			w := newWorld(t)
			id, err := w.engine.CreateStack(fakecfn.CreateStackInput{Name: "stack", Template: load(t, tt.file), Parameters: tt.parameters})
			if tt.outputs == nil {
				want := "Template format error: Unresolved resource dependencies [Topicgamma] in the Outputs block of the template"
				if got := refusalMessage(t, err); got != want {
					t.Errorf("CreateStack: got %q, want %q", got, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			st := w.stack(id)
			if st.Status != fakecfn.CreateComplete {
				t.Fatalf("status: got %s %q, want CREATE_COMPLETE", st.Status, st.StatusReason)
			}
			var names []string
			for _, r := range st.Resources {
				names = append(names, r.LogicalID)
			}
			if diff := cmp.Diff(tt.resources, names); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			for _, o := range st.Outputs {
				if want, ok := tt.outputs[o.Key]; !ok || !like(want, o.Value) {
					t.Errorf("output %s: got %q, want %q", o.Key, o.Value, want)
				}
			}
			if got, want := len(st.Outputs), len(tt.outputs); got != want {
				t.Errorf("outputs: got %d, want %d", got, want)
			}
		})
	}
}

// like reports whether s matches a pattern in which * stands for one text without commas or slashes.
func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, part := range parts[1:] {
		i := strings.Index(s, part)
		if part == "" {
			i = len(s)
		}
		if i < 1 || strings.ContainsAny(s[:i], ",/") {
			return false
		}
		s = s[i+len(part):]
	}
	return s == ""
}

// TestNestedSubstitution holds the value that the nested functions of pipeline.yaml come to.
func TestNestedSubstitution(t *testing.T) {
	w := newWorld(t)
	id := w.create(fakecfn.CreateStackInput{Template: load(t, "pipeline.yaml")})
	for _, ev := range w.stack(id).Events {
		if ev.LogicalID != "Build" || ev.Status != fakecfn.CreateComplete {
			continue
		}
		want := `"Value":"https://ledger-build.example.com/ledger?from=arn:aws:s3:::ledger-1-111122223333&account=111122223333&raw=${raw}"`
		if !strings.Contains(ev.Properties, want) {
			t.Errorf("properties: got %s, want %s in it", ev.Properties, want)
		}
	}
}

func TestParameterDeclarations(t *testing.T) {
	got := load(t, "database.json").Parameters()
	want := fakecfn.ParameterDeclaration{
		Key: "AllocatedStorage", Type: "Number", Default: "20", HasDefault: true, ConstraintDescription: "must be between 5 and 1024 GiB.",
	}
	if diff := cmp.Diff(want, got[1]); diff != "" {
		t.Errorf("declaration (-want +got):\n%s", diff)
	}
	if !got[0].NoEcho || got[0].HasDefault || len(got) != 5 {
		t.Errorf("declarations: got %+v", got)
	}
}
