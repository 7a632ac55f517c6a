package main

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"countersign/deploy/internal/exit"
	"countersign/deploy/internal/localfn"
)

// The story "crash" starts this program again to run the functions.
func TestMain(m *testing.M) {
	if localfn.IsChild() {
		localfn.RunChild()
		return
	}
	os.Exit(m.Run())
}

func runCommand(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestInvalidCommandLineIsExplainedInOneLine(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   []string
		status int
		want   []string
	}{
		{"no command", nil, statusUsage, []string{"commands: install, upgrade, uninstall, local, doctor, audit, gate"}},
		{"unknown command", []string{"nope"}, statusUsage, []string{`countersign: unknown command "nope"; commands: install, upgrade, uninstall, local, doctor, audit`}},
		{"unknown flag before a command", []string{"--nope"}, statusUsage, []string{"--nope", "commands: install, upgrade, uninstall, local, doctor, audit, gate"}},
		{"unknown flag of local", []string{"local", "--nope"}, statusUsage, []string{"countersign local", "--nope", "--story", "--template", "-v"}},
		{"unknown flag of doctor", []string{"doctor", "--stak=x"}, statusUsage, []string{"countersign doctor", "--stak", `did you mean "--stack"`, "--print-policy"}},
		{"unknown flag of audit", []string{"audit", "-x"}, statusUsage, []string{"countersign audit", "-x", "--since", "--format"}},
		{"unknown format", []string{"audit", "--format", "xml"}, statusUsage, []string{"--format", "text", "csv", "json"}},
		{"unknown state", []string{"audit", "--state", "open"}, statusUsage, []string{"--state", "pending", "withdrawn"}},
		{"argument that doctor does not take", []string{"doctor", "nope"}, statusUsage, []string{"countersign doctor", "nope"}},
		{"gate without a command", []string{"gate"}, statusUsage, []string{"countersign gate", "commands: lint, inject, upgrade, digest"}},
		{"unknown command of gate", []string{"gate", "nope"}, statusUsage, []string{`countersign gate: unknown command "nope"; commands: lint, inject, upgrade, digest`}},
		{"gate lint of a missing file", []string{"gate", "lint", "nope.yaml"}, 2, []string{"countersign gate lint: nope.yaml: no such file"}},
		{"unknown format of gate lint", []string{"gate", "lint", "--format", "xml", "x"}, statusUsage, []string{"--format", "sarif"}},
		{"gate digest without a file", []string{"gate", "digest"}, statusUsage, []string{"countersign gate digest", "<file>"}},
		{"unknown flag of gate digest", []string{"gate", "digest", "--nope", "x"}, statusUsage, []string{"countersign gate digest", "--nope", "--write"}},
		{"gate digest of a missing file", []string{"gate", "digest", "nope.yaml"}, 1, []string{"countersign gate digest: nope.yaml: no such file"}},
		{"unknown story", []string{"local", "--story", "nope"}, 1, []string{"countersign local", "nope", "approve", "launch-fails", "all"}},
		{"missing template", []string{"local", "--template", "nope.yaml"}, 1, []string{"nope.yaml"}},
		{"page that others could open", []string{"local", "--addr", "0.0.0.0:8080"}, 1, []string{"--addr must be on loopback"}},
		{"invalid date", []string{"audit", "--since", "yesterday"}, 1, []string{"countersign audit: --since", "30d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := runCommand(t, test.args...)
			if status != test.status || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") {
				t.Errorf("status %d, stdout %q, stderr %q; want status %d and one line on stderr", status, stdout, stderr, test.status)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q does not say %q", stderr, want)
				}
			}
		})
	}
}

func TestHelpFitsOnOneScreenAndShowsExamples(t *testing.T) {
	for _, columns := range []string{"80", "100", "200"} {
		t.Setenv("COLUMNS", columns)
		for _, command := range []string{"", "install", "upgrade", "uninstall", "local", "doctor", "audit", "gate", "gate lint", "gate inject", "gate upgrade", "gate digest"} {
			args, example := append(strings.Fields(command), "--help"), "\n    countersign "+command
			status, stdout, stderr := runCommand(t, args...)
			if status != 0 || stderr != "" {
				t.Errorf("%q: status %d, stderr %q", command, status, stderr)
			}
			if n := strings.Count(stdout, "\n"); n > 40 {
				t.Errorf("%q prints %d lines of help at %s columns", command, n, columns)
			}
			for line := range strings.Lines(stdout) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 100 {
					t.Errorf("%q: a line of %d characters at %s columns: %s", command, n, columns, line)
				}
			}
			if !strings.Contains(stdout, example) {
				t.Errorf("%q shows no example:\n%s", command, stdout)
			}
		}
	}
}

func TestVersionNamesTheVersionOfGo(t *testing.T) {
	status, stdout, stderr := runCommand(t, "--version")
	if want := "countersign devel, " + runtime.Version() + " "; status != 0 || stderr != "" || !strings.HasPrefix(stdout, want) || strings.Count(stdout, "\n") != 1 {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestLocalPlaysAStory(t *testing.T) {
	for _, story := range []string{"approve", "crash"} { // crash runs the functions in a child process
		if status, stdout, stderr := runCommand(t, "local", "--story", story); status != 0 || stdout == "" || stderr != "" {
			t.Errorf("%s: status %d, stderr %q\n%s", story, status, stderr, stdout)
		}
	}
}

func TestExitStatus(t *testing.T) {
	failure := errors.New("no AWS Region")
	for _, test := range []struct {
		err    error
		status int
		stderr string
	}{
		{nil, 0, ""},
		{failure, 1, "countersign x: no AWS Region\n"},
		{&exit.Error{Status: 1}, 1, ""},
		{&exit.Error{Status: 2}, 2, ""},
		{&exit.Error{Status: 2, Err: failure}, 2, "countersign x: no AWS Region\n"},
	} {
		var stderr bytes.Buffer
		if got := status("countersign x", test.err, &stderr); got != test.status || stderr.String() != test.stderr {
			t.Errorf("%v: status %d, stderr %q", test.err, got, stderr.String())
		}
	}
}
