package handle_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"countersign/handle"
)

func TestTruncate(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 0, ""}, {"", 10, ""},
		{"abc", 3, "abc"}, {"abc", 4, "abc"},
		{"abcd", 3, "…"}, {"abcd", 2, ""}, {"abcd", 1, ""}, {"abcd", 0, ""}, {"abcd", -1, ""},
		{"abcdef", 5, "ab…"},
		{"héllo", 6, "héllo"}, {"héllo", 5, "h…"}, {"ééé", 5, "é…"}, {"ééé", 4, "…"},
		{"😀😀", 8, "😀😀"}, {"😀😀", 7, "😀…"}, {"😀😀", 6, "…"},
		{"ab   cdef", 8, "ab…"}, {"ab \u2003 cdef", 9, "ab…"},
		{"a\xffb", 10, "a\uFFFDb"}, {"\xff\xff", 3, "\uFFFD"}, {"\xf0\x9f\x98", 1, ""},
		{"line\nline", 20, "line\nline"},
	} {
		if got := handle.Truncate(tt.s, tt.n); got != tt.want {
			t.Errorf("Truncate(%q, %d): got %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for _, tt := range []struct{ name, s, want string }{
		{"plain", "Ann Example", "Ann Example"},
		{"spaces", "  Ann \t  Example ", "Ann Example"},
		{"line breaks", "Ann\r\nExample\vor\fso\u0085x\u2028y\u2029z", "Ann Example or so x y z"},
		{"control characters", "a\x00b\x1bc\x7fd", "a b c d"},
		{"nothing but control characters", "\x00\x01\n", ""},
		{"right to left override", "ann\u202Egnp.exe", "anngnp.exe"},
		{"all bidirectional controls", "\u200Ea\u200Fb\u061Cc\u202Ad\u202Be\u202Cf\u202Dg\u202Eh\u2066i\u2067j\u2068k\u2069l", "abcdefghijkl"},
		{"right to left letters stay", "שלום", "שלום"},
		{"emoji stay", "👩‍👩‍👧‍👦 ✅", "👩‍👩‍👧‍👦 ✅"},
		{"broken UTF-8", "a\xf0\x9fb", "a\uFFFDb"},
		{"markup stays", "<!channel> & *x*", "<!channel> & *x*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := handle.OneLine(tt.s, 100); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := handle.OneLine(strings.Repeat("ab ", 100), 10); got != "ab ab a…" && got != "ab ab…" {
		t.Errorf("cut: got %q", got)
	}
}

// checkTruncate checks what holds for Truncate and OneLine with any text and limit.
func checkTruncate(t *testing.T, s string, n int) {
	t.Helper()
	cut, line := handle.Truncate(s, n), handle.OneLine(s, n)
	for name, got := range map[string]string{"Truncate": cut, "OneLine": line} {
		if len(got) > max(n, 0) {
			t.Errorf("%s(%q, %d): got %d bytes", name, s, n, len(got))
		}
		if !utf8.ValidString(got) {
			t.Errorf("%s(%q, %d): got invalid UTF-8 %q", name, s, n, got)
		}
	}
	valid := strings.ToValidUTF8(s, "\uFFFD")
	if len(valid) <= n && cut != valid {
		t.Errorf("Truncate(%q, %d): got %q, want it whole", s, n, cut)
	}
	if kept, ok := strings.CutSuffix(cut, "…"); ok && len(valid) > n && !strings.HasPrefix(valid, kept) {
		t.Errorf("Truncate(%q, %d): got %q, which is not its beginning", s, n, cut)
	}
	if again := handle.Truncate(cut, n); again != cut {
		t.Errorf("Truncate(%q, %d): got %q, and truncated again %q", s, n, cut, again)
	}
	if again := handle.OneLine(line, n); again != line {
		t.Errorf("OneLine(%q, %d): got %q, and again %q", s, n, line, again)
	}
	for _, c := range line {
		if unicode.IsControl(c) || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c) || unicode.Is(unicode.Bidi_Control, c) {
			t.Errorf("OneLine(%q, %d): %q contains %U", s, n, line, c)
		}
	}
	if strings.TrimSpace(line) != line {
		t.Errorf("OneLine(%q, %d): %q begins or ends with space", s, n, line)
	}
}

func TestTruncateAtEveryLength(t *testing.T) {
	texts := []string{"", "plain text that is long enough", "ééééé", "😀😀😀", "👩‍👩‍👧‍👦", "a\xff\xfe\xf0\x9f", " \n\t ", "\u202Eevil\u2069", "\u2028\u2029", strings.Repeat("…", 5), "x …y"}
	for _, s := range texts {
		for n := -1; n < len(s)+5; n++ {
			checkTruncate(t, s, n)
		}
	}
}
