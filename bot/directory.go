package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"countersign/handle"
)

// directory is what Slack says about people and user groups. Answers are kept
// for a minute, so a person who leaves a group can decide for a minute more.
type directory struct {
	users  ttlCache[member]
	groups ttlCache[[]string] // IDs of the users in the group
}

// member is the part of a users.info answer that decides whether a person may
// vote. See https://docs.slack.dev/reference/objects/user-object
type member struct {
	name         string
	team         string // home workspace
	organization string // Enterprise Grid organization, if any
	orgID        string // the person's ID in the organization; it can differ from the workspace's
	guest        bool
	bot          bool
	deactivated  bool
	stranger     bool
}

const maxName = 80 // bytes of a person's name

// lookUp asks Slack once who the person is. User groups are looked up only if
// the person is not named as an approver.
func (i *interaction) lookUp(ctx context.Context, r handle.Request) (handle.Voter, error) {
	if i.voter != nil {
		return *i.voter, nil
	}
	ctx, cancel := i.b.callTimeout(ctx)
	defer cancel()
	m, err := i.b.member(ctx, i.user.ID)
	if err != nil {
		return handle.Voter{}, err
	}
	v := i.b.asVoter(i.user, m)
	ids := []string{i.user.ID}
	if m.orgID != "" && m.orgID != i.user.ID {
		i.orgID = m.orgID
		ids = append(ids, m.orgID)
	}
	if notNamed(r.Authorize(v)) {
		if v.Groups, err = i.b.groupsOf(ctx, ids, r.Terms.Groups()); err != nil {
			return handle.Voter{}, err
		}
	}
	i.voter = &v
	return v, nil
}

func notNamed(err error) bool {
	var refusal *handle.Refusal
	return errors.As(err, &refusal) && refusal.Reason == handle.RefusedNotApprover
}

// outsideHome reports whether the payload alone shows that the person belongs to
// another workspace: in Slack Connect channels they can press buttons too. See
// https://docs.slack.dev/apis/slack-connect
func (b *Bot) outsideHome(u user, organization string) bool {
	switch {
	case u.TeamID == "", u.TeamID == b.TeamID, u.TeamID == b.EnterpriseID:
		return false // as far as the payload tells; users.info decides
	case b.EnterpriseID == "":
		return true
	}
	return organization != "" && organization != b.EnterpriseID
}

// asVoter joins what the signed payload and users.info say about a person. If
// they disagree about the home workspace, the person is not at home.
func (b *Bot) asVoter(u user, m member) handle.Voter {
	v := handle.Voter{
		Person:      handle.Person{Team: cmp.Or(u.TeamID, m.team), ID: u.ID, Name: cmp.Or(m.name, u.name())},
		Guest:       m.guest,
		Bot:         m.bot,
		Deactivated: m.deactivated,
	}
	switch {
	case m.stranger:
	case b.EnterpriseID != "" && m.organization != "":
		v.Home = m.organization == b.EnterpriseID
	case b.EnterpriseID != "" && u.TeamID == b.EnterpriseID:
		v.Home = true
	case b.TeamID != "" && v.Team == b.TeamID:
		v.Home = cmp.Or(m.team, b.TeamID) == b.TeamID || m.organization != "" // members of an organization can have several workspaces
	}
	return v
}

func (b *Bot) member(ctx context.Context, id string) (member, error) {
	m, err := b.directory.users.get(ctx, id, b.Now(), func() (member, error) {
		ctx, cancel := b.callTimeout(context.WithoutCancel(ctx)) // others may wait for the answer too
		defer cancel()
		return within(ctx, b, "look up a user", func(ctx context.Context) (member, error) {
			return b.fetchMember(ctx, id)
		})
	})
	if err != nil {
		return member{}, fmt.Errorf("couldn't look up user %s: %w", id, err)
	}
	return m, nil
}

func (b *Bot) fetchMember(ctx context.Context, id string) (member, error) {
	u, err := b.Slack.GetUserInfoContext(ctx, id)
	if err != nil {
		return member{}, err
	}
	if u.ID != id && u.Enterprise.ID != id {
		return member{}, fmt.Errorf("users.info of %s returned user %q", id, u.ID)
	}
	return member{
		name:         handle.OneLine(cmp.Or(u.Profile.RealName, u.RealName, u.Name), maxName),
		team:         u.TeamID,
		organization: u.Enterprise.EnterpriseID,
		orgID:        u.Enterprise.ID,
		guest:        u.IsRestricted || u.IsUltraRestricted,
		bot:          u.IsBot || u.IsWorkflowBot || u.IsConnectorBot,
		deactivated:  u.Deleted,
		stranger:     u.IsStranger,
	}, nil
}

func (b *Bot) groupMembers(ctx context.Context, id string) ([]string, error) {
	users, err := b.directory.groups.get(ctx, id, b.Now(), func() ([]string, error) {
		ctx, cancel := b.callTimeout(context.WithoutCancel(ctx))
		defer cancel()
		return within(ctx, b, "look up a user group", func(ctx context.Context) ([]string, error) {
			return b.fetchGroup(ctx, id)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't look up user group %s: %w", id, err)
	}
	return users, nil
}

func (b *Bot) fetchGroup(ctx context.Context, id string) ([]string, error) {
	var options []slack.GetUserGroupMembersOption
	if b.EnterpriseID != "" && b.TeamID != "" { // an organization's token must name the workspace
		options = append(options, slack.GetUserGroupMembersOptionTeamID(b.TeamID))
	}
	users, err := b.Slack.GetUserGroupMembersContext(ctx, id, options...)
	var answered slack.SlackErrorResponse
	if errors.As(err, &answered) && answered.Err == "no_such_subteam" {
		return nil, nil // a deleted group has no members
	}
	return users, err
}

const groupsAtOnce = 4 // look-ups; usergroups.users.list allows about 20 a minute

// groupsOf returns one of groups that a person, known by ids, belongs to, or
// none. It looks up several groups side by side. An error counts only if no
// other group has the person.
func (b *Bot) groupsOf(ctx context.Context, ids, groups []string) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu    sync.Mutex
		found []string
		errs  []error
		calls errgroup.Group
	)
	calls.SetLimit(groupsAtOnce)
	for _, group := range groups {
		calls.Go(func() error {
			users, err := []string(nil), ctx.Err()
			if err == nil {
				users, err = b.groupMembers(ctx, group)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				errs = append(errs, err)
			case found == nil && slices.ContainsFunc(users, func(u string) bool { return slices.Contains(ids, u) }):
				found = []string{group}
				cancel()
			}
			return nil
		})
	}
	_ = calls.Wait()
	if found != nil {
		return found, nil
	}
	return nil, errors.Join(errs...)
}
