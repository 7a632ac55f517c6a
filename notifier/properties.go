package notifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/handle"
)

// properties are a resource's properties. CloudFormation sends every scalar as a
// string; other senders may not.
type properties map[string]json.RawMessage

const maxProperties = 512 << 10 // bytes

func parseProperties(raw json.RawMessage) (properties, error) {
	if len(raw) > maxProperties {
		return nil, fmt.Errorf("the resource's properties are too large: %d bytes, at most %d are allowed", len(raw), maxProperties)
	}
	p := properties{}
	if len(raw) == 0 || string(raw) == "null" {
		return p, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, errors.New("the resource's properties are not an object")
	}
	return p, nil
}

// has reports whether the property is present, with any value.
func (p properties) has(name string) bool {
	_, ok := p[name]
	return ok
}

// text is the property as a string; empty if it is absent.
func (p properties) text(name string) (string, error) {
	raw, ok := p[name]
	if !ok || len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	s, ok := scalar(raw)
	if !ok {
		return "", fmt.Errorf("the property %s must be a string", name)
	}
	return strings.TrimSpace(s), nil
}

// list is the property as a list of strings. A single string may list several,
// separated by commas.
func (p properties) list(name string) ([]string, error) {
	raw, ok := p[name]
	if !ok || string(raw) == "null" {
		return nil, nil
	}
	var items []json.RawMessage
	if s, ok := scalar(raw); ok {
		return split(s), nil
	}
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf("the property %s must be a list of strings", name)
	}
	var parts []string
	for _, item := range items {
		s, ok := scalar(item)
		if !ok {
			return nil, fmt.Errorf("the property %s must be a list of strings", name)
		}
		parts = append(parts, s)
	}
	return split(strings.Join(parts, ",")), nil
}

// split splits s at commas and drops duplicates.
func split(s string) []string {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}

// number is the property as a whole number; otherwise if it is absent.
func (p properties) number(name string, otherwise int) (int, error) {
	s, err := p.text(name)
	if err != nil || s == "" {
		return otherwise, err
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("the property %s must be a whole number, not %q", name, handle.OneLine(s, 40))
	}
	return n, nil
}

// fields is the property as names and values, unchanged.
func (p properties) fields(name string) ([]handle.Field, error) {
	raw, ok := p[name]
	if !ok || string(raw) == "null" {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("the property %s must be an object of names and values", name)
	}
	var list []handle.Field
	for k, v := range object {
		s, ok := scalar(v)
		if !ok {
			s = string(v)
		}
		list = append(list, handle.Field{Name: k, Value: s})
	}
	return list, nil
}

func scalar(raw json.RawMessage) (string, bool) {
	var v any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// approval is what a request resource asks for.
type approval struct {
	waitURL, email string
	title, purpose string
	details        []handle.Field
	terms          handle.Terms
	timeout        time.Duration

	// What the gate passes on, so that every change of it is an Update.
	parameters []handle.Field // as they are, secrets too
	template   string         // a digest
}

// approval reads the properties of a request resource, with defaults. Region is
// accepted and ignored, for templates written for the original sample.
func (p properties) approval(d Defaults) (a approval, err error) {
	text := func(name string, most int) string {
		s, e := p.text(name)
		if err == nil {
			err = e
		}
		return handle.Truncate(s, most)
	}
	a.waitURL, a.email = text("WaitUrl", 8193), handle.OneLine(text("EmailID", 320), 320)
	a.title, a.purpose = text("Title", 4<<10), text("Purpose", 16<<10)
	a.terms = handle.Terms{Channel: handle.OneLine(text("Channel", 100), 100), SelfApproval: d.SelfApproval, UnprovenRequester: d.UnprovenRequester, GrantForSeconds: int(d.GrantFor / time.Second)}
	if err != nil {
		return a, err
	}
	if a.details, err = p.fields("Details"); err != nil {
		return a, err
	}
	if a.parameters, err = p.fields("Parameters"); err != nil {
		return a, err
	}
	a.template = handle.OneLine(text("Template", 200), 200)
	if a.terms.Approvers, err = p.list("Approvers"); err != nil {
		return a, err
	}
	if a.terms.Approvals, err = p.number("Approvals", max(d.Approvals, 1)); err != nil {
		return a, err
	}
	seconds, err := p.number("Timeout", int(d.Timeout/time.Second))
	if err != nil {
		return a, err
	}
	a.timeout = time.Duration(seconds) * time.Second
	if seconds == 0 && !p.has("Timeout") {
		a.timeout = handle.MaxWait
	}
	if a.terms.Channel == "" {
		a.terms.Channel = d.Channel
	}
	if !p.has("Approvers") {
		a.terms.Approvers = slices.Clone(d.Approvers)
	}
	return a, nil
}
