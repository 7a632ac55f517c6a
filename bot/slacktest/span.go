package slacktest

// SpanKind is the kind of a [Span].
type SpanKind string

// The kinds of span. The first group is styled text. The second are control
// sequences, which escaped text never yields.
const (
	SpanText      SpanKind = "text"
	SpanBold      SpanKind = "bold"
	SpanItalic    SpanKind = "italic"
	SpanStrike    SpanKind = "strike"
	SpanCode      SpanKind = "code"
	SpanCodeBlock SpanKind = "codeblock"
	SpanQuote     SpanKind = "quote"
	SpanEmoji     SpanKind = "emoji"    // Target is the name, without colons
	SpanAutoLink  SpanKind = "autolink" // a bare URL, which Slack makes clickable; Text equals Target

	SpanUser    SpanKind = "user"    // Target is a user ID; notifies that user
	SpanGroup   SpanKind = "group"   // Target is a user group ID; notifies its members
	SpanSpecial SpanKind = "special" // Target is here, channel or everyone; notifies the channel
	SpanChannel SpanKind = "channel" // Target is a channel ID
	SpanDate    SpanKind = "date"    // Unix and Format are set; Target is the optional link
	SpanLink    SpanKind = "link"    // Target is the URL
)

// Span is a piece of mrkdwn.
//
// Raw is its source. Text is what a reader sees, with entities resolved: for a
// mention its label, if any, and for a date the fallback. Styles, code and quotes
// have Children instead of Text.
type Span struct {
	Kind     SpanKind `json:"kind"`
	Raw      string   `json:"-"`
	Text     string   `json:"text,omitempty"`
	Target   string   `json:"target,omitempty"`
	Unix     int64    `json:"unix,omitempty"`   // seconds since 1970, for a date
	Format   string   `json:"format,omitempty"` // as in "{date_short} at {time}", for a date
	Children []Span   `json:"children,omitempty"`
}

// Control reports whether the span is a control sequence, which outside text must
// never become.
func (s Span) Control() bool {
	switch s.Kind {
	case SpanUser, SpanGroup, SpanSpecial, SpanChannel, SpanDate, SpanLink:
		return true
	}
	return false
}

// WalkSpans calls f for each span and then for its children.
func WalkSpans(spans []Span, f func(Span)) {
	for _, s := range spans {
		f(s)
		WalkSpans(s.Children, f)
	}
}

// PlainText returns the visible text of the spans without styling. Mentions without
// a label appear as their source.
func PlainText(spans []Span) string {
	var b []byte
	for _, s := range spans {
		switch {
		case s.Children != nil:
			b = append(b, PlainText(s.Children)...)
		case s.Text != "":
			b = append(b, s.Text...)
		default:
			b = append(b, s.Raw...)
		}
	}
	return string(b)
}
