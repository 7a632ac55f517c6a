package slacktest

import (
	"net/http"
	"strconv"
	"time"
)

// Fault is what goes wrong with one call. The zero Fault lets it through.
//
// Act tells the two kinds of every failure apart: without it the call did
// nothing, with it the call was carried out and only its answer is bad. A lost
// answer aborts the handler with [http.ErrAbortHandler]: net/http's server then
// cuts the connection, and a transport that calls the handler directly should
// turn that panic into an error.
type Fault struct {
	Applied bool // carry the call out before failing

	Lost     bool   // no answer: the connection is cut
	Status   int    // an HTTP status other than 200, such as 503; with 429 RetryAfter is sent too
	Body     string // this body, as it is, with Status or 200
	Truncate bool   // half of the true answer; needs Act

	// An ok:false answer: its error, what a missing_scope needs, and the lines of
	// response_metadata.messages.
	Error    string
	Needed   string
	Messages []string

	RetryAfter time.Duration // rounded up to whole seconds

	// After is called, without any lock, when the call has been carried out and
	// before it is answered: what others do in between.
	BeforeResponse func()
}

// refuse answers without acting on the call; false if the fault lets it through.
func (f *Fault) failBefore() (httpResponse, bool) {
	if f.Applied || f.Truncate || f.keepsAnswer() {
		return httpResponse{}, false
	}
	return f.alter(httpResponse{}), true
}

// harmless reports whether the true answer is given.
func (f *Fault) keepsAnswer() bool {
	return !f.Lost && f.Status == 0 && f.Body == "" && !f.Truncate && f.Error == "" && f.RetryAfter == 0
}

// spoil turns a true answer into what is sent.
func (f *Fault) alter(whole httpResponse) httpResponse {
	switch {
	case f.keepsAnswer():
		return whole
	case f.Lost:
		return httpResponse{lost: true}
	case f.Truncate:
		whole.body = whole.body[:len(whole.body)/2]
		return whole
	}
	r := httpResponse{status: http.StatusOK}
	switch {
	case f.Error != "":
		r = errorResponse(&apiError{code: f.Error, needed: f.Needed, messages: f.Messages}, "")
	case f.RetryAfter > 0:
		r = errorResponse(rateLimited(f.RetryAfter), "")
	}
	if f.Status != 0 {
		r.status = f.Status
	}
	if f.RetryAfter > 0 {
		r.retryAfter = wholeSeconds(f.RetryAfter)
	}
	if f.Body != "" || r.body == nil {
		r.body = []byte(f.Body)
	}
	return r
}

// wholeSeconds is d for a Retry-After header: rounded up, and at least 1.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
