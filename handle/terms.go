package handle

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Terms are what a request needs to be decided. They are resolved once, at
// launch, and kept on the record: what was asked for is what is held to.
type Terms struct {
	Channel      string    `json:"channel,omitempty"` // Slack channel ID or #name; empty: Slack is not configured
	Approvers    []string  `json:"approvers"`         // Slack user IDs (U…, W…) and user group IDs (S…); empty: nobody may approve in Slack
	Approvals    int       `json:"approvals"`         // how many different people must approve, at least 1
	SelfApproval bool      `json:"selfApproval,omitempty"`
	Deadline     time.Time `json:"deadline"`          // from then on nobody can approve
	RemindAt     time.Time `json:"remindAt,omitzero"` // zero: no reminder
}

const (
	// MinMargin is the least time between our deadline and the moment that AWS
	// gives up by itself: time enough for the sweep to send FAILURE with a reason.
	MinMargin = 2 * time.Minute

	// MaxWait is the longest that a wait condition waits. See
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-waitcondition.html
	MaxWait = 12 * time.Hour

	minDecide    = time.Minute // a shorter time to decide helps nobody
	maxApprovers = 50
	maxApprovals = 20
)

// Deadline is when we end the wait: at the wait's own timeout or at the expiry
// of its URL, whichever is sooner, less margin (at least MinMargin). The
// timeout counts from now, a little earlier than AWS counts it.
func DecisionDeadline(now time.Time, timeout, margin time.Duration, url WaitURL) (time.Time, error) {
	if timeout <= 0 || timeout > MaxWait {
		return time.Time{}, fmt.Errorf("the property Timeout must be the wait condition's own, from %d to %d seconds",
			int((max(margin, MinMargin) + minDecide).Seconds()), int(MaxWait.Seconds()))
	}
	end := now.Add(timeout)
	if expires, ok := url.Expires(); ok && expires.Before(end) {
		end = expires
	}
	deadline := end.Add(-max(margin, MinMargin))
	if deadline.Sub(now) < minDecide {
		return time.Time{}, fmt.Errorf("the wait is too short to decide anything: it ends in %s, of which %s are kept back to end it with a reason; set Timeout to at least %d seconds",
			end.Sub(now).Round(time.Second), max(margin, MinMargin), int((max(margin, MinMargin) + minDecide).Seconds()))
	}
	return deadline, nil
}

// Reminder is when the approvers are reminded: when three quarters of the time
// to decide are gone.
func ReminderTime(created, deadline time.Time) time.Time {
	return created.Add(deadline.Sub(created) / 4 * 3)
}

// ErrNoApprovers says that nobody could approve.
var ErrNoApprovers = errors.New("nobody may approve this launch: name Slack users (U…) or user groups (S…) in Approvers")

// Check reports what makes the terms impossible, in a sentence for whoever
// wrote them.
func (t Terms) Check() error {
	if len(t.Approvers) == 0 && t.Channel != "" { // without Slack, whoever reads the mail topic decides
		return ErrNoApprovers
	}
	if len(t.Approvers) > maxApprovers {
		return fmt.Errorf("the property Approvers names %d users and groups, more than %d: use a Slack user group", len(t.Approvers), maxApprovers)
	}
	for _, a := range t.Approvers {
		if !IsUser(a) && !IsUserGroup(a) {
			return fmt.Errorf("the property Approvers contains %q, which is no Slack user ID (U…) or user group ID (S…)", OneLine(a, 40))
		}
	}
	if t.Approvals < 1 || t.Approvals > maxApprovals {
		return fmt.Errorf("the property Approvals must be from 1 to %d", maxApprovals)
	}
	if t.Channel == "" && t.Approvals > 1 {
		return fmt.Errorf("this launch needs %d different approvers, which only Slack can tell apart: set Channel", t.Approvals)
	}
	return nil
}

// Reachable reports whether the named approvers, less those who are the
// requester, can suffice. Who is in a user group is known only at the click.
func (r Request) CheckApprovers() error {
	named := map[string]bool{}
	for _, a := range r.Terms.Approvers {
		if IsUserGroup(a) {
			return nil
		}
		if r.Terms.SelfApproval || !slices.Contains(r.Requester.SlackIDs, a) {
			named[a] = true
		}
	}
	switch {
	case len(named) >= r.Terms.Approvals:
		return nil
	case len(named) == 0:
		return errors.New("nobody but the requester may approve this launch, and nobody may approve their own: name other approvers")
	}
	return fmt.Errorf("this launch needs %d different approvers, and only %d may approve it", r.Terms.Approvals, len(named))
}

// Groups are the user groups among the approvers.
func (t Terms) Groups() []string {
	var groups []string
	for _, a := range t.Approvers {
		if IsUserGroup(a) {
			groups = append(groups, a)
		}
	}
	return groups
}
