package deploy

import (
	"context"
	"os/exec"
	"testing"
	"time"

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
