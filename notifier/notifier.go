// Package notifier is the way out: it answers CloudFormation's custom resource
// requests, and settles with the world whatever a record owes.
//
// Launch, click, redelivered event, sweep and restart all end in the same
// [Notifier.Continue]: it asks the record what is due and does it, the most
// important first. Recovery is the normal path.
package notifier

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"countersign/handle"
)

// Notifier holds the edges that settling needs. All fields but those marked
// optional must be set; none is changed after the first use.
type Notifier struct {
	Store  handle.Store
	Stacks Stacks
	Slack  *Slack       // optional: nil if Slack is not configured
	Mail   MailTopic    // optional: nil if there is no topic
	Client *http.Client // for the wait handle and for answers to CloudFormation
	Now    func() time.Time
	Log    *slog.Logger

	Defaults Defaults

	// Links returns what makes the links of a mail: anew for each mail, so that
	// a rotated key needs no restart. nil, or none returned: a mail can tell, and
	// nobody can decide by it. An error: the mail is tried again later. Optional.
	Links func(ctx context.Context) (*Links, error)

	// Origins lists URL prefixes that wait URLs and response URLs may have
	// beside AWS's own. It is for made worlds, and empty on AWS.
	Origins []string

	// Wait waits for d or for the end of ctx, whose error it returns then.
	// Optional: nil uses the real clock.
	Wait func(ctx context.Context, d time.Duration) error

	// Unfit is why the notifier cannot do its work, such as a faulty
	// configuration. CloudFormation is answered FAILED with it then, and Delete
	// with success; all other events fail. Nothing else but Client, Now, Log and
	// Origins is used. Optional.
	ConfigErr error

	// Watch is told what is worth counting and not to be read off the records.
	// Optional.
	Observer Observer

	// Workers is how many records a sweep settles at a time. Optional: at
	// least 1.
	Workers int
}

// Watcher is told of what happens. Its methods must return at once, but for
// Swept, which has the rest of the sweep's time.
type Observer interface {
	// StepFailed: a step came to nothing. The record has it, with when to try
	// again.
	StepFailed(ctx context.Context, s handle.Step)

	// Bypassed: a verdict found no approval, and no record could be made to say
	// so. What is on record as handle.Bypass is not told here.
	Bypassed(ctx context.Context, stackID string)

	// Swept: a sweep has found what was due, and seen to it as far as it came.
	Swept(ctx context.Context)
}

// Defaults are the terms of launches whose template does not say otherwise.
type Defaults struct {
	Channel      string   // Slack channel ID or #name; empty: no Slack
	Approvers    []string // Slack user IDs and user group IDs
	Approvals    int
	SelfApproval bool          // whether a requester may approve
	Timeout      time.Duration // of the wait, if the template does not say; zero: 12 h, as in the original sample
	Margin       time.Duration // kept back before the wait's own end; at least handle.MinMargin

	// MailDomain is appended to a proven principal's name that has no domain,
	// to look it up in Slack: alice becomes alice@example.com. Optional.
	MailDomain string
}

func (n *Notifier) wait(ctx context.Context, d time.Duration) error {
	if n.Wait != nil {
		return n.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NewHolder names a process that is about to take a lease.
func NewHolder() string { return rand.Text() }
