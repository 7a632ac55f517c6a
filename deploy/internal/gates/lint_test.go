package gates

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"countersign/deploy"
	"countersign/deploy/internal/exit"
)

// leaky is the sample with a resource that leaks.
var leaky = strings.Replace(string(deploy.Product), "    DependsOn: ApprovalVerdict\n", "", 1)

func runLint(t *testing.T, format string, files ...string) (out string, status int, err error) {
	t.Helper()
	var b bytes.Buffer
	err = Lint{Files: files, Format: format}.Run(&b)
	var failed *exit.Error
	if errors.As(err, &failed) {
		return b.String(), failed.Status, failed.Err
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), 0, nil
}

func TestLintStatus(t *testing.T) {
	clean, open, advice := write(t, string(deploy.Product)), write(t, leaky), write(t, strings.Replace(string(deploy.Product), "      ServiceTimeout: '600'", "      # none", 1))
	broken, missing := write(t, "{"), filepath.Join(t.TempDir(), "none.yaml")
	for _, test := range []struct {
		name  string
		files []string
		want  int
	}{
		{"no findings", []string{clean}, 0}, {"an error", []string{clean, open}, 1}, {"not a template", []string{open, broken}, 2}, {"no file", []string{missing}, 2},
	} {
		for _, format := range []string{"text", "json", "sarif", "github"} {
			if _, status, err := runLint(t, format, test.files...); status != test.want || (err != nil) != (test.want == 2) {
				t.Errorf("%s, %s: status %d, error %v, want %d", test.name, format, status, err, test.want)
			}
		}
	}
	if out, status, _ := runLint(t, "text", advice); status != 1 || !strings.Contains(out, "[digest]") { // the edit made it stale
		t.Errorf("status %d\n%s", status, out)
	}
	if err := (Digest{Files: []string{advice}, Write: true}).Run(&bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if out, status, _ := runLint(t, "text", advice); status != 0 || !strings.Contains(out, "[service-timeout]") || !strings.HasSuffix(out, "\n1 note\n") {
		t.Errorf("advice alone: status %d\n%s", status, out)
	}
}

func TestLintText(t *testing.T) {
	name := write(t, leaky)
	out, _, _ := runLint(t, "text", name)
	want := name + ":" + lineOf(leaky, "  DeadLetters:") + ":3: error: DeadLetters can start before the verdict [leak]\n    Add DependsOn: ApprovalVerdict.\n"
	if !strings.Contains(out, want) {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	clean := write(t, string(deploy.Product))
	if out, _, _ := runLint(t, "text", clean); out != clean+": ok\n" {
		t.Errorf("of the sample: %q", out)
	}
}

func lineOf(src, text string) string {
	before, _, _ := strings.Cut(src, text)
	b, _ := json.Marshal(strings.Count(before, "\n") + 1)
	return string(b)
}

func TestLintJSON(t *testing.T) {
	open, broken := write(t, leaky), write(t, "Resources:\n  A: !Nope x\n")
	out, _, _ := runLint(t, "json", open, broken)
	var got struct {
		Findings []struct {
			File, Rule, Level, Resource, Message, Fix string
			Line, Column                              int
		}
		Errors []struct{ File, Message string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Findings) != 2 || got.Findings[1].Rule != "leak" || got.Findings[1].Resource != "DeadLetters" || got.Findings[1].File != open || got.Findings[1].Column != 3 {
		t.Errorf("got %+v", got.Findings)
	}
	if len(got.Errors) != 1 || got.Errors[0].File != broken || !strings.Contains(got.Errors[0].Message, "line 2") {
		t.Errorf("got %+v", got.Errors)
	}
	if out, _, _ := runLint(t, "json", write(t, string(deploy.Product))); !strings.Contains(out, `"findings": []`) {
		t.Errorf("of the sample:\n%s", out)
	}
}

func TestLintGitHub(t *testing.T) {
	name := write(t, leaky)
	out, _, _ := runLint(t, "github", name)
	want := "::error file=" + name + ",line=" + lineOf(leaky, "  DeadLetters:") + ",col=3,title=leak::DeadLetters can start before the verdict. Add DependsOn: ApprovalVerdict.\n"
	if !strings.Contains(out, want) {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "::") {
			t.Errorf("%q is not a workflow command", line)
		}
	}
}

func TestLintSARIF(t *testing.T) {
	open, broken := write(t, leaky), write(t, "{")
	out, _, _ := runLint(t, "sarif", open, broken)
	var got sarifLog
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "2.1.0" || len(got.Runs) != 1 {
		t.Fatalf("got %+v", got)
	}
	run := got.Runs[0]
	rules := run.Tool.Driver.Rules
	if len(run.Results) != 2 {
		t.Fatalf("%d results, want 2", len(run.Results))
	}
	for _, r := range run.Results {
		at := r.Locations[0].Physical
		if rules[r.RuleIndex].ID != r.RuleID || at.Region.Line < 1 || at.Region.Column < 1 || at.Artifact.URI != "file://"+open {
			t.Errorf("got %+v", r)
		}
	}
	if i := run.Invocations[0]; i.Successful || len(i.Notifications) != 1 || i.Notifications[0].Locations[0].Physical.Artifact.URI != "file://"+broken {
		t.Errorf("the file that is not a template: %+v", i)
	}
	for name, want := range map[string]string{"a b.yaml": "a%20b.yaml", "./x/y.yaml": "x/y.yaml", "/x/ü.yaml": "file:///x/%C3%BC.yaml"} {
		if got := uri(name); got != want {
			t.Errorf("uri(%q) = %q, want %q", name, got, want)
		}
	}
}
