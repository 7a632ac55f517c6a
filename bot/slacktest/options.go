package slacktest

import "reflect"

// checkOptions validates a menu's options as a whole: either options or
// option_groups, unique values, and initial options that equal one of the options.
func checkOptions(in *validator, v any) {
	options, hasOptions := property(v, "options").([]any)
	groups, hasGroups := property(v, "option_groups").([]any)
	if hasOptions == hasGroups {
		in.failf("must provide either options or option_groups")
		return
	}
	for _, g := range groups {
		more, _ := property(g, "options").([]any)
		options = append(options[:len(options):len(options)], more...)
	}
	seen := make(map[any]bool, len(options))
	for _, o := range options {
		value, _ := property(o, "value").(string)
		if seen[value] {
			in.failf("option value %q must be unique", value)
		}
		seen[value] = true
	}
	initial, _ := property(v, "initial_options").([]any)
	if one := property(v, "initial_option"); one != nil {
		initial = append(initial[:len(initial):len(initial)], one)
	}
	for _, one := range initial {
		if !hasEqual(options, one) {
			in.failf("initial option must exactly match one of the options")
		}
	}
}

func hasEqual(options []any, one any) bool {
	for _, o := range options {
		if reflect.DeepEqual(o, one) {
			return true
		}
	}
	return false
}
