package handle_test

import (
	"errors"
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

// blankTexts show nothing, whatever the script.
var blankTexts = map[string]string{
	"nothing": "", "spaces": " \t\r\n\u00a0\u2003\u3000\u1680\u2028\u2029", "zero width space": "\u200b\u200b\u200b", "word joiner": "\u2060", "byte order mark": "\ufeff",
	"soft hyphen": "\u00ad", "Hangul filler": "\u3164", "Hangul choseong and jungseong fillers": "\u115f\u1160", "half-width Hangul filler": "\uffa0",
	"Braille blank": "\u2800", "joiners": "\u200c\u200d", "grapheme joiner": "\u034f", "marks alone": "\u0301\u0308\u20dd", "marks on a space": " \u0301", "a vowel sign alone": "\u093e",
	"variation selectors": "\ufe0f\ufe00\U000e0100", "Mongolian separators": "\u180e\u180b", "Khmer inherent vowels": "\u17b4\u17b5", "bidirectional controls": "\u200e\u200f\u061c\u202a\u202e\u2066\u2069",
	"tags": "\U000e0001\U000e0041\U000e007f", "invisible operators": "\u2061\u2062\u2063\u2064", "deprecated format characters": "\u206a\u206f", "annotations": "\ufff9\ufffb",
	"musical format characters": "\U0001d173\U0001d159", "shorthand format controls": "\U0001bca0", "private use": "\ue000\U000f0000", "unassigned": "\u0378\U000e0fff\ufff0",
	"control characters": "\x00\x1b\x7f\u0085", "not UTF-8": "\xff\xfe", "object replacement": "\ufffc", "hieroglyph blank": "\U00013441", "all of them": "\u200b \u3164\u0301\ufe0f\u2800\u00ad",
}

func TestBlank(t *testing.T) {
	for name, s := range blankTexts {
		if !handle.Blank(s) {
			t.Errorf("%s (%+q) is not blank", name, s)
		}
		if got := handle.OneLine(s, 100); got != "" {
			t.Errorf("%s in one line is %+q, want nothing", name, got)
		}
	}
	for _, tt := range []struct {
		s       string
		visible int
	}{
		{"x", 1}, {".", 1}, {"0", 1}, {"\u200bx\u200b", 1}, {"不要", 2}, {"لا", 2}, {"हाँ", 3}, {"e\u0301", 2}, {"👍", 1}, {"👍🏽", 2}, {"❤\ufe0f", 1}, {"한글", 2}, {"\u2801", 1},
		{"a b\tc", 3}, {"a\u00ad\u00ad", 1}, {"a\ufe0f\ufe0f", 1}, {"a\u034f\u034f", 1}, {"𓀀", 1}, {"no\u3164", 2},
	} {
		if got := handle.Visible(tt.s); got != tt.visible || handle.Blank(tt.s) {
			t.Errorf("%+q: got %d visible characters, blank %t; want %d", tt.s, got, handle.Blank(tt.s), tt.visible)
		}
	}
}

func TestBlankReasonsAndNamesAreRefused(t *testing.T) {
	for name, s := range blankTexts {
		_, err := launch().VoteByMail("Ann", handle.Reject, s, at)
		if !refused(err, handle.RefusedNoReason) {
			t.Errorf("reason of %s: got %v", name, err)
		}
		_, err = launch().VoteByMail(s, handle.Reject, "a reason", at)
		if !refused(err, handle.RefusedNoName) {
			t.Errorf("name of %s: got %v", name, err)
		}
	}
}

func refused(err error, reason handle.RefusalReason) bool {
	var refusal *handle.Refusal
	return errors.As(err, &refusal) && refusal.Reason == reason
}

// TestCutKeepsCharactersWhole cuts texts at every length: no letter loses its accent,
// no emoji a part.
func TestCutKeepsCharactersWhole(t *testing.T) {
	for _, character := range []string{"e\u0301", "हाँ", "👩‍👩‍👧‍👦", "👍🏽", "❤\ufe0f", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"} {
		s := strings.Repeat(character, 10)
		for n := range len(s) {
			kept := strings.TrimSuffix(handle.Truncate(s, n), "…")
			if strings.Repeat(character, strings.Count(kept, character)) != kept {
				t.Errorf("%q cut to %d bytes: got %+q", character, n, kept)
			}
		}
	}
	if got := handle.Truncate("e"+strings.Repeat("\u0301", 500), 100); len(got) < 50 {
		t.Errorf("500 marks are cut to %d bytes", len(got))
	}
}
