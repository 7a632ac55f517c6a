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

	"countersign/handle"
)

// WhyWrongCode is the refusal of a mailed link's form whose code was not the
// one in the mail.
const WhyWrongCode handle.RefusalReason = "wrong code"

// whyLocked is the refusal after too many of them. It is not put on the record.
const whyLocked handle.RefusalReason = "too many wrong codes"

const (
	maxLetter     = 64 << 10 // bytes of a request's body
	maxWrongCodes = 5        // per request; a code is one of a million
	codeDigits    = 6
)

// letter is somebody's answer to a mailed link.
type letter struct {
	b      *Bot
	ticket handle.Ticket
	code   string // what the mail shows
	typed  typed

	recorded handle.Request // once it is, with the verdict
}

// typed is what somebody filled into the page's form.
type typed struct {
	Name, Code, Reason string
}

// serveDecide serves the page behind a mailed link. Reading it changes nothing,
// ever: programs follow the links in mails too. Only the form decides, with the
// code that is in the mail and nowhere else.
func (b *Bot) serveDecide(w http.ResponseWriter, r *http.Request, sealed string) {
	pageHeaders(w.Header())
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	v, cancel := b.visit(r.Context())
	defer cancel()
	b.answerLetter(v, w, r, sealed).write(w, r)
}

// answerLetter does what the request asks for, and returns the page that says
// what came of it.
func (b *Bot) answerLetter(v visit, w http.ResponseWriter, r *http.Request, sealed string) (answer page) {
	var l *letter
	defer func() {
		if cause := recover(); cause != nil {
			b.caught("a mailed link", cause)
			switch {
			case l == nil:
				answer = unreadable()
			case l.recorded.ID != "":
				answer = l.done(l.recorded)
			default:
				answer = l.failed(outcome{err: errPanicked, tried: true})
			}
		}
	}()
	l, refused := b.unseal(v, sealed)
	if l == nil {
		return refused
	}
	if r.Method != http.MethodPost {
		return l.get(v).read()
	}
	form, status := readLetter(w, r)
	if status != 0 {
		return badForm(status)
	}
	return l.post(v, form)
}

// unseal reads the sealed ticket, of which nothing must be logged. Without a
// letter, the page says why.
func (b *Bot) unseal(v visit, sealed string) (*letter, page) {
	ctx, cancel := b.call(v.work)
	defer cancel()
	keys, err := within(ctx, b, "read the mail keys", b.MailKeys)
	if err != nil {
		b.log().Error("no mailed link can be verified", "error", err)
		return nil, unreadable()
	}
	ticket, key, err := handle.OpenTicket(keys, sealed, b.Now())
	switch {
	case errors.Is(err, handle.ErrTicketExpired):
		return nil, oldLink()
	case err != nil:
		return nil, badLink()
	}
	return &letter{b: b, ticket: ticket, code: key.Code(sealed)}, page{}
}

// readLetter reads the form, if our own page can have sent it; else status is
// not zero. Browsers say where a form comes from in Sec-Fetch-Site. Origin is
// looked at only in those too old to say so: for our page, which sends no
// referrer, it is "null".
func readLetter(w http.ResponseWriter, r *http.Request) (form url.Values, status int) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return nil, http.StatusForbidden
	}
	body, status := formBody(w, r, maxLetter)
	if status != 0 {
		return nil, status
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get(trap) != "" {
		return nil, http.StatusBadRequest
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, http.StatusBadRequest
		}
	}
	return form, 0
}

func (l *letter) get(v visit) page {
	r, err := l.b.load(v.work, l.ticket.ID)
	if err != nil {
		return l.failed(outcome{err: err})
	}
	return l.page(r, l.state(r, l.b.Now()))
}

// post decides, if all that it takes was typed.
func (l *letter) post(v visit, form url.Values) page {
	l.typed = typed{
		Name:   handle.OneLine(form.Get("name"), maxName),
		Code:   handle.Truncate(strings.TrimSpace(form.Get("code")), 40),
		Reason: handle.Truncate(strings.TrimSpace(form.Get("reason")), 4*maxReason),
	}
	if faults := l.faults(); len(faults) > 0 {
		return l.get(v).with(faults)
	}
	o := l.b.decide(v.work, ballot{request: l.ticket.ID, rule: l.rule})
	if o.counts() {
		l.recorded = o.request
	}
	l.note(o)
	l.b.settle(v, o.request, o.holder)()
	switch {
	case o.err != nil:
		return l.failed(o)
	case o.why != "":
		return l.page(o.request, o.why)
	}
	return l.done(o.request)
}

// faults says what is wrong with the form by itself, by field. A code that
// cannot be one is no attempt to guess it.
func (l *letter) faults() map[string]string {
	faults := map[string]string{}
	if l.typed.Name == "" {
		faults["name"] = "Type your name: it goes on the record."
	}
	if digits(l.typed.Code) == "" {
		faults["code"] = "Type the six digits that the mail shows beside the link."
	}
	if l.ticket.Verdict == handle.Reject && handle.OneLine(l.typed.Reason, 4*maxReason) == "" {
		faults["reason"] = "Say why: whoever asked will read it."
	}
	return faults
}

// digits are the six digits of a typed code, however they are grouped; empty if
// it has not six.
func digits(code string) string {
	code = strings.Map(func(c rune) rune {
		if unicode.In(c, unicode.Zs, unicode.Pd, unicode.Cf) { // spaces, dashes, and what nobody sees
			return -1
		}
		return c
	}, code)
	if len(code) != codeDigits || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	return code
}

func (l *letter) rule(_ context.Context, r handle.Request, now time.Time) ruling {
	g := l.law(r, now)
	g.by = handle.Person{Name: l.typed.Name}
	return g
}

// law counts every guess of the code before it is answered, right or wrong, in
// a write that only one of several concurrent guesses can win: so there are
// never more than five.
func (l *letter) law(r handle.Request, now time.Time) ruling {
	if subtle.ConstantTimeCompare([]byte(digits(l.typed.Code)), []byte(l.code)) == 1 && !locked(r) {
		return ruled(r.VoteByMail(l.typed.Name, l.ticket.Verdict, l.typed.Reason, now))
	}
	if why := l.state(r, now); why != "" {
		return ruling{next: r, why: why, keep: keepNot}
	}
	return ruling{next: r, why: WhyWrongCode, keep: keepFirst}
}

// state is why nobody could say the link's verdict; empty if somebody could.
func (l *letter) state(r handle.Request, now time.Time) handle.RefusalReason {
	if g := ruled(r, open(r, l.ticket.Verdict, now)); g.why != "" {
		return g.why
	}
	if locked(r) {
		return whyLocked
	}
	return ""
}

// locked reports whether the links of r decide nothing any more.
func locked(r handle.Request) bool { return r.CountRefusals(WhyWrongCode) >= maxWrongCodes }

// note logs what became of the letter: nothing of the link, and nothing that
// was typed.
func (l *letter) note(o outcome) {
	l.b.log().Info("mailed link", "request", o.request.ID, "result", o.result())
}
