package gate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Leak is a resource that can start before the verdict.
type Leak struct {
	*Resource

	// When is an example of when that happens, such as "Environment=production"; empty: in every stack that has the
	// resource.
	When string

	// Needed is the logical ID of the request that depends on the resource, so that the resource cannot wait for the
	// verdict; empty if there is none.
	Needed string

	// Generated is the resource that a transform generates and that does not wait, although the declared one does; empty
	// for the declared resource itself.
	Generated string
}

func (l Leak) String() string {
	s := l.LogicalID
	if l.Generated != "" {
		s = l.Generated + " of " + s
	}
	if l.When != "" {
		s += " (if " + l.When + ")"
	}
	return s
}

// UnprovenError means that there may be more leaks than those found.
type UnprovenError struct{ Reason string }

func (e *UnprovenError) Error() string {
	return "it cannot be shown that the gate holds back every resource: " + e.Reason
}

// Leaks returns the resources that can start before the verdict, or before the wait if the template has no verdict, in
// template order. It checks all combinations of conditions, and each leak happens in some stack that CloudFormation accepts.
// Dependencies inside an Fn::If count only where their branch is taken. The gate's own resources may start at any time, but
// resources that the request depends on are leaks: they exist before the approval.
//
// The error is ErrNoRequest if the template has no gate, or an *UnprovenError.
func (t *Template) Leaks() ([]Leak, error) {
	m, err := t.model()
	if m == nil {
		return nil, err
	}
	if len(m.parts.requests) == 0 {
		return nil, ErrNoRequest
	}
	leaks := m.leaks()
	if m.full {
		leaks, err = nil, &UnprovenError{"its conditions have too many combinations"}
	}
	return leaks, err
}

// model is a template without loops and the circumstances under which its resources exist and depend on each other.
type model struct {
	*circumstances
	root  *yaml.Node
	parts *parts

	// By index of program.resources.
	exists     []diagram
	held       []diagram // where the verdict holds it back, if it exists
	dependents [][]int   // under any condition
}

// model returns the model of a template. It leaves out a loop over values known only in a stack if the loop is inside a
// resource, where it can only add dependencies. If the loop creates resources, the model has those of the parameters'
// defaults, and the error is an *UnprovenError, as with transforms that can add resources. The model is nil if the loops
// have no default.
func (t *Template) model() (*model, error) {
	p, root := t.program, t.root
	var err error
	if p == nil {
		if p, root, err = t.flat(); p == nil {
			return nil, err
		}
	}
	m := &model{circumstances: newCircumstances(p, root), root: root, parts: findParts(p)}
	m.trace()
	return m, cmp.Or(err, unknownTransform(t.root), m.unknownSAM())
}

// flat compiles a template with loops.
func (t *Template) flat() (*program, *yaml.Node, error) {
	root, err := unrollKnown(t.loopSource, t.parameters)
	if errors.Is(err, errNeedsValue) {
		unproven := &UnprovenError{"Fn::ForEach creates resources from values that differ from stack to stack"}
		if root, err = unroll(&nowhere{}, t.loopSource, t.parameters, t.defaultValues()); err == nil {
			err = unproven
		} else {
			return nil, nil, unproven
		}
		p, compileErr := build(root, t.parameters)
		if compileErr != nil {
			return nil, nil, unproven
		}
		return p, root, err
	}
	if err != nil {
		return nil, nil, &UnprovenError{err.Error()}
	}
	p, err := build(root, t.parameters)
	if err != nil {
		return nil, nil, &UnprovenError{err.Error()}
	}
	return p, root, nil
}

// unknownTransform returns an *UnprovenError if the template has a transform that may add resources: any except
// AWS::LanguageExtensions and SAM, whose resources are known.
func unknownTransform(root *yaml.Node) error {
	var names []string
	if declared := member(root, "Transform"); declared != nil {
		list := []*yaml.Node{declared}
		if declared.Kind == yaml.SequenceNode {
			list = declared.Content
		}
		for _, n := range list {
			name := n.Value
			if n.Kind == yaml.MappingNode {
				name, _ = literal(member(n, "Name"))
			}
			names = append(names, name)
		}
	}
	if mentions(root, func(key string) bool { return key == fnTransform }) {
		names = append(names, fnTransform)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "AWS::LanguageExtensions" || name == samTransform })
	if len(names) == 0 {
		return nil
	}
	return &UnprovenError{fmt.Sprintf("the transform %s can add resources and change others", strings.Join(names, ", "))}
}

// unknownSAM returns an *UnprovenError if the template has a SAM resource type whose generated resources are unknown.
func (m *model) unknownSAM() error {
	for _, r := range m.program.resources {
		if _, known := samGenerates(m.root, r); !known {
			return &UnprovenError{fmt.Sprintf("the resources that SAM generates for %s, of type %s, are unknown", r.LogicalID, r.Type)}
		}
	}
	return nil
}

// trace decides where each resource exists and is held back.
func (m *model) trace() {
	p := m.program
	m.exists = make([]diagram, len(p.resources))
	for i, r := range p.resources {
		m.exists[i] = m.included(r.condition)
	}
	m.refuse()
	m.dependents = make([][]int, len(p.resources))
	for i, r := range p.resources {
		for _, d := range r.uses.resources {
			if !d.unsure && !slices.Contains(m.dependents[d.resource], i) {
				m.dependents[d.resource] = append(m.dependents[d.resource], i)
			}
		}
	}
	m.held = m.dependsOn(m.parts.holding()...)
}

// dependsOn returns where each resource depends on one of the targets that exists, if the resource exists itself.
func (m *model) dependsOn(targets ...*Resource) []diagram {
	depends := make([]diagram, len(m.program.resources))
	isTarget := make([]bool, len(m.program.resources))
	var work []int
	for _, r := range targets {
		isTarget[r.Index], work = true, append(work, r.Index)
	}
	for len(work) > 0 && !m.full {
		on := work[0]
		work = work[1:]
		through := m.exists[on]
		if !isTarget[on] {
			through = m.and(through, depends[on])
		}
		for _, i := range m.dependents[on] {
			before := depends[i]
			for _, d := range m.program.resources[i].uses.resources {
				if d.resource == on && !d.unsure {
					depends[i] = m.or(depends[i], m.and(m.satisfied(d.guards), through))
				}
			}
			if depends[i] != before && !slices.Contains(work, i) {
				work = append(work, i)
			}
		}
	}
	return depends
}

// refuse excludes stacks that CloudFormation does not accept: those with a Ref or Fn::GetAtt to a missing resource.
func (m *model) refuse() {
	check := func(exists diagram, uses *references) {
		for _, d := range uses.resources {
			if !d.order && !d.unsure && m.exists[d.resource] != always {
				m.possible = m.and(m.possible, m.implies(m.and(exists, m.satisfied(d.guards)), m.exists[d.resource]))
			}
		}
	}
	for i, r := range m.program.resources {
		check(m.exists[i], &r.uses)
	}
	for _, o := range m.program.outputs {
		check(m.included(o.condition), &o.uses)
	}
}

func (m *model) leaks() []Leak {
	var leaks []Leak
	needed := m.neededByRequests()
	for i, r := range m.program.resources {
		if m.parts.of[i] != partNone {
			continue
		}
		exists := m.and(m.possible, m.exists[i])
		l := Leak{Resource: r, Needed: needed[r]}
		if open := m.and(exists, m.not(m.held[i])); open != never {
			if open != exists {
				l.When = m.describe(m.and(m.exists[i], m.not(m.held[i])))
			}
			leaks = append(leaks, l)
			continue
		}
		generated, _ := samGenerates(m.root, r)
		for _, generated := range generated {
			l.Generated = generated
			leaks = append(leaks, l)
		}
	}
	return leaks
}

// neededByRequests returns the resources that requests depend on, with one such request each.
func (m *model) neededByRequests() map[*Resource]string {
	needed := map[*Resource]string{}
	for _, request := range m.parts.requests {
		work := []*Resource{request}
		for len(work) > 0 {
			for _, d := range work[0].uses.resources {
				r := m.program.resources[d.resource]
				if needed[r] == "" && r != request {
					needed[r] = request.LogicalID
					work = append(work, r)
				}
			}
			work = work[1:]
		}
	}
	return needed
}
