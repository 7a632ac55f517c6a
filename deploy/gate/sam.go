package gate

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	samTransform = "AWS::Serverless-2016-10-31"
	samPrefix    = "AWS::Serverless::"
)

// samGenerates returns the resources that SAM generates beside a resource without passing on its DependsOn. The others that
// SAM generates for the known types refer to the resource, and so wait with it. known is false for other types.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources.html
func samGenerates(root *yaml.Node, r *Resource) (generated []string, known bool) {
	kind, ok := strings.CutPrefix(r.Type, samPrefix)
	if !ok {
		return nil, true
	}
	property := func(name string) *yaml.Node {
		if v := r.property(name); v != nil {
			return v
		}
		return member(member(member(root, "Globals"), kind), name)
	}
	events := property("Events")
	switch kind {
	case "Function":
		if property("Role") == nil {
			generated = append(generated, "the role")
		}
		if member(property("DeploymentPreference"), "Type") != nil {
			generated = append(generated, "the CodeDeploy application")
		}
		for name, e := range members(events) {
			p := member(e, "Properties")
			if t := member(e, "Type"); t != nil && t.Value == "ScheduleV2" && member(p, "RoleArn") == nil {
				generated = append(generated, "the role of the event "+name.Value)
			}
			if member(member(p, "DeadLetterConfig"), "Type") != nil || member(p, "SqsSubscription") != nil {
				generated = append(generated, "the queue of the event "+name.Value)
			}
		}
		for _, to := range members(member(property("EventInvokeConfig"), "DestinationConfig")) {
			if member(to, "Type") != nil && member(to, "Destination") == nil {
				generated = append(generated, "the destination")
			}
		}
	case "StateMachine":
		if property("Role") == nil {
			generated = append(generated, "the role")
		}
		for name := range members(events) {
			generated = append(generated, "the role of the event "+name.Value)
		}
	case "Api", "HttpApi":
		if property("Domain") != nil {
			generated = append(generated, "the domain name")
		}
	case "SimpleTable", "LayerVersion", "Application":
	default:
		return nil, false
	}
	return generated, true
}
