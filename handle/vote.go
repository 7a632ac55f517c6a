package handle

import (
	"fmt"
	"slices"
	"time"
)

// Verdict is what one approver says.
type Verdict string

const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
)

// Via says by which way a vote came.
type Via string

const (
	ViaSlack Via = "slack"
	ViaMail  Via = "mail"
)

// Person is somebody as the record remembers them. Who they are is the ID alone:
// in an Enterprise organization one person shows up under several workspaces. A
// Name identifies nobody.
type Person struct {
	Team string `json:"team,omitempty"` // Slack workspace ID
	ID   string `json:"id,omitempty"`   // Slack user ID; empty by mail
	Name string `json:"name"`           // for display; by mail as typed
}

// Is reports whether p and q are one person for sure.
func (p Person) Is(q Person) bool { return p.ID != "" && p.ID == q.ID }

// Vote is one approver's verdict.
type Vote struct {
	By      Person    `json:"by"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Via     Via       `json:"via"`
	At      time.Time `json:"at"`
}

// Decision is what settled the request.
type Decision struct {
	State  State     `json:"state"`
	By     Person    `json:"by,omitzero"` // the last voter; zero if expired or withdrawn
	Reason string    `json:"reason,omitempty"`
	Via    Via       `json:"via,omitempty"`
	At     time.Time `json:"at"`
}

// Voter is what Slack says, live, of the person who pressed. A voter by mail
// has none of it: the signed link stands in its place.
type Voter struct {
	Person
	Home        bool     // of the workspace that Countersign is installed in
	Guest       bool     // is_restricted or is_ultra_restricted
	Bot         bool     // is_bot
	Deactivated bool     // deleted
	Groups      []string // those of the request's approver groups that the person is in
}

// Why says why a vote was refused.
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
)

// Refusal is the error of a vote that the law does not allow.
type Refusal struct{ Reason RefusalReason }

func (e *Refusal) Error() string { return "vote refused: " + string(e.Reason) }

const (
	maxReason = 2000 // bytes kept of a typed reason: 500 characters of any script
	maxName   = 80   // bytes kept of a person's name
)

// Entitled reports whether the law lets v, pressing in Slack, decide about r:
// nil, or a *Refusal. It fails closed, and says nothing of r's state.
func (r Request) Authorize(v Voter) error {
	switch {
	case !v.Home:
		return &Refusal{RefusedOtherWorkspace}
	case !IsUser(v.ID) || v.Guest || v.Bot || v.Deactivated:
		return &Refusal{RefusedNotMember}
	}
	named := slices.Contains(r.Terms.Approvers, v.ID)
	for _, g := range v.Groups {
		named = named || IsUserGroup(g) && slices.Contains(r.Terms.Approvers, g)
	}
	switch {
	case !named:
		return &Refusal{RefusedNotApprover}
	case !r.Terms.SelfApproval && slices.Contains(r.Requester.SlackIDs, v.ID):
		return &Refusal{RefusedOwnRequest}
	case !r.Requester.LookedUp && !r.Terms.SelfApproval:
		return &Refusal{RefusedUnverified} // who asks is not known yet, so nobody can be told apart from them
	}
	return nil
}

// VoteBySlack adds the verdict of a person who pressed in Slack. It returns the
// next value, or r itself and a *Refusal. The same person saying the same again
// is no error and changes nothing.
func (r Request) VoteBySlack(v Voter, verdict Verdict, reason string, now time.Time) (Request, error) {
	if err := r.Authorize(v); err != nil {
		return r, err
	}
	return r.vote(Vote{By: v.Person, Verdict: verdict, Reason: reason, Via: ViaSlack, At: now})
}

// VoteByMail adds the verdict of whoever followed a mailed link and typed name.
// A mailed link proves no identity, so it cannot approve where several
// different people must; and it counts for one request and one verdict, once.
func (r Request) VoteByMail(name string, verdict Verdict, reason string, now time.Time) (Request, error) {
	if !r.mailAllows(verdict) {
		return r, &Refusal{RefusedNotByMail}
	}
	if OneLine(name, maxName) == "" {
		return r, &Refusal{RefusedNoName}
	}
	return r.vote(Vote{By: Person{Name: name}, Verdict: verdict, Reason: reason, Via: ViaMail, At: now})
}

// IsOpen reports whether the request can still be decided at now.
func (r Request) IsOpen(now time.Time) bool { return r.closedReason(now) == "" }

// RefusalFor returns why verdict can no longer be given by way of via, whoever
// gives it; empty if the right person still can. What depends on the person is
// for [Request.Authorize].
func (r Request) RefusalFor(via Via, verdict Verdict, now time.Time) RefusalReason {
	if via == ViaMail && !r.mailAllows(verdict) {
		return RefusedNotByMail
	}
	return r.closedReason(now)
}

// mailAllows reports whether verdict can be given by mail. Typed names cannot
// tell approvers apart, so mail cannot approve where several people must.
func (r Request) mailAllows(verdict Verdict) bool {
	return verdict != Approve || r.Terms.Approvals <= 1
}

// closedReason returns why the request can no longer be decided; empty while it
// can. The deadline closes it even before Expire has been recorded.
func (r Request) closedReason(now time.Time) RefusalReason {
	switch {
	case r.State() == Expired:
		return RefusedExpired
	case r.Decision != nil:
		return RefusedDecided
	case !now.Before(r.Terms.Deadline):
		return RefusedExpired
	}
	return ""
}

func (r Request) vote(v Vote) (Request, error) {
	v.Reason, v.By.Name = Truncate(v.Reason, maxReason), OneLine(v.By.Name, maxName)
	if r.said(v) {
		return r, nil
	}
	if reason := r.closedReason(v.At); reason != "" {
		return r, &Refusal{reason}
	}
	switch {
	case v.Verdict != Approve && v.Verdict != Reject:
		return r, fmt.Errorf("unknown verdict %q", v.Verdict)
	case v.Verdict == Reject && OneLine(v.Reason, maxReason) == "":
		return r, &Refusal{RefusedNoReason}
	}
	r = r.Clone()
	r.Votes = append(r.Votes, v)
	r = r.note(Event{At: v.At, Kind: EventVote, By: v.By, Text: string(v.Verdict) + " by " + string(v.Via)})
	if v.Verdict == Reject {
		return r.decide(Decision{State: Rejected, By: v.By, Reason: v.Reason, Via: v.Via, At: v.At}), nil
	}
	if r.ApprovalsMissing() == 0 {
		return r.decide(Decision{State: Approved, By: v.By, Reason: v.Reason, Via: v.Via, At: v.At}), nil
	}
	return r, nil
}

// said reports whether v repeats what its person said last. Two mails with the
// same typed name are the same person: that is all a mail can say.
func (r Request) said(v Vote) bool {
	for _, old := range slices.Backward(r.Votes) {
		if old.By.Is(v.By) || v.Via == ViaMail && old.Via == ViaMail && old.By.Name == v.By.Name {
			return old.Verdict == v.Verdict
		}
	}
	return false
}

// Missing is how many more different people must approve.
func (r Request) ApprovalsMissing() int {
	return max(0, r.Terms.Approvals-len(r.ApprovedBy()))
}

// ApprovedBy lists the people whose approvals count, each once, in order.
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

// decide settles the request. One decision, ever: callers have seen that there
// is none yet.
func (r Request) decide(d Decision) Request {
	r.Decision = &d
	return r.refreshAnew().note(Event{At: d.At, Kind: EventDecided, By: d.By, Text: string(d.State)})
}

// Expire settles a request that nobody decided. It changes nothing before the
// deadline, and nothing that is decided.
func (r Request) Expire(now time.Time) Request {
	if r.Decision != nil || now.Before(r.Terms.Deadline) {
		return r
	}
	return r.Clone().decide(Decision{State: Expired, Reason: "nobody decided in time", At: now})
}

// Withdraw settles a pending request whose stack gave up, or that nobody could
// be asked about. It changes nothing that is decided.
func (r Request) Withdraw(reason string, now time.Time) Request {
	if r.Decision != nil {
		return r
	}
	return r.Clone().decide(Decision{State: Withdrawn, Reason: Truncate(reason, maxReason), At: now})
}

// Opens reports whether the verdict resource of the stack with ARN stackID
// may let its launch go on: only with an approval of this very stack's request.
func (r Request) ApprovedFor(stackID string) bool {
	return stackID != "" && r.Stack.ID == stackID && r.State() == Approved
}

// GoneRound records that the stack went past the gate, or tried to, without an
// approval. Only the first is kept.
func (r Request) RecordBypass(how string, now time.Time) Request {
	if r.Bypass != nil {
		return r
	}
	r = r.Clone()
	r.Bypass = &Bypass{At: now, How: how}
	return r.refreshAnew().note(Event{At: now, Kind: EventBypass, Text: how})
}
