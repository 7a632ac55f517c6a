package slacktest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Slack's limits on the number of blocks.
const (
	maxMessageBlocks = 50
	maxViewBlocks    = 100
)

// ValidateMessage returns why Slack would refuse these blocks in a message, nil if
// it would accept them. The pointers begin with /blocks. The limits are those of
// https://docs.slack.dev/reference/block-kit. Block types that are not simulated are
// reported as unsupported.
func ValidateMessage(blocks json.RawMessage) []Problem {
	in := &validator{path: []string{"blocks"}}
	in.blocks(blocks, messageBlocks, maxMessageBlocks)
	return in.result()
}

// ValidateText returns why Slack would not show this text of a message as one message:
// chat.update refuses more than 4,000 characters, and chat.postMessage splits more than
// 4,040.
func ValidateText(text string) []Problem {
	in := &validator{path: []string{"text"}}
	str(1, maxUpdateText)(in, text)
	if !utf8.ValidString(text) {
		in.failf("must be valid UTF-8")
	}
	return in.result()
}

var messageBlocks = mergeRules(commonBlocks, map[string]rule{
	"markdown": block(required("text", all(str(1, 12000), collectText))),
	"table":    all(oneTable, block(required("rows", list(1, 100, list(1, 20, tableCell))), optional("column_settings", list(1, 20, column)))),
})

// commonBlocks are valid in messages, modals and Home tabs.
var commonBlocks = map[string]rule{
	"divider": block(),
	"header":  block(required("text", plain(150))),
	"section": all(textOrFields, block(
		optional("text", rich(3000)),
		optional("fields", list(1, 10, rich(2000))),
		optional("accessory", byType(accessories)),
		optional("expand", boolean),
	)),
	"context": block(required("elements", list(1, 10, byType(contextElements)))),
	"actions": block(required("elements", list(1, 25, byType(actionElements)))),
	"image": block(
		required("image_url", link),
		required("alt_text", str(1, 2000)),
		optional("title", plain(2000)),
	),
	"input": all(countInput, block(
		required("label", plain(2000)),
		required("element", byType(inputElements)),
		optional("hint", plain(2000)),
		optional("optional", boolean),
		optional("dispatch_action", boolean),
	)),
}

var (
	tableCell = byType(map[string]rule{
		"raw_text":   object(required("type", typeChecked), required("text", str(1, 3000))),
		"raw_number": object(required("type", typeChecked), required("value", number), optional("text", str(1, 3000))),
	})
	column = object(optional("align", oneOf("left", "center", "right")), optional("is_wrapped", boolean))
)

func block(fields ...field) rule {
	return object(append(fields, required("type", typeChecked), optional("block_id", uniqueBlockID))...)
}

func uniqueBlockID(in *validator, v any) {
	str(1, 255)(in, v)
	id, ok := v.(string)
	if !ok {
		return
	}
	if slices.Contains(in.blockIDs, id) {
		in.failf("block_id %q already exists", id)
	}
	in.blockIDs = append(in.blockIDs, id)
}

func textOrFields(in *validator, v any) {
	if property(v, "text") == nil && property(v, "fields") == nil {
		in.failf("missing required field: text")
	}
}

func countInput(in *validator, _ any) { in.inputs++ }

func oneTable(in *validator, _ any) {
	if in.tables++; in.tables > 1 {
		in.failf("only one table is allowed in a message")
	}
}

// parsedBlock is a block that has been validated.
type parsedBlock struct {
	raw             json.RawMessage
	fields          map[string]any
	missingActionID bool // for some element
}

// blocks validates an array of blocks and returns them, or nil if raw is not an
// array.
func (in *validator) blocks(raw json.RawMessage, kinds map[string]rule, most int) []parsedBlock {
	var raws []json.RawMessage
	if err := json.Unmarshal(raw, &raws); err != nil || raws == nil {
		in.failf("must provide an array")
		return nil
	}
	if !utf8.Valid(raw) {
		in.failf("must be valid UTF-8")
	}
	if len(raws) > most {
		in.failf("no more than %d items allowed", most)
	}
	check := byType(kinds)
	parsed := make([]parsedBlock, len(raws))
	for i, raw := range raws {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			in.failf("must be valid JSON") // unreachable: the array was valid
			continue
		}
		in.actionIDs, in.missingActionID = in.actionIDs[:0], false
		in.check(strconv.Itoa(i), v, check)
		fields, _ := v.(map[string]any)
		parsed[i] = parsedBlock{raw, fields, in.missingActionID}
	}
	return parsed
}

// assignIDs encodes valid blocks as Slack stores them, with a generated block_id or
// action_id where the app gave none.
func assignIDs(blocks []parsedBlock, newID func() string) json.RawMessage {
	var out bytes.Buffer
	out.WriteByte('[')
	for i, b := range blocks {
		if i > 0 {
			out.WriteByte(',')
		}
		raw := bytes.TrimSpace(b.raw)
		if b.missingActionID {
			raw = assignActionIDs(b.fields, newID)
		}
		if _, ok := b.fields["block_id"]; !ok {
			out.WriteString(`{"block_id":` + strconv.Quote(newID()) + `,`)
			raw = raw[1:]
		}
		out.Write(raw)
	}
	out.WriteByte(']')
	return out.Bytes()
}

// assignActionIDs gives interactive elements without an action_id one.
func assignActionIDs(block map[string]any, newID func() string) json.RawMessage {
	elements, _ := block["elements"].([]any)
	for _, e := range append(elements[:len(elements):len(elements)], block["accessory"], block["element"]) {
		o, ok := e.(map[string]any)
		if !ok || inputElements[typeOf(o)] == nil && actionElements[typeOf(o)] == nil {
			continue
		}
		if _, ok := o["action_id"]; !ok {
			o["action_id"] = newID()
		}
	}
	raw, err := json.Marshal(block)
	if err != nil {
		panic("slacktest: can't encode a block: " + err.Error())
	}
	return raw
}

func typeOf(v any) string {
	s, _ := property(v, "type").(string)
	return s
}
