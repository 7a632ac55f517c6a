package fakecfn

import (
	"cmp"
	"path"
	"strings"

	"countersign/deploy/gate"
)

// Pseudo returns the value of a pseudo parameter.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
func (st *stack) Pseudo(name string) gate.Value {
	e := st.engine
	switch name {
	case "AWS::AccountId":
		return st.account
	case "AWS::NotificationARNs":
		return gate.Strings(st.notificationARNs)
	case "AWS::Partition":
		return e.partition
	case "AWS::Region":
		return e.cfg.Region
	case "AWS::StackId":
		return st.id
	case "AWS::StackName":
		return st.name
	}
	if e.partition == "aws-cn" { // AWS::URLSuffix
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// Ref returns the physical ID of a created resource.
func (st *stack) Ref(def *gate.Resource) gate.Value {
	r := st.resources[def.Index]
	switch {
	case r.kind != gate.KindPlain:
		return r.physicalID
	case r.physicalID == "": // in a cycle that a transform would resolve
		return gate.Sample(r.makePhysicalID())
	}
	return gate.Sample(r.physicalID)
}

// GetAtt returns an attribute of a created resource.
func (st *stack) GetAtt(r *gate.Resource, attribute string) (gate.Value, error) {
	return st.resources[r.Index].attribute(attribute)
}

// ImportValue returns the value of another stack's export and records that it is in use.
func (st *stack) ImportValue(name string) (gate.Value, error) {
	export, ok := st.engine.exports[name]
	if !ok && st.engine.cfg.OtherStacks {
		return gate.Sample(name), nil
	}
	if !ok {
		return nil, invalid("No export named %s found", name)
	}
	st.imports[name] = true
	return export.value, nil
}

// zoneLetters are the Availability Zones of the Regions that do not have exactly a, b and c.
//
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html
var zoneLetters = map[string]string{
	"us-east-1":      "abcdef",
	"us-west-1":      "ac",
	"us-west-2":      "abcd",
	"ca-central-1":   "abd",
	"ap-northeast-1": "acd",
	"ap-northeast-2": "abcd",
	"cn-north-1":     "abd",
}

// Zones returns the names of a Region's Availability Zones.
func (st *stack) Zones(region string) []string {
	letters := cmp.Or(zoneLetters[region], "abc")
	zones := make([]string, len(letters))
	for i := range letters {
		zones[i] = region + letters[i:i+1]
	}
	return zones
}

// StoredParameter returns the value of a Systems Manager parameter. If the configuration has no store, every name
// has a plausible value.
func (st *stack) StoredParameter(name, typ string) (string, bool) {
	if ssm := st.engine.cfg.SSM; ssm != nil {
		return ssm(name)
	}
	if strings.Contains(typ, "AWS::EC2::Image::Id") {
		return "ami-" + makeID(name, 17, lowerHex), true
	}
	if lower := strings.ToLower(name); strings.HasSuffix(lower, "arn") || strings.Contains(lower, "lambda") || strings.Contains(lower, "function") {
		return "arn:" + st.engine.partition + ":lambda:" + st.engine.cfg.Region + ":" + st.account + ":function:" + path.Base(name), true
	}
	return path.Base(name), true
}

// StackOutput returns an output of a stack. Outputs of other accounts and Regions are made up. The reasons are in own
// words.
func (st *stack) StackOutput(name, output string, local bool) (gate.Value, error) {
	if !local {
		return gate.Sample(name + "-" + output), nil
	}
	other, ok := st.engine.find(name)
	if !ok && st.engine.cfg.OtherStacks {
		return gate.Sample(name + "-" + output), nil
	}
	if !ok {
		return nil, invalid("Stack with id %s does not exist", name)
	}
	for _, o := range other.outputs {
		if o.Key == output {
			return o.Value, nil
		}
	}
	return nil, invalid("Stack %s has no output %s", name, output)
}

// Transformed returns a physical ID or an attribute of a resource that a transform or a module would have added.
func (st *stack) Transformed(name, attribute string) gate.Value {
	typ := "AWS::Transformed::Resource"
	if strings.HasSuffix(name, "Role") {
		typ = "AWS::IAM::Role"
	}
	r := &resource{stack: st, def: &gate.Resource{LogicalID: name, Type: typ}}
	r.physicalID = r.generatedName()
	if attribute == "" {
		return gate.SampleOfAnyType(r.physicalID)
	}
	return r.plainAttribute(attribute)
}
