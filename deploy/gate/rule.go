package gate

import "go.yaml.in/yaml/v4"

// readRules reads the Rules section.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
func (p *program) readRules(root *yaml.Node) error {
	n, err := p.section(root, blockRules)
	if err != nil {
		return err
	}
	for k, v := range members(n) {
		if k.Value == fnTransform {
			continue
		}
		r := rule{name: k.Value}
		if when := member(v, "RuleCondition"); when != nil {
			if r.when, err = p.ruleExpr(k.Value, when); err != nil {
				return err
			}
		}
		asserts := member(v, "Assertions")
		if asserts == nil || asserts.Kind != yaml.SequenceNode {
			return invalid("Template format error: Every Rules member must contain a list of Assertions.") // own words
		}
		for _, a := range asserts.Content {
			e, err := p.ruleExpr(k.Value, member(a, "Assert"))
			if err != nil {
				return err
			}
			description, _ := literal(member(a, "AssertDescription"))
			r.assertions = append(r.assertions, assertion{e, description})
		}
		p.rules = append(p.rules, r)
	}
	return nil
}

// ruleExpr compiles a RuleCondition or an Assert. It returns nil if that reads attributes of existing resources, which
// are unknown here: it is then not checked.
func (p *program) ruleExpr(name string, n *yaml.Node) (expr, error) {
	if n == nil {
		return nil, invalid("Template format error: Every Assertions member must contain an Assert object.") // own words
	}
	uses := &references{}
	c := &compiler{program: p, block: blockRules, uses: uses, path: []string{blockRules, name}}
	e, err := c.compile(n)
	if err != nil {
		return nil, err
	}
	if len(uses.missing) > 0 && !p.lenient {
		return nil, invalid("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Rules block of the template", sortedJoin(uses.missing))
	}
	if mentions(n, func(key string) bool { return key == fnValueOf || key == fnValueOfAll }) {
		return nil, nil
	}
	return e, nil
}

// checkRules refuses parameters that violate an assertion.
func (s *Instance) checkRules() error {
	for _, r := range s.program.rules {
		if r.when != nil {
			if holds, err := s.holds(r.when); err != nil {
				return err
			} else if !holds {
				continue
			}
		}
		for _, a := range r.assertions {
			if a.e == nil {
				continue
			}
			if holds, err := s.holds(a.e); err != nil {
				return err
			} else if holds {
				continue
			}
			if a.description == "" {
				return invalid("Template error: an assertion of rule %s failed.", r.name) // own words
			}
			return invalid("%s", a.description)
		}
	}
	return nil
}

func (s *Instance) holds(e expr) (bool, error) {
	v, err := e.eval(s)
	if err != nil {
		return false, err
	}
	b, ok := truth(v)
	if !ok {
		return false, invalid("Template error: every rule condition and assertion must evaluate to a boolean.") // own words
	}
	return b, nil
}
