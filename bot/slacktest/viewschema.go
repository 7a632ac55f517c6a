package slacktest

import "encoding/json"

// maxViewBytes is the size of a view's JSON above which Slack answers view_too_large.
const maxViewBytes = 250_000

// ValidateView returns why Slack would refuse this modal or Home tab, nil if it would
// accept it. The pointers begin with /view.
func ValidateView(view json.RawMessage) []Problem {
	in := &validator{path: []string{"view"}}
	if len(view) > maxViewBytes {
		in.failf("view_too_large")
	}
	in.view(view)
	return in.result()
}

// view validates a view and returns its blocks, if any.
func (in *validator) view(raw json.RawMessage) []parsedBlock {
	var v any
	var doc struct {
		Blocks json.RawMessage `json:"blocks"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		in.failf("must be valid JSON")
		return nil
	}
	if _, ok := v.(map[string]any); !ok || json.Unmarshal(raw, &doc) != nil {
		in.failf("must provide an object")
		return nil
	}
	byType(viewKinds)(in, v)
	if doc.Blocks == nil {
		return nil
	}
	in.path = append(in.path, "blocks")
	parsed := in.blocks(doc.Blocks, commonBlocks, maxViewBlocks)
	isModal := typeOf(v) == "modal"
	if isModal && parsed != nil && len(parsed) == 0 {
		in.failf("no less than 1 items allowed")
	}
	in.path = in.path[:len(in.path)-1]
	if isModal && in.inputs > 0 && property(v, "submit") == nil {
		in.failf("missing required field: submit")
	}
	return parsed
}

// viewKinds are the schemas of views; validator.view checks the blocks.
var viewKinds = map[string]rule{
	"modal": object(append(viewFields,
		required("title", plain(24)),
		optional("submit", plain(24)),
		optional("close", plain(24)),
		optional("clear_on_close", boolean),
		optional("notify_on_close", boolean),
	)...),
	"home": object(viewFields...),
}

var viewFields = []field{
	required("type", typeChecked),
	required("blocks", typeChecked),
	optional("private_metadata", str(0, 3000)),
	optional("callback_id", str(1, 255)),
	optional("external_id", str(1, 255)),
}
