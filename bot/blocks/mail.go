package blocks

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"countersign/handle"
)

// Links makes the links of a mail, by which it can be answered.
type Links struct {
	Base string         // where the bot is reachable, such as https://abc.execute-api.eu-west-1.amazonaws.com
	Key  handle.MailKey // signs the tickets; the bot must know it too
}

// Check reports what makes the links unusable.
func (l Links) Check() error {
	u, err := url.Parse(l.Base)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback()) {
		return errors.New("the bot's address must be a URL such as https://approvals.example.com")
	}
	if len(l.Key) < handle.MinMailKey {
		return fmt.Errorf("the mail key must have at least %d bytes", handle.MinMailKey)
	}
	return nil
}

func (l Links) to(r handle.Request, v handle.Verdict) (link, code string) {
	sealed := l.Key.Seal(handle.Ticket{ID: r.ID, Verdict: v}, r.Terms.Deadline)
	return strings.TrimSuffix(l.Base, "/") + "/decide/" + sealed, l.Key.Code(sealed)
}

// Letter is what a mail says of an occasion: the question with its links, or
// how it was settled. links may be nil.
func Mail(r handle.Request, o handle.Notification, links *Links) (subject, body string) {
	var b strings.Builder
	word := states[r.State()].word // as it is decided: what came of the stack is not mailed
	switch o.Name {
	case handle.NotifyAsked:
		fmt.Fprintf(&b, "%s asks to launch %s. Slack could not be told, so this mail asks you.\n\n", requesterName(r), title(r))
		writeFacts(&b, r)
		writeLinks(&b, r, links)
	case handle.NotifyBypass:
		word = "ALARM: went round the approval"
		fmt.Fprintf(&b, "%s went round the approval: %s. Please look into it.\n\n", title(r), r.Bypass.How)
		writeFacts(&b, r)
	default:
		fmt.Fprintf(&b, "%s: %s.", word, title(r))
		if who := r.Decider(); who != "" {
			fmt.Fprintf(&b, " Decided by %s.", who)
		}
		if r.Decision.Reason != "" {
			fmt.Fprintf(&b, "\nReason: %s", handle.OneLine(r.Decision.Reason, 2000))
		}
		b.WriteString("\n\nNothing needs to be done. The links in the earlier mail no longer work.\n\n")
		writeFacts(&b, r)
	}
	return ascii(word + ": " + title(r)), b.String()
}

func writeFacts(b *strings.Builder, r handle.Request) {
	fact := func(name, value string) {
		if value = handle.OneLine(value, 300); value != "" {
			fmt.Fprintf(b, "  %-20s %s\n", name+":", value)
		}
	}
	if r.Requester.Principal != "" {
		fact("Proven by AWS", r.Requester.Principal)
	}
	if r.Requester.Email != "" && r.Requester.Email != r.Requester.PrincipalName() {
		fact("Claimed e-mail", r.Requester.Email+" (typed, not proven)")
	}
	fact("Provisioned product", r.Product.Provisioned)
	fact("Product", r.Product.ID)
	fact("Version", r.Product.Version)
	fact("Portfolio", r.Product.Portfolio)
	fact("Account", r.Stack.Account)
	fact("Region", r.Stack.Region)
	fact("Purpose", r.Purpose)
	for _, f := range r.Details {
		fact(f.Name, f.Value)
	}
	for _, f := range r.Parameters {
		fact("Parameter "+handle.OneLine(f.Name, 100), f.Value)
	}
	fact("Closes", r.Terms.Deadline.UTC().Format("2006-01-02 15:04 UTC"))
	fact("Request", r.ID)
}

func writeLinks(b *strings.Builder, r handle.Request, links *Links) {
	b.WriteString("\n")
	if links == nil {
		b.WriteString("It cannot be decided by mail. Decide in Slack when it is back.\n")
		return
	}
	write := func(v handle.Verdict, word string) {
		link, code := links.to(r, v)
		fmt.Fprintf(b, "%s\n  %s\n  Code: %s\n\n", word, link, code)
	}
	if r.Terms.Approvals == 1 {
		write(handle.Approve, "To approve, open this page and type the code:")
	} else {
		fmt.Fprintf(b, "It needs %d different approvers, whom only Slack can tell apart: it cannot be approved by mail.\n\n", r.Terms.Approvals)
	}
	write(handle.Reject, "To reject, open this page and type the code:")
	b.WriteString("Opening a page decides nothing. Each link works once, for this request alone.\nDo not forward this mail: whoever has it can decide.\n")
}

// ascii makes a subject that SNS takes: at most 99 characters of printable
// ASCII.
func ascii(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, handle.OneLine(s, 400))
	return s[:min(len(s), 99)]
}
