package gate

import "go.yaml.in/yaml/v4"

// Intrinsic functions.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
const (
	fnRef              = "Ref"
	fnCondition        = "Condition"
	fnAnd              = "Fn::And"
	fnBase64           = "Fn::Base64"
	fnCidr             = "Fn::Cidr"
	fnContains         = "Fn::Contains"
	fnEachMemberEquals = "Fn::EachMemberEquals"
	fnEachMemberIn     = "Fn::EachMemberIn"
	fnEquals           = "Fn::Equals"
	fnFindInMap        = "Fn::FindInMap"
	fnForEach          = "Fn::ForEach"
	fnGetAtt           = "Fn::GetAtt"
	fnGetAZs           = "Fn::GetAZs"
	fnGetStackOutput   = "Fn::GetStackOutput"
	fnIf               = "Fn::If"
	fnImportValue      = "Fn::ImportValue"
	fnJoin             = "Fn::Join"
	fnLength           = "Fn::Length"
	fnNot              = "Fn::Not"
	fnOr               = "Fn::Or"
	fnRefAll           = "Fn::RefAll"
	fnSelect           = "Fn::Select"
	fnSplit            = "Fn::Split"
	fnSub              = "Fn::Sub"
	fnToJSONString     = "Fn::ToJsonString"
	fnTransform        = "Fn::Transform"
	fnValueOf          = "Fn::ValueOf"
	fnValueOfAll       = "Fn::ValueOfAll"
)

// supported is the list in CloudFormation's error message, which omits some functions.
const supported = "[Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, " +
	"Ref, Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, Fn::EachMemberEquals, " +
	"Fn::EachMemberIn, Fn::ValueOf, Fn::ValueOfAll, Fn::RefAll, Fn::Sub, Fn::Cidr]"

// isFunction reports whether name has a short form, such as !Sub for Fn::Sub.
func isFunction(name string) bool {
	switch name {
	case fnRef, fnCondition, fnAnd, fnBase64, fnCidr, fnContains, fnEachMemberEquals, fnEachMemberIn, fnEquals,
		fnFindInMap, fnGetAtt, fnGetAZs, fnGetStackOutput, fnIf, fnImportValue, fnJoin, fnLength, fnNot, fnOr, fnRefAll, fnSelect,
		fnSplit, fnSub, fnToJSONString, fnTransform, fnValueOf, fnValueOfAll:
		return true
	}
	return false
}

// function compiles a function call.
func (c *compiler) function(name string, arg *yaml.Node) (expr, error) {
	switch name {
	case fnRef:
		return c.ref(arg)
	case fnGetAtt:
		return c.getAtt(arg)
	case fnSub:
		return c.sub(arg)
	case fnIf:
		return c.ifElse(arg)
	case fnCondition:
		return c.condition(arg)
	case fnFindInMap:
		return c.findInMap(arg)
	case fnImportValue:
		return c.importValue(arg)
	case fnTransform:
		return constant{noValue{}}, nil
	case fnLength, fnToJSONString:
		if !c.program.extended {
			break
		}
		fallthrough
	case fnBase64, fnGetAZs, fnGetStackOutput, fnRefAll:
		return c.unary(name, arg)
	case fnJoin, fnSelect, fnSplit, fnCidr, fnEquals, fnAnd, fnOr, fnNot,
		fnContains, fnEachMemberEquals, fnEachMemberIn, fnValueOf, fnValueOfAll:
		return c.nary(name, arg)
	}
	return nil, invalid("Template Error: Encountered unsupported function: %s Supported functions are: %s", name, supported)
}

// unary compiles a function that takes one argument, which is not a list of arguments.
func (c *compiler) unary(name string, arg *yaml.Node) (expr, error) {
	e, err := c.member(name, arg)
	if err != nil {
		return nil, err
	}
	var apply func(*Instance, Value) (Value, error)
	switch name {
	case fnBase64:
		apply = base64Of
	case fnGetAZs:
		apply = zones
	case fnGetStackOutput:
		apply = stackOutput
	case fnLength:
		apply = length
	case fnToJSONString:
		apply = jsonString
	case fnRefAll:
		apply = refAll
	}
	return function(func(s *Instance) (Value, error) {
		v, err := e.eval(s)
		if err != nil {
			return nil, err
		}
		return apply(s, v)
	}), nil
}

// signature is the number of arguments of a function, the error message for any other number, and the function.
type signature struct {
	min, max int
	usage    string
	apply    func(*Instance, []Value) (Value, error)
}

func signatureOf(name string) signature {
	switch name {
	case fnJoin:
		return signature{2, 2, usageJoin, join}
	case fnSelect:
		return signature{2, 2, usageSelect, selectItem}
	case fnSplit:
		return signature{2, 2, usageSplit, split}
	case fnCidr:
		return signature{2, 3, usageCidr, cidr}
	case fnEquals:
		return signature{2, 2, "Template error: every Fn::Equals object requires a list of 2 string parameters.", equals}
	case fnAnd:
		return signature{2, 10, "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.", and}
	case fnOr:
		return signature{2, 10, "Template error: every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.", or}
	case fnNot:
		return signature{1, 1, "Template error: every Fn::Not object requires one boolean parameter.", not}
	case fnContains:
		return signature{2, 2, usageOf(name), contains}
	case fnEachMemberEquals:
		return signature{2, 2, usageOf(name), eachMemberEquals}
	case fnEachMemberIn:
		return signature{2, 2, usageOf(name), eachMemberIn}
	}
	return signature{2, 2, usageOf(name), emptyList} // ValueOf, ValueOfAll
}

// usageOf is in own words.
func usageOf(name string) string {
	return "Template error: every " + name + " object requires a list of 2 parameters."
}

// nary compiles a function with a list of arguments.
func (c *compiler) nary(name string, arg *yaml.Node) (expr, error) {
	sig := signatureOf(name)
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < sig.min || len(arg.Content) > sig.max {
		return nil, invalid("%s", sig.usage)
	}
	args := make([]expr, len(arg.Content))
	for i, n := range arg.Content {
		e, err := c.member(name, n)
		if err != nil {
			return nil, err
		}
		args[i] = e
	}
	return function(func(s *Instance) (Value, error) {
		var buffer [3]Value
		values := buffer[:0]
		for _, e := range args {
			v, err := e.eval(s)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		return sig.apply(s, values)
	}), nil
}
