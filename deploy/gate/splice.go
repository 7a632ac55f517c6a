package gate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// ErrNoRequest means that a template has no request resource.
var ErrNoRequest = errors.New("the template has no request resource: a Custom:: resource with the property WaitUrl")

// SetDigest returns src with its digest as the property Template of each request resource, and the logical IDs of those
// whose property was missing or stale. No other byte changes. If the list is empty, all were current. The error is
// ErrNoRequest, an *Error if src cannot be read, or says why the property cannot be written.
func SetDigest(src []byte) (out []byte, stale []string, err error) {
	root, err := decode(src)
	if err != nil {
		return nil, nil, err
	}
	found, want := false, digest(root)
	var edits []edit
	for id, properties := range requests(root) {
		found = true
		if current(properties, want) {
			continue
		}
		e, err := setProperty(src, properties, want)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", id, err)
		}
		edits, stale = append(edits, e), append(stale, id)
	}
	if !found {
		return nil, nil, ErrNoRequest
	}
	out = applyEdits(src, edits)
	if !isSet(out, want) {
		return nil, nil, fmt.Errorf("the property Template cannot be added to this layout; write Template: '%s' by hand", want)
	}
	return out, stale, nil
}

func current(properties *yaml.Node, want string) bool {
	v := member(properties, templateProperty)
	return v != nil && v.Kind == yaml.ScalarNode && !isNull(v) && scalarText(v) == want
}

// isSet reports whether the digest of src is want, and each request resource has it.
func isSet(src []byte, want string) bool {
	root, err := decode(src)
	if err != nil || digest(root) != want {
		return false
	}
	for _, properties := range requests(root) {
		if !current(properties, want) {
			return false
		}
	}
	return true
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

func applyEdits(src []byte, edits []edit) []byte {
	out := slices.Clone(src)
	slices.SortFunc(edits, func(a, b edit) int { return b.start - a.start }) // the last first: offsets stay valid
	for _, e := range edits {
		out = slices.Replace(out, e.start, e.end, []byte(e.text)...)
	}
	return out
}

// setProperty returns the edit that sets the property Template. Quotes keep a digest of digits only a string.
func setProperty(src []byte, properties *yaml.Node, digest string) (edit, error) {
	if v := member(properties, templateProperty); v != nil {
		return replaceScalar(src, v, digest)
	}
	var key *yaml.Node
	for k := range members(properties) {
		if k.Value == "WaitUrl" {
			key = k
		}
	}
	at, ok := offset(src, key)
	if !ok || !bytes.HasPrefix(bytes.TrimLeft(src[at:], `"'`), []byte("WaitUrl")) {
		return edit{}, fmt.Errorf("the property Template cannot be added here; write Template: '%s' by hand", digest)
	}
	line := src[:at]
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	first := len(bytes.TrimLeft(line, " \t")) == 0 // nothing precedes WaitUrl on its line
	newline := "\n"
	if bytes.Contains(src, []byte("\r\n")) {
		newline = "\r\n"
	}
	text := "Template: '" + digest + "'"
	if isJSON(src) {
		text = `"Template": "` + digest + `"`
	}
	if isJSON(src) || properties.Style&yaml.FlowStyle != 0 {
		text += ","
		if !first {
			return edit{at, at, text + " "}, nil
		}
	}
	return edit{at, at, text + newline + string(line)}, nil
}

// replaceScalar returns the edit that replaces a string that is written on one line.
func replaceScalar(src []byte, v *yaml.Node, digest string) (edit, error) {
	no := fmt.Errorf("the property Template is not a string on one line; replace it by '%s'", digest)
	at, ok := offset(src, v)
	if !ok || v.Kind != yaml.ScalarNode {
		return edit{}, no
	}
	rest := src[at:]
	switch {
	case rest[0] == '"' || rest[0] == '\'':
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 || string(rest[1:1+end]) != v.Value {
			return edit{}, no
		}
		return edit{at + 1, at + 1 + end, digest}, nil
	case isJSON(src) || v.Style != 0 || v.Value == "" || !bytes.HasPrefix(rest, []byte(v.Value)):
		return edit{}, no
	}
	return edit{at, at + len(v.Value), "'" + digest + "'"}, nil
}

func isJSON(src []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(src, "\ufeff \t\r\n"), []byte("{"))
}

// offset converts a node's line and column to a byte offset. Columns count bytes in JSON and characters in YAML, and
// neither counts a byte order mark.
func offset(src []byte, n *yaml.Node) (at int, ok bool) {
	if bytes.HasPrefix(src, []byte("\ufeff")) {
		at = 3
	}
	for range n.Line - 1 {
		next := bytes.IndexByte(src[at:], '\n')
		if next < 0 {
			return 0, false
		}
		at += next + 1
	}
	if isJSON(src) {
		at += max(n.Column-1, 0)
		return at, n.Line > 0 && n.Column > 0 && at < len(src)
	}
	for range n.Column - 1 {
		if at >= len(src) {
			return 0, false
		}
		_, size := utf8.DecodeRune(src[at:])
		at += size
	}
	return at, n.Line > 0 && n.Column > 0 && at < len(src)
}
