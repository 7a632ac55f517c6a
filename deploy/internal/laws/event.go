package laws

import (
	"slices"

	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// events checks that what the record says about the stack is what CloudFormation
// knows, so that it comes from no forged event.
func (c *Checker) events(old, r handle.Request) {
	if c.CloudFormation == nil {
		return
	}
	created, withdrawn := old.ID == "", old.Decision == nil && r.State() == handle.Withdrawn
	ended, bypassed := old.Ended == nil && r.Ended != nil, old.Bypass == nil && r.Bypass != nil
	if !created && !withdrawn && !ended && !bypassed {
		return
	}
	stack, ok := c.CloudFormation.Stack(r.Stack.ID)
	if !ok {
		return // from before this environment
	}
	if created {
		c.creation(r, stack)
	}
	if withdrawn && stack.Status == fakecfn.CreateInProgress && !r.WithdrawnByRequester() && !c.unapprovable(r) && !unasked(r) {
		c.add(EventUnproven, "no forged event withdraws a request", "%s was withdrawn while its stack is being created: %s", r.ID, r.Decision.Reason)
	}
	if readable := accountOf(r.Stack.ID) == c.Account; ended && readable && !reached(stack, r.Ended.Status) {
		c.add(EventUnproven, "no forged event ends a launch", "%s: its stack never was %s", r.ID, r.Ended.Status)
	}
	if bypassed && !passedWait(stack) {
		c.add(EventUnproven, "no forged event records a bypass", "%s: %s", r.ID, r.Bypass.How)
	}
}

// unapprovable reports whether too few people can approve r, as Slack says, or the terms
// refuse its requester. It does not rely on the reason that the record gives.
func (c *Checker) unapprovable(r handle.Request) bool {
	if r.Terms.UnprovenRequester == handle.UnprovenRefuse && !r.Requester.Proven && !r.Terms.SelfApproval {
		return true
	}
	return c.electorate(escalated(r)) < max(c.approvalsNeeded(r), r.ApprovalsNeeded())
}

// unasked reports whether neither Slack nor mail took the question, or could be asked in
// time.
func unasked(r handle.Request) bool {
	_, posted := r.Root()
	_, mailed := r.Delivered["mail/asked"]
	return !posted && !mailed
}

// escalated returns r with the approvers that it has once it is escalated.
func escalated(r handle.Request) handle.Request {
	if !r.Terms.EscalateAt.IsZero() {
		r.Terms.Approvers = slices.Concat(r.Terms.Approvers, r.Terms.EscalateTo)
	}
	return r
}

// creation checks that a new request is one of CloudFormation's, and that its
// answer was accepted first if CloudFormation could not vouch for it.
func (c *Checker) creation(r handle.Request, stack fakecfn.Stack) {
	for _, q := range stack.Requests {
		if handle.NewID(stack.ID, q.LogicalID, q.ID) != r.ID {
			continue
		}
		if r.Update != nil {
			return // its answer is held, so the record must come first
		}
		if unread := r.Stack.Unverified || accountOf(r.Stack.ID) != c.Account; unread && len(q.Responses) == 0 {
			c.add(EventUnproven, "what CloudFormation cannot vouch for is recorded once its answer is accepted", "%s was recorded before", r.ID)
		}
		return
	}
	c.add(EventUnproven, "no forged event creates a request", "%s is not one of %s", r.ID, stack.Name)
}

// reached reports whether the stack ever had that status.
func reached(stack fakecfn.Stack, status string) bool {
	for _, e := range stack.Events {
		if e.PhysicalID == stack.ID && string(e.Status) == status {
			return true
		}
	}
	return false
}

// passedWait reports whether the stack went past a wait condition.
func passedWait(stack fakecfn.Stack) bool {
	for _, e := range stack.Events {
		if e.Type == "AWS::CloudFormation::WaitCondition" && e.Status == fakecfn.CreateComplete {
			return true
		}
	}
	return false
}
