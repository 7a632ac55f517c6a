package page

import (
	"regexp"
	"strings"
	"time"

	"countersign/deploy/internal/fakemail"
)

// mailPane shows the administrators' mail.
type mailPane struct{ Mails []mail } // newest first

// mail is one plain-text mail.
type mail struct {
	Key     string
	From    string
	To      string
	Subject string
	At      time.Time
	Body    []textPart
}

// textPart is a part of a plain text; a link if Href is set.
type textPart struct{ Text, Href string }

// mailsOf returns the mails that the topic sent, newest first.
func mailsOf(t *fakemail.Topic) []mail {
	all := t.Messages()
	out := make([]mail, len(all))
	for i, m := range all {
		out[len(all)-1-i] = mail{Key: m.ID, From: m.From, To: strings.Join(m.To, ", "), Subject: m.Subject, At: m.At, Body: splitLinks(m.Text)}
	}
	return out
}

var urlPattern = regexp.MustCompile(`https?://[^\s<>"]+`)

// splitLinks finds the URLs in a plain text. Like mail clients, it excludes
// trailing punctuation and closing brackets from a URL.
func splitLinks(body string) []textPart {
	var out []textPart
	for {
		at := urlPattern.FindStringIndex(body)
		if at == nil {
			break
		}
		link := strings.TrimRight(body[at[0]:at[1]], ".,;:!?)]}'")
		if at[0] > 0 {
			out = append(out, textPart{Text: body[:at[0]]})
		}
		out = append(out, textPart{Text: link, Href: link})
		body = body[at[0]+len(link):]
	}
	if body != "" {
		out = append(out, textPart{Text: body})
	}
	return out
}
