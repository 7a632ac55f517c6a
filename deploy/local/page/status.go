package page

import (
	"countersign/deploy/local/cloudformation"
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

var statuses = map[cloudformation.Status]state{
	cloudformation.CreateInProgress:   {Kind: "busy", Sign: "●", Word: "being created"},
	cloudformation.CreateComplete:     {Kind: "good", Sign: "✓", Word: "created"},
	cloudformation.CreateFailed:       {Kind: "bad", Sign: "✕", Word: "failed"},
	cloudformation.RollbackInProgress: {Kind: "bad", Sign: "●", Word: "being rolled back"},
	cloudformation.RollbackComplete:   {Kind: "bad", Sign: "↩", Word: "rolled back"},
	cloudformation.RollbackFailed:     {Kind: "bad", Sign: "✕", Word: "rollback failed"},
	cloudformation.DeleteInProgress:   {Kind: "busy", Sign: "●", Word: "being deleted"},
	cloudformation.DeleteComplete:     {Kind: "gone", Sign: "–", Word: "deleted"},
	cloudformation.DeleteFailed:       {Kind: "bad", Sign: "✕", Word: "could not be deleted"},
	cloudformation.DeleteSkipped:      {Kind: "gone", Sign: "–", Word: "kept"},
}

// stateOf words a status. One that is not known is shown as it is.
func stateOf(s cloudformation.Status) state {
	out, ok := statuses[s]
	if !ok {
		out = state{Kind: "busy", Sign: "●", Word: string(s)}
	}
	out.Code = string(s)
	return out
}

// stateOfStack words the status of a stack: one that waits at its gate says so.
func stateOfStack(s cloudformation.Stack) state {
	out := stateOf(s.Status)
	if s.Status == cloudformation.CreateComplete {
		out.Word = "up"
	}
	if s.Status == cloudformation.CreateInProgress && waits(s) {
		out.Kind, out.Sign, out.Word = "wait", "◔", "waits for approval"
	}
	return out
}

// waits reports whether the stack stands at a wait condition.
func waits(s cloudformation.Stack) bool {
	for _, r := range s.Resources {
		if r.Type == "AWS::CloudFormation::WaitCondition" && r.Status == cloudformation.CreateInProgress {
			return true
		}
	}
	return false
}

// stateOfRequest words the state of a request.
func stateOfRequest(r handle.Request) state {
	if r.Bypass != nil {
		return state{Kind: "bad", Sign: "!", Word: "went round the approval"}
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
