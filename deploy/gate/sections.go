package gate

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Limits on the number of members of a section.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	maxParameters = 200
	maxMappings   = 200
	maxResources  = 500
	maxOutputs    = 200
)

// build compiles a template without loops and checks its references.
func build(root *yaml.Node, parameters []*Parameter) (*program, error) {
	p := &program{parameters: parameters, parameterIndex: map[string]int{}}
	for i, def := range parameters {
		p.parameterIndex[def.Name] = i
	}
	p.extended, p.lenient = transforms(root)
	for _, read := range []func(*program, *yaml.Node) error{
		(*program).readMappings, (*program).readNames, (*program).readConditions, (*program).readRules,
		(*program).readResources, (*program).readOutputs, (*program).checkReferences,
	} {
		if err := read(p, root); err != nil {
			return nil, err
		}
	}
	p.setDependsOn()
	if p.conditional() {
		return p, p.checkCycles()
	}
	var err error
	p.fixed, err = p.plan(nil)
	return p, err
}

// checkHeader checks the version, the description and the names of the sections.
func checkHeader(root *yaml.Node) error {
	if n := member(root, "AWSTemplateFormatVersion"); n != nil && n.Value != "2010-09-09" {
		return invalid("Template format error: unsupported value for AWSTemplateFormatVersion.")
	}
	_, lenient := transforms(root)
	if n := member(root, "Description"); n != nil {
		switch s, ok := literal(n); {
		case isNull(n) && !lenient:
			return errNull([]string{"Description"})
		case !ok && !isNull(n):
			return invalid("Template format error: Description must be a string.") // own words
		case len(s) > 1024:
			return invalid("Template format error: 'Description' length is greater than 1024.")
		}
	}
	return checkSections(root, lenient)
}

func checkSections(root *yaml.Node, lenient bool) error {
	var unknown []string
	for k := range members(root) {
		switch k.Value {
		case "AWSTemplateFormatVersion", "Description", "Metadata", blockParameters, blockMappings, blockConditions,
			"Transform", blockResources, blockOutputs, blockRules, "Hooks":
		default:
			unknown = append(unknown, k.Value)
		}
	}
	if len(unknown) > 0 && !lenient {
		return invalid("Invalid template property or properties [%s]", sortedJoin(unknown))
	}
	return nil
}

// transforms reports whether the template declares AWS::LanguageExtensions, and whether it declares other transforms.
// Those are not run, so that the resources they would add are unknown.
func transforms(root *yaml.Node) (extended, lenient bool) {
	declared := member(root, "Transform")
	var names []string
	switch {
	case declared == nil:
	case declared.Kind == yaml.ScalarNode:
		names = append(names, declared.Value)
	case declared.Kind == yaml.SequenceNode:
		for _, n := range declared.Content {
			names = append(names, n.Value) // empty for {Name: AWS::Include, ...}
		}
	default:
		names = append(names, "")
	}
	for _, name := range names {
		if name == "AWS::LanguageExtensions" {
			extended = true
			continue
		}
		lenient = true
	}
	return extended, lenient || mentions(root, func(key string) bool { return key == fnTransform })
}

// section returns a section's mapping, or nil if the template has no such section.
func (p *program) section(root *yaml.Node, name string) (*yaml.Node, error) {
	n := member(root, name)
	switch {
	case n == nil, isNull(n) && p.lenient:
		return nil, nil
	case isNull(n):
		return nil, errNull([]string{name})
	case n.Kind != yaml.MappingNode:
		return nil, invalid("Template format error: Any %s member must be an object.", name)
	}
	return n, nil
}

// index numbers the members of a section in template order. Only loops can have made two members of the same name.
func (p *program) index(root *yaml.Node, block string, limit int) (map[string]int, error) {
	index := map[string]int{}
	n, err := p.section(root, block)
	if err != nil {
		return nil, err
	}
	for k := range members(n) {
		if k.Value == fnTransform {
			continue
		}
		if _, duplicate := index[k.Value]; duplicate {
			return nil, invalid("Template format error: Duplicate key %s in the %s block of the template", k.Value, block) // own words
		}
		index[k.Value] = len(index)
	}
	if len(index) > limit {
		return nil, invalid("Template format error: Number of %s, %d, is greater than maximum allowed, %d", strings.ToLower(block), len(index), limit)
	}
	return index, nil
}

// readNames collects the names of conditions and resources, which may be used before they are declared.
func (p *program) readNames(root *yaml.Node) (err error) {
	if p.conditionIndex, err = p.index(root, blockConditions, maxResources); err != nil {
		return err
	}
	if p.resourceIndex, err = p.index(root, blockResources, maxResources); err != nil {
		return err
	}
	p.modules = map[string]bool{}
	for id, r := range members(member(root, blockResources)) {
		if typ, _ := literal(member(r, "Type")); strings.HasSuffix(typ, "::MODULE") {
			p.modules[id.Value] = true
		}
	}
	for _, name := range sortedKeys(p.resourceIndex) {
		if !isAlphanumeric(name) {
			return invalid("Template format error: Resource name %s is non alphanumeric.", name)
		}
	}
	if len(p.resourceIndex) == 0 && !p.lenient {
		return invalid("Template format error: At least one Resources member must be defined.")
	}
	return nil
}

func (p *program) readMappings(root *yaml.Node) error {
	if _, err := p.index(root, blockMappings, maxMappings); err != nil {
		return err
	}
	n, err := p.section(root, blockMappings)
	if err != nil {
		return err
	}
	p.mappings = map[string]map[string]map[string]Value{}
	for name, table := range members(n) {
		p.mappings[name.Value] = map[string]map[string]Value{}
		for key, row := range members(table) {
			if key.Value == fnTransform {
				continue
			}
			if row.Kind != yaml.MappingNode {
				return invalid("Template format error: Every member of mapping %s must be an object.", name.Value) // own words
			}
			if p.mappings[name.Value][key.Value], err = p.readRow(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *program) readRow(row *yaml.Node) (map[string]Value, error) {
	cells := map[string]Value{}
	c := &compiler{program: p, block: blockMappings, uses: &references{}, path: []string{blockMappings}}
	for k, v := range members(row) {
		e, err := c.member(k.Value, v)
		if err != nil {
			return nil, err
		}
		cell, ok := e.(constant)
		_, isObject := cell.v.(*Object)
		_, isNone := cell.v.(noValue)
		if !ok || isObject || isNone {
			return nil, invalid("Template format error: Every Mappings attribute must be a String or a List.")
		}
		cells[k.Value] = cell.v
	}
	return cells, nil
}

func isAlphanumeric(name string) bool { return name != "" && consistsOf(name, letters+digits) }

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
