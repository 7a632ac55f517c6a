package gate

import "go.yaml.in/yaml/v4"

const notBoolean = "Template format error: Conditions can only be boolean operations on parameters and other conditions"

func (p *program) readConditions(root *yaml.Node) error {
	n, err := p.section(root, blockConditions)
	if err != nil {
		return err
	}
	p.conditions = make([]condition, len(p.conditionIndex))
	missing := &references{}
	for k, v := range members(n) {
		if k.Value == fnTransform {
			continue
		}
		def := condition{name: k.Value}
		c := &compiler{program: p, block: blockConditions, uses: &def.uses, path: []string{blockConditions, k.Value}}
		if def.e, err = c.compile(v); err != nil {
			return err
		}
		if _, ok := def.e.(function); !ok && !p.lenient {
			return invalid("%s", notBoolean)
		}
		for _, name := range def.uses.missing {
			missing.addMissing(name)
		}
		p.conditions[p.conditionIndex[k.Value]] = def
	}
	if len(missing.missing) > 0 && !p.lenient {
		return invalid("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", sortedJoin(missing.missing))
	}
	return p.orderConditions()
}

// orderConditions sorts the conditions topologically.
func (p *program) orderConditions() error {
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, len(p.conditions))
	var visit func(i int) error
	visit = func(i int) error {
		state[i] = open
		for _, j := range p.conditions[i].uses.conditions {
			if state[j] == open {
				return invalid("Template error: Found circular condition dependency between %s and %s", p.conditions[i].name, p.conditions[j].name)
			}
			if state[j] == unseen {
				if err := visit(j); err != nil {
					return err
				}
			}
		}
		state[i] = done
		p.conditionOrder = append(p.conditionOrder, i)
		return nil
	}
	for i := range p.conditions {
		if state[i] == unseen {
			if err := visit(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// evaluateConditions evaluates all conditions, each after those it refers to.
func (s *Instance) evaluateConditions() error {
	if len(s.program.conditions) == 0 {
		return nil
	}
	s.conditions = make([]bool, len(s.program.conditions))
	for _, i := range s.program.conditionOrder {
		v, err := s.program.conditions[i].e.eval(s)
		if err != nil {
			return err
		}
		b, ok := truth(v)
		if !ok && !s.program.lenient {
			return invalid("%s", notBoolean)
		}
		s.conditions[i] = b
	}
	return nil
}
