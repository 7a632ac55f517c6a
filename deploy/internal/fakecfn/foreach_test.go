package fakecfn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

func TestLoops(t *testing.T) {
	const head = "Transform: [AWS::LanguageExtensions]\nParameters:\n  Names: {Type: CommaDelimitedList}\n  More: {Type: CommaDelimitedList, Default: 'c,d'}\nMappings: {M: {a: {Kinds: [x, y]}, b: {Kinds: [z]}}}\nResources:\n"
	tests := []struct {
		name, resources string
		want            []string
		refusal         string
	}{
		{"literal", "  Fn::ForEach::A: [N, [a, b], {'Q${N}': {Type: AWS::SQS::Queue}}]", []string{"Qa", "Qb"}, ""},
		{"parameter", "  Fn::ForEach::A: [N, !Ref Names, {'Q${N}': {Type: AWS::SQS::Queue}}]", []string{"Qone", "Qtwo"}, ""},
		{"parameter among others", "  Fn::ForEach::A: [N, [a, !Ref More], {'Q${N}': {Type: AWS::SQS::Queue}}]", []string{"Qa", "Qc", "Qd"}, ""},
		{"split", "  Fn::ForEach::A: [N, !Split ['-', 'e-f'], {'Q${N}': {Type: AWS::SQS::Queue}}]", []string{"Qe", "Qf"}, ""},
		{"alphanumeric", "  Fn::ForEach::A: [N, [10.0.0.1], {'Q&{N}': {Type: AWS::SQS::Queue}}]", []string{"Q10001"}, ""},
		{"outer value in the inner collection", "  Fn::ForEach::A:\n    - N\n    - [a, b]\n    - Fn::ForEach::B: [K, !FindInMap [M, !Ref N, Kinds], {'Q${N}${K}': {Type: AWS::SQS::Queue}}]", []string{"Qax", "Qay", "Qbz"}, ""},
		{"beside others", "  First: {Type: AWS::SQS::Queue}\n  Fn::ForEach::A: [N, [a], {'Q${N}': {Type: AWS::SQS::Queue, DependsOn: First}}]\n  Last: {Type: AWS::SQS::Queue, DependsOn: Qa}", []string{"First", "Qa", "Last"}, ""},
		{"empty", "  Fn::ForEach::A: [N, [], {'Q${N}': {Type: AWS::SQS::Queue}}]", nil, "Template format error: At least one Resources member must be defined."},
		{"same name twice", "  Fn::ForEach::A: [N, [a, a], {'Q${N}': {Type: AWS::SQS::Queue}}]", nil, "Template format error: Duplicate key Qa in the Resources block of the template"},
		{"two arguments", "  Fn::ForEach::A: [N, [a]]", nil, "Template format error: Fn::ForEach::A must be a list of three elements: an identifier, a collection and an object."},
		{"collection no list", "  Fn::ForEach::A: [N, abc, {'Q${N}': {Type: AWS::SQS::Queue}}]", nil, "Template format error: the collection of Fn::ForEach::A must be a list of strings or of parameters."},
		{"collection of a resource", "  Q: {Type: AWS::SQS::Queue}\n  Fn::ForEach::A: [N, [!Ref Q], {'Q${N}': {Type: AWS::SQS::Queue}}]", nil, "Template format error: the collection of Fn::ForEach::A must be a list of strings or of parameters."},
		{"an explosion", "  " + strings.Repeat("Fn::ForEach::A: [N, [a, b, c, d, e, f, g, h], {", 12) + "'Q${N}': {Type: AWS::SQS::Queue}" + strings.Repeat("}]", 12), nil, "Template format error: Fn::ForEach expands to more than a template can hold."},
		{"a text that doubles", "  " + strings.Repeat("Fn::ForEach::A: [N, ['${N}${N}x'], {", 40) + "'Q${N}': {Type: AWS::SQS::Queue}" + strings.Repeat("}]", 40), nil, "Template format error: Fn::ForEach expands to more than a template can hold."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t)
			got := ""
			tpl, err := gate.Parse([]byte(head + tt.resources + "\n"))
			if err == nil {
				_, err = w.engine.CreateStack(fakecfn.CreateStackInput{Name: "stack", Template: tpl, Parameters: map[string]string{"Names": "one,two"}})
			}
			if err != nil {
				got = refusalMessage(t, err)
			}
			if !strings.HasPrefix(got, tt.refusal) || (got == "") != (tt.refusal == "") {
				t.Fatalf("refusal: got %q, want %q", got, tt.refusal)
			}
			if tt.want == nil {
				return
			}
			var names []string
			for _, r := range w.stack("stack").Resources {
				names = append(names, r.LogicalID)
			}
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
		})
	}
}

// A loop over a parameter without default is first checked by CreateStack.
func TestLoopOverParameterWithoutDefault(t *testing.T) {
	tpl := mustParse(t, "Transform: AWS::LanguageExtensions\nParameters: {Names: {Type: CommaDelimitedList}}\nResources:\n  Fn::ForEach::A: [N, !Ref Names, {'Q${N}': {Type: AWS::SQS::Queue}}]\n")
	if got := tpl.Resources(); got != nil {
		t.Errorf("Resources: got %v before there are names", got)
	}
	w := newFixture(t)
	for name, want := range map[string]int{"a": 1, "a,b,c": 3} {
		id := w.create(fakecfn.CreateStackInput{Name: "s" + strings.ReplaceAll(name, ",", ""), Template: tpl, Parameters: map[string]string{"Names": name}})
		if got := len(w.stack(id).Resources); got != want {
			t.Errorf("resources for %s: got %d, want %d", name, got, want)
		}
	}
}

// Inside a loop, names may use Fn::Sub. The collection may depend on a parameter without default.
func TestSubInLoopNames(t *testing.T) {
	const src = `
Transform: AWS::LanguageExtensions
Parameters: {Stage: {Type: String}}
Mappings: {Queues: {production: {Names: [Orders, Returns]}}}
Resources:
  Fn::ForEach::Queues:
    - Name
    - !FindInMap [Queues, !Ref Stage, Names]
    - ${Name}Queue: {Type: AWS::SQS::Queue}
Outputs:
  Fn::ForEach::Outputs:
    - Name
    - !FindInMap [Queues, !Ref Stage, Names]
    - ${Name}Url: {Value: {Ref: {Fn::Sub: '${Name}Queue'}}}
      ${Name}Arn: {Value: !GetAtt [!Sub '${Name}Queue', Arn]}
`
	template, err := gate.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	e := fakecfn.New(fakecfn.Config{Now: func() time.Time { return time.Unix(0, 0) }})
	id, err := e.CreateStack(fakecfn.CreateStackInput{Name: "loops", Template: template, Parameters: map[string]string{"Stage": "production"}})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := e.Stack(id)
	if s.Status != fakecfn.CreateComplete || s.Output("ReturnsUrl") != s.Resource("ReturnsQueue").PhysicalID || s.Output("OrdersArn") == "" {
		t.Errorf("status %s, outputs %+v", s.Status, s.Outputs)
	}
	if _, err := e.CreateStack(fakecfn.CreateStackInput{Name: "other", Template: template, Parameters: map[string]string{"Stage": "nowhere"}}); err == nil {
		t.Error("an unknown key of the mapping was taken")
	}
}
