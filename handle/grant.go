package handle

import (
	"errors"
	"slices"
	"time"
)

// Grant lets a launch that expired be approved late: its approval lets the same
// content through once, when the same requester launches it again in the same
// account and Region. It exists on expired requests only.
type Grant struct {
	Until     time.Time `json:"until"`            // approvals count, and the grant can be used, before then
	At        time.Time `json:"at,omitzero"`      // when enough people had approved; zero before
	UsedBy    string    `json:"usedBy,omitempty"` // ID of the request that it decided
	UsedAt    time.Time `json:"usedAt,omitzero"`
	RevokedBy Person    `json:"revokedBy,omitzero"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	Lapsed    bool      `json:"lapsed,omitempty"` // Until has passed, on record
}

// newGrant opens a request that expires at now for late approval, if the terms and
// what is known about it allow that: the requester must be proven, and the content
// known.
func (r Request) newGrant(now time.Time) *Grant {
	grantFor := time.Duration(r.Terms.GrantForSeconds) * time.Second
	if grantFor <= 0 || r.Update != nil || !r.Requester.Proven || r.Stack.Unverified || r.Content.Digest() == "" || r.Terms.Channel == "" {
		return nil
	}
	return &Grant{Until: now.Add(grantFor)}
}

// open reports whether the grant was neither used, revoked nor recorded as lapsed.
func (g *Grant) open() bool {
	return g != nil && g.UsedBy == "" && g.RevokedAt.IsZero() && !g.Lapsed
}

// AwaitsRelaunchApproval reports whether approvers may still approve the expired
// launch, so that it can be launched again.
func (r Request) AwaitsRelaunchApproval(now time.Time) bool {
	return r.Grant.open() && r.Grant.At.IsZero() && now.Before(r.Grant.Until)
}

// GrantUsable reports whether the request's grant lets its content through at now.
func (r Request) GrantUsable(now time.Time) bool {
	return r.Grant.open() && !r.Grant.At.IsZero() && now.Before(r.Grant.Until)
}

// GrantKey is the key under which a Store finds the request's grant: the digest of
// its content while the grant is given and open, otherwise empty.
func (r Request) GrantKey() string {
	if !r.Grant.open() || r.Grant.At.IsZero() {
		return ""
	}
	return r.Content.Digest()
}

// UseGrant marks the grant as used by the request with ID id. ok is false, and r
// unchanged, if it cannot be used by it.
func (r Request) UseGrant(id string, now time.Time) (next Request, ok bool) {
	if r.Grant != nil && r.Grant.UsedBy == id {
		return r, true
	}
	if !r.GrantUsable(now) {
		return r, false
	}
	r = r.Clone()
	r.Grant.UsedBy, r.Grant.UsedAt = id, now
	return r.clearRefreshAttempts().appendEvent(Event{At: now, Kind: EventGrantUsed, Text: id}), true
}

// ErrNoGrant means that there is no grant to revoke.
var ErrNoGrant = errors.New("there is no open grant")

// RevokeGrant ends an open grant, or the late approval, at the wish of any approver.
// The error is ErrNoGrant or a *Refusal.
func (r Request) RevokeGrant(v Voter, now time.Time) (Request, error) {
	if err := r.Authorize(v); err != nil {
		return r, err
	}
	if !r.AwaitsRelaunchApproval(now) && !r.GrantUsable(now) {
		return r, ErrNoGrant
	}
	return r.revokeGrant(v.Person, now), nil
}

func (r Request) revokeGrant(by Person, now time.Time) Request {
	r = r.Clone()
	r.Grant.RevokedBy, r.Grant.RevokedAt = by, now
	return r.clearRefreshAttempts().appendEvent(Event{At: now, Kind: EventGrantRevoked, By: by})
}

// LapseGrant records that the time of an open grant has passed.
func (r Request) LapseGrant(now time.Time) Request {
	if !r.Grant.open() || now.Before(r.Grant.Until) {
		return r
	}
	r = r.Clone()
	r.Grant.Lapsed = true
	return r.clearRefreshAttempts()
}

// SameQuestion reports whether r has the same gate, first approvers, escalation and
// reassignment options as given. The content does not tell: a stack can have several
// gates, and the deployment's defaults can have changed.
func (r Request) SameQuestion(given Request) bool {
	return r.Stack.Gate == given.Stack.Gate && slices.Equal(r.AskedAtFirst(), given.AskedAtFirst()) &&
		(given.EscalatedAt.IsZero() || slices.Equal(r.Terms.EscalateTo, given.Terms.EscalateTo)) &&
		(len(given.Reassignments) == 0 || slices.Equal(r.Terms.ReassignTo, given.Terms.ReassignTo))
}

// ApproveByGrant approves a pending request by the grant that it has taken: given
// names the expired request, whose approvals it copies. It returns r unchanged if
// given's grant was not used by r, if it asked at another gate or other approvers, or
// if its approvals do not suffice for r.
func (r Request) ApproveByGrant(given Request, now time.Time) Request {
	if r.Decision != nil || given.Grant == nil || given.Grant.UsedBy != r.ID || !r.SameQuestion(given) || given.Content.Digest() != r.Content.Digest() || r.Content.Digest() == "" {
		return r
	}
	next := r.Clone()
	// Both have the same principal, which the grant's request proved in Slack.
	next.Requester.SlackID, next.Requester.SlackIDs = given.Requester.SlackID, slices.Clone(given.Requester.SlackIDs)
	next.Requester.LookedUp, next.Requester.Proven = given.Requester.LookedUp, given.Requester.Proven
	for _, v := range given.Clone().Votes {
		if v.Verdict == Approve {
			next.Votes = append(next.Votes, v)
		}
	}
	if next.ApprovalsMissing() > 0 || len(next.Votes) == 0 {
		return r
	}
	by := next.Votes[len(next.Votes)-1].By
	return next.decide(Decision{State: Approved, By: by, Via: ViaGrant, At: now})
}

// SkipGrant makes a request ask the approvers, because its grant turned out not to
// be usable.
func (r Request) SkipGrant() Request {
	if r.GrantFrom == "" || r.Decision != nil {
		return r
	}
	r = r.Clone()
	r.GrantFrom = ""
	return r
}

// grantState names what messages show of the grant.
func (r Request) grantState() string {
	g := r.Grant
	switch {
	case g.UsedBy != "":
		return "used"
	case !g.RevokedAt.IsZero():
		return "revoked"
	case g.Lapsed:
		return "lapsed"
	case g.At.IsZero():
		return "awaited"
	}
	return "given"
}
