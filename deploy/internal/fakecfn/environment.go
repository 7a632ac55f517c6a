package fakecfn

import (
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
		return e.cfg.Account
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
	case "AWS::URLSuffix":
		if e.partition == "aws-cn" {
			return "amazonaws.com.cn"
		}
		return "amazonaws.com"
	}
	return gate.NoValue
}

// Ref returns the physical ID of a created resource.
func (st *stack) Ref(r *gate.Resource) gate.Value { return st.resources[r.Index].physicalID }

// GetAtt returns an attribute of a created resource.
func (st *stack) GetAtt(r *gate.Resource, attribute string) (gate.Value, error) {
	return st.resources[r.Index].attribute(attribute)
}

// ImportValue returns the value of another stack's export and records that it is in use.
func (st *stack) ImportValue(name string) (gate.Value, error) {
	export, ok := st.engine.exports[name]
	if !ok {
		return nil, invalid("No export named %s found", name)
	}
	st.imports[name] = true
	return export.value, nil
}

// Zones returns three Availability Zones for any Region.
func (st *stack) Zones(region string) []string {
	return []string{region + "a", region + "b", region + "c"}
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
	return path.Base(name), true
}

// Transformed returns a physical ID for a resource that a transform would have added.
func (st *stack) Transformed(name string) string {
	return st.name + "-" + name + "-" + makeID(st.uuid+name, 12, upperAlnum)
}
