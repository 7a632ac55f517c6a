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
		case st.phase == creating && len(st.ready) > 0:
			e.create(st)
		case st.phase == creating && st.pending == 0:
			e.completeStack(st)
		case st.phase == removing && len(st.ready) > 0:
			e.remove(st)
		case st.phase == removing && st.inFlight == 0:
			e.finishRemoval(st)
		default:
			return
		}
	}
}

// create creates all ready resources concurrently: it starts all of them, then initiates each, then completes those that
// are done. A failure ends the creation.
func (e *Engine) create(st *stack) {
	batch := st.ready
	st.ready = nil
	for _, step := range []func(*resource){e.start, e.initiate, e.completeIfDone} {
		for _, r := range batch {
			if st.phase != creating {
				return
			}
			if r.status == "" || r.status == CreateInProgress {
				step(r)
			}
		}
	}
}

// start evaluates a resource's properties.
func (e *Engine) start(r *resource) {
	var err error
	if r.properties, err = r.stack.instance.Properties(r.def); err != nil {
		e.failCreation(r, message(err))
		return
	}
	if r.properties.Len() > 0 {
		e.scratch = gate.AppendMaskedJSON(e.scratch[:0], r.properties)
		r.maskedProperties = string(e.scratch)
	}
	e.setResourceStatus(r, CreateInProgress, "")
}

// initiate starts the creation that depends on the resource's kind.
func (e *Engine) initiate(r *resource) {
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
		e.failCreation(r, reason)
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

// completeResource completes a resource and queues the dependents that are now free.
func (e *Engine) completeResource(r *resource) {
	r.done, r.timer = false, 0
	e.setResourceStatus(r, CreateComplete, "")
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
	st.outputs = outputs
	for _, o := range outputs {
		if o.ExportName != "" {
			e.exports[o.ExportName] = &export{value: o.Value, owner: st}
		}
	}
	st.phase = idle
	e.setStackStatus(st, CreateComplete, "")
}

func (e *Engine) checkExports(st *stack, outputs []gate.Output) error {
	mine := map[string]bool{}
	for _, o := range outputs {
		if o.ExportName == "" {
			continue
		}
		if other, taken := e.exports[o.ExportName]; taken {
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
		e.failCreation(r, reason)
	default:
		e.completeResource(r)
	}
}

// failCreation fails a resource and with it the stack's creation.
func (e *Engine) failCreation(r *resource, reason string) {
	st := r.stack
	e.failResource(r, reason)
	e.cancelCreation(st)
	var names []string
	for _, other := range st.resources {
		if other != nil && other.status == CreateFailed {
			names = append(names, other.def.LogicalID)
		}
	}
	e.rollBack(st, "The following resource(s) failed to create: ["+strings.Join(slices.Sorted(slices.Values(names)), ", ")+"].")
}

// failResource ends the creation of one resource.
func (e *Engine) failResource(r *resource, reason string) {
	r.done, r.timer = false, 0
	e.stopListening(r)
	if r.request != nil { // a later response is ignored
		r.request = nil
		r.physicalID = r.generatedName()
	}
	e.setResourceStatus(r, CreateFailed, reason)
}

// cancelCreation fails all resources that are being created.
func (e *Engine) cancelCreation(st *stack) {
	st.ready = nil
	for _, r := range st.resources {
		if r != nil && r.status == CreateInProgress {
			e.failResource(r, "Resource creation cancelled")
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
	e.startRemoval(st)
}

// seconds converts seconds to a duration.
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
