package page

import (
	"strings"

	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// state is the display of a status: a word, a symbol, and a kind that selects the
// color. Color never carries meaning on its own.
type state struct {
	Kind   string // busy, wait, good, bad or gone
	Symbol string
	Word   string
	Code   string // CloudFormation's status code, if there is one
}

var statuses = map[fakecfn.Status]state{
	fakecfn.CreateInProgress:   {Kind: "busy", Symbol: "●", Word: "creating"},
	fakecfn.CreateComplete:     {Kind: "good", Symbol: "✓", Word: "created"},
	fakecfn.CreateFailed:       {Kind: "bad", Symbol: "✕", Word: "failed"},
	fakecfn.RollbackInProgress: {Kind: "bad", Symbol: "●", Word: "rolling back"},
	fakecfn.RollbackComplete:   {Kind: "bad", Symbol: "↩", Word: "rolled back"},
	fakecfn.RollbackFailed:     {Kind: "bad", Symbol: "✕", Word: "rollback failed"},
	fakecfn.UpdateInProgress:   {Kind: "busy", Symbol: "●", Word: "updating"},
	fakecfn.UpdateComplete:     {Kind: "good", Symbol: "✓", Word: "updated"},
	fakecfn.UpdateFailed:       {Kind: "bad", Symbol: "✕", Word: "update failed"},
	fakecfn.DeleteInProgress:   {Kind: "busy", Symbol: "●", Word: "deleting"},
	fakecfn.DeleteComplete:     {Kind: "gone", Symbol: "–", Word: "deleted"},
	fakecfn.DeleteFailed:       {Kind: "bad", Symbol: "✕", Word: "delete failed"},
	fakecfn.DeleteSkipped:      {Kind: "gone", Symbol: "–", Word: "retained"},

	fakecfn.UpdateCompleteCleanupInProgress:         {Kind: "busy", Symbol: "●", Word: "cleaning up"},
	fakecfn.UpdateRollbackInProgress:                {Kind: "bad", Symbol: "●", Word: "rolling back the update"},
	fakecfn.UpdateRollbackFailed:                    {Kind: "bad", Symbol: "✕", Word: "rollback of the update failed"},
	fakecfn.UpdateRollbackCompleteCleanupInProgress: {Kind: "bad", Symbol: "●", Word: "cleaning up"},
	fakecfn.UpdateRollbackComplete:                  {Kind: "bad", Symbol: "↩", Word: "update rolled back"},
}

// stateOf returns the display of a status. An unknown one is shown as it is.
func stateOf(s fakecfn.Status) state {
	out, ok := statuses[s]
	if !ok {
		out = state{Kind: "busy", Symbol: "●", Word: string(s)}
	}
	out.Code = string(s)
	return out
}

// stateOfStack returns the display of a stack's status. A stack held at its gate
// is shown as waiting.
func stateOfStack(s fakecfn.Stack) state {
	out := stateOf(s.Status)
	if s.Status == fakecfn.CreateComplete {
		out.Word = "running"
	}
	if s.Status == fakecfn.CreateInProgress && isWaiting(s) || s.Status == fakecfn.UpdateInProgress && isHeld(s) {
		out.Kind, out.Symbol, out.Word = "wait", "◔", "waiting for approval"
	}
	return out
}

// isWaiting reports whether a wait condition of the stack is in progress.
func isWaiting(s fakecfn.Stack) bool {
	for _, r := range s.Resources {
		if r.Type == "AWS::CloudFormation::WaitCondition" && r.Status == fakecfn.CreateInProgress {
			return true
		}
	}
	return false
}

// isHeld reports whether a custom resource of the stack is being updated. In the
// sandbox only a gate takes time for that.
func isHeld(s fakecfn.Stack) bool {
	for _, r := range s.Resources {
		if strings.HasPrefix(r.Type, "Custom::") && r.Status == fakecfn.UpdateInProgress {
			return true
		}
	}
	return false
}

// isUpdatable reports whether CloudFormation can update the stack now.
func isUpdatable(s fakecfn.Stack) bool {
	switch s.Status {
	case fakecfn.CreateComplete, fakecfn.UpdateComplete, fakecfn.UpdateRollbackComplete:
		return true
	}
	return false
}

// stateOfRequest returns the display of a request's state.
func stateOfRequest(r handle.Request) state {
	if r.Bypass != nil {
		return state{Kind: "bad", Symbol: "!", Word: "bypassed approval"}
	}
	switch r.State() {
	case handle.Pending:
		return state{Kind: "wait", Symbol: "◔", Word: "pending"}
	case handle.Approved:
		return state{Kind: "good", Symbol: "✓", Word: "approved"}
	case handle.Rejected:
		return state{Kind: "bad", Symbol: "✕", Word: "rejected"}
	case handle.Expired:
		return state{Kind: "bad", Symbol: "⌛", Word: "expired"}
	}
	return state{Kind: "gone", Symbol: "↩", Word: string(r.State())}
}
