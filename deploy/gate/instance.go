package gate

import "strings"

// Instance is a template with the parameters and the environment of one stack. It is not safe for concurrent use.
type Instance struct {
	// Parameters are the values as DescribeStacks shows them, in template order.
	Parameters []ParameterValue

	env        Environment
	program    *program
	parameters []Value // in the order of program.parameters
	conditions []bool  // in the order of program.conditions
	plan       *plan
}

// Instantiate does what CreateStack checks before it answers: parameters, rules, conditions, references to resources
// that conditions leave out, and lookups in mappings. Its errors are *Error.
func (t *Template) Instantiate(env Environment, given map[string]string) (*Instance, error) {
	in := &Instance{env: env}
	if err := in.setParameters(t.parameters, given); err != nil {
		return nil, err
	}
	var err error
	if in.program, err = t.instance(env, in.parameters); err != nil {
		return nil, err
	}
	if err := in.checkRules(); err != nil {
		return nil, err
	}
	if err := in.evaluateConditions(); err != nil {
		return nil, err
	}
	if in.plan = in.program.fixed; in.plan == nil {
		if in.plan, err = in.program.plan(in.conditions); err != nil {
			return nil, err
		}
	}
	if err := in.checkPolicies(); err != nil {
		return nil, err
	}
	return in, in.checkEarly(false)
}

// Resources returns the template's resources in its order, those left out by a condition too.
func (s *Instance) Resources() []*Resource { return s.program.resources }

// Includes reports whether the stack has the resource: no condition leaves it out.
func (s *Instance) Includes(r *Resource) bool { return s.plan.active[r.Index] }

// Needs returns the indexes of the resources that r depends on directly.
func (s *Instance) Needs(r *Resource) []int { return s.plan.needs[r.Index] }

// NeededBy returns the indexes of the resources that depend on r directly.
func (s *Instance) NeededBy(r *Resource) []int { return s.plan.neededBy[r.Index] }

// Transforms reports whether the template declares a transform.
func (s *Instance) Transforms() bool { return s.program.extended || s.program.lenient }

// Properties evaluates a resource's properties. Everything it depends on must have been created.
func (s *Instance) Properties(r *Resource) (*Object, error) {
	v, err := r.properties.eval(s)
	if err != nil {
		return nil, err
	}
	if o, ok := v.(*Object); ok {
		return o, nil
	}
	return &Object{}, nil
}

// DeletionPolicy evaluates a resource's DeletionPolicy; empty means that it has none.
func (s *Instance) DeletionPolicy(r *Resource) (string, error) {
	if r.policy == nil {
		return "", nil
	}
	v, err := r.policy.eval(s)
	return Text(v), err
}

// CheckImports evaluates the Fn::ImportValue calls that depend on no resource. CloudFormation does this once the
// stack exists, before it creates the first resource.
func (s *Instance) CheckImports() error { return s.checkEarly(true) }

// checkEarly evaluates the lookups that need no resource: in mappings, or the imports.
func (s *Instance) checkEarly(imports bool) error {
	check := func(uses *references) error {
		for _, early := range uses.earlyLookups {
			if early.isImport != imports || !allSatisfied(early.guards, s.conditions) {
				continue
			}
			if _, err := early.e.eval(s); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range s.program.resources {
		if s.Includes(r) {
			if err := check(&r.uses); err != nil {
				return err
			}
		}
	}
	for _, def := range s.program.outputs {
		if def.condition < 0 || s.conditions[def.condition] {
			if err := check(&def.uses); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Instance) findInMap(keys [3]expr, fallback expr) (Value, error) {
	var words [3]string
	for i, e := range keys {
		v, err := e.eval(s)
		if err != nil {
			return nil, err
		}
		words[i] = Text(v)
	}
	if v, ok := s.program.mappings[words[0]][words[1]][words[2]]; ok {
		return v, nil
	}
	if fallback != nil {
		return fallback.eval(s)
	}
	if s.program.lenient {
		return s.env.Transformed(strings.Join(words[:], "-"), ""), nil
	}
	return nil, invalid("Template error: Unable to get mapping for %s", strings.Join(words[:], "::"))
}
