package sim

import (
	"bytes"
	"context"
	"encoding/json"
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

// errKilled is returned to a function that has died: no call of it has an effect.
var errKilled = errors.New("the function was killed")

// errResponseLost is returned for a response that is lost.
var errResponseLost = errors.New("connection reset")

// invocation is one invocation of a function. Contexts carry it.
type invocation struct {
	kind       string
	generation int
	attempts   int // deliveries of the event so far
	startedAt  int // number of calls before it started
	dead       bool

	storeFailed bool // a call to the store failed, or the function died
	unread      bool // a call to CloudFormation's API failed
	mustFail    bool // see queuedEvent

	lastCall      string        // name of its last call
	request       string        // ID of the request that it last read or wrote
	decided       string        // the same, if it saw a decision on it
	holder        string        // its name in leases
	frozenAtLease time.Duration // observations.frozen when it last wrote its lease

	calls sync.WaitGroup // calls that have not returned; it may have abandoned them
	turn  chan struct{}  // of a click, whose budget can end: full while a call is under way
}

// newClick returns a click, or the reconciliation after one.
func newClick(kind string, generation int) *invocation {
	return &invocation{kind: kind, generation: generation, turn: make(chan struct{}, 1)}
}

// Kinds of invocations.
const (
	click      = "click" // a request to the bot
	handling   = "event" // an event to the notifier
	afterClick = "after" // reconciliation in the bot after a click
)

type invocationKey struct{}

func withInvocation(ctx context.Context, i *invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, i)
}

func invocationOf(ctx context.Context) *invocation {
	i, _ := ctx.Value(invocationKey{}).(*invocation)
	return i
}

// trackCall counts a call as in progress until returned is called. A call that follows an
// abandoned one waits until that has returned, so that the run keeps a single order.
func (i *invocation) trackCall() (returned func()) {
	if i == nil {
		return func() {}
	}
	i.calls.Add(1)
	if i.turn == nil {
		return i.calls.Done
	}
	i.turn <- struct{}{}
	return func() {
		<-i.turn
		i.calls.Done()
	}
}

// beforeCall starts a call to the outside: it draws or looks up the injection and lets
// others act. ok is false if the caller has died.
func (s *simulation) beforeCall(ctx context.Context, what string, can []Fault) (i Injection, ok bool) {
	in := invocationOf(ctx)
	if in != nil && in.dead {
		return i, false
	}
	s.out.Calls++
	s.call++
	if in != nil {
		in.lastCall = what
	}
	if s.faultsOver || s.stopped {
		return i, true
	}
	i = s.injection(can)
	if i.none() {
		return i, true
	}
	s.log("  at %s", what)
	s.during(i.Before, "before it takes effect")
	if i.Fault != "" {
		s.log("    %s", i.Fault)
	}
	s.noteFault(in, what, i)
	if i.Fault == DiesBefore {
		in.dead = true
		return i, false
	}
	if in != nil && in.dead { // killed by an action before the call
		return i, false
	}
	return i, true
}

// injection draws the injection for the present call, or looks it up.
func (s *simulation) injection(can []Fault) Injection {
	if s.plan.Drawn {
		for _, i := range s.plan.Injections {
			if i.Step == s.step && i.Call == s.call {
				if s.depth >= maxDepth { // of a shrunken plan, whose calls have moved
					i.Before, i.After = nil, nil
				}
				return i
			}
		}
		return Injection{}
	}
	if s.injected >= maxInjected {
		return Injection{}
	}
	i := s.plan.Env.draw(s.rng, can, s.depth >= maxDepth)
	if !i.none() {
		s.injected++
		i.Step, i.Call = s.step, s.call
		s.out.Injections = append(s.out.Injections, i)
	}
	return i
}

// afterCall ends a call to the outside whose beforeCall returned ok.
func (s *simulation) afterCall(i Injection) { s.during(i.After, "after it") }

// during lets others act during a call.
func (s *simulation) during(actions []Action, when string) {
	for _, a := range actions {
		s.depth++
		s.log("%s, %s: %s", s.time(), when, a)
		s.do(a)
		s.depth--
	}
}

// intercept handles each HTTP request: see sandbox.Network.Intercept.
func (s *simulation) intercept(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	host, _, _ := strings.Cut(req.URL.Host, ".")
	in := invocationOf(req.Context())
	defer in.trackCall()()
	switch {
	case host == "notifier" && in == nil: // the sandbox delivers an event: queue it
		s.enqueue(bodyOf(req))
		return fakeResponse(req, http.StatusOK, "null"), nil
	case host == "notifier":
		return next.RoundTrip(req)
	case host == "bot":
		return s.callBot(req, next)
	case host == "slack":
		return s.callSlack(req, next)
	case host == "mail":
		return s.callMail(req, next)
	}
	return s.callCloudFormation(req, next)
}

func (s *simulation) callBot(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	i, _ := s.beforeCall(req.Context(), botCall, []Fault{NotDone, ResponseLost})
	in := newClick(click, s.generation)
	b := s.sandbox.Functions.Bot
	defer func(budget, limit time.Duration) { b.Budget, b.Limit = budget, limit }(b.Budget, b.Limit)
	b.Budget, b.Limit = budgets[s.depth], budgets[s.depth]*4/3
	return s.transmit(req.WithContext(withInvocation(req.Context(), in)), joinCalls{in, next}, i)
}

// joinCalls is the transport to the bot. A click whose budget ends while others act
// inside one of its calls abandons that call. joinCalls waits for it, so that the
// run keeps a single order.
type joinCalls struct {
	in *invocation
	http.RoundTripper
}

func (p joinCalls) RoundTrip(req *http.Request) (*http.Response, error) {
	defer p.in.calls.Wait()
	return p.RoundTripper.RoundTrip(req)
}

// budgets are the time budgets of clicks by the depth at which they happen. A click
// inside a call must end before the click outside it; and no two timeouts may fire
// at the same instant, for their order would be undefined. So the nanoseconds are
// odd enough that no sum of pauses (whole milliseconds), half budgets (the limit of
// one call) and nested clicks equals a budget.
var budgets = [maxDepth + 1]time.Duration{2_001_000_007, 301_001_003, 21_100_001}

func (s *simulation) callSlack(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	method, form := strings.TrimPrefix(req.URL.Path, "/api/"), string(bodyOf(req))
	s.checkSecret("Slack", []byte(unescaped(form)))
	in := invocationOf(req.Context())
	if in != nil && in.kind == click && (method == "users.info" || method == "usergroups.users.list") {
		s.lookups[in.generation]++
		defer func() { s.lookups[in.generation]-- }()
	}
	i, ok := s.beforeCall(req.Context(), method, s.orDeath(in, NotDone, ResponseLost, RateLimited, Unavailable, DoneThen500, Truncated, NotJSON))
	if !ok {
		return nil, errKilled
	}
	if method == "users.lookupByEmail" && !s.lookupsBack.IsZero() {
		i.Fault, i.Wait = []Fault{RateLimited, Unavailable}[s.out.Calls%2], 30*time.Second
	}
	if method == "chat.postMessage" || method == "chat.update" {
		s.checkSignalFirst(in, method)
	}
	if strings.HasPrefix(method, "chat.") && s.slackBack.IsZero() {
		s.checkPost(in, s.postKey(method, form), i)
		if method == "chat.update" {
			s.noteUpdate(in, form, i)
		}
	}
	res, err := s.transmit(req, next, i)
	if err == nil && method == "users.info" && s.plan.Env.AskedID {
		return withAskedID(res, form), nil
	}
	return res, err
}

// withAskedID replaces user.id in a response of users.info by the ID that was asked
// for.
func withAskedID(res *http.Response, form string) *http.Response {
	q, err := url.ParseQuery(form)
	b, _ := io.ReadAll(res.Body) // in memory: no error
	_ = res.Body.Close()
	var answer map[string]any
	if err == nil && json.Unmarshal(b, &answer) == nil {
		if user, ok := answer["user"].(map[string]any); ok {
			user["id"] = q.Get("user")
			if changed, err := json.Marshal(answer); err == nil {
				b = changed
			}
		}
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return res
}

func (s *simulation) callMail(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	body, in := unescaped(string(bodyOf(req))), invocationOf(req.Context())
	s.checkSecret("mail", []byte(body))
	i, ok := s.beforeCall(req.Context(), "mail", s.orDeath(in, NotDone, ResponseLost, Unavailable, DoneThen500))
	switch {
	case !ok:
		return nil, errKilled
	case !s.mailBack.IsZero():
		return fakeResponse(req, http.StatusServiceUnavailable, "down"), nil
	}
	s.checkSignalFirst(in, "mail")
	s.checkPost(in, body, i)
	return s.transmit(req, next, i)
}

func (s *simulation) callCloudFormation(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	in := invocationOf(req.Context())
	body := bodyOf(req)
	switch {
	case req.Method != http.MethodPut:
		if req.Header.Get("X-Amz-Target") != "" {
			return s.callCatalog(req, next)
		}
		action := "CloudFormation's API"
		if q, err := url.ParseQuery(string(body)); err == nil {
			action = q.Get("Action")
		}
		i, ok := s.beforeCall(req.Context(), action, s.orDeath(in, NotDone, ResponseLost, Unavailable, Truncated))
		if !ok {
			return nil, errKilled
		}
		if in != nil && (i.Fault != "" || !s.readsBack.IsZero()) {
			in.unread = true
		}
		return s.transmit(req, next, i)
	case strings.Contains(req.URL.Path, "|"):
		can := s.orDeath(in, NotDone, ResponseLost, Unavailable, DoneThen500)
		if in != nil && in.attempts >= lastTry {
			can = nil // the last delivery succeeds, so the law can hold without exception
		}
		i, ok := s.beforeCall(req.Context(), "the answer to CloudFormation", can)
		if !ok {
			return nil, errKilled
		}
		s.checkAnswer(in, req.URL.Path, body, i.done())
		return s.transmit(req, next, i)
	}
	i, ok := s.beforeCall(req.Context(), "the signal", s.orDeath(in, NotDone, ResponseLost, Unavailable, DoneThen500))
	if !ok {
		return nil, errKilled
	}
	s.checkSignal(body)
	return s.transmit(req, next, i)
}

// callCatalog looks up a product's names. It may fail in any way: messages then show
// IDs, and nothing else changes.
func (s *simulation) callCatalog(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	i, ok := s.beforeCall(req.Context(), "DescribeProductAsAdmin", s.orDeath(invocationOf(req.Context()), NotDone, ResponseLost, RateLimited, Unavailable, DoneThen500, Truncated, NotJSON))
	if !ok {
		return nil, errKilled
	}
	return s.transmit(req, next, i)
}

// orDeath adds the faults in which the function dies, if it may die.
func (s *simulation) orDeath(in *invocation, can ...Fault) []Fault {
	if in != nil && (in.kind == afterClick || in.kind == handling && in.attempts < lastTry) {
		can = append(can, DiesBefore, DiesAfter)
	}
	return can
}

// done reports whether the call reaches the other side and takes effect.
func (i Injection) done() bool {
	switch i.Fault {
	case NotDone, RateLimited, Unavailable, DiesBefore:
		return false
	}
	return true
}

// transmit sends a request as far as its fault allows, and damages the response.
func (s *simulation) transmit(req *http.Request, next http.RoundTripper, i Injection) (*http.Response, error) {
	switch i.Fault {
	case NotDone:
		s.afterCall(i)
		return nil, sandbox.ErrDisconnected
	case RateLimited:
		s.afterCall(i)
		res := fakeResponse(req, http.StatusTooManyRequests, `{"ok":false,"error":"ratelimited"}`)
		res.Header.Set("Retry-After", strconv.Itoa(int(i.Wait/time.Second)))
		return res, nil
	case Unavailable:
		s.afterCall(i)
		return fakeResponse(req, http.StatusServiceUnavailable, "unavailable"), nil
	}
	res, err := next.RoundTrip(req)
	if err == nil && i.Fault == DiesAfter {
		invocationOf(req.Context()).dead = true
	}
	s.afterCall(i)
	if err != nil {
		return nil, err
	}
	switch i.Fault {
	case ResponseLost, DiesAfter:
		return nil, errResponseLost
	case DoneThen500:
		return fakeResponse(req, http.StatusInternalServerError, "internal error"), nil
	case Truncated:
		b, _ := io.ReadAll(res.Body) // in memory: no error
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b[:len(b)/2])), int64(len(b)/2)
	case NotJSON:
		return fakeResponse(req, http.StatusOK, "<html>It works!</html>"), nil
	}
	return res, nil
}

// fakeResponse returns a response that no server sent.
func fakeResponse(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// bodyOf reads a request's body and restores it.
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
