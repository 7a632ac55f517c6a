// Package blocks words everything that people read: the Slack message of a
// request, replies in its thread, private replies, modals and mail. Each is a
// pure function of the record.
package blocks

import (
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
	maxShown   = 12   // details and parameters shown each
	maxSection = 2900 // bytes; Slack takes 3,000 characters
)

// Message is the one message of a request: with buttons while it is pending,
// without them afterwards. It shows what handle.Request.ViewHash digests, and
// what never changes.
func Message(r handle.Request) View {
	title := Title(r)
	head := headline(r)
	v := View{Text: escape(head.word + ": " + title + ", requested by " + requesterName(r))}
	v.Blocks = append(v.Blocks, slack.NewHeaderBlock(plain(head.sign+" "+head.word+": "+title)))
	v.Blocks = append(v.Blocks, slack.NewSectionBlock(markdown(summary(r)), nil, detailsButton(r), slack.SectionBlockOptionBlockID("summary")))
	v.Blocks = append(v.Blocks, slack.NewSectionBlock(nil, facts(r), nil, slack.SectionBlockOptionBlockID("facts")))
	if r.Purpose != "" {
		v.Blocks = append(v.Blocks, slack.NewSectionBlock(quote(r.Purpose, 400), nil, nil))
	}
	if r.Update != nil {
		v.Blocks = append(v.Blocks, section(changes(r.Update)))
	} else {
		v.Blocks = append(v.Blocks, content(r)...)
	}
	if r.State() == handle.Pending {
		v.Blocks = append(v.Blocks, buttons(r))
	} else {
		v.Blocks = append(v.Blocks, outcome(r)...)
	}
	v.Blocks = append(v.Blocks, relaunch(r)...)
	if r.Content.Account != "" && r.Content.Template == "" {
		v.Blocks = append(v.Blocks, slack.NewContextBlock("template", markdown(":warning: Countersign may not read the template, so an approval does not bind it.")))
	}
	v.Blocks = append(v.Blocks, slack.NewContextBlock("footer", markdown(footer(r))))
	return v
}

// content shows what is launched.
func content(r handle.Request) (list []slack.Block) {
	for _, group := range []struct {
		heading string
		fields  []handle.Field
	}{{"Details", r.Details}, {"Parameters", r.Parameters}} {
		if text := fields(group.heading, shown(r, group.fields)); text != "" {
			list = append(list, section(text))
		}
	}
	return list
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

// summary says who wants to launch what, and how well the requester is known.
func summary(r handle.Request) string {
	s := requester(r) + " wants to launch " + bold(Title(r), maxTitle) + ".\n" + identity(r, Mrkdwn)
	if isUpdate(r) {
		what := " needs a new approval"
		if r.Update != nil && r.Update.Approved != "" {
			what = " changes what was approved"
		}
		s = "An update of " + bold(Title(r), maxTitle) + what + ". AWS doesn't prove who updates.\n" + identity(r, Mrkdwn)
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

func facts(r handle.Request) []*slack.TextBlockObject {
	approvals := fmt.Sprintf("%d of %d", len(r.ApprovedBy()), r.ApprovalsNeeded())
	if r.State() == handle.Pending && r.ApprovalsMissing() > 0 && r.ApprovalsNeeded() > 1 {
		approvals += fmt.Sprintf(" (%d more needed)", r.ApprovalsMissing())
	}
	list := []struct{ name, value string }{
		{"Provisioned product", r.Product.Provisioned},
		{"Product", r.Product.ID},
		{"Version", r.Product.Version},
		{"Portfolio", r.Product.Portfolio},
		{"Account", r.Stack.Account},
		{"Region", r.Stack.Region},
	}
	var out []*slack.TextBlockObject
	for _, f := range list {
		if f.value != "" {
			out = append(out, markdown("*"+f.name+"*\n"+code(f.value, 200)))
		}
	}
	return append(out,
		markdown("*Approvals*\n"+approvals),
		markdown("*Expires*\n"+Mrkdwn.Date(r.Terms.Deadline)))
}

// fields lists outside names and values, one a line, as far as a section block
// holds them.
func fields(heading string, list []handle.Field) string {
	if len(list) == 0 {
		return ""
	}
	s := "*" + heading + "*"
	for i, f := range list {
		line := "\n• " + code(f.Name, 60) + " = " + code(shorten(f.Value, 120), 120)
		if i == maxShown || len(s)+len(line) > maxSection {
			return s + fmt.Sprintf("\n… and %d more: see Details", len(list)-i)
		}
		s += line
	}
	return s
}

// button is one of the message's buttons.
func button(r handle.Request, verdict handle.Verdict, label string, style slack.Style, aloud string) *slack.ButtonBlockElement {
	b := slack.NewButtonBlockElement(string(verdict), handle.Ticket{ID: r.ID, Verdict: verdict}.String(), plain(label)).WithStyle(style)
	b.AccessibilityLabel = handle.Truncate(aloud+" "+Title(r), 75)
	return b
}

func buttons(r handle.Request) slack.Block {
	what := "the " + Operation(r) + " of"
	return slack.NewActionBlock("decide",
		button(r, handle.Approve, "Approve", slack.StylePrimary, "Approve "+what),
		button(r, handle.Reject, "Reject", slack.StyleDanger, "Reject "+what))
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
	s := "*Changes*"
	for i, c := range u.Changes {
		line := "\n• " + change(c, 120)
		if i == maxShown || len(s)+len(line) > maxSection {
			return s + fmt.Sprintf("\n… and %d more: see Details", len(u.Changes)-i)
		}
		s += line
	}
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

// relaunch offers the late approval of an expired launch, or shows whether it was
// given, used or revoked.
func relaunch(r handle.Request) []slack.Block {
	g := r.Grant
	switch {
	case g == nil:
		return nil
	case g.UsedBy != "":
		return []slack.Block{section("*Relaunched* " + Mrkdwn.Date(g.UsedAt) + ": request " + code(g.UsedBy, 40) + " used this approval.")}
	case !g.RevokedAt.IsZero():
		return []slack.Block{section("*Approval for relaunch revoked* by " + Mrkdwn.Person(g.RevokedBy, handle.ViaSlack) + ", " + Mrkdwn.Date(g.RevokedAt))}
	case g.Lapsed && !g.At.IsZero():
		return []slack.Block{section("*Approval for relaunch not used* by " + Mrkdwn.Date(g.Until) + ": it is no longer valid.")}
	case g.Lapsed:
		return nil
	case g.At.IsZero():
		text := "Approvers can still approve until " + Mrkdwn.Date(g.Until) + ". The requester can then launch it again with the same values, once, without waiting."
		if n := len(r.ApprovedBy()); n > 0 {
			text += fmt.Sprintf("\n%d of %d have approved.", n, r.ApprovalsNeeded())
		}
		return []slack.Block{section(text), slack.NewActionBlock("relaunch",
			button(r, handle.Approve, "Approve for relaunch", slack.StylePrimary, "Approve for relaunch:"))}
	}
	return []slack.Block{
		section("*Approved for relaunch* by " + approvedBy(r, handle.ViaSlack) + ", " + Mrkdwn.Date(g.At) + ". Valid once, until " + Mrkdwn.Date(g.Until) + "."),
		slack.NewActionBlock("relaunch", button(r, handle.Revoke, "Revoke", slack.StyleDanger, "Revoke the approval for relaunch of")),
	}
}

// approvedBy names those who approved by way of via.
func approvedBy(r handle.Request, via handle.Via) string {
	var by []string
	for _, p := range r.ApprovedBy() {
		by = append(by, Mrkdwn.Person(p, via))
	}
	return strings.Join(by, ", ")
}

// outcome says how the request was decided, when and why, and what happened to
// the stack.
func outcome(r handle.Request) []slack.Block {
	d := r.Decision
	word := strings.ToUpper(string(d.State[:1])) + string(d.State[1:])
	line := "*" + word + "*"
	switch d.State {
	case handle.Approved:
		line += " by " + approvedBy(r, d.Via)
	case handle.Rejected:
		line += " by " + Mrkdwn.Person(d.By, d.Via)
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
	blocks := []slack.Block{section(line)}
	if d.Reason != "" {
		blocks = append(blocks, slack.NewSectionBlock(quote(d.Reason, 2000), nil, nil))
	}
	return blocks
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

func footer(r handle.Request) string {
	return "Request " + code(r.ID, 40) + " · " + link(stackPage(r), "Stack in the AWS console")
}

func section(text string) slack.Block {
	return slack.NewSectionBlock(markdown(text), nil, nil)
}

// markdown is verbatim mrkdwn: Slack adds no links or mentions of its own.
func markdown(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, text, false, true)
}

// quote shows outside text as a quotation in a block of its own, where it cannot
// imitate our lines.
func quote(s string, n int) *slack.TextBlockObject {
	return plain("“" + shorten(s, n) + "”")
}

// plain is text that Slack does not interpret.
func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}
