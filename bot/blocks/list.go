package blocks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// Item is an open request in one person's list.
type Item struct {
	handle.Summary
	Waiting bool // for that person
	Own     bool // they requested it
}

// The buttons of lists: their action_id. The values of those that turn pages and of
// those that approve several are the caller's.
const (
	ReviewAction   = "list.review"   // opens the details with the buttons to decide
	NextAction     = "list.next"     // of a list
	PreviousAction = "list.previous" // of a list
	BatchAction    = "list.batch"    // opens the form to approve several
)

// ListSize is how many requests a page of a list shows.
const ListSize = 10

// maxItem bounds a request in a list, in bytes of its JSON: a page must stay below the
// 20,000 bytes that Slack takes in an answer by Socket Mode.
const maxItem = 1100

// Listing is one page of a list of open requests, for one person.
type Listing struct {
	List   string // waiting, mine or all
	Search bool   // the list is the result of a search
	Text   string // what was typed after the command
	Items  []Item
	First  bool // this is the first page

	Previous, Next string // values of the buttons; empty for no button
	Batch          string
	GroupsUnknown  bool // some of the person's groups are unknown, so requests may be missing
}

// Message is the page as a message that one person sees.
func (l Listing) Message() View {
	var b layout
	heading := l.heading()
	b.header(heading)
	if l.Search {
		b.context("", "Search: "+code(l.Text, 200))
	}
	if len(l.Items) == 0 {
		b.section("", l.none())
	}
	waiting := 0
	for _, it := range l.Items {
		var button *slack.ButtonBlockElement
		switch {
		case it.Waiting:
			button = reviewButton(it, "Review")
			waiting++
		case it.Own:
			button = reviewButton(it, "Details")
		}
		b.item(it, button)
	}
	b.unknownGroups(l.GroupsUnknown)
	var row []slack.BlockElement
	if waiting > 1 {
		row = append(row, batchButton(l.Batch))
	}
	b.pages("pages", row, PreviousAction, NextAction, l.Previous, l.Next)
	text := heading + ": " + count(len(l.Items), "request", "requests") + " on this page"
	return b.view(escape(text))
}

func (l Listing) heading() string {
	switch l.List {
	case "waiting":
		return "Waiting for you"
	case "mine":
		return "Your open requests"
	}
	return "Open requests"
}

// none says why the page has no requests.
func (l Listing) none() string {
	switch {
	case l.Next != "":
		return "Nothing found yet, but there are more open requests. Click Next to continue the search."
	case !l.First:
		return "There are no more requests."
	case l.Search:
		return "No open request matches. Closed requests are not searched."
	case l.List == "waiting":
		return "Nothing is waiting for you. `/approvals all` lists everyone's open requests."
	case l.List == "mine":
		return "You have no open requests."
	}
	return "There are no open requests."
}

func (b *layout) unknownGroups(unknown bool) {
	if unknown {
		b.context("groups", ":warning: Slack could not say which of the approvers' groups you are in, so requests waiting for you may be missing. Try again in a moment.")
	}
}

// pages adds a row of buttons with those that turn pages, unless it is empty.
func (b *layout) pages(id string, row []slack.BlockElement, previousAction, nextAction, previous, next string) {
	if previous != "" {
		row = append(row, button(previousAction, previous, "Previous", "Previous page", slack.StyleDefault))
	}
	if next != "" {
		row = append(row, button(nextAction, next, "Next", "Next page", slack.StyleDefault))
	}
	if len(row) > 0 {
		b.actions(id, row...)
	}
}

// item adds one request, with a button beside it if there is one.
func (b *layout) item(it Item, beside *slack.ButtonBlockElement) {
	var accessory *slack.Accessory
	if beside != nil {
		accessory = slack.NewAccessory(beside)
	}
	text := fitted(maxItem-300, func(n int) string { return itemText(it, n) })
	b.blocks = append(b.blocks, slack.NewSectionBlock(markdown(text), nil, accessory, slack.SectionBlockOptionBlockID("request/"+it.ID)))
}

// fitted returns write's longest text that has at most size bytes as JSON. write gets the
// number of bytes that it may use of each outside text.
func fitted(size int, write func(n int) string) string {
	for n := 100; ; n /= 2 {
		text := write(n)
		if jsonSize(text) <= size || n < 10 {
			return text
		}
	}
}

// jsonSize is the length of s as JSON in a block, in bytes. There slack-go escapes what
// HTML would interpret.
func jsonSize(s string) int {
	b, err := json.Marshal(s)
	if err != nil {
		return 0 // unreachable: a string can always be encoded
	}
	return len(b)
}

// itemTitle is the plain name of a request in a list.
func itemTitle(it Item) string {
	return cmp.Or(handle.OneLine(it.Product, maxTitle), "a launch")
}

// itemText shows a request with at most n bytes of each outside text.
func itemText(it Item, n int) string {
	title := bold(itemTitle(it), n)
	if it.Provisioned != "" && it.Provisioned != it.Product {
		title += " as " + code(it.Provisioned, n)
	}
	if it.Update {
		title += " (update)"
	}
	who := "an unknown requester"
	switch {
	case handle.IsUser(it.RequesterID):
		who = mention(it.RequesterID)
	case it.Requester != "":
		who = code(it.Requester, n)
	}
	lines := []string{title, "Requested by " + who + " in " + place(it.Account, it.AccountName, it.Region, n)}
	switch it.Kind {
	case handle.OpenGranted:
		lines = append(lines, "*Approved for relaunch* until "+Mrkdwn.Date(it.Deadline))
	case handle.OpenExpired:
		lines = append(lines, "*Expired*; can be approved for relaunch until "+Mrkdwn.Date(it.Deadline)+" · "+itemApprovals(it))
	default:
		lines = append(lines, "*Expires* "+Mrkdwn.Date(it.Deadline)+" · "+itemApprovals(it))
	}
	if it.Kind != handle.OpenGranted {
		if whom := itemWaitsFor(it); whom != "" {
			lines = append(lines, "Waiting for "+whom)
		}
	}
	if it.OpenQuestions > 0 {
		lines = append(lines, count(it.OpenQuestions, "question is", "questions are")+" open")
	}
	if url := messageURL(it); url != "" {
		lines[len(lines)-1] += " · " + link(url, "Message")
	}
	return strings.Join(lines, "\n")
}

func itemApprovals(it Item) string {
	return fmt.Sprintf("*Approvals* %d of %d", it.Approvals, it.Needed)
}

// itemWaitsFor mentions the approvers who have not voted. Mentions in a message that only
// one person sees notify no one.
func itemWaitsFor(it Item) string {
	const shown = 3
	var ids []string
	for _, id := range it.Approvers {
		if !slices.Contains(it.Voted, id) && (it.SelfApproval || !slices.Contains(it.RequesterIDs, id)) {
			ids = append(ids, id)
		}
	}
	if n := len(ids) - shown; n > 0 {
		var names []string
		for _, id := range ids[:shown] {
			names = append(names, mention(id))
		}
		return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", n)
	}
	return mentions(ids)
}

// messageURL is the URL of the request's message; empty if none is known. Slack redirects
// it to the person's own workspace.
func messageURL(it Item) string {
	return messageLink(it.Channel, it.TS)
}

func messageLink(channel, ts string) string {
	if !handle.IsConversation(channel) || !handle.IsTimestamp(ts) {
		return ""
	}
	return "https://slack.com/archives/" + channel + "/p" + strings.ReplaceAll(ts, ".", "")
}

func reviewButton(it Item, label string) *slack.ButtonBlockElement {
	return button(ReviewAction, handle.Action{ID: it.ID, Name: DetailsAction}.String(), label, label+": "+itemTitle(it), slack.StyleDefault)
}

func batchButton(value string) *slack.ButtonBlockElement {
	return button(BatchAction, value, "Approve several", "Approve several waiting requests together", slack.StyleDefault)
}

// CommandHelp is the answer to /approvals help, or to a command that was not understood.
// Then problem says why.
func CommandHelp(command, problem string) View {
	var l layout
	if problem != "" {
		l.section("", escape(problem))
	}
	name := cutPlain(handle.OneLine(command, 40), 40)
	if !strings.HasPrefix(name, "/") {
		name = "/approvals"
	}
	examples := []struct{ text, does string }{
		{"", "requests waiting for you"},
		{" mine", "your own open requests"},
		{" all", "everyone's open requests"},
		{" requester:@rita", "requests by a person"},
		{` product:"message queue"`, "requests for a product, by its name or ID"},
		{" account:production", "requests in an account, by its name or number"},
		{" waiting queue test", "requests waiting for you that contain both words"},
	}
	lines := []string{"*How to use it*"}
	for _, e := range examples {
		lines = append(lines, "• "+code(name+e.text, 80)+" – "+e.does)
	}
	l.section("", strings.Join(lines, "\n"))
	return l.view(escape(cmp.Or(problem, "How to use "+name)))
}

// Note is a message of one sentence.
func Note(text string) View {
	var l layout
	l.section("", text)
	return l.view(text)
}

// Answers to a command or an opened Home tab that shows no list.
const (
	GuestsSeeNoLists = "Only full members of this workspace can list open requests. You get direct messages about your own requests."
	OutsideLists     = "Only members of the workspace where Countersign is installed can use this."
	ListUnverified   = "Slack could not confirm who you are. Try again in a moment."
	ListNotRead      = "The open requests could not be read. Try again in a moment."
	ListNotReady     = "The list of open requests is still being prepared. This takes a few minutes after an upgrade of Countersign."
	NotYoursToReview = "Only its approvers and its requester can open this request here. Its message has the details."
	PageUnknown      = "This list is from an earlier release. Run the command again."
)
