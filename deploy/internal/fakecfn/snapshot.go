package fakecfn

import (
	"slices"
	"time"

	"countersign/deploy/gate"
)

// Stack is a stack as it stood when it was asked for.
type Stack struct {
	ID, Name, Description string
	Status                Status
	StatusReason          string
	Created               time.Time
	Deleted               time.Time // also the end of a rollback, as on AWS; zero before
	DisableRollback       bool
	NotificationARNs      []string
	Parameters            []gate.ParameterValue
	Tags                  []Tag
	Outputs               []gate.Output // of a complete stack
	Resources             []Resource    // those begun, in the order of the template
	Events                []Event       // newest first
	Requests              []Request     // to custom resources, in the order sent
	Signals               []Signal      // to wait handles, in the order received
}

// Resource is one resource of a stack.
type Resource struct {
	LogicalID, PhysicalID, Type string
	Status                      Status
	StatusReason                string
	Timestamp                   time.Time // of the last change
}

// Resource returns a resource by its logical ID; the zero one when it has not begun.
func (s Stack) Resource(logicalID string) Resource {
	for _, r := range s.Resources {
		if r.LogicalID == logicalID {
			return r
		}
	}
	return Resource{}
}

// Output returns the value of an output, "" when there is none.
func (s Stack) Output(key string) string {
	for _, o := range s.Outputs {
		if o.Key == key {
			return o.Value
		}
	}
	return ""
}

// Stacks returns all stacks, the deleted ones too, in order of creation.
func (e *Engine) Stacks() []Stack {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Stack, len(e.stacks))
	for i, st := range e.stacks {
		out[i] = st.snapshot()
	}
	return out
}

// Stack returns a stack by its ID, or by its name if it is not deleted.
func (e *Engine) Stack(id string) (Stack, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st, ok := e.find(id)
	if !ok {
		return Stack{}, false
	}
	return st.snapshot(), true
}

// Status returns no more than the status of a stack and its reason; it is cheap.
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
		Created: st.created.UTC(), Deleted: st.deleted.UTC(), DisableRollback: st.disableRollback,
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
	for _, r := range st.resources {
		if r == nil || r.status == "" {
			continue
		}
		out = append(out, Resource{
			LogicalID: r.def.LogicalID, PhysicalID: r.physicalID, Type: r.def.Type,
			Status: r.status, StatusReason: r.reason, Timestamp: r.updated.UTC(),
		})
	}
	return out
}

// copyEvents writes out the events from number first up to, not including, end; newest first.
func (st *stack) snapshotEvents(first, end int) []Event {
	out := make([]Event, 0, end-first)
	for i := end - 1; i >= first; i-- {
		out = append(out, st.event(i))
	}
	return out
}
