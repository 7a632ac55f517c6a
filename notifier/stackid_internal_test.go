package notifier

import (
	"regexp"
	"testing"
)

var stackARN = regexp.MustCompile(`^arn:([^:]*):cloudformation:([^:]*):([^:]*):stack/([^/]+)/([^/]+)$`)

// FuzzStackID compares parseStackID with a strict pattern.
func FuzzStackID(f *testing.F) {
	for _, s := range []string{
		"arn:aws:cloudformation:us-east-1:111122223333:stack/SC-111122223333-pp-abc/0d5b6a60-1111-2222-3333-444455556666",
		"arn:aws-cn:cloudformation:cn-north-1:111122223333:stack/a/b", "arn:aws:cloudformation:::stack/a/b", "arn:aws:s3:::stack/a/b", "arn:aws:cloudformation:a:b:stack/a",
		"arn:aws:cloudformation:a:b:stack/a/b/c", "arn:aws:cloudformation:a:b:changeSet/a/b", "arn:aws:cloudformation:a:b:stack//b", "arn:aws:cloudformation:a:b:stack/a:c/d", "", ":::::",
		"arn:aws:cloudformation:a:b:stack/a\n/d", "ARN:aws:cloudformation:a:b:stack/a/b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arn string) {
		region, account, name, ok := parseStackID(arn)
		m := stackARN.FindStringSubmatch(arn)
		if ok != (m != nil) {
			t.Fatalf("%q: parsed %t, pattern matches %t", arn, ok, m != nil)
		}
		if ok && (region != m[2] || account != m[3] || name != m[4]) {
			t.Errorf("%q: got %q, %q and %q", arn, region, account, name)
		}
	})
}
