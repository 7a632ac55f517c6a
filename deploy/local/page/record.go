package page

import (
	"fmt"
	"strings"
	"time"

	"countersign/handle"
)

// record is the pane for auditors: what the store holds of each request.
type record struct{ Requests []request }

// request is one of them. There is no wait URL in it: the type that holds it
// prints as a placeholder, and is not shown at all.
type request struct {
	ID     string
	Title  string
	State  state
	Facts  []fact
	Events []line
}

// fact is one named value: a text, a time, or both.
type fact struct {
	Name string
	Text string
	At   time.Time
}

// line is one event of the history.
type line struct {
	At    time.Time
	Kind  handle.Kind
	By    string
	Text  string
	Count int
}

// recordOf reads requests, in the order given.
func recordOf(requests []handle.Request, n names) record {
	var out record
	for _, r := range requests {
		out.Requests = append(out.Requests, requestOf(r, n))
	}
	return out
}

func requestOf(r handle.Request, n names) request {
	out := request{ID: r.ID, Title: titleOf(r), State: stateOfRequest(r)}
	add := func(name, text string, at time.Time) {
		if text != "" || !at.IsZero() {
			out.Facts = append(out.Facts, fact{name, text, at})
		}
	}
	add("Asked", "", r.CreatedAt)
	add("By", asker(r), time.Time{})
	add("Purpose", r.Purpose, time.Time{})
	add("Terms", terms(r.Terms, n), time.Time{})
	add("Closes", "", r.Terms.Deadline)
	for _, v := range r.Votes {
		add("Vote", voteText(v), v.At)
	}
	if d := r.Decision; d != nil {
		add("Decision", decisionText(r), d.At)
	}
	if s := r.Signal; s != nil {
		add("Signal", signalText(*s), s.At)
	}
	if b := r.Bypass; b != nil {
		add("Alarm", b.How, b.At)
	}
	if e := r.Ended; e != nil {
		add("Stack", endText(*e), e.At)
	}
	for _, e := range r.Events {
		out.Events = append(out.Events, line{e.At, e.Kind, who(e.By), e.Text, max(e.Count, 1)})
	}
	return out
}

func titleOf(r handle.Request) string {
	for _, s := range []string{r.Product.Name, r.Product.Provisioned, r.Stack.Name} {
		if s = handle.Line(s, 100); s != "" {
			return s
		}
	}
	return r.ID
}

func asker(r handle.Request) string {
	switch {
	case r.Requester.Principal != "":
		return r.Requester.Principal + ", proven by AWS"
	case r.Requester.Email != "":
		return r.Requester.Email + ", as typed and not proven"
	}
	return "nobody knows"
}

// terms says in one sentence who decides, and where.
func terms(t handle.Terms, n names) string {
	var names []string
	for _, id := range t.Approvers {
		names = append(names, n.called(id))
	}
	s := fmt.Sprintf("%d of %s", t.Approvals, strings.Join(names, ", "))
	if t.Channel != "" {
		s += " in " + n.called(t.Channel)
	}
	if t.SelfApproval {
		return s + "; people may approve their own"
	}
	return s + "; nobody approves their own"
}

func voteText(v handle.Vote) string {
	s := string(v.Verdict) + " by " + who(v.By) + " by " + string(v.Via)
	if v.Reason != "" {
		s += ": " + v.Reason
	}
	return s
}

func decisionText(r handle.Request) string {
	s := string(r.State())
	if by := r.Decider(); by != "" {
		s += " by " + by
	}
	if r.Decision.Reason != "" {
		s += ": " + r.Decision.Reason
	}
	return s
}

func signalText(s handle.Signal) string {
	if s.Never != "" {
		return s.Status + " was never taken: " + s.Never
	}
	return s.Status
}

func endText(e handle.Ended) string {
	s := e.Status
	if s == "" {
		s = "gone"
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// who names a person as the record remembers them.
func who(p handle.Person) string {
	switch {
	case p.Name != "" && p.ID != "":
		return p.Name + " (" + p.ID + ")"
	case p.Name != "":
		return p.Name
	}
	return p.ID
}
