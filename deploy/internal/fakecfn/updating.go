package fakecfn

import (
	"bytes"
	"encoding/json"
	"reflect"

	"countersign/deploy/gate"
)

// startUpdate starts an update, whose deployment is active.
func (e *Engine) startUpdate(st *stack) {
	st.phase, st.updated = updating, e.now
	e.setStackStatus(st, UpdateInProgress, "User Initiated")
	e.noteTransforms(st)
	if err := st.instance.CheckImports(); err != nil {
		e.rollBackUpdate(st, message(err)+".")
		return
	}
	e.queueAll(st)
}

// startUpdating starts the update of a resource whose properties were evaluated. One that does not change is skipped.
func (e *Engine) startUpdating(r *resource, properties *gate.Object, err error) {
	switch {
	case err != nil:
		e.fail(r, message(err))
	case !sameValue(properties, r.properties):
		r.oldProperties = r.properties
		e.setProperties(r, properties)
		e.setResourceStatus(r, UpdateInProgress, "")
	default:
		if r.status == UpdateFailed { // what it failed at has not changed it
			e.setResourceStatus(r, UpdateComplete, "")
		}
		e.release(r)
	}
}

// sameValue reports whether two values are equal but for the order of keys.
func sameValue(a, b *gate.Object) bool {
	x, y := gate.AppendJSON(nil, a), gate.AppendJSON(nil, b)
	if bytes.Equal(x, y) {
		return true
	}
	var p, q any
	return json.Unmarshal(x, &p) == nil && json.Unmarshal(y, &q) == nil && reflect.DeepEqual(p, q)
}

// initiateUpdate starts the update that depends on the resource's kind.
func (e *Engine) initiateUpdate(r *resource) {
	switch r.kind {
	case gate.KindHandle, gate.KindWait:
		r.restore(e)
		e.fail(r, "Update to resource type "+r.def.Type+" is not supported.")
	case gate.KindCustom:
		e.sendUpdate(r)
	default:
		e.initiatePlainUpdate(r)
	}
}

// initiatePlainUpdate replaces a plain resource if its new properties give it a new name.
func (e *Engine) initiatePlainUpdate(r *resource) {
	reason, fails := r.stack.fail[r.def.LogicalID]
	if fails && e.cfg.Delay == 0 {
		e.failPlain(r, reason)
		return
	}
	if id := r.makePhysicalID(); !fails && id != r.physicalID {
		r.replace(id)
		e.setResourceStatus(r, UpdateInProgress, "Requested update requires the creation of a new physical resource; hence creating one.")
	}
	if e.cfg.Delay == 0 {
		r.done = true
		return
	}
	e.timers.set(r, e.now.Add(e.cfg.Delay))
}

// updateAnswered takes the response to an Update. FAILED with a new physical ID leaves the resource as it was: the rollback
// deletes the new one and sends no Update.
func (e *Engine) updateAnswered(r *resource, a response, reason string) {
	isNew := a.physicalID != "" && a.physicalID != r.physicalID
	switch {
	case reason != "" && isNew:
		r.discard(a.physicalID, r.properties)
		r.restore(e)
		e.fail(r, reason)
	case reason != "":
		e.fail(r, reason)
	default:
		if isNew {
			r.replace(a.physicalID)
			e.setResourceStatus(r, UpdateInProgress, "Requested update required the provider to create a new physical resource")
		}
		r.data = a.data
		e.completeResource(r)
	}
}

// restore gives r the properties from before the update of it, which did not change it.
func (r *resource) restore(e *Engine) { e.setProperties(r, r.oldProperties) }

// replace gives r another physical ID. The clean-up deletes the one it had.
func (r *resource) replace(physicalID string) {
	r.discard(r.physicalID, r.oldProperties)
	r.physicalID = physicalID
}

// discard makes the clean-up delete a physical ID, unless it is that of r again by then.
func (r *resource) discard(physicalID string, properties *gate.Object) {
	old := &resource{
		stack: r.stack, instance: r.instance, def: r.def, kind: r.kind,
		physicalID: physicalID, status: UpdateComplete, isReplaced: true,
	}
	r.stack.engine.setProperties(old, properties)
	r.replaced = append(r.replaced, old)
}

// completeUpdate ends the successful part of an update and starts the clean-up: it deletes what was removed from the
// template and the physical IDs that were replaced. Invalid outputs roll the update back.
func (e *Engine) completeUpdate(st *stack) {
	outputs, err := st.instance.Outputs()
	if err == nil {
		err = e.checkExports(st, outputs)
	}
	if err == nil {
		err = e.checkExportsInUse(st, outputs)
	}
	if err != nil {
		e.rollBackUpdate(st, message(err)+".")
		return
	}
	e.setOutputs(st, outputs)
	e.setStackStatus(st, UpdateCompleteCleanupInProgress, "")
	ordered, others := st.discarded(st.other)
	e.startRemoval(st, st.other.instance, ordered, others)
}

// checkExportsInUse refuses to remove or change exports that other stacks import.
func (e *Engine) checkExportsInUse(st *stack, outputs []gate.Output) error {
	kept := map[string]string{}
	for _, o := range outputs {
		kept[o.ExportName] = o.Value
	}
	for _, o := range st.outputs {
		if o.ExportName == "" || kept[o.ExportName] == o.Value {
			continue
		}
		for _, importing := range e.stacks {
			if importing != st && importing.imports[o.ExportName] && importing.status != DeleteComplete {
				return invalid("Export %s cannot be updated as it is in use by %s", o.ExportName, importing.name)
			}
		}
	}
	return nil
}

// discarded returns what a clean-up deletes: the resources that only the deployment d has, by their index there, with the
// physical IDs that replacements left. others are those physical IDs of resources that d does not have.
func (st *stack) discarded(d *deployment) (ordered [][]*resource, others []*resource) {
	ordered = make([][]*resource, len(d.resources))
	index := map[*resource]int{}
	for i, r := range d.resources {
		if r != nil {
			index[r] = i
		}
	}
	for _, r := range d.without(&st.deployment) {
		ordered[index[r]] = append(ordered[index[r]], r)
	}
	for _, r := range st.resources {
		if r == nil {
			continue
		}
		left := r.takeReplaced()
		if i, ok := index[r]; ok {
			ordered[i] = append(ordered[i], left...)
		} else {
			others = append(others, left...)
		}
	}
	return ordered, others
}

// takeReplaced returns the physical IDs, each once, that r had or was to get and does not have.
func (r *resource) takeReplaced() []*resource {
	var left []*resource
	seen := map[string]bool{r.physicalID: true}
	for _, old := range r.replaced {
		if !seen[old.physicalID] {
			left = append(left, old)
		}
		seen[old.physicalID] = true
	}
	r.replaced, r.oldProperties = nil, nil
	return left
}

// completeCleanup ends an update or its rollback. Failed deletions do not fail it: the stack then forgets the resources.
func (e *Engine) completeCleanup(st *stack, failed bool) {
	status, reason := UpdateComplete, "Update successful. One or more resources could not be deleted."
	if st.status == UpdateRollbackCompleteCleanupInProgress {
		status, reason = UpdateRollbackComplete, "Rollback successful. One or more resources could not be deleted." // own words
	}
	if !failed {
		reason = ""
	}
	st.other, st.fail = nil, nil
	e.setStackStatus(st, status, reason)
}
