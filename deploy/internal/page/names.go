package page

import (
	"cmp"
	"slices"
	"strings"

	"countersign/bot/slacktest"
)

// names resolves the IDs of people, groups and channels.
type names struct {
	users    map[string]slacktest.User
	groups   map[string]slacktest.UserGroup
	channels map[string]slacktest.Channel
}

// namesOf reads the names of a workspace.
func namesOf(w *slacktest.Workspace) names {
	n := names{map[string]slacktest.User{}, map[string]slacktest.UserGroup{}, map[string]slacktest.Channel{}}
	for _, u := range w.Users() {
		n.users[u.ID] = u
	}
	for _, g := range w.UserGroups() {
		n.groups[g.ID] = g
	}
	for _, c := range w.Channels() {
		n.channels[c.ID] = c
	}
	return n
}

// user returns a person's display name, or the ID if it is unknown.
func (n names) user(id string) string {
	u := n.users[id]
	return cmp.Or(u.DisplayName, u.RealName, u.Name, id)
}

// group returns a user group's handle.
func (n names) group(id string) string { return cmp.Or(n.groups[id].Handle, id) }

// channel returns a channel's name, without the #.
func (n names) channel(id string) string { return cmp.Or(n.channels[id].Name, id) }

// mention returns the name of a person, group or channel as a mention shows it.
func (n names) mention(id string) string {
	switch {
	case strings.HasPrefix(id, "S"):
		return "@" + n.group(id)
	case strings.HasPrefix(id, "C"), strings.HasPrefix(id, "G"):
		return "#" + n.channel(id)
	}
	return n.user(id)
}

// isIn reports whether a person is in a user group.
func (n names) isIn(user, group string) bool { return slices.Contains(n.groups[group].Users, user) }

// byEmail finds a person by e-mail address.
func (n names) byEmail(email string) (slacktest.User, bool) {
	for _, u := range n.users {
		if email != "" && strings.EqualFold(u.Email, email) {
			return u, true
		}
	}
	return slacktest.User{}, false
}

// initials returns at most two letters for an avatar.
func initials(name string) string {
	var out []rune
	for word := range strings.FieldsSeq(name) {
		if first := []rune(word)[0]; len(out) < 2 {
			out = append(out, first)
		}
	}
	return strings.ToUpper(string(out))
}
