package fakecfn

import (
	"time"

	"countersign/deploy/gate"
)

// Status is the status of a stack or a resource.
type Status string

// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
const (
	CreateInProgress   Status = "CREATE_IN_PROGRESS"
	CreateFailed       Status = "CREATE_FAILED"
	CreateComplete     Status = "CREATE_COMPLETE"
	RollbackInProgress Status = "ROLLBACK_IN_PROGRESS"
	RollbackFailed     Status = "ROLLBACK_FAILED"
	RollbackComplete   Status = "ROLLBACK_COMPLETE"
	DeleteInProgress   Status = "DELETE_IN_PROGRESS"
	DeleteFailed       Status = "DELETE_FAILED"
	DeleteComplete     Status = "DELETE_COMPLETE"
	DeleteSkipped      Status = "DELETE_SKIPPED"
)

// InProgress reports whether an operation is in progress.
func (s Status) InProgress() bool {
	return s == CreateInProgress || s == RollbackInProgress || s == DeleteInProgress
}

// Tag is a stack tag.
type Tag struct{ Key, Value string }

// phase is the current operation of a stack.
type phase int

const (
	idle phase = iota
	creating
	removing // rolling back or deleting
)

// stack is a stack at run time, guarded by the engine's lock. It is also the environment of its template.
type stack struct {
	engine   *Engine
	template *gate.Template
	instance *gate.Instance

	id, name, uuid   string
	account          string
	description      string
	notificationARNs []string
	tags             []Tag
	disableRollback  bool
	fail             map[string]string // logical ID to status reason, from CreateStackInput.Fail

	status           Status
	reason           string
	created, deleted time.Time
	outputs          []gate.Output
	imports          map[string]bool // names of imported exports

	phase     phase
	resources []*resource // by index in the template; nil if a condition leaves it out
	ready     []*resource // to be started or deleted next
	pending   int         // resources that are not yet created
	inFlight  int         // Delete requests without a response

	events   []event // oldest first
	requests []*request
	signals  []Signal
}

// resource is a resource at run time.
type resource struct {
	stack *stack
	def   *gate.Resource
	kind  gate.Kind // KindPlain for a custom resource that Config.Serves does not serve

	physicalID string
	status     Status // empty: not started
	reason     string
	updated    time.Time
	blockers   int // unfinished dependencies, or dependents when deleting
	done       bool
	timer      int // serial of its current timer; 0 if none

	properties       *gate.Object
	maskedProperties string // the properties as events show them, in JSON

	wait      *waitState
	request   *request     // the request without a response
	data      *gate.Object // Data of a custom resource's response or of a wait condition's signals
	lastEvent Status       // status in the last event, to keep event IDs unique
}
