package audit

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/deploy/internal/report"
	"countersign/handle"
)

// writeText writes a summary of each request, or the whole history of those that
// were named.
func writeText(w io.Writer, requests iter.Seq2[handle.Request, error], s selection) error {
	show := summary
	if len(s.named) > 0 {
		show = whole
	}
	count := map[handle.State]int{}
	n, bypassed := 0, 0
	for r, err := range requests {
		if err != nil {
			return err
		}
		n++
		count[r.State()]++
		if r.Bypass != nil {
			bypassed++
		}
		if _, err := io.WriteString(w, show(r)+"\n"); err != nil {
			return err
		}
	}
	if len(s.named) > 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, s.totals(n, count, bypassed))
	return err
}

// summary describes r in a few lines.
func summary(r handle.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", minute(r.CreatedAt), blocks.Title(r))
	line := func(name, text string) { fmt.Fprintf(&b, "    %-10s%s\n", name, text) }
	line("requester", report.Requester(r))
	line("decision", decided(r))
	if r.Bypass != nil {
		line("BYPASSED", handle.OneLine(r.WaitURL.Redact(r.Bypass.How), 300))
	}
	if changes := report.Changes(r); changes != "" {
		line("changes", handle.OneLine(changes, 300))
	}
	if text := grant(r); text != "" {
		line("grant", text)
	}
	if text := report.Questions(r); text != "" {
		line("questions", handle.OneLine(text, 600))
	}
	if text := report.Reassignments(r); text != "" {
		line("reassign", handle.OneLine(text, 300))
	}
	line("stack", fmt.Sprintf("%s in %s, %s: %s", r.Stack.Name, r.Stack.Account, r.Stack.Region, cmp.Or(ended(r).Status, "final status not recorded")))
	line("request", r.ID)
	return b.String()
}

// grant says what the record has of r's approval for relaunch, or by which one r was
// approved; empty if there is none.
func grant(r handle.Request) string {
	if id := takenGrant(r); id != "" {
		return "of request " + id
	}
	g := value(r.Grant)
	switch {
	case g.UsedBy != "":
		return "by " + report.GrantedBy(r) + ", used by request " + g.UsedBy + " " + minute(g.UsedAt)
	case !g.RevokedAt.IsZero():
		return "revoked by " + report.Person(g.RevokedBy) + " " + minute(g.RevokedAt)
	case g.Lapsed && !g.At.IsZero():
		return "by " + report.GrantedBy(r) + ", not used until " + minute(g.Until)
	case g.Lapsed, r.Grant == nil:
		return ""
	case g.At.IsZero():
		return "possible until " + minute(g.Until)
	}
	return "by " + report.GrantedBy(r) + ", until " + minute(g.Until)
}

// decided says what was decided, when, by whom and why.
func decided(r handle.Request) string {
	at, by, before := decision(r).At, "", voters(r, handle.Approve)
	switch r.State() {
	case handle.Approved:
		by, before = before, ""
	case handle.Rejected:
		by = voters(r, handle.Reject)
	case handle.Expired: // later approvals are for a relaunch
		early := r
		early.Votes = slices.DeleteFunc(slices.Clone(r.Votes), func(v handle.Vote) bool { return v.At.After(at) })
		before = voters(early, handle.Approve)
	}
	s := string(r.State())
	if at.IsZero() {
		s += " until " + minute(r.Terms.Deadline)
	} else {
		s += " " + minute(at)
	}
	for _, part := range [][2]string{{" by ", by}, {", after approval by ", before}, {": ", decision(r).Reason}} {
		if part[1] != "" {
			s += part[0] + part[1]
		}
	}
	return handle.OneLine(r.WaitURL.Redact(s), 2500)
}

// whole prints everything about r. Times come before texts, because a text can
// look like anything.
func whole(r handle.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", blocks.Title(r))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-25s%s\n", name, text)
		}
	}
	line("Request", r.ID)
	line("Stack ID", r.Stack.ID)
	line("Product ID", r.Product.ID)
	line("Version ID", r.Product.Version)
	line("Provisioned product", spaced(handle.OneLine(r.Product.Provisioned, 200), r.Product.ProvisionedID))
	for _, f := range report.Facts(r, nil) {
		line(f.Name, spaced(second(f.At), f.Text))
	}
	b.WriteString("\n  History\n\n")
	for _, e := range report.History(r) {
		times := ""
		if e.Count > 1 {
			times = fmt.Sprintf("(%d times, last shown)", e.Count)
		}
		line(second(e.At), spaced(string(e.Kind), times, e.By, e.Text))
	}
	return b.String()
}

// spaced joins the strings that are not empty.
func spaced(list ...string) string {
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), "  ")
}

// totals counts the listed requests by state.
func (s selection) totals(n int, count map[handle.State]int, bypassed int) string {
	within := "since " + minute(s.since)
	if !s.until.IsZero() {
		within += " and before " + minute(s.until)
	}
	if n == 0 {
		return "No matching requests " + within + "."
	}
	var parts []string
	for _, state := range []handle.State{handle.Approved, handle.Rejected, handle.Expired, handle.Withdrawn, handle.Pending} {
		if count[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[state], state))
		}
	}
	noun := "requests"
	if n == 1 {
		noun = "request"
	}
	text := fmt.Sprintf("%d %s %s: %s.", n, noun, within, strings.Join(parts, ", "))
	if bypassed > 0 {
		text += fmt.Sprintf(" %d bypassed approval.", bypassed)
	}
	return text
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// second is empty for the zero time.
func second(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
