package gate

import (
	"iter"

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
