package fakecfn

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Template is a parsed template. It is never changed: any number of stacks, of any number of engines, may run it
// at the same time.
type Template struct {
	// Description is the template's own.
	Description string

	parameters []*parameter
	program    *program   // nil: it has loops, and every stack builds its own
	looped     *yaml.Node // the tree, where program is nil
}

// ParameterDeclaration says what a template asks of who launches it, as GetTemplateSummary does.
type ParameterDeclaration struct {
	Key, Type, Description string
	Default                string
	HasDefault             bool // without one CreateStack needs a value
	NoEcho                 bool
	AllowedValues          []string
	ConstraintDescription  string
}

// ParseTemplate reads a template in YAML or JSON and checks all that does not depend on parameters. Its errors
// are *Error with code ValidationError, in CloudFormation's words.
func ParseTemplate(src []byte) (*Template, error) {
	root, err := decode(src)
	if err != nil {
		return nil, err
	}
	if err := checkHeader(root); err != nil {
		return nil, err
	}
	t := &Template{}
	t.Description, _ = literal(member(root, "Description"))
	if t.parameters, err = readParameters(root); err != nil {
		return nil, err
	}
	if hasLoops(root) {
		err = t.checkLoops(root)
	} else {
		t.program, err = build(root, t.parameters)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// checkLoops builds the program that the defaults would make, to find mistakes early. A template whose loops run
// over parameters without default is checked by CreateStack only.
func (t *Template) checkLoops(root *yaml.Node) error {
	t.looped = root
	values := make([]value, len(t.parameters))
	for i, def := range t.parameters {
		if def.fallback != nil {
			values[i] = def.value(*def.fallback)
		}
	}
	flat, err := unroll(&Engine{}, root, t.parameters, values)
	if errors.Is(err, errNeedsValue) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = build(flat, t.parameters)
	return err
}

// instance returns the program of a stack with the given parameter values.
func (t *Template) instance(e *Engine, values []value) (*program, error) {
	if t.program != nil {
		return t.program, nil
	}
	flat, err := unroll(e, t.looped, t.parameters, values)
	if err != nil {
		return nil, err
	}
	return build(flat, t.parameters)
}

// Parameters returns what the template asks for, in its order.
func (t *Template) Parameters() []ParameterDeclaration {
	out := make([]ParameterDeclaration, len(t.parameters))
	for i, def := range t.parameters {
		out[i] = ParameterDeclaration{
			Key: def.name, Type: def.typ, Description: def.description, NoEcho: def.noEcho,
			AllowedValues: slices.Clone(def.allowed), ConstraintDescription: def.constraint,
		}
		if def.fallback != nil {
			out[i].Default, out[i].HasDefault = *def.fallback, true
		}
	}
	return out
}
