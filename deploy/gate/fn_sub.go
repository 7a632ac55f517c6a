package gate

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	usageSub = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first " +
		"argument, and an optional second argument to specify a mapping of values to replace in the string"
	errSubName = "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"
)

// sub compiles Fn::Sub: a string, or a list of a string and a map of variables.
func (c *compiler) sub(arg *yaml.Node) (expr, error) {
	source, vars := arg, map[string]expr{}
	if arg.Kind == yaml.SequenceNode {
		if len(arg.Content) != 2 || arg.Content[1].Kind != yaml.MappingNode {
			return nil, invalid("%s", usageSub)
		}
		source = arg.Content[0]
		for k, v := range members(arg.Content[1]) {
			e, err := c.member(k.Value, v)
			if err != nil {
				return nil, err
			}
			vars[k.Value] = e
		}
	}
	if member(source, fnTransform) != nil { // the transform, which is not run, would return the string
		return constant{""}, nil
	}
	pattern, ok := literal(source)
	if !ok {
		return nil, invalid("%s", usageSub)
	}
	parts, err := c.subParts(pattern, vars)
	if err != nil {
		return nil, err
	}
	if allConstant(parts) {
		v, err := substitute(parts, nil)
		return constant{v}, err
	}
	return function(func(s *Instance) (Value, error) { return substitute(parts, s) }), nil
}

// subParts splits a pattern into literal text and variables. "${!Literal}" stands for "${Literal}". CloudFormation allows
// spaces around a variable's name.
func (c *compiler) subParts(pattern string, vars map[string]expr) ([]expr, error) {
	var parts []expr
	for {
		before, rest, found := strings.Cut(pattern, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return append(parts, constant{pattern}), nil
		}
		pattern = after
		if before != "" {
			parts = append(parts, constant{before})
		}
		if text, ok := strings.CutPrefix(strings.TrimLeft(name, " "), "!"); ok {
			parts = append(parts, constant{"${" + text + "}"})
			continue
		}
		e, err := c.variable(strings.TrimSpace(name), vars)
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
	}
}

// variable compiles the name between the braces.
func (c *compiler) variable(name string, vars map[string]expr) (expr, error) {
	if name == "" || !consistsOf(name, letters+digits+"_.:") {
		return nil, invalid("%s", errSubName)
	}
	if e, ok := vars[name]; ok {
		return e, nil
	}
	resource, attribute, dotted := strings.Cut(name, ".")
	if !dotted {
		return c.lookup(name), nil
	}
	if _, ok := c.program.resourceIndex[resource]; !ok && !c.program.lenient && !c.beforeResources() && !c.inModule(resource) {
		return nil, invalid("Template error: instance of Fn::Sub references invalid resource attribute %s", name)
	}
	return c.attribute(resource, []expr{constant{attribute}})
}

// substitute joins the parts, which must evaluate to scalars.
func substitute(parts []expr, s *Instance) (Value, error) {
	var plain, masked strings.Builder
	madeUp := false
	for _, e := range parts {
		v, err := e.eval(s)
		if err != nil {
			return nil, err
		}
		madeUp = madeUp || IsSample(v)
		p, sh, ok := scalar(v)
		if !ok {
			if _, none := v.(noValue); none {
				continue
			}
			return nil, invalid("Template error: a variable in an Fn::Sub expression does not resolve to a string") // own words
		}
		plain.WriteString(p)
		masked.WriteString(sh)
		if plain.Len() > maxText {
			return nil, errTooLong()
		}
	}
	if madeUp && plain.String() == masked.String() {
		return Sample(plain.String()), nil
	}
	return newText(plain.String(), masked.String()), nil
}
