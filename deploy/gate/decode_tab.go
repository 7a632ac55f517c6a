package gate

import (
	"bytes"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// misplacedTab returns the position of the first tab that is in neither a quoted text, a block scalar nor a comment. YAML 1.1
// has no other place for tabs, and go.yaml.in takes them for spaces. The line is 0 if there is none. root is the first
// document of src.
func misplacedTab(src []byte, root *yaml.Node) (line, column int) {
	if root == nil || !bytes.ContainsRune(src, '\t') {
		return 0, 0
	}
	scalars := map[[2]int]*yaml.Node{}
	collectScalars(root, scalars)
	s := tabScan{rest: bytes.TrimPrefix(src, []byte("\ufeff")), line: 1, column: 1}
	for len(s.rest) > 0 {
		at := [2]int{s.line, s.column}
		n := scalars[at]
		delete(scalars, at)
		switch c := s.rest[0]; {
		case n != nil && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
			s.skipQuoted()
		case n != nil && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
			s.skipBlock()
		case c == '\t':
			return s.line, s.column
		case c == '#' && s.afterBlank:
			s.skipLine()
		case len(scalars) == 0 && s.column == 1 && (bytes.HasPrefix(s.rest, []byte("---")) || bytes.HasPrefix(s.rest, []byte("..."))):
			return 0, 0
		default:
			s.next()
		}
	}
	return 0, 0
}

// collectScalars maps positions to the scalars in and below n.
func collectScalars(n *yaml.Node, into map[[2]int]*yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		into[[2]int{n.Line, n.Column}] = n
	}
	for _, c := range n.Content {
		collectScalars(c, into)
	}
}

// tabScan is a position in a template.
type tabScan struct {
	rest         []byte
	line, column int
	afterBlank   bool // a comment may begin here
}

// next skips one character.
func (s *tabScan) next() {
	c, size := utf8.DecodeRune(s.rest)
	s.rest = s.rest[size:]
	s.column++
	s.afterBlank = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ']' || c == '}'
	if c == '\n' || c == '\r' && !bytes.HasPrefix(s.rest, []byte("\n")) {
		s.line, s.column = s.line+1, 1
	}
}

// skipLine skips to the end of the line.
func (s *tabScan) skipLine() {
	for line := s.line; len(s.rest) > 0 && s.line == line; {
		s.next()
	}
}

// skipQuoted skips the tags before a quoted text, and the text.
func (s *tabScan) skipQuoted() {
	for len(s.rest) > 0 && s.rest[0] != '"' && s.rest[0] != '\'' {
		s.next()
	}
	if len(s.rest) == 0 {
		return
	}
	quote := s.rest[0]
	s.next()
	for len(s.rest) > 0 && s.rest[0] != quote {
		if s.rest[0] == '\\' && quote == '"' && len(s.rest) > 1 {
			s.next()
		}
		s.next()
	}
	if len(s.rest) > 0 {
		s.next()
		s.afterBlank = true
	}
}

// skipBlock skips the header of a block scalar and its lines, which are indented as far as the first that is not blank,
// or by at least the number in the header.
func (s *tabScan) skipBlock() {
	header, _, _ := bytes.Cut(s.rest, []byte("\n"))
	header, _, _ = bytes.Cut(header, []byte(" #"))
	s.skipLine()
	indent := 0
	if i := bytes.LastIndexAny(header, "123456789"); i > 0 && bytes.IndexByte([]byte("|>+-"), header[i-1]) >= 0 {
		indent = int(header[i] - '0')
	}
	for len(s.rest) > 0 {
		line, _, _ := bytes.Cut(s.rest, []byte("\n"))
		spaces := len(line) - len(bytes.TrimLeft(line, " "))
		if len(bytes.TrimSpace(line)) > 0 || spaces > indent && indent > 0 {
			if indent == 0 {
				indent = max(1, spaces)
			}
			if spaces < indent {
				return
			}
		}
		s.skipLine()
	}
}
