package bot

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"

	"countersign/handle"
)

// Slack sends whole messages and views along with a click. What the bot needs
// of them it decodes into the few fields below, and of lists only the elements
// that are its own, so that a block or element it has never heard of cannot
// break a click. See
// https://docs.slack.dev/reference/interaction-payloads/block_actions-payload and
// https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload

// envelope is what all payloads have in common.
type envelope struct {
	Type  string `json:"type"`
	AppID string `json:"api_app_id"`
}

// user is the person that acted.
type user struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Username string `json:"username"`

	// TeamID is the person's own workspace; under Enterprise Grid it can be the
	// organization. The payload's team is not it: that is the workspace in which
	// the app is installed, for people of other workspaces too.
	TeamID string `json:"team_id"`
}

func (u user) name() string {
	if u.Name == "" {
		return handle.OneLine(u.Username, maxName)
	}
	return handle.OneLine(u.Name, maxName)
}

type ident struct {
	ID string `json:"id"`
}

// blockActions tells of a pressed button. Team is null for an app that is
// installed in a whole organization, and not asked for here.
type blockActions struct {
	User       user   `json:"user"`
	Enterprise ident  `json:"enterprise"`
	TriggerID  string `json:"trigger_id"`
	Container  struct {
		ChannelID string `json:"channel_id"`
		MessageTS string `json:"message_ts"`
		Ephemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Channel ident `json:"channel"`
	Message struct {
		TS string `json:"ts"`
	} `json:"message"`
	Actions []json.RawMessage `json:"actions"`
}

type action struct {
	ID    string `json:"action_id"`
	Value string `json:"value"`
}

// pressed is the action of one of our own buttons, if there is one.
func (p blockActions) pressed() (action, bool) {
	for _, raw := range p.Actions {
		var a action
		if json.Unmarshal(raw, &a) != nil {
			continue
		}
		if a.ID == string(handle.Approve) || a.ID == string(handle.Reject) {
			return a, true
		}
	}
	return action{}, false
}

// place is the message that holds the pressed button. It has no TS if it cannot
// be updated, and no Channel if Slack did not say.
func (p blockActions) place() handle.Message {
	m := handle.Message{Channel: p.Container.ChannelID, TS: p.Container.MessageTS}
	if m.Channel == "" {
		m.Channel = p.Channel.ID
	}
	if m.TS == "" {
		m.TS = p.Message.TS
	}
	if p.Container.Ephemeral {
		m.TS = ""
	}
	return plausible(m)
}

var (
	channelID = regexp.MustCompile(`^[CDG][A-Z0-9]+$`)
	messageTS = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
)

const maxPlace = 32 // bytes, of a channel's ID and of a message's ts

// plausible drops what is not of the form that Slack gives, before it gets onto
// the record.
func plausible(m handle.Message) handle.Message {
	if len(m.Channel) > maxPlace || !channelID.MatchString(m.Channel) {
		m.Channel = ""
	}
	if len(m.TS) > maxPlace || !messageTS.MatchString(m.TS) {
		m.TS = ""
	}
	return m
}

// viewSubmission tells of a submitted modal.
type viewSubmission struct {
	User       user  `json:"user"`
	Enterprise ident `json:"enterprise"`
	View       struct {
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values map[string]map[string]json.RawMessage `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

// typed is the text of an input. Whatever else is there counts as nothing
// typed.
func (p viewSubmission) typed(block, action string) string {
	var element struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(p.View.State.Values[block][action], &element) != nil {
		return ""
	}
	return element.Value
}

var (
	errForm    = errors.New("the body is no form")
	errNotOnce = errors.New("the field payload is there more than once")
)

// payloadOf returns the JSON of an interactivity request; nil if the body is a
// form without one, such as Slack's ssl_check.
func payloadOf(body []byte) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errForm // err would quote the body
	}
	switch list := form["payload"]; len(list) {
	case 0:
		return nil, nil
	case 1:
		return []byte(list[0]), nil
	}
	return nil, errNotOnce
}
