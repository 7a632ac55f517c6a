package handle

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Hidden replaces a secret.
const Hidden = "(hidden)"

// The patterns are compiled on first use, because a cold start delays the first
// click.
var (
	// A name is matched as words in lower case with hyphens, such as db-password.
	secretName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`passw|pass-?(phrase|code)|pass$|(pwd|psk)\d*$|(^|-)(pw|pin|pat|salt)\d*$|secret|token|credential` +
			`|(private|api|access|auth|signing|hmac|insert|ingest(ion)?|licen[cs]e)-?key` +
			`|(encryption|pre-?shared|shared|symmetric|aes|master|account|webhook|integration)-?key-?\d*(-?(value|material|base64))?$` +
			`|basic-?auth$|(^|-)(otp|totp)\d*$` +
			`|conn(ection)?-?str|web-?hooks?(-?(ur[il]s?|endpoint|address))?$`)
	})

	// What such a name describes, but is not.
	plainName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(bypass|compass|overpass|underpass|trespass)$` +
			`|-(arns?|names?|size|length|count|limit|rate|capacity|bucket|ttl|age|days|hours|minutes|seconds?|units?|expiry|expiration|lifetime|validity|duration|timeout|interval|period|enabled|required` +
			`|type|algorithm|version|stage|policy|prevention|rotation|region|issuer|provider|path|prefix|parameter)$` +
			`|^(max|min)(imum)?-(\w+-)?tokens$|tokenizer|token-(endpoint|url)$|reset-(page|url)$`)
	})

	plainValue = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)^(|true|false|yes|no|none|enabled|disabled|arn:aws[\w-]*:[\w-]+:[\w-]*:\d*:\S+|alias/\S+)$`)
	})

	// Asterisks are how DescribeStacks shows a NoEcho parameter.
	noEcho = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\*+$`) })

	basicAuth = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(basic\s+)([A-Za-z0-9+/]{6,}={0,2})`)
	})

	// The form of AWS's secret access keys. Git's commit hashes have it too.
	secretKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9+/]{40}$`) })
	hexDigits = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]+$|^[0-9A-F]+$`) })
)

// secretForm is a form by which secrets are recognized within any text. The
// pattern, which is slow, is tried only on text that contains one of hints in
// lower case. replacement may keep parts of the match.
type secretForm struct {
	hints       []string
	pattern     func() *regexp.Regexp
	replacement string
}

func form(pattern, replacement string, hints ...string) secretForm {
	return secretForm{hints, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) }), replacement}
}

var secretForms = []secretForm{
	form(`(?s)-----BEGIN[^-]*PRIVATE KEY[^-]*-----(.*?-----END[^-]*-----|.*)`, Hidden, "-----begin"),
	form(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`, Hidden, "akia", "asia"),
	form(`\b(IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/=%]{20,}`, Hidden, "iqojb3jpz2lu", "zxivyxdz"), // STS session tokens
	form(`\b(xox[a-z]|xapp|xwfp)-[\w-]+(\.[\w-]+)*`, Hidden, "xox", "xapp-", "xwfp-"),
	form(`\bxoxe\.[\w.-]+`, Hidden, "xoxe."),
	form(`\bgh[a-z]_[A-Za-z0-9]{20,}`, Hidden, "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
	form(`\bgithub_pat_\w{20,}`, Hidden, "github_pat_"),
	form(`\bgl[a-z]{2,5}-[\w.-]{16,}`, Hidden, "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-"),
	form(`\b(npm_|pypi-)[\w-]{20,}`, Hidden, "npm_", "pypi-"),
	form(`\bAIza[\w-]{30,}`, Hidden, "aiza"),                                          // Google
	form(`\b([srp]k_(live|test)|whsec)_\w{8,}`, Hidden, "_live_", "_test_", "whsec_"), // Stripe
	form(`\bsk-((proj|ant|svcacct)-[\w-]{8,}|[A-Za-z0-9]{32,})`, Hidden, "sk-"),       // OpenAI, Anthropic
	form(`\b(hv[sbr]\.[\w-]{20,}|dckr_pat_[\w-]{12,}|do[opr]_v1_[0-9a-f]{16,}|shp(at|ca|pa|ss)_[0-9a-fA-F]{16,}|hf_[A-Za-z]{30,}|dapi[0-9a-f]{32}|key-[0-9a-f]{32}|ya29\.[\w.-]{16,})`,
		Hidden, "hvs.", "hvb.", "hvr.", "dckr_pat_", "_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "hf_", "dapi", "key-", "ya29."), // Vault, Docker, DigitalOcean, Shopify, Hugging Face, Databricks, Mailgun, Google
	form(`\b(glsa_\w{20,}|lin_api_\w{20,}|sq0(csp|atp)-[\w-]{16,}|NRA[KL]-[A-Z0-9]{16,}|PMAK-[0-9a-f-]{24,}|ATATT3[\w-]{20,}=*|\d{8,10}:AA[\w-]{32,})`,
		Hidden, "glsa_", "lin_api_", "sq0csp-", "sq0atp-", "nrak-", "nral-", "pmak-", "atatt3", ":aa"), // Grafana, Linear, Square, New Relic, Postman, Atlassian, Telegram
	form(`\bAGE-SECRET-KEY-1[A-Z0-9]+`, Hidden, "age-secret-key-1"),
	form(`\bSG\.[\w-]{16,}(\.[\w-]+)?`, Hidden, "sg."), // SendGrid
	form(`\beyJ[\w-]+\.[\w-]+\.[\w-]*`, Hidden, "eyj"), // JSON Web Tokens
	form(`(?i)https?://(hooks\.slack(-gov)?\.com/|[\w.-]*webhook\.office\.com/|outlook\.office(365)?\.com/webhook|hooks\.chime\.aws/|(\w+\.)?discord(app)?\.com/api/webhooks/|hooks\.zapier\.com/hooks/`+
		`|[\w.-]+(:\d+)?/hooks/[a-z0-9]{20,}|events\.(\w+\.)?pagerduty\.com/integration/|alert\.victorops\.com/integrations/|[\w.-]*sumologic\.com/receiver/|api\.telegram\.org/bot)\S*`,
		Hidden, "hook", "pagerduty", "victorops", "sumologic", "telegram"),
	form(`(?i)([?&](key|code|token|secret)=)[^\s&"'<>]+`, "${1}"+Hidden, "key=", "code=", "token=", "secret="),
	form(`(?i)(\b(X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential|Signature|sig|AccountKey|SharedAccessKey|SharedAccessSignature|client_secret|(access|refresh|id|auth)[_-]?token|api[_-]?key|password|passwd|pwd)\s*(=|%3D)\s*)[^\s&;,"'<>|]+`,
		"${1}"+Hidden, "=", "%3d"),
	form(`(://[^/\s:@]*:)[^/\s@]+@`, "${1}"+Hidden+"@", "://"),
	form(`(?i)(\bbearer\s+)[\w.~+/-]{20,}=*`, "${1}"+Hidden, "bearer"),
}

// redactSecrets replaces secrets and the signature parameters of URLs in outside
// text.
func redactSecrets(text string) string {
	lower := strings.ToLower(text)
	has := func(hint string) bool { return strings.Contains(lower, hint) }
	for _, f := range secretForms {
		if slices.ContainsFunc(f.hints, has) {
			text = f.pattern().ReplaceAllString(text, f.replacement)
		}
	}
	if !has("basic") {
		return text
	}
	return basicAuth().ReplaceAllStringFunc(text, func(s string) string {
		parts := basicAuth().FindStringSubmatch(s)
		decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[2], "="))
		if err != nil || !strings.Contains(string(decoded), ":") {
			return s // prose, such as "basic authentication"
		}
		return parts[1] + Hidden
	})
}

// isSecret reports whether a parameter's value is a secret, by its name or its
// form.
func isSecret(name, value string) bool {
	if noEcho().MatchString(value) || redactSecrets(value) != value {
		return true
	}
	if secretKey().MatchString(value) && !hexDigits().MatchString(value) &&
		strings.ContainsAny(value, upperCase) && strings.ContainsAny(value, strings.ToLower(upperCase)) {
		return true
	}
	name = words(name)
	return secretName().MatchString(name) && !plainName().MatchString(name) && !plainValue().MatchString(value)
}

const upperCase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

var wordEnd = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`) })

// words splits a name in any of the usual spellings into words: DBPassword and
// db_password are both db-password.
func words(name string) string {
	name = wordEnd().ReplaceAllString(name, "$1$3-$2$4")
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	}), "-")
}

// Bounds of what a record keeps. Details and parameters together stay well below
// DynamoDB's 400 KB per item, and each fits into a Slack modal of 250 KB.
const (
	maxFields    = 200      // CloudFormation's limit of parameters
	maxFieldName = 100      // bytes
	maxValue     = 4096     // bytes; CloudFormation's limit of a parameter's value
	maxStorage   = 96 << 10 // bytes of all names and values, encoded
)

// RedactFields prepares a template's or stack's names and values for the record:
// one line each, sorted by name, without the wait URL u and without secrets. It
// keeps at most 200 fields of 4,096 bytes. If they exceed 96 KB in all, the longest
// values are shortened, so that no value can displace another. What is cut is
// counted in the field itself, or in a last field.
func RedactFields(u WaitURL, list []Field) []Field {
	return redactFields(u, list, maxFields, maxValue)
}

// notStored is the name of the field that counts the omitted ones.
const notStored = "(not stored)"

// Represents returns how many fields of the template or stack f stands for: one, or the
// number that RedactFields omitted.
func (f Field) Represents() int {
	n := 1
	if f.Name == notStored {
		_, _ = fmt.Sscanf(f.Value, "%d more", &n)
	}
	return max(n, 1)
}

func redactFields(u WaitURL, list []Field, most, longest int) []Field {
	out := make([]Field, 0, len(list))
	for _, f := range list {
		name, value := OneLine(f.Name, math.MaxInt), OneLine(f.Value, math.MaxInt)
		if name == notStored {
			name = "not stored" // a detail of the template's, which stands for itself only
		}
		value = u.redactURL(value) // first whole, then cut
		if isSecret(name, value) {
			value = Hidden
		}
		out = append(out, Field{Name: Truncate(u.Redact(name), maxFieldName), Value: value})
	}
	slices.SortStableFunc(out, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	if len(out) > most {
		left := len(out) - most + 1
		out = append(out[:most-1], Field{Name: notStored, Value: fmt.Sprintf("%d more", left)})
	}
	for storage(out, longest) > maxStorage {
		longest = longest * 3 / 4
	}
	for i := range out {
		out[i].Value = Shorten(out[i].Value, longest)
	}
	return out
}

// storage returns the bytes that list takes as JSON with values of at most n bytes.
func storage(list []Field, n int) int {
	sum := 0
	for _, f := range list {
		sum += encodedLen(f.Name) + encodedLen(Shorten(f.Value, n)) + len(`{"name":"","value":""},`)
	}
	return sum
}

// encodedLen is the length of s, which has no control characters, as JSON.
func encodedLen(s string) int { return len(s) + strings.Count(s, `"`) + strings.Count(s, `\`) }
