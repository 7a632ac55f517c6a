package fakecfn

import (
	"net/url"
	"slices"

	"countersign/deploy/gate"
)

// UpdateStackInput is the input of UpdateStack.
type UpdateStackInput struct {
	Stack    string         // ID or name
	Template *gate.Template // nil: that of the stack (UsePreviousTemplate)

	// Parameters are the new values. With UsePreviousValues the other parameters keep theirs; otherwise they get their
	// defaults.
	Parameters        map[string]string
	UsePreviousValues bool

	Tags []Tag // nil: those of the stack

	// Fail makes plain resources fail when the update creates or changes them: logical ID to status reason. Its rollback
	// does not fail.
	Fail map[string]string
}

// UpdateStack updates a stack and takes it as far as it can go. Its errors are *Error with code ValidationError: for a
// stack that does not exist or cannot be updated in its status, for invalid input, and if nothing changes.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-direct.html
func (e *Engine) UpdateStack(in UpdateStackInput) (err error) {
	e.do(func() {
		st, ok := e.find(in.Stack)
		if !ok {
			err = invalid("Stack [%s] does not exist", in.Stack)
			return
		}
		switch st.status {
		case CreateComplete, UpdateComplete, UpdateRollbackComplete:
		default:
			err = invalid("Stack:%s is in %s state and can not be updated.", st.id, st.status)
			return
		}
		if err = e.prepareUpdate(st, in); err != nil {
			return
		}
		e.startUpdate(st)
		e.run(st)
	})
	return err
}

// prepareUpdate validates the input and makes the update's deployment the stack's.
func (e *Engine) prepareUpdate(st *stack, in UpdateStackInput) error {
	template, tags := in.Template, in.Tags
	if template == nil {
		template = st.template
	}
	if tags == nil {
		tags = st.tags
	}
	d, err := st.deploy(template, st.newParameters(template, in), tags, in.Fail)
	if err != nil {
		return err
	}
	st.other = d
	st.swap()
	if !st.changes() {
		st.swap()
		st.other = nil
		return invalid("No updates are to be performed.")
	}
	return nil
}

// newParameters returns the parameter values of an update.
func (st *stack) newParameters(template *gate.Template, in UpdateStackInput) map[string]string {
	values := map[string]string{}
	if in.UsePreviousValues {
		for _, p := range template.Parameters() {
			if value, ok := st.parameters[p.Name]; ok {
				values[p.Name] = value
			}
		}
	}
	for name, value := range in.Parameters {
		values[name] = value
	}
	return values
}

// changes reports whether the active deployment differs from the one before. What cannot be evaluated yet is a change.
func (st *stack) changes() bool {
	if !slices.Equal(st.tags, st.other.tags) || len(st.without(st.other)) > 0 || len(st.other.without(&st.deployment)) > 0 {
		return true
	}
	for _, r := range st.resources {
		if r == nil {
			continue
		}
		properties, err := st.instance.Properties(r.def)
		if err != nil || !sameValue(properties, r.properties) {
			return true
		}
	}
	outputs, err := st.instance.Outputs()
	return err != nil || !slices.Equal(outputs, st.outputs)
}

// CancelUpdateStack cancels an update and rolls it back. Its errors are *Error with code ValidationError: for a stack that
// does not exist, or whose status is not UPDATE_IN_PROGRESS.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html
func (e *Engine) CancelUpdateStack(id string) (err error) {
	e.do(func() {
		st, ok := e.find(id)
		switch {
		case !ok:
			err = invalid("Stack [%s] does not exist", id)
		case st.status != UpdateInProgress:
			err = invalid("CancelUpdateStack cannot be called from current stack status")
		default:
			e.cancelResources(st)
			e.rollBackUpdate(st, "User Initiated") // own words
			e.run(st)
		}
	})
	return err
}

// cancelUpdateStack serves the API action CancelUpdateStack.
func (e *Engine) cancelUpdateStack(_ *xmlWriter, form url.Values) *Error {
	name := form.Get("StackName")
	e.mu.Lock()
	_, ok := e.readable(name)
	e.mu.Unlock()
	if !ok {
		return &Error{Code: codeValidation, Message: "Stack [" + name + "] does not exist"}
	}
	if err := e.CancelUpdateStack(name); err != nil {
		return &Error{Code: codeValidation, Message: message(err)}
	}
	return nil
}
