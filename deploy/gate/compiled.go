package gate

// Section names, as error messages spell them.
const (
	blockParameters = "Parameters"
	blockMappings   = "Mappings"
	blockConditions = "Conditions"
	blockRules      = "Rules"
	blockResources  = "Resources"
	blockOutputs    = "Outputs"
)

// program is a compiled template. It is immutable once built: all stacks of a template share it.
type program struct {
	extended bool // declares the AWS::LanguageExtensions transform
	lenient  bool // declares another transform, which may add sections, parameters and resources: unknown names are then accepted

	parameters     []*Parameter
	parameterIndex map[string]int

	mappings map[string]map[string]map[string]Value

	conditions     []condition
	conditionIndex map[string]int
	conditionOrder []int // topological: each condition after those it refers to

	rules []rule

	resources     []*Resource
	resourceIndex map[string]int
	modules       map[string]bool // the logical IDs of modules

	outputs []*outputDefinition

	fixed *plan // the plan of every stack; nil if it depends on conditions
}

type condition struct {
	name string
	e    expr
	uses references
}

type rule struct {
	name       string
	when       expr // nil: always
	assertions []assertion
}

type assertion struct {
	e           expr
	description string
}

type outputDefinition struct {
	name        string
	description string
	condition   int // -1: none
	value       expr
	export      expr // nil: none
	uses        references
}
