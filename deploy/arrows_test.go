package deploy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deps lists every package that path is built from, except itself.
func deps(t *testing.T, path string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", path).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", path, err)
	}
	list := strings.Fields(string(out))
	return list[:len(list)-1] // the package itself comes last
}

// Lambda's system has no time zones, and neither has every laptop that runs the doctor.
func TestTimeZonesAreBuiltIn(t *testing.T) {
	for _, path := range []string{"countersign/deploy/notifier", "countersign/deploy/countersign"} {
		if !slices.Contains(deps(t, path), "time/tzdata") {
			t.Errorf("%s does not import time/tzdata", path)
		}
	}
}

// Imports run one way: deploy -> bot, notifier -> handle. bot and notifier share
// bot/blocks and nothing else.
func TestImportsRunOneWay(t *testing.T) {
	const (
		handle    = "countersign/handle"
		blocks    = "countersign/bot/blocks"
		reconcile = "countersign/notifier/reconcile"
	)
	for path, allowed := range map[string][]string{
		handle:                      {},
		"countersign/handle/bolt":   {handle},
		"countersign/handle/dynamo": {handle},
		blocks:                      {handle},
		"countersign/bot":           {blocks, handle},
		reconcile:                   {blocks, handle},
		"countersign/notifier":      {reconcile, blocks, handle},

		"countersign/notifier/catalog": {handle},
		"countersign/deploy/gate":      {},
		"countersign/deploy/hook":      {"countersign/deploy/internal/hook", "countersign/deploy/gate"},
	} {
		for _, dep := range deps(t, path) {
			if strings.HasPrefix(dep, "countersign/") && !slices.Contains(allowed, dep) {
				t.Errorf("%s depends on %s", path, dep)
			}
		}
	}
}

// bot/slacktest is for tests: outside deploy/internal, where the simulation uses
// it, no package depends on it.
func TestSlacktestIsForTests(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Deps \" \"}}", "countersign/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	const slacktest = "countersign/bot/slacktest"
	users := 0
	for line := range strings.Lines(string(out)) {
		list := strings.Fields(line)
		switch path := list[0]; {
		case !slices.Contains(list[1:], slacktest):
		case strings.HasPrefix(path, "countersign/deploy/internal/"), path == "countersign/deploy/countersign":
			users++ // the command line has it through "countersign local"
		default:
			t.Errorf("%s depends on %s", path, slacktest)
		}
	}
	if users == 0 {
		t.Error("no package depends on it: the list cannot be right")
	}
}

// The functions link only the AWS clients that they use: none of the doctor's, no
// profiles, no SSO. Each one costs size and start time.
func TestFunctionsLinkFewClients(t *testing.T) {
	const sdk = "github.com/aws/aws-sdk-go-v2/"
	both := []string{"cloudformation", "dynamodb", "dynamodbstreams", "secretsmanager", "sns", "internal"} // dynamodbstreams: attributevalue names its types
	for path, allowed := range map[string][]string{
		"countersign/deploy/bot":      both,
		"countersign/deploy/notifier": append(both, "servicecatalog"),
		"countersign/deploy/hook":     nil,
	} {
		for _, dep := range deps(t, path) {
			client, found := strings.CutPrefix(dep, sdk+"service/")
			client, _, _ = strings.Cut(client, "/")
			if found && !slices.Contains(allowed, client) || strings.HasPrefix(dep, sdk+"config") || strings.HasPrefix(dep, "golang.org/x/term") {
				t.Errorf("%s depends on %s", path, dep)
			}
		}
	}
}

// handle builds from the standard library alone.
func TestHandleImportsOnlyTheStandardLibrary(t *testing.T) {
	for _, dep := range deps(t, "countersign/handle") {
		if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") {
			t.Errorf("countersign/handle depends on %s", dep)
		}
	}
}

// Only Expose returns the wait URL, and only these files may call it.
func TestWaitURLIsExposedToFew(t *testing.T) {
	allowed := []string{
		"../handle/signal.go",  // sends the signal
		"../handle/codec.go",   // encodes the request for a store
		"../handle/waiturl.go", // defines it
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Expose" && !slices.Contains(allowed, filepath.ToSlash(path)) && filepath.Dir(path) != "../handle/handletest" {
				t.Errorf("%s calls Expose", path)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
