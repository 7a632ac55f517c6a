package bot

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"countersign/handle"
)

// page is what a mailed link leads to: how things stand, and the form if there
// is something to decide.
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

// pageGroup keeps our own facts apart from what the template and its user
// wrote, so that none of theirs can pass for one of ours.
type pageGroup struct {
	Title  string
	Fields []handle.Field
}

// trap is a field that people do not see. Programs fill it in.
const trap = "extra"

// Alert reports whether the page says that something went wrong.
func (p page) Alert() bool { return p.status >= 400 }

// Rejects reports whether the form rejects.
func (f pageForm) Rejects() bool { return f.Verdict == handle.Reject }

// pageHeaders makes a browser do nothing but show the page and send its form
// back. The address is a secret, so it goes nowhere else.
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

// with returns p with faults shown at the fields of its form, if it still has
// one.
func (p page) with(faults map[string]string) page {
	if p.Form == nil {
		return p
	}
	f := *p.Form
	f.Faults = faults
	p.Form = &f
	p.status = http.StatusUnprocessableEntity
	p.Lead = "Nothing was decided yet: something in the form is missing."
	return p
}

// read returns p as the answer to one who only reads: then it is no error that
// nothing can be decided.
func (p page) read() page {
	if p.status == http.StatusConflict || p.status == http.StatusForbidden {
		p.status = http.StatusOK
	}
	return p
}

// Pages that show nothing of a request.

func badLink() page {
	return page{
		status: http.StatusNotFound,
		Title:  "This link is not valid",
		Lead:   "Nothing was changed.",
		Next:   "Open the mail again and use its link in full, or decide in Slack.",
	}
}

func oldLink() page {
	return page{
		status: http.StatusGone,
		Title:  "This link has expired",
		Lead:   "Nothing was changed.",
		Next:   "The time to decide by it is over. If the launch still waits, decide in Slack; else whoever asked can launch again.",
	}
}

func badForm(status int) page {
	return page{
		status: status,
		Title:  "This form cannot be accepted",
		Lead:   "Nothing was changed.",
		Next:   "Open the link in the mail again, and fill in the page that it leads to.",
	}
}

func unreadable() page {
	return page{
		status: http.StatusServiceUnavailable,
		Title:  "Something went wrong",
		Lead:   "The request could not be read just now; nothing was changed.",
		Next:   "Try again in a moment, or decide in Slack.",
	}
}

// page shows the request, and the form unless why says that there is nothing
// left to decide.
func (l *letter) page(r handle.Request, why handle.RefusalReason) page {
	p := page{status: http.StatusOK, Groups: groups(r)}
	verb := "Approve"
	if l.ticket.Verdict == handle.Reject {
		verb = "Reject"
	}
	p.Title = verb + " the launch of " + title(r) + "?"
	switch why {
	case "":
		p.Lead = "This link is for one verdict: to " + string(l.ticket.Verdict) + " the launch. Opening it has changed nothing."
		p.Form = l.form(nil)
	case WhyWrongCode:
		if locked(r) {
			return l.page(r, whyLocked)
		}
		p.status = http.StatusForbidden
		p.Lead = "Nothing was decided: the code is not the one in the mail."
		p.Form = l.form(map[string]string{"code": "This is not the code that the mail shows beside this link. " + triesLeft(r)})
	case whyLocked:
		p.status = http.StatusForbidden
		p.Title = "The links of this launch are locked"
		p.Lead = "A wrong code was typed too often; nothing was decided."
		p.Next = "Whoever asked can launch again."
		if r.Terms.Channel != "" {
			p.Next = "Decide in Slack, or whoever asked can launch again."
		}
	case handle.RefusedNotByMail:
		p.status = http.StatusForbidden
		p.Title = "This launch cannot be approved by mail"
		p.Lead = plain.refused(r, why)
	case handle.RefusedDecided:
		p.status = http.StatusConflict
		p.Title = "Already decided: " + title(r)
		p.Lead = plain.settled(r)
	case handle.RefusedExpired:
		p.status = http.StatusGone
		p.Title = "Expired: " + title(r)
		p.Lead = plain.refused(r, why)
	default:
		p.status = http.StatusForbidden
		p.Title = "Nothing was decided"
		p.Lead = plain.refused(r, why)
	}
	return p
}

func triesLeft(r handle.Request) string {
	if n := maxWrongCodes - r.CountRefusals(WhyWrongCode); n > 1 {
		return fmt.Sprintf("%d more tries.", n)
	}
	return "One more try."
}

func (l *letter) form(faults map[string]string) *pageForm {
	return &pageForm{Verdict: l.ticket.Verdict, typed: l.typed, Faults: faults}
}

// done says that the verdict is on the record.
func (l *letter) done(r handle.Request) page {
	p := page{status: http.StatusOK, Groups: groups(r)}
	if r.Decision == nil { // so far no vote by mail leaves a request open
		p.Title, p.Lead = "Recorded", "Your verdict was recorded."+missing(r)
		return p
	}
	p.Title = "Recorded: " + string(r.State()) + " by " + r.Decider()
	p.Lead = "The launch of " + title(r) + " was " + string(r.State()) + "."
	p.Next = "CloudFormation and whoever asked are told. You can close this page."
	return p
}

// failed says that nothing could be read, or recorded for sure. What was typed
// stays in the form.
func (l *letter) failed(o outcome) page {
	if errors.Is(o.err, handle.ErrNotFound) {
		return badLink()
	}
	p := unreadable()
	if l.typed == (typed{}) {
		return p
	}
	p.Lead = "Your verdict could not be recorded just now; nothing was decided."
	if o.tried {
		p.Lead = "It is not sure that your verdict was recorded."
	}
	p.Next = "Send the form again in a moment: saying the same twice does no harm."
	p.Form = l.form(nil)
	return p
}

const maxFields = 50

// groups lists what a person must know to decide.
func groups(r handle.Request) []pageGroup {
	asked := pageGroup{Title: "The launch"}
	add := func(name, value string) {
		if value = show(r, value); value != "" {
			asked.Fields = append(asked.Fields, handle.Field{Name: name, Value: value})
		}
	}
	add("Product", title(r))
	add("Provisioned product", r.Product.Provisioned)
	add("Asked for by, proven by AWS", r.Requester.Principal)
	add("Asked for by, as typed and not proven", r.Requester.Email)
	add("Purpose", r.Purpose)
	add("AWS account", r.Stack.Account)
	add("Region", r.Stack.Region)
	add("Stack", r.Stack.Name)
	add("Product ID", r.Product.ID)
	add("Version", r.Product.Version)
	add("Closes", r.Terms.Deadline.UTC().Format("2006-01-02 15:04 UTC"))
	add("Request", r.ID)
	list := []pageGroup{asked}
	for _, g := range []pageGroup{{"What its template says", r.Details}, {"Its parameters", r.Parameters}} {
		shown := pageGroup{Title: g.Title}
		for _, f := range g.Fields[:min(len(g.Fields), maxFields)] {
			shown.Fields = append(shown.Fields, handle.Field{Name: show(r, f.Name), Value: show(r, f.Value)})
		}
		if len(shown.Fields) > 0 {
			list = append(list, shown)
		}
	}
	return list
}

// show makes outside text fit for the page.
func show(r handle.Request, text string) string {
	return handle.OneLine(r.WaitURL.Redact(text), 1000)
}
