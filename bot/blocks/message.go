package blocks

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// View is one Slack message: blocks, and the sentence that stands for them in
// notifications and for screen readers.
type View struct {
	Text   string
	Blocks []slack.Block
}

const (
	maxShown   = 12   // details and parameters shown each
	maxTitle   = 100  // bytes of a product's name
	maxSection = 2900 // bytes; Slack takes 3,000 characters
)

// Message is the one message of a request, as its record is: with buttons while
// it is pending, without when it is settled. It shows what handle.Request.Face
// digests, and what never changes.
func Message(r handle.Request) View {
	title := title(r)
	head := headline(r)
	v := View{Text: escape(head.word + ": " + title + ", asked by " + requesterName(r))}
	v.Blocks = append(v.Blocks, slack.NewHeaderBlock(plain(head.mark+" "+head.word+": "+title)))
	v.Blocks = append(v.Blocks, section(asks(r)))
	v.Blocks = append(v.Blocks, slack.NewSectionBlock(nil, facts(r), nil, slack.SectionBlockOptionBlockID("facts")))
	if r.Purpose != "" {
		v.Blocks = append(v.Blocks, slack.NewSectionBlock(quoted(r.Purpose, 400), nil, nil))
	}
	if shown := fields("Details", r.Details); shown != "" {
		v.Blocks = append(v.Blocks, section(shown))
	}
	if shown := fields("Parameters", r.Parameters); shown != "" {
		v.Blocks = append(v.Blocks, section(shown))
	}
	if r.State() == handle.Pending {
		v.Blocks = append(v.Blocks, buttons(r))
	} else {
		v.Blocks = append(v.Blocks, verdict(r)...)
	}
	return v.with(slack.NewContextBlock("footer", markdown(footer(r))))
}

func (v View) with(blocks ...slack.Block) View {
	v.Blocks = append(v.Blocks, blocks...)
	return v
}

type head struct{ mark, word string }

// headline names the state in a sign and in words: colour and emoji alone fail
// a screen reader.
func headline(r handle.Request) head {
	switch {
	case r.Bypass != nil:
		return head{"🚨", "Went round the approval"}
	case r.State() == handle.Approved && r.Ended != nil && r.Ended.Succeeded():
		return head{"✅", "Approved and launched"}
	case r.State() == handle.Approved && r.Ended != nil:
		return head{"⚠️", "Approved, but the launch failed"}
	}
	return states[r.State()]
}

var states = map[handle.State]head{
	handle.Pending:   {"🟡", "Approval needed"},
	handle.Approved:  {"✅", "Approved"},
	handle.Rejected:  {"❌", "Rejected"},
	handle.Expired:   {"⌛", "Expired"},
	handle.Withdrawn: {"↩️", "Withdrawn"},
}

// title is the best name of what is launched.
func title(r handle.Request) string {
	for _, s := range []string{r.Product.Name, r.Product.Provisioned, r.Product.ID, r.Stack.Name} {
		if s = handle.OneLine(s, maxTitle); s != "" {
			return s
		}
	}
	return "a launch"
}

// requesterName names the requester without markup.
func requesterName(r handle.Request) string {
	for _, s := range []string{r.Requester.PrincipalName(), r.Requester.Email} {
		if s = handle.OneLine(s, 100); s != "" {
			return s
		}
	}
	return "somebody unknown"
}

// requester mentions the requester, or names them if Slack does not know them.
// Whom a claim leads to is no requester where a proof says another name.
func requester(r handle.Request) string {
	if r.Requester.SlackID != "" && (r.Requester.Proven || r.Requester.Principal == "") {
		return mention(r.Requester.SlackID)
	}
	return code(requesterName(r), 100)
}

func asks(r handle.Request) string {
	s := requester(r) + " asks to launch " + bold(title(r), maxTitle) + "."
	switch {
	case r.Requester.Principal != "":
		s += "\nProven by AWS: " + code(r.Requester.Principal, 200)
		if e := r.Requester.Email; e != "" && e != r.Requester.PrincipalName() {
			s += "\nE-mail, as typed and not proven: " + code(e, 100)
		}
	case r.Requester.Email != "":
		s += "\n:warning: Claimed, not proven: " + code(r.Requester.Email, 100)
	default:
		s += "\n:warning: Nothing says who this is."
	}
	if r.Requester.LookedUp && !r.Requester.Proven && !r.Terms.SelfApproval {
		s += "\n:warning: Nothing proves who this is in Slack, so nobody can be stopped from approving their own launch. Make sure that it is not yours."
	}
	return s
}

func facts(r handle.Request) []*slack.TextBlockObject {
	approvals := fmt.Sprintf("%d of %d", len(r.ApprovedBy()), r.Terms.Approvals)
	if r.State() == handle.Pending && r.ApprovalsMissing() > 0 && r.Terms.Approvals > 1 {
		approvals += fmt.Sprintf(", %d more needed", r.ApprovalsMissing())
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
		markdown("*Closes*\n"+date(r.Terms.Deadline)))
}

// fields lists outside names and values, one a line, as far as a section block
// holds them.
func fields(heading string, list []handle.Field) string {
	if len(list) == 0 {
		return ""
	}
	s := "*" + heading + "*"
	for i, f := range list {
		line := "\n• " + code(f.Name, 60) + " = " + code(f.Value, 120)
		if i == maxShown || len(s)+len(line) > maxSection {
			return s + fmt.Sprintf("\n… and %d more, on the stack's page", len(list)-i)
		}
		s += line
	}
	return s
}

func buttons(r handle.Request) slack.Block {
	button := func(verdict handle.Verdict, label string, style slack.Style, aloud string) *slack.ButtonBlockElement {
		value := handle.Ticket{ID: r.ID, Verdict: verdict}.String()
		b := slack.NewButtonBlockElement(string(verdict), value, plain(label)).WithStyle(style)
		b.AccessibilityLabel = handle.Truncate(aloud+" "+title(r), 75)
		return b
	}
	return slack.NewActionBlock("decide",
		button(handle.Approve, "Approve", slack.StylePrimary, "Approve the launch of"),
		button(handle.Reject, "Reject", slack.StyleDanger, "Reject the launch of"))
}

// verdict says who settled the request, when and why.
func verdict(r handle.Request) []slack.Block {
	d := r.Decision
	word := strings.ToUpper(string(d.State[:1])) + string(d.State[1:])
	line := "*" + word + "*"
	switch d.State {
	case handle.Approved:
		var by []string
		for _, p := range r.ApprovedBy() {
			by = append(by, person(p, d.Via))
		}
		line += " by " + strings.Join(by, ", ")
	case handle.Rejected:
		line += " by " + person(d.By, d.Via)
	}
	line += ", " + date(d.At)
	if r.Signal != nil && r.Signal.Undeliverable != "" {
		line += "\n:warning: CloudFormation no longer takes the signal, so the stack will end by its own time-out."
	}
	if r.Bypass != nil {
		line += "\n:rotating_light: " + escape(handle.OneLine(r.Bypass.How, 300)) + "."
	}
	if r.Ended != nil {
		line += "\n" + ended(r)
	}
	blocks := []slack.Block{section(line)}
	if d.Reason != "" {
		blocks = append(blocks, slack.NewSectionBlock(quoted(d.Reason, 2000), nil, nil))
	}
	return blocks
}

func person(p handle.Person, via handle.Via) string {
	if via == handle.ViaMail {
		return code(p.Name, 80) + " (by mail, name as typed)"
	}
	return mention(p.ID)
}

// ended says in one sentence what became of the stack.
func ended(r handle.Request) string {
	switch e := r.Ended; {
	case e.Succeeded():
		return "The stack is up (" + code(e.Status, 40) + ")."
	case e.Status == "DELETE_COMPLETE":
		return "The stack was deleted."
	case e.Status == "DELETE_FAILED":
		return "The stack could not be deleted (" + code(e.Status, 40) + ")."
	default:
		return "The stack was rolled back (" + code(e.Status, 40) + ")."
	}
}

func footer(r handle.Request) string {
	return "Request " + code(r.ID, 40) + " · " + link(stackPage(r), "stack in the console")
}

// stackPage is the stack's page in the AWS console.
func stackPage(r handle.Request) string {
	domain := "console.aws.amazon.com"
	switch {
	case strings.HasPrefix(r.Stack.ID, "arn:aws-cn:"):
		domain = "console.amazonaws.cn"
	case strings.HasPrefix(r.Stack.ID, "arn:aws-us-gov:"):
		domain = "console.amazonaws-us-gov.com"
	}
	region := url.QueryEscape(r.Stack.Region)
	return "https://" + domain + "/cloudformation/home?region=" + region +
		"#/stacks/stackinfo?stackId=" + url.QueryEscape(r.Stack.ID)
}

func section(text string) slack.Block {
	return slack.NewSectionBlock(markdown(text), nil, nil)
}

// markdown is mrkdwn of our own making, in which Slack makes no links or
// mentions by itself.
func markdown(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, text, false, true)
}

// quoted shows outside text as a quotation, on a line of its own: nothing in it
// can look like a line of ours.
func quoted(s string, n int) *slack.TextBlockObject {
	return plain("“" + handle.OneLine(s, n) + "”")
}

// plain is text that Slack does not interpret.
func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}
