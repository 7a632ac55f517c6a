// Package testtools finds the programs of others that tests are run against, as
// .ci/peers installs them.
package testtools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Required reports whether a missing peer is a failure, and not a reason to
// skip: COUNTERSIGN_PEERS=required.
func Required() bool { return os.Getenv("COUNTERSIGN_PEERS") == "required" }

// Path is where a file or folder below .peers is, such as
// "ministack/bin/ministack". Without it the test is skipped, or fails where
// peers are required.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(Root(tb), ".peers", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		Missing(tb, ".peers/"+name)
	}
	return path
}

// Browser is where a Chromium is, of .ci/peers or of the machine. See Path.
func Browser(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(tb, "a browser")
	return ""
}

// Missing skips the test for want of a peer, or fails it where peers are
// required.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if Required() {
		tb.Fatalf("%s is missing, and peers are required: run .ci/peers", what)
	}
	tb.Skipf("%s is missing: to have this tested, run .ci/peers", what)
}

// Root is the root of the module.
func Root(tb testing.TB) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		tb.Fatalf("couldn't find the module: %v", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
