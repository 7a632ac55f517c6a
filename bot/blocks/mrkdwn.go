package blocks

import (
	"fmt"
	"strings"
	"time"

	"countersign/handle"
)

// Outside text is hostile. It comes into a message in one of three ways only:
// as plain_text, which Slack does not interpret; through code, inside which
// nothing is markup; or through escape, where it stands alone. See
// https://docs.slack.dev/messaging/formatting-message-text

var controls = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape disarms the three characters that begin mentions, links and dates.
func escape(s string) string { return controls.Replace(s) }

// code shows outside text of at most n bytes as inline code. A backtick would
// end the code, so it becomes its look-alike.
func code(s string, n int) string {
	s = strings.ReplaceAll(handle.OneLine(s, n), "`", "ˋ")
	if s == "" {
		s = "–"
	}
	return "`" + escape(s) + "`"
}

// bold shows outside text as bold, without any markup of its own.
func bold(s string, n int) string {
	return "*" + escape(unmarked.Replace(handle.OneLine(s, n))) + "*"
}

// unmarked takes away the look of markup: each character becomes a look-alike
// that Slack does not interpret.
var unmarked = strings.NewReplacer("*", "∗", "_", "＿", "~", "∼", "`", "ˋ")

// mention mentions a Slack user or user group by ID.
func mention(id string) string {
	switch {
	case handle.IsUser(id):
		return "<@" + id + ">"
	case handle.IsUserGroup(id):
		return "<!subteam^" + id + ">"
	}
	return code(id, 40)
}

func mentions(ids []string) string {
	var b strings.Builder
	for i, id := range ids {
		switch {
		case i > 0 && i == len(ids)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(mention(id))
	}
	return b.String()
}

// date shows t in each reader's own time zone.
func date(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04 UTC"))
}

// link is a link of our own making: label must not be outside text.
func link(url, label string) string { return "<" + escape(url) + "|" + label + ">" }
