package laws

import (
	"slices"
	"strings"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// What follows comes from the simulated Slack and CloudFormation, not from the
// code under test.

// user returns the person with a Slack user ID, in the workspace or in the
// organization. ok is false if Slack knows no such person.
func (c *Checker) user(id string) (u slacktest.User, ok bool) {
	for _, u := range c.Slack.Users() {
		if id != "" && (u.ID == id || u.EnterpriseUserID == id) {
			return u, true
		}
	}
	return slacktest.User{}, false
}

// key names a person, whichever of their IDs is given. All votes by mail have the
// same key.
func (c *Checker) key(id string) string {
	if u, ok := c.user(id); ok {
		return u.ID
	}
	return id
}

// has reports whether one of ids is u's.
func has(u slacktest.User, ids []string) bool {
	return slices.Contains(ids, u.ID) || u.EnterpriseUserID != "" && slices.Contains(ids, u.EnterpriseUserID)
}

// home reports whether u belongs to the workspace, or to the organization if it
// is configured.
func (c *Checker) home(u slacktest.User) bool {
	return u.TeamID == c.Team || slices.Contains(u.Teams, c.Team) || c.Enterprise != "" && u.EnterpriseUserID != ""
}

// MayVote reports whether a person may decide r: a member, no guest and no bot,
// who is named as an approver, under any ID, or by a group, and did not launch.
func (c *Checker) MayVote(r handle.Request, id string) bool {
	u, ok := c.user(id)
	if !ok || !c.home(u) || u.Restricted || u.UltraRestricted || u.Bot || u.Deleted {
		return false
	}
	if !r.Terms.SelfApproval {
		if launcher, proven := c.launcher(r); has(u, r.Requester.SlackIDs) || proven && launcher.ID == u.ID {
			return false
		}
	}
	if has(u, r.Terms.Approvers) {
		return true
	}
	for _, g := range c.Slack.UserGroups() {
		if !g.Disabled && slices.Contains(r.Terms.Approvers, g.ID) && has(u, g.Users) {
			return true
		}
	}
	return false
}

// lackOfApprovers checks that no request is withdrawn for lack of people who can
// approve while there are enough.
func (c *Checker) lackOfApprovers(old, r handle.Request) {
	if old.Decision == nil && r.Decision != nil && r.ApproversUnchecked {
		if c.unchecked == nil {
			c.unchecked = map[string]bool{}
		}
		c.unchecked[r.ID] = true
	}
	checked := old.ApproversUnchecked && !r.ApproversUnchecked
	if !checked || old.Decision != nil || r.State() != handle.Withdrawn || !strings.Contains(r.Decision.Reason, "can approve") {
		return
	}
	if got, need := c.electorate(r), c.approvalsNeeded(r); got >= need {
		c.add(BindsPerson, "no launch fails for lack of approvers while there are enough", "%s needs %d of %d: %s", r.ID, need, got, r.Decision.Reason)
	}
}

// electorate counts the people who may vote on r.
func (c *Checker) electorate(r handle.Request) (n int) {
	for _, u := range c.Slack.Users() {
		if c.MayVote(r, u.ID) {
			n++
		}
	}
	return n
}

// launcher returns who launched the stack of r. proven is false if nothing that
// Countersign can read says so: the stack is in another account, or its principal
// matches no one in Slack.
func (c *Checker) launcher(r handle.Request) (u slacktest.User, proven bool) {
	if c.CloudFormation == nil || accountOf(r.Stack.ID) != c.Account {
		return slacktest.User{}, false
	}
	if known, ok := c.launchers[r.Stack.ID]; ok {
		return known, known.ID != ""
	}
	stack, _ := c.CloudFormation.Stack(r.Stack.ID)
	for _, tag := range stack.Tags {
		if tag.Key != "aws:servicecatalog:provisioningPrincipalArn" {
			continue
		}
		email := tag.Value[strings.LastIndex(tag.Value, "/")+1:]
		for _, candidate := range c.Slack.Users() {
			if strings.EqualFold(candidate.Email, email) && !candidate.Deleted && !candidate.Bot && c.home(candidate) {
				u = candidate
			}
		}
	}
	if c.launchers == nil {
		c.launchers = map[string]slacktest.User{}
	}
	c.launchers[r.Stack.ID] = u
	return u, u.ID != ""
}

// existedBefore reports whether the stack of r was created before r. Then r is about an
// update, even if it came from a Create event.
func (c *Checker) existedBefore(r handle.Request) bool {
	if c.CloudFormation == nil || accountOf(r.Stack.ID) != c.Account {
		return false
	}
	stack, _ := c.CloudFormation.Stack(r.Stack.ID)
	return slices.ContainsFunc(stack.Events, func(e fakecfn.Event) bool {
		return e.LogicalID == stack.Name && e.Status == fakecfn.CreateComplete && e.Timestamp.Before(r.CreatedAt)
	})
}

// accountOf returns the account of a stack.
func accountOf(stackID string) string {
	if parts := strings.Split(stackID, ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}

// approvalsNeeded returns how many people must approve r in Slack.
func (c *Checker) approvalsNeeded(r handle.Request) int {
	_, proven := c.launcher(r)
	if c.CloudFormation == nil || r.Update != nil { // AWS does not prove who updates
		proven = r.Requester.Proven
	}
	proven = proven && !r.Stack.Updating
	if proven || r.Terms.SelfApproval || r.Terms.Channel == "" || r.Terms.UnprovenRequester != handle.UnprovenTwoApprovers {
		return r.Terms.Approvals
	}
	return max(2, r.Terms.Approvals+1)
}

// requester checks, when a vote is first seen, that it was known who asked, or
// known that it cannot be known.
func (c *Checker) requester(r handle.Request, v handle.Vote) {
	const rule = "no vote counts before it is known who asked"
	if r.Stack.Unverified {
		c.add(BindsPerson, rule, "%s: CloudFormation has not been asked", r.ID)
	}
	if v.Via == handle.ViaMail || r.Terms.SelfApproval {
		return
	}
	if !r.Stack.Unverified && !r.Stack.Updating && c.existedBefore(r) {
		c.add(BindsPerson, "no launch proves who updates", "%s: the stack existed before, and the request counts as its launch", r.ID)
	}
	if !r.Requester.LookedUp {
		c.add(BindsPerson, rule, "%s: Slack has not been asked", r.ID)
	}
	if u, proven := c.launcher(r); proven && !has(u, r.Requester.SlackIDs) {
		c.add(BindsPerson, rule, "%s: AWS proves that %s launched, and the record names %v", r.ID, u.Name, r.Requester.SlackIDs)
	}
}
