package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// directory is what Slack says of people and user groups: asked live, and
// remembered for a minute at most, so that whoever leaves a group has lost
// their say a minute later.
type directory struct {
	people memo[member]
	groups memo[[]string] // IDs of the users in the group
}

// member is what matters of a users.info answer. See
// https://docs.slack.dev/reference/objects/user-object
type member struct {
	name         string
	team         string // own workspace
	organization string // own Enterprise Grid organization, if any
	orgID        string // the person's ID there, which can differ from the one in a workspace
	guest        bool
	bot          bool
	deactivated  bool
	stranger     bool
}

const maxName = 80 // bytes of a person's name

func (b *Bot) member(ctx context.Context, id string) (member, error) {
	m, err := b.directory.people.get(ctx, id, b.Now(), func() (member, error) {
		ctx, cancel := b.call(context.WithoutCancel(ctx)) // others may wait for the answer too
		defer cancel()
		return within(ctx, b, "ask Slack for a user", func(ctx context.Context) (member, error) {
			return b.askMember(ctx, id)
		})
	})
	if err != nil {
		return member{}, fmt.Errorf("couldn't look up user %s: %w", id, err)
	}
	return m, nil
}

func (b *Bot) askMember(ctx context.Context, id string) (member, error) {
	u, err := b.Slack.GetUserInfoContext(ctx, id)
	if err != nil {
		return member{}, err
	}
	if u.ID != id && u.Enterprise.ID != id {
		return member{}, fmt.Errorf("asked for user %s, Slack answered of %q", id, u.ID)
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

func (b *Bot) group(ctx context.Context, id string) ([]string, error) {
	users, err := b.directory.groups.get(ctx, id, b.Now(), func() ([]string, error) {
		ctx, cancel := b.call(context.WithoutCancel(ctx))
		defer cancel()
		return within(ctx, b, "ask Slack for a user group", func(ctx context.Context) ([]string, error) {
			return b.askGroup(ctx, id)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't look up user group %s: %w", id, err)
	}
	return users, nil
}

func (b *Bot) askGroup(ctx context.Context, id string) ([]string, error) {
	var options []slack.GetUserGroupMembersOption
	if b.EnterpriseID != "" && b.TeamID != "" { // tokens of an organization must say which workspace
		options = append(options, slack.GetUserGroupMembersOptionTeamID(b.TeamID))
	}
	users, err := b.Slack.GetUserGroupMembersContext(ctx, id, options...)
	var answered slack.SlackErrorResponse
	if errors.As(err, &answered) && answered.Err == "no_such_subteam" {
		return nil, nil // nobody is in a group that is no more
	}
	return users, err
}

const groupsAtOnce = 4 // look-ups; usergroups.users.list allows some 20 a minute

// groupsOf returns one of the groups that the person, known by ids, is in; none
// if they are in none. It asks for several groups side by side, and an error
// counts only if no other group has the person.
func (b *Bot) groupsOf(ctx context.Context, ids, groups []string) ([]string, error) {
	type result struct {
		group string
		users []string
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(groups))
	slots := make(chan struct{}, groupsAtOnce)
	for _, g := range groups {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := ctx.Err(); err != nil {
				results <- result{err: err}
				return
			}
			users, err := b.group(ctx, g)
			results <- result{g, users, err}
		}()
	}
	var errs []error
	for range groups {
		r := <-results
		if slices.ContainsFunc(r.users, func(u string) bool { return slices.Contains(ids, u) }) {
			return []string{r.group}, nil
		}
		if r.err != nil {
			errs = append(errs, r.err)
		}
	}
	return nil, errors.Join(errs...)
}
