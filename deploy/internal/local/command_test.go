package local

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/deploy"
	"countersign/deploy/internal/story"
)

func TestTemplatesThatLintRefusesAreNotLaunched(t *testing.T) {
	product := string(deploy.Product)
	open := strings.Replace(product, "    DependsOn: ApprovalVerdict\n", "", 1)
	stale := strings.Replace(product, "Description: Message queue", "Description: A queue", 1)
	for _, test := range []struct {
		name, src string
		unchecked bool
		want      string // in the error; empty: the story is played
		printed   string
	}{
		{"a whole gate", product, false, "", ""},
		{"a leak", open, false, "DeadLetters can start before the verdict", "[digest]"},
		{"a leak, unchecked", open, true, story.ErrFailed.Error(), ""},
		{"a stale digest", stale, false, "", "warning: Template is not the digest"},
		{"a stale digest, unchecked", stale, true, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "product.yaml")
			if err := os.WriteFile(name, []byte(test.src), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := Command{Template: name, Story: "approve", Unchecked: test.unchecked}.Run(t.Context(), &out)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			played := strings.Contains(out.String(), "approve: Ann approves")
			if refused := test.want != "" && !test.unchecked; played == refused {
				t.Errorf("played: %t\n%s", played, &out)
			}
			if !strings.Contains(out.String(), test.printed) || test.printed == "" && strings.Contains(out.String(), "warning: ") {
				t.Errorf("printed %s, want %q", &out, test.printed)
			}
		})
	}
}
