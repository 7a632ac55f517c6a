package notifier

import (
	"cmp"
	"regexp"
	"slices"
	"sync"

	"countersign/handle"
)

// masked stands for a value that is nobody's business.
const masked = "(hidden)"

// Made when the first product is shown: most clicks need neither, and a click
// waits while a function starts.
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

// mask makes outside names and values fit to be shown: one line each, bounded,
// sorted by name, and without the wait URL or what looks like a secret.
func mask(u handle.WaitURL, list []handle.Field) []handle.Field {
	slices.SortFunc(list, func(a, b handle.Field) int { return cmp.Compare(a.Name, b.Name) })
	out := make([]handle.Field, 0, min(len(list), maxFields))
	for _, f := range list[:min(len(list), maxFields)] {
		value := handle.OneLine(u.Redact(f.Value), maxValue) // first whole, then cut
		if secretName().MatchString(f.Name) || secretValue().MatchString(f.Value) {
			value = masked
		}
		out = append(out, handle.Field{Name: handle.OneLine(f.Name, 100), Value: value})
	}
	return out
}
