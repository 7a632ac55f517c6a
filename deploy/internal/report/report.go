// Package report puts a stored request into words: who asked, who decided, when
// and why.
//
// No text that it returns contains a wait URL, a line break or another control
// character, whatever the request holds.
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
	At    time.Time // the last time if Count is more than 1
	Kind  handle.EventKind
	By    string
	Text  string
	Count int // of equal events, at least 1
}

// Names returns the display name of a Slack user, user group or channel by its ID.
type Names func(id string) string

// Facts returns the current state of r, in the order in which a launch proceeds.
// IDs are shown as they are if names is nil.
func Facts(r handle.Request, names Names) []Fact {
	var list []Fact
	add := func(name, text string, at time.Time) {
		if text = show(r, text); text != "" || !at.IsZero() {
			list = append(list, Fact{name, text, at})
		}
	}
	add("Requested", "", r.CreatedAt)
	add("Requester", Requester(r), time.Time{})
	if r.Requester.Launcher != "" {
		add("Launched by", r.Requester.Launcher+", proven by AWS", time.Time{})
	}
	add("Purpose", r.Purpose, time.Time{})
	for _, f := range content(r) {
		add(f.Name, f.Text, f.At)
	}
	if r.Update != nil {
		add("Update of request", r.Update.Approved, time.Time{})
		add("Changes", Changes(r), time.Time{})
	}
	add("Terms", terms(r, names), time.Time{})
	add("Deadline", "", r.Terms.Deadline)
	for _, f := range people(r) {
		add(f.Name, f.Text, f.At)
	}
	for _, v := range r.Votes {
		add("Vote", vote(v), v.At)
	}
	if d := r.Decision; d != nil {
		add("Decision", Decision(r), d.At)
	}
	if r.Decision != nil && r.Decision.Via == handle.ViaGrant {
		add("By the grant of request", r.GrantFrom, time.Time{})
	}
	for _, f := range grant(r) {
		add(f.Name, f.Text, f.At)
	}
	if s := r.Signal; s != nil {
		add("Signal", signal(*s), s.At)
	}
	if b := r.Bypass; b != nil {
		add("Bypassed", b.How, b.At)
	}
	if e := r.Ended; e != nil {
		add("Stack", end(*e), e.At)
	}
	return list
}

// History returns the events of r, oldest first.
func History(r handle.Request) []Line {
	var list []Line
	for _, e := range r.Events {
		list = append(list, Line{e.At, e.Kind, show(r, Person(e.By)), show(r, e.Text), max(e.Count, 1)})
	}
	return list
}

// Requester names the requester and says whether AWS proves it.
func Requester(r handle.Request) string {
	switch {
	case r.Requester.Principal != "":
		return show(r, r.Requester.Principal) + ", proven by AWS"
	case r.Requester.Email != "":
		return show(r, r.Requester.Email) + ", as typed, not verified"
	}
	return "unknown"
}

// Decision says what was decided, by whom and why, or "pending".
func Decision(r handle.Request) string {
	d := r.Decision
	if d == nil {
		return string(handle.Pending)
	}
	s := string(d.State)
	if d.By.ID != "" || d.By.Name != "" {
		s += " by " + Voter(d.By, d.Via)
	}
	return show(r, because(s, d.Reason))
}

// Voter names a voter. A name given by mail is typed and not verified.
func Voter(p handle.Person, via handle.Via) string {
	if via == handle.ViaMail {
		return Person(p) + " (by mail)"
	}
	return Person(p)
}

// Person returns the name and, in parentheses, the Slack ID. People choose their
// names, so a name that could pass for several people is quoted; only the ID
// identifies.
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

// terms says who decides, and where.
func terms(r handle.Request, names Names) string {
	t := r.Terms
	if names == nil {
		names = func(id string) string { return id }
	}
	var approvers []string
	for _, id := range t.Approvers {
		approvers = append(approvers, names(id))
	}
	s := fmt.Sprintf("%d of %s", r.ApprovalsNeeded(), strings.Join(approvers, ", "))
	if t.Channel != "" {
		s += " in " + names(t.Channel)
	}
	if t.SelfApproval {
		return s + "; self-approval allowed"
	}
	return s + "; no self-approval"
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
		return because(s.Status+" not delivered", s.Undeliverable)
	}
	return s.Status
}

func end(e handle.Ended) string { return because(cmp.Or(e.Status, "gone"), e.Reason) }

const maxText = 2500 // bytes; a reason is shorter

// show makes outside text safe to print.
func show(r handle.Request, text string) string {
	return handle.OneLine(r.WaitURL.Redact(text), maxText)
}
