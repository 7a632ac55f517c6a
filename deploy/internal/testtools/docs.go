package testtools

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Documentation returns the text of README.md and docs/*.md. Tests hold tables and
// examples in it to the code.
func Documentation(tb testing.TB) string {
	tb.Helper()
	root := Root(tb)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		tb.Fatal(err)
	}
	var b strings.Builder
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			tb.Fatal(err)
		}
		b.WriteString("\n" + string(text) + "\n")
	}
	return b.String()
}

// CodeBlocks returns the fenced code blocks of the documentation, without their
// fences.
func CodeBlocks(tb testing.TB) []string {
	tb.Helper()
	var blocks []string
	for i, part := range strings.Split(Documentation(tb), "\n```") {
		if i%2 == 1 { // the first line names the language
			_, block, _ := strings.Cut(part, "\n")
			blocks = append(blocks, block+"\n")
		}
	}
	return blocks
}
