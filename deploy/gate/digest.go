package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	digestBytes = 8 // of SHA-256; a digest tells versions of one author's template apart

	templateProperty = "Template" // of a request resource
)

// Digest returns a digest of a template, 16 hexadecimal digits. It does not depend on comments, the order of keys,
// quoting, YAML or JSON, or the long or short form of functions. It ignores the property Template of request
// resources, which holds it. Everything else counts. Errors are *Error: the template cannot be read.
//
// Launched products have digests in their templates. If a release computed another digest for the same template, the
// next update of each product would ask for an approval.
func Digest(src []byte) (string, error) {
	root, err := decode(src)
	if err != nil {
		return "", err
	}
	return digest(root), nil
}

func digest(root *yaml.Node) string {
	h := sha256.New()
	writeCanonical(h, root, digestHolders(root))
	return hex.EncodeToString(h.Sum(nil)[:digestBytes])
}

// requests iterates over the logical IDs and properties of the request resources, in template order.
func requests(root *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(id string, properties *yaml.Node) bool) {
		for id, r := range members(member(root, "Resources")) {
			kind, properties := member(r, "Type"), member(r, "Properties")
			if kind == nil || !strings.HasPrefix(kind.Value, "Custom::") || member(properties, "WaitUrl") == nil {
				continue
			}
			if !yield(id.Value, properties) {
				return
			}
		}
	}
}

// digestHolders returns the properties of the request resources.
func digestHolders(root *yaml.Node) map[*yaml.Node]bool {
	holders := map[*yaml.Node]bool{}
	for _, properties := range requests(root) {
		holders[properties] = true
	}
	return holders
}

// writeCanonical writes n in a form that only trees with the same meaning share. Each text follows its length.
func writeCanonical(w io.Writer, n *yaml.Node, holders map[*yaml.Node]bool) {
	switch n.Kind {
	case yaml.MappingNode:
		values := map[string]*yaml.Node{}
		for k, v := range members(n) {
			values[k.Value] = v // of duplicate keys the last counts
		}
		if holders[n] {
			delete(values, templateProperty)
		}
		fmt.Fprint(w, "{")
		for _, k := range slices.Sorted(maps.Keys(values)) {
			fmt.Fprintf(w, "%d:%s", len(k), k)
			if attribute, ok := getAtt(k, values); ok {
				writeCanonical(w, attribute, holders)
			} else {
				writeCanonical(w, values[k], holders)
			}
		}
		fmt.Fprint(w, "}")
	case yaml.SequenceNode:
		fmt.Fprint(w, "[")
		for _, c := range n.Content {
			writeCanonical(w, c, holders)
		}
		fmt.Fprint(w, "]")
	default:
		if isNull(n) {
			fmt.Fprint(w, "n")
			return
		}
		text := scalarText(n)
		fmt.Fprintf(w, "%d:%s", len(text), text)
	}
}

// getAtt returns the argument of Fn::GetAtt, written as one string, as a list of the logical ID and the attribute.
func getAtt(key string, values map[string]*yaml.Node) (*yaml.Node, bool) {
	if key != fnGetAtt || len(values) != 1 || values[key].Kind != yaml.ScalarNode {
		return nil, false
	}
	id, attribute, ok := strings.Cut(values[key].Value, ".")
	if !ok {
		return nil, false
	}
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{
		scalarNode("!!str", id), scalarNode("!!str", attribute),
	}}, true
}
