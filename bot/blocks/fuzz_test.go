package blocks_test

import (
	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzOutsideText puts one text into every field that a launch controls. The messages
// must have the same blocks, fields, mentions and links as with a harmless text.
func FuzzOutsideText(f *testing.F) {
	for _, s := range []string{
		"<!channel>", "<!here|x>", "<@U0VICTIM>", "<!subteam^S0VICTIM>", "<#C0SECRET>", "<https://evil.example.com|Approve>", "https://evil.example.com",
		"*Approvals*\n2 of 2", "`<!here>`", "```\n<!here>```", "&lt;!channel&gt;", "&amp;lt;!here&amp;gt;", "<!date^0^{date}^https://evil.example.com|x>", "\u202Egnp.exe",
		"\x00<\x00!here>", "\xff<!here>", "<\u200b!here>", "_~*`", "> quote\n>>> more", "@channel", "mailto:a@example.com", "\r\n*Account*\r\n1", ":rotating_light:", strings.Repeat("<!here>", 900),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if handle.OneLine(text, 20) == "" {
			return // an empty field is not shown
		}
		for event := range 6 {
			got, want := render(t, text, event), render(t, "harmless", event)
			if len(got) != len(want) {
				t.Fatalf("%d views, want %d", len(got), len(want))
			}
			for i := range got {
				if g, w := shape(t, got[i]), shape(t, want[i]); g != w {
					t.Errorf("view %d, event %d: got\n%s\nwith a harmless text\n%s", i, event, g, w)
				}
			}
		}
	})
}

// render returns every message about a request whose fields all hold text, after
// event.
func render(t *testing.T, text string, event int) []blocks.View {
	r, at := sample(), start.Add(time.Hour)
	r.Product = handle.Product{Name: text, ID: text, Version: text, Portfolio: text, Provisioned: text}
	r.Requester = handle.Requester{Email: "rita@example.com", Principal: "arn:aws:sts::1:assumed-role/R/s" + text, LookedUp: true}
	r.Purpose, r.Stack.Name, r.Stack.Account = text, text, text
	r.Details, r.Parameters = []handle.Field{{Name: text, Value: text}}, []handle.Field{{Name: text, Value: text}}
	var err error
	switch event {
	case 1:
		r, err = r.VoteBySlack(voter(ann), handle.Reject, "no: "+text, at)
	case 2:
		r, err = r.VoteByMail("x"+text, handle.Reject, "no: "+text, at)
	case 3:
		r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: at, Outputs: []handle.Field{{Name: text, Value: text}}})
	case 4:
		r = r.Withdraw(text, at).RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at, Reason: text})
	case 5:
		r = r.RecordBypass("the stack reached CREATE_COMPLETE while the request was pending", at) // never outside text
	}
	if err != nil {
		t.Fatal(err)
	}
	views := []blocks.View{blocks.Message(r), blocks.AskDirect(r)}
	for _, o := range r.Notifications() {
		views = append(views, blocks.Notification(r, o, false), blocks.Notification(r, o, true))
	}
	return views
}

// shape describes a view without its text: its blocks, its fields, and Slack's control
// sequences.
func shape(t *testing.T, v blocks.View) string {
	valid(t, v)
	b, err := json.Marshal(v.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			out.WriteString("[")
			for _, e := range v {
				walk(e)
			}
			out.WriteString("]")
		case map[string]any:
			kind, _ := v["type"].(string)
			text, isText := v["text"].(string)
			out.WriteString("{" + kind)
			if isText && kind == "mrkdwn" {
				if v["verbatim"] != true {
					t.Errorf("not verbatim, so Slack may add links and mentions to %q", text)
				}
				out.WriteString(lines(text) + spans(text) + brackets(text))
			}
			for _, name := range []string{"text", "fields", "elements", "accessory", "blocks", "url"} {
				walk(v[name])
			}
			out.WriteString("}")
		}
	}
	var blocks any
	if err := json.Unmarshal(b, &blocks); err != nil {
		t.Fatal(err)
	}
	walk(blocks)
	// Styles in the notification text cannot reach beyond it, so only control sequences count.
	slacktest.WalkSpans(slacktest.ParseMrkdwn(v.Text), func(span slacktest.Span) {
		if span.Control() {
			out.WriteString(" " + string(span.Kind) + " " + span.Target)
		}
	})
	return out.String() + brackets(v.Text)
}

func lines(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) }

// brackets returns the characters of s that begin and end control sequences, and its
// unescaped ampersands.
func brackets(s string) string {
	bare := strings.Count(s, "&") - strings.Count(s, "&amp;") - strings.Count(s, "&lt;") - strings.Count(s, "&gt;")
	return strings.Repeat("<", strings.Count(s, "<")) + strings.Repeat(">", strings.Count(s, ">")) + strings.Repeat("&", bare)
}

func spans(s string) string {
	var out strings.Builder
	slacktest.WalkSpans(slacktest.ParseMrkdwn(s), func(span slacktest.Span) {
		if span.Control() || span.Kind == slacktest.SpanCodeBlock || span.Kind == slacktest.SpanQuote {
			out.WriteString(" " + string(span.Kind) + " " + span.Target)
		}
	})
	return out.String()
}
