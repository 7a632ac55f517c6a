package slacktest

import "strings"

// ParseMrkdwn parses mrkdwn as Slack's clients render it:
// https://docs.slack.dev/messaging/formatting-message-text
//
// It parses control sequences inside code too, because Slack notifies users who are
// mentioned there. Bare http and https URLs become SpanAutoLink; bare domain names,
// which Slack also links, stay text.
//
// The Raw fields of the spans, joined, equal s. If s is escaped (& < > written as
// entities), no span is a control sequence.
func ParseMrkdwn(s string) []Span {
	var spans []Span
	for len(s) > 0 {
		if mark := quoteMark(s); mark != "" {
			end := len(s)
			if len(mark) == 1 || mark == "&gt;" {
				end = lineEnd(s)
			}
			inner := s[len(mark):end]
			spans = append(spans, Span{Kind: SpanQuote, Raw: s[:end], Children: inline(inner, "")})
			s = s[end:]
			continue
		}
		end := paragraphEnd(s)
		spans = append(spans, inline(s[:end], "")...)
		s = s[end:]
	}
	return spans
}

// quoteMark returns the quote mark at the start of s, or "". Slack accepts the mark
// escaped and unescaped; a triple mark quotes the rest of the text.
func quoteMark(s string) string {
	for _, mark := range []string{">>>", "&gt;&gt;&gt;", ">", "&gt;"} {
		if strings.HasPrefix(s, mark) {
			return mark
		}
	}
	return ""
}

// lineEnd returns the length of the first line of s with its newline.
func lineEnd(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i + 1
	}
	return len(s)
}

const fence = "```"

// paragraphEnd returns the index after the first newline in s outside a code block,
// where a quote mark may follow.
func paragraphEnd(s string) int {
	for i := 0; i < len(s); {
		if s[i] == '\n' {
			return i + 1
		}
		if strings.HasPrefix(s[i:], fence) {
			if n := strings.Index(s[i+len(fence):], fence); n > 0 {
				i += len(fence) + n + len(fence)
				continue
			}
			return i + lineEnd(s[i:])
		}
		i++
	}
	return len(s)
}

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// unescape replaces the three entities that Slack knows.
func unescape(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return entities.Replace(s)
}
