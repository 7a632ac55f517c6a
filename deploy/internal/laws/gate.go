package laws

import (
	"encoding/json"
	"strings"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// gateHolds checks that in each launch and update that asks, nothing but the gate starts before the verdict has
// succeeded, or before the wait has if the template has no verdict. An update that changes nothing that the gate passes
// on does not ask: it may start once the request has answered.
func (c *Checker) gateHolds(s fakecfn.Stack) {
	var o operation
	for i := len(s.Events) - 1; i >= 0; i-- { // the oldest first
		e := s.Events[i]
		if e.PhysicalID == s.ID {
			c.early(s, o)
			o = operation{active: e.Status == fakecfn.CreateInProgress || e.Status == fakecfn.UpdateInProgress}
			continue
		}
		if o.active {
			o.add(e)
		}
	}
	c.early(s, o)
}

func (c *Checker) early(s fakecfn.Stack, o operation) {
	if !o.asks {
		return
	}
	names := o.early
	if o.hasVerdict {
		names = append(names, o.afterWait...)
	}
	if len(names) > 0 {
		c.add(GateHolds, "nothing starts before the verdict", "in %s these did: %s", s.Name, strings.Join(names, ", "))
	}
}

// operation is a creation or update of a stack, up to its end or its rollback.
type operation struct {
	active     bool
	asks       bool // the request was sent
	hasVerdict bool
	answered   bool // the request or the wait has succeeded
	open       bool // a verdict has succeeded

	started   map[string]bool
	early     []string // resources that started before anything of the gate had succeeded
	afterWait []string // resources that started before a verdict had: lawful if the template has none
}

// add adds a resource's event.
func (o *operation) add(e fakecfn.Event) {
	starts := e.Status == fakecfn.CreateInProgress || e.Status == fakecfn.UpdateInProgress
	succeeds := e.Status == fakecfn.CreateComplete || e.Status == fakecfn.UpdateComplete
	_, isVerdict := VerdictOf(e)
	switch {
	case !starts && !succeeds, gate.CreatesNothing(e.Type):
	case isVerdict:
		o.hasVerdict, o.open = true, o.open || succeeds
	case isRequest(e):
		o.asks, o.answered = true, o.answered || succeeds && e.Status == fakecfn.UpdateComplete
	case e.Type == "AWS::CloudFormation::WaitCondition":
		o.answered = o.answered || succeeds
	case !starts || o.open || o.started[e.LogicalID]:
	default:
		if o.started == nil {
			o.started = map[string]bool{}
		}
		o.started[e.LogicalID] = true
		if o.answered {
			o.afterWait = append(o.afterWait, e.LogicalID)
		} else {
			o.early = append(o.early, e.LogicalID)
		}
	}
}

// isRequest reports whether the event is about a request resource.
func isRequest(e fakecfn.Event) bool {
	var p struct{ WaitUrl string }
	return strings.HasPrefix(e.Type, "Custom::") && strings.Contains(e.Properties, "WaitUrl") && json.Unmarshal([]byte(e.Properties), &p) == nil && p.WaitUrl != ""
}
