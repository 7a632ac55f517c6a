package deploy

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"countersign/deploy/peers"
)

// cfn-lint knows CloudFormation's schemas, and translates SAM first. Its exit
// says whether it found anything, down to informational findings.
func TestLint(t *testing.T) {
	lint := peers.Path(t, "lint/bin/cfn-lint")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, lint, append([]string{"--include-checks", "I", "--"}, templates(t)...)...).CombinedOutput()
	if err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// checkov knows what auditors look for. What it finds is fixed, or is in
// accepted.yaml with a reason.
func TestCheckov(t *testing.T) {
	checkov := peers.Path(t, "checkov/bin/checkov")
	file, err := os.ReadFile("accepted.yaml")
	if err != nil {
		t.Fatal(err)
	}
	accepted := map[string]map[string]string{}
	if err := yaml.Unmarshal(file, &accepted); err != nil {
		t.Fatal(err)
	}
	for _, name := range templates(t) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		// Without --soft-fail findings make it fail like faults.
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
				Faults []string `json:"parsing_errors"`
			} `json:"results"`
			Summary struct {
				Resources int `json:"resource_count"`
			} `json:"summary"`
		}
		if err := json.Unmarshal(out, &report); err != nil {
			t.Fatalf("checkov %s: %v\n%s", name, err, out)
		}
		if len(report.Results.Faults) > 0 || report.Summary.Resources == 0 {
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
			if !found[key] {
				t.Errorf("%s: %s is accepted and found no more", name, key)
			}
		}
	}
}
