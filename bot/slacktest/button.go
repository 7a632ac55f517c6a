package slacktest

import (
	"encoding/json"
	"slices"
)

// Button is a button in a message or a view.
type Button struct {
	BlockID  string
	ActionID string
	Text     string
	Value    string
	Style    string // primary, danger or empty
	URL      string // of a link button; a click still sends an action
	Confirm  bool   // the client asks for confirmation

	raw json.RawMessage
}

// Buttons returns the message's buttons in display order.
func (m Message) Buttons() []Button { return buttonsIn(m.Blocks) }

// ButtonsIn returns the buttons of the message's blocks with that block_id, in
// display order.
func (m Message) ButtonsIn(blockID string) []Button {
	return slices.DeleteFunc(m.Buttons(), func(b Button) bool { return b.BlockID != blockID })
}

// Buttons returns the buttons in the view's blocks in display order, without its
// submit and close buttons.
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

// action is a clicked button in the actions of a block_actions payload.
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
	// The error can be ignored: the button was decoded from this JSON.
	_ = json.Unmarshal(b.raw, &parts)
	return action{b.ActionID, b.BlockID, parts.Text, b.Value, b.Style, "button", ts}
}
