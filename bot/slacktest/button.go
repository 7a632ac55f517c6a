package slacktest

import "encoding/json"

// Button is a button in a message or a view.
type Button struct {
	BlockID  string
	ActionID string
	Text     string
	Value    string
	Style    string // primary, danger or empty
	URL      string // of a link button: pressing it sends an action too
	Confirm  bool   // the client asks before it sends

	raw json.RawMessage
}

// Buttons are the message's buttons in the order in which they are shown.
func (m Message) Buttons() []Button { return buttonsIn(m.Blocks) }

// Buttons are the view's buttons in the order in which they are shown, without
// the ones that submit and close it.
func (v View) Buttons() []Button { return buttonsIn(v.Blocks) }

func buttonsIn(blocks json.RawMessage) []Button {
	type element struct {
		Type     string          `json:"type"`
		ActionID string          `json:"action_id"`
		Text     json.RawMessage `json:"text"`
		Value    string          `json:"value"`
		Style    string          `json:"style"`
		URL      string          `json:"url"`
		Confirm  json.RawMessage `json:"confirm"`
	}
	var parsed []struct {
		BlockID   string            `json:"block_id"`
		Elements  []json.RawMessage `json:"elements"`
		Accessory json.RawMessage   `json:"accessory"`
	}
	if blocks == nil || json.Unmarshal(blocks, &parsed) != nil {
		return nil
	}
	var buttons []Button
	for _, b := range parsed {
		for _, raw := range append(b.Elements, b.Accessory) {
			var e element
			if raw == nil || json.Unmarshal(raw, &e) != nil || e.Type != "button" {
				continue
			}
			buttons = append(buttons, Button{
				BlockID: b.BlockID, ActionID: e.ActionID, Text: textOf(e.Text), Value: e.Value,
				Style: e.Style, URL: e.URL, Confirm: e.Confirm != nil, raw: raw,
			})
		}
	}
	return buttons
}

// action is a pressed button in the actions of a block_actions payload.
type action struct {
	ActionID string          `json:"action_id"`
	BlockID  string          `json:"block_id"`
	Text     json.RawMessage `json:"text"`
	Value    string          `json:"value,omitempty"`
	Style    string          `json:"style,omitempty"`
	Type     string          `json:"type"`
	ActionTS string          `json:"action_ts"`
}

func (b Button) action(ts string) action {
	var parts struct {
		Text json.RawMessage `json:"text"`
	}
	// The button was read from this very JSON.
	_ = json.Unmarshal(b.raw, &parts)
	return action{b.ActionID, b.BlockID, parts.Text, b.Value, b.Style, "button", ts}
}
