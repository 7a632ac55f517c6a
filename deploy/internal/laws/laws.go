// Package laws checks the design's laws: over the stored records, over each
// write of them, and against what the simulated CloudFormation, Slack and mail
// topic saw. The stories, the crash and load tests, the end-to-end tests and the
// simulation all use this one checker, after every step.
package laws

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/fakemail"
	"countersign/handle"
)

// Law is one of the design's laws.
type Law string

const (
	OneDecision   Law = "one decision per request"
	RecordActMark Law = "record, then act, then mark"
	Recovery      Law = "recovery is the normal path"
	BindsPerson   Law = "an approval binds a person"
	BindsContent  Law = "an approval binds content"
	EventUnproven Law = "an event proves nothing about its sender"
	SignalNoProof Law = "a signal is no proof"
	GateHolds     Law = "the gate holds back every resource" // of the product's template

	Secrets        Law = "the wait URL and the response URL are secrets"
	AlwaysAnswered Law = "CloudFormation always gets an answer"
	OwnDeadline    Law = "the deadline is ours"
	HostileText    Law = "outside text is hostile"
)

// Violation is one case in which a law does not hold.
type Violation struct {
	Law    Law
	Rule   string // the part of the law that was broken
	Detail string // what was seen
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.Law, v.Rule, v.Detail) }

// Checker checks the laws in one simulated environment. Its methods must not
// be called concurrently.
type Checker struct {
	Team           string // ID of the workspace whose members may vote
	Enterprise     string // ID of the organization whose members may vote too; empty: none
	Account        string // the account whose stacks Countersign can read
	Slack          *slacktest.Workspace
	CloudFormation *fakecfn.Engine // nil: signals and stacks are not checked
	Mail           *fakemail.Topic // nil: mail is not checked

	// Answered reports whether the voter really gave that answer. Optional: nil
	// if the test does not record what people do.
	Answered func(r handle.Request, v handle.Vote) bool

	// Acted reports whether a person, given by a Slack user ID, really did that: ask,
	// answer, reviewing, reassign, nudge or withdraw. Optional, as Answered is.
	Acted func(r handle.Request, action, who string) bool

	Tolerance Tolerance

	records   map[string]handle.Request // as last checked
	launchers map[string]slacktest.User // by stack; the zero User if unproven
	unchecked map[string]bool           // requests that were decided before Slack had said who can approve
	found     []Violation               // in the current call
}

// Tolerance is what injected faults excuse. The zero value excuses nothing.
type Tolerance struct {
	// Copies is how often one reply may appear in a thread. A reply is posted again
	// if the answer to its post was lost. 0 means once.
	Copies int

	// Deleted reports whether a person deleted the message. Optional.
	Deleted func(channel, ts string) bool

	// Outdated reports whether a process that had lost its lease may have updated the
	// message last. Slack has no conditional update, so the message may then
	// show an older view until the next refresh. Optional.
	Outdated func(channel, ts string) bool

	// Frozen means that functions may be frozen for any time between reading the record
	// and acting on it.
	Frozen bool

	// AskedID means that Slack names a person only by the ID that it was asked about, so
	// the record can't know that another ID is theirs too.
	AskedID bool

	// Unheld reports whether faults excuse that the held answer to the update of r came
	// late, or did not state the decision. Optional.
	Unheld func(r handle.Request) bool

	// Unread reports whether an update of the stack's gate was answered without reading
	// the store, which failed. Optional.
	Unread func(stackID string) bool
}

// Check checks all laws that hold between two steps: over the records, which
// must be all that the store has, against what the services saw, and against
// the records of the call before. What is still due at now may be undone.
func (c *Checker) Check(records []handle.Request, now time.Time) []Violation {
	return c.check(func() {
		for _, r := range records {
			if old, known := c.records[r.ID]; known {
				c.change(old, r, now)
			}
			c.remember(r)
			c.record(r, now)
		}
		if c.CloudFormation != nil {
			for _, s := range c.CloudFormation.Stacks() {
				c.stack(s)
			}
		}
		c.texts()
	})
}

// CheckWrite checks one write at the moment it becomes durable. old is the
// zero Request when r is created.
func (c *Checker) CheckWrite(old, r handle.Request, now time.Time) []Violation {
	return c.check(func() {
		if old.ID != "" && r.Rev != old.Rev+1 {
			c.add(OneDecision, "each write adds one revision", "%s: revision %d follows %d", r.ID, r.Rev, old.Rev)
		}
		c.change(old, r, now)
		c.remember(r)
	})
}

func (c *Checker) check(f func()) []Violation {
	c.found = nil
	f()
	return slices.Clip(c.found)
}

func (c *Checker) add(law Law, rule, format string, args ...any) {
	c.found = append(c.found, Violation{law, rule, fmt.Sprintf(format, args...)})
}

func (c *Checker) remember(r handle.Request) {
	if c.records == nil {
		c.records = map[string]handle.Request{}
	}
	c.records[r.ID] = r.Clone()
}

// ContainsSecret reports whether text contains a signed wait or response URL.
func ContainsSecret(text []byte) bool {
	text = bytes.ToLower(text)
	return bytes.Contains(text, []byte("x-amz-signature")) || bytes.Contains(text, []byte("x-amz-security-token"))
}
