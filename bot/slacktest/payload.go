package slacktest

import "encoding/json"

// Interaction payloads: https://docs.slack.dev/reference/interaction-payloads

type payloadTeam struct {
	ID             string `json:"id"`
	Domain         string `json:"domain"`
	EnterpriseID   string `json:"enterprise_id,omitempty"`
	EnterpriseName string `json:"enterprise_name,omitempty"`
}

type payloadEnterprise struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// payloadUser is the user who acted. TeamID is the user's own workspace, which can
// differ from the workspace of the installation in Team.
type payloadUser struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
	TeamID   string `json:"team_id"`
}

type payloadChannel struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// payloadName returns a channel's name in payloads, which name only public channels.
func payloadName(r *channel) string {
	switch {
	case r == nil || r.IMUserID != "":
		return "directmessage"
	case r.Private:
		return "privategroup"
	}
	return r.Name
}

type container struct {
	Type        string `json:"type"` // message or view
	MessageTS   string `json:"message_ts,omitempty"`
	ThreadTS    string `json:"thread_ts,omitempty"`
	ChannelID   string `json:"channel_id,omitempty"`
	IsEphemeral *bool  `json:"is_ephemeral,omitempty"` // of a message
	ViewID      string `json:"view_id,omitempty"`
}

// payloadHead is the common part of all payloads.
type payloadHead struct {
	Type                string             `json:"type"`
	User                payloadUser        `json:"user"`
	APIAppID            string             `json:"api_app_id"`
	Token               string             `json:"token"`
	Team                *payloadTeam       `json:"team"`       // null if the app is installed on the organization
	Enterprise          *payloadEnterprise `json:"enterprise"` // null outside Enterprise Grid
	IsEnterpriseInstall bool               `json:"is_enterprise_install"`
}

// verificationToken is the deprecated verification token. Apps must not rely on it.
const verificationToken = "verification-token"

// payloadHead returns the head of a payload about u's action under the ID userID,
// which may be the one in the organization.
func (w *Workspace) payloadHead(kind string, u *User, userID string) payloadHead {
	c := &w.config
	head := payloadHead{
		Type:                kind,
		User:                payloadUser{userID, u.Name, u.Name, u.TeamID},
		APIAppID:            c.AppID,
		Token:               verificationToken,
		IsEnterpriseInstall: c.OrgInstall,
	}
	if c.EnterpriseID != "" {
		head.Enterprise = &payloadEnterprise{c.EnterpriseID, c.EnterpriseName}
	}
	if !c.OrgInstall {
		head.Team = &payloadTeam{c.TeamID, c.Domain, c.EnterpriseID, c.EnterpriseName}
	}
	return head
}

type blockActions struct {
	payloadHead
	Container   container       `json:"container"`
	TriggerID   string          `json:"trigger_id"`
	Channel     *payloadChannel `json:"channel,omitempty"`
	Message     *wireMessage    `json:"message,omitempty"`
	View        *wireView       `json:"view,omitempty"`
	State       *viewState      `json:"state,omitempty"`
	ResponseURL string          `json:"response_url,omitempty"`
	Actions     []action        `json:"actions"`
}

type viewSubmission struct {
	payloadHead
	TriggerID    string   `json:"trigger_id"`
	View         wireView `json:"view"`
	ResponseURLs []string `json:"response_urls"`
}

type viewClosed struct {
	payloadHead
	View      wireView `json:"view"`
	IsCleared bool     `json:"is_cleared"`
}

func encode(payload any) json.RawMessage {
	raw, err := json.Marshal(payload)
	if err != nil {
		panic("slacktest: can't encode a payload: " + err.Error())
	}
	return raw
}
