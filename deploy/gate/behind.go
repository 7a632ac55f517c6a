package gate

import "slices"

// Dependents returns the resources that depend on one of the given logical IDs, directly or through other resources, in
// template order. A dependency inside Fn::If counts, whatever the condition.
func Dependents(resources []*Resource, logicalIDs ...string) []*Resource {
	found := map[string]bool{}
	for _, id := range logicalIDs {
		found[id] = true
	}
	for changed := true; changed; {
		changed = false
		for _, r := range resources {
			if !found[r.LogicalID] && slices.ContainsFunc(r.DependsOn, func(id string) bool { return found[id] }) {
				found[r.LogicalID], changed = true, true
			}
		}
	}
	var dependents []*Resource
	for _, r := range resources {
		if found[r.LogicalID] && !slices.Contains(logicalIDs, r.LogicalID) {
			dependents = append(dependents, r)
		}
	}
	return dependents
}

// BehindGate returns the resources that depend on a wait condition, in template order: the verdict, and what an approval
// releases.
func BehindGate(resources []*Resource) []*Resource {
	var waits []string
	for _, r := range resources {
		if r.Kind == KindWait {
			waits = append(waits, r.LogicalID)
		}
	}
	return Dependents(resources, waits...)
}

// LastBehindGate returns the last resource of the stack that an approval releases, a plain one if there is one; false if
// there is none. The simulation makes it fail to show a launch that fails after its approval.
func (s *Instance) LastBehindGate() (*Resource, bool) {
	behind := slices.DeleteFunc(BehindGate(s.Resources()), func(r *Resource) bool { return !s.Includes(r) || !r.releasable() })
	for _, r := range slices.Backward(behind) {
		if r.Kind == KindPlain {
			return r, true
		}
	}
	if len(behind) == 0 {
		return nil, false
	}
	return behind[len(behind)-1], true
}

// releasable reports whether a resource may be part of the product: it is a plain one or a custom resource that belongs to
// no gate.
func (r *Resource) releasable() bool {
	return r.Kind == KindPlain || r.Kind == KindCustom && r.property("WaitUrl") == nil && r.property("RequestId") == nil
}

// IsGate reports whether the properties of a custom resource are those of an approval request or a verdict.
func IsGate(properties *Object) bool {
	return properties.Get("WaitUrl") != nil || properties.Get("RequestId") != nil
}
