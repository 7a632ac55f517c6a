package slacktest

import (
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"
)

// field is a property of an object.
type field struct {
	name     string
	rule     rule
	required bool
}

func required(name string, r rule) field { return field{name, r, true} }
func optional(name string, r rule) field { return field{name, r, false} }

// object accepts an object with these fields. Slack refuses unknown properties.
func object(fields ...field) rule {
	return func(in *validator, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			in.failf("must provide an object")
			return
		}
		known := 0
		for _, f := range fields {
			v, ok := o[f.name]
			if ok {
				known++
				in.check(f.name, v, f.rule)
			} else if f.required {
				in.failf("missing required field: %s", f.name)
			}
		}
		if known == len(o) {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(o)) {
			if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
				in.failf("invalid additional property: %s", name)
			}
		}
	}
}

// all applies rules in turn.
func all(rules ...rule) rule {
	return func(in *validator, v any) {
		for _, r := range rules {
			r(in, v)
		}
	}
}

// byType applies the rule for the object's type.
func byType(kinds map[string]rule) rule {
	return func(in *validator, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			in.failf("must provide an object")
			return
		}
		kind, ok := o["type"].(string)
		if !ok {
			in.failf("missing required field: type")
			return
		}
		r, ok := kinds[kind]
		if !ok {
			in.check("type", kind, func(in *validator, v any) { in.failf("unsupported type: %s", kind) })
			return
		}
		r(in, v)
	}
}

// list accepts an array of low to high items.
func list(low, high int, item rule) rule {
	return func(in *validator, v any) {
		items, ok := v.([]any)
		if !ok {
			in.failf("must provide an array")
			return
		}
		if len(items) < low {
			in.failf("no less than %d items allowed", low)
		}
		if len(items) > high {
			in.failf("no more than %d items allowed", high)
		}
		for i, v := range items {
			in.check(strconv.Itoa(i), v, item)
		}
	}
}

// str accepts a string of low to high characters.
func str(low, high int) rule {
	return func(in *validator, v any) {
		s, ok := v.(string)
		if !ok {
			in.failf("must provide a string")
			return
		}
		n := utf8.RuneCountInString(s)
		if n < low {
			in.failf("must be more than %d characters", low-1)
		}
		if n > high {
			in.failf("must be less than %d characters", high+1)
		}
	}
}

// oneOf accepts one of these strings.
func oneOf(values ...string) rule {
	return func(in *validator, v any) {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			in.failf("must be one of the allowed values: %v", values)
		}
	}
}

// matching accepts a string that parse accepts.
func matching(what string, parse func(string) bool) rule {
	return func(in *validator, v any) {
		if s, ok := v.(string); !ok || !parse(s) {
			in.failf("must be a valid %s", what)
		}
	}
}

func boolean(in *validator, v any) {
	if _, ok := v.(bool); !ok {
		in.failf("must provide a boolean")
	}
}

// integer accepts a whole number from low to high.
func integer(low, high int) rule {
	return func(in *validator, v any) {
		n, ok := v.(float64)
		if !ok || n != math.Trunc(n) {
			in.failf("must provide an integer")
			return
		}
		if n < float64(low) || n > float64(high) {
			in.failf("must be from %d to %d", low, high)
		}
	}
}

func number(in *validator, v any) {
	if _, ok := v.(float64); !ok {
		in.failf("must provide a number")
	}
}

// link accepts an absolute URL of up to 3,000 characters.
func link(in *validator, v any) {
	str(1, 3000)(in, v)
	s, _ := v.(string)
	if u, err := url.Parse(s); err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" {
		in.failf("invalid url")
	}
}

// typeChecked is the rule for fields that were checked elsewhere, such as a type by
// byType.
func typeChecked(*validator, any) {}

// property returns a field of an object, or nil.
func property(v any, name string) any {
	o, _ := v.(map[string]any)
	return o[name]
}
