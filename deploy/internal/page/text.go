package page

import (
	"strings"
	"time"

	"countersign/bot/slacktest"
)

// text is a parsed text object.
type text struct {
	Spans []inline
	Plain string // without formatting, for labels
}

// inline is one span of text. Text from outside is only in Text and Href, which
// html/template escapes.
type inline struct {
	Kind     slacktest.SpanKind
	Text     string
	Href     string
	Mine     bool // mentions the viewer
	At       time.Time
	Format   string // of a date, with Slack's tokens
	Children []inline
}

// text reads a text object. plain_text is shown literally, except for emoji if
// the object enables them.
func (r reader) text(t *wireText) *text {
	if t == nil {
		return nil
	}
	if t.Type == "plain_text" {
		shown := t.Text
		if t.Emoji {
			shown = withEmoji(shown)
		}
		return &text{Spans: []inline{{Kind: slacktest.SpanText, Text: shown}}, Plain: shown}
	}
	spans := slacktest.ParseMrkdwn(t.Text)
	return &text{Spans: r.inlines(spans, t.Verbatim), Plain: slacktest.PlainText(spans)}
}

// inlines resolves mentions in spans. If verbatim is set, bare URLs stay text.
func (r reader) inlines(spans []slacktest.Span, verbatim bool) []inline {
	out := make([]inline, 0, len(spans))
	for _, s := range spans {
		out = append(out, r.inline(s, verbatim))
	}
	return out
}

func (r reader) inline(s slacktest.Span, verbatim bool) inline {
	in := inline{Kind: s.Kind, Text: s.Text}
	if s.Children != nil {
		in.Children = r.inlines(s.Children, verbatim)
	}
	switch s.Kind {
	case slacktest.SpanUser:
		in.Text, in.Mine = "@"+r.names.user(s.Target), s.Target == r.viewer
	case slacktest.SpanGroup:
		in.Text, in.Mine = "@"+r.names.group(s.Target), r.names.isIn(r.viewer, s.Target)
	case slacktest.SpanChannel:
		in.Text = "#" + r.names.channel(s.Target)
	case slacktest.SpanSpecial:
		in.Text, in.Mine = "@"+s.Target, true
	case slacktest.SpanEmoji:
		in.Text = emoji(s.Target)
	case slacktest.SpanDate:
		in.At, in.Format, in.Href = time.Unix(s.Unix, 0).UTC(), s.Format, s.Target
	case slacktest.SpanLink:
		in.Href = s.Target
	case slacktest.SpanAutoLink:
		if in.Href = s.Text; verbatim {
			in = inline{Kind: slacktest.SpanText, Text: s.Text}
		}
	}
	return in
}

// shortcodes are the emoji that the page renders, by Slack name.
var shortcodes = map[string]string{
	"warning": "⚠️", "rotating_light": "🚨", "white_check_mark": "✅", "heavy_check_mark": "✔️", "x": "❌",
	"hourglass": "⌛", "hourglass_flowing_sand": "⏳", "large_yellow_circle": "🟡", "no_entry": "⛔",
	"leftwards_arrow_with_hook": "↩️", "eyes": "👀", "tada": "🎉", "bell": "🔔", "lock": "🔒", "email": "✉️",
	"+1": "👍", "-1": "👎", "memo": "📝", "rocket": "🚀",
}

// emoji renders a Slack emoji. An unknown name stays as typed.
func emoji(name string) string {
	if glyph, ok := shortcodes[name]; ok {
		return glyph
	}
	return ":" + name + ":"
}

// withEmoji renders the emoji in a plain text.
func withEmoji(s string) string {
	for name, glyph := range shortcodes {
		s = strings.ReplaceAll(s, ":"+name+":", glyph)
	}
	return s
}
