package slacktest

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxRequestBytes is the largest request body that is read.
const maxRequestBytes = 1 << 20

// ServeHTTP serves the Web API under /api/ and the response URLs under /actions/.
func (w *Workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if id, ok := strings.CutPrefix(r.URL.Path, responseURLPath); ok {
		w.serveResponseURL(id, r).write(rw)
		return
	}
	if ticket, ok := strings.CutPrefix(r.URL.Path, socketPath); ok {
		w.serveSocket(ticket, rw, r)
		return
	}
	method, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok {
		http.NotFound(rw, r)
		return
	}
	w.serveMethod(method, r).write(rw)
}

// call is one call of a Web API method in progress. The lock is held.
type call struct {
	*Workspace
	method string
	now    time.Time
	form   url.Values
	entry  Call // for the call log
}

// serveMethod answers one call. It applies, in this order, outages, the fault
// hook, authentication, scopes, rate limits and the method itself.
func (w *Workspace) serveMethod(method string, r *http.Request) httpResponse {
	form, token, err := readCall(r)
	if err != nil {
		return errorResponse(&apiError{code: "invalid_form_data"}, w.provided)
	}
	now := w.config.Now()
	w.mu.Lock()
	down, hook := w.down, w.fault
	w.mu.Unlock()
	if down {
		w.log(Call{Method: method, At: now, Error: "down"})
		return httpResponse{status: http.StatusServiceUnavailable, body: []byte("Slack is down"), plainText: true}
	}
	fault := &Fault{}
	if hook != nil {
		if f := hook(method, form); f != nil {
			fault = f
		}
	}
	if fault.Hang != nil {
		select {
		case <-fault.Hang:
		case <-r.Context().Done():
			return httpResponse{lost: true}
		}
	}
	if answer, ok := fault.failBefore(); ok {
		w.log(Call{Method: method, At: now, Channel: form.Get("channel"), Fault: true, Error: fault.Error})
		return answer
	}
	answer := w.handleCall(&call{Workspace: w, method: method, now: now, form: form, entry: Call{
		Method: method, At: now, Channel: form.Get("channel"), Fault: !fault.keepsResponse(),
	}}, token)
	if fault.BeforeResponse != nil {
		fault.BeforeResponse()
	}
	return fault.alter(answer)
}

// handleCall carries out a call while it holds the lock.
func (w *Workspace) handleCall(c *call, token string) httpResponse {
	w.mu.Lock()
	defer w.mu.Unlock()
	var answer httpResponse
	if result, err := c.invoke(token); err != nil {
		c.entry.Error = err.code
		answer = errorResponse(err, w.provided)
	} else {
		answer = okResponse(result)
	}
	w.calls.add(c.entry)
	if token == w.config.BotToken {
		answer.scopes = w.provided
	}
	return answer
}

// invoke authenticates the call and runs its method.
func (c *call) invoke(token string) (any, *apiError) {
	m, ok := methods[c.method]
	switch {
	case !ok:
		return nil, errCode("unknown_method")
	case token == "":
		return nil, errCode("not_authed")
	}
	if err := c.authenticate(token, m.appLevel); err != nil {
		return nil, err
	}
	if err := c.requireScope(m.scope, m.appLevel); err != nil {
		return nil, err
	}
	if err := c.limitMethod(); err != nil {
		return nil, err
	}
	return m.do(c)
}

// authenticate checks the token, and that it is of the kind that the method takes.
func (c *call) authenticate(token string, appLevel bool) *apiError {
	isApp := c.config.AppToken != "" && token == c.config.AppToken
	switch {
	case !isApp && token != c.config.BotToken:
		return errCode("invalid_auth")
	case isApp != appLevel:
		return errCode("not_allowed_token_type")
	}
	return nil
}

// readCall reads a call's arguments from a form, a query or a JSON object, and its
// token. Like Slack, it ignores a token in the query string.
func readCall(r *http.Request) (form url.Values, token string, err error) {
	form = make(url.Values)
	if r.Method == http.MethodGet {
		form = r.URL.Query()
		form.Del("token")
	} else if err := readBody(r, form); err != nil {
		return nil, "", err
	}
	token = form.Get("token")
	form.Del("token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = bearer
	}
	return form, token, nil
}

func readBody(r *http.Request, form url.Values) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
	if err != nil {
		return err
	}
	if len(body) > maxRequestBytes {
		return errors.New("request body too large")
	}
	if len(body) == 0 {
		return nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(body))
		for name, v := range values {
			form[name] = v
		}
		return err
	case "application/json":
		return readJSON(body, form)
	}
	return errors.New("unsupported content type " + kind)
}

// readJSON reads the properties of a JSON object as form fields: strings as they
// are, other values as JSON. It ignores a token in the object.
func readJSON(body []byte, form url.Values) error {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(body, &properties); err != nil {
		return err
	}
	for name, raw := range properties {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		if name != "token" && string(raw) != "null" {
			form.Set(name, s)
		}
	}
	return nil
}
