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

	"countersign/handle"
)

const (
	nameApprovers = "approvers"

	maxLookUps   = 80 // of people; users.info allows some 100 a minute
	lookUpsOnce  = 4
	doApprovers  = "Change the stack's parameter Approvers:" + redeploy
	doUserGroups = "In Slack: People > User groups; or change the stack's parameter Approvers:" + redeploy
)

// person is what is known of somebody who is named as an approver.
type person struct {
	id, name string
	cannot   string // why they may not decide; empty: they may
	err      error  // Slack did not say
}

// crowd is a user group that is named as an approver.
type crowd struct {
	id      string
	members []string
	err     error
}

// checkApprovers looks up everybody who may decide, as the bot does at a click.
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
	case judgeTeam(w.self, b.env).Level != OK:
		return []Finding{needs(nameApprovers, nameToken)} // nobody seen with this token is at home
	}
	named := d.Approvers
	if len(named) == 0 {
		named = split(n.env[envApprovers])
	}
	if len(named) == 0 {
		return []Finding{warning(nameApprovers, "the deployment names none: launches whose template has no Approvers fail", doApprovers)}
	}
	var crowds []crowd
	var ids []string
	var findings []Finding
	for _, a := range named {
		switch {
		case handle.IsUserGroup(a):
			c := crowd{id: a}
			c.members, c.err = w.client.GetUserGroupMembersContext(ctx, a, teamOf(b.env)...)
			crowds, ids = append(crowds, c), append(ids, c.members...)
		case handle.IsUser(a):
			ids = append(ids, a)
		case len(d.Approvers) == 0: // the check of the settings says so
		default:
			findings = append(findings, fault(nameApprovers, fmt.Sprintf("%q is no Slack user ID (U…) or user group ID (S…)", handle.OneLine(a, 40)),
				"Give IDs, not names. In Slack: the person's profile > ⋮ > Copy member ID; a group's ID ends its address at People > User groups."))
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	people := lookUp(ctx, w.client, ids[:min(len(ids), maxLookUps)], b.env)
	approvals, err := strconv.Atoi(cmp.Or(n.env[envApprovals], "1"))
	if err != nil {
		return append(findings, needs(nameApprovers, settings(nameNotifier)))
	}
	return append(findings, judgeApprovers(named, crowds, people, len(ids), approvals)...)
}

// teamOf says which workspace's groups are meant, where a token is of a whole
// organization.
func teamOf(env map[string]string) []slack.GetUserGroupMembersOption {
	if env[envEnterprise] == "" || env[envTeam] == "" {
		return nil
	}
	return []slack.GetUserGroupMembersOption{slack.GetUserGroupMembersOptionTeamID(env[envTeam])}
}

// lookUp asks Slack for people, a few at a time, in the order of ids.
func lookUp(ctx context.Context, client *slack.Client, ids []string, env map[string]string) []person {
	people := make([]person, len(ids))
	var group errgroup.Group
	group.SetLimit(lookUpsOnce)
	for i, id := range ids {
		group.Go(func() error {
			u, err := client.GetUserInfoContext(ctx, id)
			people[i] = asPerson(id, u, err, env)
			return nil
		})
	}
	_ = group.Wait()
	return people
}

// asPerson says whether the bot will let them decide. See
// https://docs.slack.dev/reference/objects/user-object
func asPerson(id string, u *slack.User, err error, env map[string]string) person {
	p := person{id: id, name: id}
	switch slackCode(err) {
	case "":
	case "user_not_found", "user_not_visible", "users_not_found":
		p.cannot = "no such user"
		return p
	}
	if err != nil {
		p.err = err
		return p
	}
	p.name = fmt.Sprintf("%s (%s)", handle.OneLine(cmp.Or(u.Profile.RealName, u.RealName, u.Name), 60), id)
	home := env[envEnterprise] != "" && u.Enterprise.EnterpriseID == env[envEnterprise] || env[envTeam] != "" && u.TeamID == env[envTeam]
	switch {
	case u.Deleted:
		p.cannot = "deactivated"
	case u.IsBot || u.IsWorkflowBot || u.IsConnectorBot:
		p.cannot = "a bot"
	case u.IsRestricted || u.IsUltraRestricted:
		p.cannot = "a guest"
	case u.IsStranger || !home:
		p.cannot = "of another workspace"
	}
	return p
}

// judgeApprovers says who of those named may decide, and whether they are
// enough. total is how many there are, of whom only people were looked up.
func judgeApprovers(named []string, crowds []crowd, people []person, total, approvals int) []Finding {
	var findings []Finding
	unknown := 0
	for _, c := range crowds {
		switch code := slackCode(c.err); {
		case code == "no_such_subteam":
			findings = append(findings, fault(nameApprovers, "there is no user group "+c.id+", or it is disabled: nobody is in it", doUserGroups))
		case c.err != nil:
			unknown++
			f := unanswered(nameApprovers, c.err)
			f.Found = "user group " + c.id + ": " + f.Found
			findings = append(findings, f)
		case len(c.members) == 0:
			findings = append(findings, fault(nameApprovers, "the user group "+c.id+" is empty", doUserGroups))
		}
	}
	var able, unable []string
	for _, p := range people {
		switch {
		case p.err != nil:
			unknown++
			f := unanswered(nameApprovers, p.err)
			f.Found = p.id + ": " + f.Found
			findings = append(findings, f)
		case p.cannot == "":
			able = append(able, p.name)
		case slices.Contains(named, p.id):
			findings = append(findings, fault(nameApprovers, p.name+" may not decide: "+p.cannot, doApprovers))
		default:
			unable = append(unable, p.name+": "+p.cannot)
		}
	}
	if len(unable) > 0 {
		findings = append(findings, warning(nameApprovers, "of the user groups' members these may not decide: "+strings.Join(unable, "; "), "Take them out of the group, so that nobody waits for them. In Slack: People > User groups"))
	}
	n := len(able) + total - len(people) // whom nobody was asked about count as able
	switch {
	case unknown > 0:
	case n < approvals:
		findings = append(findings, fault(nameApprovers, fmt.Sprintf("%d people may approve, and %d must: nothing can be approved", n, approvals), doUserGroups))
	case n == approvals:
		findings = append(findings, warning(nameApprovers, fmt.Sprintf("as many people may approve as must: %d. When one is away, or asks, nothing can be approved", n), doUserGroups))
	}
	if worst(findings) == Skipped {
		return []Finding{ok(nameApprovers, "%d people may approve: %s", n, list(able, 5))}
	}
	return findings
}

// list joins names, at most n of them.
func list(names []string, n int) string {
	if len(names) > n {
		return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
	}
	return strings.Join(names, ", ")
}
