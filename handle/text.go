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
	return strings.TrimRightFunc(s[:CutPoint(s, n-len(ellipsis))], unicode.IsSpace) + ellipsis
}

// maxCluster bounds how far CutPoint goes back for one visible character: an emoji of
// a family takes 25 bytes.
const maxCluster = 48 // bytes

// CutPoint returns the greatest index of at most n at which s can be cut: never
// within a rune and, unless more than 48 bytes belong together, never between a letter
// and its marks or within an emoji.
func CutPoint(s string, n int) int {
	if n <= 0 || n >= len(s) {
		return max(0, min(n, len(s)))
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	for i := n; n-i <= maxCluster; {
		last, size := utf8.DecodeLastRuneInString(s[:i])
		next, _ := utf8.DecodeRuneInString(s[i:])
		if i == 0 || last != zeroWidthJoiner && !extends(next) {
			return i
		}
		i -= size
	}
	return n
}

const zeroWidthJoiner = '\u200D'

// extends reports whether c belongs to the character before it.
func extends(c rune) bool {
	return c == zeroWidthJoiner || unicode.Is(unicode.M, c) || c >= 0x1F3FB && c <= 0x1F3FF || // skin tones
		c >= 0xE0020 && c <= 0xE007F // tags, of which flags are made
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
	end = CutPoint(s, end)
	return fmt.Sprintf("%s… (%d more characters)", s[:end], utf8.RuneCountInString(s[end:]))
}

// OneLine turns outside text into one line of at most n bytes. Control
// characters and line breaks become spaces. Bidirectional control characters are
// removed, so that a name cannot reorder the line in which it appears. It is empty if
// nothing in s is visible.
func OneLine(s string, n int) string {
	if Blank(s) {
		return ""
	}
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

// Blank reports whether s shows nothing, in any script: it has only spaces, control and
// format characters, fillers, variation selectors, tags, or marks without a letter.
// What must be given, such as a reason or a name, must not be blank.
func Blank(s string) bool {
	for _, c := range s {
		if isVisible(c) {
			return false
		}
	}
	return true
}

// Visible counts the characters of s that a reader sees, each mark on a letter
// included.
func Visible(s string) int {
	letters, marks := 0, 0
	for _, c := range s {
		switch {
		case isVisible(c):
			letters++
		case letters > 0 && unicode.Is(unicode.M, c) && !unicode.In(c, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
			marks++
		}
	}
	if letters == 0 {
		return 0
	}
	return letters + marks
}

// isVisible reports whether c alone shows anything. A mark does so on a letter only.
func isVisible(c rune) bool {
	if c < unicode.MaxASCII {
		return c > ' '
	}
	return unicode.IsGraphic(c) && !unicode.In(c, unicode.M, unicode.Zs, unicode.Other_Default_Ignorable_Code_Point, blanks)
}

// blanks are characters that Unicode counts as letters or symbols but that show
// nothing. The Hangul fillers are in Other_Default_Ignorable_Code_Point.
var blanks = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // Braille pattern blank
		{Lo: 0xFFFC, Hi: 0xFFFD, Stride: 1}, // object replacement; replacement of what is not UTF-8
	},
	R32: []unicode.Range32{
		{Lo: 0x13441, Hi: 0x13446, Stride: 1}, // Egyptian hieroglyph blanks
		{Lo: 0x1D159, Hi: 0x1D159, Stride: 1}, // musical symbol null notehead
	},
}
