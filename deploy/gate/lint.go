package gate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Lint returns the violations of the Rules, by position.
func (t *Template) Lint() []Finding {
	m, err := t.model()
	l := &linter{template: t, model: m}
	var unproven *UnprovenError
	if m == nil {
		errors.As(err, &unproven)
		l.add(ruleUnproven, l.section(blockResources), "", unproven.Error(), "Give the parameters that Fn::ForEach runs over defaults, or write the resources out.")
		return l.findings
	}
	if len(m.parts.requests) == 0 {
		l.noGate()
		return l.findings
	}
	if errors.As(err, &unproven) {
		l.unproven(unproven)
	}
	l.leaks()
	l.wiring()
	l.timeouts()
	l.updates()
	l.tokens()
	l.exposure()
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	return l.findings
}

type linter struct {
	template *Template
	*model
	findings []Finding
}

// add adds a finding at a node.
func (l *linter) add(rule *Rule, at *yaml.Node, resource, message, fix string) {
	f := Finding{Rule: rule, Line: 1, Column: 1, Resource: resource, Message: message, Fix: fix}
	if at != nil && at.Line > 0 {
		f.Line, f.Column = at.Line, at.Column
		if start, ok := offset(l.template.source, &yaml.Node{Line: at.Line, Column: 1}); ok && isJSON(l.template.source) {
			line := l.template.source[start:]
			f.Column = utf8.RuneCount(line[:min(at.Column-1, len(line))]) + 1 // the decoder counts bytes
		}
	}
	l.findings = append(l.findings, f)
}

// section returns the key of a section, or nil.
func (l *linter) section(name string) *yaml.Node { return keyOf(l.template.root, name) }

// keyOf returns the node of a key of n, or nil. Of duplicate keys the last counts.
func keyOf(n *yaml.Node, key string) *yaml.Node {
	var found *yaml.Node
	for k := range members(n) {
		if k.Value == key {
			found = k
		}
	}
	return found
}

// at returns the key of a resource.
func (l *linter) at(r *Resource) *yaml.Node {
	return cmp.Or(keyOf(member(l.root, blockResources), r.LogicalID), r.Node)
}

// atProperty returns the key of a property of a resource, or that of the resource.
func (l *linter) atProperty(r *Resource, name string) *yaml.Node {
	return cmp.Or(keyOf(member(r.Node, "Properties"), name), l.at(r))
}

func (l *linter) noGate() {
	for _, r := range l.program.resources {
		if l.parts.of[r.Index] == partVerdict {
			l.add(ruleNoGate, l.at(r), r.LogicalID, fmt.Sprintf("%s checks a request, and the template has none", r.LogicalID), "Add the request: a custom resource with the property WaitUrl, as in docs/template.md.")
			return
		}
	}
	l.add(ruleNoGate, l.section(blockResources), "", "the template has no gate: nothing asks for an approval", "Add the four resources of a gate, as in docs/template.md.")
}

func (l *linter) unproven(err *UnprovenError) {
	l.add(ruleUnproven, cmp.Or(l.section("Transform"), l.section(blockResources)), "", err.Error(),
		"Check the processed template instead: aws cloudformation get-template --template-stage Processed.")
}

func (l *linter) leaks() {
	found := l.model.leaks()
	if l.full {
		l.unproven(&UnprovenError{"its conditions have too many combinations"})
		return
	}
	behind := "the verdict"
	holding := l.parts.holding()
	if len(l.parts.verdicts) == 0 {
		behind = "the wait"
	}
	for _, leak := range found {
		id := leak.LogicalID
		what := id
		if leak.Generated != "" {
			what = fmt.Sprintf("%s that SAM generates for %s", leak.Generated, id)
		}
		message := what + " can start before " + behind
		if leak.When != "" {
			message += ", for example if " + leak.When
		}
		fix := "Make it depend on " + behind + "."
		switch {
		case leak.Generated != "":
			fix = "Declare it as a separate resource that depends on " + behind + ", and name it here: SAM passes DependsOn only to the main resource."
		case leak.Needed != "":
			message += fmt.Sprintf("; %s depends on it, so it cannot wait", leak.Needed)
			fix = "Create it in a separate stack, and pass it to the request as a parameter."
		case len(holding) == 0:
		case l.and(l.possible, l.not(l.exists[holding[0].Index])) != never:
			fix = fmt.Sprintf("Add DependsOn: %s, and remove the Condition of %s, which does not always exist.", holding[0].LogicalID, holding[0].LogicalID)
		case member(leak.Node, "DependsOn") != nil:
			fix = fmt.Sprintf("Add %s to its DependsOn.", holding[0].LogicalID)
		default:
			fix = fmt.Sprintf("Add DependsOn: %s.", holding[0].LogicalID)
		}
		l.add(ruleLeak, l.at(leak.Resource), id, message, fix)
	}
}

// always reports whether from depends on to in every stack that has from.
func (l *linter) always(from, to *Resource) bool {
	return l.full || l.and(l.and(l.possible, l.exists[from.Index]), l.not(l.dependsOn(to)[from.Index])) == never
}

// wiring checks that handle, request, wait and verdict belong together.
func (l *linter) wiring() {
	requestOf, waitOf := map[*Resource]*Resource{}, map[*Resource]*Resource{} // by handle
	for _, r := range l.parts.requests {
		h := l.parts.handles[r]
		switch {
		case h == nil:
			l.add(ruleWaitURL, l.atProperty(r, "WaitUrl"), r.LogicalID, "WaitUrl is not a Ref to a wait condition handle of this template", "Write WaitUrl: !Ref and the logical ID of the handle.")
		case requestOf[h] != nil:
			l.add(ruleHandleReused, l.atProperty(r, "WaitUrl"), r.LogicalID, fmt.Sprintf("%s is the handle of %s already, and its URL can be signalled once", h.LogicalID, requestOf[h].LogicalID), "Give each request its own handle.")
		default:
			requestOf[h] = r
		}
	}
	for _, w := range l.parts.waits {
		h := l.parts.handles[w]
		if waitOf[h] != nil {
			l.add(ruleHandleReused, l.atProperty(w, "Handle"), w.LogicalID, fmt.Sprintf("%s is the handle of %s already", h.LogicalID, waitOf[h].LogicalID), "Give each wait its own handle, or remove this one.")
			continue
		}
		waitOf[h] = w
		if r := requestOf[h]; r != nil && !l.always(w, r) {
			l.add(ruleWaitOrder, l.at(w), w.LogicalID, fmt.Sprintf("%s can start before %s", w.LogicalID, r.LogicalID), fmt.Sprintf("Add DependsOn: %s.", r.LogicalID))
		}
		if n := w.property("Count"); n != nil {
			if text, ok := l.fixedText(n); !ok || text != "1" {
				l.add(ruleCount, l.atProperty(w, "Count"), w.LogicalID, "a decision is one signal, so a wait for more never ends", "Remove Count.")
			}
		}
	}
	checked := map[*Resource]bool{}
	for _, v := range l.parts.verdicts {
		l.verdict(v, waitOf, checked)
	}
	for _, r := range l.parts.requests {
		if h := l.parts.handles[r]; h != nil && requestOf[h] == r && waitOf[h] == nil {
			l.add(ruleNoWait, l.at(r), r.LogicalID, fmt.Sprintf("no wait condition waits for %s, so nothing waits for a decision", h.LogicalID), fmt.Sprintf("Add a wait condition with Handle: !Ref %s.", h.LogicalID))
		}
		if !checked[r] {
			l.add(ruleNoVerdict, l.at(r), r.LogicalID, fmt.Sprintf("no verdict checks %s: a signal to the wait URL, which requesters can read, releases the stack", r.LogicalID),
				fmt.Sprintf("Add a custom resource with RequestId: !Ref %s that depends on the wait, and make all others depend on it.", r.LogicalID))
		}
	}
	l.conditions()
}

// verdict checks one verdict.
func (l *linter) verdict(v *Resource, waitOf map[*Resource]*Resource, checked map[*Resource]bool) {
	r := l.parts.answers[v]
	if r == nil {
		l.add(ruleWrongRequest, l.atProperty(v, "RequestId"), v.LogicalID, "RequestId is not a Ref to a request of this template", fmt.Sprintf("Write RequestId: !Ref %s.", l.parts.requests[0].LogicalID))
		return
	}
	checked[r] = true
	w := waitOf[l.parts.handles[r]]
	if w == nil || l.always(v, w) {
		return // no-wait says it
	}
	for h, other := range waitOf {
		if other != w && l.always(v, other) {
			l.add(ruleWrongRequest, l.atProperty(v, "RequestId"), v.LogicalID, fmt.Sprintf("it checks %s, and depends on %s, which waits for the request with the handle %s", r.LogicalID, other.LogicalID, h.LogicalID), fmt.Sprintf("Make it depend on %s, or check the other request.", w.LogicalID))
			return
		}
	}
	l.add(ruleVerdictOrder, l.at(v), v.LogicalID, fmt.Sprintf("%s can start before %s has ended, and then fails the stack", v.LogicalID, w.LogicalID), fmt.Sprintf("Add DependsOn: %s.", w.LogicalID))
}

// conditions reports the gate's resources that have a condition.
func (l *linter) conditions() {
	gated := map[*Resource]bool{}
	for _, list := range [][]*Resource{l.parts.requests, l.parts.waits, l.parts.verdicts} {
		for _, r := range list {
			gated[r] = true
			if h := l.parts.handles[r]; h != nil {
				gated[h] = true
			}
		}
	}
	for _, r := range l.program.resources {
		if gated[r] && l.exists[r.Index] != always {
			l.add(ruleConditional, cmp.Or(keyOf(r.Node, "Condition"), l.at(r)), r.LogicalID, fmt.Sprintf("%s exists only if %s holds, so other stacks don't ask", r.LogicalID, r.Condition), "Remove its Condition. For launches without approval, publish a separate product without a gate.")
		}
	}
}

// exposure reports every other place that gets the wait URL.
func (l *linter) exposure() {
	secret := map[string]bool{}
	for _, r := range l.parts.requests {
		if h := l.parts.handles[r]; h != nil {
			secret[h.LogicalID] = true
		}
	}
	report := func(n *yaml.Node, resource, where string) {
		for _, found := range mentionsOf(n, secret) {
			l.add(ruleURLExposed, found, resource, where+" contains the wait URL, with which a wait can be released", "Remove it: only WaitUrl of the request and Handle of the wait need it.")
		}
	}
	for _, r := range l.program.resources {
		for k, v := range members(r.Node) {
			if k.Value != "Properties" {
				if k.Value != "DependsOn" {
					report(v, r.LogicalID, fmt.Sprintf("%s of %s", k.Value, r.LogicalID))
				}
				continue
			}
			for name, value := range members(v) {
				own := l.parts.of[r.Index] == partRequest && name.Value == "WaitUrl" || r.Kind == KindWait && name.Value == "Handle"
				if !own {
					report(value, r.LogicalID, fmt.Sprintf("the property %s of %s", name.Value, r.LogicalID))
				}
			}
		}
	}
	for name, output := range members(member(l.root, blockOutputs)) {
		report(output, "", "the output "+name.Value)
	}
}

// mentionsOf returns the nodes in and below n that are a Ref or an Fn::Sub of one of the names.
func mentionsOf(n *yaml.Node, names map[string]bool) []*yaml.Node {
	var found []*yaml.Node
	for k, v := range members(n) {
		switch {
		case k.Value == fnRef && v.Kind == yaml.ScalarNode && names[v.Value]:
			found = append(found, v)
		case k.Value == fnSub:
			for name := range subNames(v) {
				if names[name] {
					found = append(found, v)
				}
			}
		}
	}
	for _, c := range n.Content {
		found = append(found, mentionsOf(c, names)...)
	}
	return found
}
