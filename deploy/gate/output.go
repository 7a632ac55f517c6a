package gate

import "go.yaml.in/yaml/v4"

func (p *program) readOutputs(root *yaml.Node) error {
	if _, err := p.index(root, blockOutputs, maxOutputs); err != nil {
		return err
	}
	n, err := p.section(root, blockOutputs)
	if err != nil {
		return err
	}
	for k, v := range members(n) {
		if k.Value == fnTransform {
			continue
		}
		if !isAlphanumeric(k.Value) {
			return invalid("Template format error: Output name %s is non alphanumeric.", k.Value)
		}
		def, err := p.readOutput(k.Value, v)
		if err != nil {
			return locate(err, []string{blockOutputs, k.Value}, k)
		}
		p.outputs = append(p.outputs, def)
	}
	return nil
}

func (p *program) readOutput(name string, n *yaml.Node) (*outputDefinition, error) {
	def := &outputDefinition{name: name}
	var err error
	if def.condition, err = p.conditionOf(n, blockOutputs); err != nil {
		return nil, err
	}
	c := &compiler{program: p, block: blockOutputs, uses: &def.uses, path: []string{blockOutputs, name}}
	v := member(n, "Value")
	if v == nil {
		return nil, invalid("Template format error: Output %s is malformed. The Value field of every Outputs member must evaluate to a String.", name)
	}
	if def.value, err = c.member("Value", v); err != nil {
		return nil, err
	}
	if export := member(n, "Export"); export != nil {
		if def.export, err = c.member("Export", exportName(export)); err != nil {
			return nil, err
		}
	}
	def.description, _ = literal(member(n, "Description"))
	return def, nil
}

// exportName returns the Name of an Export; a null node if it has none, which compiling then refuses.
func exportName(n *yaml.Node) *yaml.Node {
	if name := member(n, "Name"); name != nil {
		return name
	}
	return scalarNode("!!null", "")
}

// conditionOf returns the index of a resource's or output's Condition; -1 if it has none.
func (p *program) conditionOf(n *yaml.Node, block string) (int, error) {
	attribute := member(n, "Condition")
	if attribute == nil {
		return -1, nil
	}
	name, ok := literal(attribute)
	if !ok {
		return 0, invalid("Template format error: Every Condition member must be a string.")
	}
	i, ok := p.conditionIndex[name]
	if !ok {
		return 0, invalid("Template format error: Unresolved condition dependency %s in the %s block of the template", name, block)
	}
	return i, nil
}

// Output is one output of a stack, as DescribeStacks shows it.
type Output struct {
	Key, Value, Description, ExportName string
}

// Outputs evaluates the outputs. All resources of the stack must have been created.
func (s *Instance) Outputs() ([]Output, error) {
	var outputs []Output
	for _, def := range s.program.outputs {
		if def.condition >= 0 && !s.conditions[def.condition] {
			continue
		}
		v, err := def.value.eval(s)
		if err != nil {
			return nil, err
		}
		plain, _, ok := scalar(v) // outputs show NoEcho values, as on AWS
		if !ok {
			return nil, invalid("Template format error: The Value field of every Outputs member must evaluate to a String.")
		}
		o := Output{Key: def.name, Value: plain, Description: def.description}
		if def.export != nil {
			name, err := def.export.eval(s)
			if err != nil {
				return nil, err
			}
			o.ExportName = Text(name)
		}
		outputs = append(outputs, o)
	}
	return outputs, nil
}
