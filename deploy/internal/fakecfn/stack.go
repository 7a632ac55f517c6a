package fakecfn

import (
	"time"

	"countersign/deploy/gate"
)

// Status is the status of a stack or of a resource.
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

// InProgress reports whether CloudFormation is still at work.
func (s Status) InProgress() bool {
	return s == CreateInProgress || s == RollbackInProgress || s == DeleteInProgress
}

// Tag is a stack tag.
type Tag struct{ Key, Value string }

// phase is what a stack is at.
type phase int

const (
	idle phase = iota
	creating
	removing // rolling back or deleting
)

// stack is one stack at run time. All of it is owned by the engine's lock.
type stack struct {
	engine   *Engine
	instance *gate.Instance

	id, name, uuid   string
	description      string
	notificationARNs []string
	tags             []Tag
	disableRollback  bool
	fail             map[string]string // by logical ID: why that plain resource cannot be created

	status           Status
	reason           string
	created, deleted time.Time
	outputs          []gate.Output
	imports          map[string]bool // names of the exports in use

	phase     phase
	resources []*resource // as the program's; nil: left out by its condition
	ready     []*resource // what may be started or deleted now
	pending   int         // resources that are not yet complete, or not yet gone
	inFlight  int         // deletions that wait for an answer

	events   []event // oldest first
	requests []*request
	signals  []Signal
}

// resource is one resource at run time.
type resource struct {
	stack *stack
	def   *gate.Resource

	physicalID string
	status     Status // "": not begun
	reason     string
	updated    time.Time
	blockers   int // what it waits for before it may be started or deleted
	done       bool
	timer      int // the serial of the timer that counts; 0: none

	properties       *gate.Object
	maskedProperties string // the properties as events show them, JSON

	wait      *waitState
	request   *request     // the custom resource request that waits for an answer
	data      *gate.Object // what a custom resource answered
	lastEvent Status       // of the last event, to keep event IDs unique
}
