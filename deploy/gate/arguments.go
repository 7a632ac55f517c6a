package gate

// ParameterValue is a parameter's value as DescribeStacks shows it: **** in place of a NoEcho value.
type ParameterValue struct {
	Key, Value    string
	ResolvedValue string // of a Systems Manager parameter
}

// setParameters checks the given values and fills in the defaults.
func (s *Instance) setParameters(defs []*Parameter, given map[string]string) error {
	if err := checkNames(defs, given); err != nil {
		return err
	}
	s.parameters, s.Parameters = make([]Value, len(defs)), make([]ParameterValue, len(defs))
	for i, def := range defs {
		v, ok := given[def.Name]
		if !ok {
			v = def.Default
		}
		if err := def.check(v); err != nil {
			return err
		}
		shown := &s.Parameters[i]
		*shown = ParameterValue{Key: def.Name, Value: v}
		if def.isSSM() {
			stored, ok := s.env.StoredParameter(v, def.Type)
			if !ok {
				return invalid("Unable to fetch parameters [%s] from parameter store for this account.", v)
			}
			v, shown.ResolvedValue = stored, stored
		}
		s.parameters[i] = def.value(v)
		if def.NoEcho {
			shown.Value = mask
		}
	}
	return nil
}

func checkNames(defs []*Parameter, given map[string]string) error {
	known := map[string]bool{}
	var missing []string
	for _, def := range defs {
		known[def.Name] = true
		if _, ok := given[def.Name]; !ok && !def.HasDefault {
			missing = append(missing, def.Name)
		}
	}
	var unknown []string
	for name := range given {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return invalid("Parameters: [%s] do not exist in the template", sortedJoin(unknown))
	}
	if len(missing) > 0 {
		return invalid("Parameters: [%s] must have values", sortedJoin(missing))
	}
	return nil
}

// value converts a parameter's text to the value of a Ref: a list for list types, a secret with NoEcho.
func (def *Parameter) value(s string) Value {
	if !def.isList() {
		if def.NoEcho {
			return newText(s, mask)
		}
		return s
	}
	items := Strings(splitList(s))
	if def.NoEcho {
		for i, item := range items {
			items[i] = newText(Text(item), mask)
		}
	}
	return items
}
