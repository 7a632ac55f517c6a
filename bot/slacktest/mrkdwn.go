package slacktest

import "strings"

// ParseMrkdwn reads Slack's mrkdwn as Slack's clients render it.
//
// It follows docs.slack.dev/messaging/formatting-message-text. Control sequences
// are read inside code too, because Slack notifies people who are mentioned there.
// Bare http and https URLs become SpanAutoLink; bare domain names, which Slack
// also links, stay text.
//
// Its laws: joining the Raw of the spans gives s; and when s is escaped
// (& < > written as entities) no span is a control sequence.
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

// quoteMark returns the quote mark that the line s begins with, or "". Slack
// quotes by the escaped sign as well as by the plain one; the triple mark quotes
// all that follows.
func quoteMark(s string) string {
	for _, mark := range []string{">>>", "&gt;&gt;&gt;", ">", "&gt;"} {
		if strings.HasPrefix(s, mark) {
			return mark
		}
	}
	return ""
}

// lineEnd is the index after the first line of s, its newline included.
func lineEnd(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i + 1
	}
	return len(s)
}

const fence = "```"

// paragraphEnd is the index of the next line of s that may begin with a quote
// mark: the one after the first newline outside of a code block.
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

// unescape resolves the three entities that Slack knows.
func unescape(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return entities.Replace(s)
}
