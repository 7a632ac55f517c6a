package gates

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"countersign/deploy/gate"
	"countersign/deploy/internal/exit"
)

// Lint is the command "countersign gate lint".
type Lint struct {
	Files  []string `arg:"" name:"file" help:"Product templates, YAML or JSON."`
	Format string   `help:"How to print the findings: ${enum}." enum:"text,json,sarif,github" default:"text"`
}

// Help implements kong.HelpProvider.
func (Lint) Help() string {
	return `Finds errors in a gate, such as a resource that can start before the verdict under some combination of conditions, and says how to fix them. docs/template.md explains the rules.

Errors mean that the gate can be bypassed, or that no launch can pass it. Warnings mean that something else is wrong, such as updates that would not ask. Notes are advice.

Exit status: 0 no errors or warnings; 1 errors or warnings; 2 a file could not be read, or is not a template.

Examples:

    countersign gate lint my-product.yaml
    countersign gate lint --format sarif templates/*.yaml > gates.sarif`
}

// linted is a file and what is wrong with it.
type linted struct {
	name     string
	findings []gate.Finding
	err      error // why it cannot be read
}

// Run prints the findings. Its error is an *exit.Error.
func (c Lint) Run(w io.Writer) error {
	var files []linted
	for _, name := range c.Files {
		files = append(files, lint(name))
	}
	print := map[string]func(io.Writer, []linted) error{"json": printJSON, "sarif": printSARIF, "github": printGitHub}[c.Format]
	if print == nil {
		print = printText
	}
	if err := print(w, files); err != nil {
		return err
	}
	var unread []string
	status := 0
	for _, f := range files {
		if f.err != nil {
			unread = append(unread, fmt.Sprintf("%s: %v", f.name, f.err))
		}
		if len(OfLevel(f.findings, gate.LevelError, gate.LevelWarning)) > 0 {
			status = 1
		}
	}
	if len(unread) > 0 {
		return &exit.Error{Status: 2, Err: errors.New(strings.Join(unread, "\n"))}
	}
	if status > 0 {
		return &exit.Error{Status: status}
	}
	return nil
}

func lint(name string) linted {
	src, err := os.ReadFile(name)
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		return linted{name: name, err: pathErr.Err}
	}
	t, err := gate.Parse(src)
	if err != nil {
		return linted{name: name, err: err}
	}
	return linted{name: name, findings: t.Lint()}
}

// OfLevel returns the findings of some levels.
func OfLevel(findings []gate.Finding, levels ...gate.Level) []gate.Finding {
	var some []gate.Finding
	for _, f := range findings {
		if slices.Contains(levels, f.Level) {
			some = append(some, f)
		}
	}
	return some
}

// Line is a finding in the form of compilers: file, line, column, level, message and rule.
func Line(name string, f gate.Finding) string {
	return fmt.Sprintf("%s:%d:%d: %s: %s [%s]", name, f.Line, f.Column, f.Level, f.Message, f.ID)
}

func printText(w io.Writer, files []linted) error {
	var b strings.Builder
	count := map[gate.Level]int{}
	for _, f := range files {
		for _, found := range f.findings {
			count[found.Level]++
			fmt.Fprintf(&b, "%s\n    %s\n", Line(f.name, found), found.Fix)
		}
		if f.err == nil && len(f.findings) == 0 {
			fmt.Fprintf(&b, "%s: ok\n", f.name)
		}
	}
	var parts []string
	for _, level := range []gate.Level{gate.LevelError, gate.LevelWarning, gate.LevelNote} {
		if n := count[level]; n == 1 {
			parts = append(parts, fmt.Sprintf("1 %s", level))
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", n, level))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintln(&b, strings.Join(parts, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printJSON(w io.Writer, files []linted) error {
	type finding struct {
		File     string     `json:"file"`
		Line     int        `json:"line"`
		Column   int        `json:"column"`
		Rule     string     `json:"rule"`
		Level    gate.Level `json:"level"`
		Resource string     `json:"resource,omitempty"`
		Message  string     `json:"message"`
		Fix      string     `json:"fix"`
	}
	type unread struct {
		File    string `json:"file"`
		Message string `json:"message"`
	}
	report := struct {
		Findings []finding `json:"findings"`
		Errors   []unread  `json:"errors"` // files that could not be read
	}{[]finding{}, []unread{}}
	for _, f := range files {
		if f.err != nil {
			report.Errors = append(report.Errors, unread{f.name, f.err.Error()})
		}
		for _, one := range f.findings {
			report.Findings = append(report.Findings, finding{f.name, one.Line, one.Column, one.ID, one.Level, one.Resource, one.Message, one.Fix})
		}
	}
	return encode(w, report)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printGitHub prints workflow commands, which GitHub shows at the lines of a pull request.
//
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
func printGitHub(w io.Writer, files []linted) error {
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	commands := map[gate.Level]string{gate.LevelError: "error", gate.LevelWarning: "warning", gate.LevelNote: "notice"}
	var b strings.Builder
	for _, f := range files {
		name := property.Replace(filepath.ToSlash(f.name))
		if f.err != nil {
			line, column := position(f.err)
			fmt.Fprintf(&b, "::error file=%s,line=%d,col=%d::%s\n", name, line, column, text.Replace(f.err.Error()))
		}
		for _, one := range f.findings {
			fmt.Fprintf(&b, "::%s file=%s,line=%d,col=%d,title=%s::%s\n", commands[one.Level], name, one.Line, one.Column, property.Replace(one.ID), text.Replace(one.Message+". "+one.Fix))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// position returns where a file is not a template; the start if that is not known.
func position(err error) (line, column int) {
	var at *gate.Error
	if errors.As(err, &at) {
		line, column = at.Line, at.Column
	}
	return cmp.Or(line, 1), cmp.Or(column, 1)
}
