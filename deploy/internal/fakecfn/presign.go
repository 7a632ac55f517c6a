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
	// handleLife is how long a wait handle's URL lives, in seconds: 12 hours less one second, as observed.
	handleURLLife = 43199

	// answerLife is how long a ResponseURL lives, in seconds.
	responseURLLife = 7200

	signLayout = "20060102T150405Z"
)

// signer makes and checks pre-signed URLs that look like S3's (Signature Version 4 in the query). The signature is a
// plain HMAC over method, path and query: nobody but the engine can make one, or change what it covers.
type signer struct {
	key    []byte
	origin string
	region string
	access string // an access key ID of temporary credentials
	token  string // their session token; it makes the URL as long as in real life, some 1.5 KB

	escaped string // the token as it stands in a URL
	buffer  []byte // what is being signed; kept between calls, which the engine's lock keeps apart
}

func newSigner(cfg Config) signer {
	key := sha256.Sum256([]byte(cfg.NewID() + cfg.NewID()))
	s := signer{key: key[:], origin: cfg.Origin, region: cfg.Region}
	s.access = "ASIA" + makeID(string(s.derive("access", 16)), 16, upperAlnum)
	s.token = "IQoJb3JpZ2luX2Vj" + base64.StdEncoding.EncodeToString(s.derive("token", 700))
	s.escaped = url.QueryEscape(s.token)
	return s
}

// stretch derives n bytes from the key.
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

// url returns a URL to PUT to the given key for life seconds from now.
func (s *signer) url(key string, now time.Time, life int) string {
	date := now.UTC().Format(signLayout)
	credential := s.access + "/" + date[:8] + "/" + s.region + "/s3/aws4_request"
	expires := strconv.Itoa(life)
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
	for _, part := range []string{ // in the order in which real URLs show them
		"?X-Amz-Security-Token=", s.escaped, "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=", date,
		"&X-Amz-SignedHeaders=host&X-Amz-Expires=", expires, "&X-Amz-Credential=", url.QueryEscape(credential),
		"&X-Amz-Signature=", signature,
	} {
		b.WriteString(part)
	}
	return b.String()
}

// writeEscaped writes a key as it stands in a URL: colons and bars escaped, slashes kept.
func writeEscaped(b *strings.Builder, key string) {
	for i, part := range strings.Split(key, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(url.QueryEscape(part)) // keys have no spaces, so there is no plus
	}
}

// sign signs a query whose parameters are in the order of their names.
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

// verify checks a request's signature and its age.
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
	life, err2 := strconv.Atoi(values.Get("X-Amz-Expires"))
	if err != nil || err2 != nil {
		return errSignatureMismatch
	}
	if end := date.Add(seconds(life)); now.After(end) {
		return &s3Error{code: "AccessDenied", message: "Request has expired", life: life, end: end, now: now}
	}
	return nil
}
