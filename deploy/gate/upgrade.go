package gate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Upgrade renews the gate of a template for a new version. The four resources get new logical IDs, so that an update to the
// version asks as a launch does, and the request gets every parameter and the template's digest. If parameters and digest
// are current, Upgrade returns the source. With keepIDs the logical IDs stay.
//
// The error says why that cannot be done safely, or what else is wrong with the gate.
func (t *Template) Upgrade(keepIDs bool) ([]byte, error) {
	m, ids, err := t.upgradable()
	if err != nil {
		return nil, err
	}
	request := m.program.resources[m.program.resourceIndex[ids.request]]
	if current(member(request.Node, "Properties"), digest(t.root)) && len(m.notPassed(request)) == 0 {
		return t.source, nil
	}
	out, renewed := t.source, ids
	if !keepIDs {
		renewed = nextGateIDs(m.program, ids)
		if out, err = t.rename(ids, renewed); err != nil {
			return nil, err
		}
	}
	if out, err = passParameters(out, renewed.request); err != nil {
		return nil, err
	}
	if out, _, err = SetDigest(out); err != nil {
		return nil, err
	}
	return out, verifyUpgraded(t, out, ids, renewed)
}

// upgradable returns the model of a template with exactly one complete gate, and its logical IDs.
func (t *Template) upgradable() (*model, gateIDs, error) {
	m, err := t.model()
	if err != nil {
		return nil, gateIDs{}, fmt.Errorf("the gate cannot be renewed safely: %w; change its logical IDs by hand, and write the digest with gate digest --write", err)
	}
	p := m.parts
	switch {
	case len(p.requests) == 0:
		return nil, gateIDs{}, ErrNoRequest
	case len(p.requests) > 1 || len(p.waits) > 1 || len(p.verdicts) > 1:
		return nil, gateIDs{}, errors.New("the template has more than one gate: change their logical IDs by hand, and write the digest with gate digest --write")
	case len(p.waits) == 0 || len(p.verdicts) == 0 || p.answers[p.verdicts[0]] != p.requests[0]:
		return nil, gateIDs{}, errors.New("the template's gate is incomplete: gate lint says what is missing")
	}
	return m, gateIDs{p.handles[p.requests[0]].LogicalID, p.requests[0].LogicalID, p.waits[0].LogicalID, p.verdicts[0].LogicalID}, nil
}

// nextGateIDs numbers the logical IDs of a gate anew: Approval2 follows Approval, and Approval3 follows that.
func nextGateIDs(p *program, ids gateIDs) gateIDs {
	highest := 1
	var bases [4]string
	for i, id := range ids.list() {
		bases[i] = strings.TrimRight(id, digits)
		if n, err := strconv.Atoi(id[len(bases[i]):]); err == nil && n < 1_000_000 && bases[i] != "" {
			highest = max(highest, n)
		} else {
			bases[i] = id
		}
	}
	for n := highest + 1; ; n++ {
		suffix := strconv.Itoa(n)
		g := gateIDs{bases[0] + suffix, bases[1] + suffix, bases[2] + suffix, bases[3] + suffix}
		if !slices.ContainsFunc(g.list(), p.isUsed) {
			return g
		}
	}
}

// notPassed returns the parameters that a request does not pass on.
func (m *model) notPassed(request *Resource) []string {
	passed := map[string]bool{}
	passedOn(request.property("Parameters"), passed)
	var names []string
	for _, p := range m.program.parameters {
		if !passed[p.Name] && !p.NoEcho {
			names = append(names, p.Name)
		}
	}
	return names
}

// rename replaces logical IDs wherever the template refers to them.
func (t *Template) rename(from, to gateIDs) ([]byte, error) {
	names := map[string]string{}
	for i, id := range from.list() {
		names[id] = to.list()[i]
	}
	r := renamer{splicer: newSplicer(t.source), names: names, nodes: positions(t.root)}
	for k := range members(member(t.root, blockResources)) {
		if names[k.Value] != "" {
			r.word(k, k.Value)
		}
	}
	for _, resource := range members(member(t.root, blockResources)) {
		if on := member(resource, "DependsOn"); on != nil {
			for _, n := range append([]*yaml.Node{on}, on.Content...) {
				if n.Kind == yaml.ScalarNode && names[n.Value] != "" {
					r.word(n, n.Value)
				}
			}
		}
	}
	r.references(t.root)
	if r.failed > 0 {
		return nil, fmt.Errorf("a reference in line %d has a layout that cannot be changed safely: rename the gate's resources by hand, or use --keep-ids", r.failed)
	}
	return applyEdits(t.source, r.edits), nil
}

// renamer collects the edits that rename resources.
type renamer struct {
	*splicer
	names  map[string]string
	nodes  []position // of all nodes, sorted: a node's text ends before the next
	failed int        // the first line that cannot be changed
}

type position struct{ line, column int }

func (p position) compare(other position) int {
	return cmp.Or(p.line-other.line, p.column-other.column)
}

func positions(root *yaml.Node) []position {
	var all []position
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		all = append(all, position{n.Line, n.Column})
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	slices.SortFunc(all, position.compare)
	return all
}

// extent returns the text of a scalar, with what separates it from the next node.
func (r *renamer) extent(n *yaml.Node) (start int, text string, ok bool) {
	start, ok = offset(r.src, n)
	if !ok {
		return 0, "", false
	}
	i, _ := slices.BinarySearchFunc(r.nodes, position{n.Line, n.Column + 1}, position.compare)
	end := len(r.src)
	if i < len(r.nodes) {
		if end, ok = offset(r.src, &yaml.Node{Line: r.nodes[i].line, Column: r.nodes[i].column}); !ok || end < start {
			return 0, "", false
		}
	}
	return start, string(r.src[start:end]), true
}

func (r *renamer) fail(n *yaml.Node) {
	if r.failed == 0 {
		r.failed = max(n.Line, 1)
	}
}

// word renames the first occurrence of a name as a whole word in a node's text.
func (r *renamer) word(n *yaml.Node, name string) {
	start, text, ok := r.extent(n)
	at := regexp.MustCompile(`(^|[^A-Za-z0-9])` + name + `($|[^A-Za-z0-9])`).FindStringSubmatchIndex(text)
	if !ok || at == nil {
		r.fail(n)
		return
	}
	from := start + at[3] // where the name starts
	r.edits = append(r.edits, edit{from, from + len(name), r.names[name]})
}

// references renames in Ref, Fn::GetAtt and Fn::Sub in and below n.
func (r *renamer) references(n *yaml.Node) {
	for k, v := range members(n) {
		switch k.Value {
		case fnRef:
			if v.Kind == yaml.ScalarNode && r.names[v.Value] != "" {
				r.word(v, v.Value)
			}
		case fnGetAtt:
			first := v
			if v.Kind == yaml.SequenceNode && len(v.Content) > 0 {
				first = v.Content[0]
			}
			if name, _, _ := strings.Cut(first.Value, "."); first.Kind == yaml.ScalarNode && r.names[name] != "" {
				r.word(first, name)
			}
		case fnSub:
			pattern, own := v, (*yaml.Node)(nil)
			if v.Kind == yaml.SequenceNode && len(v.Content) == 2 {
				pattern, own = v.Content[0], v.Content[1]
			}
			if pattern.Kind == yaml.ScalarNode {
				r.pattern(pattern, own)
			}
		}
	}
	for _, c := range n.Content {
		r.references(c)
	}
}

// pattern renames in the pattern of an Fn::Sub.
func (r *renamer) pattern(n, own *yaml.Node) {
	for name := range r.names {
		if member(own, name) != nil {
			continue
		}
		variable := regexp.MustCompile(`\$\{\s*(` + name + `)\s*[.}]`)
		want := len(variable.FindAllString(n.Value, -1))
		if want == 0 {
			continue
		}
		start, text, ok := r.extent(n)
		found := variable.FindAllStringSubmatchIndex(text, -1)
		if !ok || len(found) != want {
			r.fail(n)
			continue
		}
		for _, at := range found {
			r.edits = append(r.edits, edit{start + at[2], start + at[3], r.names[name]})
		}
	}
}

// passParameters adds to a request the parameters that it does not pass on.
func passParameters(src []byte, request string) ([]byte, error) {
	t, err := Parse(src)
	if err != nil {
		return nil, fmt.Errorf("the gate cannot be renamed in the template's layout: %w", err)
	}
	m, err := t.model()
	if err != nil {
		return nil, err
	}
	r := m.program.resources[m.program.resourceIndex[request]]
	var missing fields
	for _, name := range m.notPassed(r) {
		missing = append(missing, field{name, call{fnRef, name}})
	}
	if len(missing) == 0 {
		return src, nil
	}
	s := newSplicer(src)
	properties := member(r.Node, "Properties")
	if n := member(properties, "Parameters"); n != nil {
		err = s.appendFields(n, missing)
	} else {
		err = s.appendFields(properties, fields{{"Parameters", missing}})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request, err)
	}
	return applyEdits(src, s.edits), nil
}

// appendFields inserts fields before the first member of a mapping.
func (s *splicer) appendFields(n *yaml.Node, f fields) error {
	if n.Kind != yaml.MappingNode || len(n.Content) < 2 {
		return errLayout
	}
	at, ok := offset(s.src, n.Content[0])
	if !ok {
		return errLayout
	}
	indent, alone := s.indent(at)
	switch flow := s.json || isFlow(n); {
	case flow && alone:
		s.insert(at, string(f.json(nil, indent, "  ", s.newline))+","+s.newline+indent)
	case flow:
		s.insert(at, string(f.json(nil, "", "", ""))+", ")
	case alone:
		var b strings.Builder
		f.blockYAML(&b, indent, "  ", s.newline)
		s.insert(at-len(indent), b.String())
	default:
		return errLayout
	}
	return nil
}

// verifyUpgraded checks that out passes Lint without errors and warnings, and equals t except for the gate.
func verifyUpgraded(t *Template, out []byte, from, to gateIDs) error {
	after, err := Parse(out)
	if err != nil {
		return fmt.Errorf("the gate cannot be renewed in the template's layout: %w; do it by hand", err)
	}
	for _, f := range after.Lint() {
		if f.Level != LevelNote {
			return fmt.Errorf("with the renewed gate, %s [%s]. %s Nothing was changed", f.Message, f.ID, f.Fix)
		}
	}
	names := map[string]string{}
	for i, id := range from.list() {
		names[id] = to.list()[i]
	}
	before := withoutContent(renamed(t.root, names), to.request)
	if canonical(before) != canonical(withoutContent(after.root, to.request)) {
		return errors.New("the gate cannot be renewed in the template's layout without changing something else; do it by hand")
	}
	return nil
}

// renamed returns a copy of a template with resources renamed.
func renamed(root *yaml.Node, names map[string]string) *yaml.Node {
	return replaceMember(renameWithin(root, names, false), blockResources, func(n *yaml.Node) *yaml.Node { return renameKeys(n, names) })
}

func renameWithin(n *yaml.Node, names map[string]string, isName bool) *yaml.Node {
	out := *n
	out.Content = nil
	if n.Kind == yaml.ScalarNode && isName {
		first, rest, dotted := strings.Cut(n.Value, ".")
		if to := names[first]; to != "" {
			out.Value = to
			if dotted {
				out.Value += "." + rest
			}
		}
	}
	if n.Kind != yaml.MappingNode {
		for _, c := range n.Content {
			out.Content = append(out.Content, renameWithin(c, names, isName))
		}
		return &out
	}
	for k, v := range members(n) {
		key, value := *k, v
		if k.Value == fnSub {
			value = renamePattern(v, names)
		}
		isName := k.Value == "DependsOn" || k.Value == fnRef || k.Value == fnGetAtt
		out.Content = append(out.Content, &key, renameWithin(value, names, isName))
	}
	return &out
}

func renameKeys(n *yaml.Node, names map[string]string) *yaml.Node {
	out := *n
	out.Content = nil
	for k, v := range members(n) {
		key := *k
		if to := names[k.Value]; to != "" {
			key.Value = to
		}
		out.Content = append(out.Content, &key, v)
	}
	return &out
}

func renamePattern(n *yaml.Node, names map[string]string) *yaml.Node {
	out := *n
	if n.Kind == yaml.SequenceNode && len(n.Content) == 2 {
		out.Content = []*yaml.Node{renamePattern(n.Content[0], namesWithout(names, n.Content[1])), n.Content[1]}
		return &out
	}
	for from, to := range names {
		out.Value = regexp.MustCompile(`(\$\{\s*)`+from+`(\s*[.}])`).ReplaceAllString(out.Value, "${1}"+to+"${2}")
	}
	return &out
}

// namesWithout returns names without those that a mapping has.
func namesWithout(names map[string]string, n *yaml.Node) map[string]string {
	out := maps.Clone(names)
	for k := range members(n) {
		delete(out, k.Value)
	}
	return out
}

// withoutContent returns root without the properties of a request that an upgrade sets.
func withoutContent(root *yaml.Node, request string) *yaml.Node {
	out := *root
	out.Content = nil
	for k, v := range members(root) {
		if k.Value == blockResources {
			v = replaceMember(v, request, func(r *yaml.Node) *yaml.Node {
				return replaceMember(r, "Properties", func(p *yaml.Node) *yaml.Node { return without(without(p, "Parameters"), templateProperty) })
			})
		}
		out.Content = append(out.Content, k, v)
	}
	return &out
}

func replaceMember(n *yaml.Node, key string, change func(*yaml.Node) *yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	for k, v := range members(n) {
		if k.Value == key {
			v = change(v)
		}
		out.Content = append(out.Content, k, v)
	}
	return &out
}
