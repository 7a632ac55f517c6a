package gates

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	before := "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn"
	after := "a\nb\nc\nD\ne\nf\ng\nh\ni\nj\nk\nl\nl2\nm\nn\n"
	want := `--- x
+++ x
@@ -1,7 +1,7 @@
 a
 b
 c
-d
+D
 e
 f
 g
@@ -10,5 +10,6 @@
 j
 k
 l
+l2
 m
-n
\ No newline at end of file
+n
`
	if got := diff("x", before, after); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := diff("x", before, before); got != "" {
		t.Errorf("of equal texts: %q", got)
	}
}

func TestDiffOfRandomTexts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := func() []string {
		var lines []string
		for range rng.IntN(30) {
			lines = append(lines, string(rune('a'+rng.IntN(4)))+"\n")
		}
		return lines
	}
	for range 2000 {
		a, b := text(), text()
		var old, new strings.Builder
		for _, c := range compare(a, b) {
			if c.op != '+' {
				old.WriteString(c.line)
			}
			if c.op != '-' {
				new.WriteString(c.line)
			}
		}
		if old.String() != strings.Join(a, "") || new.String() != strings.Join(b, "") {
			t.Fatalf("from %q to %q: %v", a, b, compare(a, b))
		}
	}
}
