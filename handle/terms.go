package handle

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Terms are what a request needs to be decided. They are resolved once, at
// launch, and stored on the request; later configuration changes do not apply. Only
// Approvers can change, by Request.Reassign and Request.Escalate.
type Terms struct {
	Channel      string    `json:"channel,omitempty"` // Slack channel ID or #name; empty if Slack is not configured
	Approvers    []string  `json:"approvers"`         // Slack user IDs (U…, W…) and user group IDs (S…); if empty, no one may approve in Slack. Reassign and Escalate change them
	Approvals    int       `json:"approvals"`         // how many people must approve, at least 1
	SelfApproval bool      `json:"selfApproval,omitempty"`
	Deadline     time.Time `json:"deadline"`          // from then on, votes are refused
	RemindAt     time.Time `json:"remindAt,omitzero"` // of requests of earlier releases: when approvers are reminded, once

	// Reminders are when approvers are reminded, in order; see ReminderTimes.
	Reminders []time.Time `json:"reminders,omitempty"`

	EscalateAt time.Time `json:"escalateAt,omitzero"`  // when EscalateTo join the approvers; zero for never
	EscalateTo []string  `json:"escalateTo,omitempty"` // users and user groups
	ReassignTo []string  `json:"reassignTo,omitempty"` // users and user groups that an approver may name instead

	// UnprovenRequester is what happens if nothing proves who the requester is in
	// Slack. Requests of earlier releases have none, which means UnprovenWarn.
	UnprovenRequester string `json:"unprovenRequester,omitempty"`

	// GrantForSeconds is how long an expired launch may still be approved for
	// relaunch, and how long such a grant lasts. 0 disables grants.
	GrantForSeconds int `json:"grantForSeconds,omitempty"`
}

// Values of Terms.UnprovenRequester, and of the deployment's parameter of the same
// name.
const (
	UnprovenTwoApprovers = "two-approvers" // one more person must approve, two at least
	UnprovenWarn         = "warn"          // the message warns
	UnprovenRefuse       = "refuse"        // the launch fails
)

const (
	// MinMargin is the least time between our deadline and AWS's own timeout, so
	// that the sweep can send FAILURE with a reason first.
	MinMargin = 2 * time.Minute

	// MaxWait is the longest timeout of a wait condition. See
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-waitcondition.html
	MaxWait = 12 * time.Hour

	minDecide    = time.Minute // the least time to decide
	maxApprovers = 50
	maxApprovals = 20
)

// DecisionDeadline returns when a request closes: at the wait condition's timeout
// or the expiry of its URL, whichever comes first, less margin (at least
// MinMargin). The timeout counts from now, slightly before AWS starts to count.
// The error is for the author of the template.
func DecisionDeadline(now time.Time, timeout, margin time.Duration, url WaitURL) (time.Time, error) {
	if timeout <= 0 || timeout > MaxWait {
		return time.Time{}, fmt.Errorf("property Timeout must be the same as the wait condition's, from %d to %d seconds",
			int((max(margin, MinMargin) + minDecide).Seconds()), int(MaxWait.Seconds()))
	}
	end := now.Add(timeout)
	if expires, ok := url.Expires(); ok && expires.Before(end) {
		end = expires
	}
	deadline := end.Add(-max(margin, MinMargin))
	if deadline.Sub(now) < minDecide {
		return time.Time{}, fmt.Errorf("the wait is too short: it ends in %s, and the last %s are reserved for closing the request; set Timeout to at least %d seconds",
			end.Sub(now).Round(time.Second), max(margin, MinMargin), int((max(margin, MinMargin) + minDecide).Seconds()))
	}
	return deadline, nil
}

// ErrNoApprovers means that the terms name no approvers.
var ErrNoApprovers = errors.New("no one may approve this launch: list Slack users (U…) or user groups (S…) in Approvers")

// Check returns why the terms can never be met, in a sentence for the author of
// the template.
func (t Terms) Check() error {
	if len(t.Approvers) == 0 && t.Channel != "" { // without Slack, the readers of the mail topic decide
		return ErrNoApprovers
	}
	if len(t.Approvers) > maxApprovers {
		return fmt.Errorf("property Approvers lists %d users and groups, but at most %d are allowed: use a Slack user group", len(t.Approvers), maxApprovers)
	}
	for _, a := range t.Approvers {
		if !IsUser(a) && !IsUserGroup(a) {
			return fmt.Errorf("property Approvers contains %q, which is not a Slack user ID (U…) or user group ID (S…)", OneLine(a, 40))
		}
	}
	if len(t.EscalateTo) > maxApprovers || len(t.ReassignTo) > maxApprovers {
		return fmt.Errorf("a request can be escalated, and reassigned, to at most %d users and groups: use a Slack user group", maxApprovers)
	}
	for _, a := range slices.Concat(t.EscalateTo, t.ReassignTo) {
		if !IsUser(a) && !IsUserGroup(a) {
			return fmt.Errorf("%q is not a Slack user ID (U…) or user group ID (S…), so a request can't be escalated or reassigned to it", OneLine(a, 40))
		}
	}
	if t.Approvals < 1 || t.Approvals > maxApprovals {
		return fmt.Errorf("property Approvals must be from 1 to %d", maxApprovals)
	}
	switch t.UnprovenRequester {
	case "", UnprovenTwoApprovers, UnprovenWarn, UnprovenRefuse:
	default:
		return fmt.Errorf("UnprovenRequester must be %s, %s or %s", UnprovenTwoApprovers, UnprovenWarn, UnprovenRefuse)
	}
	if t.Channel == "" && t.Approvals > 1 {
		return fmt.Errorf("this launch needs %d approvers, and only Slack can tell people apart: set Channel", t.Approvals)
	}
	return nil
}

// CheckApprovers returns an error if the approvers, including those that the escalation
// adds and excluding the requester, are too few. A user group counts as enough, because
// its members are known only at the click.
func (r Request) CheckApprovers() error {
	if r.Terms.EscalateAt.IsZero() {
		return r.enough(r.Terms.Approvers)
	}
	return r.enough(slices.Concat(r.Terms.Approvers, r.Terms.EscalateTo))
}

// enough returns an error if approvers, without the requester, are too few.
func (r Request) enough(approvers []string) error {
	unproven := r.Requester.LookedUp && !r.Requester.Proven && !r.Terms.SelfApproval
	if unproven && r.Terms.UnprovenRequester == UnprovenRefuse {
		return errors.New("the requester's Slack account is not verified, and the deployment's parameter UnprovenRequester refuses such launches")
	}
	needed := r.ApprovalsNeeded()
	named := map[string]bool{}
	for _, a := range approvers {
		if IsUserGroup(a) {
			return nil
		}
		if r.Terms.SelfApproval || !slices.Contains(r.Requester.SlackIDs, a) {
			named[a] = true
		}
	}
	switch {
	case len(named) >= needed:
		return nil
	case len(approvers) == 0:
		return ErrNoApprovers
	case len(named) == 0:
		return errors.New("only the requester may approve this launch, and requesters cannot approve their own launches: list other approvers")
	}
	if needed > r.Terms.Approvals {
		return fmt.Errorf("the requester's Slack account is not verified, so this launch needs %d approvers, but only %d may approve it: list more approvers, or change the deployment's parameter UnprovenRequester", needed, len(named))
	}
	return fmt.Errorf("this launch needs %d approvers, but only %d may approve it", needed, len(named))
}

// Groups returns the user groups among the approvers.
func (t Terms) Groups() []string {
	var groups []string
	for _, a := range t.Approvers {
		if IsUserGroup(a) {
			groups = append(groups, a)
		}
	}
	return groups
}
