package gate

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// truth converts v to a boolean. It accepts the strings true and false, as conditions do.
func truth(v Value) (b, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string, unquoted:
		switch {
		case strings.EqualFold(Text(v), "true"):
			return true, true
		case strings.EqualFold(Text(v), "false"):
			return false, true
		}
	}
	return false, false
}

func truths(args []Value, name string) ([]bool, error) {
	out := make([]bool, len(args))
	for i, a := range args {
		b, ok := truth(a)
		if !ok {
			return nil, invalid("%s", signatureOf(name).usage)
		}
		out[i] = b
	}
	return out, nil
}

// and is Fn::And.
func and(_ *Instance, args []Value) (Value, error) {
	bs, err := truths(args, fnAnd)
	for _, b := range bs {
		if !b {
			return false, err
		}
	}
	return true, err
}

// or is Fn::Or.
func or(_ *Instance, args []Value) (Value, error) {
	bs, err := truths(args, fnOr)
	for _, b := range bs {
		if b {
			return true, err
		}
	}
	return false, err
}

// not is Fn::Not.
func not(_ *Instance, args []Value) (Value, error) {
	bs, err := truths(args, fnNot)
	if err != nil {
		return nil, err
	}
	return !bs[0], nil
}

// equals is Fn::Equals. Lists and objects compare by content.
func equals(_ *Instance, args []Value) (Value, error) {
	a, _, ok1 := scalar(args[0])
	b, _, ok2 := scalar(args[1])
	if ok1 && ok2 {
		return a == b, nil
	}
	if ok1 != ok2 {
		return false, nil
	}
	return string(appendJSON(nil, args[0], style{})) == string(appendJSON(nil, args[1], style{})), nil
}

// ifElse compiles Fn::If. The other branch is not evaluated and adds no dependencies.
func (c *compiler) ifElse(arg *yaml.Node) (expr, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return nil, invalid("Template error: Fn::If requires a list argument with three elements")
	}
	name, _ := literal(arg.Content[0])
	index, ok := c.program.conditionIndex[name]
	if !ok {
		return nil, invalid("Template error: unresolved condition dependency %s in Fn::If", name)
	}
	c.uses.addCondition(index)
	var branch [2]expr
	for i, want := range []bool{true, false} {
		c.guards = append(c.guards, guard{index, want})
		e, err := c.member(fnIf, arg.Content[i+1])
		c.guards = c.guards[:len(c.guards)-1]
		if err != nil {
			return nil, err
		}
		branch[i] = e
	}
	return function(func(s *Instance) (Value, error) {
		if s.conditions[index] {
			return branch[0].eval(s)
		}
		return branch[1].eval(s)
	}), nil
}

// condition compiles {Condition: Name}.
func (c *compiler) condition(arg *yaml.Node) (expr, error) {
	name, _ := literal(arg)
	index, ok := c.program.conditionIndex[name]
	if !ok {
		return nil, invalid("Template format error: Unresolved condition dependency %s in the %s block of the template", name, c.block)
	}
	c.uses.addCondition(index)
	return function(func(s *Instance) (Value, error) { return s.conditions[index], nil }), nil
}
