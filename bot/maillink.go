package bot

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"countersign/bot/blocks"
	"countersign/handle"
)

// refusedLocked refuses after too many wrong codes. It is not recorded.
const refusedLocked handle.RefusalReason = "too many wrong codes"

const (
	maxMailForm = 64 << 10 // bytes of a request's body
	codeDigits  = 6
)

// mailDecision is one person's answer through a mailed link.
type mailDecision struct {
	b      *Bot
	ticket handle.Ticket
	code   string               // as the mail shows it
	wrong  handle.RefusalReason // of a wrong code at this link
	typed  typed

	recorded handle.Request // with the vote, once it is on record
}

// typed is the page's form as filled in.
type typed struct {
	Name, Code, Reason string
}

// serveMailLink serves the page behind a mailed link. GET never changes anything:
// mail scanners follow links too. Only the form decides, with the code that only
// the mail shows.
func (b *Bot) serveMailLink(w http.ResponseWriter, r *http.Request, sealed string) {
	pageHeaders(w.Header())
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	d, cancel := b.deadlines(r.Context())
	defer cancel()
	b.answerMailLink(d, w, r, sealed).write(w, r)
}

// answerMailLink does what the request asks for, and returns the resulting page.
func (b *Bot) answerMailLink(d deadlines, w http.ResponseWriter, r *http.Request, sealed string) (answer page) {
	var m *mailDecision
	defer func() {
		if cause := recover(); cause != nil {
			b.logPanic("a mailed link", cause)
			switch {
			case m == nil:
				answer = unreadable()
			case m.recorded.ID != "":
				answer = m.donePage(m.recorded)
			default:
				answer = m.failedPage(outcome{err: errPanicked, maybeWritten: true})
			}
		}
	}()
	m, refused := b.openLink(d, sealed)
	if m == nil {
		return refused
	}
	if r.Method != http.MethodPost {
		return m.get(d).asRead()
	}
	form, status := readMailForm(w, r)
	if status != 0 {
		return badForm(status)
	}
	return m.post(d, form)
}

// openLink verifies the sealed ticket, which must not be logged. Without a
// mailDecision, the page says why.
func (b *Bot) openLink(d deadlines, sealed string) (*mailDecision, page) {
	ctx, cancel := b.callTimeout(d.work)
	defer cancel()
	keys, err := within(ctx, b, "read the mail keys", b.MailKeys)
	if err != nil {
		b.log().Error("mailed links cannot be verified", "error", err)
		return nil, unreadable()
	}
	ticket, key, err := handle.OpenTicket(keys, sealed, b.Now())
	switch {
	case errors.Is(err, handle.ErrTicketExpired):
		return nil, expiredLink()
	case err != nil:
		return nil, badLink()
	}
	return &mailDecision{b: b, ticket: ticket, code: key.Code(sealed), wrong: ticket.WrongCode(sealed)}, page{}
}

// readMailForm reads the form if our own page can have sent it; else status is
// that of the refusal. Browsers name a form's origin in Sec-Fetch-Site. Older
// ones send only Origin, which is "null" for our page, as it sends no referrer.
func readMailForm(w http.ResponseWriter, r *http.Request) (form url.Values, status int) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return nil, http.StatusForbidden
	}
	body, status := readBody(w, r, mediaForm, maxMailForm)
	if status != 0 {
		return nil, status
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get(honeypot) != "" {
		return nil, http.StatusBadRequest
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, http.StatusBadRequest
		}
	}
	return form, 0
}

func (m *mailDecision) get(d deadlines) page {
	r, err := m.b.load(d.work, m.ticket.ID)
	if err != nil {
		return m.failedPage(outcome{err: err})
	}
	return m.page(r, m.refusal(r, m.b.Now()))
}

// post decides if the form is complete.
func (m *mailDecision) post(d deadlines, form url.Values) page {
	m.typed = typed{
		Name:   handle.OneLine(form.Get("name"), maxName),
		Code:   handle.Truncate(strings.TrimSpace(form.Get("code")), 40),
		Reason: handle.Truncate(strings.TrimSpace(form.Get("reason")), 4*blocks.MaxReason),
	}
	if faults := m.faults(); len(faults) > 0 {
		return m.get(d).with(faults)
	}
	o := m.b.decide(d.work, attempt{request: m.ticket.ID, evaluate: m.evaluate})
	if o.counts() {
		m.recorded = o.request
	}
	m.logResult(o)
	m.b.reconcile(d, o.request, o.holder)()
	switch {
	case o.err != nil:
		return m.failedPage(o)
	case o.refused != "":
		return m.page(o.request, o.refused)
	}
	return m.donePage(o.request)
}

// faults says what is wrong with the form itself, by field. Text that cannot be a
// code does not count as a guess.
func (m *mailDecision) faults() map[string]string {
	faults := map[string]string{}
	if m.typed.Name == "" {
		faults["name"] = "Enter your name: it goes on the record."
	}
	if digits(m.typed.Code) == "" {
		faults["code"] = "Enter the six digits below the link in the mail."
	}
	if m.ticket.Verdict == handle.Reject && handle.OneLine(m.typed.Reason, 4*blocks.MaxReason) == "" {
		faults["reason"] = "Enter a reason: the requester will read it."
	}
	return faults
}

// digits are the six digits of a typed code, whatever groups them; empty if there
// are not six.
func digits(code string) string {
	code = strings.Map(func(c rune) rune {
		if unicode.In(c, unicode.Zs, unicode.Pd, unicode.Cf) { // spaces, dashes and invisible characters
			return -1
		}
		return c
	}, code)
	if len(code) != codeDigits || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	return code
}

func (m *mailDecision) evaluate(_ context.Context, r handle.Request, now time.Time) evaluation {
	e := m.rules(r, now)
	e.by = handle.Person{Name: m.typed.Name}
	return e
}

// rules records every wrong code before it is answered, in a conditional write
// that only one of several concurrent guesses can win: so there are at most five
// at each link.
func (m *mailDecision) rules(r handle.Request, now time.Time) evaluation {
	if subtle.ConstantTimeCompare([]byte(digits(m.typed.Code)), []byte(m.code)) == 1 && !r.LinkLocked(m.wrong) {
		return evaluated(r.VoteByMail(m.typed.Name, m.ticket.Verdict, m.typed.Reason, now))
	}
	if reason := m.refusal(r, now); reason != "" {
		return evaluation{next: r, refused: reason, keep: keepNever}
	}
	return evaluation{next: r, refused: m.wrong, keep: keepFirst}
}

// refusal is why the link's verdict cannot be given; empty if it can.
func (m *mailDecision) refusal(r handle.Request, now time.Time) handle.RefusalReason {
	if reason := r.RefusalFor(handle.ViaMail, m.ticket.Verdict, now); reason != "" {
		return reason
	}
	if r.LinkLocked(m.wrong) {
		return refusedLocked
	}
	return ""
}

// logResult logs neither the link nor what was typed.
func (m *mailDecision) logResult(o outcome) {
	m.b.log().Info("mailed link", "request", o.request.ID, "result", o.result())
}
