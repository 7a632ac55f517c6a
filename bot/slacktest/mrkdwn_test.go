package slacktest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/slack-go/slack/slackutilsx"

	"countersign/bot/slacktest"
)

func TestParseMrkdwn(t *testing.T) {
	type spans = []slacktest.Span
	word := func(s string) slacktest.Span { return slacktest.Span{Kind: slacktest.SpanText, Text: s} }
	of := func(kind slacktest.SpanKind, children ...slacktest.Span) slacktest.Span {
		return slacktest.Span{Kind: kind, Children: children}
	}
	aim := func(kind slacktest.SpanKind, target, text string) slacktest.Span {
		return slacktest.Span{Kind: kind, Target: target, Text: text}
	}
	bold, italic, strike, code, quote := slacktest.SpanBold, slacktest.SpanItalic, slacktest.SpanStrike, slacktest.SpanCode, slacktest.SpanQuote
	tests := []struct {
		name, in string
		want     spans
	}{
		{"nothing", "", nil},
		{"text", "a b", spans{word("a b")}},
		{"entities", "&lt;b&gt; &amp;amp; &nbsp;", spans{word("<b> &amp; &nbsp;")}},
		{"newlines", "a\nb", spans{word("a\n"), word("b")}},

		{"bold", "*a b*", spans{of(bold, word("a b"))}},
		{"italic and strike", "_a_ ~b~", spans{of(italic, word("a")), word(" "), of(strike, word("b"))}},
		{"nested", "*a _b_*", spans{of(bold, word("a "), of(italic, word("b")))}},
		{"in a word", "a*b*c 2*3*4", spans{word("a*b*c 2*3*4")}},
		{"around a space", "* a *", spans{word("* a *")}},
		{"open", "*a", spans{word("*a")}},
		{"over a line's end", "*a\nb*", spans{word("*a\n"), word("b*")}},
		{"doubled", "**a**", spans{word("**a**")}},
		{"before a mark", "*a*, (_b_)", spans{of(bold, word("a")), word(", ("), of(italic, word("b")), word(")")}},
		{"snake_case_name", "snake_case_name", spans{word("snake_case_name")}},

		{"code", "`a*b*`", spans{of(code, word("a*b*"))}},
		{"open code", "`a", spans{word("`a")}},
		{"code block", "```a\n`b` *c*```d", spans{of(slacktest.SpanCodeBlock, word("a\n`b` *c*")), word("d")}},
		{"mention in code", "`<@U1>`", spans{of(code, aim(slacktest.SpanUser, "U1", ""))}},

		{"quote", "> a\nb", spans{of(quote, word(" a\n")), word("b")}},
		{"escaped quote", "&gt; a", spans{of(quote, word(" a"))}},
		{"quote of all", "a\n>>> b\nc", spans{word("a\n"), of(quote, word(" b\nc"))}},
		{"no quote in a line", "a > b", spans{word("a > b")}},

		{"user", "<@U123>", spans{aim(slacktest.SpanUser, "U123", "")}},
		{"enterprise user with a label", "<@W123|ann>", spans{aim(slacktest.SpanUser, "W123", "ann")}},
		{"group", "<!subteam^S1|@approvers>", spans{aim(slacktest.SpanGroup, "S1", "@approvers")}},
		{"channel", "<#C1|random>", spans{aim(slacktest.SpanChannel, "C1", "random")}},
		{"here", "<!here>", spans{aim(slacktest.SpanSpecial, "here", "@here")}},
		{"everyone with a label", "<!everyone|x>", spans{aim(slacktest.SpanSpecial, "everyone", "x")}},
		{"the old word for channel", "<!group>", spans{aim(slacktest.SpanSpecial, "channel", "@channel")}},
		{"an unknown word", "<!crowd>", spans{word("<!crowd>")}},
		{"a lower-case ID", "<@u123>", spans{word("<@u123>")}},
		{"an ID of nothing", "<@U>", spans{word("<@U>")}},

		{"link", "<https://example.com/?a=1&amp;b=2>", spans{aim(slacktest.SpanLink, "https://example.com/?a=1&b=2", "https://example.com/?a=1&b=2")}},
		{"link with a label", "<https://example.com|a &lt; b>", spans{aim(slacktest.SpanLink, "https://example.com", "a < b")}},
		{"mail", "<mailto:ann@example.com|Ann>", spans{aim(slacktest.SpanLink, "mailto:ann@example.com", "Ann")}},
		{"any scheme", "<javascript:alert(1)|x>", spans{aim(slacktest.SpanLink, "javascript:alert(1)", "x")}},
		{"no link", "<b>", spans{word("<b>")}},
		{"an open bracket", "<https://example.com", spans{word("<"), aim(slacktest.SpanAutoLink, "https://example.com", "https://example.com")}},
		{"brackets in brackets", "<<@U1>>", spans{word("<"), aim(slacktest.SpanUser, "U1", ""), word(">")}},
		{"over a line's end in brackets", "<@U1\n>", spans{word("<@U1\n"), of(quote)}},
		{"bold link", "*<https://example.com|a*b>*", spans{of(bold, aim(slacktest.SpanLink, "https://example.com", "a*b"))}},

		{"bare URL", "see https://example.com/a.", spans{word("see "), aim(slacktest.SpanAutoLink, "https://example.com/a", "https://example.com/a"), word(".")}},
		{"bare URL before an entity", "https://example.com/&gt;x", spans{aim(slacktest.SpanAutoLink, "https://example.com/", "https://example.com/"), word(">x")}},
		{"no bare URL", "xhttps://example.com http://", spans{word("xhttps://example.com http://")}},

		{"date", "<!date^1795424400^{date_short} at {time}|23 Nov>", spans{{Kind: slacktest.SpanDate, Unix: 1795424400, Format: "{date_short} at {time}", Text: "23 Nov"}}},
		{"date with a link", "<!date^1^{date}^https://example.com|x>", spans{{Kind: slacktest.SpanDate, Unix: 1, Format: "{date}", Target: "https://example.com", Text: "x"}}},
		{"date without a fallback", "<!date^1^{date}>", spans{word("<!date^1^{date}>")}},
		{"date of no number", "<!date^soon^{date}|x>", spans{word("<!date^soon^{date}|x>")}},

		{"emoji", ":white_check_mark: :+1:", spans{{Kind: slacktest.SpanEmoji, Target: "white_check_mark"}, word(" "), {Kind: slacktest.SpanEmoji, Target: "+1"}}},
		{"a time", "at 10:30:00", spans{word("at 10:30:00")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := slacktest.ParseMrkdwn(tt.in)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(slacktest.Span{}, "Raw"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			if got := raw(got); got != tt.in {
				t.Errorf("joined: got %q, want %q", got, tt.in)
			}
		})
	}
}

func raw(spans []slacktest.Span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.Raw)
	}
	return b.String()
}

func TestPlainText(t *testing.T) {
	in := "*Hi* <@U1|ann>, <https://example.com|see> `x &lt; y` :tada: <!date^1^{date}|today>"
	if got, want := slacktest.PlainText(slacktest.ParseMrkdwn(in)), "Hi ann, see x < y :tada: today"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Parsing hostile text takes near-linear time.
func TestParseMrkdwnHostile(t *testing.T) {
	const length = 100_000 // more than twice the limit of a message
	for _, piece := range []string{"*a ", "_", "~a", "`a ", "```", "<", "<a", "<@U1", ":", ":a", "http://", "*_~`<:", "http://&lt;", ">", "&gt;", "a*", "``` \n", "*<a>"} {
		in := strings.Repeat(piece, length/len(piece))
		began := time.Now()
		spans := slacktest.ParseMrkdwn(in)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%d bytes of %q took %v", length, piece, took)
		}
		if raw(spans) != in {
			t.Errorf("the Raw fields of %q do not join to the source", piece)
		}
	}
}

// Raw fields join to their source at every level, and escaped text never yields a
// control sequence.
func FuzzParseMrkdwn(f *testing.F) {
	for _, s := range []string{
		"*a _b_* ~c~ `d`", "```a\nb``` > c", ">>> *x*\n_y_", "<@U1> <!here> <!subteam^S1|@x>", "<https://example.com|x>",
		"<!date^1^{date}|x>", ":tada:", "https://example.com/&amp;", "*<a*b>*", "\xff*\xfe*", "&gt;&gt;&gt; x", "**", "*é*é",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		spans := slacktest.ParseMrkdwn(s)
		if got := raw(spans); got != s {
			t.Fatalf("joined: got %q, want %q", got, s)
		}
		slacktest.WalkSpans(spans, func(span slacktest.Span) {
			if inner := raw(span.Children); !strings.Contains(span.Raw, inner) {
				t.Errorf("%q does not contain its children %q", span.Raw, inner)
			}
			if span.Raw == "" {
				t.Errorf("%q has an empty span", s)
			}
		})
		slacktest.WalkSpans(slacktest.ParseMrkdwn(slackutilsx.EscapeMessage(s)), func(span slacktest.Span) {
			if span.Control() {
				t.Errorf("escaped, %q still has %s %q", s, span.Kind, span.Raw)
			}
		})
	})
}
