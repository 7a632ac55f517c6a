package page

import (
	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// hint is one of the first steps suggested to a new visitor.
type hint struct {
	Number   int
	Title    string
	Text     string
	Next     bool   // the step to take now
	SwitchTo person // who takes it, if not the viewer
}

// nextSteps returns the steps still to take. Once any stack has finished, there
// are none.
func nextSteps(stacks []fakecfn.Stack, requests []handle.Request, viewer person) []hint {
	launched, decided, ended := len(stacks) > 0, false, false
	for _, s := range stacks {
		ended = ended || !s.Status.InProgress()
		for _, r := range requests { // the store may also hold requests of earlier runs
			decided = decided || r.Stack.ID == s.ID && (len(r.Votes) > 0 || r.Decision != nil)
		}
	}
	if ended {
		return nil
	}
	steps := []struct {
		hint
		done bool
		who  person
	}{
		{hint{Title: "Launch as Rita", Text: "The form is filled in. The stack stops at the gate and the request appears in Slack."}, launched, people[0]},
		{hint{Title: "Choose Approve as Ann", Text: "The buttons are on the Slack message. Reject asks for a reason."}, decided, people[1]},
		{hint{Title: "Watch the stack continue", Text: "Follow it in the stack’s events, the Slack thread and the record."}, ended, person{}},
	}
	var out []hint
	for i, s := range steps {
		if s.done {
			continue
		}
		s.Number, s.Next = i+1, len(out) == 0
		if s.Next && s.who.ID != viewer.ID {
			s.SwitchTo = s.who
		}
		out = append(out, s.hint)
	}
	return out
}
