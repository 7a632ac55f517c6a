package slacktest

// Kind says what a [Span] is.
type SpanKind string

// The kinds of span. The first group is text and its styling; the second are
// control sequences, which only a message's author can write: text from outside
// that has been escaped never yields one.
const (
	SpanText      SpanKind = "text"
	SpanBold      SpanKind = "bold"
	SpanItalic    SpanKind = "italic"
	SpanStrike    SpanKind = "strike"
	SpanCode      SpanKind = "code"
	SpanCodeBlock SpanKind = "codeblock"
	SpanQuote     SpanKind = "quote"
	SpanEmoji     SpanKind = "emoji"    // Target is the name, without colons
	SpanAutoLink  SpanKind = "autolink" // a bare URL that Slack makes clickable: its label is its target

	SpanUser    SpanKind = "user"    // Target is a user ID: notifies that person
	SpanGroup   SpanKind = "group"   // Target is a user group ID: notifies its members
	SpanSpecial SpanKind = "special" // Target is here, channel or everyone: notifies the channel
	SpanChannel SpanKind = "channel" // Target is a channel ID
	SpanDate    SpanKind = "date"    // Unix and Format are set; Target is the optional link
	SpanLink    SpanKind = "link"    // Target is the URL
)

// Span is one piece of mrkdwn.
//
// Raw is the piece as it was written: the Raws of the spans that ParseMrkdwn
// returns, joined, are the text it was given. Text is what a reader sees, with
// entities resolved: for a mention its label if one was given, for a date the
// fallback. The styles, code and quote have Children instead of Text.
type Span struct {
	Kind     SpanKind `json:"kind"`
	Raw      string   `json:"-"`
	Text     string   `json:"text,omitempty"`
	Target   string   `json:"target,omitempty"`
	Unix     int64    `json:"unix,omitempty"`   // seconds since 1970, for a date
	Format   string   `json:"format,omitempty"` // as in "{date_short} at {time}", for a date
	Children []Span   `json:"children,omitempty"`
}

// Control reports whether the span is a control sequence: something that outside
// text must never turn into.
func (s Span) Control() bool {
	switch s.Kind {
	case SpanUser, SpanGroup, SpanSpecial, SpanChannel, SpanDate, SpanLink:
		return true
	}
	return false
}

// Walk calls f for each span and, after it, for the spans inside it.
func WalkSpans(spans []Span, f func(Span)) {
	for _, s := range spans {
		f(s)
		WalkSpans(s.Children, f)
	}
}

// PlainText is what a reader sees of the spans, without styling. Mentions and
// dates without a label stand as they were written.
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
