package slacktest

import (
	"cmp"
	"slices"
	"strings"
)

// User is a person, or a bot, that the workspace knows of.
type User struct {
	ID              string // U... or W...
	TeamID          string // the home workspace; another than this one's for people met through Slack Connect
	Name            string // the user name; not an identifier
	RealName        string
	DisplayName     string
	Email           string
	Deleted         bool // deactivated
	Bot             bool
	Restricted      bool // a guest in several channels
	UltraRestricted bool // a guest in one channel
}

// UserGroup is a group that can be mentioned. A disabled one has been archived.
type UserGroup struct {
	ID       string // S...
	Handle   string // without the @
	Name     string
	Disabled bool
	Users    []string
}

// AddUser adds a person, or changes the one with that ID.
func (w *Workspace) AddUser(u User) {
	u.TeamID = cmp.Or(u.TeamID, w.config.TeamID)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users.set(u.ID, &u)
	w.version++
}

// AddUserGroup adds a group, or changes the one with that ID.
func (w *Workspace) AddUserGroup(g UserGroup) {
	g.Users = slices.Clone(g.Users)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups.set(g.ID, &g)
	w.version++
}

// Users are the people and bots in the order in which they were added.
func (w *Workspace) Users() []User {
	w.mu.Lock()
	defer w.mu.Unlock()
	users := make([]User, len(w.users.order))
	for i, id := range w.users.order {
		users[i] = *w.users.byID[id]
	}
	return users
}

// UserGroups are the groups in the order in which they were added.
func (w *Workspace) UserGroups() []UserGroup {
	w.mu.Lock()
	defer w.mu.Unlock()
	groups := make([]UserGroup, len(w.groups.order))
	for i, id := range w.groups.order {
		groups[i] = *w.groups.byID[id]
		groups[i].Users = slices.Clone(groups[i].Users)
	}
	return groups
}

// stranger reports whether u is of another workspace and shares no channel with
// this one: an ID that Slack knows but the app may do nothing with.
func (w *Workspace) isStranger(u *User) bool {
	if u.TeamID == w.config.TeamID {
		return false
	}
	for _, r := range w.channels.byID {
		if r.ExtShared && slices.Contains(r.Members, u.ID) {
			return false
		}
	}
	return true
}

// userByEmail finds an active member of this workspace.
func (w *Workspace) userByEmail(email string) *User {
	for _, id := range w.users.order {
		u := w.users.byID[id]
		if email != "" && strings.EqualFold(u.Email, email) && !u.Deleted && !u.Bot && u.TeamID == w.config.TeamID {
			return u
		}
	}
	return nil
}
