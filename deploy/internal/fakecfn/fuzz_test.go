package fakecfn_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// FuzzStack runs every template that parses: CreateStack returns *Error only, and the event log is valid.
func FuzzStack(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "..", "gate", "testdata", "*.*"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, src := range []string{
		probeTemplate + "!Sub ['${A}', {A: !Join ['', [!Ref Words]]}]", diamondTemplate, customTemplate, policiesTemplate, waitTemplate("Timeout: 5"),
		"a: &a [*a]", "{", "[", "!", "!Ref", "? a\n: b", "Resources: {A: !Transform {}}", "Transform: [AWS::LanguageExtensions]\nResources: {Fn::ForEach::X: [A, [B], {C: D}]}",
		"Resources: {A: {Type: A::B::C, Properties: {Fn::Transform: x}}}", "Conditions: {A: {Condition: A}}", "Rules: {A: {Assertions: [{}]}}",
		"Resources: {A: {Type: A::B::C, Properties: !If [a, b, c]}}", "Mappings: {A: {B: C}}", "Parameters: {A: {Type: Number, Default: [1]}}",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tpl, err := gate.Parse(src)
		if err != nil {
			return
		}
		checkStack(t, tpl)
	})
}

// checkStack creates and deletes a stack without responding to any request, and checks its log.
func checkStack(t *testing.T, tpl *gate.Template) {
	w := newFixture(t)
	given := map[string]string{}
	for _, p := range tpl.Parameters() {
		if !p.HasDefault {
			given[p.Name] = "1"
		}
	}
	id, err := w.engine.CreateStack(fakecfn.CreateStackInput{Name: "stack", Template: tpl, Parameters: given})
	if err != nil {
		var refused *fakecfn.Error
		if !errors.As(err, &refused) {
			t.Fatalf("CreateStack: got %T %v", err, err)
		}
		return
	}
	for range 3 {
		w.advance(13 * time.Hour) // longer than any timeout
	}
	if status, _, _ := w.engine.Status(id); status.InProgress() {
		t.Errorf("stack: got %s after all clocks ran out", status)
	}
	if err := w.engine.DeleteStack(id); err != nil {
		t.Errorf("DeleteStack: %v", err)
	}
	w.advance(13 * time.Hour)
	last := map[string]fakecfn.Status{}
	st := w.stack(id)
	for i := len(st.Events) - 1; i >= 0; i-- {
		ev := st.Events[i]
		if ev.Properties != "" && !json.Valid([]byte(ev.Properties)) {
			t.Errorf("properties of %s are no JSON: %s", ev.LogicalID, ev.Properties)
		}
		if was := last[ev.LogicalID]; was == fakecfn.DeleteComplete || was == fakecfn.DeleteSkipped {
			t.Errorf("%s: %s after %s", ev.LogicalID, ev.Status, was)
		}
		last[ev.LogicalID] = ev.Status
	}
	if st.Status.InProgress() {
		t.Errorf("stack: got %s after all clocks ran out", st.Status)
	}
}
