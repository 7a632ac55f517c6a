package main

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"countersign/deploy/internal/testtools"
)

// The same sources give the same release in a different folder, with different file
// times, without a repository, and with different Go settings. One platform stands for
// all: they differ in GOOS and GOARCH alone.
func TestReleaseIsReproducible(t *testing.T) {
	here := copyTree(t, filepath.Join(t.TempDir(), "a"), time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC))
	there := copyTree(t, filepath.Join(t.TempDir(), "a longer name", "of a folder"), time.Now().Add(time.Hour))
	git(t, here)
	command := filepath.Join(t.TempDir(), "build")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", command, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	one := buildRelease(t, command, here)
	other := buildRelease(t, command, there,
		"GOAMD64=v3", "GOARM64=v9.0", "GOFLAGS=-tags=other", "CGO_ENABLED=1", "TZ=Pacific/Auckland", "SOURCE_DATE_EPOCH=1")
	for name := range other {
		if len(one[name]) == 0 || !bytes.Equal(one[name], other[name]) {
			t.Errorf("%s differs between builds (%d and %d bytes)", name, len(one[name]), len(other[name]))
		}
	}
	checkRelease(t, one)

	// The zips of one function at a time are the release's.
	alone := buildFunctions(t, command, here, "bot")
	if !bytes.Equal(alone["bot.zip"], one["bot-arm64.zip"]) {
		t.Error("bot.zip differs from the release's bot-arm64.zip")
	}

	// Different sources give different zips.
	source := filepath.Join(there, "deploy", "bot", "main.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, append(text, "\nfunc init() { println(\"changed\") }\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	changed := buildFunctions(t, command, there, "bot")
	if bytes.Equal(one["bot-arm64.zip"], changed["bot.zip"]) {
		t.Error("changed sources give the same zip")
	}
}

// checkZip checks that a zip holds what Lambda runs: an executable bootstrap. See
// https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html
func checkZip(t *testing.T, content []byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 {
		t.Errorf("the zip holds %v", z.File)
	}
}

// copyTree copies the module without tests and hidden files.
func copyTree(t *testing.T, to string, at time.Time) string {
	t.Helper()
	root := testtools.Root(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "dist"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case strings.HasPrefix(name, ".") || strings.HasSuffix(name, "_test.go") || !d.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if err := os.WriteFile(target, content, 0o644); err != nil {
			return err
		}
		return os.Chtimes(target, at, at)
	})
	if err != nil {
		t.Fatalf("couldn't copy the module: %v", err)
	}
	return to
}

// git makes a folder a repository, if git is installed.
func git(t *testing.T, folder string) {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		return
	}
	if out, err := exec.CommandContext(t.Context(), program, "init", "-q", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// buildFunctions runs the command in a folder and returns the zips.
func buildFunctions(t *testing.T, command, folder, functions string) map[string][]byte {
	t.Helper()
	return run(t, command, folder, nil, func(out string) []string { return []string{"--out", out, "--only", functions} })
}

// buildRelease builds a release for this platform and returns its files.
func buildRelease(t *testing.T, command, folder string, env ...string) map[string][]byte {
	t.Helper()
	return run(t, command, folder, env, func(out string) []string {
		return []string{"release", out, "1.2.3", "--platform", runtime.GOOS + "/" + runtime.GOARCH}
	})
}

// run runs the command in a folder and returns the files that it wrote to its output
// folder.
func run(t *testing.T, command, folder string, env []string, args func(out string) []string) map[string][]byte {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), command, args(out)...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("couldn't build in %s: %v: %s", folder, err, said)
	}
	paths, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		if files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
