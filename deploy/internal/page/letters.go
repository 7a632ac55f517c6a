package page

import (
	"strings"

	"countersign/deploy/internal/fakemail"
)

// lettersOf reads what came through the topic, the newest first.
func lettersOf(t *fakemail.Topic) []letter {
	all := t.Messages()
	out := make([]letter, len(all))
	for i, m := range all {
		out[len(all)-1-i] = letter{Key: m.ID, From: m.From, To: strings.Join(m.To, ", "), Subject: m.Subject, At: m.At, Body: linked(m.Text)}
	}
	return out
}
