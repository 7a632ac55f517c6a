package page

import (
	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
)

// Workspace is the real Slack workspace that the functions use instead of the
// simulated one. The page then shows a link to it, and its visitor acts as the
// requester.
type Workspace struct {
	Name      string
	URL       string // of the channel
	Requester Person
}

// Person is a member of the real workspace.
type Person struct{ Name, Email string }

// people returns the people that a visitor can act as.
func (p *Page) people() []person {
	if p.workspace == nil {
		return people
	}
	return []person{{ID: sandbox.Rita, Short: p.workspace.Requester.Name, Role: "requester", AWS: true}}
}

// adopt gives the simulated workspace's requester the name and address of the real
// one, by which the page finds people.
func (w *Workspace) adopt(s *sandbox.Sandbox) {
	s.Slack.AddUser(slacktest.User{ID: sandbox.Rita, Name: w.Requester.Name, RealName: w.Requester.Name, Email: w.Requester.Email})
}

// failures returns the failures that a launch can meet: a real workspace has none of
// the simulated Slack's.
func (p *Page) failures() []failureOption {
	if p.workspace == nil {
		return failureOptions
	}
	var out []failureOption
	for _, f := range failureOptions {
		if f.ID != failSlackDown && f.ID != failSlackRateLimit {
			out = append(out, f)
		}
	}
	return out
}
