package handle

import (
	"fmt"
	"time"
)

const (
	maxOutputs = 20
	maxOutput  = 300 // bytes of a value
)

// ObserveStatus records a final stack status that an event reported. An event
// proves nothing, so this only makes StepWatch due, which asks CloudFormation.
func (r Request) ObserveStatus(status, reason string, now time.Time) Request {
	if r.Ended != nil || r.Stack.Status == status {
		return r
	}
	r = r.clearAttempts(Step{Kind: StepWatch})
	r.Stack.Status, r.Stack.Reason, r.Stack.StatusAt = status, Truncate(reason, 500), now
	return r
}

// RecordEnd records how the stack operation ended. It withdraws a pending
// request. If the stack succeeded without an approval, it records a bypass. Only
// the first end is kept. Secrets in the reason and the outputs are redacted.
func (r Request) RecordEnd(e Ended) Request {
	if r.Ended != nil {
		return r
	}
	r = r.clearAttempts(Step{Kind: StepWatch}).clearRefreshAttempts()
	e.Reason = Truncate(r.WaitURL.Redact(e.Reason), 500)
	e.Outputs = redactFields(r.WaitURL, e.Outputs, maxOutputs, maxOutput)
	r.Ended = &e
	r = r.appendEvent(Event{At: e.At, Kind: EventEnded, Text: e.Status})
	if !e.Succeeded() && !e.Updated {
		return r.Withdraw("the stack ended before a decision", e.At)
	}
	if r.State() != Approved && !e.Superseded {
		r = r.RecordBypass(fmt.Sprintf("the stack reached %s while the request was %s", e.Status, r.State()), e.At)
	}
	return r.Withdraw("the stack went on without a decision", e.At)
}

// ObserveUpdate records that an event reported an update of the stack of an approved
// request, after the request's own operation had ended. An event proves nothing, so
// this only makes StepCheck due.
func (r Request) ObserveUpdate(now time.Time) Request {
	if r.State() != Approved || r.Ended == nil || r.Content.Parameters == "" && r.Content.Template == "" {
		return r
	}
	r = r.clearAttempts(Step{Kind: StepCheck})
	r.Stack.UpdateAt = now
	return r
}

// UpdateChecked records that the reported update has ended and was compared with
// what was approved.
func (r Request) UpdateChecked() Request {
	if r.Stack.UpdateAt.IsZero() {
		return r
	}
	r = r.clearAttempts(Step{Kind: StepCheck})
	r.Stack.UpdateAt = time.Time{}
	return r
}

// RecordContent records the template and the parameters of the stack once an
// approved update has ended: later updates are compared with them.
func (r Request) RecordContent(template, parameters string) Request {
	if r.Update == nil || r.State() != Approved {
		return r
	}
	r = r.Clone()
	r.Content.Template, r.Content.Parameters = template, parameters
	return r
}

// RecordBypass records that the stack passed the gate, or tried to, without an
// approval. Only the first bypass is kept.
func (r Request) RecordBypass(how string, now time.Time) Request {
	if r.Bypass != nil {
		return r
	}
	r = r.Clone()
	r.Bypass = &Bypass{At: now, How: how}
	return r.clearRefreshAttempts().appendEvent(Event{At: now, Kind: EventBypass, Text: how})
}

// Succeeded reports whether the stack's creation or update went through.
func (e Ended) Succeeded() bool {
	return e.Status == "CREATE_COMPLETE" || e.Status == "UPDATE_COMPLETE"
}

// FinalStatus reports whether a stack operation can end with status. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
func FinalStatus(status string) bool {
	switch status {
	case "CREATE_COMPLETE", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED",
		"UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED",
		"DELETE_COMPLETE", "DELETE_FAILED":
		return true
	}
	return false
}
