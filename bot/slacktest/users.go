package slacktest

import "slices"

// oneUser is the answer of the methods about one user.
type userResponse struct {
	envelope
	User wireUser `json:"user"`
}

// userInfo is users.info.
func (c *call) userInfo() (any, *apiError) {
	u, found := c.users.byID[c.form.Get("user")]
	if !found {
		return nil, errCode("user_not_found")
	}
	c.entry.User = u.ID
	return userResponse{okEnvelope, c.wireUser(u)}, nil
}

// lookupByEmail is users.lookupByEmail. It finds neither deactivated people nor
// those of other workspaces.
func (c *call) lookupByEmail() (any, *apiError) {
	u := c.userByEmail(c.form.Get("email"))
	if u == nil {
		return nil, errCode("users_not_found")
	}
	c.entry.User = u.ID
	return userResponse{okEnvelope, c.wireUser(u)}, nil
}

// listUsers is users.list: everybody of this workspace, deactivated people too.
func (c *call) listUsers() (any, *apiError) {
	members := []wireUser{}
	for _, id := range c.users.order {
		if u := c.users.byID[id]; u.TeamID == c.config.TeamID {
			members = append(members, c.wireUser(u))
		}
	}
	from, to, next, err := c.paginate(len(members), 1000, 1000)
	if err != nil {
		return nil, err
	}
	return struct {
		envelope
		Members []wireUser       `json:"members"`
		Page    responseMetadata `json:"response_metadata"`
	}{okEnvelope, members[from:to], next}, nil
}

// wireGroup is a user group object, as far as it is modelled.
type wireGroup struct {
	ID          string   `json:"id"`
	TeamID      string   `json:"team_id"`
	IsUserGroup bool     `json:"is_usergroup"`
	Name        string   `json:"name"`
	Handle      string   `json:"handle"`
	DateDelete  int64    `json:"date_delete"` // seconds since 1970, of a disabled group
	UserCount   *int     `json:"user_count,omitempty"`
	Users       []string `json:"users,omitempty"`
}

// listUserGroups is usergroups.list.
func (c *call) listUserGroups() (any, *apiError) {
	groups := []wireGroup{}
	for _, id := range c.groups.order {
		g := c.groups.byID[id]
		if g.Disabled && !c.boolArg("include_disabled", false) {
			continue
		}
		wire := wireGroup{ID: g.ID, TeamID: c.config.TeamID, IsUserGroup: true, Name: g.Name, Handle: g.Handle}
		if g.Disabled {
			wire.DateDelete = c.now.Unix()
		}
		if c.boolArg("include_count", false) {
			n := len(g.Users)
			wire.UserCount = &n
		}
		if c.boolArg("include_users", false) {
			wire.Users = slices.Clone(g.Users)
		}
		groups = append(groups, wire)
	}
	return struct {
		envelope
		UserGroups []wireGroup `json:"usergroups"`
	}{okEnvelope, groups}, nil
}

// listGroupUsers is usergroups.users.list.
func (c *call) listGroupUsers() (any, *apiError) {
	g, found := c.groups.byID[c.form.Get("usergroup")]
	if !found || g.Disabled && !c.boolArg("include_disabled", false) {
		return nil, errCode("no_such_subteam")
	}
	return struct {
		envelope
		Users []string `json:"users"`
	}{okEnvelope, append([]string{}, g.Users...)}, nil
}
