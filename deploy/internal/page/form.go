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
	Title    string
	Viewer   person
	Name     string // suggested name of the provisioned product
	Fields   []field
	Failures []failureOption
	First    bool // nothing has been launched yet
}

// field is the input for one template parameter.
type field struct {
	ID               string // of the element, unique on the page
	Key, Label, Help string
	Type             string // of the input: text, number, password or select
	Value            string
	Options          []string
	Required         bool
	Wide             bool // takes a full row
}

const wideText = 40 // characters; a longer value gets a full row

// failureOption is a failure that a visitor can simulate for one launch.
type failureOption struct{ ID, Label string }

// IDs of the failures.
const (
	failNothing        = ""
	failResource       = "later-resource"
	failSlackDown      = "slack-down"
	failSlackRateLimit = "slack-429"
)

var failureOptions = []failureOption{
	{failNothing, "None"},
	{failResource, "A resource fails after approval"},
	{failSlackDown, "Slack is down"},
	{failSlackRateLimit, "Slack is rate limited (429)"},
}

// fieldsOf returns the fields of the launch form, with defaults and examples filled
// in for viewer.
func fieldsOf(declared []*gate.Parameter, viewer person) []field {
	var out []field
	for _, d := range declared {
		f := field{
			ID: "f-" + d.Name, Key: d.Name, Label: label(d.Name), Help: d.Description, Type: "text",
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
			f.Value = exampleValue(d, viewer)
		}
		f.Wide = len(f.Value) > wideText
		out = append(out, f)
	}
	return out
}

// updateFields returns the fields for an update of a launched product, with its
// present values. Secrets are not shown, and keep their values if left empty.
func updateFields(declared []*gate.Parameter, s fakecfn.Stack) []field {
	fields := fieldsOf(declared, person{})
	for i := range fields {
		f := &fields[i]
		f.ID = "u-" + f.Key
		for _, v := range s.Parameters {
			if v.Key == f.Key && f.Type != "password" {
				f.Value = v.Value
			}
		}
		if f.Type == "password" {
			f.Value, f.Required = "", false
		}
		f.Wide = len(f.Value) > wideText
	}
	return fields
}

// exampleValue suggests a value for a parameter without a default, so that a new
// visitor can launch right away.
func exampleValue(d *gate.Parameter, viewer person) string {
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

// label splits a parameter's key into words: RetentionDays becomes "Retention
// days", DBName becomes "DB name".
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

// suggestName returns the first unused name of orders-queue, orders-queue-2,
// orders-queue-3 and so on.
func suggestName(stacks []fakecfn.Stack) string {
	const base = "orders-queue"
	taken := func(name string) bool {
		return slices.ContainsFunc(stacks, func(s fakecfn.Stack) bool { return provisionedProductName(s) == name })
	}
	name := base
	for n := 2; taken(name); n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}

// fieldsNamedIn returns the parameters that an error message names, so that their
// fields can be highlighted. The message itself is always shown in full.
func fieldsNamedIn(message string, declared []*gate.Parameter) []string {
	words := strings.FieldsFunc(message, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	var out []string
	for _, d := range declared {
		if slices.Contains(words, d.Name) {
			out = append(out, d.Name)
		}
	}
	return out
}
