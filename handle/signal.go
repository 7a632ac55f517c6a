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
	Undeliverable string    `json:"never,omitempty"` // why AWS will never take it; empty: it was taken, or withdrawn and not needed
}

// SignalBody is the JSON document that a wait condition handle takes. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html
type SignalBody struct {
	Status   string `json:"Status"`
	Reason   string `json:"Reason"`
	UniqueID string `json:"UniqueId"` // a repeated one is a retransmission and ignored, so sending twice does no harm
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

// SignalBody is the signal that the decision owes to CloudFormation. ok is
// false while there is none. A withdrawn request owes FAILURE like the others:
// where the stack has given up already nobody listens, and where it has not,
// it shall not wait for nobody.
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
		body.Reason = "Expired: nobody decided by " + r.Terms.Deadline.UTC().Format("2006-01-02 15:04 MST")
	case Withdrawn:
		body.Reason = "Withdrawn: " + OneLine(d.Reason, maxSignalReason)
	}
	body.Reason = Truncate(body.Reason, maxSignalReason)
	return body, true
}

// Decider names in plain text who decided, and by which way if it was not
// Slack.
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

// Outcome says what an attempt to reach somebody came to.
type SendResult int

const (
	Delivered SendResult = iota
	Retry                // not done, or the answer was lost: try again later
	Permanent            // refused for good
)

func (o SendResult) String() string { return [...]string{"done", "again", "never"}[o] }

// SignalTimeout bounds one PUT to the wait handle.
const SignalTimeout = 5 * time.Second

// Send PUTs body to the wait handle at u, through client, following no
// redirect. Done means that the body is stored, not that the stack listened:
// the URL leads to a storage bucket. The error, never with the URL in it, says
// what hindered; it is nil exactly if the outcome is Done.
func SendSignal(ctx context.Context, client *http.Client, u WaitURL, body SignalBody) (SendResult, error) {
	ctx, cancel := context.WithTimeout(ctx, SignalTimeout)
	defer cancel()
	b, err := compact(body)
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

// classify sorts the storage's answers. 403 is an expired signature, or a policy
// on the way that somebody may mend while the signature lasts: the record stops
// trying when it has expired. 404 and 410 are a bucket that is gone; a redirect to
// elsewhere is not followed and will not go away. 400 can be a request that came
// in too slowly. See
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
