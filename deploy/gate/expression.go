package gate

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// expr is a compiled value. It may be evaluated any number of times.
type expr interface {
	eval(*Instance) (Value, error)
}

type (
	// constant is an expression without functions.
	constant struct{ v Value }

	// function is an intrinsic function with its arguments bound.
	function func(*Instance) (Value, error)

	sequence []expr

	mapping struct {
		keys []string
		vals []expr
	}
)

func (c constant) eval(*Instance) (Value, error) { return c.v, nil }

func (f function) eval(s *Instance) (Value, error) { return f(s) }

// eval drops items that evaluate to AWS::NoValue.
func (q sequence) eval(s *Instance) (Value, error) {
	l := make(List, 0, len(q))
	for _, e := range q {
		v, err := e.eval(s)
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); !none {
			l = append(l, v)
		}
	}
	return l, nil
}

// eval drops items that evaluate to AWS::NoValue.
func (m mapping) eval(s *Instance) (Value, error) {
	o := &Object{keys: make([]string, 0, len(m.keys)), vals: make([]Value, 0, len(m.keys))}
	for i, e := range m.vals {
		v, err := e.eval(s)
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); !none {
			o.keys = append(o.keys, m.keys[i])
			o.vals = append(o.vals, v)
		}
	}
	return o, nil
}

// compiler compiles the nodes of one section member and records what they refer to.
type compiler struct {
	program *program
	block   string      // the section, as error messages name it
	uses    *references // of the member being compiled
	guards  []guard     // the Fn::If branches around the node being compiled
	path    []string    // keys from the root to the node being compiled
}

// compile compiles any node. Errors carry its position.
func (c *compiler) compile(n *yaml.Node) (expr, error) {
	e, err := c.compileNode(n)
	return e, locate(err, c.path, n)
}

func (c *compiler) compileNode(n *yaml.Node) (expr, error) {
	switch n.Kind {
	case yaml.SequenceNode:
		return c.sequence(n)
	case yaml.MappingNode:
		if name, arg, ok := c.call(n); ok {
			return c.function(name, arg)
		}
		return c.mapping(n)
	}
	if isNull(n) {
		if c.program.lenient {
			return constant{noValue{}}, nil
		}
		return nil, errNull(c.path)
	}
	switch n.Tag {
	case "!!int", "!!float", "!!bool":
		return constant{unquoted(scalarText(n))}, nil
	}
	return constant{n.Value}, nil
}

// call recognizes {Ref: x} and {Fn::Name: x}. {Condition: x} is a function in the Conditions section only: elsewhere
// it is an ordinary key, for example in IAM policies.
func (c *compiler) call(n *yaml.Node) (name string, arg *yaml.Node, ok bool) {
	if len(n.Content) != 2 {
		return "", nil, false
	}
	name, arg = n.Content[0].Value, n.Content[1]
	switch {
	case name == fnRef, strings.HasPrefix(strings.ToLower(name), "fn::"):
		return name, arg, true
	case name == fnCondition:
		return name, arg, c.block == blockConditions && arg.Kind == yaml.ScalarNode
	}
	return "", nil, false
}

func (c *compiler) sequence(n *yaml.Node) (expr, error) {
	items := make(sequence, 0, len(n.Content))
	for i, child := range n.Content {
		e, err := c.member(strconv.Itoa(i), child)
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	if !allConstant(items) {
		return items, nil
	}
	v, err := items.eval(nil)
	return constant{v}, err
}

func (c *compiler) mapping(n *yaml.Node) (expr, error) {
	var m mapping
	index := map[string]int{}
	for k, child := range members(n) {
		if k.Value == fnTransform { // AWS::Include would merge a snippet here; it is not run
			continue
		}
		e, err := c.member(k.Value, child)
		if err != nil {
			return nil, err
		}
		if i, duplicate := index[k.Value]; duplicate {
			m.vals[i] = e
			continue
		}
		index[k.Value] = len(m.keys)
		m.keys = append(m.keys, k.Value)
		m.vals = append(m.vals, e)
	}
	if !allConstant(m.vals) {
		return m, nil
	}
	v, err := m.eval(nil)
	return constant{v}, err
}

// member compiles a child node; key becomes part of the path.
func (c *compiler) member(key string, n *yaml.Node) (expr, error) {
	c.path = append(c.path, key)
	defer func() { c.path = c.path[:len(c.path)-1] }()
	return c.compile(n)
}

func allConstant(es []expr) bool {
	for _, e := range es {
		if _, ok := e.(constant); !ok {
			return false
		}
	}
	return true
}

// literal returns the text of a scalar. It reports false for functions, null and all other nodes.
func literal(n *yaml.Node) (string, bool) {
	if n == nil || n.Kind != yaml.ScalarNode || isNull(n) {
		return "", false
	}
	return n.Value, true
}

func errNull(path []string) error {
	return invalid("[/%s] 'null' values are not allowed in templates", strings.Join(path, "/"))
}
