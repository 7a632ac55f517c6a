// Package notifier handles what comes from AWS: custom resource requests, stack
// status events and the schedule of the sweep. It puts launches on record and
// leaves everything after that to package reconcile.
package notifier

import (
	"context"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// Notifier handles the events of one Region. All fields not marked optional must
// be set, and must not change after first use.
type Notifier struct {
	*reconcile.Reconciler

	Defaults Defaults

	// Origins lists URL prefixes that wait URLs and response URLs may have
	// besides AWS's own. Simulations set it; on AWS it is empty.
	Origins []string

	// Accounts are labels of AWS accounts by their IDs, such as production, for
	// messages. Optional.
	Accounts map[string]string

	// DigestKey returns the key of handle.GateDigest. While it can't be read, or once
	// it changes, gates that pass on Parameters ask although nothing has changed.
	DigestKey func(ctx context.Context) ([]byte, error)

	// ConfigErr is why the notifier cannot work, such as an invalid
	// configuration. Create and Update are then answered FAILED with it, Delete
	// SUCCESS, and so is an Update that rolls back or changes no content; other
	// events return it. Only Client, Now, Log, Origins, Account and Stacks are used
	// then. Stacks may be nil. Optional.
	ConfigErr error

	// Workers is how many records a sweep reconciles at a time. Optional: at
	// least 1.
	Workers int

	floods accountLimits
}

// Defaults are the terms of launches whose template does not set its own.
type Defaults struct {
	Channel      string   // Slack channel ID or #name; empty: no Slack
	Approvers    []string // Slack user IDs and user group IDs
	Approvals    int
	SelfApproval bool // whether a requester may approve

	// UnprovenRequester is what happens if nothing proves who the requester is in
	// Slack; see handle.Terms.
	UnprovenRequester string

	// GrantFor is how long an expired launch may still be approved for relaunch,
	// and how long such a grant lasts; 0 disables grants.
	GrantFor time.Duration
	Timeout  time.Duration // of the wait, if the template sets none; zero means 12 h, as in the original sample
	Margin   time.Duration // between our deadline and the wait's own; at least handle.MinMargin

	// Reminders are the percentages of the time to decide that are left when approvers
	// are reminded. Nil means handle.DefaultReminders; an empty list, no reminders.
	Reminders []int
	Hours     handle.WorkingHours // when approvers are reminded and requests escalated

	// EscalateAfter is when an undecided request is escalated to EscalateTo; zero means
	// never. An approver may reassign a request to ReassignTo. All are users and user
	// groups. A template can't change them, because its author could then widen who may
	// approve.
	EscalateAfter time.Duration
	EscalateTo    []string
	ReassignTo    []string
}
