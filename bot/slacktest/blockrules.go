package slacktest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Slack's limits on how many blocks a surface takes.
const (
	maxMessageBlocks = 50
	maxViewBlocks    = 100
)

// ValidateMessage reports why Slack would refuse these blocks in a message; nil
// if it would take them. The pointers begin with /blocks. The limits are those of
// docs.slack.dev/reference/block-kit. Kinds of block that are not modelled here
// are reported as unsupported.
func ValidateMessage(blocks json.RawMessage) []Problem {
	in := &inspection{path: []string{"blocks"}}
	in.blocks(blocks, messageBlocks, maxMessageBlocks)
	return in.found()
}

var messageBlocks = kinds(commonBlocks, map[string]rule{
	"markdown": block(must("text", all(str(1, 12000), gatherText))),
	"table":    all(oneTable, block(must("rows", list(1, 100, list(1, 20, tableCell))), may("column_settings", list(1, 20, column)))),
})

// commonBlocks are taken by messages, modals and home tabs alike.
var commonBlocks = map[string]rule{
	"divider": block(),
	"header":  block(must("text", plain(150))),
	"section": all(textOrFields, block(
		may("text", rich(3000)),
		may("fields", list(1, 10, rich(2000))),
		may("accessory", byType(accessories)),
		may("expand", boolean),
	)),
	"context": block(must("elements", list(1, 10, byType(contextPieces)))),
	"actions": block(must("elements", list(1, 25, byType(actionElements)))),
	"image": block(
		must("image_url", link),
		must("alt_text", str(1, 2000)),
		may("title", plain(2000)),
	),
	"input": all(countInput, block(
		must("label", plain(2000)),
		must("element", byType(inputElements)),
		may("hint", plain(2000)),
		may("optional", boolean),
		may("dispatch_action", boolean),
	)),
}

var (
	tableCell = byType(map[string]rule{
		"raw_text":   object(must("type", kind), must("text", str(1, 3000))),
		"raw_number": object(must("type", kind), must("value", number), may("text", str(1, 3000))),
	})
	column = object(may("align", oneOf("left", "center", "right")), may("is_wrapped", boolean))
)

func block(fields ...field) rule {
	return object(append(fields, must("type", kind), may("block_id", uniqueBlockID))...)
}

func uniqueBlockID(in *inspection, v any) {
	str(1, 255)(in, v)
	id, ok := v.(string)
	if !ok {
		return
	}
	if slices.Contains(in.blockIDs, id) {
		in.fail("block_id %q already exists", id)
	}
	in.blockIDs = append(in.blockIDs, id)
}

func textOrFields(in *inspection, v any) {
	if property(v, "text") == nil && property(v, "fields") == nil {
		in.fail("missing required field: text")
	}
}

func countInput(in *inspection, _ any) { in.inputs++ }

func oneTable(in *inspection, _ any) {
	if in.tables++; in.tables > 1 {
		in.fail("only one table is allowed in a message")
	}
}

// parsedBlock is a block that has been looked at.
type parsedBlock struct {
	raw     json.RawMessage
	fields  map[string]any
	unnamed bool // an element has no action_id
}

// blocks checks an array of blocks, and returns them if it is one.
func (in *inspection) blocks(raw json.RawMessage, kinds map[string]rule, most int) []parsedBlock {
	var raws []json.RawMessage
	if err := json.Unmarshal(raw, &raws); err != nil || raws == nil {
		in.fail("must provide an array")
		return nil
	}
	if !utf8.Valid(raw) {
		in.fail("must be valid UTF-8")
	}
	if len(raws) > most {
		in.fail("no more than %d items allowed", most)
	}
	check := byType(kinds)
	parsed := make([]parsedBlock, len(raws))
	for i, raw := range raws {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			in.fail("must be valid JSON") // not reached: the array was
			continue
		}
		in.actionIDs, in.unnamed = in.actionIDs[:0], false
		in.at(strconv.Itoa(i), v, check)
		fields, _ := v.(map[string]any)
		parsed[i] = parsedBlock{raw, fields, in.unnamed}
	}
	return parsed
}

// withIDs writes valid blocks as Slack stores them: with a block_id and an
// action_id wherever the app gave none.
func withIDs(blocks []parsedBlock, newID func() string) json.RawMessage {
	var out bytes.Buffer
	out.WriteByte('[')
	for i, b := range blocks {
		if i > 0 {
			out.WriteByte(',')
		}
		raw := bytes.TrimSpace(b.raw)
		if b.unnamed {
			raw = nameElements(b.fields, newID)
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

// nameElements gives an action_id to the interactive elements without one.
func nameElements(block map[string]any, newID func() string) json.RawMessage {
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
		panic("slack: a decoded block does not encode: " + err.Error())
	}
	return raw
}

func typeOf(v any) string {
	s, _ := property(v, "type").(string)
	return s
}
