package gates

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"countersign/deploy"
	"countersign/deploy/internal/exit"
)

const ungated = "Resources:\n  # one\n  Queue:\n    Type: AWS::SQS::Queue\n"

func TestInjectPrintsAndWrites(t *testing.T) {
	name := write(t, ungated)
	var out bytes.Buffer
	if err := (Inject{File: name}).Run(&out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "--- "+name) || !strings.Contains(got, "\n+    DependsOn: ApprovalVerdict\n") || strings.Contains(got, "\n-") || read(t, name) != ungated {
		t.Errorf("printed\n%s\nthe file is\n%s", got, read(t, name))
	}
	if err := (Inject{File: name, Write: true}).Run(&out); err != nil {
		t.Fatal(err)
	}
	if got := read(t, name); !strings.Contains(got, "  # one\n  Queue:\n    Type: AWS::SQS::Queue\n    DependsOn: ApprovalVerdict\n") {
		t.Errorf("the file is\n%s", got)
	}
	if text, status, _ := runLint(t, "text", name); status != 0 {
		t.Errorf("the result does not lint clean:\n%s", text)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestRewriteStatus(t *testing.T) {
	readOnly := write(t, ungated)
	if err := os.Chmod(readOnly, 0o400); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file string
		want       int
		says       string
	}{
		{"a template with a gate", write(t, product), 1, "has a gate already"},
		{"no template", write(t, "{"), 2, "ValidationError"},
		{"no file", "none.yaml", 2, "none.yaml: no such file"},
		{"a file that cannot be written", readOnly, 1, "permission denied"},
	} {
		if test.file == readOnly && os.Getuid() == 0 {
			continue // root may write it
		}
		before, _ := os.ReadFile(test.file)
		err := Inject{File: test.file, Write: true}.Run(&bytes.Buffer{})
		var failed *exit.Error
		if !errors.As(err, &failed) || failed.Status != test.want || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want status %d and %q", test.name, err, test.want, test.says)
		}
		if after, _ := os.ReadFile(test.file); !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed", test.name)
		}
	}
}

func TestUpgradePrintsAndWrites(t *testing.T) {
	name := write(t, strings.Replace(string(deploy.Product), "Description: Message queue", "Description: A queue", 1))
	before := read(t, name)
	var out bytes.Buffer
	if err := (Upgrade{File: name}).Run(&out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "\n-  ApprovalHandle:\n+  ApprovalHandle2:\n") || read(t, name) != before {
		t.Errorf("printed\n%s", got)
	}
	for i, changed := range []bool{true, false} {
		out.Reset()
		if err := (Upgrade{File: name, Write: true}).Run(&out); err != nil || (out.Len() > 0) != changed {
			t.Errorf("run %d: %v, printed\n%s", i, err, &out)
		}
	}
	if text, status, _ := runLint(t, "text", name); status != 0 {
		t.Errorf("the result does not lint clean:\n%s", text)
	}
}
