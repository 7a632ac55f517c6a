package gate

// Environment supplies what expressions refer to outside the template.
type Environment interface {
	// Pseudo returns the value of a pseudo parameter: a List for AWS::NotificationARNs, and a string for all others. It
	// is not called for AWS::NoValue.
	Pseudo(name string) Value

	// Ref returns what a Ref to a created resource returns.
	Ref(r *Resource) Value

	// GetAtt returns an attribute of a created resource.
	GetAtt(r *Resource, attribute string) (Value, error)

	// ImportValue returns the value of another stack's export.
	ImportValue(name string) (Value, error)

	// StackOutput returns an output of a stack. local is true if the stack must be in the same account and Region.
	StackOutput(stack, output string, local bool) (Value, error)

	// Zones returns the names of a Region's Availability Zones.
	Zones(region string) []string

	// StoredParameter returns the value of a Systems Manager parameter; typ is the type of the template parameter
	// that names it.
	StoredParameter(name, typ string) (value string, ok bool)

	// Transformed returns the physical ID of a resource that a transform other than AWS::LanguageExtensions or a module
	// would have added to the template, or an attribute of it.
	Transformed(name, attribute string) Value
}

// Pseudo parameters.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
const (
	pseudoAccountID        = "AWS::AccountId"
	pseudoNoValue          = "AWS::NoValue"
	pseudoNotificationARNs = "AWS::NotificationARNs"
	pseudoPartition        = "AWS::Partition"
	pseudoRegion           = "AWS::Region"
	pseudoStackID          = "AWS::StackId"
	pseudoStackName        = "AWS::StackName"
	pseudoURLSuffix        = "AWS::URLSuffix"
)

func isPseudo(name string) bool {
	switch name {
	case pseudoAccountID, pseudoNoValue, pseudoNotificationARNs, pseudoPartition, pseudoRegion, pseudoStackID,
		pseudoStackName, pseudoURLSuffix:
		return true
	}
	return false
}

// nowhere is the environment in which Parse expands loops: it has no values.
type nowhere struct {
	asked bool // whether an expression needed one
}

func (n *nowhere) Pseudo(string) Value                     { n.asked = true; return nil }
func (n *nowhere) Ref(*Resource) Value                     { n.asked = true; return nil }
func (n *nowhere) GetAtt(*Resource, string) (Value, error) { return nil, errNeedsValue }
func (n *nowhere) ImportValue(string) (Value, error)       { return nil, errNeedsValue }
func (n *nowhere) StackOutput(string, string, bool) (Value, error) {
	return nil, errNeedsValue
}
func (n *nowhere) Zones(string) []string                         { n.asked = true; return nil }
func (n *nowhere) StoredParameter(string, string) (string, bool) { return "", false }
func (n *nowhere) Transformed(string, string) Value              { n.asked = true; return nil }
