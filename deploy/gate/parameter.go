package gate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Parameter is one member of the Parameters section.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
type Parameter struct {
	Name, Type, Description string
	Default                 string
	HasDefault              bool // without one, CreateStack requires a value
	NoEcho                  bool
	AllowedValues           []string // nil: any
	ConstraintDescription   string

	pattern            string
	regexp             *regexp.Regexp // nil: no pattern, or one in Java's syntax that Go cannot compile
	minValue, maxValue *limit         // value of a Number
	minLength          *limit         // length of a String, in characters
	maxLength          *limit
}

// limit is a bound as written in the template, and as a number.
type limit struct {
	text string
	n    float64
}

const (
	typeNumber     = "Number"
	typeListNumber = "List<Number>"
	typeCommaList  = "CommaDelimitedList"
	ssmPrefix      = "AWS::SSM::Parameter::Value<"
)

// readParameters reads the Parameters section.
func readParameters(root *yaml.Node) ([]*Parameter, error) {
	_, lenient := transforms(root)
	p := &program{lenient: lenient}
	if _, err := p.index(root, blockParameters, maxParameters); err != nil {
		return nil, err
	}
	section, err := p.section(root, blockParameters)
	if err != nil {
		return nil, err
	}
	var all []*Parameter
	for k, n := range members(section) {
		if !isAlphanumeric(k.Value) {
			return nil, invalid("Template format error: Parameter name %s is non alphanumeric.", k.Value)
		}
		def, err := readParameter(k.Value, n)
		if err != nil {
			return nil, locate(err, []string{blockParameters, k.Value}, k)
		}
		all = append(all, def)
	}
	return all, nil
}

func readParameter(name string, n *yaml.Node) (*Parameter, error) {
	def := &Parameter{Name: name}
	for k, v := range members(n) {
		if isNull(v) {
			return nil, errNull([]string{blockParameters, name, k.Value})
		}
		if err := def.read(k.Value, v); err != nil {
			return nil, err
		}
	}
	if def.Type == "" {
		return nil, invalid("Template format error: Every Parameters object must contain a Type member.")
	}
	if !isParameterType(def.Type) {
		return nil, invalid("Template format error: Unrecognized parameter type: %s", def.Type)
	}
	return def, def.checkLimits()
}

// read sets one attribute of the declaration.
func (def *Parameter) read(key string, v *yaml.Node) error {
	if key == "AllowedValues" {
		if v.Kind != yaml.SequenceNode {
			return invalid("Template format error: Every AllowedValues member must be a list.")
		}
		for _, item := range v.Content {
			if _, ok := literal(item); !ok {
				return invalid("Template format error: Every AllowedValues value must be a string.")
			}
			def.AllowedValues = append(def.AllowedValues, scalarText(item))
		}
		return nil
	}
	if _, ok := literal(v); !ok {
		return invalid("Template format error: Every %s member must be a string.", key)
	}
	s := scalarText(v)
	var err error
	switch key {
	case "Type":
		def.Type = s
	case "Description":
		def.Description = s
	case "Default":
		def.Default, def.HasDefault = s, true
	case "NoEcho":
		def.NoEcho = strings.EqualFold(s, "true")
	case "ConstraintDescription":
		def.ConstraintDescription = s
	case "AllowedPattern":
		def.pattern = s
		def.regexp, _ = regexp.Compile("^(?:" + s + ")$")
	case "MinValue":
		def.minValue, err = readLimit(key, s)
	case "MaxValue":
		def.maxValue, err = readLimit(key, s)
	case "MinLength":
		def.minLength, err = readLimit(key, s)
	case "MaxLength":
		def.maxLength, err = readLimit(key, s)
	default:
		return invalid("Invalid template parameter property '%s'", key)
	}
	return err
}

func readLimit(key, s string) (*limit, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, invalid("Template format error: Every %s member must be a number.", key)
	}
	return &limit{s, n}, nil
}

func (def *Parameter) checkLimits() error {
	numeric := def.Type == typeNumber || def.Type == typeListNumber
	for _, l := range []struct {
		name  string
		bound *limit
		fits  bool
		want  string
	}{
		{"MinValue", def.minValue, numeric, "Number"}, {"MaxValue", def.maxValue, numeric, "Number"},
		{"MinLength", def.minLength, !numeric, "String"}, {"MaxLength", def.maxLength, !numeric, "String"},
	} {
		if l.bound != nil && !l.fits {
			return invalid("Template error: Parameter '%s' %s must be on a parameter of type %s", def.Name, l.name, l.want)
		}
	}
	return nil
}

func isParameterType(typ string) bool {
	switch typ {
	case "String", typeNumber, typeListNumber, typeCommaList, "AWS::SSM::Parameter::Name":
		return true
	}
	if inner, ok := strings.CutPrefix(typ, ssmPrefix); ok {
		return isParameterType(strings.TrimSuffix(inner, ">")) && strings.HasSuffix(inner, ">") && !strings.HasPrefix(inner, ssmPrefix)
	}
	if inner, ok := strings.CutPrefix(typ, "List<"); ok {
		inner, ok = strings.CutSuffix(inner, ">")
		return ok && (inner == "String" || slices.Contains(accountTypes, inner))
	}
	return slices.Contains(accountTypes, typ)
}

// accountTypes are the AWS-specific parameter types, whose values CloudFormation looks up in the account. Any non-empty
// value is taken to exist.
var accountTypes = []string{
	"AWS::EC2::AvailabilityZone::Name", "AWS::EC2::Image::Id", "AWS::EC2::Instance::Id", "AWS::EC2::KeyPair::KeyName",
	"AWS::EC2::SecurityGroup::GroupName", "AWS::EC2::SecurityGroup::Id", "AWS::EC2::Subnet::Id", "AWS::EC2::VPC::Id",
	"AWS::EC2::Volume::Id", "AWS::Route53::HostedZone::Id",
}

// isList reports whether a Ref to the parameter is a list.
func (def *Parameter) isList() bool {
	inner := strings.TrimPrefix(def.Type, ssmPrefix)
	return strings.HasPrefix(inner, "List<") || strings.HasPrefix(inner, typeCommaList)
}
