package blocks

import (
	"strings"
	"unicode/utf8"

	"countersign/handle"
)

// Slack's limits, in characters. Slack does not say how it counts them, so we count
// UTF-16 code units, of which an emoji has two. See
// https://docs.slack.dev/reference/block-kit/blocks
const (
	maxHeader  = 150
	maxSection = 3000 // also of a text in a context block
	maxLabel   = 75   // of a button, and of what screen readers say of it
	maxHeading = 24   // of a modal
	maxHint    = 2000 // of a field of a form
	maxText    = 4000 // of a message: chat.update refuses more, chat.postMessage splits it
)

const ellipsis = "…"

// units returns the length of s in UTF-16 code units.
func units(s string) int {
	n := 0
	for _, c := range s {
		n++
		if c > 0xFFFF {
			n++
		}
	}
	return n
}

// cutPlain shortens plain text to at most n characters.
func cutPlain(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if units(s) <= n {
		return s
	}
	end, size := 0, units(ellipsis)
	for {
		next := cluster(s[end:])
		if size += units(next); size > n {
			return strings.TrimSpace(s[:end]) + ellipsis
		}
		end += len(next)
	}
}

// cutMarkup shortens mrkdwn to at most n characters.
func cutMarkup(s string, n int) string {
	if units(s) <= n {
		return s
	}
	first, _ := splitMarkup(s, n-units(ellipsis))
	return first + ellipsis
}

// splitMarkup splits mrkdwn after at most n characters, at the end of a line if there is
// one. It splits no character, escape, mention, date or link, and closes and reopens
// code and bold. first is empty if s begins with a longer link.
func splitMarkup(s string, n int) (first, rest string) {
	if units(s) <= n {
		return s, ""
	}
	var (
		end, size int
		style     string // the style that is open at end: "`", "*" or none
		open      string // the same after the last token
		newline   int    // the last line break; 0 if there is none
	)
	for i := 0; i < len(s); {
		next := token(s[i:])
		size += units(next)
		if mark := next == "`" && open != "*" || next == "*" && open != "`"; mark && open == "" {
			open = next
			i += len(next)
			continue // an empty span would show its marks
		} else if mark {
			open = ""
		}
		if size+len(open) > n {
			break
		}
		if i += len(next); next == "\n" {
			newline = i - 1
		}
		end, style = i, open
	}
	if newline > 0 {
		return s[:newline], s[newline+1:]
	}
	if style != "" {
		return s[:end] + style, style + s[end:]
	}
	return s[:end], s[end:]
}

// token returns the first part of s, not empty, that must not be split.
func token(s string) string {
	end := 0
	switch s[0] {
	case '<':
		end = strings.IndexByte(s, '>') + 1
	case '&':
		end = strings.IndexByte(s[:min(len(s), len("&amp;"))], ';') + 1
	case '`', '*':
		end = 1
	}
	if end > 0 {
		return s[:end]
	}
	return cluster(s)
}

// cluster returns the first letter of s with its combining marks, or the first emoji.
func cluster(s string) string {
	_, end := utf8.DecodeRuneInString(s)
	for end < len(s) && handle.CutPoint(s, end) != end {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return s[:end]
}
