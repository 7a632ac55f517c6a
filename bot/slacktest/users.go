package slacktest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// User is a person or bot that the workspace knows.
type User struct {
	ID              string // U... or W..., in channels' Members too
	TeamID          string // the user's own workspace; differs from Config.TeamID for people met through Slack Connect
	Name            string // the user name; not an identifier
	RealName        string
	DisplayName     string
	Email           string
	Deleted         bool // deactivated
	Bot             bool
	Restricted      bool // a guest in several channels
	UltraRestricted bool // a guest in one channel

	// Overrides replace top-level fields of the user object in the API's responses,
	// so that a test can send what Slack sends rarely; the value [Omit] leaves a
	// field out. They must not be changed after AddUser.
	Overrides map[string]any

	// In Enterprise Grid, EnterpriseUserID is the person's other ID, in the
	// organization, and Teams are the workspaces they belong to (by default TeamID).
	// Both IDs name the person wherever the API or a test names a user. Responses mix
	// them, as Slack's do: users.info returns ID, users.lookupByEmail returns
	// EnterpriseUserID, and usergroups.users.list whatever the group lists.
	EnterpriseUserID string // U... or W...
	Teams            []string
}

// Omit is a value of [User.Overrides].
var Omit = omit{}

type omit struct{}

// UserGroup is a group of users that can be mentioned.
type UserGroup struct {
	ID       string // S...
	Handle   string // without the @
	Name     string
	Disabled bool // archived
	Users    []string
}

// AddUser adds a user, or replaces the one with that ID. An empty TeamID means
// this workspace.
func (w *Workspace) AddUser(u User) {
	u.TeamID = cmp.Or(u.TeamID, w.config.TeamID)
	u.Teams = slices.Clone(u.Teams)
	if u.EnterpriseUserID != "" && u.Teams == nil {
		u.Teams = []string{u.TeamID}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users.set(u.ID, &u)
	w.version++
}

// AddUserGroup adds a group, or replaces the one with that ID.
func (w *Workspace) AddUserGroup(g UserGroup) {
	g.Users = slices.Clone(g.Users)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups.set(g.ID, &g)
	w.version++
}

// Users returns the people and bots in the order in which they were added.
func (w *Workspace) Users() []User {
	w.mu.Lock()
	defer w.mu.Unlock()
	users := make([]User, len(w.users.order))
	for i, id := range w.users.order {
		users[i] = *w.users.byID[id]
		users[i].Teams = slices.Clone(users[i].Teams)
	}
	return users
}

// UserGroups returns the groups in the order in which they were added.
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

// userByID returns the user with that ID in the workspace or the organization, or
// nil.
func (w *Workspace) userByID(id string) *User {
	if u, ok := w.users.byID[id]; ok {
		return u
	}
	for _, key := range w.users.order {
		if u := w.users.byID[key]; id != "" && u.EnterpriseUserID == id {
			return u
		}
	}
	return nil
}

// localID returns the workspace ID of a user who is named by either ID.
func (w *Workspace) localID(id string) string {
	if u := w.userByID(id); u != nil {
		return u.ID
	}
	return id
}

// isMember reports whether u belongs to this workspace, or to its organization if
// the app is installed there.
func (w *Workspace) isMember(u *User) bool {
	return u.TeamID == w.config.TeamID || slices.Contains(u.Teams, w.config.TeamID) || w.config.OrgInstall && u.EnterpriseUserID != ""
}

// isStranger reports whether u belongs to another workspace and shares no channel
// with this one. Slack knows such a user, but refuses to message them.
func (w *Workspace) isStranger(u *User) bool {
	if w.isMember(u) {
		return false
	}
	for _, r := range w.channels.byID {
		if (r.ExtShared || r.OrgShared) && slices.Contains(r.Members, u.ID) {
			return false
		}
	}
	return true
}

// userByEmail returns the active member of this workspace with that address, or
// nil.
func (w *Workspace) userByEmail(email string) *User {
	for _, id := range w.users.order {
		u := w.users.byID[id]
		if email != "" && strings.EqualFold(u.Email, email) && !u.Deleted && !u.Bot && w.isMember(u) {
			return u
		}
	}
	return nil
}

// wireUser is the simulated part of a user object:
// https://docs.slack.dev/reference/objects/user-object
type wireUser struct {
	ID                string      `json:"id"`
	TeamID            string      `json:"team_id"`
	Name              string      `json:"name"`
	RealName          string      `json:"real_name"`
	Deleted           bool        `json:"deleted"`
	IsBot             bool        `json:"is_bot"`
	IsAppUser         bool        `json:"is_app_user"`
	IsRestricted      bool        `json:"is_restricted"`
	IsUltraRestricted bool        `json:"is_ultra_restricted"`
	IsStranger        bool        `json:"is_stranger,omitempty"`
	Profile           wireProfile `json:"profile"`

	EnterpriseUser *wireEnterpriseUser `json:"enterprise_user,omitempty"`
}

type wireEnterpriseUser struct {
	ID             string   `json:"id"`
	EnterpriseID   string   `json:"enterprise_id"`
	EnterpriseName string   `json:"enterprise_name"`
	IsAdmin        bool     `json:"is_admin"`
	IsOwner        bool     `json:"is_owner"`
	Teams          []string `json:"teams"`
}

type wireProfile struct {
	RealName    string `json:"real_name"`
	DisplayName string `json:"display_name"`
	Email       string `json:"email,omitempty"` // needs users:read.email; never for people of other workspaces
	Team        string `json:"team"`
}

// userObject returns the user object with that ID of u's and u's overrides.
func (c *call) userObject(u *User, id string) json.RawMessage {
	wire := c.wireUser(u)
	wire.ID = id
	raw := encode(wire)
	if u.Overrides == nil {
		return raw
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		panic("slacktest: can't decode a user object: " + err.Error())
	}
	for field, value := range u.Overrides {
		if value == Omit {
			delete(object, field)
		} else {
			object[field] = value
		}
	}
	return encode(object)
}

func (c *call) wireUser(u *User) wireUser {
	user := wireUser{
		ID: u.ID, TeamID: u.TeamID, Name: u.Name, RealName: u.RealName, Deleted: u.Deleted, IsBot: u.Bot,
		IsRestricted: u.Restricted, IsUltraRestricted: u.UltraRestricted, IsStranger: c.isStranger(u),
		Profile: wireProfile{RealName: u.RealName, DisplayName: u.DisplayName, Team: u.TeamID},
	}
	if c.hasScope("users:read.email") && c.isMember(u) {
		user.Profile.Email = u.Email
	}
	if u.EnterpriseUserID != "" {
		user.EnterpriseUser = &wireEnterpriseUser{
			ID: u.EnterpriseUserID, EnterpriseID: c.config.EnterpriseID, EnterpriseName: c.config.EnterpriseName, Teams: u.Teams,
		}
	}
	return user
}

// userResponse is the response of the methods about one user.
type userResponse struct {
	envelope
	User json.RawMessage `json:"user"`
}

// userInfo implements users.info.
func (c *call) userInfo() (any, *apiError) {
	u := c.userByID(c.form.Get("user"))
	if u == nil {
		return nil, errCode("user_not_found")
	}
	c.entry.User = u.ID
	return userResponse{okEnvelope, c.userObject(u, u.ID)}, nil
}

// lookupByEmail implements users.lookupByEmail. It finds neither deactivated people
// nor members of other workspaces.
func (c *call) lookupByEmail() (any, *apiError) {
	u := c.userByEmail(c.form.Get("email"))
	if u == nil {
		return nil, errCode("users_not_found")
	}
	c.entry.User = u.ID
	return userResponse{okEnvelope, c.userObject(u, cmp.Or(u.EnterpriseUserID, u.ID))}, nil
}

// requireTeam refuses a call with an organization's token that does not name the
// workspace.
func (c *call) requireTeam() *apiError {
	switch team := c.form.Get("team_id"); {
	case !c.config.OrgInstall:
		return nil
	case team == "":
		return errCode("missing_argument")
	case team != c.config.TeamID:
		return errCode("team_access_not_granted")
	}
	return nil
}

// listGroups implements usergroups.list. Without include_users and include_count, Slack
// sends neither.
func (c *call) listGroups() (any, *apiError) {
	if err := c.requireTeam(); err != nil {
		return nil, err
	}
	type userGroup struct {
		ID        string   `json:"id"`
		TeamID    string   `json:"team_id"`
		IsGroup   bool     `json:"is_usergroup"`
		Name      string   `json:"name"`
		Handle    string   `json:"handle"`
		DeletedAt int64    `json:"date_delete"`
		Count     *int     `json:"user_count,omitempty"`
		Users     []string `json:"users,omitempty"`
	}
	list := []userGroup{}
	for _, id := range c.groups.order {
		g := c.groups.byID[id]
		if g.Disabled && !c.boolArg("include_disabled", false) {
			continue
		}
		answer := userGroup{ID: g.ID, TeamID: c.config.TeamID, IsGroup: true, Name: g.Name, Handle: g.Handle}
		if g.Disabled {
			answer.DeletedAt = c.now.Unix()
		}
		if n := len(g.Users); c.boolArg("include_count", false) {
			answer.Count = &n
		}
		if c.boolArg("include_users", false) {
			answer.Users = slices.Clone(g.Users)
		}
		list = append(list, answer)
	}
	return struct {
		envelope
		UserGroups []userGroup `json:"usergroups"`
	}{okEnvelope, list}, nil
}

// listGroupUsers implements usergroups.users.list.
func (c *call) listGroupUsers() (any, *apiError) {
	if err := c.requireTeam(); err != nil {
		return nil, err
	}
	g, found := c.groups.byID[c.form.Get("usergroup")]
	if !found || g.Disabled && !c.boolArg("include_disabled", false) {
		return nil, errCode("no_such_subteam")
	}
	return struct {
		envelope
		Users []string `json:"users"`
	}{okEnvelope, append([]string{}, g.Users...)}, nil
}
