package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// content is what a stack was asked to run.
type content struct {
	at         time.Time
	edition    int               // of the template
	parameters map[string]string // all of them
}

func (c content) equal(d content) bool {
	return c.edition == d.edition && maps.Equal(c.parameters, d.parameters)
}

// launched notes a launch.
func (s *simulation) launched(stack string, p product, l sandbox.Launch) {
	values := map[string]string{"Size": "1", "Note": "none"} // the defaults
	maps.Copy(values, l.Parameters)
	s.stacks = append(s.stacks, launchedStack{stack, p, l, []content{{s.now(), p.edition, values}}})
}

// update updates a launched product: with other values, another template, or the
// same content; honestly or past the gate.
func (s *simulation) update(a Action) {
	if len(s.stacks) == 0 {
		return
	}
	l := &s.stacks[a.A%len(s.stacks)]
	next := content{s.now(), l.contents[len(l.contents)-1].edition, map[string]string{}}
	stack, _ := s.sandbox.CloudFormation.Stack(l.stack)
	for _, p := range stack.Parameters {
		next.parameters[p.Key] = p.Value
	}
	p, u := l.product, sandbox.Update{Parameters: map[string]string{}}
	n := a.B / 12
	switch a.B % 12 {
	case 5:
		p.edition++
		p.passedEdition = p.edition
	case 6: // the template says that it has not changed
		p.edition++
	case 7:
		u.Parameters["Note"] = fmt.Sprintf("note %d", n%2)
	case 8:
		u.Parameters["Size"], u.Failures = fmt.Sprint(n%4), map[string]string{behindGate: "the queue failed"}
	case 9:
		u.Version = "pa-0another00001"
	case 10:
		u.Parameters["UserEmail"] = []string{"ann@example.com", "rita@example.com"}[n%2]
	case 11: // the same content, spelled out
		u.Version, u.Parameters["Size"] = fmt.Sprintf("pa-0another0000%d", n%4), next.parameters["Size"]
	default:
		u.Parameters["Size"] = fmt.Sprint(n % 4)
	}
	maps.Copy(next.parameters, u.Parameters)
	if p.edition != l.edition {
		t, err := p.template()
		if err != nil {
			s.violation(works, "the simulation runs", "%v", err)
			return
		}
		u.Template = t
	}
	next.edition = p.edition
	before := len(stack.Events)
	err := s.sandbox.UpdateProduct(l.stack, u)
	if err != nil {
		s.log("  %v", err)
		return // in progress, deleted, or nothing changes
	}
	s.log("  %s: %v, edition %d (the gate says %d)", stack.Name, u.Parameters, p.edition, p.passedEdition)
	if after, _ := s.sandbox.CloudFormation.Stack(l.stack); len(after.Events) > before {
		l.product, l.contents = p, append(l.contents, next)
	}
}

// relaunch launches once more what was launched before, usually something that has
// expired; sometimes twice at once.
func (s *simulation) relaunch(a Action) {
	if len(s.stacks) == 0 {
		return
	}
	l := s.stacks[a.A%len(s.stacks)]
	for _, r := range s.records() {
		if r.Grant == nil || a.B%8 == 0 {
			continue
		}
		for _, other := range s.stacks {
			if other.stack == r.Stack.ID {
				l = other
			}
		}
	}
	times := 1
	if a.B/8%3 == 0 {
		times = 2
	}
	again := l.launch
	again.Parameters = maps.Clone(again.Parameters)
	switch a.B / 24 % 8 {
	case 0:
		again.Parameters["Size"] = "9"
	case 1:
		again.Requester = "dan@example.com"
	}
	p := l.product
	p.edition, p.passedEdition = l.contents[0].edition, l.contents[0].edition
	for range times {
		again.Name = fmt.Sprintf("queue-%d", len(s.stacks))
		stack, err := s.sandbox.Launch(again)
		if err != nil {
			s.violation(works, "the simulation runs", "%v", err)
			return
		}
		s.log("  %+v", p)
		s.launched(stack, p, again)
	}
}

// clickGrant clicks a button of an expired request: the late approval, or its
// revocation. Sometimes the client shows an old view.
func (s *simulation) clickGrant(a Action, verdict handle.Verdict) {
	if s.clickWouldBlock() {
		return
	}
	var shown []slacktest.Message
	for _, m := range s.sandbox.Slack.Messages(sandbox.Channel) {
		if slices.ContainsFunc(m.ButtonsIn("relaunch"), func(b slacktest.Button) bool { return b.ActionID == string(verdict) }) {
			shown = append(shown, m)
		}
	}
	if s.oldGrants == nil {
		s.oldGrants = map[handle.Verdict][]slacktest.Message{}
	}
	s.oldGrants[verdict] = append(s.oldGrants[verdict], shown...)
	if len(shown) == 0 || a.B%4 == 0 {
		shown = s.oldGrants[verdict]
	}
	if len(shown) == 0 {
		return
	}
	m := shown[a.A%len(shown)]
	for _, b := range m.ButtonsIn("relaunch") {
		if t, err := handle.ParseTicket(b.Value); err == nil && t.Verdict == verdict {
			s.answered[answer{t.ID, a.Who, verdict}] = true
		}
	}
	i, err := s.sandbox.Slack.ClickStale(s.as(a), m, string(verdict))
	if err != nil {
		s.log("  %v", err)
		return
	}
	s.recorded = append(s.recorded, i)
}

// checkUpdates checks that what a stack runs in the end was approved, or that the
// bypass is on record. A lost event leaves it to the dead-letter queue's alarm.
func (s *simulation) checkUpdates(l launchedStack, stack fakecfn.Stack) {
	if stack.Status != fakecfn.UpdateComplete || accountOf(l.stack) != sandbox.Account || s.alarms[l.stack] || s.lostEvents[l.stack] {
		return
	}
	last, approved := l.contents[len(l.contents)-1], 0
	for _, r := range s.records() {
		if r.Stack.ID != l.stack {
			continue
		}
		if r.Bypass != nil {
			return
		}
		asked := l.contents[0]
		for _, c := range l.contents {
			if r.Update != nil && !c.at.After(r.CreatedAt) {
				asked = c
			}
		}
		if r.State() == handle.Approved {
			if approved++; asked.equal(last) {
				return
			}
		}
	}
	if approved > 0 {
		s.violation(laws.BindsContent, "an update without an approval is on record", "%s runs %v", stack.Name, last)
	}
}
