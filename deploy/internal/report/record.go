// Package report tells in words what the store holds of a request, for whoever
// asks later who let it through.
//
// Nothing that it returns holds a wait URL, a line break or another control
// character, wherever in the request they were.
package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"countersign/handle"
)

// Fact is one named value: a text, a time, or both.
type Fact struct {
	Name string
	Text string
	At   time.Time
}

// Line is one event of the history.
type Line struct {
	At    time.Time // the last time, if it happened more than once
	Kind  handle.EventKind
	By    string
	Text  string
	Count int // how often, at least 1
}

// Called gives the IDs of Slack users, user groups and channels the names that
// people know them by.
type Called func(id string) string

// Facts are what is known of r now, in the order of a launch's way. IDs are
// shown as they are if called is nil.
func Facts(r handle.Request, called Called) []Fact {
	var list []Fact
	add := func(name, text string, at time.Time) {
		if text = show(r, text); text != "" || !at.IsZero() {
			list = append(list, Fact{name, text, at})
		}
	}
	add("Asked", "", r.CreatedAt)
	add("By", Requester(r), time.Time{})
	add("Purpose", r.Purpose, time.Time{})
	add("Terms", terms(r.Terms, called), time.Time{})
	add("Closes", "", r.Terms.Deadline)
	for _, v := range r.Votes {
		add("Vote", vote(v), v.At)
	}
	if d := r.Decision; d != nil {
		add("Decision", Decision(r), d.At)
	}
	if s := r.Signal; s != nil {
		add("Signal", signal(*s), s.At)
	}
	if b := r.Bypass; b != nil {
		add("Alarm", b.How, b.At)
	}
	if e := r.Ended; e != nil {
		add("Stack", end(*e), e.At)
	}
	return list
}

// History is all that happened, oldest first.
func History(r handle.Request) []Line {
	var list []Line
	for _, e := range r.Events {
		list = append(list, Line{e.At, e.Kind, show(r, Person(e.By)), show(r, e.Text), max(e.Count, 1)})
	}
	return list
}

// Title names what is to be launched.
func Title(r handle.Request) string {
	for _, s := range []string{r.Product.Name, r.Product.Provisioned, r.Stack.Name} {
		if s = handle.Truncate(show(r, s), 100); s != "" {
			return s
		}
	}
	return r.ID
}

// Requester says who asks, and whether that is proven.
func Requester(r handle.Request) string {
	switch {
	case r.Requester.Principal != "":
		return show(r, r.Requester.Principal) + ", proven by AWS"
	case r.Requester.Email != "":
		return show(r, r.Requester.Email) + ", as typed and not proven"
	}
	return "nobody knows"
}

// Decision says what was decided, by whom, and why; of a request that nobody
// has decided yet, that it is pending.
func Decision(r handle.Request) string {
	d := r.Decision
	if d == nil {
		return string(handle.Pending)
	}
	s := string(d.State)
	if d.By != (handle.Person{}) {
		s += " by " + Voter(d.By, d.Via)
	}
	return show(r, because(s, d.Reason))
}

// Voter names whoever voted: as somebody of Slack, or by mail, where a name is
// typed and identifies nobody.
func Voter(p handle.Person, via handle.Via) string {
	if via == handle.ViaMail {
		return Person(p) + " (by mail)"
	}
	return Person(p)
}

// Person names somebody as the record remembers them, with the ID, which
// identifies them, behind the name, which they chose. A name that could pass
// for more than one is quoted.
func Person(p handle.Person) string {
	name := handle.OneLine(p.Name, 80)
	if strings.ContainsAny(name, `"(),:;`) {
		name = strconv.Quote(name)
	}
	switch {
	case name != "" && p.ID != "":
		return name + " (" + p.ID + ")"
	case name != "":
		return name
	}
	return p.ID
}

// terms says in one sentence who decides, and where.
func terms(t handle.Terms, called Called) string {
	if called == nil {
		called = func(id string) string { return id }
	}
	var names []string
	for _, id := range t.Approvers {
		names = append(names, called(id))
	}
	s := fmt.Sprintf("%d of %s", t.Approvals, strings.Join(names, ", "))
	if t.Channel != "" {
		s += " in " + called(t.Channel)
	}
	if t.SelfApproval {
		return s + "; people may approve their own"
	}
	return s + "; nobody approves their own"
}

func vote(v handle.Vote) string {
	return because(string(v.Verdict)+" by "+Voter(v.By, v.Via), v.Reason)
}

func because(s, reason string) string {
	if reason == "" {
		return s
	}
	return s + ": " + reason
}

func signal(s handle.Signal) string {
	if s.Undeliverable != "" {
		return because(s.Status+" was never taken", s.Undeliverable)
	}
	return s.Status
}

func end(e handle.Ended) string { return because(cmp.Or(e.Status, "gone"), e.Reason) }

const maxText = 2500 // bytes; longer than a reason can be

// show makes text that came from outside fit to be shown.
func show(r handle.Request, text string) string {
	return handle.OneLine(r.WaitURL.Redact(text), maxText)
}
