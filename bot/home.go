package bot

import (
	"cmp"
	"slices"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// Home is whose members may decide: a workspace (T…), or an Enterprise Grid
// organization (E…) with all its workspaces.
type Home struct {
	Team       string
	Enterprise string // optional
}

// Member is the part of a users.info answer that decides whether a person may
// vote. See https://docs.slack.dev/reference/objects/user-object
type Member struct {
	ID          string
	Name        string
	Team        string   // home workspace; in a Grid it can be missing
	OrgID       string   // the person's ID in their Grid organization; it can differ from ID
	Enterprise  string   // their Grid organization
	Teams       []string // their workspaces in it
	Guest       bool
	Bot         bool
	Deactivated bool
	Stranger    bool // from another company, without a shared channel
}

// NewMember reads a users.info answer.
func NewMember(u *slack.User) Member {
	return Member{
		ID:          u.ID,
		Name:        cmp.Or(handle.OneLine(u.Profile.RealName, maxName), handle.OneLine(u.RealName, maxName), handle.OneLine(u.Name, maxName)),
		Team:        u.TeamID,
		OrgID:       u.Enterprise.ID,
		Enterprise:  u.Enterprise.EnterpriseID,
		Teams:       u.Enterprise.Teams,
		Guest:       u.IsRestricted || u.IsUltraRestricted,
		Bot:         u.IsBot || u.IsWorkflowBot || u.IsConnectorBot,
		Deactivated: u.Deleted,
		Stranger:    u.IsStranger,
	}
}

// Person returns the person with all their IDs: those that Slack reports, and the
// one that was asked for. name is used if users.info has none.
func (m Member) Person(askedFor, team, name string) handle.Person {
	p := handle.Person{Team: team, ID: cmp.Or(m.ID, askedFor), Name: cmp.Or(m.Name, name)}
	for _, id := range []string{askedFor, m.OrgID} {
		if handle.IsUser(id) && !p.Has(id) {
			p.Aliases = append(p.Aliases, id)
		}
	}
	return p
}

// Includes reports whether a person is at home: a member of the workspace, or of
// the organization if one is configured. payloadTeam is the user.team_id of the
// click, which in a Grid can be any of the organization's workspaces, or the
// organization. Answers that contradict each other mean no.
func (h Home) Includes(payloadTeam string, m Member) bool {
	switch {
	case m.Stranger:
		return false
	case m.Enterprise != "" && h.Enterprise != "":
		return m.Enterprise == h.Enterprise
	case m.Enterprise != "" && len(m.Teams) > 0:
		return h.Team != "" && slices.Contains(m.Teams, h.Team)
	case m.Enterprise != "": // the workspaces are not listed, and Team is only one of them
		return h.Team != "" && (m.Team == h.Team || payloadTeam == h.Team)
	case h.Enterprise != "" && payloadTeam == h.Enterprise:
		return m.Team == "" || m.Team == h.Enterprise || m.Team == h.Team
	}
	// Outside a Grid a person has one workspace, and both answers must name it.
	team := cmp.Or(m.Team, payloadTeam)
	return h.Team != "" && team == h.Team && (payloadTeam == "" || payloadTeam == h.Team || payloadTeam == h.Enterprise)
}

// excludes reports whether the payload alone shows that the person is not at
// home: in Slack Connect channels members of other companies can click too. See
// https://docs.slack.dev/apis/slack-connect
func (h Home) excludes(payloadTeam, payloadEnterprise string) bool {
	switch {
	case payloadTeam == "", payloadTeam == h.Team, payloadTeam == h.Enterprise:
		return false // as far as the payload tells; users.info decides
	case h.Enterprise != "":
		return payloadEnterprise != "" && payloadEnterprise != h.Enterprise
	}
	return payloadEnterprise == "" // in a Grid, it may be a sister workspace
}
