package fakecfn

import (
	"cmp"
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

	// Fail makes plain resources fail: logical ID to status reason, or to FailedHook of one.
	Fail map[string]string
}

// LastBehindGate is a key of CreateStackInput.Fail and UpdateStackInput.Fail: it stands for the last resource of the stack
// that an approval releases, which may be a custom resource that is not served.
const LastBehindGate = ""

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
	d, err := st.deploy(in.Template, in.Parameters, in.Tags, in.Fail)
	if err != nil {
		return nil, err
	}
	st.deployment = *d
	e.stacks = append(e.stacks, st)
	e.byID[st.id], e.byName[st.name] = st, st
	return st, nil
}

func (e *Engine) emptyStack(in CreateStackInput) *stack {
	uuid, account := e.cfg.NewID(), cmp.Or(in.Account, e.cfg.Account)
	return &stack{
		engine:           e,
		id:               "arn:" + e.partition + ":cloudformation:" + e.cfg.Region + ":" + account + ":stack/" + in.Name + "/" + uuid,
		account:          account,
		name:             in.Name,
		uuid:             uuid,
		notificationARNs: slices.Clone(in.NotificationARNs),
		disableRollback:  in.DisableRollback,
		created:          e.now,
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

// startCreation starts the creation of a stack.
func (e *Engine) startCreation(st *stack) {
	st.phase = creating
	e.setStackStatus(st, CreateInProgress, "User Initiated")
	e.noteTransforms(st)
	if err := st.instance.CheckImports(); err != nil {
		e.rollBack(st, message(err)+".")
		return
	}
	e.queueAll(st)
}

// queueAll makes the current operation handle all resources, in dependency order.
func (e *Engine) queueAll(st *stack) {
	st.pending, st.ready = 0, nil
	for _, r := range st.resources {
		if r == nil {
			continue
		}
		r.active = true
		st.pending++
		if r.blockers = len(st.instance.Needs(r.def)); r.blockers == 0 {
			st.ready = append(st.ready, r)
		}
	}
}

// noteTransforms appends the event that tells of the template's transforms.
func (e *Engine) noteTransforms(st *stack) {
	if st.instance.Transforms() {
		e.appendEvent(st, nil, st.status, "Transformation succeeded")
	}
}
