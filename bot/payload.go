package bot

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"

	"countersign/bot/blocks"
	"countersign/handle"
)

// Slack sends whole messages and views along with a click. The bot decodes only
// the fields below, and of lists only its own elements, so an unknown block or
// element cannot break a click. See
// https://docs.slack.dev/reference/interaction-payloads/block_actions-payload and
// https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload

// envelope is the part that all payloads share.
type envelope struct {
	Type  string `json:"type"`
	AppID string `json:"api_app_id"`
}

// user is the person who acted.
type user struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Username string `json:"username"`

	// TeamID is the person's home workspace; in an Enterprise Grid it can be the
	// organization. The payload's team is different: it is the workspace in which
	// the app is installed, also for members of other workspaces.
	TeamID string `json:"team_id"`
}

func (u user) name() string {
	return cmp.Or(handle.OneLine(u.Name, maxName), handle.OneLine(u.Username, maxName))
}

type ident struct {
	ID string `json:"id"`
}

// blockActions reports a pressed button. Its team is null for an app installed
// in a whole organization, and is not decoded.
type blockActions struct {
	User        user   `json:"user"`
	Enterprise  ident  `json:"enterprise"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	View        view   `json:"view"` // if a button in a modal or on the Home tab was pressed
	Container   struct {
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

// view identifies a modal or a Home tab.
type view struct {
	ID       string `json:"id"`
	Type     string `json:"type"` // modal or home; empty if there is none
	Hash     string `json:"hash"`
	Metadata string `json:"private_metadata"`
}

const (
	viewModal = "modal"
	viewHome  = "home"
)

type action struct {
	ID    string `json:"action_id"`
	Value string `json:"value"`
}

// action is the pressed button if it is one of ours.
func (p blockActions) action() (action, bool) {
	for _, raw := range p.Actions {
		var a action
		if json.Unmarshal(raw, &a) != nil {
			continue
		}
		switch a.ID {
		case string(handle.Approve), string(handle.Reject), string(handle.Revoke), blocks.DetailsAction,
			blocks.ReviewAction, blocks.BatchAction, blocks.NextAction, blocks.PreviousAction, blocks.HomeNextAction, blocks.HomePreviousAction:
			return a, true
		}
		if _, is := acts()[a.ID]; is {
			return a, true
		}
	}
	return action{}, false
}

// source is the message that holds the pressed button. It has no TS if it is
// ephemeral, and no Channel if the payload names none.
func (p blockActions) source() handle.Message {
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
	return wellFormed(m)
}

// wellFormed drops IDs that Slack cannot have issued, before they reach the
// record.
func wellFormed(m handle.Message) handle.Message {
	if !handle.IsConversation(m.Channel) {
		m.Channel = ""
	}
	if !handle.IsTimestamp(m.TS) {
		m.TS = ""
	}
	return m
}

// viewSubmission reports a submitted modal.
type viewSubmission struct {
	User       user  `json:"user"`
	Enterprise ident `json:"enterprise"`
	View       struct {
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           inputs `json:"state"`
	} `json:"view"`
}

// inputs are the elements of a modal's input blocks, by block_id and action_id. Slack
// sends [] if there are none, so what is not an object has none.
type inputs map[string]map[string]json.RawMessage

func (v *inputs) UnmarshalJSON(b []byte) error {
	*v = inputs{}
	for block, raw := range object(object(b)["values"]) {
		(*v)[block] = object(raw)
	}
	return nil
}

// object decodes an object; nil if raw is none.
func object(raw json.RawMessage) (fields map[string]json.RawMessage) {
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}

// decode decodes a payload. Slack writes [] for some objects without members, as for the
// values of a view: a list in the place of an object is an empty object.
func decode(payload []byte, v any) error {
	err := json.Unmarshal(payload, v)
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Value == "array" && mistyped.Field != "" {
		return nil // all other fields are decoded
	}
	return err
}

// input is the text of an input block; empty if there is none.
func (p viewSubmission) input(block, action string) string {
	var element struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(p.View.State[block][action], &element) != nil {
		return ""
	}
	return element.Value
}

var (
	errForm    = errors.New("the body is not a form")
	errNotOnce = errors.New("the form has more than one payload field")
)

// choices are the chosen values of a menu, or of a group of checkboxes, in an input
// block.
func (p viewSubmission) choices(block, action string) (values []string) {
	var element struct {
		Selected []struct {
			Value string `json:"value"`
		} `json:"selected_options"`
	}
	if json.Unmarshal(p.View.State[block][action], &element) != nil {
		return nil
	}
	for _, o := range element.Selected {
		values = append(values, o.Value)
	}
	return values
}

// payloadOf returns the JSON of an interactivity request; nil if the form has no
// payload, such as Slack's ssl_check.
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
