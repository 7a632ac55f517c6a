package page

import (
	"regexp"
	"strings"
	"time"
)

// mailbox is the pane of the admins' mail.
type mailbox struct{ Letters []letter } // the newest first

// letter is one mail: plain text.
type letter struct {
	Key     string
	From    string
	To      string
	Subject string
	At      time.Time
	Body    []piece
}

// piece is a part of a plain text: a link, if Href is set.
type piece struct{ Text, Href string }

var address = regexp.MustCompile(`https?://[^\s<>"]+`)

// linked finds the links in a plain text, as mail programs do: a full stop or a
// bracket at the end is not part of one.
func linked(body string) []piece {
	var out []piece
	for {
		at := address.FindStringIndex(body)
		if at == nil {
			break
		}
		link := strings.TrimRight(body[at[0]:at[1]], ".,;:!?)]}'")
		if at[0] > 0 {
			out = append(out, piece{Text: body[:at[0]]})
		}
		out = append(out, piece{Text: link, Href: link})
		body = body[at[0]+len(link):]
	}
	if body != "" {
		out = append(out, piece{Text: body})
	}
	return out
}
