package slacktest

import (
	"slices"
	"time"
)

// Block elements (https://docs.slack.dev/reference/block-kit/block-elements) by the
// places that accept them.
var (
	actionElements  = mergeRules(buttonElements, menuElements, pickerElements, choiceElements, map[string]rule{"overflow": overflow})
	accessories     = mergeRules(actionElements, map[string]rule{"image": imageElement})
	inputElements   = mergeRules(menuElements, pickerElements, choiceElements, textInputs, map[string]rule{"datetimepicker": datetimepicker})
	contextElements = mergeRules(map[string]rule{
		"image": imageElement, "plain_text": plainText(3000), "mrkdwn": mrkdwnText(3000),
	})
)

func mergeRules(sets ...map[string]rule) map[string]rule {
	union := make(map[string]rule)
	for _, set := range sets {
		for name, r := range set {
			union[name] = r
		}
	}
	return union
}

// interactive is an element that sends an action. Its action_id is unique in its
// block; Slack generates a missing one.
func interactive(fields ...field) rule {
	return all(uniqueActionID, object(append(fields, required("type", typeChecked), optional("action_id", str(1, 255)))...))
}

func uniqueActionID(in *validator, v any) {
	id, ok := property(v, "action_id").(string)
	if !ok {
		in.missingActionID = true
		return
	}
	if slices.Contains(in.actionIDs, id) {
		in.check("action_id", id, func(in *validator, v any) { in.failf("action_id %q already exists in this block", id) })
	}
	in.actionIDs = append(in.actionIDs, id)
}

var buttonElements = map[string]rule{"button": interactive(
	required("text", plain(75)),
	optional("url", link),
	optional("value", str(1, 2000)),
	optional("style", buttonStyle),
	optional("confirm", confirm),
	optional("accessibility_label", str(1, 75)),
)}

var overflow = interactive(required("options", list(1, 5, linkOption)), optional("confirm", confirm))

var imageElement = object(
	required("type", typeChecked),
	required("image_url", link),
	required("alt_text", str(1, 2000)),
)

// focusOnce allows focus_on_load on one element of a view.
func focusOnce(in *validator, v any) {
	boolean(in, v)
	if v != true {
		return
	}
	if in.focused++; in.focused > 1 {
		in.failf("only one element can have focus_on_load")
	}
}

var (
	placeholder     = optional("placeholder", plain(150))
	focusOnLoad     = optional("focus_on_load", focusOnce)
	optionalConfirm = optional("confirm", confirm)
	slackID         = str(1, 255)
)

var menuElements = map[string]rule{
	"static_select": all(checkOptions, interactive(placeholder, focusOnLoad, optionalConfirm,
		optional("options", list(1, 100, menuOption)), optional("option_groups", list(1, 100, optionGroup)),
		optional("initial_option", menuOption))),
	"multi_static_select": all(checkOptions, interactive(placeholder, focusOnLoad, optionalConfirm,
		optional("options", list(1, 100, menuOption)), optional("option_groups", list(1, 100, optionGroup)),
		optional("initial_options", list(1, 100, menuOption)), optional("max_selected_items", integer(1, 100)))),
	"users_select":          interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_user", slackID)),
	"multi_users_select":    interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_users", list(1, 100, slackID)), optional("max_selected_items", integer(1, 100))),
	"channels_select":       interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_channel", slackID), optional("response_url_enabled", boolean)),
	"conversations_select":  interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_conversation", slackID), optional("response_url_enabled", boolean), optional("default_to_current_conversation", boolean)),
	"external_select":       interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_option", menuOption), optional("min_query_length", integer(0, 255))),
	"multi_channels_select": interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_channels", list(1, 100, slackID)), optional("max_selected_items", integer(1, 100))),
}

var choiceElements = map[string]rule{
	"checkboxes": all(checkOptions, interactive(focusOnLoad, optionalConfirm,
		required("options", list(1, 10, boxOption)), optional("initial_options", list(1, 10, boxOption)))),
	"radio_buttons": all(checkOptions, interactive(focusOnLoad, optionalConfirm,
		required("options", list(1, 10, boxOption)), optional("initial_option", boxOption))),
}

var pickerElements = map[string]rule{
	"datepicker": interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_date", layout("date", time.DateOnly))),
	"timepicker": interactive(placeholder, focusOnLoad, optionalConfirm, optional("initial_time", layout("time", "15:04")), optional("timezone", str(1, 100))),
}

var datetimepicker = interactive(focusOnLoad, optionalConfirm, optional("initial_date_time", integer(1e9, 9999999999)))

func layout(what, layout string) rule {
	return matching(what, func(s string) bool {
		_, err := time.Parse(layout, s)
		return err == nil
	})
}

// textInputs are the elements for typed text.
var textInputs = map[string]rule{
	"plain_text_input": all(minBelowMax, interactive(placeholder, focusOnLoad, dispatchAction, optional("initial_value", str(0, 3000)),
		optional("multiline", boolean), optional("min_length", integer(0, 3000)), optional("max_length", integer(1, 3000)))),
	"email_text_input": interactive(placeholder, focusOnLoad, dispatchAction, optional("initial_value", str(0, 3000))),
	"url_text_input":   interactive(placeholder, focusOnLoad, dispatchAction, optional("initial_value", str(0, 3000))),
	"number_input": interactive(placeholder, focusOnLoad, dispatchAction, required("is_decimal_allowed", boolean),
		optional("initial_value", str(0, 3000)), optional("min_value", str(1, 100)), optional("max_value", str(1, 100))),
}

var dispatchAction = optional("dispatch_action_config", object(
	optional("trigger_actions_on", list(1, 2, oneOf("on_enter_pressed", "on_character_entered"))),
))

func minBelowMax(in *validator, v any) {
	low, hasLow := property(v, "min_length").(float64)
	high, hasHigh := property(v, "max_length").(float64)
	if hasLow && hasHigh && low > high {
		in.failf("min_length must not be greater than max_length")
	}
}
