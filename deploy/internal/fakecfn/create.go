package fakecfn

import (
	"maps"
	"slices"
)

// CreateStackInput says what to create.
type CreateStackInput struct {
	Name             string
	Template         *Template
	Parameters       map[string]string
	Tags             []Tag
	NotificationARNs []string
	DisableRollback  bool

	// Fail makes plain resources fail: the reason by logical ID.
	Fail map[string]string
}

// CreateStack starts a stack and takes it as far as it goes without input. Its errors are *Error: AlreadyExistsException,
// or ValidationError for a bad name, parameter or reference.
func (e *Engine) CreateStack(in CreateStackInput) (stackID string, err error) {
	e.do(func() {
		var st *stack
		if st, err = e.newStack(in); err != nil {
			return
		}
		stackID = st.id
		e.begin(st)
		e.run(st)
	})
	return stackID, err
}

// newStack checks the input and registers the stack.
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
	args, err := e.arguments(in.Template.parameters, in.Parameters)
	if err != nil {
		return nil, err
	}
	prog, err := in.Template.instance(e, args.values)
	if err != nil {
		return nil, err
	}
	st := e.blankStack(in, args)
	st.scope = &scope{engine: e, program: prog, stack: st, parameters: args.values}
	if err := st.prepare(); err != nil {
		return nil, err
	}
	e.stacks = append(e.stacks, st)
	e.byID[st.id], e.byName[st.name] = st, st
	return st, nil
}

func (e *Engine) blankStack(in CreateStackInput, args arguments) *stack {
	uuid := e.cfg.NewID()
	return &stack{
		engine:           e,
		id:               "arn:" + e.partition + ":cloudformation:" + e.cfg.Region + ":" + e.cfg.Account + ":stack/" + in.Name + "/" + uuid,
		name:             in.Name,
		uuid:             uuid,
		description:      in.Template.Description,
		notificationARNs: slices.Clone(in.NotificationARNs),
		parameters:       args.shown,
		tags:             slices.Clone(in.Tags),
		disableRollback:  in.DisableRollback,
		fail:             maps.Clone(in.Fail),
		created:          e.at,
		imports:          map[string]bool{},
	}
}

func checkStackName(name string) error {
	if name == "" || !consistsOf(name, letters+digits+"-") || !consistsOf(name[:1], letters) {
		return invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	if len(name) > 128 {
		return invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must have length less than or equal to 128", name)
	}
	return nil
}

// prepare does all that CreateStack checks before it answers.
func (st *stack) prepare() error {
	s := st.scope
	if err := s.checkRules(); err != nil {
		return err
	}
	if err := s.evaluateConditions(); err != nil {
		return err
	}
	st.plan = s.program.fixed
	if st.plan == nil {
		var err error
		if st.plan, err = s.program.plan(s.conditions); err != nil {
			return err
		}
	}
	st.resources = make([]*resource, len(s.program.resources))
	for i, def := range s.program.resources {
		if st.plan.active[i] {
			st.resources[i] = &resource{stack: st, index: i, def: def}
		}
	}
	if err := st.checkFail(); err != nil {
		return err
	}
	return st.checkEarly(false)
}

// checkFail refuses to promise a failure that would never come.
func (st *stack) checkFail() error {
	for _, name := range sortedKeys(st.fail) {
		i, ok := st.scope.program.resourceIndex[name]
		if !ok || st.resources[i] == nil || st.resources[i].def.kind != kindPlain {
			return invalid("Fail names %s, which is no plain resource of the stack", name) // own words
		}
	}
	return nil
}

// checkEarly evaluates the lookups that need no resource: those in mappings, which refuse the stack, or the
// imports, which fail it.
func (st *stack) checkEarly(imports bool) error {
	check := func(uses *references) error {
		for _, early := range uses.early {
			if early.isImport != imports || !open(early.guards, st.scope.conditions) {
				continue
			}
			if _, err := early.e.eval(st.scope); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range st.resources {
		if r != nil {
			if err := check(&r.def.uses); err != nil {
				return err
			}
		}
	}
	for _, def := range st.scope.program.outputs {
		if def.condition < 0 || st.scope.conditions[def.condition] {
			if err := check(&def.uses); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin starts the creation.
func (e *Engine) begin(st *stack) {
	st.phase = creating
	e.setStatus(st, CreateInProgress, "User Initiated")
	if st.scope.program.extended || st.scope.program.lenient {
		e.note(st, nil, CreateInProgress, "Transformation succeeded")
	}
	if err := st.checkEarly(true); err != nil {
		e.giveUp(st, message(err)+".")
		return
	}
	for i, r := range st.resources {
		if r == nil {
			continue
		}
		st.pending++
		if r.blockers = len(st.plan.needs[i]); r.blockers == 0 {
			st.ready = append(st.ready, r)
		}
	}
}
