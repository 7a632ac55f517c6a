package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf16"

	"go.yaml.in/yaml/v4"
)

// decodeYAML returns the root of src's first document; nil if there is none. It also accepts YAML 1.1 that CloudFormation
// reads but go.yaml.in, which reads YAML 1.2, refuses.
func decodeYAML(src []byte) (*yaml.Node, error) {
	src = blankDirectives(src)
	root, err := loadYAML(src)
	for range maxRepairs {
		repaired, ok := repair(src, err)
		if !ok {
			break
		}
		src = repaired
		root, err = loadYAML(src)
	}
	if err != nil {
		return nil, malformedYAML(err)
	}
	if line, column := misplacedTab(src, root); line > 0 {
		return nil, invalid("Template format error: YAML not well-formed. (line %d, column %d)", line, column)
	}
	return root, nil
}

// maxRepairs bounds the time that reading a template takes.
const maxRepairs = 50

// repair returns src without the cause of an error that is none in YAML 1.1. Only the rest of the same line moves. In YAML 1.1 a comment may follow a quoted text or a closing bracket without a space, and a quoted text may
// contain the two halves of a surrogate pair.
func repair(src []byte, err error) ([]byte, bool) {
	var at *yaml.LoadError
	if !errors.As(err, &at) {
		return nil, false
	}
	position, ok := offset(src, &yaml.Node{Line: at.Mark.Line, Column: at.Mark.Column})
	if !ok || position == 0 {
		return nil, false
	}
	if src[position] == '#' && bytes.IndexByte([]byte(`"'])}`), src[position-1]) >= 0 {
		return slices.Insert(slices.Clone(src), position, ' '), true
	}
	return joinSurrogates(src)
}

var surrogates = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

// joinSurrogates writes surrogate pairs as one escape. It reports false if there are none.
func joinSurrogates(src []byte) ([]byte, bool) {
	out := surrogates.ReplaceAllFunc(src, func(pair []byte) []byte {
		high, _ := strconv.ParseUint(string(pair[2:6]), 16, 32) // the pattern has hexadecimal digits
		low, _ := strconv.ParseUint(string(pair[8:]), 16, 32)
		return fmt.Appendf(nil, `\U%08X`, utf16.DecodeRune(rune(high), rune(low)))
	})
	return out, !bytes.Equal(out, src)
}

// blankDirectives turns directives that go.yaml.in refuses into comments: other versions of YAML 1, and unknown ones.
func blankDirectives(src []byte) []byte {
	out := bytes.Clone(src)
	rest := bytes.TrimPrefix(out, []byte("\ufeff"))
	for len(rest) > 0 {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		switch text := bytes.TrimSpace(line); {
		case bytes.HasPrefix(line, []byte("%TAG")), bytes.HasPrefix(line, []byte("%YAML")) && !bytes.Contains(line, []byte(" 1.")):
		case bytes.HasPrefix(line, []byte("%")):
			line[0] = '#'
		case len(text) > 0 && text[0] != '#':
			return out
		}
		rest = after
	}
	return out
}

func loadYAML(src []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	retag(&doc)
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return &doc, nil
}

func malformedYAML(err error) error {
	var at *yaml.LoadError
	if errors.As(err, &at) && at.Mark.Line > 0 {
		return invalid("Template format error: YAML not well-formed. (line %d, column %d)", at.Mark.Line, at.Mark.Column)
	}
	return invalid("Template format error: YAML not well-formed.")
}
