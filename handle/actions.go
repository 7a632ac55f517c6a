package handle

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file has the actions on a pending request other than votes: approvers ask the
// requester, mark themselves as reviewing, and reassign; the requester answers, nudges
// and withdraws. All of them end with the decision.
//
// Each method returns the next value, or r itself and a *Refusal. A repeated action, as
// when Slack delivers a click twice, changes nothing and returns no error, even after a
// decision.

// Question is an approver's question to the requester. The request stays pending.
type Question struct {
	ID     string    `json:"id"` // q1, q2 …
	By     Person    `json:"by"`
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
	Answer *Answer   `json:"answer,omitempty"`
}

// Answer is the requester's answer to a Question.
type Answer struct {
	By   Person    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Review says that an approver is reviewing the request. It reserves nothing, and expires.
type Review struct {
	By    Person    `json:"by"`
	At    time.Time `json:"at"` // when it began
	Until time.Time `json:"until"`
}

// Nudge is the requester's reminder to the approvers who have not acted.
type Nudge struct {
	At time.Time `json:"at"`
}

// Reassignment replaces the approvers who have not acted. Only an approver can reassign.
type Reassignment struct {
	By Person    `json:"by"`
	At time.Time `json:"at"`
	To []string  `json:"to"` // users and user groups
}

const (
	ReviewTime    = 30 * time.Minute // how long a review is shown unless it is renewed
	NudgeInterval = 4 * time.Hour    // the least time between two nudges

	askedAgain = time.Minute // an answered question that comes again within this time was delivered twice

	maxQuestions     = 20
	maxReviews       = 10 // at the same time
	maxReassignments = 10
	maxText          = 2000 // bytes kept of a question or an answer: 500 characters of any script
)

// AuthorizeRequester reports whether v is the requester of r: nil, or a *Refusal. It
// fails closed. Guests may act on their own requests. It ignores the state of r.
func (r Request) AuthorizeRequester(v Voter) error {
	switch {
	case !v.Home:
		return &Refusal{Reason: RefusedOtherWorkspace}
	case !IsUser(v.ID) || v.Bot || v.Deactivated:
		return &Refusal{Reason: RefusedNotMember}
	case r.Stack.Unverified || !r.Requester.LookedUp:
		return &Refusal{Reason: RefusedUnverified}
	case !r.Requester.Addressable() || !v.Has(r.Requester.SlackID):
		return &Refusal{Reason: RefusedNotRequester}
	}
	return nil
}

// allow returns why v may not act on r as approver or requester, now: nil, or a
// *Refusal.
func (r Request) allow(authorize func(Voter) error, v Voter, now time.Time) error {
	if err := authorize(v); err != nil {
		return err
	}
	if reason := r.closedReason(now); reason != "" {
		return &Refusal{Reason: reason}
	}
	return nil
}

// Ask records an approver's question to the requester, who must be known in Slack.
func (r Request) Ask(v Voter, text string, now time.Time) (Request, Question, error) {
	refuse := func(err error) (Request, Question, error) { return r, Question{}, err }
	text = Truncate(r.WaitURL.Redact(strings.TrimSpace(text)), maxText)
	for _, q := range r.Questions {
		if q.By.Is(v.Person) && q.Text == text && (q.Answer == nil || now.Sub(q.At).Abs() < askedAgain) {
			return r, q, nil
		}
	}
	if err := r.allow(r.Authorize, v, now); err != nil {
		return refuse(err)
	}
	if !r.Requester.Addressable() {
		return refuse(&Refusal{Reason: RefusedNoRequester})
	}
	if Blank(text) {
		return refuse(&Refusal{Reason: RefusedNoText})
	}
	if len(r.Questions) >= maxQuestions {
		return refuse(&Refusal{Reason: RefusedTooMany})
	}
	q := Question{ID: "q" + strconv.Itoa(len(r.Questions)+1), By: r.recorded(v), At: now, Text: text}
	r = r.Clone().clearRefreshAttempts()
	r.Questions = append(r.Questions, q)
	return r.appendEvent(Event{At: now, Kind: EventQuestion, By: q.By, Text: q.ID + ": " + text}), q, nil
}

// AnswerQuestion adds the requester's answer to the question with the given ID.
func (r Request) AnswerQuestion(id string, v Voter, text string, now time.Time) (Request, error) {
	text = Truncate(r.WaitURL.Redact(strings.TrimSpace(text)), maxText)
	i := slices.IndexFunc(r.Questions, func(q Question) bool { return q.ID == id })
	if i >= 0 {
		if a := r.Questions[i].Answer; a != nil && a.By.Is(v.Person) && a.Text == text {
			return r, nil
		}
	}
	if err := r.allow(r.AuthorizeRequester, v, now); err != nil {
		return r, err
	}
	switch {
	case i < 0:
		return r, &Refusal{Reason: RefusedNoQuestion}
	case Blank(text):
		return r, &Refusal{Reason: RefusedNoText}
	case r.Questions[i].Answer != nil:
		return r, &Refusal{Reason: RefusedAnswered}
	}
	r = r.Clone().clearRefreshAttempts()
	by := r.recorded(v)
	r.Questions[i].Answer = &Answer{By: by, At: now, Text: text}
	return r.appendEvent(Event{At: now, Kind: EventAnswer, By: by, Text: id + ": " + text}), nil
}

// StartReview records that v, an approver, is reviewing the request for the next
// ReviewTime. If v already has a review, StartReview renews it.
func (r Request) StartReview(v Voter, now time.Time) (Request, error) {
	if err := r.allow(r.Authorize, v, now); err != nil {
		return r, err
	}
	by, until := r.recorded(v), now.Add(ReviewTime)
	if until.After(r.Terms.Deadline) {
		until = r.Terms.Deadline
	}
	next := r.EndReviews(now).Clone().clearRefreshAttempts()
	i := next.reviewOf(by)
	switch {
	case i >= 0 && !until.After(next.Reviews[i].Until):
		return r, nil
	case i >= 0:
		next.Reviews[i].Until = until
	case len(next.Reviews) >= maxReviews:
		return r, &Refusal{Reason: RefusedTooMany}
	default:
		next.Reviews = append(next.Reviews, Review{By: by, At: now, Until: until})
	}
	return next.appendEvent(Event{At: now, Kind: EventReviewing, By: by}), nil
}

// StopReview ends v's own review.
func (r Request) StopReview(v Voter, now time.Time) (Request, error) {
	i := r.reviewOf(v.Person)
	if i < 0 {
		return r, &Refusal{Reason: RefusedNotReviewing}
	}
	r = r.Clone().clearRefreshAttempts()
	by := r.Reviews[i].By
	r.Reviews = slices.Delete(r.Reviews, i, i+1)
	return r.appendEvent(Event{At: now, Kind: EventReviewed, By: by}), nil
}

// answers counts the answered questions.
func (r Request) answers() int {
	n := 0
	for _, q := range r.Questions {
		if q.Answer != nil {
			n++
		}
	}
	return n
}

// OpenQuestions counts the questions without an answer.
func (r Request) OpenQuestions() int { return len(r.Questions) - r.answers() }

func (r Request) reviewOf(p Person) int {
	return slices.IndexFunc(r.Reviews, func(v Review) bool { return v.By.Is(p) })
}

// EndReviews removes the reviews whose time has passed. The history keeps them.
func (r Request) EndReviews(now time.Time) Request {
	over := func(v Review) bool { return !now.Before(v.Until) }
	if !slices.ContainsFunc(r.Reviews, over) {
		return r
	}
	r = r.Clone().clearRefreshAttempts()
	r.Reviews = slices.DeleteFunc(r.Reviews, over)
	return r
}

// WithdrawByRequester closes a pending request for its requester. For an expired one it
// revokes the unused grant, or ends the time to give one. The reason can be empty.
func (r Request) WithdrawByRequester(v Voter, reason string, now time.Time) (Request, error) {
	if err := r.AuthorizeRequester(v); err != nil {
		return r, err
	}
	if r.AwaitsRelaunchApproval(now) || r.GrantUsable(now) {
		return r.revokeGrant(r.recorded(v), now), nil
	}
	if g := r.Grant; r.State() == Withdrawn && r.Decision.By.Is(v.Person) || g != nil && g.RevokedBy.Is(v.Person) {
		return r, nil
	}
	if reason := r.closedReason(now); reason != "" {
		return r, &Refusal{Reason: reason}
	}
	reason = Truncate(r.WaitURL.Redact(strings.TrimSpace(reason)), maxReason)
	if Blank(reason) {
		reason = "the requester no longer needs it"
	}
	return r.Clone().decide(Decision{State: Withdrawn, By: r.recorded(v), Reason: reason, Via: ViaSlack, At: now}), nil
}

// WithdrawnByRequester reports whether the requester closed the request. Its stack
// is then still waiting, unlike that of a request withdrawn for other reasons.
func (r Request) WithdrawnByRequester() bool {
	return r.State() == Withdrawn && r.Decision.By.ID != ""
}

// Nudge lets the requester remind the approvers who have not acted. It is refused within
// NudgeInterval of the last nudge.
func (r Request) Nudge(v Voter, now time.Time) (Request, error) {
	if err := r.allow(r.AuthorizeRequester, v, now); err != nil {
		return r, err
	}
	if n := len(r.Nudges); n > 0 {
		last := r.Nudges[n-1].At
		switch next := last.Add(NudgeInterval); {
		case now.Equal(last):
			return r, nil
		case now.Before(next):
			return r, &Refusal{Reason: RefusedTooSoon, RetryAt: next}
		}
	}
	r = r.Clone()
	r.Nudges = append(r.Nudges, Nudge{At: now})
	return r.appendEvent(Event{At: now, Kind: EventNudged, By: r.recorded(v)}), nil
}

// ReassignOptions returns the users and user groups that the request can be reassigned
// to. The requester is never among them.
func (r Request) ReassignOptions() []string {
	return slices.DeleteFunc(union(nil, r.Terms.ReassignTo), func(id string) bool { return slices.Contains(r.Requester.SlackIDs, id) })
}

// Reassign replaces the approvers who have not voted with to. v must be an approver, and
// to must be among Terms.ReassignTo and never includes the requester. Votes stay, and
// voters remain approvers, who may still reject. The number of approvals needed stays.
func (r Request) Reassign(v Voter, to []string, now time.Time) (Request, error) {
	if n := len(r.Reassignments); n > 0 {
		last := r.Reassignments[n-1]
		if last.By.Is(v.Person) && slices.Equal(last.To, to) && !r.EscalatedAt.After(last.At) {
			return r, nil // they are the approvers already
		}
	}
	if err := r.allow(r.Authorize, v, now); err != nil {
		return r, err
	}
	if !r.Requester.LookedUp { // to could include the requester
		return r, &Refusal{Reason: RefusedUnverified}
	}
	if len(r.Reassignments) >= maxReassignments {
		return r, &Refusal{Reason: RefusedTooMany}
	}
	approvers := union(nil, to)
	if len(approvers) == 0 || slices.ContainsFunc(approvers, func(id string) bool {
		return !slices.Contains(r.Terms.ReassignTo, id) || slices.Contains(r.Requester.SlackIDs, id)
	}) {
		return r, &Refusal{Reason: RefusedNotReassigned}
	}
	by := r.recorded(v)
	next := r.Clone().clearRefreshAttempts()
	for _, vote := range next.Votes {
		if vote.Via == ViaSlack && IsUser(vote.By.ID) {
			approvers = union(approvers, []string{vote.By.ID})
		}
	}
	next.setApprovers(approvers)
	next.Reassignments = append(next.Reassignments, Reassignment{By: by, At: now, To: slices.Clone(to)})
	if next.enough(next.Terms.Approvers) != nil { // without EscalateTo, because the escalation may come too late
		return r, &Refusal{Reason: RefusedTooFew}
	}
	return next.appendEvent(Event{At: now, Kind: EventReassigned, By: by, Text: strings.Join(to, " ")}), nil
}

// Escalate adds Terms.EscalateTo to the approvers, once, if the request is still
// pending at Terms.EscalateAt. Approvals by both count.
func (r Request) Escalate(now time.Time) Request {
	if !r.escalates() || now.Before(r.Terms.EscalateAt) {
		return r
	}
	r = r.Clone().clearRefreshAttempts()
	r.EscalatedAt = now
	r.setApprovers(union(r.Terms.Approvers, r.Terms.EscalateTo))
	return r.appendEvent(Event{At: now, Kind: EventEscalated, Text: strings.Join(r.Terms.EscalateTo, " ")})
}

// escalates reports whether the request will be escalated, now or later.
func (r Request) escalates() bool {
	return r.Decision == nil && r.EscalatedAt.IsZero() && !r.Terms.EscalateAt.IsZero() && len(r.Terms.EscalateTo) > 0 && r.Terms.Channel != ""
}

// setApprovers changes who may decide, and keeps the first approvers. r must be a clone.
func (r *Request) setApprovers(approvers []string) {
	if r.FirstApprovers == nil {
		r.FirstApprovers = r.Terms.Approvers
	}
	r.Terms.Approvers = approvers
}

// AskedAtFirst returns the approvers that the terms were resolved to at launch.
func (r Request) AskedAtFirst() []string {
	if r.FirstApprovers != nil {
		return r.FirstApprovers
	}
	return r.Terms.Approvers
}

// union returns a new list of the elements of a and b, each once.
func union(a, b []string) []string {
	list := make([]string, 0, len(a)+len(b))
	for _, s := range slices.Concat(a, b) {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// recorded returns v as the record keeps them.
func (r Request) recorded(v Voter) Person {
	p := v.Person
	p.Name, p.Aliases = OneLine(r.WaitURL.Redact(p.Name), maxName), slices.Clone(p.Aliases)
	return p
}
