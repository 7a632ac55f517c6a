package handle

import (
	"maps"
	"slices"
)

// Group is what Slack says about a user group among the approvers.
type Group struct {
	Name    string   `json:"name,omitempty"`
	Size    int      `json:"size,omitempty"`    // number of members; 0 if unknown
	Members []string `json:"members,omitempty"` // all of them, if at most MaxListed; else none
}

// MaxListed is the size up to which the members of a group are kept, so that only
// those who have not acted are mentioned.
const MaxListed = 20

// RecordGroups records what Slack answered about groups, by their IDs. What was known
// about others stays.
func (r Request) RecordGroups(groups map[string]Group) Request {
	r = r.Clone()
	if r.Groups == nil {
		r.Groups = make(map[string]Group, len(groups))
	}
	maps.Copy(r.Groups, groups)
	for id, g := range groups {
		if !IsUserGroup(id) || len(r.Groups) > 2*maxApprovers {
			delete(r.Groups, id)
			continue
		}
		g.Name, g.Members = OneLine(g.Name, maxName), slices.Clone(g.Members)
		if len(g.Members) > MaxListed {
			g.Members = nil
		}
		r.Groups[id] = g
	}
	return r
}

// Awaited is a user, or a user group, that has not acted.
type Awaited struct {
	ID    string
	Group Group // of a user group; zero if unknown
}

// WaitingFor lists the approvers who have not voted, in the order of the terms; none
// if no approval can be given any more. A group whose members are known is replaced
// by those who have not voted once one of them has. The requester is not among them
// unless they may approve.
func (r Request) WaitingFor() []Awaited { return r.waitingFor(nil) }

// ToRemind is WaitingFor without those who wait for an answer to their own question. It
// can be empty although the request waits for them.
func (r Request) ToRemind() []Awaited {
	var asked []Person
	for _, q := range r.Questions {
		if q.Answer == nil {
			asked = append(asked, q.By)
		}
	}
	return r.waitingFor(asked)
}

// waitingFor leaves out excused people.
func (r Request) waitingFor(excused []Person) []Awaited {
	if r.Decision != nil && !(r.Grant.open() && r.Grant.At.IsZero()) {
		return nil
	}
	done := func(id string) bool {
		return slices.ContainsFunc(r.Votes, func(v Vote) bool { return v.By.Has(id) }) ||
			!r.Terms.SelfApproval && slices.Contains(r.Requester.SlackIDs, id) ||
			slices.ContainsFunc(excused, func(p Person) bool { return p.Has(id) })
	}
	var list []Awaited
	add := func(a Awaited) {
		if !done(a.ID) && !slices.ContainsFunc(list, func(b Awaited) bool { return b.ID == a.ID }) {
			list = append(list, a)
		}
	}
	for _, id := range r.Terms.Approvers {
		g := r.Groups[id]
		if !slices.ContainsFunc(g.Members, done) {
			add(Awaited{ID: id, Group: g})
			continue
		}
		for _, member := range g.Members {
			add(Awaited{ID: member})
		}
	}
	return list
}
