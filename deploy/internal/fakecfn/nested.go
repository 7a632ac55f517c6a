package fakecfn

import "countersign/deploy/gate"

// nestedResource is the logical ID of the resource that fails in a nested stack.
const nestedResource = "Inner"

// failPlain fails a plain resource as CreateStackInput.Fail says. In a nested stack it is
// a resource that fails: the reason stands only on the nested stack's events.
func (e *Engine) failPlain(r *resource, reason string) {
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
