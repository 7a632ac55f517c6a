package page

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
)

var tags = regexp.MustCompile(`<[^<>]*>`)

// visible returns the text of HTML.
func visible(rendered string) string { return html.UnescapeString(tags.ReplaceAllString(rendered, "")) }

// elements returns the distinct element names in HTML, in order.
func elements(rendered string) []string {
	var names []string
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`<([a-zA-Z0-9]+)`).FindAllStringSubmatch(rendered, -1) {
		if !seen[m[1]] {
			seen[m[1]] = true
			names = append(names, m[1])
		}
	}
	return names
}

func readerForAnn() reader { return reader{names: sampleNames(), viewer: sandbox.Ann} }

func renderBlocks(t testing.TB, r reader, blocks string) string {
	t.Helper()
	read, err := r.blocks(json.RawMessage(blocks))
	if err != nil {
		t.Fatalf("couldn't read %s: %v", blocks, err)
	}
	rendered, err := render("blocks", read)
	if err != nil {
		t.Fatalf("couldn't render %s: %v", blocks, err)
	}
	return rendered
}

func TestText(t *testing.T) {
	section := func(text string) string {
		b, _ := json.Marshal([]any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text}}})
		return string(b)
	}
	for _, test := range []struct {
		name, blocks, want string
		has                []string // elements and attributes
	}{
		{"words", section("a &lt;b&gt; &amp; c"), "a <b> & c", nil},
		{"bold, italic, struck, code", section("*a* _b_ ~c~ `d`"), "a b c d", []string{"<strong>", "<em>", "<s>", "<code>"}},
		{"a person", section("<@U0RITA> asks"), "@Rita Requester asks", []string{`class="mention"`}},
		{"the viewer", section("<@U0ANN>"), "@Ann Approver", []string{`class="mention mine"`}},
		{"a group with the viewer in it", section("<!subteam^S0PLATFORM>"), "@platform-approvers", []string{`class="mention mine"`}},
		{"an unknown person", section("<@U0UNKNOWN>"), "@U0UNKNOWN", nil},
		{"a date", section("<!date^1772442000^{date_short_pretty} {time}|2026-03-02 09:00 UTC>"), "2026-03-02 09:00 UTC",
			[]string{`datetime="2026-03-02T09:00:00Z"`, `data-format="{date_short_pretty} {time}"`}},
		{"a link", section("<https://a.example/?x=1&amp;y=2|here>"), "here", []string{`href="https://a.example/?x=1&amp;y=2"`, `rel="noopener noreferrer"`}},
		{"a link with an unsafe scheme", section("<javascript:alert(1)|here>"), "here", []string{`href="#ZgotmplZ"`}},
		{"emoji", section(":warning: :unheard_of:"), "⚠️ :unheard_of:", nil},
		{"lines", section("a\nb"), "a\nb", nil},
		{"plain text is literal", `[{"type":"header","text":{"type":"plain_text","text":"*a* <@U0ANN> :warning: <b>"}}]`, "*a* <@U0ANN> :warning: <b>", nil},
		{"plain text with emoji", `[{"type":"header","text":{"type":"plain_text","text":"*a* :warning:","emoji":true}}]`, "*a* ⚠️", nil},
		{"verbatim", `[{"type":"section","text":{"type":"mrkdwn","text":"https://a.example","verbatim":true}}]`, "https://a.example", nil},
		{"fields", `[{"type":"section","fields":[{"type":"mrkdwn","text":"*A*\nb"},{"type":"plain_text","text":"*c*"}]}]`, "A\nb*c*", nil},
		{"context", `[{"type":"context","elements":[{"type":"mrkdwn","text":"_a_"},{"type":"plain_text","text":"_b_"}]}]`, "a_b_", nil},
		{"an unknown block", `[{"type":"table","rows":[]}]`, "Block of type table (not rendered here)", nil},
		{"an unknown element", `[{"type":"actions","elements":[{"type":"datepicker","action_id":"d"}]}]`, "Element of type datepicker (not rendered here)", nil},
	} {
		rendered := renderBlocks(t, readerForAnn(), test.blocks)
		if got := visible(rendered); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		for _, has := range test.has {
			if !strings.Contains(rendered, has) {
				t.Errorf("%s: %s is not in %s", test.name, has, rendered)
			}
		}
	}
	if rendered := renderBlocks(t, readerForAnn(), `[{"type":"section","text":{"type":"mrkdwn","text":"https://a.example","verbatim":true}}]`); strings.Contains(rendered, "<a ") {
		t.Errorf("verbatim: got a link in %s", rendered)
	}
}

func TestInvalidBlocksAreAnError(t *testing.T) {
	if _, err := readerForAnn().blocks(json.RawMessage(`{"type":"section"}`)); err == nil {
		t.Error("an object instead of a list: got no error")
	}
	if got, err := readerForAnn().blocks(nil); got != nil || err != nil {
		t.Errorf("no blocks: got %v, %v; want none", got, err)
	}
}

func TestButton(t *testing.T) {
	const blocks = `[{"type":"actions","block_id":"decide","elements":[{"type":"button","action_id":"approve","style":"primary","value":"secret",
		"accessibility_label":"Approve the launch","text":{"type":"plain_text","text":"Approve"}}]}]`
	inert := renderBlocks(t, readerForAnn(), blocks)
	for _, absent := range []string{"data-do", "secret"} {
		if strings.Contains(inert, absent) {
			t.Errorf("a button without a surface has %s: %s", absent, inert)
		}
	}
	live := readerForAnn()
	live.on = surface{Channel: "C1", TS: "1.2"}
	live.failed = map[string]string{"approve": "operation failed"}
	rendered := renderBlocks(t, live, blocks)
	for _, want := range []string{
		`class="slack-button primary"`, `aria-label="Approve the launch"`, `data-do="click"`, `data-channel="C1"`, `data-ts="1.2"`,
		`data-block="decide"`, `data-action="approve"`, `operation failed`,
	} {
		if !strings.Contains(rendered, want) {
			t.Errorf("a button that was clicked has no %s: %s", want, rendered)
		}
	}
}

func TestModal(t *testing.T) {
	v := slacktest.View{
		ID: "V1", Title: "Why & how", Submit: "Reject", Blocks: json.RawMessage(`[
		{"type":"input","block_id":"reason","label":{"type":"plain_text","text":"Why?"},"hint":{"type":"plain_text","text":"They read it."},
		 "element":{"type":"plain_text_input","action_id":"typed","multiline":true,"max_length":500,"focus_on_load":true,"placeholder":{"type":"plain_text","text":"Because"}}},
		{"type":"input","block_id":"kind","optional":true,"label":{"type":"plain_text","text":"Kind"},
		 "element":{"type":"static_select","action_id":"chosen","placeholder":{"type":"plain_text","text":"None"},"options":[
		  {"text":{"type":"plain_text","text":"Cost"},"value":"cost"},{"text":{"type":"plain_text","text":"Other"},"value":"other"}]}}]`),
		Values: map[string]map[string]string{"reason": {"typed": "</textarea><script>"}, "kind": {"chosen": "other"}},
		Errors: map[string]string{"reason": "Say <more>."},
		Notice: "We had some trouble connecting. Try again?",
	}
	m := readerForAnn().modal(v)
	if m.Close != "Cancel" {
		t.Errorf("the close button's label: got %q, want Cancel", m.Close)
	}
	rendered, err := render("modal", &m)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`data-view="V1"`, "Why &amp; how", `data-block="reason"`, `data-input="typed"`, `maxlength="500"`, "autofocus", `placeholder="Because"`,
		"&lt;/textarea&gt;&lt;script&gt;", "Say &lt;more&gt;.", `aria-invalid="true"`, "They read it.", `<option value="other" selected>Other</option>`,
		`Kind <small>optional</small>`, "We had some trouble connecting.",
	} {
		if !strings.Contains(rendered, want) {
			t.Errorf("%s is not in %s", want, rendered)
		}
	}
	closed, err := render("modal", (*modal)(nil))
	if err != nil || strings.Contains(closed, "<form") {
		t.Errorf("no modal: got %s, %v", closed, err)
	}
}

// No text becomes markup of the page, whichever field it is in.
func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "&lt;script&gt;", "<https://a|<b>>", "<!date^1^{time}^javascript:x|y>",
		"```<b>```", "`*_~", "<@U0ANN|<i>>", "javascript:alert(1)", "\u202e", "{{.}}",
	} {
		f.Add(seed)
	}
	known := map[string]bool{"div": true, "p": true, "strong": true, "em": true, "s": true, "code": true, "span": true, "a": true, "time": true, "button": true, "small": true}
	f.Fuzz(func(t *testing.T, s string) {
		text := map[string]any{"type": "mrkdwn", "text": s}
		plain := map[string]any{"type": "plain_text", "text": s}
		b, err := json.Marshal([]any{
			map[string]any{"type": "header", "text": plain},
			map[string]any{"type": "section", "text": text, "fields": []any{text, plain}},
			map[string]any{"type": "actions", "elements": []any{map[string]any{"type": "button", "text": plain, "action_id": s, "accessibility_label": s, "url": s}}},
			map[string]any{"type": s},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := readerForAnn()
		r.on = surface{Channel: s, TS: s}
		rendered := renderBlocks(t, r, string(b))
		for _, name := range elements(rendered) {
			if !known[name] {
				t.Errorf("%q made a <%s>: %s", s, name, rendered)
			}
		}
		for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(rendered, -1) {
			scheme, _, found := strings.Cut(m[1], ":")
			if safe := map[string]bool{"http": true, "https": true, "mailto": true}; found && !strings.ContainsAny(scheme, "/?#") && !safe[strings.ToLower(scheme)] {
				t.Errorf("%q made a link to %s", s, m[1])
			}
		}
	})
}

func TestThreadsAndEphemeralMessages(t *testing.T) {
	bot := func(ts, thread, text string) slacktest.Message {
		return slacktest.Message{ChannelID: "C1", TS: ts, ThreadTS: thread, UserID: sandbox.BotUser, Text: text}
	}
	root, later := bot("100.000001", "", "first"), bot("300.000001", "", "second")
	root.Replies = []slacktest.Message{bot("110.000001", root.TS, "reply")}
	root.Reactions = []slacktest.Reaction{{Name: "eyes", Count: 2}}
	later.Notified, later.Edited = []string{sandbox.Ann}, true
	private := []slacktest.Message{bot("120.000001", root.TS, "only in the thread"), bot("200.000001", "", "only to you")}
	for i := range private {
		private[i].Ephemeral = true
	}
	got := readerForAnn().read([]slacktest.Message{root, later}, private, buttonErrors{})
	var lines []string
	var list func(indent string, messages []message)
	list = func(indent string, messages []message) {
		for _, m := range messages {
			line := indent + m.Text.Plain
			if m.Private {
				line += " (private)"
			}
			if m.ForMe {
				line += " (for me)"
			}
			lines = append(lines, line)
			list(indent+"  ", m.Replies)
		}
	}
	list("", got)
	want := []string{"first", "  reply", "  only in the thread (private)", "only to you (private)", "second (for me)"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	rendered, err := render("message", got[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 replies", "👀 2", "Only visible to you", `<span class="app-tag">`} {
		if !strings.Contains(rendered, want) {
			t.Errorf("%s is not in %s", want, rendered)
		}
	}
	if rendered, _ := render("message", got[2]); !strings.Contains(rendered, "(edited)") {
		t.Errorf("an edited message is not marked: %s", rendered)
	}
}

func TestButtonErrorIsClearedByNextClick(t *testing.T) {
	var log buttonErrorLog
	f := buttonError{person: sandbox.Ann, on: surface{Channel: "C1", TS: "1"}, action: "approve"}
	log.set(f, "operation failed")
	if diff := cmp.Diff(map[string]string{"approve": "operation failed"}, log.snapshot().on(f.person, f.on)); diff != "" {
		t.Errorf("after a failure (-want +got)\n%s", diff)
	}
	if got := log.snapshot().on(sandbox.Bob, f.on); len(got) != 0 {
		t.Errorf("another person sees %v", got)
	}
	before := log.version()
	log.set(f, "")
	if got := log.snapshot().on(f.person, f.on); len(got) != 0 || log.version() == before {
		t.Errorf("after the next click: got %v, version %d after %d", got, log.version(), before)
	}
	for i := range 3 * maxButtonErrors {
		log.set(buttonError{action: strings.Repeat("x", i)}, "operation failed")
	}
	if n := len(log.snapshot().marks); n > maxButtonErrors {
		t.Errorf("%d errors are kept, more than %d", n, maxButtonErrors)
	}
}
