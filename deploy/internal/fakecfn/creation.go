package fakecfn

import (
	"slices"
	"strings"
	"time"

	"countersign/deploy/gate"
)

// run takes a stack as far as it can go.
func (e *Engine) run(st *stack) {
	for {
		switch {
		case st.phase.deploys() && len(st.ready) > 0:
			e.deploy(st)
		case st.phase == creating && st.pending == 0:
			e.completeStack(st)
		case st.phase == updating && st.pending == 0:
			e.completeUpdate(st)
		case st.phase == reverting && st.pending == 0:
			e.completeReversal(st)
		case st.phase == removing && len(st.ready) > 0:
			e.remove(st)
		case st.phase == removing && st.inFlight == 0:
			e.finishRemoval(st)
		default:
			return
		}
	}
}

// deploys reports whether the operation creates or updates resources.
func (p phase) deploys() bool { return p == creating || p == updating || p == reverting }

// deploy creates or updates all ready resources concurrently: it starts all of them, then initiates each, then completes
// those that are done. A failure ends the operation.
func (e *Engine) deploy(st *stack) {
	batch, phase := st.ready, st.phase
	st.ready = nil
	for _, step := range []func(*resource){e.start, e.initiate, e.completeIfDone} {
		for _, r := range batch {
			if st.phase != phase {
				return
			}
			if r.active {
				step(r)
			}
		}
	}
}

// start evaluates a resource's properties.
func (e *Engine) start(r *resource) {
	properties, err := r.instance.Properties(r.def)
	if r.status != "" {
		e.startUpdating(r, properties, err)
		return
	}
	if err != nil {
		e.fail(r, message(err))
		return
	}
	e.setProperties(r, properties)
	e.setResourceStatus(r, CreateInProgress, "")
}

func (e *Engine) setProperties(r *resource, properties *gate.Object) {
	r.properties, r.maskedProperties = properties, ""
	if properties.Len() > 0 {
		e.scratch = gate.AppendMaskedJSON(e.scratch[:0], properties)
		r.maskedProperties = string(e.scratch)
	}
}

// initiate starts the creation or update that depends on the resource's kind.
func (e *Engine) initiate(r *resource) {
	if r.status == UpdateInProgress {
		e.initiateUpdate(r)
		return
	}
	switch r.kind {
	case gate.KindHandle:
		e.openHandle(r)
	case gate.KindWait:
		e.startWait(r)
	case gate.KindCustom:
		e.sendCreate(r)
	default:
		e.initiatePlain(r)
	}
}

func (e *Engine) initiatePlain(r *resource) {
	reason, fails := r.stack.fail[r.def.LogicalID]
	if fails && e.cfg.Delay == 0 {
		e.failPlain(r, reason)
		return
	}
	if !fails {
		r.physicalID = r.makePhysicalID()
		e.setResourceStatus(r, CreateInProgress, initiated)
	}
	if e.cfg.Delay == 0 {
		r.done = true
		return
	}
	e.timers.set(r, e.now.Add(e.cfg.Delay))
}

// initiated is the status reason of the first event with a physical ID.
const initiated = "Resource creation Initiated"

// completeIfDone completes a resource that needed no time.
func (e *Engine) completeIfDone(r *resource) {
	if r.done {
		e.completeResource(r)
	}
}

// completeResource completes a resource that was created or updated.
func (e *Engine) completeResource(r *resource) {
	r.timer = 0
	if r.status == UpdateInProgress {
		e.setResourceStatus(r, UpdateComplete, "")
	} else {
		e.setResourceStatus(r, CreateComplete, "")
		if r.kind == gate.KindPlain {
			e.signalHandles(r)
		}
	}
	e.release(r)
}

// release ends the operation for one resource and queues the dependents that are now free.
func (e *Engine) release(r *resource) {
	r.active, r.done = false, false
	st := r.stack
	st.pending--
	for _, i := range st.instance.NeededBy(r.def) {
		next := st.resources[i]
		if next.blockers--; next.blockers == 0 {
			st.ready = append(st.ready, next)
		}
	}
}

// completeStack ends a creation: it fails if the outputs are invalid.
func (e *Engine) completeStack(st *stack) {
	outputs, err := st.instance.Outputs()
	if err == nil {
		err = e.checkExports(st, outputs)
	}
	if err != nil {
		e.rollBack(st, message(err)+".")
		return
	}
	e.setOutputs(st, outputs)
	st.phase = idle
	e.setStackStatus(st, CreateComplete, "")
}

// setOutputs replaces a stack's outputs and exports.
func (e *Engine) setOutputs(st *stack, outputs []gate.Output) {
	for _, o := range st.outputs {
		delete(e.exports, o.ExportName)
	}
	st.outputs = outputs
	for _, o := range outputs {
		if o.ExportName != "" {
			e.exports[o.ExportName] = &export{value: o.Value, owner: st}
		}
	}
}

func (e *Engine) checkExports(st *stack, outputs []gate.Output) error {
	mine := map[string]bool{}
	for _, o := range outputs {
		if o.ExportName == "" {
			continue
		}
		if other, taken := e.exports[o.ExportName]; taken && other.owner != st {
			return invalid("Export with name %s is already exported by stack %s", o.ExportName, other.owner.name)
		}
		if mine[o.ExportName] {
			return invalid("Export with name %s is already exported by stack %s", o.ExportName, st.name)
		}
		mine[o.ExportName] = true
	}
	return nil
}

// timerFired handles a resource's timer.
func (e *Engine) timerFired(r *resource) {
	reason, fails := r.stack.fail[r.def.LogicalID]
	switch {
	case r.request != nil:
		e.responseTimedOut(r)
	case r.kind == gate.KindWait:
		e.waitTimedOut(r)
	case fails:
		e.failPlain(r, reason)
	default:
		e.completeResource(r)
	}
}

// fail fails a resource and with it the operation.
func (e *Engine) fail(r *resource, reason string) {
	st := r.stack
	e.failResource(r, reason)
	e.cancelResources(st)
	switch reason := st.failures(); st.phase {
	case updating:
		e.rollBackUpdate(st, reason)
	case reverting:
		e.failReversal(st, reason)
	default:
		e.rollBack(st, reason)
	}
}

// failures is the status reason of a stack with failed resources.
func (st *stack) failures() string {
	var reasons []string
	for _, f := range []struct {
		status Status
		verb   string
	}{{CreateFailed, "create"}, {UpdateFailed, "update"}} {
		var names []string
		for _, r := range st.resources {
			if r != nil && r.status == f.status {
				names = append(names, r.def.LogicalID)
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			reasons = append(reasons, "The following resource(s) failed to "+f.verb+": ["+strings.Join(names, ", ")+"].")
		}
	}
	return strings.Join(reasons, " ")
}

// failResource ends the creation or update of one resource.
func (e *Engine) failResource(r *resource, reason string) {
	r.active, r.done, r.timer = false, false, 0
	e.stopListening(r)
	if r.status != "" && r.status != CreateInProgress {
		r.request = nil // a later response is ignored
		e.setResourceStatus(r, UpdateFailed, reason)
		return
	}
	if r.request != nil {
		r.request = nil
		r.physicalID = r.generatedName()
	}
	e.setResourceStatus(r, CreateFailed, reason)
}

// cancelResources fails all resources that are being created or updated, and leaves out those that have not begun.
func (e *Engine) cancelResources(st *stack) {
	st.ready = nil
	for _, r := range st.resources {
		switch {
		case r == nil || !r.active:
		case r.status == CreateInProgress:
			e.failResource(r, "Resource creation cancelled")
		case r.status == UpdateInProgress:
			e.failResource(r, "Resource update cancelled")
		default:
			r.active = false
		}
	}
}

// rollBack ends a failed creation: it rolls back, or with DisableRollback keeps the resources.
func (e *Engine) rollBack(st *stack, reason string) {
	if st.disableRollback {
		st.phase = idle
		e.setStackStatus(st, CreateFailed, reason+" ")
		return
	}
	e.setStackStatus(st, RollbackInProgress, reason+" Rollback requested by user.")
	e.removeAll(st)
}

// seconds converts seconds to a duration.
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
