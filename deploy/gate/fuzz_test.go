package gate_test

import (
	"os"
	"path/filepath"
	"testing"

	"countersign/deploy/gate"
)

// templateSeeds returns the templates in testdata.
func templateSeeds(f *testing.F) (seeds [][]byte) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, src)
	}
	return seeds
}

// FuzzParse holds that Parse never panics, returns only *Error, and keeps every dependency inside the template.
func FuzzParse(f *testing.F) {
	for _, src := range templateSeeds(f) {
		f.Add(src)
	}
	for _, src := range []string{
		"a: &a [*a]", "{", "[", "!", "!Ref", "? a\n: b", "Resources: {A: !Transform {}}",
		"Transform: [AWS::LanguageExtensions]\nResources: {Fn::ForEach::X: [A, [B], {C: D}]}",
		"Resources: {A: {Type: A::B::C, Properties: {Fn::Transform: x}}}", "Conditions: {A: {Condition: A}}", "Rules: {A: {Assertions: [{}]}}",
		"Resources: {A: {Type: A::B::C, Properties: !If [a, b, c]}}", "Mappings: {A: {B: C}}", "Parameters: {A: {Type: Number, Default: [1]}}",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		template, err := gate.Parse(src)
		if err != nil {
			refusalMessage(t, err)
			if template != nil {
				t.Fatal("Parse: got a template along with an error")
			}
			return
		}
		for _, found := range template.Lint() {
			if found.Line < 1 || found.Column < 1 {
				t.Errorf("a finding at %d:%d", found.Line, found.Column)
			}
		}
		resources := template.Resources()
		known := map[string]bool{}
		for i, r := range resources {
			known[r.LogicalID] = true
			if r.Index != i || r.Node == nil {
				t.Errorf("%s: index %d at %d, node %v", r.LogicalID, r.Index, i, r.Node)
			}
		}
		for _, r := range resources {
			for _, id := range r.DependsOn {
				if !known[id] {
					t.Errorf("%s depends on %s, which the template does not have", r.LogicalID, id)
				}
			}
		}
	})
}

// FuzzRewrite holds that Inject only inserts, and that after Inject and after Upgrade a second Upgrade changes nothing. Both
// check themselves that their result passes Lint and equals the template except for the gate.
func FuzzRewrite(f *testing.F) {
	for _, src := range templateSeeds(f) {
		f.Add(string(src))
	}
	f.Add(cleanGate)
	f.Add("Resources: {A: {Type: A::B::C, DependsOn: [B, \"C\"]}, B: {Type: A::B::C}, C: {Type: AWS::CloudFormation::WaitConditionHandle}}")
	f.Fuzz(func(t *testing.T, src string) {
		template, err := gate.Parse([]byte(src))
		if err != nil {
			return
		}
		out, err := template.Inject(gate.InjectOptions{ServiceToken: gate.DefaultServiceToken})
		if err == nil && !isSubsequence(src, string(out)) {
			t.Errorf("Inject changed more than it inserted:\n%s", out)
		}
		if err != nil {
			out, err = template.Upgrade(false)
		}
		if err != nil {
			return
		}
		again, err := parse(t, out).Upgrade(false)
		if err != nil || string(again) != string(out) {
			t.Errorf("a second run changes the template: %v\n%s\nafter\n%s", err, again, out)
		}
	})
}
