package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// Check verifies the laws over the whole world, and returns what breaks them, in
// sentences. It holds at any moment between two acts; what a request still owes
// at this moment is not held against it.
func (w *Sandbox) Check(ctx context.Context, store handle.Store) []string {
	c := &check{w: w, slack: w.Slack, now: w.Clock.Now(), records: map[string]handle.Request{}}
	for r, err := range store.Since(ctx, time.Time{}) {
		if err != nil {
			return []string{fmt.Sprintf("the store can be read: %v", err)}
		}
		c.records[r.ID] = r
		c.record(r)
	}
	for _, s := range w.CloudFormation.Stacks() {
		c.stack(s)
	}
	c.secrets()
	if n := w.DroppedEvents(); n > 0 {
		c.breaks("every event is taken at last: %d were given up", n)
	}
	return c.broken
}

// CheckMessages verifies the law of messages alone, in any workspace: what they
// show of a request is the truth.
func CheckMessages(s *slacktest.Workspace, r handle.Request, now time.Time) []string {
	c := &check{slack: s, now: now}
	for _, m := range r.Messages {
		c.message(r, m)
	}
	return c.broken
}

type check struct {
	w       *Sandbox
	slack   *slacktest.Workspace
	now     time.Time
	records map[string]handle.Request
	broken  []string
}

func (c *check) breaks(format string, args ...any) {
	c.broken = append(c.broken, fmt.Sprintf(format, args...))
}

// record holds one record against what the world has seen.
func (c *check) record(r handle.Request) {
	c.signals(r)
	for _, v := range r.Votes {
		if v.Via != handle.ViaSlack {
			continue
		}
		if !c.entitled(r, v.By.ID) {
			c.breaks("%s: only the entitled vote: %s did", r.ID, v.By.ID)
		}
	}
	if r.State() == handle.Approved && len(r.ApprovedBy()) < r.Terms.Approvals {
		c.breaks("%s: approved by %d of %d", r.ID, len(r.ApprovedBy()), r.Terms.Approvals)
	}
	if r.State() == handle.Pending && c.settled(r) && !c.now.Before(r.Terms.Deadline) {
		c.breaks("%s: nothing is pending past its deadline", r.ID)
	}
	for _, m := range r.Messages {
		c.message(r, m)
	}
}

// settled reports whether nothing is owed that messages show.
func (c *check) settled(r handle.Request) bool {
	refreshing := slices.ContainsFunc(r.Outstanding(), func(s handle.Step) bool { return s.Kind == handle.StepRefresh })
	return len(r.Due(c.now)) == 0 && !refreshing
}

// entitled asks the workspace itself, not the bot.
func (c *check) entitled(r handle.Request, user string) bool {
	if slices.Contains(r.Requester.SlackIDs, user) && !r.Terms.SelfApproval {
		return false
	}
	for _, u := range c.slack.Users() {
		if u.ID == user && (u.TeamID != Team || u.Restricted || u.UltraRestricted || u.Bot || u.Deleted) {
			return false
		}
	}
	if slices.Contains(r.Terms.Approvers, user) {
		return true
	}
	for _, g := range c.slack.UserGroups() {
		if slices.Contains(r.Terms.Approvers, g.ID) && slices.Contains(g.Users, user) {
			return true
		}
	}
	return false
}

// signals: decided means signalled exactly as decided, and nothing is signalled
// before it is decided.
func (c *check) signals(r handle.Request) {
	want, owed := r.SignalBody()
	stack, ok := c.w.CloudFormation.Stack(r.Stack.ID)
	if !ok {
		return // of a world before this one
	}
	sent := 0
	for _, s := range stack.Signals {
		var got handle.SignalBody
		if json.Unmarshal([]byte(s.Body), &got) != nil || !strings.HasSuffix(got.UniqueID, r.ID) {
			continue // not ours: somebody else's PUT
		}
		sent++
		if !owed || got != want {
			c.breaks("%s: signalled as decided: it sent %s, and the record is %s", r.ID, got.Status, r.State())
		}
	}
	if r.Signal != nil && r.Signal.Undeliverable == "" && sent == 0 && r.State() != handle.Withdrawn {
		c.breaks("%s: marked is what was done: it is marked as signalled, and nothing was sent", r.ID)
	}
}

// message: every message shows the truth, and every thread has each event once.
func (c *check) message(r handle.Request, m handle.Message) {
	got, ok := c.slack.Message(m.Channel, m.TS)
	if !ok || got.Deleted {
		return // deleted by somebody, or of a world before this one
	}
	settled := c.settled(r)
	if live := len(got.Buttons()) > 0; settled && live != (r.State() == handle.Pending) {
		c.breaks("%s: a message has buttons while the request is pending, and only then: it is %s", r.ID, r.State())
	}
	if want := blocks.Message(r).Text; settled && got.Text != want {
		c.breaks("%s: a message shows the truth: it says %q, and ought to say %q", r.ID, got.Text, want)
	}
	if root, _ := r.Root(); root.TS != m.TS {
		return
	}
	seen := map[string]int{}
	for _, reply := range got.Replies {
		seen[reply.Text]++
	}
	for text, n := range seen {
		if n > 1 {
			c.breaks("%s: each event is told once: %d times %q", r.ID, n, text)
		}
	}
}

// stack: CloudFormation is always answered, and nothing behind a verdict exists
// without an approval on record.
func (c *check) stack(s fakecfn.Stack) {
	for _, e := range s.Events {
		if strings.HasPrefix(e.Reason, "CloudFormation did not receive a response") {
			c.breaks("%s: CloudFormation is always answered: %s was not", s.Name, e.LogicalID)
		}
		if id, ok := VerdictOf(e); ok && e.Status == fakecfn.CreateComplete && !c.records[id].ApprovedFor(s.ID) {
			c.breaks("%s: the verdict opens by an approval of this very stack: %s did without", s.Name, e.LogicalID)
		}
	}
}

// VerdictOf reports whether the event is of a verdict resource, and the ID of
// the request that it asks about.
func VerdictOf(e fakecfn.Event) (id string, ok bool) {
	var p struct{ RequestId, WaitUrl string }
	if !strings.HasPrefix(e.Type, "Custom::") || json.Unmarshal([]byte(e.Properties), &p) != nil {
		return "", false
	}
	return p.RequestId, p.RequestId != "" && p.WaitUrl == ""
}

// secrets: no wait URL is in Slack or mail, and no message pings a channel.
func (c *check) secrets() {
	for _, ch := range c.slack.Channels() {
		c.texts("Slack", c.slack.Messages(ch.ID))
	}
	for _, u := range c.slack.Users() {
		c.texts("Slack", c.slack.Ephemerals(u.ID))
	}
	for _, m := range c.w.Mail.Messages() {
		c.secret("mail", m.Subject+m.Body)
	}
}

func (c *check) texts(where string, messages []slacktest.Message) {
	for _, m := range messages {
		c.secret(where, m.Text+string(m.Blocks)+string(m.Metadata))
		if m.MentionsChannel {
			c.breaks("no launch pings a channel: %q does", m.Text)
		}
		c.texts(where, m.Replies)
	}
}

func (c *check) secret(where, text string) {
	for _, s := range []string{"X-Amz-Signature", "x-amz-signature", "X-Amz-Security-Token"} {
		if strings.Contains(text, s) {
			c.breaks("the wait URL is a secret: it is in %s", where)
		}
	}
}
