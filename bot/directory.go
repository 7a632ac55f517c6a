package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/singleflight"

	"countersign/handle"
)

// directory is what Slack says about people and user groups. Answers are kept
// for a minute, so a person who leaves a group can decide for a minute more.
type directory struct {
	users  ttlCache[Member]
	groups ttlCache[[]string] // IDs of the users in the group
}

const maxName = 80 // bytes of a person's name

// lookUp asks Slack once who the person is. User groups are looked up only if
// the person acts as an approver and is not named as one, and at the same time if the
// ID in the payload is not.
func (i *interaction) lookUp(ctx context.Context, r handle.Request) (handle.Voter, error) {
	if i.voter != nil {
		return *i.voter, nil
	}
	ctx, cancel := i.b.callTimeout(ctx)
	defer cancel()
	asApprover := !i.act.byRequester
	if asApprover && notNamed(r.Authorize(handle.Voter{Person: i.person(), Home: true})) {
		i.b.fetchAhead(ctx, r.Terms.Groups())
	}
	m, err := i.b.member(ctx, i.user.ID)
	if err != nil {
		return handle.Voter{}, err
	}
	v := i.b.asVoter(i.user, m)
	if asApprover && notNamed(r.Authorize(v)) {
		if v.Groups, err = i.b.groupsOf(ctx, v.IDs(), r.Terms.Groups()); err != nil {
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

// asVoter joins what the signed payload and users.info say about a person.
func (b *Bot) asVoter(u user, m Member) handle.Voter {
	return handle.Voter{
		Person:      m.Person(u.ID, cmp.Or(m.Team, u.TeamID), u.name()),
		Home:        b.home().Includes(u.TeamID, m),
		Guest:       m.Guest,
		Bot:         m.Bot,
		Deactivated: m.Deactivated,
	}
}

func (b *Bot) home() Home { return Home{Team: b.TeamID, Enterprise: b.EnterpriseID} }

func (b *Bot) member(ctx context.Context, id string) (Member, error) {
	m, err := b.directory.users.get(ctx, id, b.Now(), func() (Member, error) {
		ctx, cancel := b.callTimeout(context.WithoutCancel(ctx)) // others may wait for the answer too
		defer cancel()
		return within(ctx, b, "look up a user", func(ctx context.Context) (Member, error) {
			return b.fetchMember(ctx, id)
		})
	})
	if err != nil {
		return Member{}, fmt.Errorf("couldn't look up user %s: %w", id, err)
	}
	return m, nil
}

func (b *Bot) fetchMember(ctx context.Context, id string) (Member, error) {
	u, err := b.Slack.GetUserInfoContext(ctx, id)
	if err != nil {
		return Member{}, err
	}
	if u.ID != id && u.Enterprise.ID != id {
		return Member{}, fmt.Errorf("users.info of %s returned user %q", id, u.ID)
	}
	return NewMember(u), nil
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

// fetchAhead begins the look-ups of the first groups. groupsOf waits for those that
// it needs.
func (b *Bot) fetchAhead(ctx context.Context, groups []string) {
	for _, group := range groups[:min(len(groups), groupsAtOnce)] {
		fetch := func() { _, _ = b.groupMembers(ctx, group) }
		if b.Go != nil {
			b.Go(fetch)
		} else {
			go fetch()
		}
	}
}

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
		calls []func()
	)
	for _, group := range groups {
		calls = append(calls, func() {
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
		})
	}
	b.sideBySide(groupsAtOnce, calls)
	if found != nil {
		return found, nil
	}
	return nil, errors.Join(errs...)
}

const (
	cacheTTL  = time.Minute
	cacheSize = 1000 // entries
)

// ttlCache keeps fetched values for a minute, and fetches each key once at a
// time. Failures are not kept. The zero value is ready to use.
type ttlCache[V any] struct {
	flights singleflight.Group

	mu      sync.Mutex
	entries map[string]cached[V]
}

type cached[V any] struct {
	v         V
	fetchedAt time.Time // when the fetch began
}

func (c cached[V]) fresh(now time.Time) bool {
	age := now.Sub(c.fetchedAt)
	return age >= 0 && age < cacheTTL
}

// get returns the value of key, at most a minute old, or fetches it. It returns
// when ctx ends at the latest; the fetch goes on for others who wait for it, so
// fetch must end by itself and not panic.
func (c *ttlCache[V]) get(ctx context.Context, key string, now time.Time, fetch func() (V, error)) (v V, err error) {
	c.mu.Lock()
	hit, ok := c.entries[key]
	c.mu.Unlock()
	if ok && hit.fresh(now) {
		return hit.v, nil
	}
	if err := ctx.Err(); err != nil {
		return v, err // no one would wait for it
	}
	flight := c.flights.DoChan(key, func() (any, error) {
		v, err := fetch()
		if err == nil {
			c.put(key, cached[V]{v, now})
		}
		return v, err
	})
	select {
	case got := <-flight:
		v, _ = got.Val.(V)
		return v, got.Err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// put keeps an entry. When the cache is full, it drops all stale entries, or
// else the oldest.
func (c *ttlCache[V]) put(key string, entry cached[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]cached[V]{}
	}
	if len(c.entries) >= cacheSize {
		oldest := ""
		for k, e := range c.entries {
			if !e.fresh(entry.fetchedAt) {
				delete(c.entries, k)
			} else if oldest == "" || e.fetchedAt.Before(c.entries[oldest].fetchedAt) {
				oldest = k
			}
		}
		if len(c.entries) >= cacheSize {
			delete(c.entries, oldest)
		}
	}
	c.entries[key] = entry
}
