package bot

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"countersign/bot/blocks"
	"countersign/handle"
)

// page is what a mailed link leads to: the request's state, and a form while it
// can be decided.
type page struct {
	status int
	Title  string
	Lead   string
	Next   string // step
	Form   *pageForm
	Groups []pageGroup
}

type pageForm struct {
	Verdict handle.Verdict
	typed
	Faults map[string]string // by field
}

// pageGroup keeps our own facts apart from what the template and its user wrote,
// so that theirs cannot pass for ours.
type pageGroup struct {
	Title  string
	Fields []handle.Field
}

// honeypot is a field that people do not see, but programs fill in.
const honeypot = "extra"

// Alert reports whether the page shows an error.
func (p page) Alert() bool { return p.status >= 400 }

// Rejects reports whether the form rejects.
func (f pageForm) Rejects() bool { return f.Verdict == handle.Reject }

// pageHeaders allow a browser only to show the page and to send its form back.
// The address is a secret, so no referrer carries it.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=63072000")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex, nofollow")
}

func (p page) write(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	if err := p.html().Render(&b); err != nil {
		refuse(w, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}

// with returns p with faults shown at the fields of its form, if it has one.
func (p page) with(faults map[string]string) page {
	if p.Form == nil {
		return p
	}
	f := *p.Form
	f.Faults = faults
	p.Form = &f
	p.status = http.StatusUnprocessableEntity
	p.Lead = "Nothing was recorded: the form is incomplete."
	return p
}

// asRead returns p as the answer to GET, for which a decided request is not an
// error.
func (p page) asRead() page {
	if p.status == http.StatusConflict || p.status == http.StatusForbidden {
		p.status = http.StatusOK
	}
	return p
}

// Pages that show nothing of the request.

func badLink() page {
	return page{
		status: http.StatusNotFound,
		Title:  "This link is not valid",
		Lead:   "Nothing was changed.",
		Next:   "Open the complete link from the mail, or decide in Slack.",
	}
}

func expiredLink() page {
	return page{
		status: http.StatusGone,
		Title:  "This link has expired",
		Lead:   "Nothing was changed.",
		Next:   "If the launch is still waiting, decide in Slack. Otherwise the requester can launch again.",
	}
}

func badForm(status int) page {
	return page{
		status: status,
		Title:  "This form can't be accepted",
		Lead:   "Nothing was changed.",
		Next:   "Open the link in the mail again and fill in the form.",
	}
}

func unreadable() page {
	return page{
		status: http.StatusServiceUnavailable,
		Title:  "Something went wrong",
		Lead:   "The request could not be read, and nothing was changed.",
		Next:   "Try again in a moment, or decide in Slack.",
	}
}

// page shows the request, and the form unless it is refused.
func (m *mailDecision) page(r handle.Request, refused handle.RefusalReason) page {
	p := page{status: http.StatusOK, Groups: groups(r)}
	verb := "Approve"
	if m.ticket.Verdict == handle.Reject {
		verb = "Reject"
	}
	p.Title = verb + " the " + blocks.Operation(r) + " of " + blocks.Title(r) + "?"
	switch refused {
	case "":
		p.Lead = "This link can only " + string(m.ticket.Verdict) + " this " + blocks.Operation(r) + ". Opening it changed nothing."
		p.Form = m.form(nil)
	case m.wrong:
		if r.LinkLocked(m.wrong) {
			return m.page(r, refusedLocked)
		}
		p.status = http.StatusForbidden
		p.Lead = "Nothing was recorded: the code does not match the mail."
		p.Form = m.form(map[string]string{"code": "This is not the code below this link in the mail. " + m.attemptsLeft(r)})
	case refusedLocked:
		p.status = http.StatusForbidden
		p.Title = "This mailed link is locked"
		p.Lead = "Too many wrong codes were entered here. Nothing was recorded."
		p.Next = "The requester can " + blocks.Operation(r) + " again."
		if r.Terms.Channel != "" {
			p.Next = "Decide in Slack, or ask the requester to " + blocks.Operation(r) + " again."
		}
	case handle.RefusedNotByMail:
		p.status = http.StatusForbidden
		p.Title = "This " + blocks.Operation(r) + " can't be approved by mail"
		p.Lead = blocks.Plain.Refused(r, refused)
	case handle.RefusedDecided:
		p.status = http.StatusConflict
		p.Title = "Already decided: " + blocks.Title(r)
		p.Lead = blocks.Plain.AlreadyDecided(r)
	case handle.RefusedExpired:
		p.status = http.StatusGone
		p.Title = "Expired: " + blocks.Title(r)
		p.Lead = blocks.Plain.Refused(r, refused)
	case handle.RefusedUnverified:
		p.status = http.StatusServiceUnavailable
		p.Title = "This " + blocks.Operation(r) + " can't be decided yet"
		p.Lead = blocks.RequesterPending
	default:
		p.status = http.StatusForbidden
		p.Title = "Nothing was recorded"
		p.Lead = blocks.Plain.Refused(r, refused)
	}
	return p
}

func (m *mailDecision) attemptsLeft(r handle.Request) string {
	if n := handle.MaxWrongCodes - r.WrongCodes(m.wrong); n > 1 {
		return fmt.Sprintf("%d attempts left.", n)
	}
	return "One attempt left."
}

func (m *mailDecision) form(faults map[string]string) *pageForm {
	return &pageForm{Verdict: m.ticket.Verdict, typed: m.typed, Faults: faults}
}

// donePage says that the vote is on record.
func (m *mailDecision) donePage(r handle.Request) page {
	p := page{status: http.StatusOK, Groups: groups(r)}
	if r.Decision == nil { // today no vote by mail leaves a request open
		p.Title, p.Lead = "Recorded", blocks.Recorded(r)
		return p
	}
	p.Title = "Recorded: " + string(r.State()) + " by " + r.Decider()
	p.Lead = "The " + blocks.Operation(r) + " of " + blocks.Title(r) + " was " + string(r.State()) + "."
	p.Next = "CloudFormation and the requester are being notified. You can close this page."
	return p
}

// failedPage says that the request could not be read, or the vote not certainly
// recorded. What was typed stays in the form.
func (m *mailDecision) failedPage(o outcome) page {
	if errors.Is(o.err, handle.ErrNotFound) {
		return badLink()
	}
	p := unreadable()
	if m.typed == (typed{}) {
		return p
	}
	p.Lead = "Your decision could not be recorded."
	if o.maybeWritten {
		p.Lead = "Your decision may not have been recorded."
	}
	p.Next = "Send the form again in a moment: repeating it is safe."
	p.Form = m.form(nil)
	return p
}

const (
	maxFields = 201  // of each group: all that the record keeps, and a warning
	maxValue  = 4096 // bytes
)

// groups lists what a person must know to decide.
func groups(r handle.Request) []pageGroup {
	list := []pageGroup{{Title: "The " + blocks.Operation(r), Fields: blocks.Facts(r)}}
	show := func(text string) string { return handle.Shorten(r.WaitURL.Redact(text), maxValue) }
	for _, g := range []pageGroup{{"Changes", changes(r.Update)}, {"Details from the template", r.Details}, {"Parameters", r.Parameters}, {"Identifiers", blocks.Identifiers(r)}} {
		shown := pageGroup{Title: g.Title}
		for _, f := range g.Fields[:min(len(g.Fields), maxFields)] {
			shown.Fields = append(shown.Fields, handle.Field{Name: show(f.Name), Value: show(f.Value)})
		}
		if len(shown.Fields) > 0 {
			list = append(list, shown)
		}
	}
	return list
}

// changes lists what an update changes, or warns that this can't be shown.
func changes(u *handle.Update) (list []handle.Field) {
	switch {
	case u == nil:
		return nil
	case u.Approved == "":
		return []handle.Field{{Name: "Warning", Value: blocks.ChangesUnknown}}
	}
	if u.Unshown {
		list = append(list, handle.Field{Name: "Warning", Value: blocks.ChangeNotShown})
	}
	for _, c := range u.Changes {
		list = append(list, handle.Field{Name: c.Name, Value: cmp.Or(c.Old, "none") + " → " + cmp.Or(c.New, "none")})
	}
	return list
}
