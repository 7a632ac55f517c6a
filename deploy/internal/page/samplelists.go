package page

import (
	"encoding/json"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// listSample is a list, a Home tab or a form that the storybook shows.
type listSample struct {
	Name, About string
	View        blocks.View
}

// numbered gives a request another ID, so that a list can show several.
func numbered(n int, r handle.Request) handle.Request {
	r.ID = handle.NewID(r.Stack.ID, "ApprovalRequest", string(rune('a'+n)))
	return r.MarkPosted(sandbox.Channel, "1772442000.000100", "", sampleTime)
}

// openSamples are requests that lists show.
func openSamples() []handle.Request {
	quorum := approved(pending(2), bob)
	return []handle.Request{
		numbered(0, pending(1)), numbered(1, quorum), numbered(2, updating()), numbered(3, claimed(pending(1))),
		numbered(4, hostile(pending(1))), numbered(5, grantable(1)),
	}
}

// item is how a list shows a request to a person.
func item(r handle.Request, who handle.Person) blocks.Item {
	s, _ := r.Summary()
	v := handle.Voter{Person: who, Home: true}
	if who.ID != sandbox.Rita {
		v.Groups = []string{sandbox.Approvers}
	}
	return blocks.Item{Summary: s, Waiting: s.WaitsFor(v, after(0)), Own: s.RequestedBy(who)}
}

func items(who handle.Person, list ...handle.Request) (out []blocks.Item) {
	for _, r := range list {
		out = append(out, item(r, who))
	}
	return out
}

// listSamples returns the lists, forms and Home tabs in the states that people see.
func listSamples() []listSample {
	rita := handle.Person{Team: sandbox.Team, ID: sandbox.Rita, Name: "Rita Requester"}
	open := openSamples()
	granted := approvedLate(grantable(1), ann)
	const button = `{"q":"waiting"}`
	grants := items(ann, numbered(6, granted))
	for i := range grants {
		grants[i].Waiting = true
	}
	home := func(h blocks.Home) blocks.View {
		h.At = sampleTime
		return blocks.View{Text: "Home", Blocks: h.View().Blocks.BlockSet}
	}
	modal := func(v slack.ModalViewRequest) blocks.View {
		return blocks.View{Text: v.Title.Text, Blocks: v.Blocks.BlockSet}
	}
	out := []blocks.LeftOut{{ID: open[1].ID, Request: open[1], Why: blocks.BatchRefused("You already approved this request. 1 more approval is needed.")}}
	return []listSample{
		{"Home of an approver", "Requests waiting for Ann, with the buttons to decide; approvals for relaunch that she can revoke.",
			home(blocks.Home{Waiting: items(ann, open...), Grants: grants, Batch: button, Next: button})},
		{"Home after an action", "The result is on top.",
			home(blocks.Home{Notice: blocks.Outcome(approved(pending(1), ann), handle.Approve, ""), Waiting: items(ann, open[:1]...)})},
		{"Home of a requester", "", home(blocks.Home{Own: items(rita, open[:2]...)})},
		{"Home with nothing to do", "", home(blocks.Home{})},
		{"Home of a guest", "", blocks.View{Text: "Home", Blocks: blocks.HomeNote(blocks.GuestsSeeNoLists).Blocks.BlockSet}},
		{"/approvals", "Requests waiting for Ann. Only she sees the list.", blocks.Listing{List: "waiting", Items: items(ann, open...), First: true, Batch: button, Next: button}.Message()},
		{"/approvals mine", "", blocks.Listing{List: "mine", Items: items(rita, open[:2]...), First: true}.Message()},
		{"/approvals all, searched", "The next page of a search.",
			blocks.Listing{List: "all", Search: true, Text: `product:"message queue"`, Items: items(rita, open[2:]...), Previous: button}.Message()},
		{"/approvals, nothing waits", "", blocks.Listing{List: "waiting", First: true}.Message()},
		{"/approvals, nothing found so far", "Ten reads of the index found nothing; there are more requests.",
			blocks.Listing{List: "all", Search: true, Text: "database", First: true, Next: button, GroupsUnknown: true}.Message()},
		{"/approvals help", "", blocks.CommandHelp("/approvals", "")},
		{"/approvals, not understood", "", blocks.CommandHelp("/approvals", "“color” is not a search field. Use requester, product or account.")},
		{"Review", "A request from a list, with the buttons to decide.", modal(blocks.Review(open[0], true, ""))},
		{"Review, done", "", modal(blocks.Result(blocks.Outcome(approved(pending(1), ann), handle.Approve, "")))},
		{"Approve several: choose", "", modal(blocks.BatchChoose(items(ann, open[:5]...), true, ""))},
		{"Approve several: review", "The requests that Ann approves if she confirms, and those left out.", modal(blocks.BatchReview([]handle.Request{open[0], open[2]}, out, ""))},
		{"Approve several: result", "Each request has its own result.", modal(blocks.BatchResult([]blocks.BatchOutcome{
			{Request: open[0], ID: open[0].ID, What: blocks.BatchApproved},
			{Request: open[2], ID: open[2].ID, What: blocks.BatchRecorded(approved(open[2], ann))},
			{Request: open[1], ID: open[1].ID, What: blocks.BatchRefused("Already rejected by <@" + sandbox.Bob + ">.")},
			{Request: open[3], ID: open[3].ID, What: blocks.BatchChanged},
			{Request: open[4], ID: open[4].ID, What: blocks.BatchNotDone},
		}))},
	}
}

// addList adds an example whose blocks can be those of a view.
func (c *section) addList(seen map[string]bool, s listSample) error {
	if err := c.add(seen, s.Name, s.About, s.View); err != nil {
		return err
	}
	last := &c.Examples[len(c.Examples)-1]
	view, err := json.Marshal(map[string]any{"type": "home", "blocks": s.View.Blocks})
	if err != nil {
		return err
	}
	last.Problems = slacktest.ValidateView(view)
	return nil
}
