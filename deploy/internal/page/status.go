package page

import (
	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// state is how something stands: a word for people, a sign beside it, and a kind
// that colours both. None of the three says anything alone.
type state struct {
	Kind string // busy, wait, good, bad or gone
	Sign string
	Word string
	Code string // CloudFormation's own word, if it has one
}

var statuses = map[fakecfn.Status]state{
	fakecfn.CreateInProgress:   {Kind: "busy", Sign: "●", Word: "being created"},
	fakecfn.CreateComplete:     {Kind: "good", Sign: "✓", Word: "created"},
	fakecfn.CreateFailed:       {Kind: "bad", Sign: "✕", Word: "failed"},
	fakecfn.RollbackInProgress: {Kind: "bad", Sign: "●", Word: "being rolled back"},
	fakecfn.RollbackComplete:   {Kind: "bad", Sign: "↩", Word: "rolled back"},
	fakecfn.RollbackFailed:     {Kind: "bad", Sign: "✕", Word: "rollback failed"},
	fakecfn.DeleteInProgress:   {Kind: "busy", Sign: "●", Word: "being deleted"},
	fakecfn.DeleteComplete:     {Kind: "gone", Sign: "–", Word: "deleted"},
	fakecfn.DeleteFailed:       {Kind: "bad", Sign: "✕", Word: "could not be deleted"},
	fakecfn.DeleteSkipped:      {Kind: "gone", Sign: "–", Word: "kept"},
}

// stateOf words a status. One that is not known is shown as it is.
func stateOf(s fakecfn.Status) state {
	out, ok := statuses[s]
	if !ok {
		out = state{Kind: "busy", Sign: "●", Word: string(s)}
	}
	out.Code = string(s)
	return out
}

// stateOfStack words the status of a stack: one that waits at its gate says so.
func stateOfStack(s fakecfn.Stack) state {
	out := stateOf(s.Status)
	if s.Status == fakecfn.CreateComplete {
		out.Word = "up"
	}
	if s.Status == fakecfn.CreateInProgress && waits(s) {
		out.Kind, out.Sign, out.Word = "wait", "◔", "waits for approval"
	}
	return out
}

// waits reports whether the stack stands at a wait condition.
func waits(s fakecfn.Stack) bool {
	for _, r := range s.Resources {
		if r.Type == "AWS::CloudFormation::WaitCondition" && r.Status == fakecfn.CreateInProgress {
			return true
		}
	}
	return false
}

// stateOfRequest words the state of a request.
func stateOfRequest(r handle.Request) state {
	if r.Bypass != nil {
		return state{Kind: "bad", Sign: "!", Word: "bypassed approval"}
	}
	switch r.State() {
	case handle.Pending:
		return state{Kind: "wait", Sign: "◔", Word: "pending"}
	case handle.Approved:
		return state{Kind: "good", Sign: "✓", Word: "approved"}
	case handle.Rejected:
		return state{Kind: "bad", Sign: "✕", Word: "rejected"}
	case handle.Expired:
		return state{Kind: "bad", Sign: "⌛", Word: "expired"}
	}
	return state{Kind: "gone", Sign: "↩", Word: string(r.State())}
}
