package laws

import (
	"maps"
	"slices"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
)

// CheckEnd checks the laws that hold once every fault is over and more time
// has passed than any retry waits: nothing is due, every request is decided and
// signalled, every stack has ended, and every message shows the record.
// unreachable reports whether nothing could be said about a request in Slack,
// because its message was deleted.
func (c *Checker) CheckEnd(records []handle.Request, now time.Time, unreachable func(r handle.Request) bool) []Violation {
	return c.check(func() {
		for _, r := range records {
			c.finished(r, now, unreachable(r))
		}
		for _, s := range c.CloudFormation.Stacks() {
			if s.Status.InProgress() {
				c.add(Recovery, "every launch ends", "%s is %s", s.Name, s.Status)
			}
		}
		c.limits()
		for _, r := range records {
			c.atRest(r)
		}
		for _, ch := range c.Slack.Channels() {
			for _, m := range c.Slack.Messages(ch.ID) {
				if len(m.ButtonsIn("decide")) > 0 {
					c.add(Recovery, "messages have buttons only while the request is pending", "every request is decided, and %s has buttons", m.TS)
				}
			}
		}
	})
}

// atRest checks what shows the end of a decided request besides its message: the one
// reaction on that, and the requester's first direct message.
func (c *Checker) atRest(r handle.Request) {
	if r.Decision == nil {
		return
	}
	if root, posted := r.Root(); posted && !c.reactionRefused() {
		m, _ := c.Slack.Message(root.Channel, root.TS)
		var names []string
		for _, x := range m.Reactions {
			names = append(names, x.Name)
		}
		if len(names) > 1 || len(names) == 1 && names[0] != r.Reaction() {
			c.add(Recovery, "a message has the reaction of its last state alone", "%s is %s, and has %v", r.ID, r.State(), names)
		}
	}
	if r.Direct == nil {
		return
	}
	m, _ := c.Slack.Message(r.Direct.Channel, r.Direct.TS)
	for _, b := range m.Buttons() {
		if b.ActionID == blocks.NudgeAction {
			c.add(Recovery, "messages have buttons only while the request is pending", "%s is %s, and the direct message has a button to nudge", r.ID, r.State())
		}
	}
}

// reactionRefused reports whether Slack has refused a reaction, after which it may be missing
// or out of date.
func (c *Checker) reactionRefused() bool {
	return slices.ContainsFunc(c.Slack.Calls(), func(call slacktest.Call) bool {
		return strings.HasPrefix(call.Method, "reactions.") && call.Error != "" && call.Error != "already_reacted" && call.Error != "no_reaction"
	})
}

// tooLarge are Slack's errors for what is malformed or beyond its limits.
var tooLarge = []string{"invalid_blocks", "invalid_blocks_format", "invalid_arguments", "msg_too_long", "msg_blocks_too_long", "view_too_large", "too_many_attachments", "too_many_reactions", "metadata_too_large"}

// limits checks that Slack took each message and view.
func (c *Checker) limits() {
	for _, call := range c.Slack.Calls() {
		if slices.Contains(tooLarge, call.Error) {
			c.add(Recovery, "messages and views keep to Slack's limits", "%s: %s", call.Method, call.Error)
		}
	}
}

func (c *Checker) finished(r handle.Request, now time.Time, unreachable bool) {
	if due := r.Due(now); len(due) > 0 {
		c.add(Recovery, "every step is done in the end", "%s: %s is still due", r.ID, due[0].Key())
	}
	if r.Decision == nil {
		c.add(OwnDeadline, "every request is decided", "%s is not", r.ID)
		return
	}
	checked := r.Requester.LookedUp && !r.ApproversUnchecked && !c.unchecked[r.ID] && r.Terms.Channel != "" && r.GrantFrom == ""
	if got, need := c.electorate(escalated(r)), c.approvalsNeeded(r); checked && got < need && r.State() != handle.Withdrawn && len(r.Reassignments) == 0 {
		c.add(BindsPerson, "a launch that too few people can approve fails at once", "%s needs %d of %d, and is %s", r.ID, need, got, r.State())
	}
	if r.Signal == nil {
		c.add(Recovery, "every decision is signalled", "%s is not", r.ID)
	} else if expires, ok := r.WaitURL.Expires(); r.Signal.Undeliverable != "" && (!ok || r.Signal.At.Before(expires)) {
		c.add(Recovery, "every decision is signalled", "%s never was: %s", r.ID, r.Signal.Undeliverable)
	}
	c.heldAnswer(r)
	for _, key := range slices.Sorted(maps.Keys(r.Attempts)) {
		try := r.Attempts[key]
		if key == string(handle.StepWatch) && accountOf(r.Stack.ID) != c.Account {
			continue // a stack in another account cannot be read
		}
		if try.Abandoned && !(try.Reason == "thread_not_found" && unreachable) {
			c.add(Recovery, "no step is abandoned", "%s: %s after %d attempts: %s", r.ID, key, try.Count, try.Reason)
		}
	}
	for _, m := range r.Messages {
		c.message(r, m, now)
	}
	c.direct(r, now)
	c.reaction(r)
}

// reaction checks that the request's message has one reaction, which shows how it ended.
// A frozen process can add an old one at any time.
func (c *Checker) reaction(r handle.Request) {
	root, _ := r.Root()
	m, ok := c.Slack.Message(root.Channel, root.TS)
	if !ok || m.Deleted || c.Tolerance.Frozen {
		return
	}
	g := r.Grant
	want := map[handle.State]string{handle.Approved: "white_check_mark", handle.Rejected: "x", handle.Expired: "hourglass", handle.Withdrawn: "leftwards_arrow_with_hook"}[r.State()]
	switch {
	case r.Bypass != nil:
		want = "rotating_light"
	case r.State() == handle.Approved && r.Ended != nil && !r.Ended.Succeeded():
		want = "warning"
	case r.State() == handle.Expired && g != nil && !g.At.IsZero() && g.RevokedAt.IsZero() && (!g.Lapsed || g.UsedBy != ""):
		want = "white_check_mark"
	}
	var got []string
	for _, reaction := range m.Reactions {
		got = append(got, reaction.Name)
	}
	if !slices.Equal(got, []string{want}) {
		c.add(Recovery, "one reaction shows how the request ended", "%s is %s and has %v, want %s", r.ID, r.State(), got, want)
	}
}
