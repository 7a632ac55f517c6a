package fakecfn

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// handleURLValidity is how long a wait handle's URL is valid, in seconds: one second less than 12 hours, as observed on
	// AWS.
	handleURLValidity = 43199

	// responseURLValidity is how long a ResponseURL is valid, in seconds.
	responseURLValidity = 7200

	signLayout = "20060102T150405Z"
)

// signer creates and verifies pre-signed URLs in the form of S3's (Signature Version 4 in the query). The signature is an
// HMAC over method, path and query with a key that only the engine has.
type signer struct {
	key    []byte
	origin string
	region string
	access string // an access key ID of temporary credentials
	token  string // their session token, which makes URLs as long as AWS's: about 1.5 KB

	escaped string // token, escaped for a query
	buffer  []byte // the text being signed, reused between calls; guarded by the engine's lock
}

func newSigner(cfg Config) signer {
	key := sha256.Sum256([]byte(cfg.NewID() + cfg.NewID()))
	s := signer{key: key[:], origin: cfg.Origin, region: cfg.Region}
	s.access = "ASIA" + makeID(string(s.derive("access", 16)), 16, upperAlnum)
	s.token = "IQoJb3JpZ2luX2Vj" + base64.StdEncoding.EncodeToString(s.derive("token", 700))
	s.escaped = url.QueryEscape(s.token)
	return s
}

// derive returns n bytes derived from the key.
func (s *signer) derive(purpose string, n int) []byte {
	var out []byte
	for i := uint64(0); len(out) < n; i++ {
		block := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(purpose), i))
		mac := hmac.New(sha256.New, s.key)
		mac.Write(block[:])
		out = mac.Sum(out)
	}
	return out[:n]
}

// url returns a URL for PUT to a key, valid for validity seconds from now.
func (s *signer) url(key string, now time.Time, validity int) string {
	date := now.UTC().Format(signLayout)
	credential := s.access + "/" + date[:8] + "/" + s.region + "/s3/aws4_request"
	expires := strconv.Itoa(validity)
	signature := s.sign("PUT", "/"+key, [][2]string{
		{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
		{"X-Amz-Credential", credential},
		{"X-Amz-Date", date},
		{"X-Amz-Expires", expires},
		{"X-Amz-Security-Token", s.token},
		{"X-Amz-SignedHeaders", "host"},
	})
	var b strings.Builder
	b.Grow(len(s.origin) + len(key) + len(s.escaped) + 512)
	b.WriteString(s.origin)
	b.WriteByte('/')
	writeEscaped(&b, key)
	for _, part := range []string{ // in the order of AWS's URLs
		"?X-Amz-Security-Token=", s.escaped, "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=", date,
		"&X-Amz-SignedHeaders=host&X-Amz-Expires=", expires, "&X-Amz-Credential=", url.QueryEscape(credential),
		"&X-Amz-Signature=", signature,
	} {
		b.WriteString(part)
	}
	return b.String()
}

// writeEscaped writes a key for a URL's path: everything but slashes is escaped.
func writeEscaped(b *strings.Builder, key string) {
	for i, part := range strings.Split(key, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(url.QueryEscape(part)) // keys have no spaces, which QueryEscape would write as +
	}
}

// sign signs a query, whose parameters must be sorted by name.
func (s *signer) sign(method, path string, query [][2]string) string {
	line := append(append(append(s.buffer[:0], method...), '\n'), path...)
	for _, kv := range query {
		line = append(append(append(append(line, '\n'), kv[0]...), '='), kv[1]...)
	}
	s.buffer = line
	mac := hmac.New(sha256.New, s.key)
	mac.Write(line)
	return hex.EncodeToString(mac.Sum(nil))
}

// verify checks a request's signature and expiry.
func (s *signer) verify(method string, u *url.URL, now time.Time) *s3Error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil || values.Get("X-Amz-Signature") == "" {
		return &s3Error{code: "AccessDenied", message: "Access Denied"}
	}
	signature := values.Get("X-Amz-Signature")
	delete(values, "X-Amz-Signature")
	query := make([][2]string, 0, len(values))
	for _, k := range slices.Sorted(maps.Keys(values)) {
		for _, v := range slices.Sorted(slices.Values(values[k])) {
			query = append(query, [2]string{k, v})
		}
	}
	want := s.sign(method, u.Path, query)
	if subtle.ConstantTimeCompare([]byte(signature), []byte(want)) != 1 {
		return errSignatureMismatch
	}
	date, err := time.Parse(signLayout, values.Get("X-Amz-Date"))
	validity, err2 := strconv.Atoi(values.Get("X-Amz-Expires"))
	if err != nil || err2 != nil {
		return errSignatureMismatch
	}
	if end := date.Add(seconds(validity)); now.After(end) {
		return &s3Error{code: "AccessDenied", message: "Request has expired", validity: validity, expiry: end, now: now}
	}
	return nil
}
