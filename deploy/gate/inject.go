package gate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// InjectOptions configure a new gate.
type InjectOptions struct {
	// ServiceToken is the notifier's ARN, in which Fn::Sub replaces variables.
	ServiceToken string

	// Email is the parameter that has the requester's e-mail address; empty: the first one whose name contains "mail",
	// if there is one.
	Email string
}

// DefaultServiceToken is the notifier of a deployment with the default name.
const DefaultServiceToken = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:countersign-notifier"

// ErrHasGate means that a template has a gate already.
var ErrHasGate = errors.New("the template has a gate already")

// Inject returns the template with a gate that holds back every resource. It only inserts text. The result passes Lint, and
// equals the template except for the gate and the dependencies on it. If that is impossible, the error says why and what to
// do by hand.
func (t *Template) Inject(o InjectOptions) ([]byte, error) {
	m, err := t.injectable()
	if err != nil {
		return nil, err
	}
	ids := newGateIDs(m.program)
	email, err := t.emailParameter(o.Email)
	if err != nil {
		return nil, err
	}
	members := gateMembers(ids, t.parameters, email, o.ServiceToken)
	out, err := t.withGate(m, members(strings.Repeat("0", 2*digestBytes)), ids) // to compute the digest, which ignores itself
	if err != nil {
		return nil, err
	}
	digest, err := Digest(out)
	if err != nil {
		return nil, fmt.Errorf("the gate does not fit into the template's layout: %w; add it by hand, as in docs/template.md", err)
	}
	if out, err = t.withGate(m, members(digest), ids); err != nil {
		return nil, err
	}
	return out, verifyInjected(t, out, ids)
}

// injectable returns the model of a template to which a gate can be added.
func (t *Template) injectable() (*model, error) {
	m, err := t.model()
	if err != nil {
		return nil, fmt.Errorf("a gate cannot be added safely: %w; add it by hand, as in docs/template.md, to the transformed template", err)
	}
	switch {
	case len(m.parts.requests) > 0:
		return nil, fmt.Errorf("%w, with the request %s", ErrHasGate, m.parts.requests[0].LogicalID)
	case len(m.parts.verdicts) > 0:
		return nil, fmt.Errorf("the template has part of a gate: first remove %s, which checks a request", m.parts.verdicts[0].LogicalID)
	}
	for k := range members(member(t.root, blockResources)) {
		if strings.HasPrefix(k.Value, forEachPrefix) {
			return nil, fmt.Errorf("%s creates resources (line %d): add the gate by hand, as in docs/template.md, and DependsOn: ApprovalVerdict to the resources in the loop", k.Value, k.Line)
		}
	}
	return m, nil
}

// gateIDs are the logical IDs of a gate's resources.
type gateIDs struct{ handle, request, wait, verdict string }

func (g gateIDs) list() []string { return []string{g.handle, g.request, g.wait, g.verdict} }

// newGateIDs returns logical IDs that the template does not use.
func newGateIDs(p *program) gateIDs {
	for n := 1; ; n++ {
		suffix := ""
		if n > 1 {
			suffix = fmt.Sprint(n)
		}
		g := gateIDs{"ApprovalHandle" + suffix, "ApprovalRequest" + suffix, "ApprovalWait" + suffix, "ApprovalVerdict" + suffix}
		if !slices.ContainsFunc(g.list(), p.isUsed) {
			return g
		}
	}
}

// isUsed reports whether a name is that of a parameter or resource.
func (p *program) isUsed(name string) bool {
	_, isResource := p.resourceIndex[name]
	_, isParameter := p.parameterIndex[name]
	return isResource || isParameter
}

func (t *Template) emailParameter(name string) (string, error) {
	for _, p := range t.parameters {
		if name == p.Name || name == "" && strings.Contains(strings.ToLower(p.Name), "mail") && !p.isList() {
			return p.Name, nil
		}
	}
	if name != "" {
		return "", fmt.Errorf("the template has no parameter %s", name)
	}
	return "", nil
}

// gateMembers returns the four resources as a function of the template's digest.
func gateMembers(ids gateIDs, parameters []*Parameter, email, token string) func(digest string) fields {
	return func(digest string) fields {
		request := fields{
			{"ServiceToken", call{fnSub, token}}, {"ServiceTimeout", "3600"}, {"WaitUrl", call{fnRef, ids.handle}},
		}
		if email != "" {
			request = append(request, field{"EmailID", call{fnRef, email}})
		}
		for _, p := range parameters {
			if p.Name == "Purpose" && !p.NoEcho && !p.isList() {
				request = append(request, field{"Purpose", call{fnRef, p.Name}})
			}
		}
		request = append(request, field{"Timeout", "28800"})
		var passed fields
		for _, p := range parameters {
			passed = append(passed, field{p.Name, call{fnRef, p.Name}})
		}
		if len(passed) > 0 {
			request = append(request, field{"Parameters", passed})
		}
		request = append(request, field{templateProperty, digest})
		return fields{
			{ids.handle, fields{{"Type", typeHandle}}},
			{ids.request, fields{
				{"Type", "Custom::ApprovalRequest"}, {"DeletionPolicy", PolicyRetainExceptOnCreate}, {"UpdateReplacePolicy", policyDelete}, {"Properties", request},
			}},
			{ids.wait, fields{
				{"Type", typeWait}, {"DependsOn", ids.request},
				{"Properties", fields{{"Handle", call{fnRef, ids.handle}}, {"Timeout", "28800"}}},
			}},
			{ids.verdict, fields{
				{"Type", "Custom::ApprovalVerdict"}, {"DependsOn", ids.wait}, {"DeletionPolicy", PolicyRetain}, {"UpdateReplacePolicy", PolicyRetain},
				{"Properties", fields{{"ServiceToken", call{fnSub, token}}, {"ServiceTimeout", "600"}, {"RequestId", call{fnRef, ids.request}}}},
			}},
		}
	}
}

// withGate inserts the resources of a gate, and the dependencies on its verdict.
func (t *Template) withGate(m *model, gate fields, ids gateIDs) ([]byte, error) {
	s := newSplicer(t.source)
	if err := s.insertMembers(member(t.root, blockResources), keyOf(t.root, blockResources), gate); err != nil {
		return nil, err
	}
	for _, r := range m.first() {
		if err := s.addDependency(member(member(t.root, blockResources), r.LogicalID), ids.verdict); err != nil {
			return nil, fmt.Errorf("%s: %w", r.LogicalID, err)
		}
	}
	return applyEdits(t.source, s.edits), nil
}

// first returns the resources that need DependsOn the verdict so that all others wait through them: those that depend on no
// other resource in some stack. SAM resources may be in cycles; some resources of each cycle are added.
func (m *model) first() []*Resource {
	var list []*Resource
	for _, r := range m.program.resources {
		if m.parts.of[r.Index] == partNothing {
			continue
		}
		waits := never
		for _, d := range r.uses.resources {
			if !d.unsure && m.parts.of[d.resource] != partNothing {
				waits = m.or(waits, m.and(m.satisfied(d.guards), m.exists[d.resource]))
			}
		}
		if m.canLack(r, waits) {
			list = append(list, r)
		}
	}
	for {
		through := m.dependsOn(list...)
		i := slices.IndexFunc(m.program.resources, func(r *Resource) bool {
			return m.parts.of[r.Index] != partNothing && !slices.Contains(list, r) && m.canLack(r, through[r.Index])
		})
		if i < 0 || m.full {
			return list
		}
		list = append(list, m.program.resources[i])
	}
}

// canLack reports whether some stack has r where d does not hold.
func (m *model) canLack(r *Resource, d diagram) bool {
	return m.and(m.and(m.possible, m.exists[r.Index]), m.not(d)) != never
}

// verifyInjected checks that out passes Lint and equals t except for the gate.
func verifyInjected(t *Template, out []byte, ids gateIDs) error {
	after, err := Parse(out)
	if err != nil {
		return fmt.Errorf("the gate does not fit into the template's layout: %w; add it by hand, as in docs/template.md", err)
	}
	if findings := after.Lint(); len(findings) > 0 {
		return fmt.Errorf("with a gate, %s [%s]. %s Nothing was changed", findings[0].Message, findings[0].ID, findings[0].Fix)
	}
	if !equalButForGate(t.root, after.root, ids) {
		return errors.New("a gate cannot be added to the template's layout without changing something else; add it by hand, as in docs/template.md")
	}
	return nil
}

// equalButForGate reports whether after is before with the resources of a gate and dependencies on its verdict.
func equalButForGate(before, after *yaml.Node, ids gateIDs) bool {
	old, new := plainMembers(before), plainMembers(after)
	if len(old) != len(new) {
		return false
	}
	for name, n := range old {
		if name != blockResources && (new[name] == nil || canonical(n) != canonical(new[name])) {
			return false
		}
	}
	oldResources, newResources := plainMembers(old[blockResources]), plainMembers(new[blockResources])
	if len(newResources) != len(oldResources)+len(ids.list()) {
		return false
	}
	for name, r := range oldResources {
		changed := newResources[name]
		if changed == nil || canonical(without(r, "DependsOn")) != canonical(without(changed, "DependsOn")) {
			return false
		}
		was, is := dependencyNames(r), dependencyNames(changed)
		if !slices.Equal(was, is) && !slices.Equal(append(was, ids.verdict), is) {
			return false
		}
	}
	return true
}

func plainMembers(n *yaml.Node) map[string]*yaml.Node {
	all := map[string]*yaml.Node{}
	for k, v := range members(n) {
		all[k.Value] = v
	}
	return all
}

// without returns a mapping without a key.
func without(n *yaml.Node, key string) *yaml.Node {
	out := *n
	out.Content = nil
	for k, v := range members(n) {
		if k.Value != key {
			out.Content = append(out.Content, k, v)
		}
	}
	return &out
}

// dependencyNames returns the names in a resource's DependsOn.
func dependencyNames(r *yaml.Node) []string {
	n := member(r, "DependsOn")
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}
	}
	var names []string
	for _, c := range n.Content {
		names = append(names, c.Value)
	}
	return names
}

// newlineOf returns the line ending of a text.
func newlineOf(src []byte) string {
	if bytes.Contains(src, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}
