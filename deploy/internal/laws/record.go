package laws

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"countersign/handle"
)

// maxRevisions is more than any test needs: a record that is written more
// often never comes to rest.
const maxRevisions = 1000

// change checks what must hold between an earlier and a later value of one
// record. old is the zero Request if there is no earlier value.
func (c *Checker) change(old, r handle.Request, now time.Time) {
	if r.Rev > maxRevisions {
		c.add(Recovery, "a record comes to rest", "%s has been written %d times", r.ID, r.Rev)
	}
	if old.Decision != nil && !reflect.DeepEqual(old.Decision, r.Decision) {
		c.add(OneDecision, "a decision never changes", "%s was %s and became %s", r.ID, old.State(), r.State())
	}
	if old.ID != "" {
		c.actions(old, r)
	}
	if len(r.Votes) < len(old.Votes) || len(old.Votes) > 0 && !reflect.DeepEqual(old.Votes, r.Votes[:len(old.Votes)]) {
		c.add(OneDecision, "votes are kept", "%s had %d and has %d", r.ID, len(old.Votes), len(r.Votes))
	} else {
		for _, v := range r.Votes[len(old.Votes):] {
			c.vote(r, v, now)
		}
	}
	if len(r.Events) < len(old.Events) {
		c.add(RecordActMark, "history is kept", "%s had %d events and has %d", r.ID, len(old.Events), len(r.Events))
	}
	for key := range old.Delivered {
		if _, ok := r.Delivered[key]; !ok {
			c.add(RecordActMark, "marks are kept", "%s lost %s", r.ID, key)
		}
	}
	c.decision(r, now)
	c.lackOfApprovers(old, r)
	c.events(old, r)
	c.grants(old, r)
	c.marks(old, r)
}

// record checks one record as it is now.
func (c *Checker) record(r handle.Request, now time.Time) {
	if r.Update != nil {
		c.updates(r)
	} else {
		c.signals(r)
	}
	for _, v := range r.Votes {
		if v.Via == handle.ViaSlack && !c.MayVote(r, v.By.ID) && !c.granted(r, v) {
			c.add(BindsPerson, "only approvers vote", "%s: %s voted", r.ID, v.By.ID)
		}
	}
	c.decision(r, now)
	if r.Signal != nil && r.Decision == nil {
		c.add(RecordActMark, "a signal states the recorded decision", "%s is pending and marked as signalled", r.ID)
	}
	if r.State() == handle.Pending && upToDate(r, now) && !now.Before(r.Terms.Deadline) {
		c.add(OwnDeadline, "no request stays pending past its deadline", "%s", r.ID)
	}
	for _, m := range r.Messages {
		c.message(r, m, now)
	}
	c.direct(r, now)
	c.question(r, now)
	if upToDate(r, now) {
		c.asked(r)
	}
}

// question checks that a reply about a pending request that Slack posted outside its
// thread, because the question was deleted, has become the question.
func (c *Checker) question(r handle.Request, now time.Time) {
	if r.State() != handle.Pending || !upToDate(r, now) {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(r.Delivered)) {
		d := r.Delivered[key]
		m, ok := c.Slack.Message(d.Channel, d.TS)
		if !strings.HasPrefix(key, "reply/") || !ok || m.Deleted || m.ThreadTS != "" {
			continue
		}
		if !slices.ContainsFunc(r.Messages, func(known handle.Message) bool { return known.Channel == d.Channel && known.TS == d.TS }) {
			c.add(Recovery, "a deleted question is asked again", "%s: %s is outside its thread, and no question", r.ID, key)
		}
	}
}

// upToDate reports whether nothing is due that messages show.
func upToDate(r handle.Request, now time.Time) bool {
	refreshing := slices.ContainsFunc(r.Outstanding(), func(s handle.Step) bool { return s.Kind == handle.StepRefresh })
	return len(r.Due(now)) == 0 && !refreshing
}

// decision checks a decision against the votes and the clock.
func (c *Checker) decision(r handle.Request, now time.Time) {
	switch r.State() {
	case handle.Approved:
		need := r.Terms.Approvals
		if r.Decision.Via != handle.ViaMail {
			need = c.approvalsNeeded(r)
		}
		if got := c.approvers(r); got < need {
			c.add(BindsPerson, "an approval needs the required number of approvers", "%s: %d of %d", r.ID, got, need)
		}
	case handle.Rejected:
		if strings.TrimSpace(r.Decision.Reason) == "" {
			c.add(OneDecision, "a rejection has a reason", "%s has none", r.ID)
		}
	case handle.Expired:
		if now.Before(r.Terms.Deadline) {
			c.add(OwnDeadline, "no request expires early", "%s did", r.ID)
		}
	}
}

// vote checks a vote when it is first seen on the record.
func (c *Checker) vote(r handle.Request, v handle.Vote, now time.Time) {
	if c.granted(r, v) {
		return // checked when it was given
	}
	who := v.By.ID
	if v.Via == handle.ViaMail {
		who = v.By.Name
		if v.Verdict == handle.Approve && r.Terms.Approvals > 1 {
			c.add(BindsPerson, "mail cannot be one of several approvals", "%s: %q approved by mail, and %d must approve", r.ID, who, r.Terms.Approvals)
		}
	} else if !c.MayVote(r, who) {
		c.add(BindsPerson, "only approvers vote", "%s: %s voted", r.ID, who)
	}
	if c.Answered != nil && !c.Answered(r, v) {
		c.add(BindsPerson, "a vote is what its person answered", "%s: %s did not answer %s", r.ID, who, v.Verdict)
	}
	c.requester(r, v)
	same := 0
	for _, other := range r.Votes {
		if other.Via == v.Via && c.key(other.By.ID) == c.key(v.By.ID) && (v.By.ID != "" || other.By.Name == v.By.Name) && other.Verdict == v.Verdict {
			same++
		}
	}
	if same > 1 {
		c.add(BindsPerson, "a repeated vote counts once", "%s: %s answered %s %d times", r.ID, who, v.Verdict, same)
	}
	if !v.At.Before(r.Terms.Deadline) && !lateVote(r, v) || v.At.After(now) {
		c.add(OwnDeadline, "no vote counts past the deadline", "%s: %s voted at %s", r.ID, who, v.At)
	}
}

// marks checks that each mark of r that old has not states what was done.
func (c *Checker) marks(old, r handle.Request) {
	const rule = "a mark states what was done"
	if r.Signal != nil && old.Signal == nil && r.Signal.Undeliverable == "" && mustArrive(r) && !c.signalled(r) {
		c.add(RecordActMark, rule, "%s is marked as signalled, and no signal arrived", r.ID)
	}
	mails := 0
	for _, key := range slices.Sorted(maps.Keys(r.Delivered)) {
		sent := r.Delivered[key]
		if sent.TS == "" {
			mails++
		} else if _, marked := old.Delivered[key]; !marked && !c.posted(sent.Channel, sent.TS) {
			c.add(RecordActMark, rule, "%s: %s is not in Slack", r.ID, key)
		}
	}
	if c.Mail != nil && mails > 0 {
		if got := c.mails(r.ID); mails > got {
			c.add(RecordActMark, rule, "%s: %d mails are marked, and %d were sent", r.ID, mails, got)
		}
	}
	for _, m := range r.Messages[min(len(old.Messages), len(r.Messages)):] {
		if m.Shown != "" && !c.posted(m.Channel, m.TS) {
			c.add(RecordActMark, rule, "%s: message %s is not in Slack", r.ID, m.TS)
		}
	}
}
