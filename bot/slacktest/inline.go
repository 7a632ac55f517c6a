package slacktest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// inline parses styles and control sequences in s. The delimiters in within are
// already open around s and cannot open again.
func inline(s, within string) []Span {
	p := &inlineParser{s: s, within: within}
	for p.at < len(p.s) {
		span, ok := p.next()
		if !ok {
			p.at++
			continue
		}
		p.flush()
		p.spans = append(p.spans, span)
		p.at += len(span.Raw)
		p.start = p.at
	}
	p.flush()
	return p.spans
}

type inlineParser struct {
	s      string
	within string
	at     int // the next byte
	start  int // of the text that is not flushed yet
	spans  []Span

	// unclosed records up to which index a delimiter has no closing partner, so that
	// hostile text is not searched again for each one. The key of a fence is 'f'.
	unclosed map[byte]int
}

// flush adds the text since the last span as a span.
func (p *inlineParser) flush() {
	if raw := p.s[p.start:p.at]; raw != "" {
		p.spans = append(p.spans, Span{Kind: SpanText, Raw: raw, Text: unescape(raw)})
	}
}

// next parses the span at p.at. It returns false if none begins there.
func (p *inlineParser) next() (Span, bool) {
	switch c := p.s[p.at]; c {
	case '<':
		return p.control()
	case '`':
		return p.code()
	case '*':
		return p.style(c, SpanBold)
	case '_':
		return p.style(c, SpanItalic)
	case '~':
		return p.style(c, SpanStrike)
	case ':':
		return p.emoji()
	case 'h':
		return p.autoLink()
	}
	return Span{}, false
}

func (p *inlineParser) control() (Span, bool) {
	rest := p.s[p.at+1:]
	end := strings.IndexAny(rest, "<>\n")
	if end < 0 || rest[end] != '>' {
		return Span{}, false
	}
	span, ok := parseControl(rest[:end])
	span.Raw = p.s[p.at : p.at+end+2]
	return span, ok
}

func (p *inlineParser) code() (Span, bool) {
	rest := p.s[p.at:]
	if strings.HasPrefix(rest, fence) && !p.isUnclosed('f') {
		if n := strings.Index(rest[len(fence):], fence); n > 0 {
			inner := rest[len(fence) : len(fence)+n]
			return Span{Kind: SpanCodeBlock, Raw: rest[:n+2*len(fence)], Children: controls(inner)}, true
		} else if n < 0 {
			p.markUnclosed('f', len(p.s))
		}
	}
	n := strings.IndexAny(rest[1:], "`\n")
	if n <= 0 || rest[n+1] == '\n' {
		return Span{}, false
	}
	return Span{Kind: SpanCode, Raw: rest[:n+2], Children: controls(rest[1 : n+1])}, true
}

// controls parses only control sequences, the only markup inside code.
func controls(s string) []Span {
	p := &inlineParser{s: s}
	for p.at < len(p.s) {
		if p.s[p.at] == '<' {
			if span, ok := p.control(); ok {
				p.flush()
				p.spans = append(p.spans, span)
				p.at += len(span.Raw)
				p.start = p.at
				continue
			}
		}
		p.at++
	}
	p.flush()
	return p.spans
}

// style parses a run between two delimiters on one line. The opening delimiter must
// be followed by a word and not preceded by one; the closing one vice versa.
func (p *inlineParser) style(delim byte, kind SpanKind) (Span, bool) {
	if strings.IndexByte(p.within, delim) >= 0 || p.isUnclosed(delim) {
		return Span{}, false
	}
	before, _ := utf8.DecodeLastRuneInString(p.s[:p.at])
	after, _ := utf8.DecodeRuneInString(p.s[p.at+1:])
	if isWord(before) || before == rune(delim) || unicode.IsSpace(after) || after == rune(delim) {
		return Span{}, false
	}
	end, ok := p.closing(delim)
	if !ok {
		return Span{}, false
	}
	inner := p.s[p.at+1 : end]
	return Span{Kind: kind, Raw: p.s[p.at : end+1], Children: inline(inner, p.within+string(delim))}, true
}

// closing returns the index of the delimiter that closes the run at p.at.
func (p *inlineParser) closing(delim byte) (int, bool) {
	i := p.at + 1
	for ; i < len(p.s) && p.s[i] != '\n'; i++ {
		if p.s[i] == '<' {
			if n := strings.IndexAny(p.s[i+1:], "<>\n"); n >= 0 && p.s[i+1+n] == '>' {
				i += n + 1 // a delimiter inside a control sequence does not count
			}
			continue
		}
		if p.s[i] != delim || i == p.at+1 {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(p.s[:i])
		after, size := utf8.DecodeRuneInString(p.s[i+1:])
		if !unicode.IsSpace(before) && (size == 0 || !isWord(after) && after != rune(delim)) {
			return i, true
		}
	}
	p.markUnclosed(delim, i)
	return 0, false
}

func (p *inlineParser) isUnclosed(delim byte) bool { return p.at < p.unclosed[delim] }

func (p *inlineParser) markUnclosed(delim byte, until int) {
	if p.unclosed == nil {
		p.unclosed = make(map[byte]int)
	}
	p.unclosed[delim] = until
}

func (p *inlineParser) emoji() (Span, bool) {
	if before, _ := utf8.DecodeLastRuneInString(p.s[:p.at]); isWord(before) {
		return Span{}, false // such as 10:30:00
	}
	rest := p.s[p.at+1:]
	n := 0
	for n < len(rest) && n < maxEmojiName && isEmojiName(rest[n]) {
		n++
	}
	if n == 0 || n == len(rest) || rest[n] != ':' {
		return Span{}, false
	}
	return Span{Kind: SpanEmoji, Raw: p.s[p.at : p.at+n+2], Target: rest[:n]}, true
}

const maxEmojiName = 100

func isEmojiName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '+' || c == '\''
}

func (p *inlineParser) autoLink() (Span, bool) {
	rest := p.s[p.at:]
	if !strings.HasPrefix(rest, "http://") && !strings.HasPrefix(rest, "https://") {
		return Span{}, false
	}
	if before, _ := utf8.DecodeLastRuneInString(p.s[:p.at]); isWord(before) {
		return Span{}, false
	}
	raw := strings.TrimRight(rest[:urlEnd(rest)], ".,;:!?)*_~'")
	if raw == "http://" || raw == "https://" {
		return Span{}, false
	}
	url := unescape(raw)
	return Span{Kind: SpanAutoLink, Raw: raw, Text: url, Target: url}, true
}

// urlEnd returns the length of the bare URL at the start of s.
func urlEnd(s string) int {
	for i, r := range s {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), strings.ContainsRune("<>|`\"", r):
			return i
		case r == '&' && (strings.HasPrefix(s[i:], "&lt;") || strings.HasPrefix(s[i:], "&gt;")):
			return i
		}
	}
	return len(s)
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
