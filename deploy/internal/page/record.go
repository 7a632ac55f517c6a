package page

import (
	"countersign/deploy/internal/report"
	"countersign/handle"
)

// auditPane is the pane for auditors: what the store holds of each request.
type auditPane struct{ Requests []request }

// request is one of them.
type request struct {
	ID     string
	Title  string
	State  state
	Facts  []report.Fact
	Events []report.Line
}

// recordOf reads requests, in the order given.
func recordOf(requests []handle.Request, n names) auditPane {
	var out auditPane
	for _, r := range requests {
		out.Requests = append(out.Requests, request{r.ID, report.Title(r), stateOfRequest(r), report.Facts(r, n.called), report.History(r)})
	}
	return out
}
