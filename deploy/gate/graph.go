package gate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// plan is the dependency graph of the resources that one stack has. Indexes are those of program.resources.
type plan struct {
	active   []bool
	needs    [][]int // direct dependencies, sorted
	neededBy [][]int // direct dependents, sorted
}

// conditional reports whether the plan depends on conditions.
func (p *program) conditional() bool {
	for _, def := range p.resources {
		if def.condition >= 0 || def.uses.guarded() {
			return true
		}
	}
	for _, def := range p.outputs {
		if def.condition >= 0 || def.uses.guarded() {
			return true
		}
	}
	return false
}

func (r *references) guarded() bool {
	return slices.ContainsFunc(r.resources, func(d dependency) bool { return len(d.guards) > 0 })
}

// plan builds the plan for evaluated conditions. A Ref or Fn::GetAtt to a resource that they leave out is an error.
func (p *program) plan(conditions []bool) (*plan, error) {
	n := len(p.resources)
	pl := &plan{active: make([]bool, n), needs: make([][]int, n), neededBy: make([][]int, n)}
	for i, def := range p.resources {
		pl.active[i] = def.condition < 0 || conditions[def.condition]
	}
	inactive := &references{}
	for i, def := range p.resources {
		if !pl.active[i] {
			continue
		}
		pl.needs[i] = p.needs(&def.uses, pl.active, conditions, inactive)
		for _, j := range pl.needs[i] {
			pl.neededBy[j] = append(pl.neededBy[j], i)
		}
	}
	if len(inactive.missing) > 0 {
		return nil, errUnresolved(inactive.missing, blockResources)
	}
	for _, def := range p.outputs {
		if def.condition < 0 || conditions[def.condition] {
			p.needs(&def.uses, pl.active, conditions, inactive)
		}
	}
	if len(inactive.missing) > 0 {
		return nil, errUnresolved(inactive.missing, blockOutputs)
	}
	return pl, p.acyclic(pl)
}

// needs returns the active resources that uses refers to, and adds the inactive ones to inactive.
func (p *program) needs(uses *references, active, conditions []bool, inactive *references) []int {
	var needs []int
	for _, d := range uses.resources {
		switch {
		case !allSatisfied(d.guards, conditions):
		case active[d.resource]:
			if !slices.Contains(needs, d.resource) {
				needs = append(needs, d.resource)
			}
		case !d.order:
			inactive.addMissing(p.resources[d.resource].LogicalID)
		}
	}
	slices.Sort(needs)
	return needs
}

// checkCycles refuses cycles that exist under all conditions, as ValidateTemplate does.
func (p *program) checkCycles() error {
	pl := &plan{needs: make([][]int, len(p.resources)), neededBy: make([][]int, len(p.resources))}
	for i, def := range p.resources {
		for _, d := range def.uses.resources {
			if len(d.guards) == 0 {
				pl.needs[i] = append(pl.needs[i], d.resource)
				pl.neededBy[d.resource] = append(pl.neededBy[d.resource], i)
			}
		}
	}
	return p.acyclic(pl)
}

// acyclic refuses cycles. It removes resources without remaining dependencies, then those without remaining dependents:
// the rest are the cycles and the resources between them.
//
// A transform replaces the resources that it understands, so a cycle through them may disappear. SAM, for example, turns a
// function's Events into separate resources. The references that close such a cycle are dropped.
func (p *program) acyclic(pl *plan) error {
	removed := p.cyclic(pl)
	if p.lenient && slices.Contains(removed, false) {
		p.dropTransformed(pl, removed)
		removed = p.cyclic(pl)
	}
	var names []string
	for i, def := range p.resources {
		if !removed[i] {
			names = append(names, def.LogicalID)
		}
	}
	if len(names) > 0 {
		return invalid("Circular dependency between resources: [%s]", sortedJoin(names))
	}
	return nil
}

// cyclic returns false for the resources in cycles and between them.
func (p *program) cyclic(pl *plan) (removed []bool) {
	removed = make([]bool, len(p.resources))
	peel(removed, pl.needs, pl.neededBy)
	peel(removed, pl.neededBy, pl.needs)
	return removed
}

// dropTransformed removes the dependencies of SAM's resources on other resources of a cycle.
func (p *program) dropTransformed(pl *plan, removed []bool) {
	for i, def := range p.resources {
		if removed[i] || !strings.HasPrefix(def.Type, "AWS::Serverless::") {
			continue
		}
		pl.needs[i] = slices.DeleteFunc(slices.Clone(pl.needs[i]), func(j int) bool {
			if removed[j] {
				return false
			}
			pl.neededBy[j] = slices.DeleteFunc(slices.Clone(pl.neededBy[j]), func(k int) bool { return k == i })
			return true
		})
	}
}

// peel repeatedly marks as removed each resource without an edge to a remaining one.
func peel(removed []bool, edges, reverse [][]int) {
	remaining := make([]int, len(edges))
	var free []int
	for i := range edges {
		for _, j := range edges[i] {
			if !removed[j] {
				remaining[i]++
			}
		}
		if remaining[i] == 0 && !removed[i] {
			free = append(free, i)
		}
	}
	for len(free) > 0 {
		i := free[0]
		free = free[1:]
		removed[i] = true
		for _, j := range reverse[i] {
			if remaining[j]--; remaining[j] == 0 && !removed[j] {
				free = append(free, j)
			}
		}
	}
}

// checkReferences refuses unknown names, and attributes that wait conditions and their handles do not have.
func (p *program) checkReferences(*yaml.Node) error {
	all := map[string]*references{blockResources: {}, blockOutputs: {}}
	for _, def := range p.resources {
		all[blockResources].add(&def.uses)
	}
	for _, def := range p.outputs {
		all[blockOutputs].add(&def.uses)
	}
	for _, block := range []string{blockResources, blockOutputs} {
		if names := all[block].missing; len(names) > 0 && !p.lenient {
			return errUnresolved(names, block)
		}
		for _, use := range all[block].attributes {
			def := p.resources[use.resource]
			known := def.Kind == KindPlain || def.Kind == KindCustom || use.attribute == "Id" ||
				def.Kind == KindWait && use.attribute == "Data"
			if !known {
				return invalid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", def.LogicalID, use.attribute)
			}
		}
	}
	return nil
}

// add appends other's missing names and attributes.
func (r *references) add(other *references) {
	for _, name := range other.missing {
		r.addMissing(name)
	}
	r.attributes = append(r.attributes, other.attributes...)
}

func errUnresolved(names []string, block string) error {
	return invalid("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", sortedJoin(names), block)
}
