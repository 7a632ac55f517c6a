package handle

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// OpenKind says what an open request waits for.
type OpenKind string

const (
	OpenPending OpenKind = "pending" // a decision
	OpenExpired OpenKind = "expired" // approval for relaunch
	OpenGranted OpenKind = "granted" // its relaunch
)

// Summary is what lists of open requests show and search. Stores keep it beside the
// request, so that a list loads no request.
type Summary struct {
	ID        string    `json:"id"`
	Kind      OpenKind  `json:"kind"`
	Update    bool      `json:"update,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	Deadline  time.Time `json:"deadline"` // until then it is open: the decision's, or the grant's

	Product     string `json:"product,omitempty"`     // see Product.Title
	ProductName string `json:"productName,omitempty"` // the template's own title, for searches
	ProductID   string `json:"productId,omitempty"`
	Provisioned string `json:"provisioned,omitempty"`
	Account     string `json:"account"`
	AccountName string `json:"accountName,omitempty"`
	Region      string `json:"region"`

	Requester     string   `json:"requester,omitempty"`    // name or e-mail, for display
	RequesterID   string   `json:"requesterId,omitempty"`  // the Slack user who may act as requester; empty if none may
	RequesterIDs  []string `json:"requesterIds,omitempty"` // those who may not approve
	Approvers     []string `json:"approvers,omitempty"`    // users and user groups
	Voted         []string `json:"voted,omitempty"`        // all IDs of those who voted
	Approvals     int      `json:"approvals,omitempty"`    // that count so far
	Needed        int      `json:"needed"`
	SelfApproval  bool     `json:"selfApproval,omitempty"`
	Unidentified  bool     `json:"unidentified,omitempty"` // the launch or its requester is not verified yet, so votes are refused
	OpenQuestions int      `json:"openQuestions,omitempty"`

	Channel string `json:"channel,omitempty"` // of its message in Slack; empty if none is known
	TS      string `json:"ts,omitempty"`
}

// Summary returns the request as lists show it. ok is false unless the request is
// open: pending, or expired with a grant that can still be given or used. A request stays
// open until its end is on record, even if its time has passed.
func (r Request) Summary() (s Summary, ok bool) {
	s = Summary{
		ID: r.ID, Kind: OpenPending, Update: r.Update != nil || r.Stack.Updating, CreatedAt: r.CreatedAt, Deadline: r.Terms.Deadline,
		Product: r.Product.Title(), ProductName: OneLine(r.Product.Name, 100), ProductID: r.Product.ID, Provisioned: r.Product.Provisioned,
		Account: r.Stack.Account, AccountName: OneLine(r.Stack.AccountName, 100), Region: r.Stack.Region,
		Requester: r.Requester.PrincipalName(), RequesterIDs: slices.Clone(r.Requester.SlackIDs), Approvers: slices.Clone(r.Terms.Approvers),
		Approvals: len(r.ApprovedBy()), Needed: r.ApprovalsNeeded(), SelfApproval: r.Terms.SelfApproval,
		Unidentified: r.identityPending(), OpenQuestions: r.OpenQuestions(),
	}
	if s.Requester == "" {
		s.Requester = OneLine(r.Requester.Email, 100)
	}
	if r.Requester.Addressable() {
		s.RequesterID = r.Requester.SlackID
	}
	if root, ok := r.Root(); ok {
		s.Channel, s.TS = root.Channel, root.TS
	}
	for _, v := range r.Votes {
		s.Voted = union(s.Voted, v.By.IDs())
	}
	switch {
	case r.Decision == nil:
		return s, true
	case !r.Grant.open():
		return Summary{}, false
	case r.Grant.At.IsZero():
		s.Kind = OpenExpired
	default:
		s.Kind = OpenGranted
	}
	s.Deadline = r.Grant.Until
	return s, true
}

// WaitsFor reports whether v may approve it and has not voted. v.Groups are those of
// its approver groups that v is in. The record decides at the click: see
// Request.Authorize.
func (s Summary) WaitsFor(v Voter, now time.Time) bool {
	named := v.Has(s.Approvers...) || slices.ContainsFunc(v.Groups, func(g string) bool { return IsUserGroup(g) && slices.Contains(s.Approvers, g) })
	return named && s.Kind != OpenGranted && now.Before(s.Deadline) && !v.Has(s.Voted...) && (s.SelfApproval || !v.Has(s.RequesterIDs...))
}

// RequestedBy reports whether p may act on it as the requester.
func (s Summary) RequestedBy(p Person) bool { return s.RequesterID != "" && p.Has(s.RequesterID) }

// ErrCursor means that Store.Open did not return this cursor.
var ErrCursor = errors.New("the list has no such page")

const cursorTime = "2006-01-02T15:04:05.000000000Z"

// Cursor returns the place after s in the list of open requests.
func (s Summary) Cursor() string { return s.Deadline.UTC().Format(cursorTime) + "/" + s.ID }

// ParseCursor returns the deadline and the ID of the last request before a place in
// the list. The error is ErrCursor.
func ParseCursor(cursor string) (deadline time.Time, id string, err error) {
	at, id, ok := strings.Cut(cursor, "/")
	deadline, err = time.Parse(cursorTime, at)
	if _, _, valid := SplitID(id); !ok || err != nil || !valid {
		return time.Time{}, "", ErrCursor
	}
	return deadline, id, nil
}
