package slacktest

import (
	"net/http"
	"strconv"
	"time"
)

// Fault describes how one call fails. The zero Fault changes nothing.
//
// Every failure comes in two kinds, which Applied tells apart: either the call
// had no effect, or it took effect and only its response is bad. A lost response
// aborts the handler with [http.ErrAbortHandler]: net/http's server then closes
// the connection, and [Workspace.RoundTrip] returns an error. Another transport
// that calls the handler directly must turn that panic into an error.
type Fault struct {
	Applied bool // the call takes effect before it fails

	// Hang delays the call until the channel is closed. A call whose client gives
	// up earlier has no effect.
	Hang <-chan struct{}

	Lost     bool   // no response: the connection is closed
	Status   int    // an HTTP status other than 200, such as 503; with 429, RetryAfter is sent too
	Body     string // the response body, verbatim, with Status or 200
	Truncate bool   // half of the real response; implies Applied

	// An ok:false response: its error code, the scope that missing_scope names, and
	// the lines of response_metadata.messages.
	Error    string
	Needed   string
	Messages []string

	RetryAfter time.Duration // rounded up to whole seconds

	// BeforeResponse is called without any lock after the call took effect and
	// before it is answered, so that a test can let others act in between.
	BeforeResponse func()
}

// failBefore returns the response of a call that fails without taking effect; ok
// is false if the call is to be carried out.
func (f *Fault) failBefore() (r httpResponse, ok bool) {
	if f.Applied || f.Truncate || f.keepsResponse() {
		return httpResponse{}, false
	}
	return f.alter(httpResponse{}), true
}

// keepsResponse reports whether the client gets the real response.
func (f *Fault) keepsResponse() bool {
	return !f.Lost && f.Status == 0 && f.Body == "" && !f.Truncate && f.Error == "" && f.RetryAfter == 0
}

// alter replaces a real response by what the fault sends instead.
func (f *Fault) alter(real httpResponse) httpResponse {
	switch {
	case f.keepsResponse():
		return real
	case f.Lost:
		return httpResponse{lost: true}
	case f.Truncate:
		real.body = real.body[:len(real.body)/2]
		return real
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
		r.retryAfter = retryAfterSeconds(f.RetryAfter)
	}
	if f.Body != "" || r.body == nil {
		r.body = []byte(f.Body)
	}
	return r
}

// retryAfterSeconds formats d for a Retry-After header: whole seconds, rounded up,
// at least 1.
func retryAfterSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
