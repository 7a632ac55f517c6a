package notifier

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"countersign/handle"
)

func TestApprovers(t *testing.T) {
	slack := func(names ...string) (people []handle.Person) {
		for _, name := range names {
			people = append(people, handle.Person{Team: "T0EXAMPLE", ID: "U0APPROVER", Name: name})
		}
		return people
	}
	for _, test := range []struct {
		people []handle.Person
		want   string
	}{
		{slack("Ann Approver"), "Ann Approver"},
		{slack("Ann Approver", "Bob Approver"), "Ann Approver and Bob Approver"},
		{slack("Pat O'Brien (Ops), \"PO\""), "Pat O Brien Ops PO"},
		{slack("Jürgen Ægir", "山田 太郎"), "Jürgen Ægir and 山田 太郎"},
		{slack("Ju\u0308rgen"), "Jurgen"},
		{slack("aws:ann"), "aws ann"},
		{slack("🎉"), "U0APPROVER"},
		{slack(strings.Repeat("a", 90)), strings.Repeat("a", 77)},
		{[]handle.Person{{Name: "mia@example.com"}}, "mia@example.com by mail"},
		{[]handle.Person{{Name: "!"}}, "unknown by mail"},
		{slack(strings.Split(strings.Repeat("Maximiliana Musterfrau,", 20), ",")[:20]...),
			strings.Repeat("Maximiliana Musterfrau and ", 9)[:9*27-5] + " and 11 more"},
	} {
		if got := approvers(test.people); got != test.want {
			t.Errorf("%q: got %q, want %q", test.people, got, test.want)
		}
	}
}

// tagValue is IAM's pattern for tag values. See
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
var tagValue = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$`)

func TestApproversFitInTag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var people []handle.Person
		for range rapid.IntRange(1, 20).Draw(t, "approvals") {
			id := rapid.SampledFrom([]string{"", "U0ANN", "W0123456789A"}).Draw(t, "id")
			people = append(people, handle.Person{ID: id, Name: rapid.String().Draw(t, "name")})
		}
		s := approvers(people)
		if !utf8.ValidString(s) || !tagValue.MatchString(s) || strings.HasPrefix(strings.ToLower(s), "aws:") || s != strings.TrimSpace(s) {
			t.Fatalf("%q is not a valid tag value", s)
		}
	})
}
