package gate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign/deploy/gate"
)

// refusalMessage returns the message of an error that must be in CloudFormation's form.
func refusalMessage(t testing.TB, err error) string {
	t.Helper()
	var refused *gate.Error
	if !errors.As(err, &refused) || refused.Code != "ValidationError" {
		t.Fatalf("error: got %T %v, want a ValidationError", err, err)
	}
	return refused.Message
}

// read returns a file of testdata.
func read(t testing.TB, name string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// parse parses a valid template.
func parse(t testing.TB, src []byte) *gate.Template {
	t.Helper()
	template, err := gate.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestParseErrors(t *testing.T) {
	const queue = "Resources: {Q: {Type: AWS::SQS::Queue}}\n"
	tests := []struct{ name, src, want string }{
		{"empty", "", "Template format error: unsupported structure."},
		{"a list", "- a", "Template format error: unsupported structure."},
		{"no resources", "Description: x", "Template format error: At least one Resources member must be defined."},
		{"null description", "Description:\n" + queue, "[/Description] 'null' values are not allowed in templates"},
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
		{"list of policies", "Resources: {Q: {Type: AWS::SQS::Queue, DeletionPolicy: [Retain]}}", "Template format error: Every DeletionPolicy member must be a string."},
		{"policy of a resource", "Resources: {Q: {Type: AWS::SQS::Queue, UpdateReplacePolicy: !Ref Q}}", "Unsupported expression for UpdateReplacePolicy in resource Q"},
		{"two commas in JSON", `{"Resources": {"Q": {"Type": "AWS::SQS::Queue",,}}}`, "Template format error: JSON not well-formed. (line 1, column 48)"},
		{"only a comma in JSON", `{"Resources": {,}}`, "Template format error: JSON not well-formed. (line 1, column 16)"},
		{"attribute of a wait", "Resources:\n  W: {Type: AWS::CloudFormation::WaitCondition}\n  Q: {Type: AWS::SQS::Queue, Properties: {A: !GetAtt W.Arn}}", "Template error: resource W does not support attribute type Arn in Fn::GetAtt"},
		{"output without value", queue + "Outputs: {O: {Description: x}}", "Template format error: Output O is malformed. The Value field of every Outputs member must evaluate to a String."},
		{"loop without its transform", "Resources:\n  Fn::ForEach::A: [X, [a], {'Q${X}': {Type: AWS::SQS::Queue}}]", "Template format error: Resource name Fn::ForEach::A is non alphanumeric."},
		{"too deep", "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {A: " + strings.Repeat("[", 120) + strings.Repeat("]", 120) + "}}}", "Template format error: the template nests deeper than 100 levels."},
		{"too many resources", "Resources:\n" + queues(501), "Template format error: Number of resources, 501, is greater than maximum allowed, 500"},
		{"too large", "# " + strings.Repeat("x", 1<<20), "Template may not exceed 1048576 bytes in size."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := gate.Parse([]byte(tt.src))
			if err == nil {
				t.Fatal("Parse: got no error")
			}
			if tpl != nil {
				t.Error("Parse: got a template along with an error")
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

func TestParameterDeclarations(t *testing.T) {
	got := parse(t, read(t, "database.json")).Parameters()
	want := &gate.Parameter{
		Name: "AllocatedStorage", Type: "Number", Default: "20", HasDefault: true, ConstraintDescription: "must be between 5 and 1024 GiB.",
	}
	if diff := cmp.Diff(want, got[1], cmpopts.IgnoreUnexported(gate.Parameter{})); diff != "" {
		t.Errorf("declaration (-want +got):\n%s", diff)
	}
	if !got[0].NoEcho || got[0].HasDefault || len(got) != 5 {
		t.Errorf("declarations: got %+v", got)
	}
}

func TestResourceDeclarations(t *testing.T) {
	got := parse(t, read(t, "network.yaml")).Resources()
	type declaration struct {
		LogicalID, Type, Condition string
		Line                       int
		DependsOn                  []string
	}
	var last []declaration
	for _, r := range got[len(got)-3:] {
		last = append(last, declaration{r.LogicalID, r.Type, r.Condition, r.Node.Line, r.DependsOn})
	}
	want := []declaration{
		{"Nat", "AWS::EC2::NatGateway", "HasNat", 78, []string{"PublicA", "Address"}},
		{"Routes", "AWS::EC2::RouteTable", "", 84, []string{"Vpc"}},
		{"Default", "AWS::EC2::Route", "", 87, []string{"Attachment", "Routes", "Nat", "Gateway"}},
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("declarations (-want +got):\n%s", diff)
	}
}

func BenchmarkParse(b *testing.B) {
	src := read(b, "pipeline.yaml")
	for b.Loop() {
		if _, err := gate.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}
