package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	// maxTemplateBytes is CloudFormation's limit for a template read from S3.
	//
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
	maxTemplateBytes = 1 << 20

	// maxDepth limits nesting, so that a hostile template cannot exhaust the goroutine stack. AWS does not document
	// such a limit.
	maxDepth = 100
)

// decode reads a template as JSON if it begins with a brace, and otherwise as YAML. Short forms (!Sub) are rewritten
// to their long forms (Fn::Sub).
func decode(src []byte) (*yaml.Node, error) {
	if len(src) > maxTemplateBytes {
		return nil, invalid("Template may not exceed %d bytes in size.", maxTemplateBytes)
	}
	read := decodeYAML
	if isJSON(src) {
		read = decodeJSON
	}
	root, err := read(src)
	if err != nil {
		return nil, err
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return nil, invalid("Template format error: unsupported structure.")
	}
	if err := normalize(root, nil, 0); err != nil {
		return nil, err
	}
	return root, nil
}

// decodeYAML returns the root of src's first document; nil if there is none.
func decodeYAML(src []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, invalid("Template format error: YAML not well-formed.")
	}
	var doc yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, malformedYAML(err)
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

// decodeJSON reads src as one JSON document.
func decodeJSON(src []byte) (*yaml.Node, error) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	d := jsonDecoder{Decoder: json.NewDecoder(bytes.NewReader(src)), src: src}
	d.UseNumber()
	root, err := d.node(0)
	if err == nil {
		if _, trailing := d.Token(); !errors.Is(trailing, io.EOF) {
			err = errTrailing
		}
	}
	var refused *Error
	if errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		line, column := d.position(int(d.InputOffset()))
		return nil, invalid("Template format error: JSON not well-formed. (line %d, column %d)", line, column)
	}
	return root, nil
}

var errTrailing = errors.New("text after the document")

// jsonDecoder builds YAML nodes from JSON.
type jsonDecoder struct {
	*json.Decoder
	src []byte

	offset, line, start int // the last offset that position got, its line, and where that line starts
}

// position converts a byte offset to a line and a column, both counted from 1. Offsets must not decrease.
func (d *jsonDecoder) position(offset int) (line, column int) {
	offset = min(offset, len(d.src))
	for ; d.offset < offset; d.offset++ {
		if d.src[d.offset] == '\n' {
			d.line++
			d.start = d.offset + 1
		}
	}
	return d.line + 1, offset - d.start + 1
}

// scalar returns a node at the token that follows the offset before.
func (d *jsonDecoder) scalar(before int64, tag, text string) *yaml.Node {
	n := scalarNode(tag, text)
	d.place(n, before)
	return n
}

func (d *jsonDecoder) place(n *yaml.Node, before int64) {
	rest := d.src[before:]
	n.Line, n.Column = d.position(int(before) + len(rest) - len(bytes.TrimLeft(rest, " \t\r\n,:")))
}

// node reads the next value.
func (d *jsonDecoder) node(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, errTooDeep()
	}
	before := d.InputOffset()
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		return d.container(t, before, depth)
	case string:
		return d.scalar(before, "!!str", t), nil
	case json.Number:
		if strings.ContainsAny(t.String(), ".eE") {
			return d.scalar(before, "!!float", t.String()), nil
		}
		return d.scalar(before, "!!int", t.String()), nil
	case bool:
		return d.scalar(before, "!!bool", strconv.FormatBool(t)), nil
	default:
		return d.scalar(before, "!!null", ""), nil
	}
}

func (d *jsonDecoder) container(open json.Delim, before int64, depth int) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if open == '[' {
		n = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	d.place(n, before)
	for d.More() {
		if open == '{' {
			before := d.InputOffset()
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, d.scalar(before, "!!str", key.(string))) // the decoder accepts only string keys
		}
		child, err := d.node(depth + 1)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	_, err := d.Token()
	return n, err
}

func scalarNode(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

func errTooDeep() error {
	return invalid("Template format error: the template nests deeper than %d levels.", maxDepth) // own words
}

// members iterates over the keys and values of a mapping. Any other node has none.
func members(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// member returns the value of a key, or nil. Of duplicate keys the last counts, as in CloudFormation.
func member(n *yaml.Node, key string) *yaml.Node {
	var found *yaml.Node
	for k, v := range members(n) {
		if k.Value == key {
			found = v
		}
	}
	return found
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
