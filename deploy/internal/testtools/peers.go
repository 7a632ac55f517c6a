// Package testtools finds the third-party programs that tests run against, as
// installed by .ci/peers, and the documentation that tests hold to the code.
package testtools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Required reports whether a missing peer fails the test instead of skipping it:
// COUNTERSIGN_PEERS=required.
func Required() bool { return os.Getenv("COUNTERSIGN_PEERS") == "required" }

// Path returns the path of a file or folder in .peers, such as
// "ministack/bin/ministack". If it is missing, the test is skipped, or fails if peers
// are required.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(Root(tb), ".peers", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		Missing(tb, ".peers/"+name)
	}
	return path
}

// Browser returns the path of a Chromium on this machine. If there is none, see Path.
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

// Missing skips the test because a peer is missing, or fails it if peers are
// required.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if Required() {
		tb.Fatalf("%s is missing, and peers are required: run .ci/peers", what)
	}
	tb.Skipf("%s is missing: run .ci/peers to run this test", what)
}

// Root returns the root folder of the module.
func Root(tb testing.TB) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		tb.Fatalf("couldn't find the module: %v", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
