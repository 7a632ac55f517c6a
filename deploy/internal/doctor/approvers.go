package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"countersign/bot"
	"countersign/handle"
)

const (
	nameApprovers = "approvers"

	maxLookUps           = 80 // of people; Slack allows users.info at least 100 times a minute
	maxConcurrentLookUps = 4
	doApprovers          = "Change the stack parameter Approvers:" + redeploy
	doLaterApprovers     = "Change the stack parameters EscalateTo and ReassignTo:" + redeploy
	doUserGroups         = "Change the user group in Slack (People > User groups), or the stack parameter Approvers:" + redeploy
)

// person is an approver with all their IDs, as Slack describes them.
type person struct {
	handle.Person
	organization string // Enterprise Grid organization; empty if none
	reason       string // why they may not decide; empty if they may
	err          error  // set if Slack could not be asked
}

// label is p's name with the ID that was asked for.
func (p person) label() string {
	if p.Name == "" {
		return p.ID
	}
	return fmt.Sprintf("%s (%s)", p.Name, p.ID)
}

// userGroup is a Slack user group among the approvers.
type userGroup struct {
	id      string
	members []string
	err     error
}

// checkApprovers looks up every approver in Slack, as the bot does on a click.
func (d *doctor) checkApprovers(ctx context.Context) []Finding {
	w, no := d.needsSlack(nameApprovers)
	if no != nil {
		return no
	}
	n, err := d.notifier()
	b, err2 := d.bot()
	switch {
	case err != nil:
		return []Finding{needs(nameApprovers, nameNotifier)}
	case err2 != nil:
		return []Finding{needs(nameApprovers, nameBot)}
	case b.env[envTeam] == "" && b.env[envEnterprise] == "":
		return []Finding{needs(nameApprovers, settings(nameBot))}
	case judgeTeam(w.self, b.env).Level == Fault:
		return []Finding{needs(nameApprovers, nameToken)} // this token is for a workspace whose members may not decide
	}
	named := d.Approvers
	if len(named) == 0 {
		named = split(n.env[envApprovers])
	}
	if len(named) == 0 {
		return []Finding{warning(nameApprovers, "none configured: launches whose template does not name Approvers fail", doApprovers)}
	}
	var groups []userGroup
	var ids []string
	var findings []Finding
	for _, a := range named {
		switch {
		case handle.IsUserGroup(a):
			c := userGroup{id: a}
			c.members, c.err = w.client.GetUserGroupMembersContext(ctx, a, teamOf(b.env)...)
			groups, ids = append(groups, c), append(ids, c.members...)
		case handle.IsUser(a):
			ids = append(ids, a)
		case len(d.Approvers) == 0: // reported by the check of the settings
		default:
			findings = append(findings, fault(nameApprovers, fmt.Sprintf("%q is not a Slack user ID (U…) or user group ID (S…)", handle.OneLine(a, 40)),
				"Use IDs, not names. For a user, in Slack: profile > ⋮ > Copy member ID. For a user group: open it at People > User groups; its URL ends with the ID."))
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found := lookUp(ctx, w.client, ids[:min(len(ids), maxLookUps)], b.env)
	if i := slices.IndexFunc(found, func(p person) bool { return p.organization != "" }); i >= 0 && w.self.EnterpriseID == "" && b.env[envEnterprise] == "" {
		findings = append(findings, inGrid(nameApprovers, found[i].organization))
	}
	notAsked := len(ids) - len(found)
	found = mergePeople(found)
	approvals, err := strconv.Atoi(cmp.Or(n.env[envApprovals], "1"))
	if err != nil {
		return append(findings, needs(nameApprovers, settings(nameNotifier)))
	}
	findings = append(findings, judgeApprovers(named, groups, found, len(found)+notAsked, approvals)...)
	return append(findings, checkLaterApprovers(ctx, w.client, n.env, b.env, named)...)
}

// checkLaterApprovers looks up the users and groups of EscalateTo and ReassignTo that are
// not already approvers.
func checkLaterApprovers(ctx context.Context, client *slack.Client, notifier, bot map[string]string, first []string) (findings []Finding) {
	var users []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(append(split(notifier[envEscalateTo]), split(notifier[envReassignTo])...)))) {
		switch {
		case slices.Contains(first, id):
		case handle.IsUser(id):
			users = append(users, id)
		case handle.IsUserGroup(id):
			members, err := client.GetUserGroupMembersContext(ctx, id, teamOf(bot)...)
			switch {
			case SlackCode(err) == "no_such_subteam":
				findings = append(findings, fault(nameApprovers, "user group "+id+" does not exist or is disabled, so requests can't be escalated or reassigned to it", doLaterApprovers))
			case err != nil:
				findings = append(findings, slackError(nameApprovers, err))
			case len(members) == 0:
				findings = append(findings, fault(nameApprovers, "user group "+id+" has no members, so requests can't be escalated or reassigned to it", doLaterApprovers))
			}
		}
	}
	for _, p := range lookUp(ctx, client, users[:min(len(users), maxLookUps)], bot) {
		switch {
		case p.err != nil:
			findings = append(findings, slackError(nameApprovers, p.err))
		case p.reason != "":
			findings = append(findings, fault(nameApprovers, "requests can be escalated or reassigned to "+p.label()+", who cannot approve: "+p.reason, doLaterApprovers))
		}
	}
	return findings
}

// teamOf selects the workspace to look for user groups in, for a token that covers
// an Enterprise Grid organization.
func teamOf(env map[string]string) []slack.GetUserGroupMembersOption {
	if env[envEnterprise] == "" || env[envTeam] == "" {
		return nil
	}
	return []slack.GetUserGroupMembersOption{slack.GetUserGroupMembersOptionTeamID(env[envTeam])}
}

// lookUp asks Slack about each person, a few at a time. The result is in the order
// of ids.
func lookUp(ctx context.Context, client *slack.Client, ids []string, env map[string]string) []person {
	people := make([]person, len(ids))
	var group errgroup.Group
	group.SetLimit(maxConcurrentLookUps)
	for i, id := range ids {
		group.Go(func() error {
			u, err := client.GetUserInfoContext(ctx, id)
			people[i] = newPerson(id, u, err, env)
			return nil
		})
	}
	_ = group.Wait()
	return people
}

// newPerson applies the bot's rules for who may decide.
func newPerson(id string, u *slack.User, err error, env map[string]string) person {
	p := person{Person: handle.Person{ID: id}}
	switch SlackCode(err) {
	case "":
	case "user_not_found", "user_not_visible", "users_not_found":
		p.reason = "no such user in Slack"
		return p
	}
	if err != nil {
		p.err = err
		return p
	}
	m := bot.NewMember(u)
	p.Person, p.organization = m.Person(id, m.Team, ""), m.Enterprise
	home := bot.Home{Team: env[envTeam], Enterprise: env[envEnterprise]}
	switch {
	case m.ID != id && m.OrgID != id:
		p.reason = "Slack describes a different user"
	case m.Deactivated:
		p.reason = "deactivated"
	case m.Bot:
		p.reason = "a bot"
	case m.Guest:
		p.reason = "a guest"
	case !home.Includes("", m):
		p.reason = "in a different workspace"
	}
	return p
}

// mergePeople makes one person of those who share an ID, as a person in an Enterprise
// Grid who is named by both of theirs. Who may not decide under one ID may not at all.
func mergePeople(found []person) []person {
	var people []person
	for _, p := range found {
		var others []person
		for _, q := range people {
			if !q.Is(p.Person) {
				others = append(others, q)
				continue
			}
			q.Aliases = append(q.Aliases, p.IDs()...)
			q.reason = cmp.Or(q.reason, p.reason)
			if q.err == nil {
				q.err = p.err
			}
			p = q
		}
		people = append(others, p)
	}
	return people
}

// judgeApprovers reports who may decide, and whether they are enough. named are
// the configured IDs; total counts everyone they stand for, of whom only people
// were looked up.
func judgeApprovers(named []string, groups []userGroup, found []person, total, approvals int) []Finding {
	var findings []Finding
	unknown := 0
	for _, c := range groups {
		switch code := SlackCode(c.err); {
		case code == "no_such_subteam":
			findings = append(findings, fault(nameApprovers, "user group "+c.id+" does not exist or is disabled", doUserGroups))
		case c.err != nil:
			unknown++
			f := slackError(nameApprovers, c.err)
			f.Found = "user group " + c.id + ": " + f.Found
			findings = append(findings, f)
		case len(c.members) == 0:
			findings = append(findings, fault(nameApprovers, "user group "+c.id+" has no members", doUserGroups))
		}
	}
	var able, unable []string
	for _, p := range found {
		switch {
		case p.err != nil:
			unknown++
			f := slackError(nameApprovers, p.err)
			f.Found = p.ID + ": " + f.Found
			findings = append(findings, f)
		case p.reason == "":
			able = append(able, p.label())
		case p.Has(named...):
			findings = append(findings, fault(nameApprovers, p.label()+" cannot approve: "+p.reason, doApprovers))
		default:
			unable = append(unable, p.label()+": "+p.reason)
		}
	}
	if len(unable) > 0 {
		findings = append(findings, warning(nameApprovers, "these members of user groups cannot approve: "+strings.Join(unable, "; "), "Remove them from the group, so that requests do not wait for them. In Slack: People > User groups"))
	}
	n := len(able) + total - len(found) // those not looked up count as able
	switch {
	case unknown > 0:
	case n < approvals:
		findings = append(findings, fault(nameApprovers, fmt.Sprintf("%s needed, but only %s can approve: launches cannot be approved", plural(approvals, "approval"), people(n)), doUserGroups))
	case n == approvals:
		findings = append(findings, warning(nameApprovers, fmt.Sprintf("%s needed, and just %s can approve: while one is away or is the requester, launches cannot be approved", plural(n, "approval"), people(n)), doUserGroups))
	}
	if worst(findings) == Skipped {
		return []Finding{ok(nameApprovers, "%s can approve: %s", people(n), list(able, 5))}
	}
	return findings
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// list joins at most n names and counts the rest.
func list(names []string, n int) string {
	if len(names) > n {
		return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
	}
	return strings.Join(names, ", ")
}
