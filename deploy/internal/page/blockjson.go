package page

import "encoding/json"

// The part of Block Kit's JSON that the page renders.

type wireBlock struct {
	Type      string        `json:"type"`
	BlockID   string        `json:"block_id"`
	Text      *wireText     `json:"text"`
	Fields    []wireText    `json:"fields"`
	Elements  []wireElement `json:"elements"`
	Accessory *wireElement  `json:"accessory"`

	Label    *wireText    `json:"label"`
	Hint     *wireText    `json:"hint"`
	Element  *wireElement `json:"element"`
	Optional bool         `json:"optional"`
}

type wireText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim"` // bare URLs are not linked
	Emoji    bool   `json:"emoji"`    // plain_text only: :name: renders as emoji
}

type wireElement struct {
	Type               string           `json:"type"`
	ActionID           string           `json:"action_id"`
	Text               wireTextOrString `json:"text"`
	Verbatim           bool             `json:"verbatim"`
	Emoji              bool             `json:"emoji"`
	AccessibilityLabel string           `json:"accessibility_label"`
	Style              string           `json:"style"`
	URL                string           `json:"url"`
	AltText            string           `json:"alt_text"`
	Confirm            *struct {
		Title wireText `json:"title"`
		Text  wireText `json:"text"`
	} `json:"confirm"`

	Placeholder      *wireText    `json:"placeholder"`
	InitialValue     string       `json:"initial_value"`
	Multiline        bool         `json:"multiline"`
	IsDecimalAllowed bool         `json:"is_decimal_allowed"`
	MinLength        int          `json:"min_length"`
	MaxLength        int          `json:"max_length"`
	FocusOnLoad      bool         `json:"focus_on_load"`
	Options          []wireOption `json:"options"`
	InitialOption    *wireOption  `json:"initial_option"`
}

type wireOption struct {
	Text        wireText  `json:"text"`
	Description *wireText `json:"description"`
	Value       string    `json:"value"`
}

// wireTextOrString is the text property of an element: a text object in a button,
// a string in a text element of a context block.
type wireTextOrString struct {
	raw    string
	object *wireText
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *wireTextOrString) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &t.raw)
	}
	return json.Unmarshal(b, &t.object)
}
