package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

const (
	maxGroupsRead = 10 // at one launch
	maxUsersRead  = 25
	maxReasons    = 5 // people or groups named in a reason
)

// checkApprovers withdraws a request that too few people can approve, as Slack says
// now: people can be deactivated, and groups empty. It is done once, at launch. What
// Slack can't answer is asked again, and fails no launch. It reports whether the marks
// must be made durable at once.
func (u *run) checkApprovers(ctx context.Context, s handle.Step) bool {
	if u.c.Slack == nil {
		u.fail(ctx, s, handle.Failure{Reason: "Slack is not configured"})
		return false
	}
	groups := u.c.readGroups(ctx, u.r)
	missing, err := u.c.tooFewApprovers(ctx, u.r, groups)
	if err != nil {
		u.fail(ctx, s, unanswered(err))
		return false
	}
	u.mark(approversChecked{groups.sizes()})
	if missing == "" {
		return false
	}
	u.mark(Withdrawn{missing, u.c.Now()})
	return true
}

// groupAnswer is Slack's answer about a user group.
type groupAnswer struct {
	group
	handle string // without the @; empty if unknown
	err    error
}

// groupAnswers are answers by the groups' IDs.
type groupAnswers map[string]groupAnswer

// readGroups reads, side by side, the groups that may decide r, now or later: at most
// maxGroupsRead, those that may decide now first. Their handles come in one call, and
// stay unknown if it fails.
func (c *Reconciler) readGroups(ctx context.Context, r handle.Request) groupAnswers {
	var ids []string
	for _, id := range slices.Concat(mayApprove(r), r.Terms.ReassignTo) {
		if handle.IsUserGroup(id) && !slices.Contains(ids, id) && len(ids) < maxGroupsRead {
			ids = append(ids, id)
		}
	}
	answers := make([]groupAnswer, len(ids))
	var handles map[string]string
	calls := make([]func(), len(ids), len(ids)+1)
	for i, id := range ids {
		calls[i] = func() {
			answers[i].err = c.guard(ctx, func() (err error) {
				answers[i].group, err = c.Slack.Group(ctx, id)
				return err
			})
		}
	}
	if len(ids) > 0 {
		calls = append(calls, func() {
			err := c.guard(ctx, func() (err error) {
				handles, err = c.Slack.GroupHandles(ctx)
				return err
			})
			if err != nil {
				c.Log.WarnContext(ctx, "couldn't read the names of user groups", "request", r.ID, "error", err)
			}
		})
	}
	c.sideBySide(calls)
	found := groupAnswers{}
	for i, id := range ids {
		answers[i].handle = handles[id]
		found[id] = answers[i]
	}
	return found
}

// sizes returns what the record keeps of each group that could be read.
func (a groupAnswers) sizes() map[string]handle.Group {
	sizes := map[string]handle.Group{}
	for id, g := range a {
		if g.err == nil && len(g.members) > 0 {
			sizes[id] = handle.Group{Name: g.handle, Size: len(g.members), Members: g.members}
		}
	}
	return sizes
}

// mayApprove lists the approvers of r, also those after its escalation.
func mayApprove(r handle.Request) []string {
	if r.Terms.EscalateAt.IsZero() {
		return r.Terms.Approvers
	}
	return slices.Concat(r.Terms.Approvers, r.Terms.EscalateTo)
}

// tooFewApprovers says why too few people can approve r, now or once it is escalated;
// empty if enough can, or if finding out would take too many calls. read are the groups
// read. The error means that a look-up that matters failed.
func (c *Reconciler) tooFewApprovers(ctx context.Context, r handle.Request, read groupAnswers) (string, error) {
	s := search{c: c, r: r, needed: r.ApprovalsNeeded()}
	for _, p := range r.ApprovedBy() {
		s.found = append(s.found, p.IDs())
	}
	var groups []string
	for _, id := range mayApprove(r) {
		if handle.IsUserGroup(id) {
			groups = append(groups, id)
		} else {
			s.person(ctx, id)
		}
	}
	for _, id := range groups {
		if s.enough() {
			break
		}
		g, ok := read[id]
		switch {
		case !ok:
			return "", nil
		case g.err != nil:
			s.errs = append(s.errs, g.err)
		case len(g.members) == 0:
			s.leaveOut("user group " + id + " " + g.empty)
		}
		for _, member := range g.members {
			s.person(ctx, member)
		}
	}
	switch {
	case s.enough():
		return "", nil
	case len(s.errs) > 0:
		return "", errors.Join(s.errs...)
	}
	if len(s.leftOut) > maxReasons {
		s.leftOut = append(s.leftOut[:maxReasons], fmt.Sprintf("and %d more", len(s.leftOut)-maxReasons))
	}
	missing := "none of the approvers can approve this launch"
	if len(s.found) > 0 {
		missing = fmt.Sprintf("this launch needs %d approvers, but only %d can approve it", s.needed, len(s.found))
	}
	if len(s.leftOut) > 0 {
		missing += ": " + strings.Join(s.leftOut, ", ")
	}
	return missing, nil
}

// search looks for people who can approve r.
type search struct {
	c       *Reconciler
	r       handle.Request
	needed  int
	read    int        // users
	seen    []string   // IDs
	found   [][]string // the IDs of each person
	leftOut []string   // people and groups that can't approve, and why
	errs    []error
}

// enough reports whether enough people are found, or no more may be looked up.
func (s *search) enough() bool { return len(s.found) >= s.needed || s.read > maxUsersRead }

func (s *search) leaveOut(why string) { s.leftOut = append(s.leftOut, why) }

// person looks one person up, unless enough are found.
func (s *search) person(ctx context.Context, id string) {
	if s.enough() || slices.Contains(s.seen, id) || !handle.IsUser(id) {
		return
	}
	s.seen = append(s.seen, id)
	if !s.r.Terms.SelfApproval && slices.Contains(s.r.Requester.SlackIDs, id) {
		s.leaveOut(id + " is the requester")
		return
	}
	s.read++
	user, err := s.c.Slack.User(ctx, id)
	if err != nil {
		s.errs = append(s.errs, err)
		return
	}
	if why := s.unable(user); why != "" {
		s.leaveOut(id + " " + why)
		return
	}
	ids := []string{id, user.ID}
	if user.Enterprise.ID != "" {
		ids = append(ids, user.Enterprise.ID)
	}
	if !slices.ContainsFunc(s.found, func(other []string) bool { return common(other, ids) }) {
		s.found = append(s.found, ids)
	}
}

// unable says why a user can't approve; empty if they can.
func (s *search) unable(user *slack.User) string {
	switch {
	case user == nil:
		return "does not exist"
	case user.Deleted:
		return "is deactivated"
	case user.IsBot:
		return "is a bot"
	case user.IsRestricted, user.IsUltraRestricted:
		return "is a guest"
	case s.c.Outside != nil && s.c.Outside(user):
		return "belongs to another workspace"
	case !s.r.Terms.SelfApproval && common(s.r.Requester.SlackIDs, []string{user.ID, user.Enterprise.ID}):
		return "is the requester"
	}
	return ""
}

// common reports whether a and b have an ID in common.
func common(a, b []string) bool {
	return slices.ContainsFunc(a, func(id string) bool { return id != "" && slices.Contains(b, id) })
}
