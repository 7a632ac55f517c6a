package gate

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// isStored reports whether the value given is the name of a Systems Manager parameter that holds the value.
func (def *Parameter) isSSM() bool { return strings.HasPrefix(def.Type, ssmPrefix) }

// check validates a value as CreateStack does.
func (def *Parameter) check(given string) error {
	items := []string{given}
	if def.isList() && !def.isSSM() {
		items = splitList(given)
	}
	for _, item := range items {
		if breach := def.violation(item); breach != "" {
			if def.ConstraintDescription != "" {
				return invalid("Parameter %s failed to satisfy constraint: %s", def.Name, def.ConstraintDescription)
			}
			return invalid("Parameter '%s' must %s", def.Name, breach)
		}
		if item == "" && slices.Contains(accountTypes, strings.TrimSuffix(strings.TrimPrefix(def.Type, "List<"), ">")) {
			return invalid("Parameter validation failed: parameter value %s for parameter name %s does not exist", item, def.Name)
		}
	}
	return nil
}

// breach says what a value, or a member of a list, must do and does not; "" when it is lawful.
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
	case err != nil, !consistsOf(s, digits+"+-.eE"): // Go would also read Inf and 0x1p4
		return "be a number"
	case def.minValue != nil && n < def.minValue.n:
		return "be a number not less than " + def.minValue.text
	case def.maxValue != nil && n > def.maxValue.n:
		return "be a number not greater than " + def.maxValue.text
	}
	return ""
}

// splitList cuts a comma-delimited list; spaces around its members are trimmed.
func splitList(s string) []string {
	items := strings.Split(s, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}
