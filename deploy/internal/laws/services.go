package laws

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// posted reports whether a message was posted to Slack. One that was deleted
// later counts.
func (c *Checker) posted(channel, ts string) bool {
	_, ok := c.Slack.Message(channel, ts)
	return ok || c.Tolerance.Deleted != nil && c.Tolerance.Deleted(channel, ts)
}

// mails counts the mails about a request: each names its ID.
func (c *Checker) mails(id string) (n int) {
	for _, m := range c.Mail.Messages() {
		if strings.Contains(m.Text, id) {
			n++
		}
	}
	return n
}

// ours returns our signals to the wait handles of r's stack. known is false if
// the stack is not in this CloudFormation.
func (c *Checker) ours(r handle.Request) (list []handle.SignalBody, known bool) {
	if c.CloudFormation == nil {
		return nil, false
	}
	stack, ok := c.CloudFormation.Stack(r.Stack.ID)
	for _, s := range stack.Signals {
		var got handle.SignalBody
		if json.Unmarshal([]byte(s.Body), &got) == nil && strings.HasSuffix(got.UniqueID, r.ID) {
			list = append(list, got)
		}
	}
	return list, ok
}

// signalled reports whether a signal about r arrived, as far as that is known.
func (c *Checker) signalled(r handle.Request) bool {
	if r.Update != nil {
		list, known := c.answers(r)
		return !known || len(list) > 0
	}
	list, known := c.ours(r)
	return !known || len(list) > 0
}

// signals checks all signals about r that arrived.
func (c *Checker) signals(r handle.Request) {
	list, known := c.ours(r)
	for _, got := range list {
		if !StatesDecision(r, got) {
			c.add(RecordActMark, "a signal states the recorded decision", "%s is %s, and %s was sent", r.ID, r.State(), got.Status)
		}
		c.withdrawal(r, got.Status, got.Reason)
	}
	if known && r.Signal != nil && r.Signal.Undeliverable == "" && len(list) == 0 && mustArrive(r) {
		c.add(RecordActMark, "a mark states what was done", "%s is marked as signalled, and no signal arrived", r.ID)
	}
}

// mustArrive reports whether CloudFormation still waits for the signal about r. It does
// not if the request was withdrawn, except by its requester.
func mustArrive(r handle.Request) bool {
	return r.State() != handle.Withdrawn || r.WithdrawnByRequester()
}

// StatesDecision reports whether body is the signal for r's recorded decision.
func StatesDecision(r handle.Request, body handle.SignalBody) bool {
	want, decided := r.SignalBody()
	return decided && body == want && (body.Status == handle.SignalSuccess) == (r.State() == handle.Approved)
}

// message checks that a message shows the record, once nothing is due that it
// shows or the record marks it as showing the present view; and that its thread
// has each reply once.
func (c *Checker) message(r handle.Request, m handle.Message, now time.Time) {
	got, ok := c.Slack.Message(m.Channel, m.TS)
	if !ok || got.Deleted {
		return // deleted, or from before this environment
	}
	c.replies(r, m, got)
	if !upToDate(r, now) && m.Shown != r.ViewHash() || c.Tolerance.Outdated != nil && c.Tolerance.Outdated(m.Channel, m.TS) {
		return
	}
	const rule = "messages show the record"
	if live := len(got.ButtonsIn("decide")) > 0; live != (r.State() == handle.Pending) {
		c.add(Recovery, "messages have buttons only while the request is pending", "%s is %s, and buttons shown: %v", r.ID, r.State(), live)
	}
	if live := len(got.ButtonsIn("relaunch")) > 0; live != relaunchable(r) {
		c.add(Recovery, "messages offer relaunch only while it is possible", "%s is %s, and buttons shown: %v", r.ID, r.State(), live)
	}
	want := blocks.Message(r)
	if got.Text != want.Text {
		c.add(Recovery, rule, "%s: got text %q, want %q", r.ID, got.Text, want.Text)
	}
	wantBlocks, err := json.Marshal(want.Blocks)
	if shown := assignedID.ReplaceAll(got.Blocks, nil); err != nil || !bytes.Equal(shown, wantBlocks) {
		c.add(Recovery, rule, "%s: got blocks\n%s\nwant\n%s", r.ID, shown, wantBlocks)
	}
}

// direct checks that the first direct message to the requester shows the record, once
// nothing is due that it shows.
func (c *Checker) direct(r handle.Request, now time.Time) {
	if r.Direct == nil {
		return
	}
	got, ok := c.Slack.Message(r.Direct.Channel, r.Direct.TS)
	if !ok || got.Deleted || !upToDate(r, now) && r.Direct.Shown != r.ViewHash() || c.Tolerance.Outdated != nil && c.Tolerance.Outdated(r.Direct.Channel, r.Direct.TS) {
		return
	}
	want, err := json.Marshal(blocks.Direct(r).Blocks)
	if shown := assignedID.ReplaceAll(got.Blocks, nil); err != nil || !bytes.Equal(shown, want) {
		c.add(Recovery, "the requester's direct message shows the record", "%s: got blocks\n%s\nwant\n%s", r.ID, shown, want)
	}
}

// assignedID matches the IDs that Slack assigns to blocks without one.
var assignedID = regexp.MustCompile(`"block_id":"b[0-9A-Z]+",`)

func (c *Checker) replies(r handle.Request, m handle.Message, got slacktest.Message) {
	if root, _ := r.Root(); root.TS != m.TS {
		return
	}
	seen := map[string]int{}
	for _, reply := range got.Replies {
		if seen[reply.Text]++; seen[reply.Text] == max(c.Tolerance.Copies, 1)+1 {
			c.add(RecordActMark, "each message is sent once", "%s: %q", r.ID, reply.Text)
		}
	}
}

// noResponse starts the reason of a custom resource whose answer did not come in time.
const noResponse = "CloudFormation did not receive a response"

// stack checks that CloudFormation got its answers, and that each verdict was
// opened by an approval of its own stack.
func (c *Checker) stack(s fakecfn.Stack) {
	c.gateChanges(s)
	c.gateHolds(s)
	for _, e := range s.Events {
		if strings.HasPrefix(e.Reason, noResponse) && !c.unheldAt(s, e) {
			c.add(AlwaysAnswered, "each custom resource request is answered", "%s: %s was not", s.Name, e.LogicalID)
		}
		if e.PhysicalID == s.ID && e.Status == fakecfn.UpdateRollbackFailed && c.knowsRollback(s) {
			c.add(AlwaysAnswered, "the rollback of an update succeeds", "%s: %s", s.Name, e.Reason)
		}
		if id, ok := VerdictOf(e); ok && (e.Status == fakecfn.CreateComplete || e.Status == fakecfn.UpdateComplete) && !Approved(c.records[id], s.ID) {
			c.add(SignalNoProof, "only an approval of its own stack opens a verdict", "%s: %s opened without one", s.Name, e.LogicalID)
		}
	}
}

// unheldAt reports whether the event is about the update of a request whose late
// answer is excused.
func (c *Checker) unheldAt(s fakecfn.Stack, e fakecfn.Event) bool {
	for _, q := range s.Requests {
		if q.LogicalID == e.LogicalID && strings.Contains(e.Reason, q.ID) {
			return c.unheld(c.records[handle.NewID(s.ID, q.LogicalID, q.ID)])
		}
	}
	return false
}

// Approved reports whether r approves the stack. It does not use the code under
// test.
func Approved(r handle.Request, stackID string) bool {
	return stackID != "" && r.Stack.ID == stackID && r.Decision != nil && r.Decision.State == handle.Approved
}

// VerdictOf reports whether the event is about a verdict resource, and returns
// the ID of the request that the verdict names.
func VerdictOf(e fakecfn.Event) (id string, ok bool) {
	var p struct{ RequestId, WaitUrl string }
	if !strings.HasPrefix(e.Type, "Custom::") || json.Unmarshal([]byte(e.Properties), &p) != nil {
		return "", false
	}
	return p.RequestId, p.RequestId != "" && p.WaitUrl == ""
}

// texts checks that no text that people see contains a secret or pings a
// channel.
func (c *Checker) texts() {
	for _, ch := range c.Slack.Channels() {
		c.messageTexts(c.Slack.Messages(ch.ID))
	}
	for _, u := range c.Slack.Users() {
		c.messageTexts(c.Slack.DMs(u.ID))
		c.messageTexts(c.Slack.Ephemerals(u.ID))
	}
	if c.Mail == nil {
		return
	}
	for _, m := range c.Mail.Messages() {
		c.text("mail", m.Subject+m.Body)
	}
}

func (c *Checker) messageTexts(messages []slacktest.Message) {
	for _, m := range messages {
		c.text("Slack", m.Text+string(m.Blocks)+string(m.Metadata))
		if m.MentionsChannel {
			c.add(HostileText, "no message pings a channel", "%q does", m.Text)
		}
		c.messageTexts(m.Replies)
	}
}

func (c *Checker) text(where, text string) {
	if ContainsSecret([]byte(text)) {
		c.add(Secrets, "no signed URL is shown", "one is in %s", where)
	}
}
