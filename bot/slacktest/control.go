package slacktest

import (
	"strconv"
	"strings"
)

// parseControl parses the text between the angle brackets of a control sequence. It
// returns false for text that Slack shows verbatim.
func parseControl(s string) (Span, bool) {
	body, label, _ := strings.Cut(s, "|")
	switch {
	case strings.HasPrefix(body, "@"):
		return reference(SpanUser, body[1:], label, "UW")
	case strings.HasPrefix(body, "#"):
		return reference(SpanChannel, body[1:], label, "CGD")
	case strings.HasPrefix(body, "!subteam^"):
		return reference(SpanGroup, body[len("!subteam^"):], label, "S")
	case strings.HasPrefix(body, "!date^"):
		return parseDate(s[len("!date^"):])
	case strings.HasPrefix(body, "!"):
		return parseSpecial(body[1:], label)
	case hasScheme(body):
		url := unescape(body)
		span := Span{Kind: SpanLink, Target: url, Text: url}
		if label != "" {
			span.Text = unescape(label)
		}
		return span, true
	}
	return Span{}, false
}

// reference parses an ID that begins with one of the letters in prefixes.
func reference(kind SpanKind, id, label, prefixes string) (Span, bool) {
	if len(id) < 2 || strings.IndexByte(prefixes, id[0]) < 0 || strings.Trim(id, idLetters) != "" {
		return Span{}, false
	}
	return Span{Kind: kind, Target: id, Text: unescape(label)}, true
}

const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// parseSpecial parses mentions of a whole channel. <!group> means <!channel>.
func parseSpecial(name, label string) (Span, bool) {
	switch name {
	case "group":
		name = "channel"
	case "here", "channel", "everyone":
	default:
		return Span{}, false
	}
	if label == "" {
		label = "@" + name
	}
	return Span{Kind: SpanSpecial, Target: name, Text: unescape(label)}, true
}

// parseDate parses "unix^format^link|fallback", in which ^link is optional.
func parseDate(s string) (Span, bool) {
	body, fallback, ok := strings.Cut(s, "|")
	if !ok {
		return Span{}, false // Slack shows a date without fallback verbatim
	}
	unix, rest, ok := strings.Cut(body, "^")
	at, err := strconv.ParseInt(unix, 10, 64)
	if !ok || err != nil {
		return Span{}, false
	}
	format, link, _ := strings.Cut(rest, "^")
	return Span{
		Kind: SpanDate, Text: unescape(fallback), Target: unescape(link),
		Unix: at, Format: unescape(format),
	}, true
}

// hasScheme reports whether s begins as an absolute URL does.
func hasScheme(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" {
		return false
	}
	for i, c := range []byte(scheme) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return false
		}
	}
	return true
}
