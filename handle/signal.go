package handle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Signal records what was sent to the wait handle.
type Signal struct {
	Status        string    `json:"status"` // SUCCESS or FAILURE
	At            time.Time `json:"at"`
	Undeliverable string    `json:"never,omitempty"` // why AWS will never accept it; empty if it did, or if the request was withdrawn because the stack no longer waits
}

// SignalBody is the JSON document that a wait condition handle accepts. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html
type SignalBody struct {
	Status   string `json:"Status"`
	Reason   string `json:"Reason"`
	UniqueID string `json:"UniqueId"` // AWS ignores a repeated one, so sending twice does no harm
	Data     string `json:"Data"`
}

// Status values of a signal.
const (
	SignalSuccess = "SUCCESS"
	SignalFailure = "FAILURE"
)

// maxSignalReason bounds the reason, which becomes the failure reason of the
// wait condition and of the stack.
const maxSignalReason = 1500 // bytes; twice as many when all of them are quotes

// SignalBody returns the signal that the decision requires. ok is false while
// the request is pending. A withdrawn request signals FAILURE too. Unless the
// requester withdrew it, the stack has usually ended and ignores the signal.
func (r Request) SignalBody() (body SignalBody, ok bool) {
	d := r.Decision
	if d == nil {
		return SignalBody{}, false
	}
	body = SignalBody{Status: SignalFailure, UniqueID: string(d.State) + "-" + r.ID, Data: r.ID}
	switch d.State {
	case Approved:
		body.Status = SignalSuccess
		body.Reason = "Approved by " + r.Decider()
	case Rejected:
		body.Reason = "Rejected by " + r.Decider() + ": " + OneLine(d.Reason, maxSignalReason)
	case Expired:
		body.Reason = "Expired: no decision was made by " + r.Terms.Deadline.UTC().Format("2006-01-02 15:04 MST")
	case Withdrawn:
		body.Reason = "Withdrawn: " + OneLine(d.Reason, maxSignalReason)
		if r.WithdrawnByRequester() {
			body.Reason = "Withdrawn by " + r.Decider() + ": " + OneLine(d.Reason, maxSignalReason)
		}
	}
	body.Reason = Truncate(body.Reason, maxSignalReason)
	return body, true
}

// Decider names in plain text who decided, and says so if it was by mail. It is
// empty if no person did.
func (r Request) Decider() string {
	if r.Decision == nil {
		return ""
	}
	name := OneLine(r.Decision.By.Name, 80)
	if name == "" {
		name = r.Decision.By.ID
	}
	if r.Decision.Via == ViaMail {
		return name + " (by mail)"
	}
	return name
}

// MarkSignalled records the answer of the wait handle. undeliverable is why it
// will never accept the signal; empty if it did. An accepted signal stays
// accepted.
func (r Request) MarkSignalled(undeliverable string, now time.Time) Request {
	body, ok := r.SignalBody()
	if !ok || r.Signal != nil && (r.Signal.Undeliverable == "" || undeliverable != "") {
		return r
	}
	r = r.clearAttempts(Step{Kind: StepSignal})
	r.Signal = &Signal{Status: body.Status, At: now, Undeliverable: undeliverable}
	if undeliverable != "" && r.State() == Withdrawn && !r.WithdrawnByRequester() {
		r.Signal.Undeliverable = "" // expected: the stack no longer waits
	}
	if undeliverable != "" {
		return r.appendEvent(Event{At: now, Kind: EventAbandoned, Text: "signal: " + undeliverable})
	}
	return r.appendEvent(Event{At: now, Kind: EventSignalled, Text: body.Status})
}

// SendResult is the result of an attempt to send something.
type SendResult int

const (
	Delivered SendResult = iota
	Retry                // not accepted, or the answer was lost: try again later
	Permanent            // refused for good
)

func (r SendResult) String() string { return [...]string{"delivered", "retry", "permanent"}[r] }

// SignalTimeout bounds one PUT to the wait handle.
const SignalTimeout = 5 * time.Second

// StackSignal is what releases or fails a stack: the signal to a wait handle
// (SignalBody), or the answer to a held custom resource request (Response).
type StackSignal interface{ Encode() ([]byte, error) }

// Encode returns the signal as JSON.
func (b SignalBody) Encode() ([]byte, error) { return compact(b) }

// SendSignal sends body to u, a wait handle's URL or a response URL. Delivered
// means that S3 stored the body, not that CloudFormation has read it. The error is nil exactly if the
// result is Delivered, and never contains the URL.
func SendSignal(ctx context.Context, client *http.Client, u WaitURL, body StackSignal) (SendResult, error) {
	ctx, cancel := context.WithTimeout(ctx, SignalTimeout)
	defer cancel()
	b, err := body.Encode()
	if err != nil {
		return Permanent, fmt.Errorf("couldn't encode the signal: %w", err)
	}
	status, err := Put(ctx, client, u.Expose(), b)
	switch {
	case errors.Is(err, ErrUnusableURL):
		return Permanent, fmt.Errorf("couldn't signal CloudFormation: %w", err)
	case err != nil:
		return Retry, fmt.Errorf("couldn't signal CloudFormation: %w", err)
	}
	if result := classify(status); result != Delivered {
		return result, fmt.Errorf("couldn't signal CloudFormation: it answered %d %s", status, http.StatusText(status))
	}
	return Delivered, nil
}

// classify sorts the status codes of S3. 403 means that the signature has
// expired, or that a policy on the way forbids the PUT, which an administrator
// may correct: retries end when the URL expires. 400 includes RequestTimeout, for
// a body that came too slowly. 404 and 410 mean that the bucket is gone. Redirects
// are not followed, and waiting does not remove them. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func classify(status int) SendResult {
	switch {
	case status >= 200 && status < 300:
		return Delivered
	case status == http.StatusBadRequest, status == http.StatusForbidden, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500, status < 200:
		return Retry
	}
	return Permanent
}
