package page

import "countersign/bot/slacktest"

// modal is the modal that a person has open.
type modal struct {
	ID     string
	Title  string
	Submit string // label of the submit button; empty for none
	Close  string
	Blocks []block
	Notice string // what Slack shows when the app's response failed
	Broken bool
}

// modal reads a view. Slack labels the close button Cancel by default.
func (r reader) modal(v slacktest.View) modal {
	r.on = surface{View: v.ID}
	r.typed, r.errors = v.Values, v.Errors
	out := modal{ID: v.ID, Title: v.Title, Submit: v.Submit, Close: v.Close, Notice: v.Notice}
	if out.Close == "" {
		out.Close = "Cancel"
	}
	var err error
	out.Blocks, err = r.blocks(v.Blocks)
	out.Broken = err != nil
	return out
}
