package fakecfn

import "slices"

// ResourceDeclaration is one member of a template's Resources.
type ResourceDeclaration struct {
	LogicalID, Type string
	Condition       string   // empty: it is always created
	DependsOn       []string // logical IDs that it refers to or names in DependsOn, each once
}

// Resources returns the template's resources in its order; none if its loops need parameters to be unrolled.
func (t *Template) Resources() []ResourceDeclaration {
	if t.program == nil {
		return nil
	}
	out := make([]ResourceDeclaration, len(t.program.resources))
	for i, def := range t.program.resources {
		out[i] = ResourceDeclaration{LogicalID: def.name, Type: def.typ}
		if def.condition >= 0 {
			out[i].Condition = t.program.conditions[def.condition].name
		}
		for _, on := range def.uses.resources {
			if name := t.program.resources[on.resource].name; !slices.Contains(out[i].DependsOn, name) {
				out[i].DependsOn = append(out[i].DependsOn, name)
			}
		}
	}
	return out
}
