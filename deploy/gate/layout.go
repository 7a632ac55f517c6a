package gate

import (
	"bytes"
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Fields to write into templates. A value is a string, a call or nested fields.
type (
	fields []field
	field  struct {
		key   string
		value any
	}
	call struct{ function, argument string }
)

// blockYAML appends fields in YAML's block style. first is the indent of the first level, and step that of the others.
func (f fields) blockYAML(b *strings.Builder, first, step, newline string) {
	for _, one := range f {
		b.WriteString(first + plainYAML(one.key) + ":")
		switch v := one.value.(type) {
		case fields:
			b.WriteString(newline)
			v.blockYAML(b, first+step, step, newline)
			continue
		case call:
			b.WriteString(" !" + strings.TrimPrefix(v.function, "Fn::") + " " + v.argument)
		case string:
			b.WriteString(" " + plainYAML(v))
		}
		b.WriteString(newline)
	}
}

// plainYAML returns a text without quotes if it is a string without them. The texts have neither spaces nor quotes.
func plainYAML(s string) string {
	n := scalarNode("!!str", s)
	retag(n)
	switch strings.ToLower(s) {
	case "null", "y", "n":
		return "'" + s + "'"
	}
	if n.Tag != "!!str" || strings.Trim(s, digits+"abcdef") == "" { // a digest can look like a number: 12345e6
		return "'" + s + "'"
	}
	return s
}

// json appends fields as the members of a JSON object. If step is empty, all are on one line.
func (f fields) json(b []byte, indent, step, newline string) []byte {
	for i, one := range f {
		switch {
		case i > 0 && step != "":
			b = append(b, ","+newline+indent...)
		case i > 0:
			b = append(b, ", "...)
		}
		b = append(AppendString(b, one.key), ": "...)
		switch v := one.value.(type) {
		case fields:
			if step == "" {
				b = append(v.json(append(b, '{'), "", "", ""), '}')
				continue
			}
			b = append(b, "{"+newline+indent+step...)
			b = append(v.json(b, indent+step, step, newline), newline+indent+"}"...)
		case call:
			b = append(AppendString(append(b, '{'), v.function), ": "...)
			b = append(AppendString(b, v.argument), '}')
		case string:
			b = AppendString(b, v)
		}
	}
	return b
}

// splicer collects insertions into a template.
type splicer struct {
	src     []byte
	json    bool
	newline string
	edits   []edit
}

func newSplicer(src []byte) *splicer {
	return &splicer{src: src, json: isJSON(src), newline: newlineOf(src)}
}

var errLayout = errors.New("the gate cannot be inserted safely into this layout; edit it by hand, as in docs/template.md")

func (s *splicer) insert(at int, text string) { s.edits = append(s.edits, edit{at, at, text}) }

// line returns where the line of an offset starts, and where the next one does, or the end.
func (s *splicer) line(at int) (start, next int) {
	start = bytes.LastIndexByte(s.src[:at], '\n') + 1
	if end := bytes.IndexByte(s.src[at:], '\n'); end >= 0 {
		return start, at + end + 1
	}
	return start, len(s.src)
}

// indent returns what precedes an offset on its line, if that is only space.
func (s *splicer) indent(at int) (string, bool) {
	start, _ := s.line(at)
	before := bytes.TrimPrefix(s.src[start:at], []byte("\ufeff"))
	return string(before), len(bytes.Trim(before, " \t")) == 0
}

func isFlow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// insertMembers inserts members at the beginning of a mapping with members, whose key is given.
func (s *splicer) insertMembers(n, key *yaml.Node, members fields) error {
	if n == nil || len(n.Content) < 2 {
		return errLayout
	}
	first, ok := offset(s.src, n.Content[0])
	if !ok {
		return errLayout
	}
	indent, alone := s.indent(first)
	if !s.json && !isFlow(n) {
		at, ok := offset(s.src, key)
		_, next := s.line(at)
		if !ok || !alone || next > first { // the first member begins on the key's own line
			return errLayout
		}
		var b strings.Builder
		for _, one := range members {
			fields{one}.blockYAML(&b, indent, s.step(n, indent), s.newline)
			if s.hasBlankLines(n) {
				b.WriteString(s.newline)
			}
		}
		s.insert(next, b.String())
		return nil
	}
	if !alone {
		s.insert(first, string(members.json(nil, "", "", ""))+", ")
		return nil
	}
	step := s.step(n, indent)
	s.insert(first, string(members.json(nil, indent, step, s.newline))+","+s.newline+indent)
	return nil
}

// step returns the indent of the members' members.
func (s *splicer) step(n *yaml.Node, indent string) string {
	for i := 1; i < len(n.Content); i += 2 {
		inner := n.Content[i]
		if inner.Kind != yaml.MappingNode || len(inner.Content) == 0 {
			continue
		}
		at, ok := offset(s.src, inner.Content[0])
		if !ok {
			continue
		}
		if deeper, alone := s.indent(at); alone && strings.HasPrefix(deeper, indent) && len(deeper) > len(indent) {
			return deeper[len(indent):]
		}
	}
	return "  "
}

// hasBlankLines reports whether a blank line precedes the second member of a mapping.
func (s *splicer) hasBlankLines(n *yaml.Node) bool {
	if len(n.Content) < 4 {
		return false
	}
	from, ok1 := offset(s.src, n.Content[0])
	to, ok2 := offset(s.src, n.Content[2])
	return ok1 && ok2 && from < to && (bytes.Contains(s.src[from:to], []byte("\n\n")) || bytes.Contains(s.src[from:to], []byte("\n\r\n")))
}

// addDependency adds a name to the DependsOn of a resource.
func (s *splicer) addDependency(r *yaml.Node, name string) error {
	n := member(r, "DependsOn")
	switch {
	case r == nil || r.Kind != yaml.MappingNode || len(r.Content) < 2:
		return errLayout
	case n == nil:
		return s.newDependency(r, name)
	case n.Kind == yaml.ScalarNode:
		start, end, ok := s.scalar(n)
		if !ok {
			return errLayout
		}
		s.insert(start, "[")
		s.insert(end, ", "+s.quote(name)+"]")
		return nil
	case n.Kind != yaml.SequenceNode:
		return errLayout
	case len(n.Content) == 0:
		at, ok := offset(s.src, n)
		if !ok || s.src[at] != '[' {
			return errLayout
		}
		s.insert(at+1, s.quote(name))
		return nil
	}
	last := n.Content[len(n.Content)-1]
	start, end, ok := s.scalar(last)
	if !ok {
		return errLayout
	}
	if s.json || isFlow(n) {
		if indent, alone := s.indent(start); alone {
			s.insert(end, ","+s.newline+indent+s.quote(name))
		} else {
			s.insert(end, ", "+s.quote(name))
		}
		return nil
	}
	lineStart, next := s.line(start)
	dash := bytes.IndexByte(s.src[lineStart:start], '-')
	if dash < 0 || len(bytes.Trim(s.src[lineStart:lineStart+dash], " ")) > 0 || len(bytes.Trim(s.src[lineStart+dash+1:start], " ")) > 0 {
		return errLayout
	}
	s.insertLine(next, string(s.src[lineStart:start])+name)
	return nil
}

// newDependency adds the attribute DependsOn after the Type.
func (s *splicer) newDependency(r *yaml.Node, name string) error {
	key := keyOf(r, "Type")
	if key == nil {
		return errLayout
	}
	at, ok1 := offset(s.src, key)
	start, end, ok2 := s.scalar(member(r, "Type"))
	if !ok1 || !ok2 {
		return errLayout
	}
	indent, alone := s.indent(at)
	text := s.quote("DependsOn") + ": " + s.quote(name)
	_, next := s.line(at)
	switch flow := s.json || isFlow(r); {
	case flow && alone:
		s.insert(end, ","+s.newline+indent+text)
	case flow:
		s.insert(end, ", "+text)
	case alone && start < next:
		s.insertLine(next, indent+text)
	default:
		return errLayout
	}
	return nil
}

// insertLine inserts a line at the start of a line, or at the end of a text without a final line break.
func (s *splicer) insertLine(at int, line string) {
	if at == len(s.src) && at > 0 && s.src[at-1] != '\n' {
		s.insert(at, s.newline+line)
		return
	}
	s.insert(at, line+s.newline)
}

func (s *splicer) quote(name string) string {
	if s.json {
		return `"` + name + `"`
	}
	return name
}

// scalar returns where a string that is written on one line starts and ends.
func (s *splicer) scalar(n *yaml.Node) (start, end int, ok bool) {
	start, ok = offset(s.src, n)
	if !ok || n.Kind != yaml.ScalarNode {
		return 0, 0, false
	}
	rest := s.src[start:]
	if rest[0] == '"' || rest[0] == '\'' {
		closing := bytes.IndexByte(rest[1:], rest[0])
		if closing < 0 || string(rest[1:1+closing]) != n.Value {
			return 0, 0, false
		}
		return start, start + closing + 2, true
	}
	if s.json || n.Value == "" || !bytes.HasPrefix(rest, []byte(n.Value)) {
		return 0, 0, false
	}
	return start, start + len(n.Value), true
}
