package handle

import (
	"fmt"
	"slices"
	"time"
)

// Verdict is one approver's answer.
type Verdict string

const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
	Revoke  Verdict = "revoke" // of a grant; not a vote
)

// Via is the way by which a vote came.
type Via string

const (
	ViaSlack Via = "slack"
	ViaMail  Via = "mail"
	ViaGrant Via = "grant" // of a decision: approved before, after an earlier launch of the same content had expired
)

// Person is a voter or clicker as the record keeps them. A person is the set of
// all their Slack user IDs: with Enterprise Grid they have one in each workspace
// and one in the organization. See
// https://docs.slack.dev/reference/objects/user-object
type Person struct {
	Team    string   `json:"team,omitempty"`    // Slack workspace ID
	ID      string   `json:"id,omitempty"`      // Slack user ID, as users.info returns it; empty by mail
	Aliases []string `json:"aliases,omitempty"` // their other Slack user IDs
	Name    string   `json:"name"`              // for display; by mail as typed
}

// IDs returns all Slack user IDs of p.
func (p Person) IDs() []string {
	if p.ID == "" {
		return nil
	}
	return append([]string{p.ID}, p.Aliases...)
}

// Has reports whether one of ids is p's.
func (p Person) Has(ids ...string) bool {
	return slices.ContainsFunc(p.IDs(), func(id string) bool { return slices.Contains(ids, id) })
}

// Is reports whether p and q are certainly the same person: they share an ID.
func (p Person) Is(q Person) bool { return p.Has(q.IDs()...) }

// equal reports whether p and q are recorded alike.
func (p Person) equal(q Person) bool {
	return p.Team == q.Team && p.ID == q.ID && p.Name == q.Name && slices.Equal(p.Aliases, q.Aliases)
}

// Vote is one approver's answer, with its reason.
type Vote struct {
	By      Person    `json:"by"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Via     Via       `json:"via"`
	At      time.Time `json:"at"`
}

// Voter is what Slack says, at the time of the click, about the person who
// clicked. Votes by mail have no Voter: the signed link takes its place.
type Voter struct {
	Person
	Home        bool     // a member of the workspace in which the app is installed
	Guest       bool     // is_restricted or is_ultra_restricted
	Bot         bool     // is_bot
	Deactivated bool     // deleted
	Groups      []string // the request's approver groups that the person is in
}

// RefusalReason is why a vote or another action was refused. The strings are stored
// in events.
type RefusalReason string

const (
	RefusedNotApprover    RefusalReason = "not an approver"
	RefusedOwnRequest     RefusalReason = "own request"
	RefusedOtherWorkspace RefusalReason = "another workspace"
	RefusedNotMember      RefusalReason = "guest, bot or deactivated"
	RefusedDecided        RefusalReason = "already decided"
	RefusedExpired        RefusalReason = "expired"
	RefusedNoReason       RefusalReason = "no reason given"
	RefusedNoName         RefusalReason = "no name given" // by mail
	RefusedNotByMail      RefusalReason = "cannot be approved by mail"
	RefusedUnverified     RefusalReason = "could not be verified"
	RefusedNotRequester   RefusalReason = "not the requester"
	RefusedNoRequester    RefusalReason = "requester unknown in Slack" // there is no one to ask
	RefusedNoText         RefusalReason = "no text given"
	RefusedNoQuestion     RefusalReason = "no such question"
	RefusedAnswered       RefusalReason = "already answered"
	RefusedTooMany        RefusalReason = "too many"
	RefusedTooSoon        RefusalReason = "too soon" // see Refusal.RetryAt
	RefusedNotReviewing   RefusalReason = "not reviewing"
	RefusedNotReassigned  RefusalReason = "cannot be reassigned to them"
	RefusedTooFew         RefusalReason = "too few approvers"
)

// Refusal is the error of a vote or another action that the laws do not allow.
type Refusal struct {
	Reason  RefusalReason
	RetryAt time.Time // of RefusedTooSoon: from when on it is allowed
}

func (e *Refusal) Error() string { return "refused: " + string(e.Reason) }

const (
	maxReason = 2000 // bytes kept of a typed reason: 500 characters of any script
	maxName   = 80   // bytes kept of a person's name
)

// Authorize reports whether v may decide r in Slack: nil, or a *Refusal. It
// fails closed. It ignores the state of r: see [Request.RefusalFor].
func (r Request) Authorize(v Voter) error {
	switch {
	case !v.Home:
		return &Refusal{Reason: RefusedOtherWorkspace}
	case !IsUser(v.ID) || v.Guest || v.Bot || v.Deactivated:
		return &Refusal{Reason: RefusedNotMember}
	}
	named := v.Has(r.Terms.Approvers...)
	for _, g := range v.Groups {
		named = named || IsUserGroup(g) && slices.Contains(r.Terms.Approvers, g)
	}
	switch {
	case !named:
		return &Refusal{Reason: RefusedNotApprover}
	case !r.Terms.SelfApproval && v.Has(r.Requester.SlackIDs...):
		return &Refusal{Reason: RefusedOwnRequest}
	case r.Stack.Unverified, !r.Requester.LookedUp && !r.Terms.SelfApproval:
		return &Refusal{Reason: RefusedUnverified} // until the requester is known, v could be the requester
	}
	return nil
}

// VoteBySlack adds the verdict of a person who clicked in Slack. It returns the
// next value, or r itself and a *Refusal. A person who repeats their own last
// verdict gets no error and changes nothing.
func (r Request) VoteBySlack(v Voter, verdict Verdict, reason string, now time.Time) (Request, error) {
	if err := r.Authorize(v); err != nil {
		return r, err
	}
	return r.vote(Vote{By: v.Person, Verdict: verdict, Reason: reason, Via: ViaSlack, At: now})
}

// VoteByMail adds the verdict of a person who followed a mailed link and typed
// name. It returns the next value, or r itself and a *Refusal. The link and the
// name prove no identity, so mail cannot approve where several people must.
func (r Request) VoteByMail(name string, verdict Verdict, reason string, now time.Time) (Request, error) {
	if !r.mailAllows(verdict) {
		return r, &Refusal{Reason: RefusedNotByMail}
	}
	if OneLine(name, maxName) == "" {
		return r, &Refusal{Reason: RefusedNoName}
	}
	if r.Stack.Unverified {
		return r, &Refusal{Reason: RefusedUnverified}
	}
	return r.vote(Vote{By: Person{Name: name}, Verdict: verdict, Reason: reason, Via: ViaMail, At: now})
}

// mailAllows reports whether verdict can be given by mail, where typed names
// cannot tell several approvers apart.
func (r Request) mailAllows(verdict Verdict) bool {
	return verdict != Approve || r.ApprovalsNeeded() <= 1
}

func (r Request) vote(v Vote) (Request, error) {
	v.Reason, v.By.Name = Truncate(r.WaitURL.Redact(v.Reason), maxReason), OneLine(r.WaitURL.Redact(v.By.Name), maxName)
	if r.repeats(v) {
		return r, nil
	}
	late := v.Verdict == Approve && v.Via == ViaSlack && r.AwaitsRelaunchApproval(v.At)
	if reason := r.closedReason(v.At); reason != "" && !late {
		return r, &Refusal{Reason: reason}
	}
	switch {
	case v.Verdict != Approve && v.Verdict != Reject:
		return r, fmt.Errorf("unknown verdict %q", v.Verdict)
	case v.Verdict == Reject && OneLine(v.Reason, maxReason) == "":
		return r, &Refusal{Reason: RefusedNoReason}
	}
	r = r.Clone()
	r.Votes = append(r.Votes, v)
	r = r.appendEvent(Event{At: v.At, Kind: EventVote, By: v.By, Text: string(v.Verdict) + " by " + string(v.Via)})
	if v.Verdict == Reject {
		return r.decide(Decision{State: Rejected, By: v.By, Reason: v.Reason, Via: v.Via, At: v.At}), nil
	}
	if late {
		if r.ApprovalsMissing() == 0 {
			r.Grant.At, r.Grant.Until = v.At, v.At.Add(time.Duration(r.Terms.GrantForSeconds)*time.Second)
			r = r.appendEvent(Event{At: v.At, Kind: EventGranted, By: v.By})
		}
		return r.clearRefreshAttempts(), nil
	}
	if r.ApprovalsMissing() == 0 {
		return r.decide(Decision{State: Approved, By: v.By, Reason: v.Reason, Via: v.Via, At: v.At}), nil
	}
	return r, nil
}

// repeats reports whether v is the last verdict of the same person again. By
// mail, equal names count as the same person, because a mail proves no more.
func (r Request) repeats(v Vote) bool {
	for _, old := range slices.Backward(r.Votes) {
		if old.By.Is(v.By) || v.Via == ViaMail && old.Via == ViaMail && old.By.Name == v.By.Name {
			return old.Verdict == v.Verdict
		}
	}
	return false
}

// ApprovalsNeeded returns how many people must approve: the terms' number, or one
// more and at least two where the terms ask for that because nothing proves who
// the requester is in Slack. Where only mail is configured, or requesters may
// approve their own launches, the proof makes no difference.
func (r Request) ApprovalsNeeded() int {
	unproven := r.Requester.LookedUp && !r.Requester.Proven
	if unproven && r.Terms.UnprovenRequester == UnprovenTwoApprovers && r.Terms.Channel != "" && !r.Terms.SelfApproval {
		return max(2, r.Terms.Approvals+1)
	}
	return r.Terms.Approvals
}

// ApprovalsMissing returns how many more people must approve.
func (r Request) ApprovalsMissing() int {
	return max(0, r.ApprovalsNeeded()-len(r.ApprovedBy()))
}

// ApprovedBy lists the people whose approvals count, each once, in the order of
// their votes. All approvals by mail count as one.
func (r Request) ApprovedBy() []Person {
	var people []Person
	for _, v := range r.Votes {
		again := slices.ContainsFunc(people, func(p Person) bool { return p.Is(v.By) || p.ID == "" && v.By.ID == "" })
		if v.Verdict == Approve && !again {
			people = append(people, v.By)
		}
	}
	return people
}
