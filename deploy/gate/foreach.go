package gate

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	forEachPrefix = fnForEach + "::"

	// maxExpanded limits the output of all loops of a template, in nodes and 64-byte units of text. AWS does not
	// document such a limit.
	maxExpanded = 200_000
)

// errNeedsValue means that a loop's collection depends on a value that only a stack has.
var errNeedsValue = errors.New("a loop depends on a parameter without a value")

func hasLoops(root *yaml.Node) bool {
	return mentions(root, func(key string) bool { return strings.HasPrefix(key, forEachPrefix) })
}

// loops expands Fn::ForEach of the AWS::LanguageExtensions transform, which runs before everything else.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-foreach.html
type loops struct {
	program *program // parameters and mappings only, for the collections
	scope   *Instance
	budget  int
	known   bool // leave out the loops inside a resource whose collections are not known
	depth   int  // of the node being expanded: 1 for the template, 2 for a section
}

// unroll returns root with its loops expanded. A nil value means that the parameter has none yet.
func unroll(env Environment, root *yaml.Node, defs []*Parameter, values []Value) (*yaml.Node, error) {
	return newLoops(env, root, defs, values).unroll(root)
}

// unrollKnown returns root with the loops expanded whose collections are the same in every stack. It leaves out other loops
// inside a resource, and returns errNeedsValue if one of them creates resources.
func unrollKnown(root *yaml.Node, defs []*Parameter) (*yaml.Node, error) {
	l := newLoops(&nowhere{}, root, defs, make([]Value, len(defs)))
	l.known = true
	return l.unroll(root)
}

func newLoops(env Environment, root *yaml.Node, defs []*Parameter, values []Value) *loops {
	p := &program{parameters: defs, parameterIndex: map[string]int{}}
	for i, def := range defs {
		p.parameterIndex[def.Name] = i
	}
	p.extended, p.lenient = transforms(root)
	return &loops{program: p, scope: &Instance{env: env, program: p, parameters: values}, budget: maxExpanded}
}

func (l *loops) unroll(root *yaml.Node) (*yaml.Node, error) {
	if !l.program.extended {
		return root, nil // the loops' keys are then refused as invalid names
	}
	if err := l.program.readMappings(root); err != nil {
		return nil, err
	}
	return l.expand(root, nil)
}

// binding is the current value of a loop's identifier. The innermost loop comes first.
type binding struct {
	outer *binding
	name  string
	value string
}

// expand copies n, expands the loops in it and replaces the identifiers in b.
func (l *loops) expand(n *yaml.Node, b *binding) (*yaml.Node, error) {
	l.depth++
	defer func() { l.depth-- }()
	out := *n
	out.Content = nil
	var err error
	if out.Value, err = l.replace(n.Value, b); err != nil {
		return nil, err
	}
	if n.Kind == yaml.ScalarNode {
		return &out, nil
	}
	if s, ok := b.ref(n); ok {
		return scalarNode("!!str", s), nil
	}
	if n.Kind != yaml.MappingNode {
		for _, c := range n.Content {
			e, err := l.expand(c, b)
			if err != nil {
				return nil, err
			}
			out.Content = append(out.Content, e)
		}
		return &out, nil
	}
	for k, v := range members(n) {
		if err := l.expandMember(&out, k, v, b); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// expandMember appends a member to out; a loop appends one for each item of its collection.
func (l *loops) expandMember(out, k, v *yaml.Node, b *binding) error {
	if strings.HasPrefix(k.Value, forEachPrefix) {
		return l.expandLoop(out, k.Value, v, b)
	}
	key := *k
	var err error
	if key.Value, err = l.replace(k.Value, b); err != nil {
		return err
	}
	e, err := l.expand(v, b)
	if err != nil {
		return err
	}
	out.Content = append(out.Content, &key, e)
	return nil
}

// expandLoop appends the members that the loop [identifier, collection, {key: value}] produces.
func (l *loops) expandLoop(out *yaml.Node, name string, v *yaml.Node, b *binding) error {
	malformed := invalid("Template format error: %s must be a list of three elements: an identifier, a collection and an object.", name) // own words
	if v.Kind != yaml.SequenceNode || len(v.Content) != 3 || v.Content[2].Kind != yaml.MappingNode {
		return malformed
	}
	identifier, ok := literal(v.Content[0])
	if !ok || identifier == "" {
		return malformed
	}
	items, err := l.collection(name, v.Content[1], b)
	if l.known && l.depth > 2 && errors.Is(err, errNeedsValue) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, item := range items {
		inner := &binding{b, identifier, item}
		for k, child := range members(v.Content[2]) {
			if err := l.expandMember(out, k, child, inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// collection evaluates the items of a loop.
func (l *loops) collection(name string, n *yaml.Node, b *binding) ([]string, error) {
	n, err := l.expand(n, b)
	if err != nil {
		return nil, err
	}
	c := &compiler{program: l.program, block: blockRules, uses: &references{}, path: []string{name}}
	e, err := c.compile(n)
	if err != nil {
		return nil, err
	}
	v, err := e.eval(l.scope)
	if err != nil && l.lacksValues() {
		return nil, errNeedsValue // such as Fn::FindInMap with that parameter as key
	}
	if err != nil {
		return nil, err
	}
	if isUnset(v) {
		return nil, errNeedsValue
	}
	found, ok := v.(List)
	if !ok || len(c.uses.missing) > 0 {
		return nil, invalid("Template format error: the collection of %s must be a list of strings or of parameters.", name) // own words
	}
	var items []string
	for _, item := range found {
		if inner, ok := item.(List); ok { // a list parameter among other items
			for _, one := range inner {
				items = append(items, Text(one))
			}
			continue
		}
		items = append(items, Text(item))
	}
	return items, nil
}

// lacksValues reports whether the evaluation met a parameter, or a pseudo parameter, that has no value yet.
func (l *loops) lacksValues() bool {
	unknown, ok := l.scope.env.(*nowhere)
	return ok && unknown.asked || slices.Contains(l.scope.parameters, nil)
}

func isUnset(v Value) bool {
	if v == nil {
		return true
	}
	if l, ok := v.(List); ok {
		for _, item := range l {
			if item == nil {
				return true
			}
		}
	}
	return false
}

// replace substitutes ${Identifier} with the value, and &{Identifier} with its letters and digits. It charges the budget
// before it allocates: nested loops can double a text at every level.
func (l *loops) replace(s string, b *binding) (string, error) {
	l.budget--
	for ; b != nil && strings.Contains(s, "{"); b = b.outer {
		for _, sub := range [][2]string{{"${" + b.name + "}", b.value}, {"&{" + b.name + "}", alphanumeric(b.value)}} {
			n := strings.Count(s, sub[0])
			if l.budget -= n * (1 + len(sub[1])/64); l.budget < 0 {
				break
			}
			s = strings.ReplaceAll(s, sub[0], sub[1])
		}
	}
	if l.budget < 0 {
		return "", invalid("Template format error: Fn::ForEach expands to more than a template can hold.") // own words
	}
	return s, nil
}

func alphanumeric(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters+digits, r) {
			return r
		}
		return -1
	}, s)
}

// ref returns the value for {Ref: Identifier}.
func (b *binding) ref(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 || n.Content[0].Value != fnRef {
		return "", false
	}
	for ; b != nil; b = b.outer {
		if n.Content[1].Value == b.name {
			return b.value, true
		}
	}
	return "", false
}
