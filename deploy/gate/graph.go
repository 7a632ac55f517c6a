package gate

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// plan says which resources a stack has and in what order they may be made. Indexes are those of the program's
// resources; both lists are in the order of the template.
type plan struct {
	active   []bool
	needs    [][]int // what must be complete before this one starts
	neededBy [][]int // what waits for this one
}

// conditional reports whether conditions can change the plan.
func (p *program) conditional() bool {
	for _, def := range p.resources {
		if def.condition >= 0 || def.uses.guarded() {
			return true
		}
	}
	for _, def := range p.outputs {
		if def.uses.guarded() {
			return true
		}
	}
	return false
}

func (r *references) guarded() bool {
	return slices.ContainsFunc(r.resources, func(d dependency) bool { return len(d.guards) > 0 })
}

// plan works out the plan for a set of conditions and refuses references to resources that they leave out.
func (p *program) plan(conditions []bool) (*plan, error) {
	n := len(p.resources)
	pl := &plan{active: make([]bool, n), needs: make([][]int, n), neededBy: make([][]int, n)}
	for i, def := range p.resources {
		pl.active[i] = def.condition < 0 || conditions[def.condition]
	}
	left := &references{}
	for i, def := range p.resources {
		if !pl.active[i] {
			continue
		}
		pl.needs[i] = p.needs(&def.uses, pl.active, conditions, left)
		for _, j := range pl.needs[i] {
			pl.neededBy[j] = append(pl.neededBy[j], i)
		}
	}
	if len(left.missing) > 0 {
		return nil, errUnresolved(left.missing, blockResources)
	}
	for _, def := range p.outputs {
		if def.condition < 0 || conditions[def.condition] {
			p.needs(&def.uses, pl.active, conditions, left)
		}
	}
	if len(left.missing) > 0 {
		return nil, errUnresolved(left.missing, blockOutputs)
	}
	return pl, p.acyclic(pl)
}

// needs lists the active resources that uses refers to, each once, and notes the others in left.
func (p *program) needs(uses *references, active, conditions []bool, left *references) []int {
	var needs []int
	for _, d := range uses.resources {
		switch {
		case !allSatisfied(d.guards, conditions):
		case active[d.resource]:
			if !slices.Contains(needs, d.resource) {
				needs = append(needs, d.resource)
			}
		case !d.order:
			left.addMissing(p.resources[d.resource].LogicalID)
		}
	}
	slices.Sort(needs)
	return needs
}

// checkCycles finds the cycles that no condition can undo, as ValidateTemplate does.
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

// acyclic peels off resources that need nothing left, then those that nothing left needs: what remains are the
// cycles and what lies between them.
func (p *program) acyclic(pl *plan) error {
	gone := make([]bool, len(p.resources))
	peel(gone, pl.needs, pl.neededBy)
	peel(gone, pl.neededBy, pl.needs)
	var names []string
	for i, def := range p.resources {
		if !gone[i] {
			names = append(names, def.LogicalID)
		}
	}
	if len(names) > 0 {
		return invalid("Circular dependency between resources: [%s]", sortedJoin(names))
	}
	return nil
}

// peel marks as gone, again and again, whatever has no edge to anything left.
func peel(gone []bool, edges, back [][]int) {
	left := make([]int, len(edges))
	var bare []int
	for i := range edges {
		for _, j := range edges[i] {
			if !gone[j] {
				left[i]++
			}
		}
		if left[i] == 0 && !gone[i] {
			bare = append(bare, i)
		}
	}
	for len(bare) > 0 {
		i := bare[0]
		bare = bare[1:]
		gone[i] = true
		for _, j := range back[i] {
			if left[j]--; left[j] == 0 && !gone[j] {
				bare = append(bare, j)
			}
		}
	}
}

// checkReferences refuses names that nothing has and attributes that the types run here do not have.
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

// add takes over what another member misses and which attributes it uses.
func (r *references) add(other *references) {
	for _, name := range other.missing {
		r.addMissing(name)
	}
	r.attributes = append(r.attributes, other.attributes...)
}

func errUnresolved(names []string, block string) error {
	return invalid("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", sortedJoin(names), block)
}
