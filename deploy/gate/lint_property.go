package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Limits of a wait's Timeout, in seconds.
const (
	minTimeout = 180   // a minute more than the deployment keeps for its answer
	urlLife    = 43200 // of a wait condition handle's URL
)

// timeouts checks the Timeout of each request and its wait.
func (l *linter) timeouts() {
	for _, r := range l.parts.requests {
		for _, w := range l.parts.waits {
			if l.parts.handles[r] == nil || l.parts.handles[r] != l.parts.handles[w] {
				continue
			}
			own, waits := r.property("Timeout"), w.property("Timeout")
			if waits != nil {
				l.timeoutRange(w, waits)
			}
			switch {
			case own == nil:
				l.add(ruleTimeoutsDiffer, l.at(r), r.LogicalID, fmt.Sprintf("%s has no Timeout, so Countersign assumes the deployment's, not that of %s", r.LogicalID, w.LogicalID), "Give the request the same Timeout as the wait.")
			case waits != nil && !l.same(own, waits):
				l.add(ruleTimeoutsDiffer, l.atProperty(r, "Timeout"), r.LogicalID, fmt.Sprintf("the Timeouts of %s and %s differ: CloudFormation and Countersign give up at different times", r.LogicalID, w.LogicalID), "Write the same Timeout in both, or refer to one value in Mappings.")
			}
		}
	}
}

// same reports whether two values are the same in every stack.
func (l *linter) same(a, b *yaml.Node) bool {
	if canonical(a) == canonical(b) {
		return true
	}
	left, ok1 := l.fixedText(a)
	right, ok2 := l.fixedText(b)
	return ok1 && ok2 && left == right
}

func canonical(n *yaml.Node) string {
	var b strings.Builder
	writeCanonical(&b, n, nil)
	return b.String()
}

func (l *linter) timeoutRange(w *Resource, n *yaml.Node) {
	for _, text := range l.known(n) {
		seconds, err := strconv.Atoi(text)
		switch {
		case err != nil:
		case seconds >= urlLife:
			l.add(ruleTimeoutLong, l.atProperty(w, "Timeout"), w.LogicalID, fmt.Sprintf("the wait may take %d seconds, and its URL is valid for %d: a late decision cannot be signalled", seconds, urlLife), "Wait for 28800 seconds (8 hours).")
			return
		case seconds < minTimeout:
			l.add(ruleTimeoutShort, l.atProperty(w, "Timeout"), w.LogicalID, fmt.Sprintf("%d seconds leave no time to decide, and the request fails", seconds), fmt.Sprintf("Wait for %d seconds or more.", minTimeout))
			return
		}
	}
}

// known returns the possible values of a property: a literal, the AllowedValues of a parameter, or its default.
func (l *linter) known(n *yaml.Node) []string {
	if text, ok := l.fixedText(n); ok {
		return []string{text}
	}
	name, ok := refName(n)
	i, found := l.program.parameterIndex[name]
	if !ok || !found {
		return nil
	}
	def := l.program.parameters[i]
	switch {
	case def.isSSM():
		return nil
	case def.AllowedValues != nil:
		return def.AllowedValues
	case def.HasDefault:
		return []string{def.Default}
	}
	return nil
}

// updates checks that the request changes whenever a parameter or the template does.
func (l *linter) updates() {
	want := digest(l.template.root)
	for _, r := range l.parts.requests {
		l.parameters(r)
		const fix = "Write it with: countersign gate digest --write FILE."
		switch v := r.property(templateProperty); {
		case v == nil:
			l.add(ruleDigest, l.at(r), r.LogicalID, fmt.Sprintf("%s has no property Template, so updates that change the template don't ask", r.LogicalID), fix)
		case !current(member(r.Node, "Properties"), want):
			l.add(ruleDigest, l.atProperty(r, templateProperty), r.LogicalID, "Template is not the digest of this template, so that an update to it may not ask; it should be '"+want+"'", fix)
		}
	}
}

// parameters checks that a request passes on every parameter. Those with NoEcho may be left out.
func (l *linter) parameters(r *Resource) {
	passed := map[string]bool{}
	passedOn(r.property("Parameters"), passed)
	var missing, entries []string
	for _, p := range l.program.parameters {
		if !passed[p.Name] && !p.NoEcho {
			missing, entries = append(missing, p.Name), append(entries, p.Name+": !Ref "+p.Name)
		}
	}
	if len(missing) == 0 {
		return
	}
	at, fix := l.atProperty(r, "Parameters"), "Add to Parameters: "
	if r.property("Parameters") == nil {
		at, fix = l.at(r), "Add the property Parameters: "
	}
	l.add(ruleParameters, at, r.LogicalID, "updates that change these parameters do not ask: "+strings.Join(missing, ", "), fix+"{"+strings.Join(entries, ", ")+"}.")
}

// passedOn adds the parameters of which any change also changes n.
func passedOn(n *yaml.Node, names map[string]bool) {
	if n == nil {
		return
	}
	if name, ok := refName(n); ok {
		names[name] = true
		return
	}
	for k, v := range members(n) {
		switch {
		case k.Value == fnSub:
			for name := range subNames(v) {
				names[name] = true
			}
		case k.Value == fnJoin || k.Value == fnBase64 || k.Value == fnToJSONString || !strings.HasPrefix(k.Value, "Fn::"):
			passedOn(v, names)
		}
	}
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			passedOn(c, names)
		}
	}
}

// tokens checks ServiceToken and ServiceTimeout of the custom resources.
func (l *linter) tokens() {
	for _, r := range slices.Concat(l.parts.requests, l.parts.verdicts) {
		l.token(r)
		n := r.property("ServiceTimeout")
		if n == nil {
			l.add(ruleServiceTimeout, l.at(r), r.LogicalID, fmt.Sprintf("%s has no ServiceTimeout: if Countersign cannot answer, the stack hangs for an hour, and its rollback for another hour", r.LogicalID), "Add ServiceTimeout: '3600' to the request, and '600' to the verdict.")
			continue
		}
		for _, text := range l.known(n) {
			if seconds, err := strconv.Atoi(text); err != nil || seconds < 1 || seconds > 3600 {
				l.add(ruleTimeoutInvalid, l.atProperty(r, "ServiceTimeout"), r.LogicalID, fmt.Sprintf("CloudFormation refuses a ServiceTimeout of %q", text), "Write a number of seconds from 1 to 3600.")
				break
			}
		}
	}
	for _, v := range l.parts.verdicts {
		r := l.parts.answers[v]
		if r == nil {
			continue
		}
		own, other := v.property("ServiceToken"), r.property("ServiceToken")
		if own != nil && other != nil && !l.same(own, other) && sketch(own) != sketch(other) {
			l.add(ruleServiceToken, l.atProperty(v, "ServiceToken"), v.LogicalID, fmt.Sprintf("its ServiceToken differs from that of %s, so a different function answers the verdict", r.LogicalID), "Write the same ServiceToken in both.")
		}
	}
}

func (l *linter) token(r *Resource) {
	n := r.property("ServiceToken")
	if n == nil {
		l.add(ruleServiceToken, l.at(r), r.LogicalID, fmt.Sprintf("%s has no ServiceToken, and CloudFormation refuses it", r.LogicalID), "Add the notifier's ARN, as in docs/template.md.")
		return
	}
	arn := strings.SplitN(sketch(n), ":", 7)
	switch {
	case len(arn) < 6 && !strings.Contains(sketch(n), "${"):
		l.add(ruleServiceToken, l.atProperty(r, "ServiceToken"), r.LogicalID, "its ServiceToken is not an ARN", "Write the notifier's ARN, as in docs/template.md.")
	case len(arn) < 6 || arn[0] != "arn" || arn[2] != "lambda":
		// known only in a stack, or a topic, which is in one Region and account
	default:
		var fixed []string
		if !strings.Contains(arn[3], "${") {
			fixed = append(fixed, "the Region "+arn[3])
		}
		if !strings.Contains(arn[4], "${") {
			fixed = append(fixed, "the account "+arn[4])
		}
		if len(fixed) > 0 {
			l.add(ruleFixedToken, l.atProperty(r, "ServiceToken"), r.LogicalID, "its ServiceToken names "+strings.Join(fixed, " and ")+", so the product can't be launched elsewhere", "Write !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:NAME.")
		}
	}
}

// sketch returns a text with ${} in place of values known only in a stack.
func sketch(n *yaml.Node) string {
	const unknown = "${}"
	if n.Kind == yaml.ScalarNode {
		return scalarText(n)
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return unknown
	}
	arg := n.Content[1]
	switch n.Content[0].Value {
	case fnRef:
		return placeholders("${" + arg.Value + "}")
	case fnSub:
		if arg.Kind == yaml.ScalarNode {
			return placeholders(arg.Value)
		}
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
			return placeholders(arg.Content[0].Value)
		}
	case fnJoin:
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 && arg.Content[0].Kind == yaml.ScalarNode && arg.Content[1].Kind == yaml.SequenceNode {
			var items []string
			for _, item := range arg.Content[1].Content {
				items = append(items, sketch(item))
			}
			return strings.Join(items, arg.Content[0].Value)
		}
	}
	return unknown
}

// placeholders replaces the colons in the variables of a pattern, so that they do not divide an ARN.
func placeholders(pattern string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return b.String() + pattern
		}
		b.WriteString(before + "${" + strings.ReplaceAll(strings.TrimSpace(name), ":", ".") + "}")
		pattern = after
	}
}
