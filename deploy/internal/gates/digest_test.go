package gates

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/deploy/gate"
)

const product = `Resources:
  # the gate
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Request: {Type: Custom::R, Properties: {WaitUrl: !Ref Handle}}
`

func write(t *testing.T, text string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "product.yaml")
	if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDigestIsCheckedAndWritten(t *testing.T) {
	name := write(t, product)
	digest, err := gate.Digest([]byte(product))
	if err != nil {
		t.Fatal(err)
	}
	printed := digest + "  " + name + "\n"
	var out bytes.Buffer
	err = Digest{Files: []string{name}}.Run(&out)
	if err == nil || !strings.Contains(err.Error(), "Template of Request is stale or missing") || !strings.Contains(err.Error(), "--write") || !strings.Contains(err.Error(), digest) {
		t.Errorf("missing: %v", err)
	}
	if out.String() != printed || read(t, name) != product {
		t.Errorf("printed %q, the file is\n%s", &out, read(t, name))
	}
	want := strings.Replace(product, "{WaitUrl", "{Template: '"+digest+"', WaitUrl", 1)
	for _, c := range []Digest{{Write: true}, {}, {Write: true}} {
		out.Reset()
		c.Files = []string{name}
		if err := c.Run(&out); err != nil || out.String() != printed || read(t, name) != want {
			t.Errorf("%v, printed %q, the file is\n%s", err, &out, read(t, name))
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestEachFileWithAMistakeIsReported(t *testing.T) {
	current, broken, none, missing := write(t, product), write(t, "{"), write(t, "Resources: {}"), filepath.Join(t.TempDir(), "none.yaml")
	var out bytes.Buffer
	err := Digest{Write: true, Files: []string{missing, broken, none, current}}.Run(&out)
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{missing + ": no such file", broken + ": ValidationError", none + ": the template has no request resource"} {
		if len(lines) != 3 || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("%q does not begin with %q", lines, want)
		}
	}
	if !strings.Contains(read(t, current), "Template: '") {
		t.Error("the file without a mistake was not written")
	}
}
