package fakecfn_test

import (
	"fmt"
	"testing"

	"countersign/deploy/internal/fakecfn"
)

func TestConditions(t *testing.T) {
	const head = `
Parameters:
  Env: {Type: String, Default: prod}
  Zones: {Type: CommaDelimitedList, Default: 'a,b'}
Mappings: {Flags: {prod: {Open: true}, test: {Open: false}}}
Conditions:
  Later: !Not [!Condition Wanted]
  Prod: !Equals [!Ref Env, prod]
  Wanted: `
	tests := []struct {
		condition string
		want      bool
	}{
		{`!Equals [a, a]`, true},
		{`!Equals [1, '1']`, true},
		{`!Equals [!Ref Zones, [a, b]]`, true},
		{`!Equals [!Ref Zones, a]`, false},
		{`!Equals [{a: 1}, {a: 2}]`, false},
		{`!Not [!Equals [a, b]]`, true},
		{`!And [!Condition Prod, !Equals [a, a]]`, true},
		{`!And [!Condition Prod, {Condition: Prod}, !Equals [a, b]]`, false},
		{`!Or [!Equals [a, b], !Condition Prod]`, true},
		{`!Or [!Equals [a, b], !Equals [c, d]]`, false},
		{`!If [Prod, !Equals [a, a], !Equals [a, b]]`, true},
		{`!And [!FindInMap [Flags, !Ref Env, Open], 'TRUE']`, true},
		{`!Not [!FindInMap [Flags, test, Open]]`, true},
		{`!Equals [!Select [0, !Ref Zones], !Join ['', [a]]]`, true},
		{`!Equals [!Sub '${Env}-${AWS::Region}', prod-us-east-1]`, true},
		{`!Condition Prod`, true},
	}
	for _, tt := range tests {
		t.Run(tt.condition, func(t *testing.T) {
			w := newFixture(t)
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, head+tt.condition+`
Resources:
  Always: {Type: AWS::SQS::Queue}
  Yes: {Type: AWS::SQS::Queue, Condition: Wanted}
  No: {Type: AWS::SQS::Queue, Condition: Later}
`)})
			st := w.stack(id)
			if got := st.Resource("Yes").Status != ""; got != tt.want {
				t.Errorf("condition: got %t, want %t", got, tt.want)
			}
			if got := st.Resource("No").Status != ""; got == tt.want {
				t.Errorf("its opposite: got %t, want %t", got, !tt.want)
			}
		})
	}
}

func TestConditionErrors(t *testing.T) {
	const tail = "\nResources: {Q: {Type: AWS::SQS::Queue}}"
	tests := []struct{ condition, want string }{
		{"!Not [abc]", "Template error: every Fn::Not object requires one boolean parameter."},
		{"!And [!Equals [a, a], abc]", "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters."},
		{"!Or [abc, !Equals [a, a]]", "Template error: every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters."},
		{"!Join ['', [a]]", "Template format error: Conditions can only be boolean operations on parameters and other conditions"},
		{"!Condition Nope", "Template format error: Unresolved condition dependency Nope in the Conditions block of the template"},
		{"!Equals [!GetAtt Q.Arn, a]", "Template format error: Unresolved dependencies [Q]. Cannot reference resources in the Conditions block of the template"},
		{"!Equals [!Sub '${Q.Arn}', a]", "Template format error: Unresolved dependencies [Q]. Cannot reference resources in the Conditions block of the template"},
	}
	for _, tt := range tests {
		t.Run(tt.condition, func(t *testing.T) {
			if got := newFixture(t).refusal("Conditions:\n  C: " + tt.condition + tail); got != tt.want {
				t.Errorf("refusal: got %q, want %q", got, tt.want)
			}
		})
	}
}

// AWS::LanguageExtensions lets a deletion policy depend on a parameter.
func TestDeletionPolicyFromParameter(t *testing.T) {
	tpl := mustParse(t, "Transform: AWS::LanguageExtensions\nParameters: {Policy: {Type: String}}\nResources: {Q: {Type: AWS::SQS::Queue, DeletionPolicy: !Ref Policy}}")
	for policy, want := range map[string]fakecfn.Status{"Delete": fakecfn.DeleteComplete, "Retain": fakecfn.DeleteSkipped} {
		w := newFixture(t)
		id := w.create(fakecfn.CreateStackInput{Template: tpl, Parameters: map[string]string{"Policy": policy}})
		if err := w.engine.DeleteStack(id); err != nil {
			t.Fatal(err)
		}
		if got := w.stack(id).Resource("Q").Status; got != want {
			t.Errorf("%s: got %s, want %s", policy, got, want)
		}
	}
}

// Functions compute a deletion policy without a transform, too. It must not depend on a resource.
func TestDeletionPolicyByIf(t *testing.T) {
	const src = "Parameters: {Keep: {Type: String}}\nConditions: {Keeps: !Equals [!Ref Keep, 'yes']}\n" +
		"Resources:\n  Q: {Type: AWS::SQS::Queue, DeletionPolicy: !If [Keeps, %s, !Ref AWS::NoValue], UpdateReplacePolicy: !If [Keeps, Retain, Delete]}\n"
	for keep, want := range map[string]fakecfn.Status{"yes": fakecfn.DeleteSkipped, "no": fakecfn.DeleteComplete} {
		w := newFixture(t)
		id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, fmt.Sprintf(src, "Retain")), Parameters: map[string]string{"Keep": keep}})
		if err := w.engine.DeleteStack(id); err != nil {
			t.Fatal(err)
		}
		if got := w.stack(id).Resource("Q").Status; got != want {
			t.Errorf("Keep=%s: got %s, want %s", keep, got, want)
		}
	}
	for policy, want := range map[string]string{
		"Retian":   "Template format error: Unrecognized DeletionPolicy Retian",
		"[Retain]": "Template format error: Every DeletionPolicy member must be a string.",
		"!Ref Q":   "Unsupported expression for DeletionPolicy in resource Q",
	} {
		if got := newFixture(t).refusal(fmt.Sprintf(src, policy)); got != want {
			t.Errorf("%s: got %q, want %q", policy, got, want)
		}
	}
}

func TestDeletionPolicyByParameter(t *testing.T) {
	tpl := mustParse(t, "Parameters: {Policy: {Type: String}}\nMappings: {Policies: {us-east-1: {Logs: Retain}}}\nResources:\n"+
		"  Q: {Type: AWS::SQS::Queue, DeletionPolicy: !Ref Policy, UpdateReplacePolicy: !Ref Policy}\n"+
		"  Logs: {Type: AWS::Logs::LogGroup, DeletionPolicy: !FindInMap [Policies, !Ref AWS::Region, Logs]}\n")
	for policy, want := range map[string]fakecfn.Status{"Retain": fakecfn.DeleteSkipped, "Delete": fakecfn.DeleteComplete} {
		w := newFixture(t)
		id := w.create(fakecfn.CreateStackInput{Template: tpl, Parameters: map[string]string{"Policy": policy}})
		if err := w.engine.DeleteStack(id); err != nil {
			t.Fatal(err)
		}
		if got := w.stack(id); got.Resource("Q").Status != want || got.Resource("Logs").Status != fakecfn.DeleteSkipped {
			t.Errorf("Policy=%s: got %s and %s", policy, got.Resource("Q").Status, got.Resource("Logs").Status)
		}
	}
	_, err := newFixture(t).engine.CreateStack(fakecfn.CreateStackInput{Name: "stack", Template: tpl, Parameters: map[string]string{"Policy": "Keep"}})
	if got, want := refusalMessage(t, err), "Template format error: Unrecognized DeletionPolicy Keep"; got != want {
		t.Errorf("refusal: got %q, want %q", got, want)
	}
}

// An output with a condition exists in those stacks only where the condition holds.
func TestConditionalOutput(t *testing.T) {
	tpl := mustParse(t, "Parameters: {Alias: {Type: String}}\nConditions: {HasAlias: !Not [!Equals [!Ref Alias, '']]}\n"+
		"Resources: {Q: {Type: AWS::SQS::Queue}}\nOutputs: {Url: {Condition: HasAlias, Value: !Sub 'https://${Alias}/'}}\n")
	for alias, want := range map[string]string{"": "", "queue": "https://queue/"} {
		w := newFixture(t)
		id := w.create(fakecfn.CreateStackInput{Template: tpl, Parameters: map[string]string{"Alias": alias}})
		if got := w.stack(id); got.Status != fakecfn.CreateComplete || got.Output("Url") != want {
			t.Errorf("Alias=%q: got %s, output %q, want %q", alias, got.Status, got.Output("Url"), want)
		}
	}
}
