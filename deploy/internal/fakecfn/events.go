package fakecfn

import (
	"strconv"
	"time"

	"countersign/deploy/gate"
)

// event is an entry of a stack's event log, in compact form.
type event struct {
	at         time.Time
	r          *resource // nil for the stack's own events
	physicalID string
	status     Status
	reason     string
	properties string // as the event shows them
	repeated   bool   // the resource's previous event has the same status
	hook       Hook
}

// Event is a stack event, as DescribeStackEvents shows it.
type Event struct {
	ID         string
	Timestamp  time.Time
	LogicalID  string // the stack's name for the stack's own events
	PhysicalID string
	Type       string
	Status     Status
	Reason     string
	Properties string // JSON; empty for the stack's own events
	Hook       Hook   // zero unless the event is about a hook
}

// Hook is what an event says about a CloudFormation Hook.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html
type Hook struct{ Type, Status, Reason, Mode, Point string }

// appendEvent appends an event; r is nil for the stack's own.
func (e *Engine) appendEvent(st *stack, r *resource, status Status, reason string) {
	ev := event{at: e.now, r: r, physicalID: st.id, status: status, reason: reason}
	if r != nil {
		ev.physicalID = r.physicalID
		ev.properties = r.maskedProperties
		ev.repeated = r.lastEvent == status || st.hasEvent(r.def.LogicalID, status, e.now)
		r.lastEvent = status
	}
	st.events = append(st.events, ev)
}

// hasEvent reports whether a stack that was updated has an event of a resource with the same status and time.
func (st *stack) hasEvent(logicalID string, status Status, at time.Time) bool {
	if st.updated.IsZero() {
		return false
	}
	for i := len(st.events) - 1; i >= 0 && st.events[i].at.Equal(at); i-- {
		if ev := &st.events[i]; ev.r != nil && ev.status == status && ev.r.def.LogicalID == logicalID {
			return true
		}
	}
	return false
}

// setResourceStatus sets a resource's status and appends its event.
func (e *Engine) setResourceStatus(r *resource, status Status, reason string) {
	r.status, r.reason, r.updated = status, reason, e.now
	e.appendEvent(r.stack, r, status, reason)
}

// setStackStatus sets a stack's status, appends its event and queues the EventBridge event.
func (e *Engine) setStackStatus(st *stack, status Status, reason string) {
	st.status, st.reason = status, reason
	e.appendEvent(st, nil, status, reason)
	if e.cfg.Emit != nil && st.account == e.cfg.Account {
		e.outbox = append(e.outbox, delivery{event: e.statusChange(st)})
	}
}

// statusChange returns the event that EventBridge delivers.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
func (e *Engine) statusChange(st *stack) []byte {
	b := make([]byte, 0, 640)
	b = append(b, `{"version":"0","id":`...)
	b = gate.AppendString(b, e.cfg.NewID())
	b = append(b, `,"detail-type":"CloudFormation Stack Status Change","source":"aws.cloudformation","account":`...)
	b = gate.AppendString(b, e.cfg.Account)
	b = append(b, `,"time":"`...)
	b = e.now.UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
	b = append(b, `","region":`...)
	b = gate.AppendString(b, e.cfg.Region)
	b = append(b, `,"resources":[`...)
	b = gate.AppendString(b, st.id)
	b = append(b, `],"detail":{"stack-id":`...)
	b = gate.AppendString(b, st.id)
	b = append(b, `,"status-details":{"status":`...)
	b = gate.AppendString(b, string(st.status))
	b = append(b, `,"status-reason":`...)
	b = gate.AppendString(b, st.reason)
	return append(b, `},"client-request-token":""}}`...)
}

// event returns the event with index i.
func (st *stack) event(i int) Event {
	ev := st.events[i]
	out := Event{
		Timestamp: ev.at.UTC(), LogicalID: st.name, PhysicalID: ev.physicalID, Type: typeStack,
		Status: ev.status, Reason: ev.reason,
	}
	out.Hook = ev.hook
	if ev.r == nil {
		out.ID = makeUUID(st.uuid + strconv.Itoa(i))
		return out
	}
	out.LogicalID, out.Type, out.Properties = ev.r.def.LogicalID, ev.r.def.Type, ev.properties
	if ev.repeated {
		out.ID = out.LogicalID + "-" + makeUUID(st.uuid+strconv.Itoa(i))
		return out
	}
	out.ID = out.LogicalID + "-" + string(ev.status) + "-" + out.Timestamp.Format(timeLayout)
	return out
}

const typeStack = "AWS::CloudFormation::Stack"

// timeLayout is CloudFormation's time format.
const timeLayout = "2006-01-02T15:04:05.000Z"
