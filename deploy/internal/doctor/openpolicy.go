package doctor

import (
	"slices"
	"strings"
)

// openTo returns the statement by which anyone in AWS may take one of the actions. A
// condition that does not say who the caller is, or that every caller meets, does not
// limit who they are.
func (p policyDocument) openTo(actions ...string) (statement, bool) {
	for _, action := range actions {
		denied := slices.ContainsFunc(p.Statements, func(s statement) bool {
			return s.Effect == "Deny" && s.covers(action) && s.NotPrincipal == nil && s.includesEveryone() && s.Condition.all(condition.holdsForStranger) == yes
		})
		if denied {
			continue
		}
		for _, s := range p.Statements {
			if s.Effect == "Allow" && s.covers(action) && s.includesEveryone() && s.Condition.all(condition.holdsForStranger) != no {
				return s, true
			}
		}
	}
	return statement{}, false
}

// limitsPrincipal reports whether s is limited to callers with certain ARNs.
func (s statement) limitsPrincipal() bool {
	return slices.ContainsFunc(s.Condition, func(c condition) bool {
		return c.key == "aws:principalarn" && c.holdsForStranger() == no
	})
}

// anyCaller are condition keys that say nothing about who the caller is.
var anyCaller = []string{"aws:currenttime", "aws:epochtime", "aws:tokenissuetime", "aws:multifactorauthage", "aws:multifactorauthpresent",
	"aws:useragent", "aws:referer", "aws:requestedregion", "aws:viaawsservice", "sns:protocol"}

// holdsForStranger reports whether a condition holds for a caller from a different
// account.
func (c condition) holdsForStranger() truth {
	switch {
	case c.key == "aws:securetransport":
		return c.holds(map[string]string{c.key: "true"}, nil)
	case slices.Contains(anyCaller, c.key), c.operator == "null":
		return maybe
	}
	result := c.matches(c.stranger, nil)
	switch {
	case result == no && !c.negated && (c.ifExists || c.set == "forallvalues"),
		result == yes && c.negated && c.set == "foranyvalue":
		return maybe // depends on whether the caller's request has the key
	}
	return result
}

// stranger returns the value of the key for a caller from a different account, who
// knows the pattern that it is compared with.
func (c condition) stranger(pattern string) string {
	const name, account = "zq7x", "999999999999"
	switch {
	case strings.HasSuffix(c.key, "account"), strings.HasSuffix(c.key, "owner"):
		return account
	case strings.HasSuffix(c.key, "orgid"):
		return "o-" + name + name + name
	case !strings.HasSuffix(c.key, "arn"):
		return name
	}
	parts := strings.SplitN(pattern, ":", 6)
	if len(parts) < 6 {
		return "arn:aws:iam::" + account + ":role/" + name
	}
	for i := range parts[:4] {
		parts[i] = strings.NewReplacer("*", "x", "?", "x").Replace(parts[i])
	}
	if parts[4] != "" {
		parts[4] = account
	}
	kind, _, ok := strings.Cut(parts[5], "/")
	if parts[5] = name; ok {
		parts[5] = strings.NewReplacer("*", "x", "?", "x").Replace(kind) + "/" + name
	}
	return strings.Join(parts, ":")
}
