package slacktest

import "encoding/json"

// maxViewBytes is the size of a view, as JSON, above which Slack answers
// view_too_large.
const maxViewBytes = 250_000

// ValidateView reports why Slack would refuse this modal or home tab; nil if it
// would take it. The pointers begin with /view.
func ValidateView(view json.RawMessage) []Problem {
	in := &inspection{path: []string{"view"}}
	in.view(view)
	return in.found()
}

// view checks a view, and returns its blocks if it has any.
func (in *inspection) view(raw json.RawMessage) []parsedBlock {
	var v any
	var doc struct {
		Blocks json.RawMessage `json:"blocks"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		in.fail("must be valid JSON")
		return nil
	}
	if _, ok := v.(map[string]any); !ok || json.Unmarshal(raw, &doc) != nil {
		in.fail("must provide an object")
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
		in.fail("no less than 1 items allowed")
	}
	in.path = in.path[:len(in.path)-1]
	if isModal && in.inputs > 0 && property(v, "submit") == nil {
		in.fail("missing required field: submit")
	}
	return parsed
}

// viewKinds leave the blocks to be checked on their own.
var viewKinds = map[string]rule{
	"modal": object(append(viewFields,
		must("title", plain(24)),
		may("submit", plain(24)),
		may("close", plain(24)),
		may("clear_on_close", boolean),
		may("notify_on_close", boolean),
	)...),
	"home": object(viewFields...),
}

var viewFields = []field{
	must("type", kind),
	must("blocks", kind),
	may("private_metadata", str(0, 3000)),
	may("callback_id", str(1, 255)),
	may("external_id", str(1, 255)),
}
