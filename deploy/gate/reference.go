package gate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// guard is a branch of an Fn::If: its content counts only if the condition has the wanted value.
type guard struct {
	condition int
	want      bool
}

func allSatisfied(guards []guard, conditions []bool) bool {
	for _, g := range guards {
		if conditions[g.condition] != g.want {
			return false
		}
	}
	return true
}

// dependency is a reference to a resource. order is true for DependsOn, which may name a resource that a condition
// leaves out; Ref and Fn::GetAtt may not.
type dependency struct {
	resource int
	guards   []guard
	order    bool
	unsure   bool // in a default value, which is used only if a lookup finds nothing
}

// earlyLookup is an Fn::FindInMap or Fn::ImportValue that needs no resource, so that it fails before the first one is
// created.
type earlyLookup struct {
	e        expr
	guards   []guard
	isImport bool
}

// references is what a section member refers to.
type references struct {
	conditions   []int
	resources    []dependency
	attributes   []attributeUse
	missing      []string // names of neither parameters nor resources
	earlyLookups []earlyLookup
}

// attributeUse is an Fn::GetAtt with a literal attribute name.
type attributeUse struct {
	resource  int
	attribute string
}

func (r *references) addCondition(i int) {
	if !slices.Contains(r.conditions, i) {
		r.conditions = append(r.conditions, i)
	}
}

// addResource records a dependency, once for each set of guards.
func (r *references) addResource(i int, guards []guard, order bool) {
	for _, d := range r.resources {
		if d.resource == i && d.order == order && !d.unsure && slices.Equal(d.guards, guards) {
			return
		}
	}
	r.resources = append(r.resources, dependency{resource: i, guards: slices.Clone(guards), order: order})
}

func (r *references) addMissing(name string) {
	if !slices.Contains(r.missing, name) {
		r.missing = append(r.missing, name)
	}
}

// ref compiles Ref.
func (c *compiler) ref(arg *yaml.Node) (expr, error) {
	name, ok := c.name(arg)
	if !ok {
		return nil, invalid("Template format error: Every Ref value must be a string.") // own words
	}
	return c.lookup(name), nil
}

// name returns the name that a Ref or Fn::GetAtt refers to. AWS::LanguageExtensions allows Fn::Sub there; here it may
// contain only the identifiers of loops, which have been replaced by now.
func (c *compiler) name(n *yaml.Node) (string, bool) {
	if sub := member(n, fnSub); c.program.extended && sub != nil {
		n = sub
	}
	name, ok := literal(n)
	return name, ok && !strings.Contains(name, "${")
}

// lookup compiles a reference to a pseudo parameter, a parameter or a resource.
func (c *compiler) lookup(name string) expr {
	if name == pseudoNoValue {
		return constant{noValue{}}
	}
	if isPseudo(name) {
		return function(func(s *Instance) (Value, error) { return s.env.Pseudo(name), nil })
	}
	if i, ok := c.program.parameterIndex[name]; ok {
		return function(func(s *Instance) (Value, error) { return s.parameters[i], nil })
	}
	if i, ok := c.program.resourceIndex[name]; ok && !c.beforeResources() {
		c.uses.addResource(i, c.guards, false)
		return function(func(s *Instance) (Value, error) { return s.env.Ref(s.program.resources[i]), nil })
	}
	if !c.inModule(name) {
		c.uses.addMissing(name)
	}
	return function(func(s *Instance) (Value, error) { return s.env.Transformed(name, ""), nil })
}

// inModule reports whether name is that of a resource in a module, which is the module's followed by its own. The
// resource being compiled then depends on the module.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/module-ref-resources.html
func (c *compiler) inModule(name string) bool {
	module := ""
	for id := range c.program.modules {
		if strings.HasPrefix(name, id) && len(id) < len(name) && len(id) > len(module) {
			module = id
		}
	}
	if module == "" || c.beforeResources() {
		return false
	}
	c.uses.addResource(c.program.resourceIndex[module], c.guards, false)
	return true
}

// beforeResources reports whether the section is evaluated before the stack has resources.
func (c *compiler) beforeResources() bool {
	return c.block == blockConditions || c.block == blockRules
}

// getAtt compiles Fn::GetAtt, written "Name.Attribute" or [Name, Attribute].
func (c *compiler) getAtt(arg *yaml.Node) (expr, error) {
	const usage = "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
	if arg.Kind == yaml.SequenceNode {
		if len(arg.Content) < 2 {
			return nil, invalid("%s", usage)
		}
		name, ok := c.name(arg.Content[0])
		if !ok || name == "" {
			return nil, invalid("%s", usage)
		}
		var attribute []expr
		for _, n := range arg.Content[1:] {
			e, err := c.member(fnGetAtt, n)
			if err != nil {
				return nil, err
			}
			attribute = append(attribute, e)
		}
		return c.attribute(name, attribute)
	}
	full, _ := literal(arg)
	name, attribute, ok := strings.Cut(full, ".")
	if !ok || name == "" || attribute == "" {
		return nil, invalid("%s", usage)
	}
	return c.attribute(name, []expr{constant{attribute}})
}

// attribute compiles a resource's attribute. parts are joined with dots to its name.
func (c *compiler) attribute(name string, parts []expr) (expr, error) {
	i, ok := c.program.resourceIndex[name]
	if c.beforeResources() {
		c.uses.addMissing(name)
		return constant{""}, nil
	}
	get := func(s *Instance, attribute string) (Value, error) {
		return s.env.GetAtt(s.program.resources[i], attribute)
	}
	switch {
	case ok:
		c.uses.addResource(i, c.guards, false)
	case c.program.lenient || c.inModule(name):
		get = func(s *Instance, attribute string) (Value, error) { return s.env.Transformed(name, attribute), nil }
	default:
		return nil, invalid("Template error: instance of Fn::GetAtt references undefined resource %s", name)
	}
	if !allConstant(parts) {
		return function(func(s *Instance) (Value, error) {
			attribute, err := dotted(parts, s)
			if err != nil {
				return nil, err
			}
			return get(s, attribute)
		}), nil
	}
	attribute, err := dotted(parts, nil)
	if ok {
		c.uses.attributes = append(c.uses.attributes, attributeUse{i, attribute})
	}
	return function(func(s *Instance) (Value, error) { return get(s, attribute) }), err
}

// dotted evaluates the parts of an attribute's name and joins them with dots.
func dotted(parts []expr, s *Instance) (string, error) {
	keys := make([]string, len(parts))
	for i, e := range parts {
		v, err := e.eval(s)
		if err != nil {
			return "", err
		}
		keys[i] = Text(v)
	}
	return strings.Join(keys, "."), nil
}

// findInMap compiles Fn::FindInMap, with the DefaultValue of the AWS::LanguageExtensions transform.
func (c *compiler) findInMap(arg *yaml.Node) (expr, error) {
	const usage = "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < 3 || len(arg.Content) > 4 {
		return nil, invalid("%s", usage)
	}
	resources := len(c.uses.resources)
	var keys [3]expr
	for i := range keys {
		e, err := c.member(fnFindInMap, arg.Content[i])
		if err != nil {
			return nil, err
		}
		keys[i] = e
		if key, ok := literal(arg.Content[i]); ok { // keys of mappings keep their text, too
			keys[i] = constant{key}
		}
	}
	fallback, err := c.defaultValue(arg)
	if err != nil {
		return nil, err
	}
	if name, ok := keys[0].(constant); ok && fallback == nil && !c.program.lenient {
		if _, ok := c.program.mappings[Text(name.v)]; !ok {
			return nil, invalid("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", Text(name.v))
		}
	}
	e := function(func(s *Instance) (Value, error) { return s.findInMap(keys, fallback) })
	if !c.beforeResources() && len(c.uses.resources) == resources {
		c.uses.earlyLookups = append(c.uses.earlyLookups, earlyLookup{e: e, guards: slices.Clone(c.guards)})
	}
	return e, nil
}

func (c *compiler) defaultValue(arg *yaml.Node) (expr, error) {
	if len(arg.Content) < 4 {
		return nil, nil
	}
	n := member(arg.Content[3], "DefaultValue")
	if n == nil || !c.program.extended {
		return nil, invalid("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
	}
	before := len(c.uses.resources)
	e, err := c.member("DefaultValue", n)
	for i := range c.uses.resources[before:] {
		c.uses.resources[before+i].unsure = true
	}
	return e, err
}

// importValue compiles Fn::ImportValue.
func (c *compiler) importValue(arg *yaml.Node) (expr, error) {
	resources := len(c.uses.resources)
	name, err := c.member(fnImportValue, arg)
	if err != nil {
		return nil, err
	}
	e := function(func(s *Instance) (Value, error) {
		v, err := name.eval(s)
		if err != nil {
			return nil, err
		}
		return s.env.ImportValue(Text(v))
	})
	if !c.beforeResources() && len(c.uses.resources) == resources {
		c.uses.earlyLookups = append(c.uses.earlyLookups, earlyLookup{e, slices.Clone(c.guards), true})
	}
	return e, nil
}
