package fakecfn

import (
	"slices"
	"time"

	"countersign/deploy/gate"
)

// Stack is a snapshot of a stack. While an update runs, parameters and tags are the new ones.
type Stack struct {
	ID, Name, Description string
	Status                Status
	StatusReason          string
	Created               time.Time
	Updated               time.Time // when the last update began; zero before the first
	Deleted               time.Time // also set by a rollback, as on AWS; zero before
	DisableRollback       bool
	NotificationARNs      []string
	Parameters            []gate.ParameterValue
	Tags                  []Tag
	Outputs               []gate.Output // set when the creation completes
	Resources             []Resource    // those started, in template order
	Events                []Event       // newest first
	Requests              []Request     // custom resource requests in the order sent
	Signals               []Signal      // in the order received
}

// Resource is one resource of a stack.
type Resource struct {
	LogicalID, PhysicalID, Type string
	Status                      Status
	StatusReason                string
	Timestamp                   time.Time // of the last status change
}

// Resource returns a resource by logical ID; the zero Resource if it has not started.
func (s Stack) Resource(logicalID string) Resource {
	for _, r := range s.Resources {
		if r.LogicalID == logicalID {
			return r
		}
	}
	return Resource{}
}

// Output returns the value of an output; empty if there is none.
func (s Stack) Output(key string) string {
	for _, o := range s.Outputs {
		if o.Key == key {
			return o.Value
		}
	}
	return ""
}

// Stacks returns all stacks in order of creation, including deleted ones.
func (e *Engine) Stacks() []Stack {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Stack, len(e.stacks))
	for i, st := range e.stacks {
		out[i] = st.snapshot()
	}
	return out
}

// Stack returns a stack by ID, or by name unless it is deleted.
func (e *Engine) Stack(id string) (Stack, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st, ok := e.find(id)
	if !ok {
		return Stack{}, false
	}
	return st.snapshot(), true
}

// Template returns a stack's template, during an update the new one.
func (e *Engine) Template(id string) (*gate.Template, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st, ok := e.find(id)
	if !ok {
		return nil, false
	}
	return st.template, true
}

// Status returns a stack's status and status reason. It is cheaper than Stack.
func (e *Engine) Status(id string) (status Status, reason string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st, ok := e.find(id)
	if !ok {
		return "", "", false
	}
	return st.status, st.reason, true
}

func (st *stack) snapshot() Stack {
	return Stack{
		ID: st.id, Name: st.name, Description: st.description,
		Status: st.status, StatusReason: st.reason,
		Created: st.created.UTC(), Updated: st.updated.UTC(), Deleted: st.deleted.UTC(), DisableRollback: st.disableRollback,
		NotificationARNs: slices.Clone(st.notificationARNs),
		Parameters:       slices.Clone(st.instance.Parameters),
		Tags:             slices.Clone(st.tags),
		Outputs:          slices.Clone(st.outputs),
		Resources:        st.snapshotResources(),
		Events:           st.snapshotEvents(0, len(st.events)),
		Requests:         st.snapshotRequests(),
		Signals:          slices.Clone(st.signals),
	}
}

func (st *stack) snapshotResources() []Resource {
	var out []Resource
	for _, r := range st.shown() {
		out = append(out, Resource{
			LogicalID: r.def.LogicalID, PhysicalID: r.physicalID, Type: r.def.Type,
			Status: r.status, StatusReason: r.reason, Timestamp: r.updated.UTC(),
		})
	}
	return out
}

// shown returns the started resources: those of the stack, and those that an update or its rollback will delete or has
// left behind.
func (st *stack) shown() []*resource {
	var all []*resource
	for _, r := range st.resources {
		if r != nil && r.status != "" {
			all = append(all, r)
		}
	}
	others := st.stranded
	if st.other != nil {
		others = st.other.without(&st.deployment)
	}
	for _, r := range others {
		if r.exists() && !r.isReplaced {
			all = append(all, r)
		}
	}
	return all
}

// snapshotEvents returns the events with indexes first to end-1, newest first.
func (st *stack) snapshotEvents(first, end int) []Event {
	out := make([]Event, 0, end-first)
	for i := end - 1; i >= first; i-- {
		out = append(out, st.event(i))
	}
	return out
}
