package slacktest

import "strconv"

// method is one method of the Web API.
type method struct {
	scope    string // the required scope; empty if none, or if it depends on the arguments
	do       func(*call) (any, *apiError)
	appLevel bool // takes an app-level token, not the bot's
}

// methods are the simulated methods with the scopes that their pages under
// https://docs.slack.dev/reference/methods name for bot tokens.
var methods = map[string]method{
	"auth.test": {do: (*call).authTest},
	"bots.info": {scope: "users:read", do: (*call).botInfo},

	"apps.connections.open": {scope: "connections:write", do: (*call).openConnection, appLevel: true},

	"chat.postMessage":   {scope: "chat:write", do: (*call).postMessage},
	"chat.postEphemeral": {scope: "chat:write", do: (*call).postEphemeral},
	"chat.update":        {scope: "chat:write", do: (*call).updateMessage},
	"chat.getPermalink":  {do: (*call).getPermalink},

	"conversations.info": {do: (*call).conversationInfo},
	"conversations.list": {do: (*call).listConversations},

	"users.info":          {scope: "users:read", do: (*call).userInfo},
	"users.lookupByEmail": {scope: "users:read.email", do: (*call).lookupByEmail},

	"usergroups.list":       {scope: "usergroups:read", do: (*call).listGroups},
	"usergroups.users.list": {scope: "usergroups:read", do: (*call).listGroupUsers},

	"reactions.add":    {scope: "reactions:write", do: (*call).addReaction},
	"reactions.remove": {scope: "reactions:write", do: (*call).removeReaction},

	"views.open":    {do: (*call).openView},
	"views.push":    {do: (*call).pushView},
	"views.update":  {do: (*call).updateView},
	"views.publish": {do: (*call).publishView},
}

func (c *call) authTest() (any, *apiError) {
	return struct {
		envelope
		URL                 string `json:"url"`
		Team                string `json:"team"`
		User                string `json:"user"`
		TeamID              string `json:"team_id"`
		UserID              string `json:"user_id"`
		BotID               string `json:"bot_id"`
		EnterpriseID        string `json:"enterprise_id,omitempty"`
		IsEnterpriseInstall bool   `json:"is_enterprise_install"`
	}{
		envelope: okEnvelope, URL: "https://" + c.config.Domain + ".slack.com/",
		Team: c.config.TeamName, User: c.config.BotName,
		TeamID: c.config.TeamID, UserID: c.config.BotUserID, BotID: c.config.BotID,
		EnterpriseID: c.config.EnterpriseID, IsEnterpriseInstall: c.config.OrgInstall,
	}, nil
}

// botInfo implements bots.info. It knows only the app's own bot.
func (c *call) botInfo() (any, *apiError) {
	if c.form.Get("bot") != c.config.BotID {
		return nil, errCode("bot_not_found")
	}
	type bot struct {
		ID      string            `json:"id"`
		Deleted bool              `json:"deleted"`
		Name    string            `json:"name"`
		Updated int64             `json:"updated"` // seconds since 1970
		AppID   string            `json:"app_id"`
		UserID  string            `json:"user_id"`
		Icons   map[string]string `json:"icons"`
	}
	return struct {
		envelope
		Bot bot `json:"bot"`
	}{okEnvelope, bot{c.config.BotID, false, c.config.BotName, 0, c.config.AppID, c.config.BotUserID, map[string]string{}}}, nil
}

// boolArg reads a boolean argument as Slack does.
func (c *call) boolArg(name string, otherwise bool) bool {
	switch c.form.Get(name) {
	case "true", "1", "True":
		return true
	case "false", "0", "False":
		return false
	}
	return otherwise
}

// paginate returns the range of n items that the arguments limit and cursor select,
// and the cursor of the next page. usual is the default limit, most the largest.
func (c *call) paginate(n, usual, most int) (from, to int, next responseMetadata, err *apiError) {
	limit := usual
	if s := c.form.Get("limit"); s != "" && s != "0" {
		var e error
		if limit, e = strconv.Atoi(s); e != nil || limit < 1 || limit > most {
			return 0, 0, responseMetadata{}, errCode("invalid_limit")
		}
	}
	if cursor := c.form.Get("cursor"); cursor != "" {
		var ok bool
		if from, ok = readCursor(cursor); !ok || from > n {
			return 0, 0, responseMetadata{}, errCode("invalid_cursor")
		}
	}
	to = min(n, from+limit)
	if to < n {
		next.NextCursor = formatCursor(to)
	}
	return from, to, next, nil
}
