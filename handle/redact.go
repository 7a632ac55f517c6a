package handle

import (
	"cmp"
	"regexp"
	"slices"
	"sync"
)

// hiddenValue replaces a value that looks like a secret.
const hiddenValue = "(hidden)"

// The patterns are compiled on first use: most clicks need neither, and a cold
// start delays the first click.
var (
	secretName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)pass(word|wd|phrase|code)?$|passw|secret|token|credential|private.?key|api.?key|access.?key|auth.?key|signing.?key|license.?key|conn(ection)?.?str`)
	})

	// Asterisks are how DescribeStacks shows a NoEcho parameter.
	secretValue = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\*+$|-----BEGIN|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bxox[abeprs]-|\bgh[opsu]_[A-Za-z0-9]{20}|\beyJ[\w-]+\.[\w-]+\.|://[^/\s:@]+:[^/\s@]+@|X-Amz-Signature=|\bSG\.[\w-]{16}|\bsk_live_|^[A-Za-z0-9+/]{40}$`)
	})
)

const (
	maxFields = 60
	maxValue  = 300 // bytes
)

// RedactFields prepares a template's or stack's names and values for display:
// one line each, at most 60, sorted by name, without the wait URL u and without
// values that look like secrets.
func RedactFields(u WaitURL, list []Field) []Field {
	slices.SortFunc(list, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	out := make([]Field, 0, min(len(list), maxFields))
	for _, f := range list[:min(len(list), maxFields)] {
		value := OneLine(u.Redact(f.Value), maxValue) // first whole, then cut
		if secretName().MatchString(f.Name) || secretValue().MatchString(f.Value) {
			value = hiddenValue
		}
		out = append(out, Field{Name: OneLine(f.Name, 100), Value: value})
	}
	return out
}
