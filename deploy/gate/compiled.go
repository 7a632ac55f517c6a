package gate

// Names of the sections, as error messages spell them.
const (
	blockParameters = "Parameters"
	blockMappings   = "Mappings"
	blockConditions = "Conditions"
	blockRules      = "Rules"
	blockResources  = "Resources"
	blockOutputs    = "Outputs"
)

// program is a template made ready to run. It is never changed once built: all stacks of a template share it.
type program struct {
	extended bool // declares AWS::LanguageExtensions
	lenient  bool // has a transform that is not run here: it may refer to what that would have made

	parameters     []*Parameter
	parameterIndex map[string]int

	mappings map[string]map[string]map[string]Value

	conditions     []condition
	conditionIndex map[string]int
	conditionOrder []int // every condition after those it refers to

	rules []rule

	resources     []*Resource
	resourceIndex map[string]int

	outputs []*outputDefinition

	fixed *plan // the plan of every stack, where no condition changes it
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
