package page

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// form is the launch form of a product.
type form struct {
	Title   string
	Viewer  person
	Name    string // suggested for the provisioned product
	Fields  []field
	Mishaps []mishap
	First   bool // nothing was launched yet
}

// field asks for one parameter.
type field struct {
	Key, Label, Help string
	Type             string // of the input: text, number, password or select
	Value            string
	Options          []string
	Required         bool
	Wide             bool // takes a whole row
}

const wideText = 40 // characters; a longer value gets a row of its own

// mishap is something that a visitor can let go wrong.
type mishap struct{ ID, Label string }

// The mishaps.
const (
	mishapNone  = ""
	mishapFails = "later-resource"
	mishapDown  = "slack-down"
	mishapLimit = "slack-429"
)

var mishaps = []mishap{
	{mishapNone, "Nothing"},
	{mishapFails, "A later resource fails"},
	{mishapDown, "Slack is down"},
	{mishapLimit, "Slack answers 429"},
}

// fieldsOf makes the fields of a template's parameters, filled in for one person
// as far as anything is known.
func fieldsOf(declared []*gate.Parameter, viewer person) []field {
	var out []field
	for _, d := range declared {
		f := field{
			Key: d.Name, Label: label(d.Name), Help: d.Description, Type: "text",
			Value: d.Default, Options: d.AllowedValues, Required: !d.HasDefault,
		}
		switch {
		case len(d.AllowedValues) > 0:
			f.Type = "select"
		case d.NoEcho:
			f.Type = "password"
		case d.Type == "Number":
			f.Type = "number"
		}
		if !d.HasDefault && !d.NoEcho {
			f.Value = example(d, viewer)
		}
		f.Wide = len(f.Value) > wideText
		out = append(out, f)
	}
	return out
}

// example is what somebody might answer to a parameter without a default, so
// that a newcomer can launch at once.
func example(d *gate.Parameter, viewer person) string {
	key := strings.ToLower(d.Name)
	switch {
	case len(d.AllowedValues) > 0:
		return d.AllowedValues[0]
	case strings.Contains(key, "mail"):
		return viewer.Email
	case strings.Contains(key, "purpose"), strings.Contains(key, "reason"):
		return "Orders wait here while the warehouse is offline"
	case d.Type == "Number":
		return "1"
	}
	return ""
}

// label makes words of a parameter's key: RetentionDays becomes Retention days,
// DBName becomes DB name.
func label(key string) string {
	runes := []rune(key)
	var b strings.Builder
	for i, c := range runes {
		begins := i > 0 && unicode.IsUpper(c) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte(' ')
		}
		acronym := i+1 < len(runes) && unicode.IsUpper(runes[i+1]) || i > 0 && unicode.IsUpper(runes[i-1]) && i+1 == len(runes)
		if begins && !acronym {
			c = unicode.ToLower(c)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// suggest names the next provisioned product: orders, then orders-2, orders-3.
func suggest(stacks []fakecfn.Stack) string {
	const base = "orders-queue"
	taken := func(name string) bool {
		return slices.ContainsFunc(stacks, func(s fakecfn.Stack) bool { return provisioned(s) == name })
	}
	name := base
	for n := 2; taken(name); n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}

// accused lists the parameters that a refusal names, so that their fields can be
// pointed at. It decides nothing: the refusal itself is shown in full.
func accused(refusal string, declared []*gate.Parameter) []string {
	words := strings.FieldsFunc(refusal, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	var out []string
	for _, d := range declared {
		if slices.Contains(words, d.Name) {
			out = append(out, d.Name)
		}
	}
	return out
}
