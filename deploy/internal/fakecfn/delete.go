package fakecfn

import (
	"slices"
	"strings"

	"countersign/deploy/gate"
)

// DeleteStack deletes a stack by ID or name and cancels a creation in progress. It retries a failed deletion and ignores
// a stack that is deleted or being deleted. Its errors are *Error: ValidationError for a stack that does not exist, is
// rolling back, or has exports in use.
func (e *Engine) DeleteStack(id string) (err error) {
	e.do(func() {
		st, ok := e.find(id)
		if !ok {
			err = invalid("Stack [%s] does not exist", id)
			return
		}
		switch {
		case st.status == DeleteComplete, st.status == DeleteInProgress:
			return
		case st.status == RollbackInProgress:
			err = invalid("Stack [%s] cannot be deleted while in status %s", st.name, st.status)
			return
		}
		if err = e.checkUnused(st); err != nil {
			return
		}
		e.setStackStatus(st, DeleteInProgress, "User Initiated")
		e.cancelCreation(st)
		e.startRemoval(st)
		e.run(st)
	})
	return err
}

// find returns a stack by ID, or by name unless it is deleted.
func (e *Engine) find(id string) (*stack, bool) {
	if st, ok := e.byID[id]; ok {
		return st, true
	}
	st, ok := e.byName[id]
	return st, ok
}

// checkUnused refuses to delete a stack whose exports are imported.
func (e *Engine) checkUnused(st *stack) error {
	for _, o := range st.outputs {
		for _, other := range e.stacks {
			if o.ExportName != "" && other.imports[o.ExportName] && other.status != DeleteComplete {
				return invalid("Delete canceled. Cannot delete export %s as it is in use by %s.", o.ExportName, other.name)
			}
		}
	}
	return nil
}

// startRemoval queues the resources that no other resource depends on, in reverse template order.
func (e *Engine) startRemoval(st *stack) {
	st.phase, st.ready, st.pending, st.inFlight = removing, nil, 0, 0
	for i := len(st.resources) - 1; i >= 0; i-- {
		r := st.resources[i]
		if !r.exists() {
			continue
		}
		r.blockers = 0
		for _, j := range st.instance.NeededBy(r.def) {
			if st.resources[j].exists() {
				r.blockers++
			}
		}
		if r.blockers == 0 {
			st.ready = append(st.ready, r)
		}
	}
}

// exists reports whether a rollback or deletion must still handle r.
func (r *resource) exists() bool {
	return r != nil && r.status != "" && r.status != DeleteComplete && r.status != DeleteSkipped
}

// remove deletes all ready resources concurrently.
func (e *Engine) remove(st *stack) {
	batch := st.ready
	st.ready = nil
	var begun []*resource
	for _, r := range batch {
		switch {
		case r.physicalID == "": // its creation did not start
			e.finishDelete(r, DeleteComplete)
		case e.retains(r):
			e.finishDelete(r, DeleteSkipped)
		default:
			e.setResourceStatus(r, DeleteInProgress, "")
			begun = append(begun, r)
		}
	}
	for _, r := range begun {
		if r.kind == gate.KindCustom {
			st.inFlight++
			e.sendDelete(r)
			continue
		}
		e.finishDelete(r, DeleteComplete)
	}
}

// retains applies the DeletionPolicy. RetainExceptOnCreate deletes the resource only when the creation rolls back, not
// when a user deletes the stack while it is being created.
func (e *Engine) retains(r *resource) bool {
	policy, err := r.stack.instance.DeletionPolicy(r.def)
	if err != nil {
		return false
	}
	return policy == gate.PolicyRetain || policy == gate.PolicyRetainExceptOnCreate && r.stack.status == DeleteInProgress
}

// finishDelete sets a resource's final status and queues the dependencies that are now free.
func (e *Engine) finishDelete(r *resource, status Status) {
	e.setResourceStatus(r, status, "")
	st := r.stack
	for _, i := range st.instance.Needs(r.def) {
		if next := st.resources[i]; next.exists() {
			if next.blockers--; next.blockers == 0 {
				st.ready = append(st.ready, next)
			}
		}
	}
}

// deleteFailed marks a resource that could not be deleted. Its dependencies are then kept, too.
func (e *Engine) deleteFailed(r *resource, reason string) {
	e.setResourceStatus(r, DeleteFailed, reason)
}

// finishRemoval ends a rollback or a deletion.
func (e *Engine) finishRemoval(st *stack) {
	st.phase = idle
	var names []string
	for _, r := range st.resources {
		if r != nil && r.status == DeleteFailed {
			names = append(names, r.def.LogicalID)
		}
	}
	deleting := st.status == DeleteInProgress
	if len(names) > 0 {
		reason := "The following resource(s) failed to delete: [" + strings.Join(slices.Sorted(slices.Values(names)), ", ") + "]. "
		if deleting {
			e.setStackStatus(st, DeleteFailed, reason)
		} else {
			e.setStackStatus(st, RollbackFailed, reason)
		}
		return
	}
	st.deleted = e.now
	clear(st.imports)
	if !deleting {
		e.setStackStatus(st, RollbackComplete, "")
		return
	}
	delete(e.byName, st.name)
	for _, o := range st.outputs {
		delete(e.exports, o.ExportName)
	}
	e.setStackStatus(st, DeleteComplete, "")
}
