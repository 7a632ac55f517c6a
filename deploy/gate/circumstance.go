package gate

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxCombinations limits the values of parameters for which one comparison is evaluated. A comparison that needs more is a
// free variable: it may hold or not, independently of the others.
const maxCombinations = 4096

// circumstances are all combinations of parameter values that the conditions and rules of a template tell apart. A
// parameter with AllowedValues has those; any other has the values that it is compared with and one that stands for all
// others. A comparison whose values cannot be listed, such as that of two lists, becomes a variable itself, so the
// circumstances may include some that no stack can have.
type circumstances struct {
	*space
	program   *program
	variables []*variable
	byName    map[string]*variable
	byText    map[string]*variable // comparisons that cannot be evaluated, by their canonical text

	conditions []diagram // by index of program.conditions
	possible   diagram   // what CloudFormation accepts
}

// variable is a parameter, a pseudo parameter, or a comparison with the values false and true.
type variable struct {
	index  int
	name   string // of a comparison: its line
	def    *Parameter
	values []string
	open   bool // the last value stands for all others
	atom   bool // a comparison
}

// newCircumstances reads the conditions and rules of a template without loops.
func newCircumstances(p *program, root *yaml.Node) *circumstances {
	c := &circumstances{space: newSpace(), program: p, byName: map[string]*variable{}, byText: map[string]*variable{}, possible: always}
	conditions, rules := member(root, blockConditions), member(root, blockRules)
	c.readAll(conditions, rules)
	c.conditions = make([]diagram, len(p.conditions))
	for _, i := range p.conditionOrder {
		if n := member(conditions, p.conditions[i].name); n != nil {
			c.conditions[i] = c.formula(n)
		}
	}
	for _, r := range members(rules) {
		when := always
		if n := member(r, "RuleCondition"); n != nil {
			when = c.formula(n)
		}
		if list := member(r, "Assertions"); list != nil {
			for _, a := range list.Content {
				if n := member(a, "Assert"); n != nil {
					c.possible = c.and(c.possible, c.implies(when, c.formula(n)))
				}
			}
		}
	}
	return c
}

// satisfied returns when all guards are.
func (c *circumstances) satisfied(guards []guard) diagram {
	d := always
	for _, g := range guards {
		if g.want {
			d = c.and(d, c.conditions[g.condition])
		} else {
			d = c.and(d, c.not(c.conditions[g.condition]))
		}
	}
	return d
}

// included returns when a stack has a resource or output with a condition; -1: none.
func (c *circumstances) included(condition int) diagram {
	if condition < 0 {
		return always
	}
	return c.conditions[condition]
}

// describe returns an example of when d holds and a stack is possible, such as "Environment=production".
func (c *circumstances) describe(d diagram) string {
	var words []string
	matters := map[int]bool{}
	c.support(d, matters, map[diagram]bool{})
	for _, chosen := range c.example(c.and(c.possible, d)) {
		v := c.variables[chosen.variable]
		if !matters[chosen.variable] {
			continue
		}
		value := v.values[chosen.value]
		switch {
		case v.atom && value == "true":
			words = append(words, v.name+" holds")
		case v.atom:
			words = append(words, v.name+" does not hold")
		case v.open && chosen.value == len(v.values)-1:
			words = append(words, v.name+" other than "+strings.Join(quoteEmpty(v.values[:len(v.values)-1]), ", "))
		default:
			words = append(words, v.name+"="+quoteEmpty([]string{value})[0])
		}
	}
	return strings.Join(words, ", ")
}

func quoteEmpty(values []string) []string {
	out := slices.Clone(values)
	for i, v := range out {
		if v == "" {
			out[i] = "''"
		}
	}
	return out
}

// readVariables registers the parameters in and below n, and the values that they are compared with.
func (c *circumstances) readVariables(n *yaml.Node) {
	if n == nil {
		return
	}
	if name, ok := refName(n); ok {
		c.variable(name)
	}
	for k, v := range members(n) {
		switch k.Value {
		case fnSub:
			for name := range subNames(v) {
				c.variable(name)
			}
		case fnEquals:
			if a, b, ok := operands(v); ok {
				c.readComparison(a, b)
				c.readComparison(b, a)
			}
		case fnContains:
			if items, item, ok := containsOf(v); ok {
				for _, one := range items {
					c.readComparison(item, one)
				}
			}
		case fnFindInMap:
			c.readKeys(v)
		}
	}
	for _, child := range n.Content {
		c.readVariables(child)
	}
}

// readComparison registers that a parameter is compared with b.
func (c *circumstances) readComparison(a, b *yaml.Node) {
	name, ok := refName(a)
	if !ok {
		return
	}
	v := c.variable(name)
	if v == nil {
		return
	}
	if other, ok := refName(b); ok {
		if w := c.variable(other); w != nil { // each has the other's values
			v.learn(w.values...)
			w.learn(v.values...)
		}
		return
	}
	if text, ok := c.fixedText(b); ok {
		v.learn(text)
	}
}

// readKeys registers the keys of a mapping as values of the parameters that choose among them.
func (c *circumstances) readKeys(arg *yaml.Node) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < 3 {
		return
	}
	table, ok := c.program.mappings[arg.Content[0].Value]
	if !ok {
		return
	}
	if name, ok := refName(arg.Content[1]); ok {
		if v := c.variable(name); v != nil {
			v.learn(sortedKeys(table)...)
		}
	}
	if name, ok := refName(arg.Content[2]); ok {
		if v := c.variable(name); v != nil {
			for _, row := range table {
				v.learn(sortedKeys(row)...)
			}
		}
	}
}

// learn adds values to an open variable if its parameter accepts them.
func (v *variable) learn(values ...string) {
	if !v.open {
		return
	}
	for _, s := range values {
		if slices.Contains(v.values, s) || v.def != nil && !v.def.isSSM() && v.def.violation(s) != "" {
			continue
		}
		v.values = append(v.values, s)
	}
}

// variable returns the variable of a parameter or pseudo parameter; nil if the name is neither, or its value a list.
func (c *circumstances) variable(name string) *variable {
	if v, ok := c.byName[name]; ok {
		return v
	}
	v := &variable{name: name, open: true}
	if i, ok := c.program.parameterIndex[name]; ok {
		v.def = c.program.parameters[i]
		if v.def.isList() {
			return nil
		}
		if v.def.AllowedValues != nil && !v.def.isSSM() {
			v.values, v.open = slices.Clone(v.def.AllowedValues), false
			slices.Sort(v.values)
			v.values = slices.Compact(v.values)
		}
	} else if !isPseudo(name) || name == pseudoNoValue || name == pseudoNotificationARNs {
		return nil
	}
	c.byName[name] = v
	c.variables = append(c.variables, v)
	return v
}

// readAll registers all variables and their values, and numbers them.
func (c *circumstances) readAll(sections ...*yaml.Node) {
	for known := -1; ; { // parameters that are compared with each other have each other's values
		count := 0
		for _, n := range sections {
			c.readVariables(n)
		}
		for _, v := range c.variables {
			count += len(v.values)
		}
		if count == known {
			break
		}
		known = count
	}
	for _, v := range c.variables {
		if v.open {
			v.values = append(v.values, "\x00"+v.name) // all other values; equal to no text
		}
		v.index = c.add(len(v.values))
	}
}

// formula returns when a condition or an assertion holds.
func (c *circumstances) formula(n *yaml.Node) diagram {
	if text, ok := literal(n); ok {
		if holds, ok := truth(text); ok && holds {
			return always
		}
		return never
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return c.unknown(n)
	}
	name, arg := n.Content[0].Value, n.Content[1]
	switch name {
	case fnCondition:
		if i, ok := c.program.conditionIndex[arg.Value]; ok {
			return c.conditions[i]
		}
	case fnNot:
		if len(arg.Content) == 1 {
			return c.not(c.formula(arg.Content[0]))
		}
	case fnAnd:
		d := always
		for _, one := range arg.Content {
			d = c.and(d, c.formula(one))
		}
		return d
	case fnOr:
		d := never
		for _, one := range arg.Content {
			d = c.or(d, c.formula(one))
		}
		return d
	case fnContains:
		if items, item, ok := containsOf(arg); ok {
			d := never
			for _, one := range items {
				d = c.or(d, c.equals(mappingNode(fnEquals, sequenceNode(item, one)), item, one))
			}
			return d
		}
	case fnEquals:
		if a, b, ok := operands(arg); ok {
			return c.equals(n, a, b)
		}
	}
	return c.unknown(n)
}

// unknown returns the diagram of a comparison that cannot be evaluated: a variable shared by comparisons with the same text.
func (c *circumstances) unknown(n *yaml.Node) diagram {
	var text strings.Builder
	if a, b, ok := operands(member(n, fnEquals)); ok {
		var sides [2]strings.Builder
		writeCanonical(&sides[0], a, nil)
		writeCanonical(&sides[1], b, nil)
		words := []string{sides[0].String(), sides[1].String()}
		slices.Sort(words)
		text.WriteString(strings.Join(words, "="))
	} else {
		writeCanonical(&text, n, nil)
	}
	v, ok := c.byText[text.String()]
	if !ok {
		v = &variable{name: fmt.Sprintf("the comparison in line %d", n.Line), values: []string{"false", "true"}, atom: true, index: c.add(2)}
		c.variables = append(c.variables, v)
		c.byText[text.String()] = v
	}
	return c.is(v.index, 1)
}

// equals returns when Fn::Equals holds; n is the call, and a and b its operands. It evaluates the call for each
// combination of values. Combinations for which CloudFormation refuses the template are not possible.
func (c *circumstances) equals(n, a, b *yaml.Node) diagram {
	var used []*variable
	if !c.use(a, b, &used) || !c.use(b, a, &used) {
		return c.unknown(n)
	}
	combinations := 1
	for _, v := range used {
		if combinations *= len(v.values); combinations > maxCombinations {
			return c.unknown(n)
		}
	}
	compiler := &compiler{program: c.program, block: blockConditions, uses: &references{}, path: []string{blockConditions}}
	e, err := compiler.compile(n)
	if err != nil {
		return c.unknown(n)
	}
	twins := len(used) == 2 && used[0].open && used[1].open // two open parameters compared with each other
	env := &assumed{pseudo: map[string]string{}}
	in := &Instance{env: env, program: c.program, parameters: make([]Value, len(c.program.parameters))}
	impossible := never
	var each func(rest []*variable, given diagram, others int) diagram
	each = func(rest []*variable, given diagram, others int) diagram {
		if len(rest) == 0 {
			if twins && others == 2 {
				return c.unknown(n)
			}
			v, err := e.eval(in)
			if err != nil {
				impossible = c.or(impossible, given)
				return never
			}
			if holds, _ := truth(v); holds {
				return always
			}
			return never
		}
		v, d := rest[0], never
		for i, value := range v.values {
			if v.def != nil {
				in.parameters[c.program.parameterIndex[v.name]] = value
			} else {
				env.pseudo[v.name] = value
			}
			next := others
			if v.open && i == len(v.values)-1 {
				next++
			}
			chosen := c.is(v.index, i)
			d = c.or(d, c.and(chosen, each(rest[1:], c.and(given, chosen), next)))
		}
		return d
	}
	d := each(used, always, 0)
	if env.asked {
		return c.unknown(n)
	}
	c.possible = c.and(c.possible, c.not(impossible))
	return d
}

// use adds the variables in operand, which is compared with other. It reports false if their values cannot be listed: an
// open variable may only be compared as it is, with another or with a fixed text, or be the key of a mapping.
func (c *circumstances) use(operand, other *yaml.Node, used *[]*variable) bool {
	if name, ok := refName(operand); ok {
		_, plain := refName(other)
		_, fixed := c.fixedText(other)
		return c.useName(name, plain || fixed, used)
	}
	return c.useWithin(operand, used)
}

func (c *circumstances) useName(name string, asItIs bool, used *[]*variable) bool {
	v := c.byName[name]
	if v == nil || v.open && !asItIs {
		return false
	}
	if !slices.Contains(*used, v) {
		*used = append(*used, v)
	}
	return true
}

// useWithin adds the variables in and below n.
func (c *circumstances) useWithin(n *yaml.Node, used *[]*variable) bool {
	if name, ok := refName(n); ok {
		return c.useName(name, false, used)
	}
	for k, v := range members(n) {
		switch k.Value {
		case fnSub:
			for name := range subNames(v) {
				if !c.useName(name, false, used) {
					return false
				}
			}
		case fnFindInMap:
			if v.Kind != yaml.SequenceNode || len(v.Content) < 3 || v.Content[0].Kind != yaml.ScalarNode {
				return false
			}
			for i, key := range v.Content[1:] {
				if name, ok := refName(key); ok && i < 2 {
					if !c.useName(name, true, used) {
						return false
					}
				} else if !c.useWithin(key, used) {
					return false
				}
			}
			return true
		case fnRef, fnGetAtt, fnImportValue, fnTransform, fnCondition, fnIf, fnEquals, fnAnd, fnOr, fnNot, fnGetAZs, fnRefAll:
			return false
		}
	}
	for _, child := range n.Content {
		if !c.useWithin(child, used) {
			return false
		}
	}
	return true
}

// fixedText returns the text of an operand that refers to nothing.
func (c *circumstances) fixedText(n *yaml.Node) (string, bool) {
	var used []*variable
	if !c.useWithin(n, &used) || len(used) > 0 {
		return "", false
	}
	compiler := &compiler{program: c.program, block: blockConditions, uses: &references{}, path: []string{blockConditions}}
	e, err := compiler.compile(n)
	if err != nil {
		return "", false
	}
	env := &assumed{}
	v, err := e.eval(&Instance{env: env, program: c.program})
	if err != nil || env.asked {
		return "", false
	}
	text, _, ok := scalar(v)
	return text, ok
}

// assumed is the environment of comparisons: it has only pseudo parameters.
type assumed struct {
	nowhere
	pseudo map[string]string
}

func (a *assumed) Pseudo(name string) Value { return a.pseudo[name] }

// refName returns the name in a Ref, or in an Fn::Sub or Fn::Join that comes to the same.
func refName(n *yaml.Node) (string, bool) {
	if n == nil || n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", false
	}
	arg := n.Content[1]
	switch n.Content[0].Value {
	case fnRef:
		return literal(arg)
	case fnSub:
		text, ok := literal(arg)
		name, opened := strings.CutPrefix(text, "${")
		name, closed := strings.CutSuffix(name, "}")
		name = strings.TrimSpace(name)
		return name, ok && opened && closed && name != "" && consistsOf(name, letters+digits+":")
	case fnJoin:
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 && arg.Content[1].Kind == yaml.SequenceNode && len(arg.Content[1].Content) == 1 {
			return refName(arg.Content[1].Content[0])
		}
	}
	return "", false
}

// subNames returns the names in the pattern of an Fn::Sub that its own variables do not define.
func subNames(arg *yaml.Node) map[string]bool {
	pattern, own := arg, (*yaml.Node)(nil)
	if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
		pattern, own = arg.Content[0], arg.Content[1]
	}
	names := map[string]bool{}
	for _, part := range strings.Split(pattern.Value, "${")[1:] {
		name, _, closed := strings.Cut(part, "}")
		if name = strings.TrimSpace(name); closed && !strings.HasPrefix(name, "!") && member(own, name) == nil {
			names[name] = true
		}
	}
	return names
}

// operands returns the operands of an Fn::Equals.
func operands(arg *yaml.Node) (a, b *yaml.Node, ok bool) {
	if arg == nil || arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, nil, false
	}
	return arg.Content[0], arg.Content[1], true
}

// containsOf returns the arguments of an Fn::Contains with a literal list.
func containsOf(arg *yaml.Node) (items []*yaml.Node, item *yaml.Node, ok bool) {
	list, item, ok := operands(arg)
	if !ok || list.Kind != yaml.SequenceNode {
		return nil, nil, false
	}
	return list.Content, item, true
}

func mappingNode(key string, value *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{scalarNode("!!str", key), value}, Line: value.Line, Column: value.Column}
}

func sequenceNode(items ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: items, Line: items[0].Line, Column: items[0].Column}
}
