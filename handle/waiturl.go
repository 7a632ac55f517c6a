package handle

import (
	"crypto/subtle"
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

// hidden replaces a wait URL wherever one is printed.
const hidden = "[wait URL]"

// WaitURL is the pre-signed URL of a wait condition handle. Anyone who has it can
// release the wait, so it prints, logs and marshals as a placeholder. Only
// [WaitURL.Expose] reveals it.
//
// It is kept behind a pointer because package fmt prints unexported fields
// without calling their methods, but follows no pointer inside a struct.
type WaitURL struct{ raw *string }

// Expose returns the URL itself. It is for the encoding of stored requests and
// for sending the signal only.
func (u WaitURL) Expose() string {
	if u.raw == nil {
		return ""
	}
	return *u.raw
}

// StoredWaitURL returns the WaitURL of a stored request, unchecked. URLs from
// anywhere else must go through ParseWaitURL.
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

// waitHost matches the hosts of CloudFormation's wait condition buckets, in every
// partition with public documentation. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
var waitHost = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^cloudformation-waitcondition-[a-z0-9-]+\.s3([.-][a-z0-9-]+)?\.amazonaws\.(com|com\.cn|eu)$`)
})

// waitBucket matches a wait URL within other text.
var waitBucket = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`https?://cloudformation-waitcondition-[^\s"'<>|]*`)
})

// Errors of ParseWaitURL. The author of the template sees them as the failure
// reason of the resource.
var (
	ErrWaitURLMissing = errors.New("WaitUrl is missing: set it to !Ref of an AWS::CloudFormation::WaitConditionHandle")
	ErrWaitURLForm    = errors.New("WaitUrl is not a wait condition handle's URL: set it to !Ref of an AWS::CloudFormation::WaitConditionHandle")
	ErrWaitURLHost    = errors.New("WaitUrl does not lead to CloudFormation: its host is not one of CloudFormation's wait condition buckets")
	ErrWaitURLStack   = errors.New("WaitUrl belongs to another stack: use a wait condition handle of the same template")
	ErrWaitURLExpired = errors.New("WaitUrl has expired: launch again to get a new one")
)

// ParseWaitURL checks that raw is the URL of a wait handle of the stack with ARN
// stackID, unexpired at now: https, without user, port or fragment, with the host
// of CloudFormation's wait condition bucket in the stack's Region, and with a path
// that begins with the stack's ARN.
//
// allowed lists URL prefixes that are accepted besides AWS's hosts. It is for
// simulations of AWS, and empty on AWS. Under a prefix without a path, such as
// http://127.0.0.1:4310, the path must still begin with the stack's ARN; under one
// with a path, such as http://127.0.0.1:4566/signals/, it need not.
func ParseWaitURL(raw, stackID string, allowed []string, now time.Time) (WaitURL, error) {
	if raw == "" {
		return WaitURL{}, ErrWaitURLMissing
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || strings.ContainsFunc(raw, illegal) || len(raw) > maxWaitURL || hasDotSegment(u.Path) {
		return WaitURL{}, ErrWaitURLForm // never with err: it quotes the URL
	}
	underARN := strings.HasPrefix(stackID, "arn:") && strings.HasPrefix(u.Path, "/"+stackID+"/")
	host, path := matchPrefix(allowed, u)
	switch {
	case host: // AWS's rules for scheme, port and host do not apply
	case u.Scheme != "https" || u.Port() != "" || strings.HasSuffix(u.Host, ":"):
		return WaitURL{}, ErrWaitURLForm
	case !waitHost().MatchString(u.Host), !strings.HasPrefix(u.Host, "cloudformation-waitcondition-"+regionOf(stackID)+".s3"):
		return WaitURL{}, ErrWaitURLHost
	}
	if !underARN && !path {
		return WaitURL{}, ErrWaitURLStack
	}
	w := WaitURL{&raw}
	if expires, ok := w.Expires(); ok && !now.Before(expires) {
		return WaitURL{}, ErrWaitURLExpired
	}
	return w, nil
}

// regionOf returns the fourth field of an ARN. Anyone can own a bucket whose name
// begins like CloudFormation's, but not the one that ends with the Region.
func regionOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
		return parts[3]
	}
	return ""
}

const maxWaitURL = 8 << 10 // bytes

// illegal reports whether c must not occur in a wait URL: RFC 3986 does not allow
// it, or it begins a fragment. Package net/url accepts some of these, but Redact
// would take them for the end of a URL that is quoted in other text.
func illegal(c rune) bool {
	return c <= ' ' || c > '~' || strings.ContainsRune("#\"<>\\^`{|}", c)
}

// hasDotSegment reports whether path contains . or .. as a segment.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// matchPrefix reports whether u has one of the allowed prefixes, and whether it
// has one with a path. Scheme and host must be equal; the path must continue after
// a slash.
func matchPrefix(allowed []string, u *url.URL) (host, path bool) {
	for _, a := range allowed {
		p, err := url.Parse(a)
		if err != nil || p.Host == "" || p.Scheme != u.Scheme || p.Host != u.Host {
			continue
		}
		if prefix := strings.TrimSuffix(p.Path, "/"); strings.HasPrefix(u.Path, prefix+"/") {
			host, path = true, path || prefix != ""
		}
	}
	return host, path
}

// SignedAt returns when the URL was signed, its X-Amz-Date. ok is false if the URL
// does not say. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func (u WaitURL) SignedAt() (t time.Time, ok bool) {
	t, err := time.Parse("20060102T150405Z", u.query().Get("X-Amz-Date"))
	return t, err == nil
}

// Expires returns when the URL's signature expires: by Signature Version 4 X-Amz-Date
// plus X-Amz-Expires (seconds), by Version 2 Expires (seconds since 1970). ok is
// false if the URL does not say. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationQueryStringAuth
func (u WaitURL) Expires() (t time.Time, ok bool) {
	q := u.query()
	if !q.Has("X-Amz-Date") && !q.Has("X-Amz-Expires") {
		seconds, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
		if err != nil || seconds < 0 || seconds > maxEpoch {
			return time.Time{}, false
		}
		return time.Unix(seconds, 0).UTC(), true
	}
	signed, ok := u.SignedAt()
	seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if !ok || err != nil || seconds < 0 || seconds > 7*24*3600 {
		return time.Time{}, false
	}
	return signed.Add(time.Duration(seconds) * time.Second), true
}

// maxEpoch is the end of the year 9999, in seconds since 1970: JSON can't hold later
// times.
const maxEpoch = 253402300799

func (u WaitURL) query() url.Values {
	parsed, err := url.Parse(u.Expose())
	if err != nil {
		return nil
	}
	return parsed.Query()
}

// Equal reports, in constant time, whether raw is this URL.
func (u WaitURL) Equal(raw string) bool {
	own := u.Expose()
	return own != "" && subtle.ConstantTimeCompare([]byte(own), []byte(raw)) == 1
}

// Same reports, in constant time, whether u and v are the same URL.
func (u WaitURL) Same(v WaitURL) bool { return u.Equal(v.Expose()) }

// Handle returns the logical ID of the wait handle of the stack with ARN stackID,
// with which the URL's path ends; empty if the path has another form.
func (u WaitURL) Handle(stackID string) string {
	parsed, err := url.Parse(u.Expose())
	if err != nil || !strings.HasPrefix(parsed.Path, "/"+stackID+"/") {
		return ""
	}
	return parsed.Path[strings.LastIndex(parsed.Path, "/")+1:]
}

// Redact removes this and any other wait URL from outside text, and other secrets
// and URL signatures that it recognizes. A stack's outputs and failure reasons can
// contain them. If text contains the URL in another spelling, all of text is
// replaced.
func (u WaitURL) Redact(text string) string {
	if strings.ContainsFunc(text, isBidi) { // which OneLine removes later
		text = strings.Map(func(c rune) rune {
			if isBidi(c) {
				return -1
			}
			return c
		}, text)
	}
	return redactSecrets(u.redactURL(text))
}

// redactURL removes this and any other wait URL from text.
func (u WaitURL) redactURL(text string) string {
	if raw := u.Expose(); raw != "" {
		text = strings.ReplaceAll(text, raw, hidden)
		// The same host and path, with another query or encoding around them.
		if parsed, err := url.Parse(raw); err == nil && strings.Contains(text, parsed.Host) && strings.Contains(text, parsed.EscapedPath()) {
			return hidden
		}
	}
	return waitBucket().ReplaceAllString(text, hidden)
}
