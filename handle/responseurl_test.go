package handle_test

import (
	"errors"
	"net/url"
	"testing"

	"countersign/handle"
)

func TestCheckResponseURL(t *testing.T) {
	const (
		bucket  = "https://cloudformation-custom-resource-response-"
		request = "|ApprovalRequest|5f0c"
		query   = "?X-Amz-Signature=5a"
	)
	west, east := stackARN("aws", "us-west-2"), stackARN("aws", "us-east-1")
	key := func(stack string) string { return "/" + url.PathEscape(stack+request) + query }
	local := []string{"http://127.0.0.1:4310"}
	for _, tt := range []struct {
		name    string
		raw     string
		stack   string // west if empty
		allowed []string
		ok      bool
	}{
		{name: "as us-west-2 spells it", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com" + key(west), ok: true},
		{name: "with a dot", raw: bucket + "uswest2.s3.us-west-2.amazonaws.com" + key(west), ok: true},
		{name: "dual stack", raw: bucket + "uswest2.s3.dualstack.us-west-2.amazonaws.com" + key(west), ok: true},
		{name: "us-east-1 without its name", raw: bucket + "useast1.s3.amazonaws.com" + key(east), stack: east, ok: true},
		{name: "China", raw: bucket + "cnnorth1.s3.cn-north-1.amazonaws.com.cn" + key(stackARN("aws-cn", "cn-north-1")), stack: stackARN("aws-cn", "cn-north-1"), ok: true},
		{name: "European Sovereign Cloud", raw: bucket + "euscdeeast1.s3.eusc-de-east-1.amazonaws.eu" + key(stackARN("aws-eusc", "eusc-de-east-1")), stack: stackARN("aws-eusc", "eusc-de-east-1"), ok: true},
		{name: "key unescaped", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com/" + west + request + query, ok: true},

		{name: "another Region's bucket", raw: bucket + "useast1.s3.amazonaws.com" + key(west)},
		{name: "another Region's host", raw: bucket + "uswest2.s3.us-east-1.amazonaws.com" + key(west)},
		{name: "without the Region outside us-east-1", raw: bucket + "uswest2.s3.amazonaws.com" + key(west)},
		{name: "another partition", raw: bucket + "uswest2.s3.us-west-2.amazonaws.com.cn" + key(west)},
		{name: "another stack's key", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com" + key(stackARN("aws", "us-west-2")+"x")},
		{name: "another request's key", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com/" + url.PathEscape(west+"|ApprovalRequest|5f0d") + query},
		{name: "a longer key", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com/" + url.PathEscape(west+request) + "/x" + query},
		{name: "no key", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com/" + query},
		{name: "a port", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com:443" + key(west)},
		{name: "a user", raw: "https://me@cloudformation-custom-resource-response-uswest2.s3-us-west-2.amazonaws.com" + key(west)},
		{name: "a fragment", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com" + key(west) + "#x"},
		{name: "http", raw: "http://cloudformation-custom-resource-response-uswest2.s3-us-west-2.amazonaws.com" + key(west)},
		{name: "a domain behind it", raw: bucket + "uswest2.s3-us-west-2.amazonaws.com.evil.example" + key(west)},
		{name: "another bucket", raw: "https://evil.s3-us-west-2.amazonaws.com" + key(west)},
		{name: "metadata service", raw: "https://169.254.169.254" + key(west)},
		{name: "empty", raw: ""},
		{name: "not a stack's", raw: bucket + ".s3.amazonaws.com/" + url.PathEscape(request) + query, stack: "x"},

		{name: "a simulation's origin", raw: "http://127.0.0.1:4310" + key(west), allowed: local, ok: true},
		{name: "a simulation's origin, another key", raw: "http://127.0.0.1:4310/x", allowed: local},
		{name: "a simulation's prefix", raw: "http://127.0.0.1:4566/answers/7", allowed: []string{"http://127.0.0.1:4566/answers/"}, ok: true},
		{name: "outside of the prefix", raw: "http://127.0.0.1:4566/other/7", allowed: []string{"http://127.0.0.1:4566/answers/"}},
		{name: "another port", raw: "http://127.0.0.1:4311" + key(west), allowed: local},
	} {
		stack := tt.stack
		if stack == "" {
			stack = west
		}
		if err := handle.CheckResponseURL(tt.raw, stack, stack+request, tt.allowed); (err == nil) != tt.ok || err != nil && !errors.Is(err, handle.ErrResponseURL) {
			t.Errorf("%s: got %v, want it accepted: %t", tt.name, err, tt.ok)
		}
	}
}
