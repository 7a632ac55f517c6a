package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign/deploy/internal/sandbox"
)

// errDead is what a dead function meets: nothing it does has an effect.
var errDead = errors.New("this function is dead")

// errLost is an answer that never came.
var errLost = errors.New("connection reset")

// invocation is one run of a function. It travels in contexts.
type invocation struct {
	kind       string
	generation int
	tries      int // of an event
	begun      int // after so many calls
	dead       bool

	doubted bool // a call of the store failed

	what   string        // its last call
	at     string        // the request that it last read or wrote
	holder string        // whose name it has in leases
	stood  time.Duration // when it last wrote its lease; see evidence

	calls sync.WaitGroup // that have not returned, though it may have left them behind
}

// Kinds of invocations.
const (
	clicking = "click" // of the bot
	handling = "event" // of the notifier
	settling = "after" // of the notifier within the bot
)

type invocationKey struct{}

func invoked(ctx context.Context, i *invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, i)
}

func invocationOf(ctx context.Context) *invocation {
	i, _ := ctx.Value(invocationKey{}).(*invocation)
	return i
}

// calling counts an outside call, which goes on until returned is called.
func (i *invocation) calling() (returned func()) {
	if i == nil {
		return func() {}
	}
	i.calls.Add(1)
	return i.calls.Done
}

// before is the beginning of every outside call: it draws or looks up what
// befalls it, and lets others act. ok is false if the caller is dead.
func (s *play) before(ctx context.Context, what string, can []Fault) (i Injection, ok bool) {
	in := invocationOf(ctx)
	if in != nil && in.dead {
		return i, false
	}
	s.out.Calls++
	s.call++
	if in != nil {
		in.what = what
	}
	if s.healed || s.dead {
		return i, true
	}
	i = s.befalls(can)
	if i.none() {
		return i, true
	}
	s.tell("  at %s", what)
	s.within(i.Before, "before it arrives")
	if i.Fault != "" {
		s.tell("    %s", i.Fault)
	}
	s.doubts(in, what, i)
	if i.Fault == Dies {
		in.dead = true
		return i, false
	}
	if in != nil && in.dead { // killed by who acted before
		return i, false
	}
	return i, true
}

// befalls draws what befalls this call, or looks it up.
func (s *play) befalls(can []Fault) Injection {
	if s.plan.Drawn {
		for _, i := range s.plan.Injections {
			if i.Step == s.step && i.Call == s.call {
				return i
			}
		}
		return Injection{}
	}
	if s.injected >= maxInjected {
		return Injection{}
	}
	i := s.plan.World.draw(s.rng, can, s.depth >= maxDepth)
	if !i.none() {
		s.injected++
		i.Step, i.Call = s.step, s.call
		s.out.Injections = append(s.out.Injections, i)
	}
	return i
}

// after is the end of every outside call that was not refused.
func (s *play) after(i Injection) { s.within(i.After, "when it is done") }

// within lets others act during a call.
func (s *play) within(acts []Act, when string) {
	for _, a := range acts {
		s.depth++
		s.tell("%s, %s: %s", s.time(), when, a)
		s.do(a)
		s.depth--
	}
}

// around is the wire between everybody: see world.Wire.Around.
func (s *play) around(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	host, _, _ := strings.Cut(req.URL.Host, ".")
	in := invocationOf(req.Context())
	defer in.calling()()
	switch {
	case host == "notifier" && in == nil: // the world hands over an event: it gets onto the queue
		s.enqueue(bodyOf(req))
		return made(req, http.StatusOK, "null"), nil
	case host == "notifier":
		return next.RoundTrip(req)
	case host == "bot":
		return s.toBot(req, next)
	case host == "slack":
		return s.toSlack(req, next)
	case host == "mail":
		return s.toMail(req, next)
	}
	return s.toCloudFormation(req, next)
}

func (s *play) toBot(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	i, _ := s.before(req.Context(), toTheBot, []Fault{NotDone, Lost})
	in := &invocation{kind: clicking, generation: s.generation}
	b := s.world.Functions.Bot
	defer func(budget, limit time.Duration) { b.Budget, b.Limit = budget, limit }(b.Budget, b.Limit)
	b.Budget, b.Limit = budgets[s.depth], budgets[s.depth]*4/3
	return s.carry(req.WithContext(invoked(req.Context(), in)), patient{in, next}, i)
}

// patient is the way to the bot. A click whose budget ends while others act
// within one of its calls leaves that call behind; the world goes on when they
// have done, so that only they act and the play has one order.
type patient struct {
	in *invocation
	http.RoundTripper
}

func (p patient) RoundTrip(req *http.Request) (*http.Response, error) {
	defer p.in.calls.Wait()
	return p.RoundTripper.RoundTrip(req)
}

// budgets are what clicks have, by the depth at which they happen. While a click
// waits, nothing else in it may come to the end of its patience; and no budget may
// end at the very moment at which something else does, for then either may come
// first. So their odd nanoseconds are such that no sum of pauses (whole
// milliseconds), of halves (what one call has) and of what clicks within took is
// a budget.
var budgets = [maxDepth + 1]time.Duration{2_001_000_007, 301_001_003, 21_100_001}

func (s *play) toSlack(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	method, form := strings.TrimPrefix(req.URL.Path, "/api/"), string(bodyOf(req))
	s.secret("Slack", []byte(unescaped(form)))
	in := invocationOf(req.Context())
	if in != nil && in.kind == clicking && (method == "users.info" || method == "usergroups.users.list") {
		s.looking[in.generation]++
		defer func() { s.looking[in.generation]-- }()
	}
	i, ok := s.before(req.Context(), method, s.mortal(in, NotDone, Lost, Limited, Unwell, DoneError, Truncated, Garbled))
	if !ok {
		return nil, errDead
	}
	if strings.HasPrefix(method, "chat.") && s.slackBack.IsZero() {
		s.saying(in, s.place(method, form), i)
		if method == "chat.update" {
			s.showing(in, form, i)
		}
	}
	return s.carry(req, next, i)
}

func (s *play) toMail(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	body, in := unescaped(string(bodyOf(req))), invocationOf(req.Context())
	s.secret("mail", []byte(body))
	i, ok := s.before(req.Context(), "mail", s.mortal(in, NotDone, Lost, Unwell, DoneError))
	switch {
	case !ok:
		return nil, errDead
	case !s.mailBack.IsZero():
		return made(req, http.StatusServiceUnavailable, "down"), nil
	}
	s.saying(in, body, i)
	if i.done() {
		s.mails[in.at]++
	}
	return s.carry(req, next, i)
}

func (s *play) toCloudFormation(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	in := invocationOf(req.Context())
	body := bodyOf(req)
	switch {
	case req.Method != http.MethodPut:
		action := "CloudFormation's API"
		if q, err := url.ParseQuery(string(body)); err == nil {
			action = q.Get("Action")
		}
		i, ok := s.before(req.Context(), action, s.mortal(in, NotDone, Lost, Unwell, Truncated))
		if !ok {
			return nil, errDead
		}
		return s.carry(req, next, i)
	case strings.Contains(req.URL.Path, "|"):
		can := s.mortal(in, NotDone, Lost, Unwell, DoneError)
		if in != nil && in.tries >= lastTry {
			can = nil // so that a law without exceptions can be put: CloudFormation is always answered
		}
		i, ok := s.before(req.Context(), "the answer to CloudFormation", can)
		if !ok {
			return nil, errDead
		}
		s.answering(in, body, i.done())
		return s.carry(req, next, i)
	}
	i, ok := s.before(req.Context(), "the signal", s.mortal(in, NotDone, Lost, Unwell, DoneError))
	if !ok {
		return nil, errDead
	}
	s.signalling(body)
	res, err := s.carry(req, next, i)
	if i.done() {
		s.signalled(body)
	}
	return res, err
}

// mortal adds that the function may die, if it is one that may.
func (s *play) mortal(in *invocation, can ...Fault) []Fault {
	if in != nil && (in.kind == settling || in.kind == handling && in.tries < lastTry) {
		can = append(can, Dies, DiesAfter)
	}
	return can
}

// done reports whether the call is carried out.
func (i Injection) done() bool {
	switch i.Fault {
	case NotDone, Limited, Unwell, Dies:
		return false
	}
	return true
}

// carry carries a request as far as its fault lets it, and spoils the answer.
func (s *play) carry(req *http.Request, next http.RoundTripper, i Injection) (*http.Response, error) {
	switch i.Fault {
	case NotDone:
		s.after(i)
		return nil, sandbox.ErrDisconnected
	case Limited:
		s.after(i)
		res := made(req, http.StatusTooManyRequests, `{"ok":false,"error":"ratelimited"}`)
		res.Header.Set("Retry-After", strconv.Itoa(int(i.Wait/time.Second)))
		return res, nil
	case Unwell:
		s.after(i)
		return made(req, http.StatusServiceUnavailable, "unavailable"), nil
	}
	res, err := next.RoundTrip(req)
	if err == nil && i.Fault == DiesAfter {
		invocationOf(req.Context()).dead = true
	}
	s.after(i)
	if err != nil {
		return nil, err
	}
	switch i.Fault {
	case Lost, DiesAfter:
		return nil, errLost
	case DoneError:
		return made(req, http.StatusInternalServerError, "internal error"), nil
	case Truncated:
		b, _ := io.ReadAll(res.Body) // in memory: no error
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b[:len(b)/2])), int64(len(b)/2)
	case Garbled:
		return made(req, http.StatusOK, "<html>It works!</html>"), nil
	}
	return res, nil
}

// made is an answer that nobody gave.
func made(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// bodyOf reads a request's body and leaves it to be read again.
func bodyOf(req *http.Request) []byte {
	if req.Body == nil {
		return nil
	}
	b, _ := io.ReadAll(req.Body) // in memory: no error
	_ = req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

func unescaped(form string) string {
	s, err := url.QueryUnescape(form)
	if err != nil {
		return form
	}
	return s
}
