package gate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Resource is one member of a template's Resources.
type Resource struct {
	LogicalID, Type string
	Kind            Kind
	Index           int        // position in Template.Resources
	Condition       string     // empty: the resource is always created
	DependsOn       []string   // logical IDs from DependsOn, Ref, Fn::GetAtt and Fn::Sub, each once
	Node            *yaml.Node // the declaration; Line and Column are its position

	condition  int  // -1: none
	properties expr // evaluates to an *Object
	policy     expr // DeletionPolicy; nil: none
	uses       references
}

// Kind groups resource types by their life in a stack.
type Kind int

const (
	KindPlain  Kind = iota // every other type
	KindHandle             // AWS::CloudFormation::WaitConditionHandle
	KindWait               // AWS::CloudFormation::WaitCondition
	KindCustom             // Custom::… and AWS::CloudFormation::CustomResource
)

// setDependsOn fills in the exported names once all resources are known.
func (p *program) setDependsOn() {
	for _, def := range p.resources {
		if def.condition >= 0 {
			def.Condition = p.conditions[def.condition].name
		}
		for _, on := range def.uses.resources {
			if id := p.resources[on.resource].LogicalID; !slices.Contains(def.DependsOn, id) {
				def.DependsOn = append(def.DependsOn, id)
			}
		}
	}
}

const (
	typeHandle = "AWS::CloudFormation::WaitConditionHandle"
	typeWait   = "AWS::CloudFormation::WaitCondition"
	typeCustom = "AWS::CloudFormation::CustomResource"
)

func (p *program) readResources(root *yaml.Node) error {
	n, err := p.section(root, blockResources)
	if err != nil {
		return err
	}
	p.resources = make([]*Resource, len(p.resourceIndex))
	var unknown []string
	for k, v := range members(n) {
		if k.Value == fnTransform {
			continue
		}
		def, err := p.readResource(k.Value, v)
		if err != nil {
			return locate(err, []string{blockResources, k.Value}, k)
		}
		if !p.lenient && !isTypeName(def.Type) && !slices.Contains(unknown, def.Type) {
			unknown = append(unknown, def.Type)
		}
		p.resources[p.resourceIndex[k.Value]] = def
	}
	if len(unknown) > 0 {
		return invalid("Template format error: Unrecognized resource types: [%s]", sortedJoin(unknown))
	}
	return nil
}

func (p *program) readResource(name string, n *yaml.Node) (*Resource, error) {
	if n.Kind != yaml.MappingNode {
		return nil, invalid("Template format error: Any Resources member must be an object.")
	}
	if err := p.checkAttributes(name, n); err != nil {
		return nil, err
	}
	def := &Resource{LogicalID: name, Index: p.resourceIndex[name], Node: n}
	typ, ok := literal(member(n, "Type"))
	if !ok {
		return nil, invalid("Template format error: [/Resources/%s] Every Resources object must contain a Type member.", name)
	}
	def.Type, def.Kind = typ, kindOf(typ)
	var err error
	if def.condition, err = p.conditionOf(n, blockResources); err != nil {
		return nil, err
	}
	c := &compiler{program: p, block: blockResources, uses: &def.uses, path: []string{blockResources, name}}
	if err := c.dependsOn(member(n, "DependsOn")); err != nil {
		return nil, err
	}
	if def.properties, err = c.properties(n); err != nil {
		return nil, err
	}
	def.policy, err = c.deletionPolicy(n, typ)
	return def, err
}

// checkAttributes refuses unknown resource attributes.
func (p *program) checkAttributes(name string, n *yaml.Node) error {
	for k := range members(n) {
		switch k.Value {
		case "Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy",
			"CreationPolicy", "Metadata", "Description", "Version":
		default:
			if !p.lenient {
				return locate(invalid("Invalid template resource property '%s'", k.Value), []string{blockResources, name, k.Value}, k)
			}
		}
	}
	return nil
}

func kindOf(typ string) Kind {
	switch {
	case typ == typeHandle:
		return KindHandle
	case typ == typeWait:
		return KindWait
	case typ == typeCustom, strings.HasPrefix(typ, "Custom::"):
		return KindCustom
	}
	return KindPlain
}

// isTypeName reports whether typ has the form of a resource type: Custom::Name, Service::Group::Name or
// Service::Group::Name::MODULE.
func isTypeName(typ string) bool {
	parts := strings.Split(typ, "::")
	if parts[0] == "Custom" {
		return len(parts) == 2 && len(typ) <= 60 && parts[1] != "" && consistsOf(parts[1], letters+digits+"_@-")
	}
	return (len(parts) == 3 || len(parts) == 4 && parts[3] == "MODULE") && !slices.ContainsFunc(parts, func(s string) bool { return !isAlphanumeric(s) })
}

// dependsOn records a DependsOn, which is one name or a list of names.
func (c *compiler) dependsOn(n *yaml.Node) error {
	if n == nil {
		return nil
	}
	names := n.Content
	if n.Kind == yaml.ScalarNode {
		names = []*yaml.Node{n}
	}
	for _, node := range names {
		name, ok := literal(node)
		if !ok || n.Kind == yaml.MappingNode {
			return invalid("Template format error: DependsOn must be a string or list of strings.")
		}
		if i, ok := c.program.resourceIndex[name]; ok {
			c.uses.addResource(i, nil, true)
			continue
		}
		c.uses.addMissing(name)
	}
	return nil
}

// properties compiles the Properties. Metadata, CreationPolicy and UpdatePolicy are compiled for their dependencies
// only.
func (c *compiler) properties(n *yaml.Node) (expr, error) {
	for _, attribute := range []string{"Metadata", "CreationPolicy", "UpdatePolicy"} {
		if v := member(n, attribute); v != nil && !isNull(v) {
			if _, err := c.member(attribute, v); err != nil {
				return nil, err
			}
		}
	}
	v := member(n, "Properties")
	switch {
	case v == nil, isNull(v) && c.program.lenient:
		return constant{&Object{}}, nil
	case isNull(v):
		return nil, errNull(append(c.path, "Properties"))
	case v.Kind != yaml.MappingNode:
		return nil, invalid("Template format error: [/%s] Properties must be an object.", strings.Join(c.path, "/")) // own words
	}
	return c.member("Properties", v)
}

func sortedJoin(names []string) string {
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}
