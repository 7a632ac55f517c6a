package gate

import (
	"bytes"
	"errors"

	"go.yaml.in/yaml/v4"
)

// Template is a parsed template. It is immutable and safe for concurrent use.
type Template struct {
	Description string

	source     []byte
	root       *yaml.Node
	parameters []*Parameter
	program    *program   // nil if Fn::ForEach makes each stack compile its own
	loopSource *yaml.Node // the tree with its loops, if program is nil
	defaults   *program   // the looped template with the parameters' defaults; nil if they do not suffice
}

// Parse reads a template in YAML or JSON and checks all that does not depend on parameters. Its errors are *Error
// with code ValidationError, in CloudFormation's words.
func Parse(src []byte) (*Template, error) {
	root, err := decode(src)
	if err != nil {
		return nil, err
	}
	if err := checkHeader(root); err != nil {
		return nil, err
	}
	t := &Template{source: bytes.Clone(src), root: root}
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

// checkLoops compiles the template with the parameters' defaults, to find mistakes early. A template whose loops run
// over parameters without default is first checked by Instantiate.
func (t *Template) checkLoops(root *yaml.Node) error {
	t.loopSource = root
	flat, err := unroll(&nowhere{}, root, t.parameters, t.defaultValues())
	if errors.Is(err, errNeedsValue) {
		return nil
	}
	if err != nil {
		return err
	}
	t.defaults, err = build(flat, t.parameters)
	return err
}

// defaultValues returns the parameters' defaults; nil for those without.
func (t *Template) defaultValues() []Value {
	values := make([]Value, len(t.parameters))
	for i, def := range t.parameters {
		if def.HasDefault {
			values[i] = def.value(def.Default)
		}
	}
	return values
}

// instance returns the program of a stack with the given parameter values.
func (t *Template) instance(env Environment, values []Value) (*program, error) {
	if t.program != nil {
		return t.program, nil
	}
	flat, err := unroll(env, t.loopSource, t.parameters, values)
	if err != nil {
		return nil, err
	}
	return build(flat, t.parameters)
}

// Source returns the text that Parse read. Callers must not change it.
func (t *Template) Source() []byte { return t.source }

// Parameters returns the Parameters section in template order. Callers must not change it.
func (t *Template) Parameters() []*Parameter { return t.parameters }

// Resources returns the Resources section in template order. Fn::ForEach is expanded with the parameters' defaults;
// Resources returns nil if a loop runs over a parameter without default. Callers must not change it.
func (t *Template) Resources() []*Resource {
	switch {
	case t.program != nil:
		return t.program.resources
	case t.defaults != nil:
		return t.defaults.resources
	}
	return nil
}
