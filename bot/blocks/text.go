package blocks

import (
	"fmt"
	"math"
	"strings"
	"time"

	"countersign/handle"
)

// Outside text is hostile. It enters a message in one of three ways only: as
// plain_text, which Slack does not interpret; through code, inside which nothing
// is markup; or through escape, where it stands alone. See
// https://docs.slack.dev/messaging/formatting-message-text

// Format is how a sentence is written.
type Format int

const (
	Mrkdwn Format = iota // for Slack messages
	Plain                // for modals, mail and pages
)

// Text shows outside text of at most n bytes: in mrkdwn as inline code.
func (f Format) Text(s string, n int) string {
	if f == Plain {
		return handle.OneLine(s, n)
	}
	return code(s, n)
}

// Date shows t: in mrkdwn in each reader's own time zone, else in UTC. See
// https://docs.slack.dev/messaging/formatting-message-text#date-formatting
func (f Format) Date(t time.Time) string {
	utc := t.UTC().Format("2006-01-02 15:04 UTC")
	if f == Plain {
		return utc
	}
	return fmt.Sprintf("<!date^%d^{date_short_pretty} at {time}|%s>", t.Unix(), utc)
}

// Time shows the time of day of t like Date, for what is over within the hour.
func (f Format) Time(t time.Time) string {
	utc := t.UTC().Format("15:04 UTC")
	if f == Plain {
		return utc
	}
	return fmt.Sprintf("<!date^%d^{time}|%s>", t.Unix(), utc)
}

// Person names a voter: by mention in mrkdwn, else by name. A name typed by mail
// is marked as such.
func (f Format) Person(p handle.Person, via handle.Via) string {
	switch {
	case via == handle.ViaMail:
		return f.Text(p.Name, maxName) + " (by mail, name as typed)"
	case f == Mrkdwn:
		return mention(p.ID)
	case p.Name != "":
		return f.Text(p.Name, maxName)
	}
	return f.Text(p.ID, maxName)
}

// shorten makes one line of at most n bytes of outside text, and says how much it
// left out.
func shorten(s string, n int) string { return handle.Shorten(handle.OneLine(s, math.MaxInt), n) }

const maxName = 80 // bytes of a person's name

var controls = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "ˋ")

// escape escapes the three characters that start mentions, links and dates. A backtick,
// which starts and ends code, becomes its look-alike.
func escape(s string) string { return controls.Replace(s) }

// code shows outside text of at most n bytes as inline code.
func code(s string, n int) string {
	s = handle.OneLine(s, n)
	if s == "" {
		s = "–"
	}
	return "`" + escape(s) + "`"
}

// bold shows outside text in bold, without markup of its own.
func bold(s string, n int) string {
	return "*" + escape(withoutMarkup.Replace(handle.OneLine(s, n))) + "*"
}

// withoutMarkup replaces each character of Slack's markup by a look-alike that
// Slack does not interpret.
var withoutMarkup = strings.NewReplacer("*", "∗", "_", "＿", "~", "∼", "`", "ˋ")

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

func mentionEach(ids []string) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = mention(id)
	}
	return list
}

func mentions(ids []string) string { return conjunction(mentionEach(ids)) }

// conjunction is "a", "a and b" or "a, b and c".
func conjunction(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " and " + list[last]
}

// link links label, which must not be outside text.
func link(url, label string) string { return "<" + escape(url) + "|" + label + ">" }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
