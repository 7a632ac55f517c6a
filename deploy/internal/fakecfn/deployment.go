package fakecfn

import (
	"maps"
	"slices"
	"strings"

	"countersign/deploy/gate"
)

// deployment is what one creation or update gives a stack. While an update runs, the stack has two: the one that it runs
// and the one before.
type deployment struct {
	template    *gate.Template
	instance    *gate.Instance
	description string
	parameters  map[string]string // the values of all parameters, secrets too
	tags        []Tag
	fail        map[string]string // logical ID to status reason, from CreateStackInput.Fail
	outputs     []gate.Output
	imports     map[string]bool // names of imported exports

	resources []*resource // by index in the template; nil if a condition leaves it out
}

// deploy validates a deployment and returns it. Resources that the stack has already are taken over.
func (st *stack) deploy(template *gate.Template, parameters map[string]string, tags []Tag, fail map[string]string) (*deployment, error) {
	d := &deployment{
		template:    template,
		description: template.Description,
		parameters:  map[string]string{},
		tags:        slices.Clone(tags),
		fail:        maps.Clone(fail),
		outputs:     st.outputs,
		imports:     map[string]bool{},
	}
	for _, p := range template.Parameters() {
		if value, given := parameters[p.Name]; given || p.HasDefault {
			d.parameters[p.Name] = value
			if !given {
				d.parameters[p.Name] = p.Default
			}
		}
	}
	var err error
	if d.instance, err = template.Instantiate(st, parameters); err != nil {
		return nil, err
	}
	if err := st.addResources(d); err != nil {
		return nil, err
	}
	return d, d.checkFail()
}

// addResources fills in the resources of a deployment.
func (st *stack) addResources(d *deployment) error {
	existing := map[string]*resource{}
	for _, r := range st.resources {
		if r != nil {
			existing[r.def.LogicalID] = r
		}
	}
	var retyped []string
	for _, def := range d.instance.Resources() {
		if !d.instance.Includes(def) {
			d.resources = append(d.resources, nil)
			continue
		}
		r := existing[def.LogicalID]
		if r == nil {
			r = &resource{stack: st, instance: d.instance, def: def, kind: def.Kind}
		}
		if r.def.Type != def.Type {
			retyped = append(retyped, def.LogicalID)
		}
		d.resources = append(d.resources, r)
	}
	if len(retyped) > 0 {
		slices.Sort(retyped)
		return invalid("Update of resource type is not permitted. The new template modifies resource type of the following resources: [%s]",
			strings.Join(retyped, ", "))
	}
	return nil
}

// checkFail refuses resources that cannot be made to fail, and resolves LastBehindGate.
func (d *deployment) checkFail() error {
	for _, name := range slices.Sorted(maps.Keys(d.fail)) {
		if name != LastBehindGate && !slices.ContainsFunc(d.instance.Resources(), func(def *gate.Resource) bool {
			return d.instance.Includes(def) && def.LogicalID == name && def.Kind == gate.KindPlain
		}) {
			return invalid("Fail names %s, which is not a plain resource of the stack", name) // own words
		}
	}
	reason, ok := d.fail[LastBehindGate]
	if !ok {
		return nil
	}
	last, ok := d.instance.LastBehindGate()
	if !ok {
		return invalid("The stack has no resource behind its gate that can be made to fail") // own words
	}
	delete(d.fail, LastBehindGate)
	d.fail[last.LogicalID] = reason
	return nil
}

// swap exchanges the stack's deployments. References then evaluate in the one that it activates.
func (st *stack) swap() {
	st.deployment, *st.other = *st.other, st.deployment
	for i, r := range st.resources {
		if r != nil {
			r.instance, r.def = st.instance, st.instance.Resources()[i]
		}
	}
}

// without returns the resources of d that another deployment does not have.
func (d *deployment) without(another *deployment) []*resource {
	var only []*resource
	for _, r := range d.resources {
		if r != nil && !slices.Contains(another.resources, r) {
			only = append(only, r)
		}
	}
	return only
}
