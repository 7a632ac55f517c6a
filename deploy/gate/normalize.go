package gate

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// nodePath is the path from the root to a node, for error messages.
type nodePath struct {
	parent *nodePath
	key    string
}

func (t *nodePath) String() string {
	if t == nil {
		return ""
	}
	return t.parent.String() + "/" + t.key
}

// normalize checks n against CloudFormation's subset of YAML and rewrites short forms to long forms, in place.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
func normalize(n *yaml.Node, at *nodePath, depth int) error {
	if depth > maxDepth {
		return errTooDeep()
	}
	if n.Kind == yaml.AliasNode {
		return invalid("Template error: YAML aliases are not allowed in CloudFormation templates")
	}
	if err := normalizeKeys(n, at); err != nil {
		return err
	}
	dropDuplicates(n)
	if n.Kind == yaml.MappingNode {
		for k, v := range members(n) {
			if err := normalize(v, &nodePath{at, k.Value}, depth+1); err != nil {
				return err
			}
		}
	} else {
		for _, c := range n.Content {
			if err := normalize(c, at, depth+1); err != nil {
				return err
			}
		}
	}
	return expandShortForm(n)
}

func normalizeKeys(n *yaml.Node, at *nodePath) error {
	for k := range members(n) {
		switch {
		case k.Kind == yaml.AliasNode:
			return invalid("Template error: YAML aliases are not allowed in CloudFormation templates")
		case k.Kind != yaml.ScalarNode:
			return malformedAt(k)
		case k.Tag == "!!int", k.Tag == "!!float":
			return invalid("Template format error: [%v] map keys must be strings; received numeric [%s] instead", at, k.Value)
		}
	}
	return nil
}

// dropDuplicates removes all but the last of the members of a mapping with the same key, as CloudFormation does in every
// section. The last takes the place of the first.
func dropDuplicates(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	at, kept := map[string]int{}, n.Content[:0]
	for k, v := range members(n) {
		if i, again := at[k.Value]; again {
			kept[i], kept[i+1] = k, v
			continue
		}
		at[k.Value] = len(kept)
		kept = append(kept, k, v)
	}
	n.Content = kept
}

// expandShortForm rewrites "!Name x" to "{Fn::Name: x}", in place.
func expandShortForm(n *yaml.Node) error {
	if !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		switch n.Tag {
		case "", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
			return nil
		}
		return malformedAt(n)
	}
	name := strings.TrimPrefix(n.Tag, "!")
	if name == "" { // YAML's non-specific tag
		n.Tag = untagged(n.Kind)
		return nil
	}
	if name != fnRef && name != fnCondition {
		name = "Fn::" + name
	}
	if !isFunction(name) {
		return malformedAt(n)
	}
	inner := *n
	inner.Tag = untagged(n.Kind)
	*n = yaml.Node{
		Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column,
		Content: []*yaml.Node{scalarNode("!!str", name), &inner},
	}
	return nil
}

func untagged(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "!!map"
	case yaml.SequenceNode:
		return "!!seq"
	}
	return "!!str"
}

func malformedAt(n *yaml.Node) error {
	return invalid("Template format error: YAML not well-formed. (line %d, column %d)", n.Line, n.Column)
}

// mentions reports whether is holds for any key in or below n.
func mentions(n *yaml.Node, is func(key string) bool) bool {
	for k := range members(n) {
		if is(k.Value) {
			return true
		}
	}
	for _, c := range n.Content {
		if mentions(c, is) {
			return true
		}
	}
	return false
}
