package fakecfn

import (
	"strconv"
	"strings"

	"countersign/deploy/gate"
)

// ec2Prefixes are the prefixes of EC2 resource IDs.
var ec2Prefixes = map[string]string{
	"CustomerGateway":             "cgw",
	"DHCPOptions":                 "dopt",
	"EgressOnlyInternetGateway":   "eigw",
	"FlowLog":                     "fl",
	"Instance":                    "i",
	"InternetGateway":             "igw",
	"LaunchTemplate":              "lt",
	"NatGateway":                  "nat",
	"NetworkAcl":                  "acl",
	"NetworkInterface":            "eni",
	"RouteTable":                  "rtb",
	"SecurityGroup":               "sg",
	"Subnet":                      "subnet",
	"SubnetRouteTableAssociation": "rtbassoc",
	"TransitGateway":              "tgw",
	"VPC":                         "vpc",
	"VPCEndpoint":                 "vpce",
	"VPCPeeringConnection":        "pcx",
	"VPNConnection":               "vpn",
	"VPNGateway":                  "vgw",
	"Volume":                      "vol",
}

// byARN are the types whose Ref is an ARN, with the ARN's service and the prefix of the name.
var byARN = map[string][2]string{
	"AWS::CertificateManager::Certificate":      {"acm", "certificate/"},
	"AWS::ElasticLoadBalancingV2::Listener":     {"elasticloadbalancing", "listener/app/"},
	"AWS::ElasticLoadBalancingV2::LoadBalancer": {"elasticloadbalancing", "loadbalancer/app/"},
	"AWS::ElasticLoadBalancingV2::TargetGroup":  {"elasticloadbalancing", "targetgroup/"},
	"AWS::IAM::ManagedPolicy":                   {"iam", "policy/"},
	"AWS::SNS::Topic":                           {"sns", ""},
	"AWS::SecretsManager::Secret":               {"secretsmanager", "secret:"},
	"AWS::StepFunctions::StateMachine":          {"states", "stateMachine:"},
}

// generatedName is the name that CloudFormation generates: stack, logical ID and a random suffix.
func (r *resource) generatedName() string {
	return r.stack.name + "-" + r.def.LogicalID + "-" + r.generatedID(12, upperAlnum)
}

// generatedID returns n characters that are unique to the resource.
func (r *resource) generatedID(n int, alphabet string) string {
	return makeID(r.stack.uuid+"/"+r.def.LogicalID, n, alphabet)
}

// makePhysicalID returns a plausible physical ID of a plain resource.
func (r *resource) makePhysicalID() string {
	e := r.stack.engine
	service, typ := r.service()
	name := r.name()
	switch r.def.Type {
	case "AWS::EC2::EIP":
		return r.address("203.0.113.")
	case "AWS::SQS::Queue":
		return "https://sqs." + e.cfg.Region + ".amazonaws.com/" + r.stack.account + "/" + name
	case "AWS::S3::Bucket":
		return strings.ToLower(name)
	case typeStack:
		return "arn:" + e.partition + ":cloudformation:" + e.cfg.Region + ":" + r.stack.account + ":stack/" + name + "/" + makeUUID(name)
	}
	if prefix, ok := ec2Prefixes[typ]; ok && service == "ec2" {
		return prefix + "-0" + r.generatedID(16, lowerHex)
	}
	if arn, ok := byARN[r.def.Type]; ok {
		return r.arn(arn[0], arn[1]+name)
	}
	return name
}

// service returns the service, in lower case, and the last part of a resource type.
func (r *resource) service() (service, typ string) {
	parts := strings.Split(r.def.Type, "::")
	if len(parts) < 3 {
		return "custom", r.def.Type
	}
	return strings.ToLower(parts[1]), parts[2]
}

// name returns the name that the properties set, or a generated one.
func (r *resource) name() string {
	_, typ := r.service()
	for _, key := range []string{typ + "Name", typ + "Identifier", "Name"} {
		if s := gate.Text(r.properties.Get(key)); s != "" {
			return s
		}
	}
	return r.generatedName()
}

// address returns an IPv4 address in a /24 network.
func (r *resource) address(prefix string) string {
	id := r.generatedID(2, lowerHex)
	return prefix + strconv.Itoa(1+(strings.IndexByte(lowerHex, id[0])*16+strings.IndexByte(lowerHex, id[1]))%254)
}

// arn returns an ARN. ARNs of S3 and IAM have no Region, and those of S3 no account.
func (r *resource) arn(service, rest string) string {
	e := r.stack.engine
	region, account := e.cfg.Region, r.stack.account
	switch service {
	case "s3":
		region, account = "", ""
	case "iam":
		region = ""
	}
	return "arn:" + e.partition + ":" + service + ":" + region + ":" + account + ":" + rest
}
