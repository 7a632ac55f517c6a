package fakecfn

import (
	"cmp"
	"maps"
	"regexp"
	"slices"

	"countersign/deploy/gate"
)

// CreateStackInput is the input of CreateStack.
type CreateStackInput struct {
	Name             string
	Template         *gate.Template
	Parameters       map[string]string
	Tags             []Tag
	NotificationARNs []string
	DisableRollback  bool

	// Account is the account of the stack; empty means the engine's own. Stacks of other accounts behave alike, but the
	// API does not find them, and their EventBridge events stay in their account.
	Account string

	// Fail makes plain resources fail: logical ID to status reason.
	Fail map[string]string
}

// CreateStack creates a stack and takes it as far as it can go. Its errors are *Error: AlreadyExistsException, or
// ValidationError for an invalid name, parameter or reference.
func (e *Engine) CreateStack(in CreateStackInput) (stackID string, err error) {
	e.do(func() {
		var st *stack
		if st, err = e.newStack(in); err != nil {
			return
		}
		stackID = st.id
		e.startCreation(st)
		e.run(st)
	})
	return stackID, err
}

// newStack validates the input and registers the stack.
func (e *Engine) newStack(in CreateStackInput) (*stack, error) {
	if in.Template == nil {
		return nil, invalid("Either Template URL or Template Body must be specified.")
	}
	if err := checkStackName(in.Name); err != nil {
		return nil, err
	}
	if _, taken := e.byName[in.Name]; taken {
		return nil, &Error{Code: codeAlreadyExists, Message: "Stack [" + in.Name + "] already exists"}
	}
	st := e.emptyStack(in)
	var err error
	if st.instance, err = in.Template.Instantiate(st, in.Parameters); err != nil {
		return nil, err
	}
	for _, def := range st.instance.Resources() {
		var r *resource
		if st.instance.Includes(def) {
			r = &resource{stack: st, def: def, kind: def.Kind}
		}
		st.resources = append(st.resources, r)
	}
	if err := st.checkFail(); err != nil {
		return nil, err
	}
	e.stacks = append(e.stacks, st)
	e.byID[st.id], e.byName[st.name] = st, st
	return st, nil
}

func (e *Engine) emptyStack(in CreateStackInput) *stack {
	uuid, account := e.cfg.NewID(), cmp.Or(in.Account, e.cfg.Account)
	return &stack{
		engine:           e,
		template:         in.Template,
		id:               "arn:" + e.partition + ":cloudformation:" + e.cfg.Region + ":" + account + ":stack/" + in.Name + "/" + uuid,
		account:          account,
		name:             in.Name,
		uuid:             uuid,
		description:      in.Template.Description,
		notificationARNs: slices.Clone(in.NotificationARNs),
		tags:             slices.Clone(in.Tags),
		disableRollback:  in.DisableRollback,
		fail:             maps.Clone(in.Fail),
		created:          e.now,
		imports:          map[string]bool{},
	}
}

var stackNamePattern = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`)

func checkStackName(name string) error {
	if !stackNamePattern.MatchString(name) {
		return invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	if len(name) > 128 {
		return invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must have length less than or equal to 128", name)
	}
	return nil
}

// checkFail refuses resources that cannot be made to fail.
func (st *stack) checkFail() error {
	for _, name := range slices.Sorted(maps.Keys(st.fail)) {
		if !slices.ContainsFunc(st.resources, func(r *resource) bool {
			return r != nil && r.def.LogicalID == name && r.def.Kind == gate.KindPlain
		}) {
			return invalid("Fail names %s, which is not a plain resource of the stack", name) // own words
		}
	}
	return nil
}

// startCreation starts the creation of a stack.
func (e *Engine) startCreation(st *stack) {
	st.phase = creating
	e.setStackStatus(st, CreateInProgress, "User Initiated")
	if st.instance.Transforms() {
		e.appendEvent(st, nil, CreateInProgress, "Transformation succeeded")
	}
	if err := st.instance.CheckImports(); err != nil {
		e.rollBack(st, message(err)+".")
		return
	}
	for _, r := range st.resources {
		if r == nil {
			continue
		}
		st.pending++
		if r.blockers = len(st.instance.Needs(r.def)); r.blockers == 0 {
			st.ready = append(st.ready, r)
		}
	}
}
