package gate

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// isSSM reports whether the given value names a Systems Manager parameter that holds the actual value.
func (def *Parameter) isSSM() bool { return strings.HasPrefix(def.Type, ssmPrefix) }

// check validates a value, as CreateStack does.
func (def *Parameter) check(given string) error {
	items := []string{given}
	if def.isList() && !def.isSSM() {
		items = splitList(given)
	}
	for _, item := range items {
		if violation := def.violation(item); violation != "" {
			if def.ConstraintDescription != "" {
				return invalid("Parameter %s failed to satisfy constraint: %s", def.Name, def.ConstraintDescription)
			}
			return invalid("Parameter '%s' must %s", def.Name, violation)
		}
		if item == "" && slices.Contains(accountTypes, strings.TrimSuffix(strings.TrimPrefix(def.Type, "List<"), ">")) {
			return invalid("Parameter validation failed: parameter value %s for parameter name %s does not exist", item, def.Name)
		}
	}
	return nil
}

// violation returns the constraint that a value or list item violates, worded to follow "must"; empty if it is valid.
func (def *Parameter) violation(s string) string {
	if def.AllowedValues != nil && !slices.Contains(def.AllowedValues, s) {
		return "be one of AllowedValues"
	}
	if def.Type == typeNumber || def.Type == typeListNumber {
		return def.numberViolation(s)
	}
	length := float64(utf8.RuneCountInString(s))
	switch {
	case def.minLength != nil && length < def.minLength.n:
		return "contain at least " + def.minLength.text + " characters"
	case def.maxLength != nil && length > def.maxLength.n:
		return "contain at most " + def.maxLength.text + " characters"
	case def.regexp != nil && !def.regexp.MatchString(s):
		return "match pattern " + def.pattern
	}
	return ""
}

func (def *Parameter) numberViolation(s string) string {
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, !consistsOf(s, digits+"+-.eE"): // ParseFloat also accepts Inf and 0x1p4
		return "be a number"
	case def.minValue != nil && n < def.minValue.n:
		return "be a number not less than " + def.minValue.text
	case def.maxValue != nil && n > def.maxValue.n:
		return "be a number not greater than " + def.maxValue.text
	}
	return ""
}

// splitList splits a comma-delimited list and trims the spaces around its items.
func splitList(s string) []string {
	items := strings.Split(s, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}
