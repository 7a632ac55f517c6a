package bot

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

func FuzzParseQuery(f *testing.F) {
	for _, text := range []string{
		"", "mine", "waiting", "all", `product:"message queue" test`, "requester:@rita", "<@U0RITA|rita>", "by:<@U0RITA>", "account:111122223333",
		"product:“message queue”", "'it's", "O'Brien", `"`, "a:b:c", "::", "<", "<@", "<@U0RITA", "<mailto:a@b.example|a@b.example>", "&amp;lt;", "\u202e\x00", "«x» „y“ ‘z’",
		strings.Repeat("<@U0RITA> ", 30),
	} {
		f.Add(text)
	}
	s := handle.Summary{Requester: "rita@example.com", RequesterID: "U0RITA", RequesterIDs: []string{"U0RITA"}, Product: "Message queue", Account: "111122223333", AccountName: "Production"}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseQuery(text)
		if err != nil {
			if _, is := err.(queryError); !is || strings.TrimSpace(err.Error()) == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		_ = q.matches(s)
		for _, term := range q.terms {
			if term.value == "" && !handle.IsUser(term.user) || term.value != "" && term.user != "" {
				t.Fatalf("%q: term %+v", text, term)
			}
		}
		// A button carries the query, and shows the same list when it is pressed.
		cursor := handle.Summary{ID: "abcdefghijkmnpqr-stuvwxyz", Deadline: time.Date(2026, 3, 2, 9, 0, 0, 999999999, time.UTC)}.Cursor()
		p := listPage{Query: q.text, After: cursor}
		for range 30 {
			p.Before = append(p.Before, cursor)
		}
		value := p.String()
		if len(value) > maxPageValue {
			t.Fatalf("%q: %d bytes", text, len(value))
		}
		again, q2, err := parseListPage(value)
		if err != nil || again.After != cursor || !json.Valid([]byte(value)) {
			t.Fatalf("%q: %v from %s", text, err, value)
		}
		if q2.list != q.list || len(q2.terms) != len(q.terms) {
			t.Fatalf("%q became %q", text, q2.text)
		}
		for i, term := range q.terms {
			if q2.terms[i] != term {
				t.Fatalf("%q: %+v became %+v", text, term, q2.terms[i])
			}
		}
	})
}

func TestQueryWords(t *testing.T) {
	for text, want := range map[string][]term{
		`product:"message queue" test`:   {{key: "product", value: "message queue"}, {value: "test"}},
		`“message queue”`:                {{value: "message queue"}},
		"product:„message queue“":        {{key: "product", value: "message queue"}},
		"product:‘message queue’":        {{key: "product", value: "message queue"}},
		"O'Brien":                        {{value: "o'brien"}},
		`"mine"`:                         {{value: "mine"}},
		"mine database":                  {{value: "database"}},
		"Requester:@Rita":                {{key: "requester", value: "rita"}},
		"from:<@U0RITA|rita>":            {{key: "requester", user: "U0RITA"}},
		`a&amp;b &lt;c&gt;`:              {{value: "a&b"}, {value: "<c>"}},
		`"arn:aws:x"`:                    {{value: "arn:aws:x"}},
		`product:"open quote and spaces`: {{key: "product", value: "open quote and spaces"}},
		`account:"prod:eu"`:              {{key: "account", value: "prod:eu"}},
		"<http://a.example|a.example>":   {{value: "a.example"}},
	} {
		q, err := parseQuery(text)
		if err != nil || len(q.terms) != len(want) {
			t.Errorf("%q: got %+v, %v", text, q.terms, err)
			continue
		}
		for i := range want {
			if q.terms[i] != want[i] {
				t.Errorf("%q: got %+v, want %+v", text, q.terms[i], want[i])
			}
		}
	}
}
