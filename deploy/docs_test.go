package deploy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign/deploy/gate"
	"countersign/deploy/internal/story"
)

const (
	root           = ".." // of the module
	maxReadmeLines = 150
	maxClickFiles  = 7 // of package bot
)

// page is README.md or a page of docs/.
type page struct {
	name string // relative to the root
	text string
}

// prose is the page without its fenced blocks.
func (p page) prose() string {
	var prose strings.Builder
	for i, part := range strings.Split(p.text, "```") {
		if i%2 == 0 {
			prose.WriteString(part)
		}
	}
	return prose.String()
}

// commands lists the lines of the page's shell blocks.
func (p page) commands() []string {
	var lines []string
	for i, part := range strings.Split(p.text, "```") {
		if body, shell := strings.CutPrefix(part, "sh\n"); shell && i%2 == 1 {
			lines = append(lines, strings.Split(body, "\n")...)
		}
	}
	return lines
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return page{name, string(text)}
}

// docsPages are the pages of docs/.
func docsPages(t *testing.T) []page {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("docs/ has no pages: %v", err)
	}
	var pages []page
	for _, file := range files {
		pages = append(pages, readPage(t, "docs/"+filepath.Base(file)))
	}
	return pages
}

func TestReadmeIsShort(t *testing.T) {
	if n := strings.Count(readPage(t, "README.md").text, "\n"); n > maxReadmeLines {
		t.Errorf("README.md has %d lines, more than %d: move something to docs/", n, maxReadmeLines)
	}
}

func TestDocsPagesSayWhomTheyAreFor(t *testing.T) {
	for _, p := range docsPages(t) {
		heading, rest, _ := strings.Cut(p.text, "\n\n")
		if !strings.HasPrefix(heading, "# ") || !strings.HasPrefix(rest, "For ") {
			t.Errorf(`%s must begin with a title and a paragraph that begins with "For "`, p.name)
		}
	}
}

var (
	linkTarget   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingLine  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchors = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchors are the fragments that GitHub gives a page's headings.
func anchors(p page) []string {
	var list []string
	for _, heading := range headingLine.FindAllStringSubmatch(p.prose(), -1) {
		slug := notInAnchors.ReplaceAllString(strings.ToLower(heading[1]), "")
		list = append(list, strings.ReplaceAll(slug, " ", "-"))
	}
	return list
}

func TestLinksResolve(t *testing.T) {
	for _, p := range append(docsPages(t), readPage(t, "README.md")) {
		for _, link := range linkTarget.FindAllStringSubmatch(p.prose(), -1) {
			target, fragment, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := p.name
			if target != "" {
				file = path.Join(path.Dir(p.name), target)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s links to %s, which does not exist", p.name, file)
			} else if fragment != "" && !slices.Contains(anchors(readPage(t, file)), fragment) {
				t.Errorf("%s links to %s, which has no heading #%s", p.name, file, fragment)
			}
		}
	}
}

// packageSource is the source of all Go files in a folder; empty if it has none.
func packageSource(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

var (
	goCommand   = regexp.MustCompile(`\bgo (run|test) (.*)`)
	packageArgs = regexp.MustCompile(`(?:^|\s)\./(\S*)`)
	runArg      = regexp.MustCompile(`-run '?((?:Test|Bench|Fuzz)\w+)`)
	flagArgs    = regexp.MustCompile(`(?:^|\s)-([a-z]+)`)
	goFlags     = []string{"bench", "count", "race", "run", "timeout", "v"} // of go test itself
)

// Commands of the pages name packages, tests and flags that exist.
func TestCommandsExist(t *testing.T) {
	commands := 0
	for _, p := range append(docsPages(t), readPage(t, "README.md")) {
		for _, line := range p.commands() {
			command := goCommand.FindStringSubmatch(line)
			if command == nil {
				continue
			}
			commands++
			source, recursive := "", false
			for _, arg := range packageArgs.FindAllStringSubmatch(command[2], -1) {
				folder, tree := strings.CutSuffix(arg[1], "...")
				recursive = recursive || tree
				text := packageSource(t, folder)
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(folder))); err != nil || text == "" && !tree {
					t.Errorf("%s: %q: there is no package ./%s", p.name, line, folder)
				}
				if command[1] == "run" && !regexp.MustCompile(`(?m)^package main$`).MatchString(text) {
					t.Errorf("%s: %q: ./%s is not a command", p.name, line, folder)
				}
				source += text
			}
			if command[1] == "run" || recursive {
				continue
			}
			if name := runArg.FindStringSubmatch(command[2]); name != nil && !strings.Contains(source, "func "+name[1]+"(") {
				t.Errorf("%s: %q: there is no %s", p.name, line, name[1])
			}
			for _, name := range flagArgs.FindAllStringSubmatch(command[2], -1) {
				if !slices.Contains(goFlags, name[1]) && !regexp.MustCompile(`flag\.\w+\("`+name[1]+`"`).MatchString(source) {
					t.Errorf("%s: %q: there is no flag -%s", p.name, line, name[1])
				}
			}
		}
	}
	if commands < 10 {
		t.Errorf("only %d commands were found", commands)
	}
}

// gates are the page's YAML blocks that hold a gate.
func (p page) gates() []string {
	var gates []string
	for i, part := range strings.Split(p.text, "```") {
		if body, is := strings.CutPrefix(part, "yaml\n"); is && i%2 == 1 && strings.Contains(body, "Custom::ApprovalVerdict") {
			gates = append(gates, body)
		}
	}
	return gates
}

// A gate copied from the pages lets an approved launch continue, and fails one
// whose wait was released without an approval.
func TestDocumentedGatesHold(t *testing.T) {
	for _, name := range []string{"README.md", "docs/template.md"} {
		gates := readPage(t, name).gates()
		if len(gates) == 0 {
			t.Errorf("%s has no gate", name)
		}
		for _, lines := range gates {
			if n := strings.Count(lines, "ServiceTimeout: '"); n != strings.Count(lines, "ServiceToken: ") {
				t.Errorf("%s: %d custom resources of a gate have a ServiceTimeout", name, n)
			}
			source := "Parameters:\n  UserEmail: {Type: String}\nResources:\n" +
				regexp.MustCompile(`(?m)^`).ReplaceAllString(lines, "  ") +
				"\n  Queue: {Type: AWS::SQS::Queue, DependsOn: ApprovalVerdict}\n"
			template, err := gate.Parse([]byte(source))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for _, played := range []string{"approve", "bypass"} {
				var output bytes.Buffer
				if err := story.Run(t.Context(), &output, played, story.Config{Template: template, Log: slog.New(slog.DiscardHandler)}); err != nil {
					t.Errorf("%s: %s: %v\n%s", name, played, err, &output)
				}
			}
		}
	}
}

// The gates of the pages are the sample's: with the same policies and times.
func TestDocumentedGatesAreTheSamples(t *testing.T) {
	sample, err := gate.Parse(Product)
	if err != nil {
		t.Fatal(err)
	}
	want := gateShape(t, sample)
	for _, name := range []string{"README.md", "docs/template.md"} {
		for _, lines := range readPage(t, name).gates() {
			template, err := gate.Parse([]byte("Parameters:\n  UserEmail: {Type: String, Default: a@b}\nResources:\n" + regexp.MustCompile(`(?m)^`).ReplaceAllString(lines, "  ")))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := gateShape(t, template); got != want {
				t.Errorf("%s: the gate is\n%s\nand that of the sample\n%s", name, got, want)
			}
		}
	}
}

// gateShape returns what every copy of a gate has in common: its resources, their
// policies and times.
func gateShape(t *testing.T, template *gate.Template) string {
	t.Helper()
	var lines []string
	for _, r := range template.Resources() {
		if !strings.HasPrefix(r.LogicalID, "Approval") {
			continue
		}
		var declared struct {
			DeletionPolicy      string         `yaml:"DeletionPolicy"`
			UpdateReplacePolicy string         `yaml:"UpdateReplacePolicy"`
			Properties          map[string]any `yaml:"Properties"`
		}
		if err := r.Node.Decode(&declared); err != nil {
			t.Fatal(err)
		}
		wait := declared.Properties["Timeout"]
		if fmt.Sprint(wait) == "map[Fn::FindInMap:[Gate Wait Seconds]]" { // the sample's only number of seconds for both
			_, wait, _ = strings.Cut(string(Product), "Wait: {Seconds: '")
			wait, _, _ = strings.Cut(wait.(string), "'")
		}
		lines = append(lines, fmt.Sprint(r.LogicalID, " ", r.Type, " ", declared.DeletionPolicy, " ",
			cmp.Or(declared.UpdateReplacePolicy, "Delete"), " ", wait, " ", declared.Properties["ServiceTimeout"]))
	}
	return strings.Join(lines, "\n")
}

// The page on costs counts the alarms that the stack has.
func TestCostsCountEveryAlarm(t *testing.T) {
	alarms := 0
	for _, r := range at(read(t, "template.yaml"), "Resources").(map[string]any) {
		if at(r, "Type") == "AWS::CloudWatch::Alarm" {
			alarms++
		}
	}
	if row := fmt.Sprintf("| alarms | %d |", alarms); !strings.Contains(readPage(t, "docs/costs.md").text, row) {
		t.Errorf("costs.md has no row %q", row)
	}
}

// Every alarm of the stack has a row.
func TestOperationsExplainsEveryAlarm(t *testing.T) {
	text := readPage(t, "docs/operations.md").text
	for name, resource := range at(read(t, "template.yaml"), "Resources").(map[string]any) {
		if at(resource, "Type") == "AWS::CloudWatch::Alarm" && !strings.Contains(text, "\n| `"+name+"` |") {
			t.Errorf("docs/operations.md does not explain %s", name)
		}
	}
}

// declarations are what a Go file declares at its top level: functions by name,
// methods as Type.Method, types, fields as Type.Field, constants and variables.
type declarations map[string]ast.Node

func declared(t *testing.T, name string) declarations {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, parser.SkipObjectResolution)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("docs/architecture.md names %s, which does not exist", name)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	all := declarations{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			all[receiver(d)+d.Name.Name] = d
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, id := range s.Names {
						all[id.Name] = s
					}
				case *ast.TypeSpec:
					all[s.Name.Name] = s
					if fields, is := s.Type.(*ast.StructType); is {
						for _, field := range fields.Fields.List {
							for _, id := range field.Names {
								all[s.Name.Name+"."+id.Name] = field
							}
						}
					}
				}
			}
		}
	}
	return all
}

// receiver is "Type." for a method, and empty for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	name := ""
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, is := n.(*ast.Ident); is && name == "" {
			name = id.Name + "."
		}
		return true
	})
	return name
}

var (
	goReference = regexp.MustCompile("`([\\w./-]+\\.go)(?:: ([\\w.]+))?`")
	folderName  = regexp.MustCompile("`([\\w./-]+)/`")
)

func TestArchitectureNamesWhatExists(t *testing.T) {
	text := readPage(t, "docs/architecture.md").text
	references := goReference.FindAllStringSubmatch(text, -1)
	if len(references) < 10 {
		t.Fatalf("only %d references to Go files were found", len(references))
	}
	for _, ref := range references {
		if all := declared(t, ref[1]); all != nil && ref[2] != "" && all[ref[2]] == nil {
			t.Errorf("docs/architecture.md names %s in %s, which does not declare it", ref[2], ref[1])
		}
	}
	for _, folder := range folderName.FindAllStringSubmatch(text, -1) {
		if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(folder[1]))); err != nil || !info.IsDir() {
			t.Errorf("docs/architecture.md names %s/, which does not exist", folder[1])
		}
	}
}

// Every package has a line in the list of packages.
func TestArchitectureListsEveryPackage(t *testing.T) {
	text := readPage(t, "docs/architecture.md").text
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == "testdata" || name != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		folder, err := filepath.Rel(root, name)
		folder = filepath.ToSlash(folder)
		if err == nil && packageSource(t, folder) != "" && !strings.Contains(text, "\n| `"+folder+"/` |") {
			t.Errorf("docs/architecture.md does not list the package %s/", folder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A step of the click path: what file: function calls next, or what it sets for
// a call through a func field.
type step struct {
	file, function string
	sets           string
	next           []string
}

var (
	stepLine   = regexp.MustCompile("(?m)^\\d+\\. `([\\w./-]+\\.go): ([\\w.]+)`(?:, which sets `(\\w+)`)?(?: → ((?:`\\w+`(?:, )?)+))?")
	numberLine = regexp.MustCompile(`(?m)^\d+\. `)
	quotedName = regexp.MustCompile("`(\\w+)`")
)

func clickPath(t *testing.T) []step {
	t.Helper()
	_, section, found := strings.Cut(readPage(t, "docs/architecture.md").text, "\n## One click\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("docs/architecture.md has no section \"One click\"")
	}
	var steps []step
	for _, m := range stepLine.FindAllStringSubmatch(section, -1) {
		s := step{file: m[1], function: m[2], sets: m[3]}
		for _, name := range quotedName.FindAllStringSubmatch(m[4], -1) {
			s.next = append(s.next, name[1])
		}
		steps = append(steps, s)
	}
	if lines := len(numberLine.FindAllString(section, -1)); len(steps) < 10 || len(steps) != lines {
		t.Fatalf("%d of %d steps could be read: write `file.go: Func` → `Next`, `Next`", len(steps), lines)
	}
	return steps
}

// used are the names of what a function's body calls, selects or sets by a key.
func used(n ast.Node) map[string]bool {
	names := map[string]bool{}
	f, is := n.(*ast.FuncDecl)
	if !is || f.Body == nil {
		return names
	}
	add := func(n ast.Expr) {
		if id, is := n.(*ast.Ident); is {
			names[id.Name] = true
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			add(n.Fun)
		case *ast.SelectorExpr:
			add(n.Sel)
		case *ast.KeyValueExpr:
			add(n.Key)
		}
		return true
	})
	return names
}

// The path of a click that docs/architecture.md describes is the code's: each
// function exists, uses the ones it is said to lead to, and is led to by an
// earlier one.
func TestClickPathIsTheCodes(t *testing.T) {
	steps := clickPath(t)
	announced := map[string]bool{}
	files := map[string]bool{}
	for i, s := range steps {
		if path.Dir(s.file) == "bot" {
			files[s.file] = true
		}
		node := declared(t, s.file)[s.function]
		if _, is := node.(*ast.FuncDecl); !is {
			t.Errorf("step %d: %s has no function %s", i+1, s.file, s.function)
			continue
		}
		uses := used(node)
		name := s.function[strings.LastIndex(s.function, ".")+1:]
		if s.sets != "" {
			name = s.sets
			if !uses[name] {
				t.Errorf("step %d: %s does not set %s", i+1, s.function, name)
			}
		}
		if i > 0 && !announced[name] {
			t.Errorf("step %d: no earlier step leads to %s", i+1, name)
		}
		delete(announced, name)
		for _, next := range s.next {
			if !uses[next] {
				t.Errorf("step %d: %s in %s does not use %s", i+1, s.function, s.file, next)
			}
			announced[next] = true
		}
	}
	if len(announced) > 0 {
		t.Errorf("the path leads to %v, which no later step explains", slices.Sorted(maps.Keys(announced)))
	}
	if len(files) > maxClickFiles {
		t.Errorf("a click passes through %d files of package bot, more than %d: %v", len(files), maxClickFiles, slices.Sorted(maps.Keys(files)))
	}
}
