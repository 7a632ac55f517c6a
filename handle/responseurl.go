package handle

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// ErrResponseURL means that a custom resource request's ResponseURL does not lead
// to CloudFormation's answer to that request.
var ErrResponseURL = errors.New("the ResponseURL of a custom resource request does not lead to CloudFormation's bucket for this request")

// CheckResponseURL checks that raw is a ResponseURL of the stack with ARN stackID:
// https, without user, port or fragment, with the host of CloudFormation's
// response bucket in the stack's Region and partition, and with key as its path,
// which is StackId|LogicalResourceId|RequestId. Only CloudFormation can sign one,
// so if its bucket accepts the answer, the request is genuine. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
//
// allowed is as for ParseWaitURL: under a prefix without a path, the path must
// still be key; under one with a path, it need not. The error is ErrResponseURL and
// never quotes the URL.
func CheckResponseURL(raw, stackID, key string, allowed []string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || u.Host == "" || u.Fragment != "" || strings.Contains(raw, "#") {
		return ErrResponseURL
	}
	host, path := matchPrefix(allowed, u)
	if !host && (u.Scheme != "https" || !slices.Contains(responseHosts(stackID), u.Host)) {
		return ErrResponseURL
	}
	if u.Path != "/"+key && !path {
		return ErrResponseURL
	}
	return nil
}

// responseHosts lists the hosts of CloudFormation's response bucket in the Region
// and partition of a stack.
func responseHosts(stackID string) []string {
	region := regionOf(stackID)
	partition, _, _ := strings.Cut(strings.TrimPrefix(stackID, "arn:"), ":")
	suffix := map[string]string{"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}[partition]
	if region == "" || suffix == "" {
		return nil
	}
	bucket := "cloudformation-custom-resource-response-" + strings.ReplaceAll(region, "-", "")
	hosts := []string{
		bucket + ".s3." + region + "." + suffix,
		bucket + ".s3-" + region + "." + suffix,
		bucket + ".s3.dualstack." + region + "." + suffix,
	}
	if region == "us-east-1" {
		hosts = append(hosts, bucket+".s3."+suffix)
	}
	return hosts
}
