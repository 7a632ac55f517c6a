package blocks

import (
	"fmt"
	"time"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// The action_ids of the buttons that page through the Home tab.
const (
	HomeNextAction     = "home.next"
	HomePreviousAction = "home.previous"
)

// HomeCallback is the Home tab's callback_id.
const HomeCallback = "home"

// Sizes of the sections of the Home tab. With them it stays within the 100 blocks and
// 250 KB that Slack takes.
const (
	HomeWaiting = 10
	HomeOwn     = 10
	HomeGrants  = 10
)

// Home is one person's Home tab: first the requests waiting for them, then their own
// requests and the approvals for relaunch that they can use or revoke.
type Home struct {
	Notice  string // mrkdwn: the result of the last action; empty if there was none
	Waiting []Item // at most HomeWaiting
	Own     []Item // at most HomeOwn
	Grants  []Item // at most HomeGrants

	Previous, Next string // values of the buttons that turn the pages of Waiting
	Batch          string
	MoreOwn        bool // not all are shown
	MoreGrants     bool
	Unread         bool // there are open requests that were not read, so some can be missing
	GroupsUnknown  bool
	At             time.Time // of the data
}

// View is the tab as Slack takes it. See https://docs.slack.dev/surfaces/app-home
func (h Home) View() slack.HomeTabViewRequest {
	var l layout
	if h.Notice != "" {
		l.section("notice", h.Notice)
		l.divider()
	}
	l.header("Waiting for you")
	if len(h.Waiting) == 0 {
		if h.Next != "" {
			l.section("", "Nothing found yet, but there are more open requests. Click Next to continue the search.")
		} else {
			l.section("", "Nothing is waiting for you.")
		}
	}
	for _, it := range h.Waiting {
		l.item(it, nil)
		l.actions("decide/"+it.ID, decideButtons(it)...)
	}
	l.unknownGroups(h.GroupsUnknown)
	var row []slack.BlockElement
	if len(h.Waiting) > 1 {
		row = append(row, batchButton(h.Batch))
	}
	l.pages("pages", row, HomePreviousAction, HomeNextAction, h.Previous, h.Next)
	l.header("Your requests")
	switch {
	case len(h.Own) == 0 && h.Unread:
		l.section("", "Nothing found so far. Use `/approvals mine` to search on.")
	case len(h.Own) == 0:
		l.section("", "You have no open requests.")
	}
	for _, it := range h.Own {
		l.own(it, nil)
		l.actions("requester/"+it.ID, ownButtons(it)...)
	}
	switch {
	case h.MoreOwn:
		l.context("", "There are more. Use `/approvals mine` to list them all.")
	case h.Unread && len(h.Own) > 0:
		l.context("", "There may be more. Use `/approvals mine` to list them all.")
	}
	if len(h.Grants) > 0 {
		l.header("Approved for relaunch")
		for _, it := range h.Grants {
			var end *slack.ButtonBlockElement
			switch {
			case it.Waiting:
				end = button(string(handle.Revoke), handle.Ticket{ID: it.ID, Verdict: handle.Revoke}.String(), "Revoke", "Revoke the approval for relaunch of "+itemTitle(it), slack.StyleDanger)
			case it.Own:
				end = withdrawButton(it)
			}
			l.grant(it, end)
		}
		if h.MoreGrants {
			l.context("", "There are more. Use `/approvals all` to list them.")
		}
	}
	l.context("updated", fmt.Sprintf("Updated %s, and after each action here. `/approvals help` shows how to search.", Mrkdwn.Date(h.At)))
	return homeTab(l)
}

// own and grant add a request with a prefixed block ID, because the request can appear in
// several sections and block IDs must be unique in a view.
func (l *layout) own(it Item, b *slack.ButtonBlockElement)   { l.named("own/", it, b) }
func (l *layout) grant(it Item, b *slack.ButtonBlockElement) { l.named("grant/", it, b) }

func (l *layout) named(prefix string, it Item, b *slack.ButtonBlockElement) {
	l.item(it, b)
	if section, ok := l.blocks[len(l.blocks)-1].(*slack.SectionBlock); ok {
		section.BlockID = prefix + it.ID
	}
}

// decideButtons are the buttons of a request waiting for the person.
func decideButtons(it Item) []slack.BlockElement {
	title := itemTitle(it)
	vote := func(v handle.Verdict, label string, style slack.Style) slack.BlockElement {
		return button(string(v), handle.Ticket{ID: it.ID, Verdict: v}.String(), label, label+": "+title, style)
	}
	review := reviewButton(it, "Details")
	if it.Kind == handle.OpenExpired {
		return []slack.BlockElement{vote(handle.Approve, "Approve for relaunch", slack.StylePrimary), review}
	}
	ask := button(AskAction, handle.Action{ID: it.ID, Name: AskAction}.String(), "Ask", "Ask the requester: "+title, slack.StyleDefault)
	return []slack.BlockElement{vote(handle.Approve, "Approve", slack.StylePrimary), vote(handle.Reject, "Reject", slack.StyleDanger), ask, review}
}

// ownButtons are those of the person's own request, as in its direct message.
func ownButtons(it Item) []slack.BlockElement {
	row := []slack.BlockElement{withdrawButton(it), reviewButton(it, "Details")}
	if it.Kind == handle.OpenPending {
		nudge := button(NudgeAction, handle.Action{ID: it.ID, Name: NudgeAction}.String(), "Nudge", "Nudge the approvers: "+itemTitle(it), slack.StyleDefault)
		row = append([]slack.BlockElement{nudge}, row...)
	}
	return row
}

func withdrawButton(it Item) *slack.ButtonBlockElement {
	return button(WithdrawAction, handle.Action{ID: it.ID, Name: WithdrawAction}.String(), "Withdraw", "Withdraw: "+itemTitle(it), slack.StyleDefault)
}

// HomeNote is a Home tab with only one sentence.
func HomeNote(text string) slack.HomeTabViewRequest {
	var l layout
	l.section("", text)
	return homeTab(l)
}

func homeTab(l layout) slack.HomeTabViewRequest {
	return slack.HomeTabViewRequest{Type: slack.VTHomeTab, CallbackID: HomeCallback, Blocks: slack.Blocks{BlockSet: l.blocks}}
}
