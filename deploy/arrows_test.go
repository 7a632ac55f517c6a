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

// deps lists what the package at path is built from, itself not included.
func deps(t *testing.T, path string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", path).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", path, err)
	}
	list := strings.Fields(string(out))
	return list[:len(list)-1] // the package itself comes last
}

// Arrows run one way: deploy to bot, notifier and the stores; all of them to
// handle; handle to nothing.
func TestArrows(t *testing.T) {
	allowed := map[string][]string{
		"countersign/handle":        {},
		"countersign/handle/bolt":   {"countersign/handle"},
		"countersign/handle/dynamo": {"countersign/handle"},
		"countersign/notifier":      {"countersign/handle"},
		"countersign/bot":           {"countersign/handle"},
	}
	for path, may := range allowed {
		for _, dep := range deps(t, path) {
			if strings.HasPrefix(dep, "countersign/") && !slices.Contains(may, dep) {
				t.Errorf("%s depends on %s", path, dep)
			}
		}
	}
}

// The functions carry the AWS clients that they use, and nothing of what an
// admin's machine needs: the doctor's clients, profiles, SSO.
func TestFunctionsCarryFewClients(t *testing.T) {
	const sdk = "github.com/aws/aws-sdk-go-v2/"
	may := []string{"cloudformation", "dynamodb", "dynamodbstreams", "secretsmanager", "sns", "internal"} // dynamodbstreams: attributevalue names its types
	for _, path := range []string{"countersign/deploy/bot", "countersign/deploy/notifier"} {
		for _, dep := range deps(t, path) {
			client, is := strings.CutPrefix(dep, sdk+"service/")
			client, _, _ = strings.Cut(client, "/")
			if is && !slices.Contains(may, client) || strings.HasPrefix(dep, sdk+"config") || strings.HasPrefix(dep, "golang.org/x/term") {
				t.Errorf("%s depends on %s", path, dep)
			}
		}
	}
}

func TestHandleNeedsTheStandardLibraryOnly(t *testing.T) {
	for _, dep := range deps(t, "countersign/handle") {
		if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") {
			t.Errorf("countersign/handle depends on %s", dep)
		}
	}
}

// The wait URL is given away by Expose alone; this holds the list of who calls
// it.
func TestWaitURLIsExposedToFew(t *testing.T) {
	may := []string{
		"../handle/signal.go",            // sends the signal there
		"../handle/codec.go",             // writes the record for a store
		"../handle/waiturl.go",           // defines it
		"../deploy/internal/sim/laws.go", // looks for it where it must not be
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
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Expose" && !slices.Contains(may, filepath.ToSlash(path)) && filepath.Dir(path) != "../handle/handletest" {
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
