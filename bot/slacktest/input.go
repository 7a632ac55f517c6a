package slacktest

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// InputError says why a client does not submit a modal.
type InputError struct {
	BlockID, ActionID string
	Reason            string
}

func (e *InputError) Error() string {
	return fmt.Sprintf("input %s/%s %s", e.BlockID, e.ActionID, e.Reason)
}

// inputBlock is the part of an input block that filling it needs.
type inputBlock struct {
	Type     string       `json:"type"`
	BlockID  string       `json:"block_id"`
	Optional bool         `json:"optional"`
	Element  inputElement `json:"element"`
}

type inputElement struct {
	Type         string       `json:"type"`
	ActionID     string       `json:"action_id"`
	MinLength    int          `json:"min_length"`
	MaxLength    int          `json:"max_length"`
	Decimal      bool         `json:"is_decimal_allowed"`
	Options      []wireOption `json:"options"`
	OptionGroups []struct {
		Options []wireOption `json:"options"`
	} `json:"option_groups"`

	InitialValue   string       `json:"initial_value"`
	InitialOption  wireOption   `json:"initial_option"`
	InitialOptions []wireOption `json:"initial_options"`
	InitialDate    string       `json:"initial_date"`
	InitialTime    string       `json:"initial_time"`
	InitialUser    string       `json:"initial_user"`
	InitialChannel string       `json:"initial_channel"`
	InitialRoom    string       `json:"initial_conversation"`
}

type wireOption struct {
	Text  json.RawMessage `json:"text"`
	Value string          `json:"value"`
}

// inputBlocks returns the input blocks among blocks.
func inputBlocks(blocks json.RawMessage) []inputBlock {
	var raws []json.RawMessage
	_ = json.Unmarshal(blocks, &raws) // blocks was validated on arrival
	var inputs []inputBlock
	for _, raw := range raws {
		var b inputBlock
		if json.Unmarshal(raw, &b) == nil && b.Type == "input" {
			inputs = append(inputs, b)
		}
	}
	return inputs
}

// inputState returns state.values for what the user typed and chose.
func (w *Workspace) inputState(blocks json.RawMessage, values map[string]map[string]string) (map[string]map[string]any, error) {
	state := make(map[string]map[string]any)
	for _, b := range inputBlocks(blocks) {
		given, typed := values[b.BlockID][b.Element.ActionID]
		if !typed {
			given = b.Element.initial()
		}
		if given == "" && !b.Optional {
			return nil, &InputError{b.BlockID, b.Element.ActionID, "is required"}
		}
		v, reason := b.Element.stateValue(given)
		if reason != "" {
			return nil, &InputError{b.BlockID, b.Element.ActionID, reason}
		}
		state[b.BlockID] = map[string]any{b.Element.ActionID: v}
	}
	for block, actions := range values {
		for action := range actions {
			if _, ok := state[block][action]; !ok {
				return nil, &InputError{block, action, "is not in this view"}
			}
		}
	}
	return state, nil
}

// initial returns the element's initial value.
func (e inputElement) initial() string {
	var chosen []string
	for _, o := range e.InitialOptions {
		chosen = append(chosen, o.Value)
	}
	for _, s := range []string{
		e.InitialValue, e.InitialOption.Value, strings.Join(chosen, ","),
		e.InitialDate, e.InitialTime, e.InitialUser, e.InitialChannel, e.InitialRoom,
	} {
		if s != "" {
			return s
		}
	}
	return ""
}

// stateValue returns the element's entry in state.values, or why it cannot hold
// given.
func (e inputElement) stateValue(given string) (value map[string]any, reason string) {
	value = map[string]any{"type": e.Type}
	put := func(name string, v any) map[string]any {
		if given == "" {
			v = nil
		}
		value[name] = v
		return value
	}
	switch e.Type {
	case "plain_text_input", "email_text_input", "url_text_input", "number_input":
		return put("value", given), e.textProblem(given)
	case "static_select", "radio_buttons":
		option, ok := e.option(given)
		if !ok && given != "" {
			return nil, "has no such option"
		}
		return put("selected_option", option), ""
	case "multi_static_select", "checkboxes":
		options := []wireOption{}
		for s := range strings.SplitSeq(given, ",") {
			option, ok := e.option(s)
			if !ok && given != "" {
				return nil, "has no such option"
			} else if ok {
				options = append(options, option)
			}
		}
		value["selected_options"] = options
		return value, ""
	case "datepicker":
		return put("selected_date", given), timeProblem(time.DateOnly, given)
	case "timepicker":
		return put("selected_time", given), timeProblem("15:04", given)
	case "users_select":
		return put("selected_user", given), ""
	case "channels_select":
		return put("selected_channel", given), ""
	case "conversations_select":
		return put("selected_conversation", given), ""
	}
	return nil, "has the type " + e.Type + ", which is not simulated"
}

func (e inputElement) option(value string) (wireOption, bool) {
	options := e.Options
	for _, g := range e.OptionGroups {
		options = append(options[:len(options):len(options)], g.Options...)
	}
	i := slices.IndexFunc(options, func(o wireOption) bool { return o.Value == value })
	if i < 0 {
		return wireOption{}, false
	}
	return options[i], true
}

// textProblem returns why a text field does not accept text, or "". It accepts
// empty text, because inputState checks required fields.
func (e inputElement) textProblem(text string) string {
	if text == "" {
		return ""
	}
	n := utf8.RuneCountInString(text)
	high := e.MaxLength
	if high == 0 {
		high = 3000
	}
	switch {
	case n > high:
		return fmt.Sprintf("is longer than %d characters", high)
	case n < e.MinLength:
		return fmt.Sprintf("is shorter than %d characters", e.MinLength)
	}
	var err error
	switch e.Type {
	case "email_text_input":
		_, err = mail.ParseAddress(text)
	case "url_text_input":
		_, err = url.ParseRequestURI(text)
	case "number_input":
		if e.Decimal {
			_, err = strconv.ParseFloat(text, 64)
		} else {
			_, err = strconv.Atoi(text)
		}
	}
	if err != nil {
		return "is not valid for a " + e.Type
	}
	return ""
}

func timeProblem(layout, given string) string {
	if _, err := time.Parse(layout, given); err != nil && given != "" {
		return "is not a valid date or time"
	}
	return ""
}
