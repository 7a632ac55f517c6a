package handle

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Truncate shortens s to at most n bytes, with an ellipsis at the end if
// anything was cut. It never splits a rune, and replaces invalid UTF-8.
func Truncate(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	const ellipsis = "…"
	if n < len(ellipsis) {
		return ""
	}
	end := n - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimRightFunc(s[:end], unicode.IsSpace) + ellipsis
}

// Shorten shortens s to at most n bytes and says how many characters it left out.
// It never splits a rune, and replaces invalid UTF-8.
func Shorten(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	end := n - len("… (1000000 more characters)")
	if end <= 0 {
		return Truncate(s, n)
	}
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d more characters)", s[:end], utf8.RuneCountInString(s[end:]))
}

// OneLine turns outside text into one line of at most n bytes. Control
// characters and line breaks become spaces. Bidirectional control characters are
// removed, so that a name cannot reorder the line in which it appears.
func OneLine(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case isBidi(c):
			return -1
		case unicode.IsControl(c), c == '\u2028', c == '\u2029':
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return Truncate(strings.Join(strings.Fields(s), " "), n)
}

// isBidi reports whether c is a bidirectional control character.
func isBidi(c rune) bool {
	return c == '\u200E' || c == '\u200F' || c == '\u061C' || c >= '\u202A' && c <= '\u202E' || c >= '\u2066' && c <= '\u2069'
}
