package page

import (
	"countersign/bot/blocks"
	"countersign/deploy/internal/report"
	"countersign/handle"
)

// recordPane shows auditors what the store holds about each request.
type recordPane struct{ Requests []request }

// request is one stored request.
type request struct {
	ID     string
	Title  string
	State  state
	Facts  []report.Fact
	Events []report.Line
}

// newRecordPane shows requests in the given order.
func newRecordPane(requests []handle.Request, n names) recordPane {
	var out recordPane
	for _, r := range requests {
		out.Requests = append(out.Requests, request{r.ID, blocks.Title(r), stateOfRequest(r), report.Facts(r, n.mention), report.History(r)})
	}
	return out
}
