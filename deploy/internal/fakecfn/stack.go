package fakecfn

import (
	"strings"
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

	UpdateInProgress                        Status = "UPDATE_IN_PROGRESS"
	UpdateFailed                            Status = "UPDATE_FAILED" // of a resource only
	UpdateCompleteCleanupInProgress         Status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
	UpdateComplete                          Status = "UPDATE_COMPLETE"
	UpdateRollbackInProgress                Status = "UPDATE_ROLLBACK_IN_PROGRESS"
	UpdateRollbackFailed                    Status = "UPDATE_ROLLBACK_FAILED"
	UpdateRollbackCompleteCleanupInProgress Status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
	UpdateRollbackComplete                  Status = "UPDATE_ROLLBACK_COMPLETE"
)

// InProgress reports whether an operation is in progress.
func (s Status) InProgress() bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS")
}

// Tag is a stack tag.
type Tag struct{ Key, Value string }

// phase is the current operation of a stack.
type phase int

const (
	idle phase = iota
	creating
	updating
	reverting // rolling back an update
	removing  // rolling back a creation, deleting the stack, or cleaning up after an update
)

// stack is a stack at run time, guarded by the engine's lock. It is also the environment of its template.
type stack struct {
	engine *Engine
	deployment
	other    *deployment // during an update that before it; during its rollback that of the update; otherwise nil
	stranded []*resource // what a failed rollback of an update left behind

	id, name, uuid   string
	account          string
	notificationARNs []string
	disableRollback  bool

	status                    Status
	reason                    string
	created, updated, deleted time.Time

	phase    phase
	ready    []*resource // to be started or deleted next
	pending  int         // resources that are not yet created or updated
	inFlight int         // Delete requests without a response
	removal  []*resource // what the removal in progress deletes

	events   []event // oldest first
	requests []*request
	signals  []Signal
}

// resource is a resource at run time.
type resource struct {
	stack    *stack
	instance *gate.Instance // of the deployment that def belongs to
	def      *gate.Resource
	kind     gate.Kind // KindPlain for a custom resource that Config.Serves does not serve

	physicalID string
	status     Status // empty: not started
	reason     string
	updated    time.Time
	blockers   int  // unfinished dependencies, or dependents when deleting
	active     bool // it is being created or updated, or will be by the current operation
	done       bool
	timer      int         // serial of its current timer; 0 if none
	waiters    []*resource // what can be deleted once this is

	properties       *gate.Object
	maskedProperties string       // the properties as events show them, in JSON
	oldProperties    *gate.Object // before the update in progress
	replaced         []*resource  // its other physical IDs in the update in progress, to be deleted by the clean-up
	isReplaced       bool         // it is such a physical ID

	wait      *waitState
	request   *request     // the request without a response
	data      *gate.Object // Data of a custom resource's response or of a wait condition's signals
	lastEvent Status       // status in the last event, to keep event IDs unique
}
