package handle

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hidden is all that anybody sees of a wait URL.
const hidden = "[wait URL]"

// WaitURL is the pre-signed URL of a wait condition handle. Whoever holds it
// can release the stack, so it prints as a placeholder whichever way it is
// printed, logged or marshalled. Only [WaitURL.Expose] gives it away.
//
// It is kept behind a pointer because package fmt reads unexported fields
// without asking their methods, but follows no pointer inside a struct.
type WaitURL struct{ raw *string }

// Expose returns the URL itself. It is for stores, which must keep it, and for
// the signal, which must go to it; for nobody else.
func (u WaitURL) Expose() string {
	if u.raw == nil {
		return ""
	}
	return *u.raw
}

// StoredWaitURL is for reading a stored record alone: the URL that Expose gave
// when it was written. It is not checked again.
func StoredWaitURL(raw string) WaitURL {
	if raw == "" {
		return WaitURL{}
	}
	return WaitURL{&raw}
}

// IsZero reports whether there is no URL.
func (u WaitURL) IsZero() bool { return u.raw == nil }

func (WaitURL) String() string               { return hidden }
func (WaitURL) GoString() string             { return hidden }
func (WaitURL) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hidden)) }
func (WaitURL) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (WaitURL) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// waitHost matches the hosts of CloudFormation's own wait condition buckets,
// virtual-hosted, in every partition with public documentation. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
var waitHost = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^cloudformation-waitcondition-[a-z0-9-]+\.s3([.-][a-z0-9-]+)?\.amazonaws\.(com|com\.cn|eu)$`)
})

// waitBucket finds a wait URL inside other text.
var waitBucket = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`https?://cloudformation-waitcondition-[^\s"'<>|]*`)
})

// What ParseWaitURL finds wrong. The sentences are for the person who wrote the
// template: they come back as the failure reason of the resource.
var (
	ErrWaitURLMissing = errors.New("WaitUrl is missing: set it to !Ref of an AWS::CloudFormation::WaitConditionHandle")
	ErrWaitURLForm    = errors.New("WaitUrl is not a wait condition handle's URL: set it to !Ref of an AWS::CloudFormation::WaitConditionHandle")
	ErrWaitURLHost    = errors.New("WaitUrl does not lead to CloudFormation: its host is none of CloudFormation's wait condition buckets")
	ErrWaitURLStack   = errors.New("WaitUrl belongs to another stack: use a wait condition handle of the same template")
	ErrWaitURLExpired = errors.New("WaitUrl has expired: launch again, so that CloudFormation makes a new one")
)

// ParseWaitURL checks that raw is the wait handle of the stack with ARN stackID
// and not expired at now: https, no user, no port, no fragment, a host of CloudFormation's wait
// buckets, and a path that begins with the stack's ARN.
//
// allowed lists prefixes that are accepted beside AWS's own hosts; it exists
// for made worlds and is empty on AWS. A prefix without a path
// (http://127.0.0.1:4310) leaves the rule of the stack's ARN in force; a prefix
// with one (http://127.0.0.1:4566/signals/) stands in for it.
func ParseWaitURL(raw, stackID string, allowed []string, now time.Time) (WaitURL, error) {
	if raw == "" {
		return WaitURL{}, ErrWaitURLMissing
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || strings.ContainsFunc(raw, foreign) || len(raw) > maxWaitURL || leadsUp(u.Path) {
		return WaitURL{}, ErrWaitURLForm // never with err: it quotes the URL
	}
	ownStack := strings.HasPrefix(stackID, "arn:") && strings.HasPrefix(u.Path, "/"+stackID+"/")
	host, path := allows(allowed, u)
	switch {
	case host: // and no rule of AWS's
	case u.Scheme != "https" || u.Port() != "" || strings.HasSuffix(u.Host, ":"):
		return WaitURL{}, ErrWaitURLForm
	case !waitHost().MatchString(u.Host), !strings.HasPrefix(u.Host, "cloudformation-waitcondition-"+regionOf(stackID)+".s3"):
		return WaitURL{}, ErrWaitURLHost
	}
	if !ownStack && !path {
		return WaitURL{}, ErrWaitURLStack
	}
	w := WaitURL{&raw}
	if expires, ok := w.Expires(); ok && !now.Before(expires) {
		return WaitURL{}, ErrWaitURLExpired
	}
	return w, nil
}

// regionOf is the fourth field of an ARN. Anybody may own a bucket whose name
// begins like CloudFormation's; only CloudFormation has the one of the Region.
func regionOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
		return parts[3]
	}
	return ""
}

const maxWaitURL = 8 << 10 // bytes

// foreign reports whether c stands in no wait URL: it begins a fragment, or is a
// character that RFC 3986 allows in no URL. Package net/url lets some pass, and
// where one stands, a URL quoted in other text would seem to end.
func foreign(c rune) bool {
	return c <= ' ' || c > '~' || strings.ContainsRune("#\"<>\\^`{|}", c)
}

// leadsUp reports whether a path has steps that are not names.
func leadsUp(path string) bool {
	for step := range strings.SplitSeq(path, "/") {
		if step == "." || step == ".." {
			return true
		}
	}
	return false
}

// allows reports whether u falls under one of the allowed prefixes, and whether
// under one with a path. Scheme and host must be equal, not merely begin alike; a
// path ends at a slash.
func allows(allowed []string, u *url.URL) (host, path bool) {
	for _, a := range allowed {
		p, err := url.Parse(a)
		if err != nil || p.Host == "" || p.Scheme != u.Scheme || p.Host != u.Host {
			continue
		}
		if below := strings.TrimSuffix(p.Path, "/"); strings.HasPrefix(u.Path, below+"/") {
			host, path = true, path || below != ""
		}
	}
	return host, path
}

// Expires tells when the URL's signature ends: X-Amz-Date plus X-Amz-Expires
// (seconds). ok is false if the URL does not say. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func (u WaitURL) Expires() (t time.Time, ok bool) {
	parsed, err := url.Parse(u.Expose())
	if err != nil {
		return time.Time{}, false
	}
	q := parsed.Query()
	signed, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	if err != nil {
		return time.Time{}, false
	}
	seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil || seconds < 0 || seconds > 7*24*3600 {
		return time.Time{}, false
	}
	return signed.Add(time.Duration(seconds) * time.Second), true
}

// Redact removes the URL, and any other wait URL, from text that came from
// outside: a stack's outputs and failure reasons can quote it.
func (u WaitURL) Redact(text string) string {
	if raw := u.Expose(); raw != "" {
		text = strings.ReplaceAll(text, raw, hidden)
		// The same place, written a little otherwise.
		if parsed, err := url.Parse(raw); err == nil && strings.Contains(text, parsed.Host) && strings.Contains(text, parsed.EscapedPath()) {
			return hidden
		}
	}
	return waitBucket().ReplaceAllString(text, hidden)
}
