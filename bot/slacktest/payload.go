package slacktest

import "encoding/json"

// The payloads of docs.slack.dev/reference/interaction-payloads, with the fields
// that a workspace installation outside of Enterprise Grid gets.

type payloadTeam struct {
	ID     string `json:"id"`
	Domain string `json:"domain"`
}

// payloadUser is who acted. For a person met through Slack Connect the team is
// their own, while the payload's team is the one the app is installed in.
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

// payloadName is a channel's name as payloads have it: only public ones are named.
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

// payloadHead is what all payloads have.
type payloadHead struct {
	Type                string          `json:"type"`
	User                payloadUser     `json:"user"`
	APIAppID            string          `json:"api_app_id"`
	Token               string          `json:"token"`
	Team                payloadTeam     `json:"team"`
	Enterprise          json.RawMessage `json:"enterprise"` // always null
	IsEnterpriseInstall bool            `json:"is_enterprise_install"`
}

// The old verification token. Apps must not rely on it.
const verificationToken = "made-verification-token"

func (w *Workspace) payloadHead(kind string, u *User) payloadHead {
	return payloadHead{
		Type:     kind,
		User:     payloadUser{u.ID, u.Name, u.Name, u.TeamID},
		APIAppID: w.config.AppID,
		Token:    verificationToken,
		Team:     payloadTeam{w.config.TeamID, w.config.Domain},
	}
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
		panic("slack: a payload does not encode: " + err.Error())
	}
	return raw
}
