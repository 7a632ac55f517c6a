package page

import (
	"cmp"
	"slices"
	"strings"

	"countersign/bot/slacktest"
)

// names knows how people, groups and channels are called.
type names struct {
	users    map[string]slacktest.User
	groups   map[string]slacktest.UserGroup
	channels map[string]slacktest.Channel
}

// namesOf reads them off a workspace.
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

// user is how a person is called; the ID, if nobody knows them.
func (n names) user(id string) string {
	u := n.users[id]
	return cmp.Or(u.DisplayName, u.RealName, u.Name, id)
}

// group is a user group's handle.
func (n names) group(id string) string { return cmp.Or(n.groups[id].Handle, id) }

// channel is a channel's name, without the #.
func (n names) channel(id string) string { return cmp.Or(n.channels[id].Name, id) }

// called is how whoever or whatever has that ID is called, as in a mention.
func (n names) called(id string) string {
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

// byEmail finds who has an e-mail address.
func (n names) byEmail(email string) (slacktest.User, bool) {
	for _, u := range n.users {
		if email != "" && strings.EqualFold(u.Email, email) {
			return u, true
		}
	}
	return slacktest.User{}, false
}

// initials are what an avatar shows: at most two letters.
func initials(name string) string {
	var out []rune
	for word := range strings.FieldsSeq(name) {
		if first := []rune(word)[0]; len(out) < 2 {
			out = append(out, first)
		}
	}
	return strings.ToUpper(string(out))
}
