package page

import (
	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// hint is one of the first steps that a newcomer is told of.
type hint struct {
	Number int
	Title  string
	Text   string
	Next   bool   // the one to take now
	Become person // who takes it, if the viewer is somebody else
}

// hintsFor lists the steps that nobody has taken yet. After the last there are
// none for ever.
func hintsFor(stacks []fakecfn.Stack, requests []handle.Request, viewer person) []hint {
	launched, decided, ended := len(stacks) > 0, false, false
	for _, s := range stacks {
		ended = ended || !s.Status.InProgress()
		for _, r := range requests { // the record may hold older ones
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
		{hint{Title: "Launch as Rita", Text: "The form is filled in. Its stack stops at the gate, and Slack is asked."}, launched, cast[0]},
		{hint{Title: "Be Ann, and press Approve", Text: "In Slack, on the message. Or press Reject and say why."}, decided, cast[1]},
		{hint{Title: "Watch the stack go on", Text: "Its events, the thread in Slack and the record tell the same story."}, ended, person{}},
	}
	var out []hint
	for i, s := range steps {
		if s.done {
			continue
		}
		s.Number, s.Next = i+1, len(out) == 0
		if s.Next && s.who.ID != viewer.ID {
			s.Become = s.who
		}
		out = append(out, s.hint)
	}
	return out
}
