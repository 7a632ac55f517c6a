package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"countersign/deploy/internal/testtools"
)

// cfn-lint checks templates against CloudFormation's schemas, after SAM's
// transformation. Shipped templates have no findings, not even informational ones;
// findings in test templates are in accepted.yaml with a reason.
func TestTemplatesPassCfnLint(t *testing.T) {
	lint := testtools.Path(t, "lint/bin/cfn-lint")
	shipped, all := templates(t), allTemplates(t)
	for _, name := range shipped {
		if !slices.Contains(all, name) {
			t.Fatalf("%s is not among the templates %v", name, all)
		}
	}
	found := map[string]map[string]bool{}
	run := func(more []string, names []string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, lint, slices.Concat([]string{"--format", "json"}, more, []string{"--"}, names)...).Output()
		var report []struct {
			Filename, Message string
			Rule              struct{ ID string }
			Location          struct{ Path []any }
		}
		if decoded := json.Unmarshal(out, &report); decoded != nil {
			t.Fatalf("cfn-lint: %v, %v\n%s", err, decoded, out)
		}
		for _, f := range report {
			key := f.Rule.ID
			for _, part := range f.Location.Path[:min(2, len(f.Location.Path))] {
				key += fmt.Sprint(" ", part)
			}
			if found[f.Filename] == nil {
				found[f.Filename] = map[string]bool{}
			}
			found[f.Filename][key] = true
			if accepted(t)[f.Filename][key] == "" {
				t.Errorf("%s: cfn-lint finds %s: %s", f.Filename, key, f.Message)
			}
		}
	}
	run([]string{"--include-checks", "I"}, shipped)
	run(nil, slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(shipped, name) }))
	for name, keys := range accepted(t) {
		for key := range keys {
			if !strings.HasPrefix(key, "CKV") && !found[name][key] {
				t.Errorf("%s: %s is in accepted.yaml and no longer found", name, key)
			}
		}
	}
}

// allTemplates lists the templates of the repository: YAML and JSON files with
// Resources.
func allTemplates(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir // peers and SAM's build output
		case d.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var root struct {
			Resources yaml.Node `yaml:"Resources"`
		}
		if yaml.Unmarshal(text, &root) == nil && root.Resources.Kind == yaml.MappingNode {
			name, err := filepath.Rel("../deploy", path)
			if err != nil {
				return err
			}
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// accepted returns accepted.yaml: the reason by template and finding.
func accepted(t *testing.T) map[string]map[string]string {
	t.Helper()
	file, err := os.ReadFile("accepted.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]map[string]string{}
	if err := yaml.Unmarshal(file, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// checkov checks what auditors look for. Its findings are fixed, or in accepted.yaml
// with a reason.
func TestTemplatesPassCheckov(t *testing.T) {
	checkov := testtools.Path(t, "checkov/bin/checkov")
	accepted := accepted(t)
	for _, name := range templates(t) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		// Without --soft-fail, findings exit like errors.
		out, err := exec.CommandContext(ctx, checkov, "--file", name, "--framework", "cloudformation",
			"--output", "json", "--quiet", "--skip-download", "--soft-fail").Output()
		if err != nil {
			t.Fatalf("checkov %s: %v", name, err)
		}
		var report struct {
			Results struct {
				Failed []struct {
					Check    string `json:"check_id"`
					Resource string `json:"resource"`
				} `json:"failed_checks"`
				Errors []string `json:"parsing_errors"`
			} `json:"results"`
			Summary struct {
				Resources int `json:"resource_count"`
			} `json:"summary"`
		}
		if err := json.Unmarshal(out, &report); err != nil {
			t.Fatalf("checkov %s: %v\n%s", name, err, out)
		}
		if len(report.Results.Errors) > 0 || report.Summary.Resources == 0 {
			t.Errorf("checkov did not read %s", name)
		}
		found := map[string]bool{}
		for _, f := range report.Results.Failed {
			key := f.Check + " " + f.Resource
			found[key] = true
			if accepted[name][key] == "" {
				t.Errorf("%s: checkov finds %s", name, key)
			}
		}
		for key := range accepted[name] {
			if strings.HasPrefix(key, "CKV") && !found[key] {
				t.Errorf("%s: %s is in accepted.yaml and no longer found", name, key)
			}
		}
	}
}
