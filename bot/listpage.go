package bot

import (
	"encoding/json"
	"errors"
	"slices"
)

// listPage says which page of which list a button shows. It comes back under Slack's
// signature. It grants nothing, because the click checks who may see lists.
type listPage struct {
	Query  string   `json:"q"`
	After  string   `json:"a,omitempty"` // a cursor; empty for the first page
	Before []string `json:"b,omitempty"` // the cursors of the pages before, the nearest last
}

// maxPageValue is the size of a button's value. Slack takes 2,000 characters, but a list
// has three such buttons and must stay below the 20,000 bytes of an answer by Socket
// Mode. See https://docs.slack.dev/reference/block-kit/block-elements/button-element
const maxPageValue = 800 // bytes

// String returns the page as a button's value. If that is too long, it drops the earliest
// pages of Before.
func (p listPage) String() string {
	for {
		b, err := json.Marshal(p)
		if err != nil {
			return "{}" // unreachable: strings only
		}
		if len(b) <= maxPageValue || len(p.Before) == 0 {
			return string(b)
		}
		p.Before = p.Before[1:]
	}
}

var errPage = errors.New("the button's value is not a page of a list")

func parseListPage(value string) (p listPage, q query, err error) {
	if json.Unmarshal([]byte(value), &p) != nil {
		return p, q, errPage
	}
	q, err = parseQuery(p.Query)
	return p, q, err
}

// next returns the button's value of the page after p.
func (p listPage) next(query, after string) string {
	return listPage{Query: query, After: after, Before: append(slices.Clone(p.Before), p.After)}.String()
}

// previous returns the button's value of the page before p; empty if p is the first.
func (p listPage) previous() string {
	if p.After == "" {
		return ""
	}
	back := listPage{Query: p.Query}
	if n := len(p.Before); n > 0 {
		back.After, back.Before = p.Before[n-1], p.Before[:n-1]
	}
	return back.String()
}
