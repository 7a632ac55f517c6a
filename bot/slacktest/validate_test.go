package slacktest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

// Templates of blocks for the tables.
const (
	button  = `{"type":"button","action_id":"a","text":{"type":"plain_text","text":"Go"}%s}`
	actions = `[{"type":"actions","elements":[%s]}]`
	input   = `[{"type":"input","label":{"type":"plain_text","text":"L"},"element":%s}]`
)

func repeat(c string, times int) string { return strings.Repeat(c, times) }

func withButton(more string) string { return fmt.Sprintf(actions, fmt.Sprintf(button, more)) }

func withInput(element string) string { return fmt.Sprintf(input, element) }

func withSection(text string) string {
	return fmt.Sprintf(`[{"type":"section","text":{"type":"mrkdwn","text":"%s"}}]`, text)
}

func buttonsNamed(count int) string {
	var list []string
	for i := range count {
		list = append(list, fmt.Sprintf(`{"type":"button","action_id":"a%d","text":{"type":"plain_text","text":"Go"}}`, i))
	}
	return fmt.Sprintf(actions, strings.Join(list, ","))
}

func fields(count int, text string) string {
	f := fmt.Sprintf(`{"type":"mrkdwn","text":"%s"}`, text)
	return `[{"type":"section","fields":[` + strings.TrimSuffix(repeat(f+",", count), ",") + `]}]`
}

func options(count int) string {
	var list []string
	for i := range count {
		list = append(list, fmt.Sprintf(`{"text":{"type":"plain_text","text":"o"},"value":"v%d"}`, i))
	}
	return `"options":[` + strings.Join(list, ",") + `]`
}

func repeated(block string, count int) string {
	return "[" + strings.TrimSuffix(repeat(block+",", count), ",") + "]"
}

func TestValidateMessage(t *testing.T) {
	const divider = `{"type":"divider"}`
	tests := []struct {
		name, blocks string
		want         string // the first problem; empty for none
	}{
		// The array.
		{"no blocks", `[]`, ""},
		{"50 blocks", repeated(divider, 50), ""},
		{"51 blocks", repeated(divider, 51), "no more than 50 items allowed [json-pointer:/blocks]"},
		{"no array", `{}`, "must provide an array [json-pointer:/blocks]"},
		{"null", `null`, "must provide an array [json-pointer:/blocks]"},
		{"no JSON", `[`, "must provide an array [json-pointer:/blocks]"},
		{"a block that is a string", `["x"]`, "must provide an object [json-pointer:/blocks/0]"},
		{"a block without a type", `[{}]`, "missing required field: type [json-pointer:/blocks/0]"},
		{"an unknown block", `[{"type":"spaceship"}]`, "unsupported type: spaceship [json-pointer:/blocks/0/type]"},
		{"a block not simulated", `[{"type":"rich_text","elements":[]}]`, "unsupported type: rich_text [json-pointer:/blocks/0/type]"},
		{"an unknown property", `[{"type":"divider","colour":"red"}]`, "invalid additional property: colour [json-pointer:/blocks/0]"},
		{"block_id of 255", `[{"type":"divider","block_id":"` + repeat("b", 255) + `"}]`, ""},
		{"block_id of 256", `[{"type":"divider","block_id":"` + repeat("b", 256) + `"}]`, "must be less than 256 characters [json-pointer:/blocks/0/block_id]"},
		{"a block_id twice", `[{"type":"divider","block_id":"x"},{"type":"divider","block_id":"x"}]`, `block_id "x" already exists [json-pointer:/blocks/1/block_id]`},

		// Section.
		{"section of 3,000", withSection(repeat("é", 3000)), ""},
		{"section of 3,001", withSection(repeat("é", 3001)), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"},
		{"empty section", withSection(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"},
		{"section of nothing", `[{"type":"section"}]`, "missing required field: text [json-pointer:/blocks/0]"},
		{"section text as a string", `[{"type":"section","text":"x"}]`, "must provide an object [json-pointer:/blocks/0/text]"},
		{"section text of a wrong type", `[{"type":"section","text":{"type":"html","text":"x"}}]`, "unsupported type: html [json-pointer:/blocks/0/text/type]"},
		{"emoji on mrkdwn", `[{"type":"section","text":{"type":"mrkdwn","text":"x","emoji":true}}]`, "invalid additional property: emoji [json-pointer:/blocks/0/text]"},
		{"verbatim on plain_text", `[{"type":"section","text":{"type":"plain_text","text":"x","verbatim":true}}]`, "invalid additional property: verbatim [json-pointer:/blocks/0/text]"},
		{"10 fields of 2,000", fields(10, repeat("x", 2000)), ""},
		{"11 fields", fields(11, "x"), "no more than 10 items allowed [json-pointer:/blocks/0/fields]"},
		{"no fields", `[{"type":"section","fields":[]}]`, "no less than 1 items allowed [json-pointer:/blocks/0/fields]"},
		{"field of 2,001", fields(1, repeat("x", 2001)), "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"},
		{"accessory", `[{"type":"section","text":{"type":"mrkdwn","text":"x"},"accessory":` + fmt.Sprintf(button, "") + `}]`, ""},
		{"accessory that is an input", `[{"type":"section","text":{"type":"mrkdwn","text":"x"},"accessory":{"type":"plain_text_input"}}]`, "unsupported type: plain_text_input [json-pointer:/blocks/0/accessory/type]"},

		// Header, context, image, markdown, table.
		{"header of 150", `[{"type":"header","text":{"type":"plain_text","text":"` + repeat("x", 150) + `"}}]`, ""},
		{"header of 151", `[{"type":"header","text":{"type":"plain_text","text":"` + repeat("x", 151) + `"}}]`, "must be less than 151 characters [json-pointer:/blocks/0/text/text]"},
		{"header in mrkdwn", `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`, "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]"},
		{"10 context elements", `[{"type":"context","elements":` + repeated(`{"type":"mrkdwn","text":"x"}`, 10) + `}]`, ""},
		{"11 context elements", `[{"type":"context","elements":` + repeated(`{"type":"mrkdwn","text":"x"}`, 11) + `}]`, "no more than 10 items allowed [json-pointer:/blocks/0/elements]"},
		{"no context elements", `[{"type":"context","elements":[]}]`, "no less than 1 items allowed [json-pointer:/blocks/0/elements]"},
		{"a button in a context", `[{"type":"context","elements":[` + fmt.Sprintf(button, "") + `]}]`, "unsupported type: button [json-pointer:/blocks/0/elements/0/type]"},
		{"image", `[{"type":"image","image_url":"https://example.com/a.png","alt_text":"a"}]`, ""},
		{"image without alt_text", `[{"type":"image","image_url":"https://example.com/a.png"}]`, "missing required field: alt_text [json-pointer:/blocks/0]"},
		{"image without a URL", `[{"type":"image","image_url":"a.png","alt_text":"a"}]`, "invalid url [json-pointer:/blocks/0/image_url]"},
		{"markdown of 12,000", `[{"type":"markdown","text":"` + repeat("x", 12000) + `"}]`, ""},
		{"markdown of 12,001", `[{"type":"markdown","text":"` + repeat("x", 12001) + `"}]`, "must be less than 12001 characters [json-pointer:/blocks/0/text]"},
		{"table", `[{"type":"table","rows":[[{"type":"raw_text","text":"x"},{"type":"raw_number","value":1}]]}]`, ""},
		{"two tables", repeated(`{"type":"table","rows":[[{"type":"raw_text","text":"x"}]]}`, 2), "only one table is allowed in a message [json-pointer:/blocks/1]"},
		{"table of 21 columns", `[{"type":"table","rows":[` + repeated(`{"type":"raw_text","text":"x"}`, 21) + `]}]`, "no more than 20 items allowed [json-pointer:/blocks/0/rows/0]"},
		{"table of 101 rows", `[{"type":"table","rows":` + repeated(`[{"type":"raw_text","text":"x"}]`, 101) + `}]`, "no more than 100 items allowed [json-pointer:/blocks/0/rows]"},

		// Actions and buttons.
		{"25 buttons", buttonsNamed(25), ""},
		{"26 buttons", buttonsNamed(26), "no more than 25 items allowed [json-pointer:/blocks/0/elements]"},
		{"no buttons", fmt.Sprintf(actions, ""), "no less than 1 items allowed [json-pointer:/blocks/0/elements]"},
		{"an action_id twice", fmt.Sprintf(actions, fmt.Sprintf(button, "")+","+fmt.Sprintf(button, "")), `action_id "a" already exists in this block [json-pointer:/blocks/0/elements/1/action_id]`},
		{"an action_id in two blocks", strings.TrimSuffix(withButton(""), "]") + "," + strings.TrimPrefix(withButton(""), "["), ""},
		{"button text of 75", fmt.Sprintf(actions, `{"type":"button","text":{"type":"plain_text","text":"`+repeat("x", 75)+`"}}`), ""},
		{"button text of 76", fmt.Sprintf(actions, `{"type":"button","text":{"type":"plain_text","text":"`+repeat("x", 76)+`"}}`), "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]"},
		{"button text in mrkdwn", fmt.Sprintf(actions, `{"type":"button","text":{"type":"mrkdwn","text":"x"}}`), "unsupported type: mrkdwn [json-pointer:/blocks/0/elements/0/text/type]"},
		{"button without text", fmt.Sprintf(actions, `{"type":"button"}`), "missing required field: text [json-pointer:/blocks/0/elements/0]"},
		{"action_id of 256", fmt.Sprintf(actions, `{"type":"button","action_id":"`+repeat("x", 256)+`","text":{"type":"plain_text","text":"x"}}`), "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]"},
		{"value of 2,000", withButton(`,"value":"` + repeat("x", 2000) + `"`), ""},
		{"value of 2,001", withButton(`,"value":"` + repeat("x", 2001) + `"`), "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]"},
		{"value that is a number", withButton(`,"value":1`), "must provide a string [json-pointer:/blocks/0/elements/0/value]"},
		{"url of 3,000", withButton(`,"url":"https://example.com/` + repeat("x", 2980) + `"`), ""},
		{"url of 3,001", withButton(`,"url":"https://example.com/` + repeat("x", 2981) + `"`), "must be less than 3001 characters [json-pointer:/blocks/0/elements/0/url]"},
		{"url that is none", withButton(`,"url":"example"`), "invalid url [json-pointer:/blocks/0/elements/0/url]"},
		{"style primary", withButton(`,"style":"primary"`), ""},
		{"style default", withButton(`,"style":"default"`), "must be one of the allowed values: [primary danger] [json-pointer:/blocks/0/elements/0/style]"},
		{"accessibility_label of 76", withButton(`,"accessibility_label":"` + repeat("x", 76) + `"`), "must be less than 76 characters [json-pointer:/blocks/0/elements/0/accessibility_label]"},
		{"visible_to_user_ids", withButton(`,"visible_to_user_ids":["U1"]`), "invalid additional property: visible_to_user_ids [json-pointer:/blocks/0/elements/0]"},
		{"confirm", withButton(confirmOf(100, 300, 30, 30)), ""},
		{"confirm title of 101", withButton(confirmOf(101, 300, 30, 30)), "must be less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]"},
		{"confirm text of 301", withButton(confirmOf(100, 301, 30, 30)), "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]"},
		{"confirm button of 31", withButton(confirmOf(100, 300, 31, 30)), "must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/confirm/text]"},
		{"deny button of 31", withButton(confirmOf(100, 300, 30, 31)), "must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/deny/text]"},
		{"an input in actions", fmt.Sprintf(actions, `{"type":"plain_text_input"}`), "unsupported type: plain_text_input [json-pointer:/blocks/0/elements/0/type]"},

		// Menus, checkboxes and radio buttons.
		{"overflow of 5", fmt.Sprintf(actions, `{"type":"overflow",`+options(5)+`}`), ""},
		{"overflow of 6", fmt.Sprintf(actions, `{"type":"overflow",`+options(6)+`}`), "no more than 5 items allowed [json-pointer:/blocks/0/elements/0/options]"},
		{"menu of 100", withInput(`{"type":"static_select",` + options(100) + `}`), ""},
		{"menu of 101", withInput(`{"type":"static_select",` + options(101) + `}`), "no more than 100 items allowed [json-pointer:/blocks/0/element/options]"},
		{"menu of nothing", withInput(`{"type":"static_select"}`), "must provide either options or option_groups [json-pointer:/blocks/0/element]"},
		{"a value twice", withInput(`{"type":"static_select","options":` + repeated(`{"text":{"type":"plain_text","text":"o"},"value":"v"}`, 2) + `}`), `option value "v" must be unique [json-pointer:/blocks/0/element]`},
		{"initial option", withInput(`{"type":"static_select",` + options(2) + `,"initial_option":{"text":{"type":"plain_text","text":"o"},"value":"v1"}}`), ""},
		{"initial option that is none", withInput(`{"type":"static_select",` + options(2) + `,"initial_option":{"text":{"type":"plain_text","text":"o"},"value":"v2"}}`), "initial option must exactly match one of the options [json-pointer:/blocks/0/element]"},
		{"option value of 76", withInput(`{"type":"static_select","options":[{"text":{"type":"plain_text","text":"o"},"value":"` + repeat("x", 76) + `"}]}`), "must be less than 76 characters [json-pointer:/blocks/0/element/options/0/value]"},
		{"option text of 76", withInput(`{"type":"static_select","options":[{"text":{"type":"plain_text","text":"` + repeat("x", 76) + `"},"value":"v"}]}`), "must be less than 76 characters [json-pointer:/blocks/0/element/options/0/text/text]"},
		{"placeholder of 151", withInput(`{"type":"static_select",` + options(1) + `,"placeholder":{"type":"plain_text","text":"` + repeat("x", 151) + `"}}`), "must be less than 151 characters [json-pointer:/blocks/0/element/placeholder/text]"},
		{"11 radio buttons", withInput(`{"type":"radio_buttons",` + options(11) + `}`), "no more than 10 items allowed [json-pointer:/blocks/0/element/options]"},
		{"date", withInput(`{"type":"datepicker","initial_date":"2026-11-23"}`), ""},
		{"no date", withInput(`{"type":"datepicker","initial_date":"23.11.2026"}`), "must be a valid date [json-pointer:/blocks/0/element/initial_date]"},

		// Input.
		{"input", withInput(`{"type":"plain_text_input","max_length":3000,"min_length":1,"multiline":true}`), ""},
		{"input without a label", `[{"type":"input","element":{"type":"plain_text_input"}}]`, "missing required field: label [json-pointer:/blocks/0]"},
		{"input without an element", `[{"type":"input","label":{"type":"plain_text","text":"L"}}]`, "missing required field: element [json-pointer:/blocks/0]"},
		{"input of a button", withInput(fmt.Sprintf(button, "")), "unsupported type: button [json-pointer:/blocks/0/element/type]"},
		{"label in mrkdwn", `[{"type":"input","label":{"type":"mrkdwn","text":"L"},"element":{"type":"plain_text_input"}}]`, "unsupported type: mrkdwn [json-pointer:/blocks/0/label/type]"},
		{"label of 2,001", `[{"type":"input","label":{"type":"plain_text","text":"` + repeat("x", 2001) + `"},"element":{"type":"plain_text_input"}}]`, "must be less than 2001 characters [json-pointer:/blocks/0/label/text]"},
		{"max_length of 3,001", withInput(`{"type":"plain_text_input","max_length":3001}`), "must be from 1 to 3000 [json-pointer:/blocks/0/element/max_length]"},
		{"max_length of 0", withInput(`{"type":"plain_text_input","max_length":0}`), "must be from 1 to 3000 [json-pointer:/blocks/0/element/max_length]"},
		{"max_length of 1.5", withInput(`{"type":"plain_text_input","max_length":1.5}`), "must provide an integer [json-pointer:/blocks/0/element/max_length]"},
		{"min over max", withInput(`{"type":"plain_text_input","min_length":9,"max_length":8}`), "min_length must not be greater than max_length [json-pointer:/blocks/0/element]"},
		{"optional as text", `[{"type":"input","optional":"yes","label":{"type":"plain_text","text":"L"},"element":{"type":"plain_text_input"}}]`, "must provide a boolean [json-pointer:/blocks/0/optional]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problems := slacktest.ValidateMessage(json.RawMessage(tt.blocks))
			var got string
			if len(problems) > 0 {
				got = problems[0].Error()
			}
			if got != tt.want || tt.want != "" && len(problems) != 1 {
				t.Errorf("got %q of %d, want %q alone", got, len(problems), tt.want)
			}
		})
	}
}

func confirmOf(title, text, yes, no int) string {
	return fmt.Sprintf(`,"confirm":{"title":{"type":"plain_text","text":"%s"},"text":{"type":"mrkdwn","text":"%s"},
		"confirm":{"type":"plain_text","text":"%s"},"deny":{"type":"plain_text","text":"%s"}}`,
		repeat("x", title), repeat("x", text), repeat("x", yes), repeat("x", no))
}

func TestValidateView(t *testing.T) {
	view := func(change func(map[string]any)) string {
		v := map[string]any{
			"type": "modal", "title": map[string]any{"type": "plain_text", "text": "T"},
			"blocks": []any{map[string]any{"type": "divider"}},
		}
		change(v)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	set := func(name string, value any) string { return view(func(v map[string]any) { v[name] = value }) }
	plain := func(chars int) any { return map[string]any{"type": "plain_text", "text": repeat("x", chars)} }
	dividers := func(count int) any {
		var list []any
		for range count {
			list = append(list, map[string]any{"type": "divider"})
		}
		return list
	}
	inputs := func(focused int) any {
		var list []any
		for range max(focused, 1) {
			list = append(list, map[string]any{"type": "input", "label": plain(1),
				"element": map[string]any{"type": "plain_text_input", "focus_on_load": focused > 0}})
		}
		return list
	}
	withInputs := func(focused int, submit any) string {
		return view(func(v map[string]any) {
			v["blocks"] = inputs(focused)
			if submit != nil {
				v["submit"] = submit
			}
		})
	}
	tests := []struct{ name, view, want string }{
		{"modal", view(func(map[string]any) {}), ""},
		{"home", `{"type":"home","blocks":[]}`, ""},
		{"title of 24", set("title", plain(24)), ""},
		{"title of 25", set("title", plain(25)), "must be less than 25 characters [json-pointer:/view/title/text]"},
		{"no title", view(func(v map[string]any) { delete(v, "title") }), "missing required field: title [json-pointer:/view]"},
		{"title in mrkdwn", set("title", map[string]any{"type": "mrkdwn", "text": "x"}), "unsupported type: mrkdwn [json-pointer:/view/title/type]"},
		{"submit of 25", set("submit", plain(25)), "must be less than 25 characters [json-pointer:/view/submit/text]"},
		{"close of 25", set("close", plain(25)), "must be less than 25 characters [json-pointer:/view/close/text]"},
		{"private_metadata of 3,000", set("private_metadata", repeat("x", 3000)), ""},
		{"private_metadata of 3,001", set("private_metadata", repeat("x", 3001)), "must be less than 3001 characters [json-pointer:/view/private_metadata]"},
		{"callback_id of 256", set("callback_id", repeat("x", 256)), "must be less than 256 characters [json-pointer:/view/callback_id]"},
		{"external_id of 256", set("external_id", repeat("x", 256)), "must be less than 256 characters [json-pointer:/view/external_id]"},
		{"100 blocks", set("blocks", dividers(100)), ""},
		{"101 blocks", set("blocks", dividers(101)), "no more than 100 items allowed [json-pointer:/view/blocks]"},
		{"no blocks", set("blocks", []any{}), "no less than 1 items allowed [json-pointer:/view/blocks]"},
		{"null for blocks", set("blocks", nil), "must provide an array [json-pointer:/view/blocks]"},
		{"without blocks", view(func(v map[string]any) { delete(v, "blocks") }), "missing required field: blocks [json-pointer:/view]"},
		{"inputs with submit", withInputs(0, plain(1)), ""},
		{"inputs without submit", withInputs(0, nil), "missing required field: submit [json-pointer:/view]"},
		{"one focus", withInputs(1, plain(1)), ""},
		{"two focuses", withInputs(2, plain(1)), "only one element can have focus_on_load [json-pointer:/view/blocks/1/element/focus_on_load]"},
		{"a message's block", set("blocks", []any{map[string]any{"type": "markdown", "text": "x"}}), "unsupported type: markdown [json-pointer:/view/blocks/0/type]"},
		{"an unknown property", set("submit_disabled", true), "invalid additional property: submit_disabled [json-pointer:/view]"},
		{"a title on a home tab", `{"type":"home","blocks":[],"title":{"type":"plain_text","text":"x"}}`, "invalid additional property: title [json-pointer:/view]"},
		{"an unknown type", `{"type":"window","blocks":[]}`, "unsupported type: window [json-pointer:/view/type]"},
		{"no JSON", `{`, "must be valid JSON [json-pointer:/view]"},
		{"an array", `[]`, "must provide an object [json-pointer:/view]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problems := slacktest.ValidateView(json.RawMessage(tt.view))
			var got string
			if len(problems) > 0 {
				got = problems[0].Error()
			}
			if got != tt.want || tt.want != "" && len(problems) != 1 {
				t.Errorf("got %q of %d, want %q alone", got, len(problems), tt.want)
			}
		})
	}
}

// The response lists all problems, sorted by pointer, in Slack's format.
func TestInvalidBlocksResponse(t *testing.T) {
	w := newWorld(t)
	blocks := api.MsgOptionBlocks(
		section(repeat("x", 3001)),
		api.NewHeaderBlock(mrkdwn("x")),
		api.NewActionBlock("a", api.NewButtonBlockElement("go", repeat("v", 2001), plain(repeat("t", 76)))),
	)
	_, _, err := w.api.PostMessageContext(t.Context(), public, text("x"), blocks)
	var no api.SlackErrorResponse
	if !errors.As(err, &no) || no.Err != "invalid_blocks" {
		t.Fatalf("got %v, want invalid_blocks", err)
	}
	want := []string{
		"[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
		"[ERROR] unsupported type: mrkdwn [json-pointer:/blocks/1/text/type]",
		"[ERROR] must be less than 76 characters [json-pointer:/blocks/2/elements/0/text/text]",
		"[ERROR] must be less than 2001 characters [json-pointer:/blocks/2/elements/0/value]",
	}
	if diff := cmp.Diff(want, no.ResponseMetadata.Messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	rec := w.serve("chat.postMessage", map[string][]string{"channel": {public}, "blocks": {"no JSON"}})
	if !strings.Contains(rec.Body.String(), "invalid_blocks_format") {
		t.Errorf("invalid JSON: got %s", rec.Body)
	}
}

// Slack generates missing block_ids and action_ids and keeps everything else.
func TestGeneratedIDs(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), api.MsgOptionBlocks(
		section("x"),
		api.NewActionBlock("", api.NewButtonBlockElement("", "1", plain("One")), api.NewButtonBlockElement("two", "2", plain("Two"))),
		api.NewDividerBlock(),
	))
	var blocks []struct {
		BlockID  string `json:"block_id"`
		Elements []struct {
			ActionID string `json:"action_id"`
		}
	}
	if err := json.Unmarshal(w.message(public, ts).Blocks, &blocks); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, b := range blocks {
		ids[b.BlockID] = true
	}
	if len(ids) != 3 || ids[""] {
		t.Errorf("block_ids: got %v, want three", ids)
	}
	if got := blocks[1].Elements; got[0].ActionID == "" || got[1].ActionID != "two" {
		t.Errorf("action_ids: got %v", got)
	}
	if _, err := w.ClickButton(ann, public, ts, blocks[1].Elements[0].ActionID); err != nil {
		t.Errorf("clicking the button with a generated action_id: %v", err)
	}
	if got := w.app.last().Actions[0]; got.Value != "1" || got.BlockID != blocks[1].BlockID {
		t.Errorf("got %+v", got)
	}
}

// The validators accept no invalid JSON and never panic.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(wideMessage))
	f.Add([]byte(`{"type":"modal","title":{"type":"plain_text","text":"T"},"blocks":[{"type":"input"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if slacktest.ValidateMessage(raw) == nil && !json.Valid(raw) {
			t.Errorf("%q was taken", raw)
		}
		if slacktest.ValidateView(raw) == nil && !json.Valid(raw) {
			t.Errorf("%q was taken", raw)
		}
	})
}
