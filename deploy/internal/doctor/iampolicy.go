package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"countersign/handle"
)

// policyDocument has the parts of an IAM policy that the doctor reads: of a trust policy,
// or of the policy of a topic or a function. Actions, condition operators and condition keys
// are compared without regard to case. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type policyDocument struct {
	Version    string
	Statements statements `json:"Statement"`
}

// statements is one statement, or a list of them.
type statements []statement

type statement struct {
	Sid, Effect  string
	Principal    *principals
	NotPrincipal *principals
	Action       stringList
	NotAction    stringList
	Condition    conditions
}

// principals are by type: AWS, Federated, Service, CanonicalUser, in lower case.
type principals map[string][]string

// stringList is a value, or a list of values. A boolean or a number counts as the
// string that IAM reads it as.
type stringList []string

// condition is one key under one operator of a Condition.
type condition struct {
	operator string // in lower case, without a set operator, IfExists, and Not
	negated  bool
	ifExists bool
	set      string // forallvalues, foranyvalue or empty
	key      string // in lower case
	values   stringList
}

type conditions []condition

// UnmarshalJSON implements json.Unmarshaler.
func (s *statements) UnmarshalJSON(b []byte) error {
	var one statement
	if len(b) > 0 && b[0] == '{' {
		err := json.Unmarshal(b, &one)
		*s = statements{one}
		return err
	}
	return json.Unmarshal(b, (*[]statement)(s))
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *stringList) UnmarshalJSON(b []byte) error {
	var items []json.RawMessage
	if json.Unmarshal(b, &items) != nil {
		items = []json.RawMessage{b}
	}
	list := stringList{}
	for _, item := range items {
		var v any
		if err := json.Unmarshal(item, &v); err != nil {
			return err
		}
		switch v := v.(type) {
		case string:
			list = append(list, v)
		case bool, float64:
			list = append(list, string(item))
		default:
			return errors.New("not a string, or a list of strings")
		}
	}
	*t = list
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *principals) UnmarshalJSON(b []byte) error {
	*p = principals{}
	var byType map[string]stringList
	if json.Unmarshal(b, &byType) != nil {
		var list stringList
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		byType = map[string]stringList{"AWS": list} // "*" is everyone
	}
	for kind, list := range byType {
		kind = strings.ToLower(kind)
		(*p)[kind] = append((*p)[kind], list...)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *conditions) UnmarshalJSON(b []byte) error {
	var byOperator map[string]map[string]stringList
	if err := json.Unmarshal(b, &byOperator); err != nil {
		return err
	}
	for operator, keys := range byOperator {
		one := condition{operator: strings.ToLower(operator)}
		if set, rest, ok := strings.Cut(one.operator, ":"); ok {
			one.set, one.operator = set, rest
		}
		one.operator, one.ifExists = strings.CutSuffix(one.operator, "ifexists")
		one.negated = strings.Contains(one.operator, "not")
		one.operator = strings.Replace(one.operator, "not", "", 1)
		for key, values := range keys {
			one.key, one.values = strings.ToLower(key), values
			*c = append(*c, one)
		}
	}
	return nil
}

// parsePolicy reads a policy, which may be URL-encoded, as IAM returns trust policies.
// An empty text is a policy without statements.
func parsePolicy(text string) (policyDocument, error) {
	var p policyDocument
	if text == "" {
		return p, nil
	}
	if !json.Valid([]byte(text)) {
		decoded, err := url.PathUnescape(text)
		if err != nil {
			return p, fmt.Errorf("couldn't decode a policy: %w", err)
		}
		text = decoded
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("couldn't parse a policy: %w", err)
	}
	return p, nil
}

// covers reports whether s applies to an action.
func (s statement) covers(action string) bool {
	matches := func(pattern string) bool { return pattern == "*" || wildcards(pattern, true).MatchString(action) }
	if s.NotAction != nil {
		return !slices.ContainsFunc(s.NotAction, matches)
	}
	return slices.ContainsFunc(s.Action, matches)
}

// includesEveryone reports whether s applies to every principal, or to all except some.
func (s statement) includesEveryone() bool {
	return s.NotPrincipal != nil || s.Principal == nil || slices.Contains((*s.Principal)["aws"], "*") || (*s.Principal)["*"] != nil
}

// of returns the principals of a type.
func (s statement) of(kind string) []string {
	if s.Principal == nil {
		return nil
	}
	return (*s.Principal)[kind]
}

// includesAll reports whether a Deny applies to every principal of an Allow.
func (s statement) includesAll(allow statement) bool {
	switch {
	case s.NotPrincipal != nil:
		return false // it excepts some
	case s.includesEveryone():
		return true
	case allow.includesEveryone():
		return false
	}
	for kind, list := range *allow.Principal {
		for _, one := range list {
			if !slices.Contains(s.of(kind), one) {
				return false
			}
		}
	}
	return true
}

func (s statement) label() string {
	if s.Sid == "" {
		return ""
	}
	return " (statement " + handle.OneLine(s.Sid, 60) + ")"
}

// truth is whether a condition holds. maybe means that the doctor cannot know.
type truth int

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// all reports whether every condition holds.
func (c conditions) all(holds func(condition) truth) truth {
	result := yes
	for _, one := range c {
		result = min(result, holds(one))
	}
	return result
}

// holds reports whether a condition holds for the values of keys, by their names in
// lower case. Other keys are unknown. replace gives the values of policy variables.
func (c condition) holds(keys map[string]string, replace variables) truth {
	value, known := keys[c.key]
	switch {
	case !known:
		return maybe
	case c.operator == "null": // the key is there
		return truthOf(!slices.ContainsFunc(c.values, func(v string) bool { return strings.EqualFold(v, "true") }))
	}
	return c.matches(func(string) string { return value }, replace)
}

// matches reports whether one of the values matches what value returns for it; if the
// operator is negated, whether none does.
func (c condition) matches(value func(pattern string) string, replace variables) truth {
	result := no
	for _, pattern := range c.values {
		result = max(result, c.match(pattern, value(pattern), replace))
	}
	if c.negated {
		return yes - result
	}
	return result
}

// match compares with one of the values of the condition.
func (c condition) match(pattern, value string, replace variables) truth {
	switch c.operator {
	case "stringequals", "stringequalsignorecase":
		return truthOf(expression(pattern, false, c.operator != "stringequals", replace).MatchString(value))
	case "stringlike":
		return truthOf(expression(pattern, true, false, replace).MatchString(value))
	case "arnequals", "arnlike": // they are the same
		return truthOf(matchesARN(pattern, value, replace))
	case "bool":
		return truthOf(strings.EqualFold(pattern, value))
	}
	return maybe
}

// matchesARN compares the six parts of ARNs one by one, as IAM does.
func matchesARN(pattern, value string, replace variables) bool {
	const parts = 6
	patterns, values := strings.SplitN(pattern, ":", parts), strings.SplitN(value, ":", parts)
	if len(patterns) < parts || len(values) < parts {
		return strings.Trim(pattern, "*") == "" && pattern != ""
	}
	for i := range patterns {
		if !expression(patterns[i], true, false, replace).MatchString(values[i]) {
			return false
		}
	}
	return true
}

// variables returns the value of a policy variable, such as aws:username, by its name in
// lower case. Policies of the version 2008-10-17 have none: nil. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
type variables func(name string) string

// in returns the variables for a policy of that version.
func (v variables) in(version string) variables {
	if version < "2012-10-17" {
		return nil
	}
	return v
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// expression translates a pattern. With wild, * is any characters and ? is one.
func expression(pattern string, wild, ignoreCase bool, replace variables) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^(?s")
	if ignoreCase {
		b.WriteString("i")
	}
	b.WriteString(":")
	literal := func(text string) {
		text = regexp.QuoteMeta(text)
		if wild {
			text = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(text)
		}
		b.WriteString(text)
	}
	end := 0
	if replace != nil {
		for _, at := range variable.FindAllStringSubmatchIndex(pattern, -1) {
			literal(pattern[end:at[0]])
			name, _, _ := strings.Cut(pattern[at[2]:at[3]], ",") // what follows is a default value
			switch name = strings.ToLower(strings.TrimSpace(name)); name {
			case "*", "?", "$":
				b.WriteString(regexp.QuoteMeta(name))
			default:
				b.WriteString(regexp.QuoteMeta(replace(name)))
			}
			end = at[1]
		}
	}
	literal(pattern[end:])
	b.WriteString(")$")
	return regexp.MustCompile(b.String())
}

// wildcards translates a pattern without variables.
func wildcards(pattern string, ignoreCase bool) *regexp.Regexp {
	return expression(pattern, true, ignoreCase, nil)
}
