package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"countersign/deploy/internal/testtools"
)

// functionZips are the zips of a release.
var functionZips = []string{"bot-amd64.zip", "bot-arm64.zip", "hook-amd64.zip", "hook-arm64.zip", "notifier-amd64.zip", "notifier-arm64.zip"}

// checkRelease checks what a release of version 1.2.3 for this platform consists of.
func checkRelease(t *testing.T, files map[string][]byte) {
	t.Helper()
	folder := "countersign_1.2.3_" + runtime.GOOS + "_" + runtime.GOARCH
	archive := folder + ".tar.gz"
	names := []string{"SHA256SUMS", "bot-amd64.zip", "bot-arm64.zip", "countersign_1.2.3.cdx.json", archive, "hook-amd64.zip", "hook-arm64.zip", "notifier-amd64.zip", "notifier-arm64.zip", "slack.yaml", "template.yaml"}
	sums := ""
	for _, name := range names {
		if files[name] == nil {
			t.Fatalf("%s is missing", name)
		}
		if name != "SHA256SUMS" {
			sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(files[name]), name)
		}
	}
	if len(files) != len(names) {
		t.Errorf("the release has %d files, not only %v", len(files), names)
	}
	if d := cmp.Diff(sums, string(files["SHA256SUMS"])); d != "" {
		t.Errorf("SHA256SUMS (-want +got):\n%s", d)
	}
	distinct := map[string]bool{}
	for _, name := range functionZips {
		checkZip(t, files[name])
		distinct[string(files[name])] = true
	}
	if len(distinct) != len(functionZips) {
		t.Error("two of the functions' zips are the same")
	}
	checkCode(t, files)
	checkSBOM(t, files, append(slices.Clone(functionZips), archive))

	packed := untar(t, files[archive])
	for _, name := range append(slices.Clone(functionZips), "slack.yaml", "template.yaml") {
		if !bytes.Equal(packed[folder+"/"+name], files[name]) {
			t.Errorf("%s differs between archive and release", name)
		}
	}
	if len(packed) != 10 || packed[folder+"/LICENSE"] == nil {
		t.Errorf("the archive has %d files, or no LICENSE", len(packed))
	}
	checkVersion(t, packed[folder+"/countersign"])
}

// checkCode checks that the template's keys name the content of the zips.
func checkCode(t *testing.T, files map[string][]byte) {
	t.Helper()
	type function struct {
		Properties struct {
			Code struct {
				Bucket string   `yaml:"Bucket"`
				Key    []string `yaml:"Key"`
			} `yaml:"CodeUri"`
		} `yaml:"Properties"`
	}
	var template struct {
		Resources struct {
			Bot      function `yaml:"BotFunction"`
			Notifier function `yaml:"NotifierFunction"`
			Hook     function `yaml:"HookFunction"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(files["template.yaml"], &template); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]function{"bot": template.Resources.Bot, "notifier": template.Resources.Notifier, "hook": template.Resources.Hook} {
		key := func(name string) string {
			return fmt.Sprintf("countersign/%s-%x.zip", name, sha256.Sum256(files[name+".zip"]))
		}
		want, code := []string{"OnArm", key(name + "-arm64"), key(name + "-amd64")}, f.Properties.Code
		if code.Bucket != "CodeBucket" || !slices.Equal(code.Key, want) {
			t.Errorf("the code of %s is %+v, not %v", name, code, want)
		}
	}
}

// checkSBOM checks that the SBOM has the hash of each file, and its modules.
func checkSBOM(t *testing.T, files map[string][]byte, names []string) {
	t.Helper()
	content := files["countersign_1.2.3.cdx.json"]
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(content), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, []byte(`"timestamp"`)) || !strings.HasPrefix(bom.SerialNumber, "urn:uuid:") {
		t.Errorf("the SBOM has a time, or the serial number %q", bom.SerialNumber)
	}
	components, uses := map[string]cdx.Component{}, map[string][]string{}
	for _, c := range *bom.Components {
		components[c.BOMRef] = c
	}
	for _, d := range *bom.Dependencies {
		uses[d.Ref] = *d.Dependencies
		for _, ref := range *d.Dependencies {
			if _, ok := components[ref]; !ok {
				t.Errorf("%s uses %s, which the SBOM does not list", d.Ref, ref)
			}
		}
	}
	std := "pkg:golang/std@" + strings.TrimPrefix(runtime.Version(), "go")
	for _, name := range names {
		ref := "file:" + name
		if c := components[ref]; c.Hashes == nil || (*c.Hashes)[0].Value != fmt.Sprintf("%x", sha256.Sum256(files[name])) {
			t.Errorf("the SBOM has no hash of %s, or a wrong one", name)
		}
		module := "aws-sdk-go-v2"
		if strings.HasPrefix(name, "hook-") {
			module = "aws-lambda-go"
		}
		if !slices.Contains(uses[ref], std) || !slices.ContainsFunc(uses[ref], func(m string) bool { return strings.HasPrefix(m, "pkg:golang/github.com/aws/"+module+"@v") }) {
			t.Errorf("%s uses %v: Go or %s is missing", name, uses[ref], module)
		}
	}
	if len(uses["countersign"]) != len(names) {
		t.Errorf("the SBOM lists %v", uses["countersign"])
	}
}

// checkVersion runs the command line of a release.
func checkVersion(t *testing.T, binary []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countersign")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "--version").Output()
	if want := "countersign 1.2.3, " + runtime.Version(); err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("countersign --version: %q, %v; want %q", out, err, want)
	}
}

// untar returns the files of an archive. They must be sorted, and have no time, no owner
// and the modes of a download.
func untar(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	g, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files, last := map[string][]byte{}, ""
	for r := tar.NewReader(g); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		mode := int64(0o644)
		if filepath.Base(h.Name) == "countersign" {
			mode = 0o755
		}
		if h.Name <= last || !h.ModTime.Equal(epoch) || h.Uid != 0 || h.Gid != 0 || h.Uname+h.Gname != "" || h.Mode != mode {
			t.Errorf("%+v in the archive, after %q", h, last)
		}
		last = h.Name
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWindowsArchiveIsAZip(t *testing.T) {
	content, err := zipFiles([]file{{"a/LICENSE", 0o644, []byte("x")}, {"a/countersign.exe", 0o755, []byte("y")}})
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 2 || z.File[0].Name != "a/LICENSE" || z.File[0].Mode() != 0o644 || z.File[1].Mode() != 0o755 || !z.File[1].Modified.Equal(epoch) {
		t.Errorf("the zip holds %+v", z.File)
	}
}

// packed returns the template of a release with zips that need no build.
func packed(t *testing.T) []byte {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(testtools.Root(t), "deploy", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var zips []file
	for _, name := range functionZips {
		zips = append(zips, file{name, 0o644, []byte(name)})
	}
	template, err := packTemplate(source, zips, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// The packaged template differs from its source only in where the code is.
func TestPackagedTemplateChangesOnlyTheCode(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(testtools.Root(t), "deploy", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	lines := func(b []byte) []string { return strings.Split(string(b), "\n") }
	var added []string
	rest := map[string]int{}
	for _, line := range lines(source) {
		rest[line]++
	}
	for _, line := range lines(packed(t)) {
		if rest[line]--; rest[line] < 0 && line != "" {
			added = append(added, line)
		}
	}
	var removed []string
	for line, n := range rest {
		for range n {
			removed = append(removed, strings.TrimSpace(line))
		}
	}
	if len(added) != 18 || len(removed) != 8 {
		t.Errorf("the packaged template adds %d lines and removes %d:\n%s\n\n%s", len(added), len(removed), strings.Join(added, "\n"), strings.Join(removed, "\n"))
	}
}

func TestPackTemplateRefusesATemplateThatItDoesNotKnow(t *testing.T) {
	if _, err := packTemplate([]byte("Resources: {}\n"), nil, "1.2.3"); err == nil {
		t.Error("a template without functions was packaged")
	}
}

// cfn-lint finds nothing in the packaged template, after SAM's transformation.
func TestPackagedTemplatePassesCfnLint(t *testing.T) {
	lint := testtools.Path(t, "lint/bin/cfn-lint")
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, packed(t), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), lint, "--format", "json", "--include-checks", "I", "--", path).Output()
	var found []struct {
		Message string
		Rule    struct{ ID string }
	}
	if decoded := json.Unmarshal(out, &found); decoded != nil {
		t.Fatalf("cfn-lint: %v, %v\n%s", err, decoded, out)
	}
	for _, f := range found {
		t.Errorf("cfn-lint finds %s: %s", f.Rule.ID, f.Message)
	}
}

func TestReleaseNeedsAnEmptyFolderAndAVersion(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "old"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range []release{{Out: folder, Version: "1.2.3"}, {Out: t.TempDir(), Version: "1 -X main.x=y"}, {Out: t.TempDir(), Version: "../1"}} {
		if err := r.Run(); err == nil {
			t.Errorf("%+v was built", r)
		}
	}
}
