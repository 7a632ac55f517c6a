package blocks

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"countersign/handle"
)

// Links signs the links by which a mail can be answered.
type Links struct {
	Base string         // the bot's address, such as https://abc.execute-api.eu-west-1.amazonaws.com
	Key  handle.MailKey // signs the tickets; the bot must know it too
}

// Check reports why the links would not work.
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

// Mail words n as a mail: the question with its links, or how it was decided. Both parts
// are what SNS takes: a subject of at most 99 characters of printable ASCII, and less
// than 256 KB in all. links may be nil.
func Mail(r handle.Request, n handle.Notification, links *Links) (subject, body string) {
	var b strings.Builder
	word := states[r.State()].word // how it was decided: the stack's end is not mailed
	if isUpdate(r) {
		r.Ended = nil
		word = updateHeadline(r).word
	}
	switch n.Kind() {
	case handle.NotifyAsked:
		what := requesterName(r) + " wants to " + Operation(r) + " " + Title(r) + " in " + plainPlace(r) + "."
		if isUpdate(r) {
			what += " AWS doesn't prove who started the update."
		}
		why := "Slack could not be reached, so this request comes by mail."
		if _, posted := r.Root(); posted {
			why = "Slack did not let Countersign notify the approvers, so this request comes by mail too."
		}
		fmt.Fprintf(&b, "%s %s\n\n", defang(what), why)
		writeFacts(&b, r)
		writeLinks(&b, r, links)
	case handle.NotifyLocked:
		word = "Mailed link locked"
		fmt.Fprintf(&b, "The mailed link to %s the %s of %s was locked after %d wrong codes. Nothing was decided.\n\n", n.Verdict, Operation(r), defang(Title(r)), handle.MaxWrongCodes)
		if r.Terms.Channel != "" {
			b.WriteString("Decide in Slack instead.")
		} else {
			b.WriteString("For new links, ask the requester to launch again.")
		}
		b.WriteString(" If no approver mistyped the code, someone else may have the mail: check who receives it.\n\n")
		writeFacts(&b, r)
	case handle.NotifyBypass:
		word = "ALARM: bypassed approval"
		fmt.Fprintf(&b, "%s bypassed approval: %s. Please investigate.\n\n", defang(Title(r)), defang(handle.OneLine(r.Bypass.How, 300)))
		writeFacts(&b, r)
	default:
		fmt.Fprintf(&b, "%s: %s.", word, defang(Title(r)))
		if who := r.Decider(); who != "" {
			fmt.Fprintf(&b, " Decided by %s.", defang(who))
		}
		if !handle.Blank(r.Decision.Reason) {
			fmt.Fprintf(&b, "\nReason: %s", defang(handle.OneLine(r.Decision.Reason, 2000)))
		}
		b.WriteString("\n\nNo action is needed. The links in the earlier mail no longer work.\n\n")
		writeFacts(&b, r)
	}
	writeIdentifiers(&b, r)
	return ascii(word + ": " + Title(r)), b.String()
}

// Facts are what a person decides on, in plain text: who, what, where, why and until
// when. They leave out empty values, and the details and parameters.
func Facts(r handle.Request) []handle.Field {
	var facts []handle.Field
	add := func(name, value string) {
		if value = shorten(r.WaitURL.Redact(value), 2000); value != "" {
			facts = append(facts, handle.Field{Name: name, Value: value})
		}
	}
	if r.Requester.Principal != "" {
		add("Requester (proven by AWS)", principal(r.Requester.Principal))
	}
	add("E-mail (as typed, not verified)", r.Requester.Email)
	add("Product", Title(r))
	add("Provisioned product", r.Product.Provisioned)
	add("Account", r.Stack.AccountLabel())
	add("Region", r.Stack.Region)
	add("Purpose", r.Purpose)
	add("Expires", Plain.Date(r.Terms.Deadline))
	return facts
}

const (
	maxMailed = 300       // bytes of a value
	maxBody   = 160 << 10 // bytes of all facts and values; SNS takes 256 KB
)

// writeFacts writes what a person decides on, then what is launched or changed. What
// has no room is counted.
func writeFacts(b *strings.Builder, r handle.Request) {
	for _, f := range Facts(r) {
		b.WriteString(fact(r, f.Name, f.Value))
	}
	left := 0
	for _, f := range mailed(r) {
		if line := fact(r, f.Name, f.Value); left > 0 || b.Len()+len(line) > maxBody {
			left += f.represents
		} else {
			b.WriteString(line)
		}
	}
	if left > 0 {
		fmt.Fprintf(b, "  … and %d more: see the stack in the AWS console.\n", left)
	}
}

// writeIdentifiers ends a mail.
func writeIdentifiers(b *strings.Builder, r handle.Request) {
	b.WriteString("\n")
	for _, f := range Identifiers(r) {
		b.WriteString(fact(r, f.Name, f.Value))
	}
}

// fact is a name and value on a line, or a long value indented on the next, so that it
// wraps legibly.
func fact(r handle.Request, name, value string) string {
	name, value = defang(handle.OneLine(name, 120)), defang(shorten(r.WaitURL.Redact(value), maxMailed))
	separator := " "
	if len(name)+len(value) > 72 {
		separator = "\n      "
	}
	return "  " + name + ":" + separator + value + "\n"
}

// mailedField is one detail, parameter or change, and how many it stands for.
type mailedField struct {
	handle.Field
	represents int
}

// mailed lists what is launched, or what an update changes.
func mailed(r handle.Request) (list []mailedField) {
	add := func(name, value string, represents int) {
		list = append(list, mailedField{handle.Field{Name: name, Value: value}, represents})
	}
	if r.Update != nil && r.Update.Approved != "" {
		if r.Update.Unshown {
			add("Change", "of the template, or of a value that isn't shown here", 1)
		}
		for _, c := range r.Update.Changes {
			add("Change of "+c.Name, cmp.Or(shorten(c.Old, maxMailed/2), "none")+" → "+cmp.Or(shorten(c.New, maxMailed/2), "none"), c.Represents())
		}
		return list
	}
	for _, f := range shown(r, r.Details) {
		add(f.Name, f.Value, f.Represents())
	}
	for _, f := range shown(r, r.Parameters) {
		add("Parameter "+f.Name, f.Value, f.Represents())
	}
	return list
}

func writeLinks(b *strings.Builder, r handle.Request, links *Links) {
	b.WriteString("\n")
	if links == nil {
		b.WriteString("This request can't be decided by mail. Decide in Slack when it is back.\n")
		return
	}
	write := func(v handle.Verdict, word string) {
		link, code := links.to(r, v)
		fmt.Fprintf(b, "%s\n  %s\n  Code: %s\n\n", word, link, code)
	}
	if r.RefusalFor(handle.ViaMail, handle.Approve, r.CreatedAt) == "" {
		write(handle.Approve, "To approve, open this page and type the code:")
	} else {
		b.WriteString(Plain.Refused(r, handle.RefusedNotByMail) + "\n\n")
	}
	write(handle.Reject, "To reject, open this page and type the code:")
	b.WriteString("Opening a link decides nothing. Each link works once, for this request only.\nDon't forward this mail: anyone who has it can decide.\n")
}

// ascii makes a subject that SNS takes. See
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func ascii(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, handle.OneLine(s, 400))
	return s[:min(len(s), 99)]
}
