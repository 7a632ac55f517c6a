package laws

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/handle"
)

// nudgeInterval is the least time between two nudges.
const nudgeInterval = 4 * time.Hour

// actions checks what people did to a pending request besides voting: approvers ask,
// review and reassign; the requester answers, nudges and withdraws.
func (c *Checker) actions(old, r handle.Request) {
	c.terms(old, r)
	c.questions(old, r)
	for _, v := range r.Reviews {
		if i := slices.IndexFunc(old.Reviews, func(o handle.Review) bool { return c.key(o.By.ID) == c.key(v.By.ID) }); i < 0 {
			c.byApprover(old, r, "reviewing", v.By)
		}
	}
	if r.Decision != nil && len(r.Reviews) > 0 {
		c.add(OneDecision, "a review ends with the decision", "%s has %d", r.ID, len(r.Reviews))
	}
	for i := len(old.Nudges); i < len(r.Nudges); i++ {
		at := r.Nudges[i].At
		if i > 0 && at.Sub(r.Nudges[i-1].At) < nudgeInterval {
			c.add(OwnDeadline, "nudges are four hours apart", "%s: one at %s follows one at %s", r.ID, at, r.Nudges[i-1].At)
		}
		by := handle.Person{}
		for _, e := range r.Events {
			if e.Kind == handle.EventNudged && e.At.Equal(at) {
				by = e.By
			}
		}
		c.byRequester(old, r, "nudge", by)
	}
	if old.Decision == nil && r.WithdrawnByRequester() {
		c.byRequester(old, r, "withdraw", r.Decision.By)
		if strings.TrimSpace(r.Decision.Reason) == "" {
			c.add(OneDecision, "a withdrawal has a reason", "%s has none", r.ID)
		}
	}
	c.deliveries(old, r)
}

// terms checks that terms never change, except that approvers are added by the one
// escalation and replaced by reassignments.
func (c *Checker) terms(old, r handle.Request) {
	before, after := old.Terms, r.Terms
	before.Approvers, after.Approvers = nil, nil
	if !reflect.DeepEqual(before, after) || old.Stack.ID != r.Stack.ID || !reflect.DeepEqual(old.WaitURL, r.WaitURL) {
		c.add(BindsContent, "terms, stack and wait URL never change", "%s", r.ID)
	}
	if got, had := r.ApprovalsNeeded(), old.ApprovalsNeeded(); got < had && old.Requester.LookedUp {
		c.add(BindsPerson, "the number of approvals needed never falls", "%s needed %d and needs %d", r.ID, had, got)
	}
	type change struct {
		at time.Time
		to []string // nil: the escalation
	}
	var changes []change
	if len(r.Reassignments) < len(old.Reassignments) || !old.EscalatedAt.IsZero() && !old.EscalatedAt.Equal(r.EscalatedAt) {
		c.add(RecordActMark, "history is kept", "%s lost a reassignment or its escalation", r.ID)
		return
	}
	for _, m := range r.Reassignments[len(old.Reassignments):] {
		changes = append(changes, change{m.At, m.To})
		c.byApprover(old, r, "reassign", m.By)
		for _, id := range m.To {
			if !slices.Contains(old.Terms.ReassignTo, id) {
				c.add(BindsPerson, "a request is reassigned only to those whom the configuration names", "%s: to %s", r.ID, id)
			}
		}
	}
	if old.EscalatedAt.IsZero() && !r.EscalatedAt.IsZero() {
		changes = append(changes, change{at: r.EscalatedAt})
		if r.EscalatedAt.Before(r.Terms.EscalateAt) || r.Terms.EscalateAt.IsZero() || old.Decision != nil {
			c.add(OwnDeadline, "only a pending request is escalated, at its time", "%s was at %s", r.ID, r.EscalatedAt)
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	want := old.Terms.Approvers
	for _, m := range changes {
		if m.to == nil {
			want = slices.Concat(want, old.Terms.EscalateTo)
			continue
		}
		want = slices.Clone(m.to)
		for _, v := range r.Votes {
			if v.Via == handle.ViaSlack && !v.At.After(m.at) {
				want = append(want, v.By.ID)
			}
		}
	}
	if got := sorted(r.Terms.Approvers); !slices.Equal(got, sorted(want)) {
		c.add(BindsPerson, "approvers change only by escalation and reassignment", "%s has %v, want %v", r.ID, got, sorted(want))
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *Checker) questions(old, r handle.Request) {
	if len(r.Questions) < len(old.Questions) {
		c.add(RecordActMark, "history is kept", "%s lost a question", r.ID)
		return
	}
	for i, q := range r.Questions {
		var before handle.Question
		if i < len(old.Questions) {
			before = old.Questions[i]
		} else {
			c.byApprover(old, r, "ask", q.By)
		}
		switch {
		case before.ID != "" && (before.ID != q.ID || before.Text != q.Text || !reflect.DeepEqual(before.By, q.By)), before.Answer != nil && !reflect.DeepEqual(before.Answer, q.Answer):
			c.add(RecordActMark, "history is kept", "%s: question %s changed", r.ID, q.ID)
		case before.Answer == nil && q.Answer != nil:
			c.byRequester(old, r, "answer", q.Answer.By)
		}
	}
}

// byApprover checks that a person who acts is one who may decide, before the decision.
func (c *Checker) byApprover(old, r handle.Request, action string, by handle.Person) {
	if !c.MayVote(old, by.ID) {
		c.add(BindsPerson, "only approvers ask, review and reassign", "%s: %s by %q", r.ID, action, by.ID)
	}
	c.acted(old, r, action, by)
}

// byRequester checks the same for the requester.
func (c *Checker) byRequester(old, r handle.Request, action string, by handle.Person) {
	if !c.isRequester(r, by.ID) {
		c.add(BindsPerson, "only the requester answers, nudges and withdraws", "%s: %s by %q", r.ID, action, by.ID)
	}
	c.acted(old, r, action, by)
}

func (c *Checker) acted(old, r handle.Request, action string, by handle.Person) {
	if old.Decision != nil {
		c.add(OneDecision, "what people do to a request ends with its decision", "%s: %s by %s", r.ID, action, by.ID)
	}
	if c.Acted != nil && !c.Acted(r, action, by.ID) {
		c.add(BindsPerson, "an action is what its person did", "%s: %s did not %s", r.ID, by.ID, action)
	}
}

// isRequester reports whether a person asked for r: AWS proves who launched; where
// nothing is proven, the typed address counts.
func (c *Checker) isRequester(r handle.Request, id string) bool {
	u, ok := c.user(id)
	if !ok || !c.home(u) || u.Bot || u.Deleted {
		return false
	}
	if launcher, proven := c.launcher(r); proven && !r.Stack.Updating {
		return launcher.ID == u.ID
	}
	return r.Requester.Principal == "" && u.Email != "" && strings.EqualFold(u.Email, r.Requester.Email)
}

// Kinds of notifications sent only before the decision, and of reminders, which mention
// no one who has voted.
var (
	beforeDecision = []string{handle.NotifyAsked, handle.NotifyReasked, handle.NotifyVote, handle.NotifyReminder, handle.NotifyQuestion, handle.NotifyAnswer,
		handle.NotifyNudge, handle.NotifyReassigned, handle.NotifyEscalated}
	reminding = []string{handle.NotifyReminder, handle.NotifyNudge, handle.NotifyEscalated}
)

// deliveries checks each message about r that was not marked before. A function may
// send what it knows to be due for as long as it holds the lease.
func (c *Checker) deliveries(old, r handle.Request) {
	for _, key := range slices.Sorted(maps.Keys(r.Delivered)) {
		d := r.Delivered[key]
		way, name, _ := strings.Cut(key, "/")
		kind := handle.Notification{Name: name}.Kind()
		if _, marked := old.Delivered[key]; marked || d.TS == "" || c.Tolerance.Frozen {
			continue
		}
		known := postedAt(d.TS).Add(-2 * handle.LeaseTime) // what was on record by then was known
		if slices.Contains(beforeDecision, kind) && r.Decision != nil && r.Decision.At.Before(known) {
			c.add(OneDecision, "what belongs before the decision is not posted after it", "%s: %s was, %s after it", r.ID, key, postedAt(d.TS).Sub(r.Decision.At))
		}
		m, ok := c.Slack.Message(d.Channel, d.TS)
		if !ok || way != "reply" {
			continue
		}
		if slices.Contains(reminding, kind) && !c.Tolerance.AskedID {
			for _, id := range c.pinged(r, m.Mentions) {
				if slices.ContainsFunc(r.Votes, func(v handle.Vote) bool { return v.By.ID != "" && c.key(v.By.ID) == id && v.At.Before(known) }) {
					c.add(Recovery, "a reminder notifies only those who have not acted", "%s: %s notified %s, who had voted", r.ID, key, id)
				}
				if kind == handle.NotifyReminder && slices.ContainsFunc(r.Questions, func(q handle.Question) bool {
					return c.key(q.By.ID) == id && q.At.Before(known) && (q.Answer == nil || q.Answer.At.After(postedAt(d.TS)))
				}) {
					c.add(Recovery, "a reminder leaves out those who wait for an answer", "%s: %s notified %s", r.ID, key, id)
				}
			}
		}
		if kind == handle.NotifyAnswer {
			i := slices.IndexFunc(r.Questions, func(q handle.Question) bool { return strings.HasSuffix(name, "-"+q.ID) })
			if i < 0 || !slices.ContainsFunc(m.Mentions, func(id string) bool { return c.key(id) == c.key(r.Questions[i].By.ID) }) {
				c.add(Recovery, "an answer mentions the person who asked", "%s: %s mentions %v", r.ID, key, m.Mentions)
			}
		}
	}
}

// pinged returns the people that mentions notify, each once. It includes a group's members
// if the record knows them, because then it can leave out those who have acted.
func (c *Checker) pinged(r handle.Request, mentions []string) []string {
	var people []string
	for _, id := range mentions {
		if !handle.IsUserGroup(id) {
			people = append(people, c.key(id))
			continue
		}
		for _, member := range r.Groups[id].Members {
			people = append(people, c.key(member))
		}
	}
	return sorted(people)
}

// postedAt is when Slack took a message.
func postedAt(ts string) time.Time {
	seconds, err := strconv.ParseInt(strings.Split(ts, ".")[0], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// asked checks that once nothing is due, each question of a pending request and its
// answer are in the thread, and the question with the requester.
func (c *Checker) asked(r handle.Request) {
	if _, posted := r.Root(); !posted || r.Decision != nil {
		return
	}
	need := func(name, key string) {
		_, delivered := r.Delivered[key]
		if _, tried := r.Attempts["tell/"+name]; !delivered && !tried {
			c.add(Recovery, "questions and answers reach the thread and the requester", "%s: %s is missing", r.ID, key)
		}
	}
	for _, q := range r.Questions {
		need("question-"+q.ID, "reply/question-"+q.ID)
		if q.Answer == nil {
			need("question-"+q.ID, "direct/question-"+q.ID)
		} else {
			need("answer-"+q.ID, "reply/answer-"+q.ID)
		}
	}
}

// withdrawal checks that a signal about a request that its requester withdrew is a
// FAILURE with the reason.
func (c *Checker) withdrawal(r handle.Request, status, reason string) {
	if !r.WithdrawnByRequester() {
		return
	}
	want := handle.OneLine(r.Decision.Reason, 60)
	if status == handle.SignalSuccess || !strings.Contains(handle.OneLine(reason, 4000), strings.TrimSuffix(want, "…")) {
		c.add(RecordActMark, "a withdrawal by the requester fails the stack, with the reason", "%s: %s %q, want %q", r.ID, status, reason, want)
	}
}
