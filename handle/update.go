package handle

import (
	"errors"
	"fmt"
	"time"
)

// Update is set on the request of a stack update. Such a request has no wait
// condition: it holds CloudFormation's Update event of the request resource
// unanswered, and its WaitURL is that event's response URL. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes-update.html
type Update struct {
	Approved   string   `json:"approved,omitempty"` // ID of the request that was approved last
	RequestID  string   `json:"requestId"`          // of the held event
	PhysicalID string   `json:"physicalId"`         // of the resource, as the event names it
	Changes    []Change `json:"changes,omitempty"`
	RolledBack bool     `json:"rolledBack,omitempty"` // withdrawn: the stack is rolling back, so the event may be the rollback's own, which must succeed
	Unshown    bool     `json:"unshown,omitempty"`    // something else changed: the template, or values that are not shown
}

// MaxHold is how long CloudFormation waits for the answer to a custom resource
// request. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html
const MaxHold = time.Hour

// minHold is the least ServiceTimeout with which an update can be approved.
const minHold = MinMargin + minDecide

// HoldDeadline returns when the request of an update closes: at the resource's
// ServiceTimeout (an hour at most) or at the expiry of its response URL, whichever
// comes first, less margin: MinMargin at least, and otherwise half of the timeout at
// most. The timeout runs from when CloudFormation signed the URL: the event can
// arrive later, if Lambda tries again. The error is for the author of the template.
func HoldDeadline(now time.Time, timeout, margin time.Duration, url WaitURL) (time.Time, error) {
	if timeout <= 0 || timeout > MaxHold {
		return time.Time{}, fmt.Errorf("property ServiceTimeout must be from 1 to %d seconds", int(MaxHold.Seconds()))
	}
	if timeout < minHold {
		return time.Time{}, fmt.Errorf("the update can't be approved: CloudFormation waits only %s for it; set ServiceTimeout to at least %d seconds",
			timeout, int(minHold.Seconds()))
	}
	sent := now
	if signed, ok := url.SignedAt(); ok && signed.Before(now) {
		sent = signed
	}
	end := sent.Add(timeout)
	if expires, ok := url.Expires(); ok && expires.Before(end) {
		end = expires
	}
	deadline := end.Add(-max(min(margin, timeout/2), MinMargin))
	if deadline.Sub(now) < minDecide/2 {
		return time.Time{}, fmt.Errorf("too little time is left to approve the update: CloudFormation's request arrived %s after it was sent; update again",
			now.Sub(sent).Round(time.Second))
	}
	return deadline, nil
}

// Response is the answer to a custom resource request. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
type Response struct {
	Status             string            `json:"Status"` // SUCCESS or FAILED
	Reason             string            `json:"Reason,omitempty"`
	PhysicalResourceID string            `json:"PhysicalResourceId"`
	StackID            string            `json:"StackId"`
	RequestID          string            `json:"RequestId"`
	LogicalResourceID  string            `json:"LogicalResourceId"`
	Data               map[string]string `json:"Data,omitempty"`
}

const maxResponse = 4096 // bytes; CloudFormation rejects more

// Encode encodes the response within CloudFormation's limit, dropping Data first
// and then shortening the reason.
func (r Response) Encode() ([]byte, error) {
	for {
		b, err := compact(r)
		if err != nil {
			return nil, fmt.Errorf("couldn't encode the answer: %w", err)
		}
		switch {
		case len(b) <= maxResponse:
			return b, nil
		case r.Data != nil:
			r.Data = nil
		case len(r.Reason) > 16:
			r.Reason = Truncate(r.Reason, len(r.Reason)/2)
		default:
			return nil, errors.New("couldn't fit the answer: CloudFormation's own identifiers are too long")
		}
	}
}

// WithdrawRollback closes the request of an update that turned out to be rolling
// back. Its event may be that of the rollback itself, which must succeed, with the
// physical ID of what the stack returns to. An update that CloudFormation no longer
// waits for ignores the answer.
func (r Request) WithdrawRollback(physicalID, reason string, now time.Time) Request {
	if r.Update == nil || r.Decision != nil {
		return r
	}
	r = r.Clone()
	r.Update.PhysicalID, r.Update.RolledBack = physicalID, true
	return r.Withdraw(reason, now)
}

// StackSignal returns what releases or fails the stack: the signal to the wait handle
// or, of an update, the answer that was held. An approved update gets a new physical
// ID, the request's own, so that everything that refers to it runs again, the
// verdict first. ok is false while the request is pending.
func (r Request) StackSignal() (body StackSignal, ok bool) {
	signal, ok := r.SignalBody()
	if !ok || r.Update == nil {
		return signal, ok
	}
	answer := Response{
		Status: "FAILED", Reason: signal.Reason, PhysicalResourceID: r.Update.PhysicalID,
		StackID: r.Stack.ID, RequestID: r.Update.RequestID, LogicalResourceID: r.Stack.Gate,
	}
	if r.Update.RolledBack && r.State() == Withdrawn {
		answer.Status, answer.Reason, answer.Data = "SUCCESS", "", map[string]string{"RequestId": r.Update.PhysicalID}
	}
	if signal.Status == SignalSuccess {
		answer.Status, answer.Reason, answer.PhysicalResourceID = "SUCCESS", "", r.ID
		answer.Data = map[string]string{"RequestId": r.ID}
	}
	return answer, true
}
