package e2e_test

import (
	"context"
	"encoding/csv"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The audit command reports the outcome of every launch and update, and everything
// that happened to one.
func (d *deployment) auditCommand(t *testing.T) {
	program := filepath.Join(t.TempDir(), "countersign")
	build(t, program, "countersign/deploy/countersign")
	rows, err := csv.NewReader(strings.NewReader(d.audit(t, program, "--since", "1h", "--format", "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got, arns := map[string]string{}, map[string]string{}
	for _, row := range rows[1:] {
		of := map[string]string{}
		for i, name := range rows[0] {
			of[name] = row[i]
		}
		_, name, _ := strings.Cut(stackName(of["stack"]), "-pp-")
		outcome := strings.Join(strings.Fields(of["state"]+" "+of["approved by"]+" "+of["rejected by"]), " ")
		if of["bypassed at"] != "" {
			outcome += ", bypassed"
		}
		if launch, ok := got[name]; ok { // an update
			outcome = launch + "; " + outcome
		}
		got[name] = outcome
		arns[name] = of["stack"]
	}
	const ann, bob = "Ann Approver (U0ANN)", "Bob Approver (U0BOB)"
	want := map[string]string{
		"approved": "approved " + ann, "expired": "expired " + ann, "rejected": "rejected " + ann,
		"bypassed": "withdrawn, bypassed", "bymail": "approved Ann Approver (by mail)", "twice": "approved " + ann,
		"withdrawn": "withdrawn", "deleted": "withdrawn", "original": "approved " + bob,
		"unproven": "approved " + ann + ", " + bob, "throttled": "approved " + bob, "listedlate": "approved " + ann, "forged": "approved " + ann, "otheraccount": "approved " + ann + ", " + bob,
		"again-expired": "approved " + ann, "third-expired": "approved " + bob,
		"updated":       "approved " + ann + "; approved " + ann + ", " + bob + "; rejected " + ann,
		"updateexpired": "approved " + ann + "; expired", "updatebypassed": "approved " + ann + ", bypassed",
		"updatecancelled":     "approved " + ann + "; approved " + ann + ", " + bob,
		"updatewithnewhandle": "approved " + ann + "; approved " + ann + ", " + bob,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	report := d.audit(t, program, arns["rejected"])
	for _, want := range []string{arns["rejected"], "& ask the platform team", "ROLLBACK_COMPLETE", "created", "signalled  FAILURE"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report of the rejected launch lacks %q:\n%s", want, report)
		}
	}
}

// audit runs the audit command with MiniStack as its AWS.
func (d *deployment) audit(t *testing.T, program string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"audit", "--stack", d.name}, flags...)...)
	cmd.Env = environment(t.TempDir(), "AWS_ENDPOINT_URL="+d.ministack.origin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if strings.Contains(string(out), "/_ministack/") || strings.Contains(string(out), "X-Amz-") {
		t.Error("the audit command prints a wait URL")
	}
	return string(out)
}
