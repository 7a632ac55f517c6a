package fakemail

import "net/http"

// Fault is what goes wrong with one call. The zero Fault lets it through.
//
// Act tells the two kinds of every failure apart: without it the call did
// nothing, with it the call was carried out and only its answer is bad.
type Fault struct {
	Act bool // carry the call out before failing

	Lost   bool   // no answer: the handler is aborted with http.ErrAbortHandler, and the connection cut
	Status int    // of the answer; 500 if Code is set and Status is not
	Code   string // SNS's error, such as Throttled, AuthorizationError or InternalError
	Body   string // this body, as it is

	// After is called, without any lock, when the call has been carried out and
	// before it is answered.
	After func()
}

func (f *Fault) harmless() bool {
	return !f.Lost && f.Status == 0 && f.Code == "" && f.Body == ""
}

// spoil turns a true answer into what is sent.
func (f *Fault) spoil(whole answer) answer {
	switch {
	case f.harmless():
		return whole
	case f.Lost:
		return answer{lost: true}
	case f.Code != "":
		no := refusal{status: http.StatusInternalServerError, code: f.Code, message: "a made fault"}
		if f.Status != 0 {
			no.status = f.Status
		}
		return no.answer()
	}
	a := answer{status: http.StatusOK, body: []byte(f.Body)}
	if f.Status != 0 {
		a.status = f.Status
	}
	return a
}
