package fakecfn

import (
	"strings"

	"countersign/deploy/gate"
)

// attribute returns what Fn::GetAtt returns for a created resource.
func (r *resource) attribute(name string) (gate.Value, error) {
	switch r.kind {
	case gate.KindCustom:
		if v := r.data.Get(name); v != nil {
			return v, nil
		}
		return nil, invalid("CustomResource attribute error: Vendor response doesn't contain %s attribute in object %s|%s|%s",
			name, r.stack.id, r.def.LogicalID, r.lastRequest())
	case gate.KindWait:
		if name == "Data" {
			if r.data == nil { // it has a CreationPolicy instead of a handle
				return "{}", nil
			}
			return string(gate.AppendJSON(nil, r.data)), nil
		}
		return r.physicalID, nil
	case gate.KindHandle:
		return r.physicalID, nil
	}
	return r.plainAttribute(name), nil
}

// lastRequest returns the ID of the last custom resource request for r.
func (r *resource) lastRequest() string {
	id := ""
	for _, q := range r.stack.requests {
		if q.r == r {
			id = q.record.ID
		}
	}
	return id
}

// plainAttribute returns a plausible attribute of a plain resource: the property with the same name, or a value that fits
// the attribute's name.
func (r *resource) plainAttribute(name string) gate.Value {
	if v := r.properties.Get(name); v != nil {
		return v
	}
	v := r.guess(name)
	if s, ok := v.(string); ok && (strings.HasSuffix(name, "s") || strings.HasSuffix(name, ".List") || r.def.Kind == gate.KindCustom) {
		return gate.SampleOfAnyType(s)
	} else if ok {
		return gate.Sample(s)
	}
	return v
}

// guess returns a value that fits an attribute's name.
func (r *resource) guess(name string) gate.Value {
	last := name[strings.LastIndexByte(name, '.')+1:]
	service, typ := r.service()
	region := r.stack.engine.cfg.Region
	host := strings.ToLower(r.generatedName()) + "." + service + "." + region + ".amazonaws.com"
	switch {
	case last == "Arn" || strings.HasSuffix(last, "Arn") || strings.HasSuffix(last, "ARN"):
		return r.attributeARN(last)
	case strings.HasSuffix(last, "Name") && strings.HasPrefix(last, typ):
		return r.name()
	case last == "QueueUrl", last == "PhysicalResourceId", last == "Id", last == typ+"Id":
		return r.physicalID
	case last == "PublicIp", last == "PublicIP":
		return r.address("203.0.113.")
	case last == "PrivateIp", last == "PrimaryPrivateIpAddress":
		return r.address("10.0.0.")
	case strings.HasSuffix(last, "IpAddresses"): // DnsIpAddresses, SecondaryPrivateIpAddresses
		return gate.List{"10.0.0.10", "10.0.0.11", "10.0.0.12"}
	case last == "AvailabilityZone":
		return region + "a"
	case last == "Port":
		return "3306"
	case last == "WebsiteURL", strings.HasSuffix(last, "Url"), strings.HasSuffix(last, "URL"):
		return "https://" + host + "/"
	case last == "Address", strings.Contains(last, "Endpoint"), strings.Contains(last, "DNS"), strings.Contains(last, "Dns"),
		strings.Contains(last, "Domain"):
		return host
	}
	return r.idAttribute(last)
}

// idAttribute returns plausible identifiers and lists.
func (r *resource) idAttribute(name string) gate.Value {
	switch name {
	case "GroupId", "DefaultSecurityGroup":
		return "sg-0" + r.generatedID(16, lowerHex)
	case "VpcId":
		return "vpc-0" + r.generatedID(16, lowerHex)
	case "AllocationId":
		return "eipalloc-0" + r.generatedID(16, lowerHex)
	case "DefaultNetworkAcl", "NetworkAclId":
		return "acl-0" + r.generatedID(16, lowerHex)
	case "Ipv6CidrBlocks":
		return gate.List{"2001:db8:" + r.generatedID(3, lowerHex) + ":" + r.generatedID(2, lowerHex) + "00::/56"}
	case "CidrBlockAssociations":
		return gate.List{"vpc-cidr-assoc-0" + r.generatedID(16, lowerHex)}
	case "NameServers":
		return gate.List{"ns-1.example.com", "ns-2.example.com"}
	case "Version", "LatestVersionNumber", "DefaultVersionNumber":
		return "1"
	}
	return strings.ToLower(r.generatedName() + "-" + name)
}

// attributeARN returns the ARN of a resource or of one of its parts.
func (r *resource) attributeARN(attribute string) string {
	if strings.HasPrefix(r.physicalID, "arn:") && attribute == "Arn" {
		return r.physicalID
	}
	service, typ := r.service()
	name := r.name()
	switch r.def.Type {
	case "AWS::S3::Bucket":
		return r.arn(service, strings.ToLower(name))
	case "AWS::SQS::Queue":
		return r.arn(service, name)
	case "AWS::Lambda::Function", "AWS::Serverless::Function":
		return r.arn("lambda", "function:"+name)
	case "AWS::Logs::LogGroup":
		return r.arn(service, "log-group:"+name+":*")
	}
	arn := r.arn(service, strings.ToLower(typ)+"/"+name)
	if own := strings.TrimSuffix(strings.TrimSuffix(attribute, "Arn"), "ARN"); own != "" {
		arn += "/" + strings.ToLower(own)
	}
	return arn
}
