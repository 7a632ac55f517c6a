package slacktest

import (
	"slices"
	"time"
)

// The elements of docs.slack.dev/reference/block-kit/block-elements, by the
// places that take them.
var (
	actionElements = kinds(buttons, menus, pickers, boxes, map[string]rule{"overflow": overflow})
	accessories    = kinds(actionElements, map[string]rule{"image": imageElement})
	inputElements  = kinds(menus, pickers, boxes, typed, map[string]rule{"datetimepicker": datetimepicker})
	contextPieces  = kinds(map[string]rule{
		"image": imageElement, "plain_text": plainText(3000), "mrkdwn": mrkdwnText(3000),
	})
)

func kinds(sets ...map[string]rule) map[string]rule {
	union := make(map[string]rule)
	for _, set := range sets {
		for name, r := range set {
			union[name] = r
		}
	}
	return union
}

// interactive is an element that sends an action. Its action_id is unique in its
// block; Slack makes one up when there is none.
func interactive(fields ...field) rule {
	return all(named, object(append(fields, must("type", kind), may("action_id", str(1, 255)))...))
}

func named(in *inspection, v any) {
	id, ok := property(v, "action_id").(string)
	if !ok {
		in.unnamed = true
		return
	}
	if slices.Contains(in.actionIDs, id) {
		in.at("action_id", id, func(in *inspection, v any) { in.fail("action_id %q already exists in this block", id) })
	}
	in.actionIDs = append(in.actionIDs, id)
}

var buttons = map[string]rule{"button": interactive(
	must("text", plain(75)),
	may("url", link),
	may("value", str(1, 2000)),
	may("style", buttonStyle),
	may("confirm", confirm),
	may("accessibility_label", str(1, 75)),
)}

var overflow = interactive(must("options", list(1, 5, linkOption)), may("confirm", confirm))

var imageElement = object(
	must("type", kind),
	must("image_url", link),
	must("alt_text", str(1, 2000)),
)

// focus counts the elements that want the cursor: one in a view may.
func focus(in *inspection, v any) {
	boolean(in, v)
	if v != true {
		return
	}
	if in.focused++; in.focused > 1 {
		in.fail("only one element can have focus_on_load")
	}
}

var (
	placeholder = may("placeholder", plain(150))
	focusOnLoad = may("focus_on_load", focus)
	confirmed   = may("confirm", confirm)
	someID      = str(1, 255)
)

var menus = map[string]rule{
	"static_select": all(choices, interactive(placeholder, focusOnLoad, confirmed,
		may("options", list(1, 100, menuOption)), may("option_groups", list(1, 100, optionGroup)),
		may("initial_option", menuOption))),
	"multi_static_select": all(choices, interactive(placeholder, focusOnLoad, confirmed,
		may("options", list(1, 100, menuOption)), may("option_groups", list(1, 100, optionGroup)),
		may("initial_options", list(1, 100, menuOption)), may("max_selected_items", integer(1, 100)))),
	"users_select":          interactive(placeholder, focusOnLoad, confirmed, may("initial_user", someID)),
	"multi_users_select":    interactive(placeholder, focusOnLoad, confirmed, may("initial_users", list(1, 100, someID)), may("max_selected_items", integer(1, 100))),
	"channels_select":       interactive(placeholder, focusOnLoad, confirmed, may("initial_channel", someID), may("response_url_enabled", boolean)),
	"conversations_select":  interactive(placeholder, focusOnLoad, confirmed, may("initial_conversation", someID), may("response_url_enabled", boolean), may("default_to_current_conversation", boolean)),
	"external_select":       interactive(placeholder, focusOnLoad, confirmed, may("initial_option", menuOption), may("min_query_length", integer(0, 255))),
	"multi_channels_select": interactive(placeholder, focusOnLoad, confirmed, may("initial_channels", list(1, 100, someID)), may("max_selected_items", integer(1, 100))),
}

var boxes = map[string]rule{
	"checkboxes": all(choices, interactive(focusOnLoad, confirmed,
		must("options", list(1, 10, boxOption)), may("initial_options", list(1, 10, boxOption)))),
	"radio_buttons": all(choices, interactive(focusOnLoad, confirmed,
		must("options", list(1, 10, boxOption)), may("initial_option", boxOption))),
}

var pickers = map[string]rule{
	"datepicker": interactive(placeholder, focusOnLoad, confirmed, may("initial_date", layout("date", time.DateOnly))),
	"timepicker": interactive(placeholder, focusOnLoad, confirmed, may("initial_time", layout("time", "15:04")), may("timezone", str(1, 100))),
}

var datetimepicker = interactive(focusOnLoad, confirmed, may("initial_date_time", integer(1e9, 9999999999)))

func layout(what, layout string) rule {
	return matching(what, func(s string) bool {
		_, err := time.Parse(layout, s)
		return err == nil
	})
}

// typed are the elements that take typed text.
var typed = map[string]rule{
	"plain_text_input": all(minBelowMax, interactive(placeholder, focusOnLoad, dispatch, may("initial_value", str(0, 3000)),
		may("multiline", boolean), may("min_length", integer(0, 3000)), may("max_length", integer(1, 3000)))),
	"email_text_input": interactive(placeholder, focusOnLoad, dispatch, may("initial_value", str(0, 3000))),
	"url_text_input":   interactive(placeholder, focusOnLoad, dispatch, may("initial_value", str(0, 3000))),
	"number_input": interactive(placeholder, focusOnLoad, dispatch, must("is_decimal_allowed", boolean),
		may("initial_value", str(0, 3000)), may("min_value", str(1, 100)), may("max_value", str(1, 100))),
}

var dispatch = may("dispatch_action_config", object(
	may("trigger_actions_on", list(1, 2, oneOf("on_enter_pressed", "on_character_entered"))),
))

func minBelowMax(in *inspection, v any) {
	low, hasLow := property(v, "min_length").(float64)
	high, hasHigh := property(v, "max_length").(float64)
	if hasLow && hasHigh && low > high {
		in.fail("min_length must not be greater than max_length")
	}
}
