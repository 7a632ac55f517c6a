package handle

import "time"

// Decision is what closed the request. Once made, it never changes.
type Decision struct {
	State  State     `json:"state"`
	By     Person    `json:"by,omitzero"` // the last voter, or the requester who withdrew; zero if no person did
	Reason string    `json:"reason,omitempty"`
	Via    Via       `json:"via,omitempty"`
	At     time.Time `json:"at"`
}

// IsOpen reports whether the request can still be decided at now.
func (r Request) IsOpen(now time.Time) bool { return r.closedReason(now) == "" }

// RefusalFor returns why verdict can no longer be given by way of via, no matter
// by whom; empty if it still can. Who may give it is for [Request.Authorize].
func (r Request) RefusalFor(via Via, verdict Verdict, now time.Time) RefusalReason {
	if via == ViaMail && !r.mailAllows(verdict) {
		return RefusedNotByMail
	}
	if via == ViaSlack && verdict == Approve && r.AwaitsRelaunchApproval(now) {
		return ""
	}
	if reason := r.closedReason(now); reason != "" {
		return reason
	}
	if r.Stack.Unverified {
		return RefusedUnverified
	}
	return ""
}

// closedReason returns why the request can no longer be decided; empty while it
// can. The deadline closes it even before Expire is recorded.
func (r Request) closedReason(now time.Time) RefusalReason {
	switch {
	case r.State() == Expired:
		return RefusedExpired
	case r.Decision != nil:
		return RefusedDecided
	case !now.Before(r.Terms.Deadline):
		return RefusedExpired
	}
	return ""
}

// decide closes the request. Callers make sure that it is pending, and pass a
// clone.
func (r Request) decide(d Decision) Request {
	r.Decision, r.Reviews = &d, nil
	return r.clearRefreshAttempts().appendEvent(Event{At: d.At, Kind: EventDecided, By: d.By, Text: string(d.State)})
}

// Expire closes a pending request whose deadline has passed. It changes nothing
// before the deadline or after a decision.
func (r Request) Expire(now time.Time) Request {
	if r.Decision != nil || now.Before(r.Terms.Deadline) {
		return r
	}
	r = r.Clone()
	r.Grant = r.newGrant(now)
	return r.decide(Decision{State: Expired, Reason: "no decision was made in time", At: now})
}

// Withdraw closes a pending request whose stack has ended, or that has no one to
// decide it. It changes nothing after a decision.
func (r Request) Withdraw(reason string, now time.Time) Request {
	if r.Decision != nil {
		return r
	}
	return r.Clone().decide(Decision{State: Withdrawn, Reason: Truncate(reason, maxReason), At: now})
}

// ApprovedFor reports whether the verdict resource of the stack with ARN stackID
// may succeed: only if this is an approved request of that very stack.
func (r Request) ApprovedFor(stackID string) bool {
	return stackID != "" && r.Stack.ID == stackID && r.State() == Approved
}
