// Package blocks words everything that people read: the Slack message of a
// request, replies in its thread, private replies, modals and mail. Each is a
// pure function of the record.
package blocks

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// View is one Slack message: blocks, and the sentence that stands for them in
// notifications and screen readers.
type View struct {
	Text   string
	Blocks []slack.Block
}

const (
	maxShown = 12   // details, parameters, changes or outputs in a list
	maxList  = 2900 // characters of a list: each fits in one section
)

// Message is the one message of a request: with the buttons to decide while it is
// pending, without them afterwards. It begins with what approvers decide on, in the order
// in which they read it on a phone; identifiers come last. It shows what
// handle.Request.ViewHash digests, and what never changes.
func Message(r handle.Request) View {
	var l layout
	head, title := headline(r), Title(r)
	l.header(head.sign + " " + head.word + ": " + title)
	l.section("summary", summary(r))      // who wants to launch what, and where
	l.quote(r.Purpose, 400)               // why
	l.section("status", status(r))        // until when; later, how it was decided
	l.section("people", people(r, false)) // who has to act, and who has
	if r.Decision != nil && r.State() != handle.Expired {
		l.quote(r.Decision.Reason, 2000)
	}
	l.section("relaunching", relaunch(r, "The requester"))
	for _, text := range content(r) {
		l.section("", text)
	}
	if r.Content.Account != "" && r.Content.Template == "" {
		l.context("template", ":warning: Countersign has no permission to read the template, so an approval does not bind it.")
	}
	buttons(&l, r)
	l.context("footer", footer(r)...)
	return l.view(escape(fmt.Sprintf("%s: %s, requested by %s, in %s", head.word, title, requesterName(r), plainPlace(r))))
}

// content lists what is launched, or what an update changes.
func content(r handle.Request) []string {
	if r.Update != nil {
		return []string{changes(r.Update)}
	}
	return []string{fields("Details", shown(r, r.Details)), fields("Parameters", shown(r, r.Parameters))}
}

type head struct{ sign, word string }

// headline gives the state as a sign and a word: screen readers need the word.
func headline(r handle.Request) head {
	switch {
	case r.Bypass != nil:
		return head{"🚨", "Bypassed approval"}
	case isUpdate(r):
		return updateHeadline(r)
	case r.State() == handle.Approved && r.Ended != nil && r.Ended.Succeeded():
		return head{"✅", "Approved and launched"}
	case r.State() == handle.Approved && r.Ended != nil:
		return head{"⚠️", "Approved, but the launch failed"}
	}
	if r.Grant != nil && r.State() == handle.Expired {
		switch {
		case r.Grant.UsedBy != "":
			return head{"✅", "Approved late and relaunched"}
		case !r.Grant.At.IsZero() && r.Grant.RevokedAt.IsZero() && !r.Grant.Lapsed:
			return head{"✅", "Approved for relaunch"}
		}
	}
	return states[r.State()]
}

// isUpdate reports whether r is of an update of a launched product.
func isUpdate(r handle.Request) bool { return r.Update != nil || r.Stack.Updating }

// Operation names what r asks for: a launch or an update.
func Operation(r handle.Request) string {
	if isUpdate(r) {
		return "update"
	}
	return "launch"
}

func updateHeadline(r handle.Request) head {
	h := states[r.State()]
	switch {
	case r.State() == handle.Pending:
		h.word = "Update needs approval"
	case r.State() == handle.Approved && r.Ended != nil && r.Ended.Succeeded():
		h.word = "Approved and updated"
	case r.State() == handle.Approved && r.Ended != nil:
		h = head{"⚠️", "Approved, but the update failed"}
	default:
		h.word = "Update " + string(r.State())
	}
	return h
}

var states = map[handle.State]head{
	handle.Pending:   {"🟡", "Approval needed"},
	handle.Approved:  {"✅", "Approved"},
	handle.Rejected:  {"❌", "Rejected"},
	handle.Expired:   {"⌛", "Expired"},
	handle.Withdrawn: {"↩️", "Withdrawn"},
}

// summary says who wants to launch what, where, and how well the requester is known.
func summary(r handle.Request) string {
	s := asks(r, 100) + ".\n" + identity(r, Mrkdwn)
	if isUpdate(r) {
		s += "\nAWS doesn't prove who started the update."
	}
	switch {
	case r.Terms.SelfApproval:
	case !r.Requester.LookedUp && !r.Stack.Unverified && r.State() == handle.Pending:
		s += "\n:warning: The requester has not been looked up in Slack yet, so no one can decide. Countersign keeps trying."
	case !r.Requester.LookedUp || r.Requester.Proven:
	case r.ApprovalsNeeded() > r.Terms.Approvals:
		s += fmt.Sprintf("\n:warning: The requester's Slack account is not verified, so %d people must approve. Don't approve your own request.", r.ApprovalsNeeded())
	default:
		s += "\n:warning: The requester's Slack account is not verified, so Countersign can't prevent self-approval. Don't approve your own request."
	}
	return s
}

// status says when a pending request expires and how many have approved it, or how it
// was decided.
func status(r handle.Request) string {
	if r.Decision != nil {
		return outcome(r)
	}
	return "*Expires* " + Mrkdwn.Date(r.Terms.Deadline) + " · *Approvals* " + approvals(r)
}

// approvals says how many of the people needed have approved.
func approvals(r handle.Request) string {
	s := fmt.Sprintf("%d of %d", len(r.ApprovedBy()), r.ApprovalsNeeded())
	if r.State() == handle.Pending && r.ApprovalsMissing() > 0 && r.ApprovalsNeeded() > 1 {
		s += fmt.Sprintf(" (%d more needed)", r.ApprovalsMissing())
	}
	return s
}

// fields lists outside names and values, one a line, and counts those that have no
// room. It is empty if list is.
func fields(heading string, list []handle.Field) string {
	lines := make([]string, len(list))
	for i, f := range list {
		lines[i] = code(f.Name, 60) + " = " + code(shorten(f.Value, 120), 120)
	}
	return bullets(heading, lines, func(i int) int { return list[i].Represents() })
}

// bullets lists lines as far as they have room, and counts the others. represents
// returns how many a line stands for.
func bullets(heading string, lines []string, represents func(i int) int) string {
	if len(lines) == 0 {
		return ""
	}
	s := "*" + heading + "*"
	size := units(s)
	for i, line := range lines {
		if size += units(line) + len("\n• "); i == maxShown || size > maxList {
			left := 0
			for j := i; j < len(lines); j++ {
				left += represents(j)
			}
			return s + fmt.Sprintf("\n… and %d more: see Details", left)
		}
		s += "\n• " + line
	}
	return s
}

// buttons adds the buttons for the current state. A phone fits three in a row, so the
// buttons that decide come first, and the others below them.
func buttons(l *layout, r handle.Request) {
	for _, row := range rows(r) {
		l.actions(row.id, row.buttons...)
	}
}

// row is a row of buttons.
type row struct {
	id      string // block_id
	buttons []slack.BlockElement
}

// rows are the buttons of a request. The first row has those that decide.
func rows(r handle.Request) []row {
	about := " the " + Operation(r) + " of " + Title(r)
	vote := func(verdict handle.Verdict, label, aloud string, style slack.Style) slack.BlockElement {
		return button(string(verdict), handle.Ticket{ID: r.ID, Verdict: verdict}.String(), label, aloud, style)
	}
	act := func(name, label, aloud string) slack.BlockElement {
		return button(name, actionValue(r, name, ""), label, aloud, slack.StyleDefault)
	}
	details := act(DetailsAction, "Details", "Show all details of"+about)
	switch g := r.Grant; {
	case r.State() == handle.Pending:
		more := []slack.BlockElement{details, act(StartReviewAction, "I'm reviewing", "I'm reviewing"+about)}
		if len(r.Reviews) > 0 {
			more = append(more, act(StopReviewAction, "Stop reviewing", "Stop reviewing"+about))
		}
		if len(r.ReassignOptions()) > 0 {
			more = append(more, act(ReassignAction, "Reassign", "Reassign"+about))
		}
		return []row{{"decide", []slack.BlockElement{
			vote(handle.Approve, "Approve", "Approve"+about, slack.StylePrimary),
			vote(handle.Reject, "Reject", "Reject"+about, slack.StyleDanger),
			act(AskAction, "Ask", "Ask the requester about"+about),
		}}, {"more", more}}
	case g == nil, g.UsedBy != "", !g.RevokedAt.IsZero(), g.Lapsed:
		return []row{{"details", []slack.BlockElement{details}}}
	case g.At.IsZero():
		return []row{{"relaunch", []slack.BlockElement{vote(handle.Approve, "Approve for relaunch", "Approve for relaunch: "+Title(r), slack.StylePrimary), details}}}
	}
	return []row{{"relaunch", []slack.BlockElement{vote(handle.Revoke, "Revoke", "Revoke the approval for relaunch of "+Title(r), slack.StyleDanger), details}}}
}

// What an update changes that can't be shown.
const (
	ChangesUnknown = "No approved launch of this stack is on record, so what changes can't be shown."
	ChangeNotShown = "The template changes, or a value that isn't shown here. See the stack in the AWS console."
)

// changes lists what an update changes, and nothing else.
func changes(u *handle.Update) string {
	if u.Approved == "" {
		return "*Changes*\n:warning: " + ChangesUnknown + " Details has all values."
	}
	lines := make([]string, len(u.Changes))
	for i, c := range u.Changes {
		lines[i] = change(c, 120)
	}
	s := cmp.Or(bullets("Changes", lines, func(i int) int { return u.Changes[i].Represents() }), "*Changes*")
	if u.Unshown {
		s += "\n:warning: " + ChangeNotShown
	}
	return s
}

// change shows one change, with at most n bytes of each value.
func change(c handle.Change, n int) string {
	value := func(v string) string {
		if v == "" {
			return "none"
		}
		return code(shorten(v, n), n)
	}
	return code(c.Name, 60) + ": " + value(c.Old) + " → " + value(c.New)
}

// relaunch says until when an expired launch can still be approved for relaunch, or
// whether that approval was given, used or revoked. launcher is who may launch it.
func relaunch(r handle.Request, launcher string) string {
	g := r.Grant
	switch {
	case g == nil, g.Lapsed && g.At.IsZero():
		return ""
	case g.UsedBy != "":
		return "*Relaunched* " + Mrkdwn.Date(g.UsedAt) + ": request " + code(g.UsedBy, 40) + " used this approval."
	case !g.RevokedAt.IsZero():
		return "*Approval for relaunch revoked* by " + Mrkdwn.Person(g.RevokedBy, handle.ViaSlack) + ", " + Mrkdwn.Date(g.RevokedAt)
	case g.Lapsed:
		return "*Approval for relaunch not used* by " + Mrkdwn.Date(g.Until) + ": it is no longer valid."
	case g.At.IsZero():
		text := "Approvers can still approve until " + Mrkdwn.Date(g.Until) + ". " + launcher + " can then launch it again with the same values, once, without waiting."
		if n := len(r.ApprovedBy()); n > 0 {
			text += fmt.Sprintf("\n%d of %d have approved.", n, r.ApprovalsNeeded())
		}
		return text
	}
	return "*Approved for relaunch* by " + approvedBy(r, handle.ViaSlack) + ", " + Mrkdwn.Date(g.At) + ". Valid once, until " + Mrkdwn.Date(g.Until) + "."
}

// approvedBy names those who approved by way of via.
func approvedBy(r handle.Request, via handle.Via) string {
	var by []string
	for _, p := range r.ApprovedBy() {
		by = append(by, Mrkdwn.Person(p, via))
	}
	return strings.Join(by, ", ")
}

// outcome says how the request was decided and when, and what happened to the stack.
func outcome(r handle.Request) string {
	d := r.Decision
	word := strings.ToUpper(string(d.State[:1])) + string(d.State[1:])
	line := "*" + word + "*"
	switch d.State {
	case handle.Approved:
		line += " by " + approvedBy(r, d.Via)
	case handle.Rejected:
		line += " by " + Mrkdwn.Person(d.By, d.Via)
	case handle.Expired:
		line += " without a decision"
	case handle.Withdrawn:
		if r.WithdrawnByRequester() {
			line += " by " + Mrkdwn.Person(d.By, d.Via)
		}
	}
	line += ", " + Mrkdwn.Date(d.At)
	if d.Via == handle.ViaGrant {
		line += ": approved for relaunch after request " + code(r.GrantFrom, 40) + " expired"
	}
	switch {
	case r.Signal == nil || r.Signal.Undeliverable == "":
	case r.Update != nil:
		line += "\n:warning: CloudFormation no longer accepts the answer. The update will fail when it times out."
	default:
		line += "\n:warning: CloudFormation no longer accepts the signal. The stack will fail when its wait condition times out."
	}
	if r.Bypass != nil {
		line += "\n:rotating_light: " + escape(handle.OneLine(r.Bypass.How, 300)) + "."
	}
	if r.Ended != nil {
		line += "\n" + stackEnd(r.Ended)
	}
	return line
}

// stackEnd says in one sentence how the stack ended.
func stackEnd(e *handle.Ended) string {
	switch {
	case e.Succeeded():
		return "The stack is ready (" + code(e.Status, 40) + ")."
	case e.Status == "DELETE_COMPLETE":
		return "The stack was deleted."
	case e.Status == "DELETE_FAILED":
		return "The stack could not be deleted (" + code(e.Status, 40) + ")."
	default:
		return "The stack was rolled back (" + code(e.Status, 40) + ")."
	}
}

// footer identifies the request for searching, and links to its stack.
func footer(r handle.Request) []string {
	first := "Request " + code(r.ID, 40)
	if url := stackPage(r); url != "" {
		first += " · " + link(url, "Stack in the AWS console")
	}
	lines := []string{first}
	for _, f := range []handle.Field{{Name: "Principal", Value: r.Requester.Principal}, {Name: "Launched by", Value: r.Requester.Launcher}} {
		if !handle.Blank(f.Value) {
			lines = append(lines, f.Name+" "+code(f.Value, 300))
		}
	}
	return lines
}
