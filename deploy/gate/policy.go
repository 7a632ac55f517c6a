package gate

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// Deletion policies.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
const (
	policyDelete               = "Delete"
	PolicyRetain               = "Retain"
	PolicyRetainExceptOnCreate = "RetainExceptOnCreate"
	policySnapshot             = "Snapshot"
)

// deletionPolicy compiles the DeletionPolicy and checks the UpdateReplacePolicy.
func (c *compiler) deletionPolicy(n *yaml.Node, typ string) (policy expr, err error) {
	for _, attribute := range []string{"UpdateReplacePolicy", "DeletionPolicy"} {
		v := member(n, attribute)
		if v == nil {
			continue
		}
		if err := c.checkPolicies(v, attribute, typ); err != nil {
			return nil, err
		}
		resources, missing := len(c.uses.resources), len(c.uses.missing)
		if policy, err = c.member(attribute, v); err != nil {
			return nil, err
		}
		if len(c.uses.resources) > resources || len(c.uses.missing) > missing && !c.program.lenient {
			return nil, invalid("Unsupported expression for %s in resource %s", attribute, c.path[1])
		}
		if attribute == "UpdateReplacePolicy" {
			policy = nil
		}
	}
	return policy, nil
}

// checkPolicies checks the policies that n can evaluate to, as far as they are written in the template. Functions may
// compute them without a transform, too.
//
// https://github.com/aws-cloudformation/cfn-lint/pull/2784
func (c *compiler) checkPolicies(n *yaml.Node, attribute, typ string) error {
	if policy, ok := literal(n); ok {
		return checkPolicy(policy, attribute, typ)
	}
	name, arg, ok := c.call(n)
	switch {
	case !ok:
		return invalid("Template format error: Every %s member must be a string.", attribute)
	case name == fnIf && arg.Kind == yaml.SequenceNode && len(arg.Content) == 3:
		for _, branch := range arg.Content[1:] {
			if err := c.checkPolicies(branch, attribute, typ); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPolicy(policy, attribute, typ string) error {
	switch policy {
	case policyDelete, PolicyRetain:
		return nil
	case PolicyRetainExceptOnCreate:
		if attribute == "DeletionPolicy" {
			return nil
		}
	case policySnapshot:
		if slices.Contains(snapshotTypes, typ) {
			return nil
		}
		return invalid("Template error: resource type %s does not support deletion policy Snapshot", typ)
	}
	return invalid("Template format error: Unrecognized %s %s", attribute, policy) // own words
}

// checkPolicies refuses a computed DeletionPolicy that is none.
func (s *Instance) checkPolicies() error {
	for _, r := range s.program.resources {
		if r.policy == nil || !s.Includes(r) || s.program.lenient {
			continue
		}
		policy, err := s.DeletionPolicy(r)
		if err != nil {
			return err
		}
		if policy == "" { // AWS::NoValue
			continue
		}
		if err := checkPolicy(policy, "DeletionPolicy", r.Type); err != nil {
			return err
		}
	}
	return nil
}

// snapshotTypes are the resource types that support the policy Snapshot.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
var snapshotTypes = []string{
	"AWS::DocDB::DBCluster", "AWS::EC2::Volume", "AWS::ElastiCache::CacheCluster", "AWS::ElastiCache::ReplicationGroup",
	"AWS::Neptune::DBCluster", "AWS::RDS::DBCluster", "AWS::RDS::DBInstance", "AWS::Redshift::Cluster",
}
