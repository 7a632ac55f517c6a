package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"countersign/handle"
)

// digest names a digest's algorithm; empty for an empty digest.
func digest(sum string) string {
	if sum == "" {
		return ""
	}
	return "SHA-256 " + sum
}

// keyed names the algorithm of a digest that only the functions can compute.
func keyed(sum string) string {
	if sum == "" {
		return ""
	}
	return "HMAC-SHA-256 " + sum
}

// content returns what an approval of r binds. Requests of earlier releases have none.
func content(r handle.Request) []Fact {
	c := r.Content
	if c.Digest() == "" {
		return nil
	}
	var parts []string
	for _, p := range [][2]string{
		{"product", c.Product}, {"version", c.Version}, {"account", c.Account}, {"Region", c.Region}, {"requester", c.Principal},
	} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	list := []Fact{
		{Name: "Content", Text: digest(c.Digest())},
		{Name: "Content of", Text: strings.Join(parts, ", ")},
		{Name: "Content's template", Text: cmp.Or(digest(c.Template), "not read, so not bound")},
		{Name: "Content's parameters", Text: cmp.Or(digest(c.Parameters), "none")},
	}
	if c.GateParameters != "" || c.GateTemplate != "" {
		list = append(list,
			Fact{Name: "Gate's parameters", Text: cmp.Or(keyed(c.GateParameters), "not passed on")},
			Fact{Name: "Gate's template", Text: cmp.Or(c.GateTemplate, "not passed on")})
	}
	return list
}

// Changes says what an update changes; empty for a launch.
func Changes(r handle.Request) string {
	if r.Update == nil {
		return ""
	}
	if r.Update.Approved == "" {
		return "unknown: no approved request of the stack is on record"
	}
	var parts []string
	for _, c := range r.Update.Changes {
		parts = append(parts, c.Name+": "+cmp.Or(c.Old, "none")+" -> "+cmp.Or(c.New, "none"))
	}
	if r.Update.Unshown {
		parts = append(parts, "the template or values that are not shown")
	}
	return show(r, strings.Join(parts, "; "))
}

// GrantedBy names those whose late approvals gave the grant; empty if it was not
// given.
func GrantedBy(r handle.Request) string {
	if r.Grant == nil || r.Grant.At.IsZero() {
		return ""
	}
	var names []string
	for _, p := range r.ApprovedBy() {
		names = append(names, Person(p))
	}
	return strings.Join(names, ", ")
}

// grant returns the state of r's approval for relaunch.
func grant(r handle.Request) []Fact {
	g := r.Grant
	if g == nil {
		return nil
	}
	var list []Fact
	if by := GrantedBy(r); by != "" {
		list = append(list, Fact{"Grant", fmt.Sprintf("by %s, until %s", by, g.Until.UTC().Format(time.RFC3339)), g.At})
	}
	switch {
	case g.UsedBy != "":
		list = append(list, Fact{"Grant used", "by request " + g.UsedBy, g.UsedAt})
	case !g.RevokedAt.IsZero():
		list = append(list, Fact{"Grant revoked", "by " + Person(g.RevokedBy), g.RevokedAt})
	case g.Lapsed:
		list = append(list, Fact{"Grant lapsed", "", g.Until})
	case g.At.IsZero():
		list = append(list, Fact{"Grant possible until", "", g.Until})
	}
	return list
}

// Questions lists the questions to the requester with their answers.
func Questions(r handle.Request) string {
	var list []string
	for _, q := range r.Questions {
		s := q.ID + " by " + Person(q.By) + ", " + q.At.UTC().Format(time.RFC3339) + ": " + q.Text
		if a := q.Answer; a != nil {
			s += " | answered by " + Person(a.By) + ", " + a.At.UTC().Format(time.RFC3339) + ": " + a.Text
		} else {
			s += " | not answered"
		}
		list = append(list, s)
	}
	return show(r, strings.Join(list, "; "))
}

// Reassignments lists who reassigned r, when and to whom.
func Reassignments(r handle.Request) string {
	var list []string
	for _, m := range r.Reassignments {
		list = append(list, "by "+Person(m.By)+", "+m.At.UTC().Format(time.RFC3339)+", to "+strings.Join(m.To, " "))
	}
	return show(r, strings.Join(list, "; "))
}

// people returns the facts of what people did besides deciding.
func people(r handle.Request) (list []Fact) {
	for _, q := range r.Questions {
		list = append(list, Fact{"Question " + q.ID, "by " + Person(q.By) + ": " + q.Text, q.At})
		if a := q.Answer; a != nil {
			list = append(list, Fact{"Answer to " + q.ID, "by " + Person(a.By) + ": " + a.Text, a.At})
		}
	}
	for _, v := range r.Reviews {
		list = append(list, Fact{"Reviewing", "by " + Person(v.By) + ", until " + v.Until.UTC().Format(time.RFC3339), v.At})
	}
	for _, m := range r.Reassignments {
		list = append(list, Fact{"Reassigned", "by " + Person(m.By) + ", to " + strings.Join(m.To, " "), m.At})
	}
	if !r.EscalatedAt.IsZero() {
		list = append(list, Fact{"Escalated", "to " + strings.Join(r.Terms.EscalateTo, " "), r.EscalatedAt})
	}
	for _, n := range r.Nudges {
		list = append(list, Fact{"Nudged", "by the requester", n.At})
	}
	return list
}
