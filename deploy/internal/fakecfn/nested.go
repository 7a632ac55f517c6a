package fakecfn

import (
	"strings"

	"countersign/deploy/gate"
)

// nestedResource is the logical ID of the resource that fails in a nested stack.
const nestedResource = "Inner"

// hookType is the hook that fails resources.
const hookType = "Example::Encryption::Hook"

const hookMark = "hook\x00"

// FailedHook returns a value of CreateStackInput.Fail or UpdateStackInput.Fail for a
// resource that a hook refuses. The reason stands only on the hook's own event.
func FailedHook(reason string) string { return hookMark + reason }

// failPlain fails a plain resource as CreateStackInput.Fail says. In a nested stack it is
// a resource that fails: the reason stands only on the nested stack's events.
func (e *Engine) failPlain(r *resource, reason string) {
	if why, ok := strings.CutPrefix(reason, hookMark); ok {
		e.appendHook(r, "HOOK_IN_PROGRESS", "Invoking hook")
		e.appendHook(r, "HOOK_COMPLETE_FAILED", why)
		e.fail(r, "The following hook(s) failed: ["+hookType+"]")
		return
	}
	if r.def.Type != typeStack || r.physicalID != "" {
		e.fail(r, reason)
		return
	}
	st := r.stack
	child := e.emptyStack(CreateStackInput{Name: st.name + "-" + r.def.LogicalID, Account: st.account})
	child.deployment = deployment{template: st.template, instance: st.instance}
	inner := &resource{stack: child, def: &gate.Resource{LogicalID: nestedResource, Type: "AWS::SQS::Queue"}}
	const failed = "The following resource(s) failed to create: [" + nestedResource + "]. "
	e.appendEvent(child, nil, CreateInProgress, "")
	e.appendEvent(child, inner, CreateInProgress, "")
	e.appendEvent(child, inner, CreateFailed, reason)
	e.appendEvent(child, nil, RollbackInProgress, failed+"Rollback requested by user.")
	e.appendEvent(child, nil, RollbackComplete, "")
	child.status = RollbackComplete
	e.byID[child.id] = child
	r.physicalID = child.id
	e.fail(r, "Embedded stack "+child.id+" was not successfully created: "+failed)
}

// appendHook appends an event of a hook that runs before a resource is provisioned.
func (e *Engine) appendHook(r *resource, status, reason string) {
	e.appendEvent(r.stack, r, r.status, "")
	last := &r.stack.events[len(r.stack.events)-1]
	last.repeated = true // a status of its own would be the resource's
	last.hook = Hook{hookType, status, reason, "FAIL", "PRE_PROVISION"}
}
