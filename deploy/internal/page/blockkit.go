package page

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"countersign/bot/slacktest"
)

// block is one Block Kit block as the page renders it. See
// https://docs.slack.dev/reference/block-kit/blocks
type block struct {
	Type      string
	ID        string
	Text      *text
	Fields    []*text
	Elements  []*element
	Accessory *element
	Level     int  // heading level of a header block
	Unknown   bool // the page does not render this type

	// Input blocks only.
	Label, Hint *text
	Input       *element
	Error       string // the app's validation error
}

// element is a button or an input.
type element struct {
	Type               string
	ActionID           string
	Block              string // block_id
	On                 surface
	Text               *text // a button's label, or the text of a context block
	AccessibilityLabel string
	Style              string
	URL                string
	Confirm            string // text of the confirmation dialog
	Failed             string // what Slack's client shows beside the button if the app did not acknowledge the click

	Placeholder        string
	Value              string
	Multiline, Decimal bool
	MinLength          int // characters
	MaxLength          int // characters; 0 for no limit
	Focus, Optional    bool
	Options            []option
	Alt                string
}

// option is one choice of a menu.
type option struct {
	Text        *text
	Description *text
	Value       string
	Selected    bool
}

// surface is the message or view that holds blocks. Buttons on the zero surface,
// as in the storybook, cannot be clicked.
type surface struct{ Channel, TS, View string }

// Live reports whether buttons on the surface can be clicked.
func (s surface) Live() bool { return s != surface{} }

// reader converts Block Kit JSON into what the templates render for one person.
type reader struct {
	names  names
	viewer string // Slack user ID
	on     surface

	failed map[string]string            // error texts beside buttons, by action_id
	typed  map[string]map[string]string // a view's submitted values, by block_id and action_id
	errors map[string]string            // a view's validation errors, by block_id
}

// blocks reads blocks as sent to Slack. Unsupported types are marked Unknown, not
// dropped.
func (r reader) blocks(raw json.RawMessage) ([]block, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var list []wireBlock
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("couldn't read blocks: %w", err)
	}
	out := make([]block, 0, len(list))
	for _, b := range list {
		out = append(out, r.block(b))
	}
	return out, nil
}

func (r reader) block(b wireBlock) block {
	out := block{Type: b.Type, ID: b.BlockID, Text: r.text(b.Text), Level: 4} // in the storybook, below an example's title
	if r.on.Live() {
		out.Level = 3 // below the channel's or the modal's title
	}
	switch b.Type {
	case "header", "section", "divider", "context", "actions":
	case "input":
		return r.input(b, out)
	default:
		out.Unknown = true
		return out
	}
	for i := range b.Fields {
		out.Fields = append(out.Fields, r.text(&b.Fields[i]))
	}
	for _, e := range b.Elements {
		out.Elements = append(out.Elements, r.element(e, b))
	}
	if b.Accessory != nil {
		out.Accessory = r.element(*b.Accessory, b)
	}
	return out
}

func (r reader) input(b wireBlock, out block) block {
	if b.Element == nil {
		out.Unknown = true
		return out
	}
	out.Label, out.Hint, out.Error = r.text(b.Label), r.text(b.Hint), r.errors[b.BlockID]
	out.Input = r.element(*b.Element, b)
	out.Input.Optional = b.Optional
	if typed, ok := r.typed[b.BlockID][b.Element.ActionID]; ok {
		out.Input.fill(typed)
	}
	return out
}

func (r reader) element(e wireElement, b wireBlock) *element {
	out := &element{
		Type: e.Type, ActionID: e.ActionID, Block: b.BlockID, On: r.on,
		Style: e.Style, URL: e.URL, AccessibilityLabel: e.AccessibilityLabel, Failed: r.failed[e.ActionID],
		Value: e.InitialValue, Multiline: e.Multiline, Decimal: e.IsDecimalAllowed,
		MinLength: e.MinLength, MaxLength: e.MaxLength, Focus: e.FocusOnLoad, Alt: e.AltText,
	}
	switch e.Type {
	case "plain_text", "mrkdwn":
		out.Text = r.text(&wireText{Type: e.Type, Text: e.Text.raw, Verbatim: e.Verbatim, Emoji: e.Emoji})
	default:
		out.Text = r.text(e.Text.object)
	}
	if e.Placeholder != nil {
		out.Placeholder = e.Placeholder.Text
	}
	if e.Confirm != nil {
		out.Confirm = e.Confirm.Title.Text + "\n\n" + slacktest.PlainText(slacktest.ParseMrkdwn(e.Confirm.Text.Text))
	}
	for _, o := range e.Options {
		out.Options = append(out.Options, option{Text: r.text(&o.Text), Description: r.text(o.Description), Value: o.Value})
	}
	if e.InitialOption != nil {
		out.fill(e.InitialOption.Value)
	}
	return out
}

// fill sets the value of an input. Several choices are joined by commas.
func (e *element) fill(value string) {
	e.Value = value
	chosen := strings.Split(value, ",")
	for i := range e.Options {
		e.Options[i].Selected = slices.Contains(chosen, e.Options[i].Value)
	}
}
