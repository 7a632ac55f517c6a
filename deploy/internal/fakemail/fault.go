package fakemail

import "net/http"

// Fault describes how one call fails. The zero Fault changes nothing.
//
// Every failure comes in two kinds, which Applied tells apart: either the call had
// no effect, or it took effect and only its response is bad.
type Fault struct {
	Applied bool // the call takes effect before it fails

	Lost   bool   // no response: the handler panics with http.ErrAbortHandler, which closes the connection
	Status int    // HTTP status; 500 if Code is set and Status is not
	Code   string // SNS's error code, such as Throttled, AuthorizationError or InternalError
	Body   string // response body, verbatim

	// BeforeResponse is called without any lock after the call took effect and
	// before it is answered.
	BeforeResponse func()
}

func (f *Fault) keepsResponse() bool {
	return !f.Lost && f.Status == 0 && f.Code == "" && f.Body == ""
}

// alter returns the response to send instead of the real one.
func (f *Fault) alter(whole httpResponse) httpResponse {
	switch {
	case f.keepsResponse():
		return whole
	case f.Lost:
		return httpResponse{lost: true}
	case f.Code != "":
		apiErr := apiError{status: http.StatusInternalServerError, code: f.Code, message: "simulated fault"}
		if f.Status != 0 {
			apiErr.status = f.Status
		}
		return apiErr.response()
	}
	a := httpResponse{status: http.StatusOK, body: []byte(f.Body)}
	if f.Status != 0 {
		a.status = f.Status
	}
	return a
}
