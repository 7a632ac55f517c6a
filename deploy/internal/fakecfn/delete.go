package fakecfn

import (
	"slices"
	"strings"

	"countersign/deploy/gate"
)

// DeleteStack deletes a stack by ID or name and cancels a creation in progress. It retries a failed deletion and ignores
// a stack that is deleted or being deleted. Its errors are *Error: ValidationError for a stack that does not exist, is
// rolling back or being updated, or has exports in use.
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
		case st.status.InProgress() && st.status != CreateInProgress:
			err = invalid("Stack [%s] cannot be deleted while in status %s", st.name, st.status)
			return
		}
		if err = e.checkUnused(st); err != nil {
			return
		}
		e.setStackStatus(st, DeleteInProgress, "User Initiated")
		e.cancelResources(st)
		e.removeAll(st)
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

// removeAll starts the removal of all resources.
func (e *Engine) removeAll(st *stack) {
	removal := make([][]*resource, len(st.resources))
	for i := range st.resources {
		removal[i] = st.resources[i : i+1]
	}
	e.startRemoval(st, st.instance, removal, st.stranded)
}

// startRemoval queues the resources that no other resource to be deleted depends on, in reverse template order. ordered
// are resources by their index in the instance; the others have no dependencies.
func (e *Engine) startRemoval(st *stack, instance *gate.Instance, ordered [][]*resource, others []*resource) {
	st.phase, st.ready, st.pending, st.inFlight, st.removal = removing, nil, 0, 0, nil
	for i := len(ordered) - 1; i >= 0; i-- {
		for _, r := range ordered[i] {
			if r.exists() {
				r.blockers, r.waiters = 0, nil
				st.removal = append(st.removal, r)
			}
		}
	}
	for _, r := range others {
		if r.exists() {
			r.blockers, r.waiters = 0, nil
			st.removal = append(st.removal, r)
		}
	}
	for i := range ordered {
		for _, r := range ordered[i] {
			if r.exists() {
				r.blockWhatItNeeds(instance.Needs(instance.Resources()[i]), ordered)
			}
		}
	}
	for _, r := range st.removal {
		if r.blockers == 0 {
			st.ready = append(st.ready, r)
		}
	}
}

// blockWhatItNeeds makes the deletion of r's dependencies wait for that of r.
func (r *resource) blockWhatItNeeds(needs []int, ordered [][]*resource) {
	for _, i := range needs {
		for _, dependency := range ordered[i] {
			if dependency.exists() {
				r.waiters = append(r.waiters, dependency)
				dependency.blockers++
			}
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

// retains applies the DeletionPolicy, and to a replaced physical ID the UpdateReplacePolicy. RetainExceptOnCreate deletes
// the resource only when the operation that created it rolls back, not when a user deletes the stack while it is being
// created.
func (e *Engine) retains(r *resource) bool {
	rollsBack := r.stack.status == RollbackInProgress || r.stack.status == UpdateRollbackCompleteCleanupInProgress
	if r.isReplaced {
		return !rollsBack && replacePolicy(r.def) == gate.PolicyRetain
	}
	policy, err := r.instance.DeletionPolicy(r.def)
	if err != nil {
		return false
	}
	return policy == gate.PolicyRetain || policy == gate.PolicyRetainExceptOnCreate && !rollsBack
}

// replacePolicy returns a literal UpdateReplacePolicy; empty if there is none.
func replacePolicy(def *gate.Resource) string {
	for i := 0; i+1 < len(def.Node.Content); i += 2 {
		if def.Node.Content[i].Value == "UpdateReplacePolicy" {
			return def.Node.Content[i+1].Value
		}
	}
	return ""
}

// finishDelete sets a resource's final status and queues the dependencies that are now free.
func (e *Engine) finishDelete(r *resource, status Status) {
	e.setResourceStatus(r, status, "")
	e.unblock(r)
}

func (e *Engine) unblock(r *resource) {
	for _, next := range r.waiters {
		if next.blockers--; next.blockers == 0 {
			r.stack.ready = append(r.stack.ready, next)
		}
	}
	r.waiters = nil
}

// deleteFailed marks a resource that could not be deleted. Its dependencies are then kept, too, except in the clean-up
// after an update, which leaves behind only what cannot be deleted.
func (e *Engine) deleteFailed(r *resource, reason string) {
	e.setResourceStatus(r, DeleteFailed, reason)
	if r.stack.other != nil {
		e.unblock(r)
	}
}

// finishRemoval ends a rollback, a deletion or the clean-up after an update.
func (e *Engine) finishRemoval(st *stack) {
	st.phase = idle
	var names []string
	for _, r := range st.removal {
		if r.status == DeleteFailed {
			names = append(names, r.def.LogicalID)
		}
	}
	st.removal = nil
	if st.other != nil {
		e.completeCleanup(st, len(names) > 0)
		return
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
