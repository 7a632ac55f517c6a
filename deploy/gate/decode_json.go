package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decodeJSON reads src as one JSON document. CloudFormation accepts a comma before a closing bracket.
//
// https://github.com/stelligent/cfn_nag/issues/203, https://github.com/aws-amplify/amplify-cli/pull/509
func decodeJSON(src []byte) (*yaml.Node, error) {
	src = blankTrailingCommas(bytes.TrimPrefix(src, []byte("\ufeff")))
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

// blankTrailingCommas returns src with spaces in place of the commas before a closing bracket.
func blankTrailingCommas(src []byte) []byte {
	out := bytes.Clone(src)
	quoted, comma, value := false, -1, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
			comma, value = -1, true
		case quoted, c == ' ', c == '\t', c == '\r', c == '\n':
		case c == ',' && value:
			comma, value = i, false
		case (c == ']' || c == '}') && comma >= 0:
			out[comma] = ' '
			comma, value = -1, true
		default:
			comma, value = -1, c != ',' && c != '[' && c != '{' && c != ':'
		}
	}
	return out
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
