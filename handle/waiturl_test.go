package handle_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

// signature ends the wait URLs of these tests. Text that contains it leaks a URL.
const signature = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

const signed = "?X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2B%2F%3D%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261123T085500Z" +
	"&X-Amz-SignedHeaders=host&X-Amz-Expires=43199&X-Amz-Credential=ASIASIMULATEDEXAMPLE%2F20261123%2Fus-west-2%2Fs3%2Faws4_request" +
	"&X-Amz-Signature=" + signature

func stackARN(partition, region string) string {
	return "arn:" + partition + ":cloudformation:" + region + ":111122223333:stack/SC-111122223333-pp-abc/5f0c1d70-c8a1-11f0-9f6a-0a344b714dd5"
}

// handlePath returns the path of a wait handle's URL, as CloudFormation writes it.
func handlePath(stack string) string {
	return "/" + strings.ReplaceAll(stack, ":", "%3A") + "/969e1120-c7a8-11f0-9f6a-0a344b714dd5/ApprovalHandle"
}

func TestParseWaitURL(t *testing.T) {
	const west = "cloudformation-waitcondition-us-west-2.s3-us-west-2.amazonaws.com"
	var (
		own    = stackARN("aws", "us-west-2")
		other  = strings.Replace(own, "pp-abc", "pp-xyz", 1)
		longer = strings.Replace(own, "0a344b714dd5", "0a344b714dd5f", 1)
		key    = handlePath(own)
	)
	for _, tt := range []struct {
		name  string
		raw   string
		stack string // empty: own
		want  error
	}{
		// As CloudFormation creates them.
		{name: "us-east-1", stack: stackARN("aws", "us-east-1"),
			raw: "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com" + handlePath(stackARN("aws", "us-east-1")) + signed},
		{name: "dash form", raw: "https://" + west + key + signed},
		{name: "dot form", stack: stackARN("aws", "eu-west-3"),
			raw: "https://cloudformation-waitcondition-eu-west-3.s3.eu-west-3.amazonaws.com" + handlePath(stackARN("aws", "eu-west-3")) + signed},
		{name: "China", stack: stackARN("aws-cn", "cn-north-1"),
			raw: "https://cloudformation-waitcondition-cn-north-1.s3.cn-north-1.amazonaws.com.cn" + handlePath(stackARN("aws-cn", "cn-north-1")) + signed},
		{name: "GovCloud, dot form", stack: stackARN("aws-us-gov", "us-gov-west-1"),
			raw: "https://cloudformation-waitcondition-us-gov-west-1.s3.us-gov-west-1.amazonaws.com" + handlePath(stackARN("aws-us-gov", "us-gov-west-1")) + signed},
		{name: "GovCloud, dash form", stack: stackARN("aws-us-gov", "us-gov-east-1"),
			raw: "https://cloudformation-waitcondition-us-gov-east-1.s3-us-gov-east-1.amazonaws.com" + handlePath(stackARN("aws-us-gov", "us-gov-east-1")) + signed},
		{name: "European Sovereign Cloud", stack: stackARN("aws-eusc", "eusc-de-east-1"),
			raw: "https://cloudformation-waitcondition-eusc-de-east-1.s3.eusc-de-east-1.amazonaws.eu" + handlePath(stackARN("aws-eusc", "eusc-de-east-1")) + signed},
		{name: "colons as they are", raw: "https://" + west + "/" + own + "/x/ApprovalHandle" + signed},
		{name: "all escaped", raw: "https://" + west + "/" + strings.NewReplacer(":", "%3a", "/", "%2F").Replace(own) + "/x/H%7C1" + signed},
		{name: "without a signature", raw: "https://" + west + key},
		{name: "expiry without a date", raw: "https://" + west + key + "?X-Amz-Expires=1"},
		{name: "a date without expiry", raw: "https://" + west + key + "?X-Amz-Date=20200101T000000Z"},

		// Malformed.
		{name: "empty", raw: "", want: handle.ErrWaitURLMissing},
		{name: "a word", raw: "ApprovalHandle", want: handle.ErrWaitURLForm},
		{name: "no scheme", raw: "//" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "http", raw: "http://" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "another scheme", raw: "ftp://" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "opaque", raw: "https:" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "port", raw: "https://" + west + ":8443" + key + signed, want: handle.ErrWaitURLForm},
		{name: "the usual port", raw: "https://" + west + ":443" + key + signed, want: handle.ErrWaitURLForm},
		{name: "an empty port", raw: "https://" + west + ":" + key + signed, want: handle.ErrWaitURLForm},
		{name: "a port that is not a number", raw: "https://" + west + ":x" + key + signed, want: handle.ErrWaitURLForm},
		{name: "user", raw: "https://user@" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "user and password", raw: "https://user:password@" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "an empty user", raw: "https://@" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "the bucket as user", raw: "https://" + west + "@evil.example" + key + signed, want: handle.ErrWaitURLForm},
		{name: "fragment", raw: "https://" + west + key + signed + "#x", want: handle.ErrWaitURLForm},
		{name: "an empty fragment", raw: "https://" + west + key + signed + "#", want: handle.ErrWaitURLForm},
		{name: "the bucket behind a fragment", raw: "https://evil.example/#@" + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "a bad escape", raw: "https://" + west + key + "%zz" + signed, want: handle.ErrWaitURLForm},
		{name: "a line break", raw: "https://" + west + key + "\r\nX-Evil: 1" + signed, want: handle.ErrWaitURLForm},
		{name: "a NUL", raw: "https://" + west + key + "\x00" + signed, want: handle.ErrWaitURLForm},
		{name: "a space", raw: "https://" + west + key + " x" + signed, want: handle.ErrWaitURLForm},
		{name: "a space in the query", raw: "https://" + west + key + "? " + signed[1:], want: handle.ErrWaitURLForm},
		{name: "a quotation mark", raw: "https://" + west + key + `"` + signed, want: handle.ErrWaitURLForm},
		{name: "a bar", raw: "https://" + west + key + "|" + signed, want: handle.ErrWaitURLForm},
		{name: "not ASCII", raw: "https://" + west + key + "é" + signed, want: handle.ErrWaitURLForm},
		{name: "not UTF-8", raw: "https://" + west + key + "\xff" + signed, want: handle.ErrWaitURLForm},
		{name: "too long", raw: "https://" + west + key + signed + strings.Repeat("x", 8192), want: handle.ErrWaitURLForm},

		// Other hosts.
		{name: "another host", raw: "https://evil.example" + key + signed, want: handle.ErrWaitURLHost},
		{name: "no host", raw: "https://" + key + signed, want: handle.ErrWaitURLHost},
		{name: "metadata service", raw: "https://169.254.169.254" + key + signed, want: handle.ErrWaitURLHost},
		{name: "IPv6", raw: "https://[::1]" + key + signed, want: handle.ErrWaitURLHost},
		{name: "IPv6 with the bucket for a zone", raw: "https://[::1%25" + west + "]" + key + signed, want: handle.ErrWaitURLHost},
		{name: "a domain behind it", raw: "https://" + west + ".evil.example" + key + signed, want: handle.ErrWaitURLHost},
		{name: "a top-level domain behind it", raw: "https://" + west + ".eu" + key + signed, want: handle.ErrWaitURLHost},
		{name: "a word before it", raw: "https://evil-" + west + key + signed, want: handle.ErrWaitURLHost},
		{name: "a label before it", raw: "https://evil." + west + key + signed, want: handle.ErrWaitURLHost},
		{name: "a host with a similar ending", raw: "https://cloudformation-waitcondition-us-west-2.s3.evilamazonaws.com" + key + signed, want: handle.ErrWaitURLHost},
		{name: "two labels after s3", raw: "https://cloudformation-waitcondition-us-west-2.s3.evil.example.amazonaws.com" + key + signed, want: handle.ErrWaitURLHost},
		{name: "custom resource bucket", raw: "https://cloudformation-custom-resource-response-uswest2.s3-us-west-2.amazonaws.com" + key + signed, want: handle.ErrWaitURLHost},
		{name: "path style", raw: "https://s3.us-west-2.amazonaws.com/cloudformation-waitcondition-us-west-2" + key + signed, want: handle.ErrWaitURLHost},
		{name: "no bucket", raw: "https://s3.us-west-2.amazonaws.com" + key + signed, want: handle.ErrWaitURLHost},
		{name: "capitals", raw: "https://" + strings.ToUpper(west) + key + signed, want: handle.ErrWaitURLHost},
		{name: "a trailing dot", raw: "https://" + west + "." + key + signed, want: handle.ErrWaitURLHost},
		{name: "an escaped dot", raw: "https://" + strings.Replace(west, ".s3", "%2Es3", 1) + key + signed, want: handle.ErrWaitURLForm},
		{name: "a backslash", raw: `https://evil.example\.` + west + key + signed, want: handle.ErrWaitURLForm},
		{name: "the bucket in the query", raw: "https://evil.example?" + west + key + signed, want: handle.ErrWaitURLHost},

		// Other stacks.
		{name: "another stack", raw: "https://" + west + handlePath(other) + signed, want: handle.ErrWaitURLStack},
		{name: "a stack whose ARN has the same beginning", raw: "https://" + west + handlePath(longer) + signed, want: handle.ErrWaitURLStack},
		{name: "the ARN alone", raw: "https://" + west + "/" + own + signed, want: handle.ErrWaitURLStack},
		{name: "the ARN in the middle", raw: "https://" + west + "/x" + key + signed, want: handle.ErrWaitURLStack},
		{name: "two slashes before it", raw: "https://" + west + "/" + key + signed, want: handle.ErrWaitURLStack},
		{name: "no path", raw: "https://" + west + signed, want: handle.ErrWaitURLStack},
		{name: "a slash", raw: "https://" + west + "/" + signed, want: handle.ErrWaitURLStack},
		{name: "escaped twice", raw: "https://" + west + strings.ReplaceAll(key, "%3A", "%253A") + signed, want: handle.ErrWaitURLStack},
		{name: "slashes escaped twice", raw: "https://" + west + strings.ReplaceAll(key, "stack/", "stack%252F") + signed, want: handle.ErrWaitURLStack},
		{name: "in the query", raw: "https://" + west + "/x?" + key, want: handle.ErrWaitURLStack},
		{name: "capitals in the path", raw: "https://" + west + strings.ToUpper(key) + signed, want: handle.ErrWaitURLStack},
		{name: "up and down to another stack", raw: "https://" + west + "/" + own + "/../../../" + other + "/x/H" + signed, want: handle.ErrWaitURLForm},
		{name: "the same escaped", raw: "https://" + west + "/" + own + "/%2e%2e/%2E%2E/..%2F" + other + "/x/H" + signed, want: handle.ErrWaitURLForm},
		{name: "up at the end", raw: "https://" + west + key + "/../../.." + signed, want: handle.ErrWaitURLForm},

		// Expired.
		{name: "expired long ago", raw: "https://" + west + key + "?X-Amz-Date=20261122T085500Z&X-Amz-Expires=43199&X-Amz-Signature=" + signature, want: handle.ErrWaitURLExpired},
		{name: "Signature Version 2", raw: "https://" + west + key + "?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1795467599&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D"},
		{name: "Signature Version 2, expired", raw: "https://" + west + key + "?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1763888400&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D", want: handle.ErrWaitURLExpired},
		{name: "expires now", raw: "https://" + west + key + "?X-Amz-Date=20261123T080000Z&X-Amz-Expires=3600&X-Amz-Signature=" + signature, want: handle.ErrWaitURLExpired},
		{name: "expires in a second", raw: "https://" + west + key + "?X-Amz-Date=20261123T080000Z&X-Amz-Expires=3601&X-Amz-Signature=" + signature},
		{name: "valid for no time", raw: "https://" + west + key + "?X-Amz-Date=20261123T085959Z&X-Amz-Expires=0&X-Amz-Signature=" + signature, want: handle.ErrWaitURLExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := tt.stack
			if stack == "" {
				stack = own
			}
			u, err := handle.ParseWaitURL(tt.raw, stack, nil, at)
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				if u.Expose() != tt.raw {
					t.Errorf("got %q, want it unchanged", u.Expose())
				}
				return
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), signature) || strings.Contains(err.Error(), "://")) {
				t.Errorf("the error quotes the URL: %v", err)
			}
			if !u.IsZero() {
				t.Error("a refused URL was returned")
			}
		})
	}
}

func TestParseWaitURLWithoutStack(t *testing.T) {
	const raw = "https://cloudformation-waitcondition-us-west-2.s3-us-west-2.amazonaws.com//x" + signed
	if _, err := handle.ParseWaitURL(raw, "", nil, at); !errors.Is(err, handle.ErrWaitURLHost) {
		t.Errorf("got %v, want %v", err, handle.ErrWaitURLHost)
	}
}

func TestParseWaitURLAllowedPrefixes(t *testing.T) {
	own := stackARN("aws", "us-west-2")
	key := handlePath(own)
	for _, tt := range []struct {
		name    string
		allowed []string
		raw     string
		want    error
	}{
		{name: "an origin", allowed: []string{"http://127.0.0.1:4310"}, raw: "http://127.0.0.1:4310" + key},
		{name: "an origin with a slash", allowed: []string{"http://127.0.0.1:4310/"}, raw: "http://127.0.0.1:4310" + key},
		{name: "one of several", allowed: []string{"", "http://[", "https://simulated.example", "http://127.0.0.1:4310"}, raw: "http://127.0.0.1:4310" + key},
		{name: "an origin does not replace the ARN", allowed: []string{"http://127.0.0.1:4310"}, raw: "http://127.0.0.1:4310/x", want: handle.ErrWaitURLStack},
		{name: "an origin does not replace the expiry", allowed: []string{"http://127.0.0.1:4310"},
			raw: "http://127.0.0.1:4310" + key + "?X-Amz-Date=20261122T085500Z&X-Amz-Expires=60", want: handle.ErrWaitURLExpired},
		{name: "a path replaces the ARN", allowed: []string{"http://127.0.0.1:4566/_ministack/cfn-signal/"}, raw: "http://127.0.0.1:4566/_ministack/cfn-signal/0a344b71"},
		{name: "a path without its slash", allowed: []string{"http://127.0.0.1:4566/signals"}, raw: "http://127.0.0.1:4566/signals/0a344b71"},
		{name: "a path ends at a slash", allowed: []string{"http://127.0.0.1:4566/signals"}, raw: "http://127.0.0.1:4566/signals-of-others/0a344b71", want: handle.ErrWaitURLForm},
		{name: "another server's path", allowed: []string{"http://127.0.0.1:4566/signals/"}, raw: "http://127.0.0.1:4567/signals/0a344b71", want: handle.ErrWaitURLForm},
		{name: "out of the path", allowed: []string{"http://127.0.0.1:4566/signals/"}, raw: "http://127.0.0.1:4566/signals/../admin/", want: handle.ErrWaitURLForm},
		{name: "out of the path, escaped", allowed: []string{"http://127.0.0.1:4566/signals/"}, raw: "http://127.0.0.1:4566/signals/%2e%2e/admin/", want: handle.ErrWaitURLForm},
		{name: "out of the path at the end", allowed: []string{"http://127.0.0.1:4566/signals/"}, raw: "http://127.0.0.1:4566/signals/..", want: handle.ErrWaitURLForm},
		{name: "another scheme", allowed: []string{"http://127.0.0.1:4310"}, raw: "https://127.0.0.1:4310" + key, want: handle.ErrWaitURLForm},
		{name: "another port", allowed: []string{"http://127.0.0.1:4310"}, raw: "http://127.0.0.1:43100" + key, want: handle.ErrWaitURLForm},
		{name: "no port", allowed: []string{"http://127.0.0.1:4310"}, raw: "http://127.0.0.1" + key, want: handle.ErrWaitURLForm},
		{name: "a host with the same beginning", allowed: []string{"https://simulated.example"}, raw: "https://simulated.example.evil.example" + key, want: handle.ErrWaitURLHost},
		{name: "user", allowed: []string{"http://127.0.0.1:4310"}, raw: "http://127.0.0.1:4310@evil.example" + key, want: handle.ErrWaitURLForm},
		{name: "empty prefixes allow nothing", allowed: []string{"", "/", "http://"}, raw: "http://evil.example" + key, want: handle.ErrWaitURLForm},
		{name: "AWS stays allowed", allowed: []string{"http://127.0.0.1:4310"}, raw: "https://cloudformation-waitcondition-us-west-2.s3-us-west-2.amazonaws.com" + key},
		{name: "the wider of two, first", allowed: []string{"http://127.0.0.1:4566/signals/", "http://127.0.0.1:4566"}, raw: "http://127.0.0.1:4566/signals/0a344b71"},
		{name: "the wider of two", allowed: []string{"http://127.0.0.1:4566", "http://127.0.0.1:4566/signals/"}, raw: "http://127.0.0.1:4566/signals/0a344b71"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := handle.ParseWaitURL(tt.raw, own, tt.allowed, at); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestWaitURLExpires(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		want        time.Time // zero: the URL does not say
	}{
		{"12 hours less a second", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=43199", at.Add(43199 * time.Second)},
		{"24 hours less a second", "X-Amz-Expires=86399&X-Amz-Date=20261123T090000Z", at.Add(86399 * time.Second)},
		{"no time", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=0", at},
		{"as long as can be signed", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=604800", at.Add(7 * 24 * time.Hour)},
		{"longer than can be signed", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=604801", time.Time{}},
		{"longer than a number", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=99999999999999999999", time.Time{}},
		{"negative", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=-1", time.Time{}},
		{"not a number", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=x", time.Time{}},
		{"no date", "X-Amz-Expires=43199", time.Time{}},
		{"no expiry", "X-Amz-Date=20261123T090000Z", time.Time{}},
		{"Signature Version 2", "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1795467599&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D", time.Unix(1795467599, 0).UTC()},
		{"Signature Version 2, expired in 1970", "Expires=0&Signature=x", time.Unix(0, 0).UTC()},
		{"Signature Version 2, in the past of time", "Expires=-1&Signature=x", time.Time{}},
		{"Signature Version 2, after the year 9999", "Expires=253402300800&Signature=x", time.Time{}},
		{"Signature Version 2, longer than a number", "Expires=99999999999999999999&Signature=x", time.Time{}},
		{"Signature Version 2, a date", "Expires=2026-11-23&Signature=x", time.Time{}},
		{"both versions: 4 counts", "X-Amz-Date=20261123T090000Z&X-Amz-Expires=60&Expires=1", at.Add(time.Minute)},
		{"both versions, 4 broken", "X-Amz-Date=x&X-Amz-Expires=60&Expires=1", time.Time{}},
		{"another form of date", "X-Amz-Date=2026-11-23T09:00:00Z&X-Amz-Expires=43199", time.Time{}},
		{"nothing", "", time.Time{}},
	} {
		got, ok := handle.StoredWaitURL("https://wait.example.com/x?" + tt.query).Expires()
		if !got.Equal(tt.want) || ok == tt.want.IsZero() {
			t.Errorf("%s: got %s, %t, want %s", tt.name, got, ok, tt.want)
		}
	}
	for _, raw := range []string{"", "https://[", "%"} {
		if got, ok := handle.StoredWaitURL(raw).Expires(); ok {
			t.Errorf("%q: got %s, want none", raw, got)
		}
	}
}

func TestWaitURLIsZero(t *testing.T) {
	if !(handle.WaitURL{}).IsZero() || handle.StoredWaitURL("x").IsZero() {
		t.Error("IsZero is wrong")
	}
}
