package blocks

import (
	"fmt"
	"slices"
	"strings"

	"countersign/handle"
)

// maxNamed is how many people one line names. Others are counted.
const maxNamed = 10

// people shows who a pending request is waiting for, who has approved it, who is
// reviewing it, and its questions.
//
// Mentions notify people when a message is posted, not when it is updated. To notify no
// one twice, this names groups in plain text, and the first reply in the thread does not
// mention the people mentioned here: see askedOf. In a direct message to the requester,
// mentions notify no approver.
func people(r handle.Request, direct bool) string {
	if r.State() != handle.Pending {
		return ""
	}
	var lines []string
	add := func(heading, text string) {
		if text != "" {
			lines = append(lines, "*"+heading+"* "+text)
		}
	}
	names, _ := waiting(r)
	if direct {
		names = waitingMentioned(r)
	}
	add("Waiting for", enumerate(names))
	var approved []string
	for _, p := range r.ApprovedBy() {
		approved = append(approved, person(p))
	}
	add("Approved by", enumerate(approved))
	var reviews []string
	for _, v := range r.Reviews {
		reviews = append(reviews, mention(v.By.ID)+" until "+Mrkdwn.Time(v.Until))
	}
	add("Reviewing", enumerate(reviews))
	add("Questions", questions(r))
	if n := len(r.Reassignments); n > 0 {
		last := r.Reassignments[n-1]
		add("Reassigned", "by "+mention(last.By.ID)+", "+Mrkdwn.Date(last.At))
	}
	if !r.EscalatedAt.IsZero() {
		add("Escalated", Mrkdwn.Date(r.EscalatedAt))
	}
	return strings.Join(lines, "\n")
}

// person mentions who approved, or names them if they did so by mail.
func person(p handle.Person) string {
	if p.ID == "" {
		return Mrkdwn.Person(p, handle.ViaMail)
	}
	return mention(p.ID)
}

// questions counts the open questions and names who asked them.
func questions(r handle.Request) string {
	open := 0
	var askers []string
	for _, q := range r.Questions {
		if q.Answer != nil {
			continue
		}
		open++
		if by := mention(q.By.ID); !slices.Contains(askers, by) {
			askers = append(askers, by)
		}
	}
	switch {
	case len(r.Questions) == 0:
		return ""
	case open == 0:
		return count(len(r.Questions), "question, answered in the thread", "questions, all answered in the thread")
	}
	return fmt.Sprintf("%s by %s: see the thread", count(open, "open question", "open questions"), enumerate(askers))
}

// waiting lists the approvers who have not acted: people by mention, groups by name and
// size. Groups whose name is unknown are only counted. unmentioned are the IDs of the
// approvers that the message does not mention.
func waiting(r handle.Request) (names, unmentioned []string) {
	unnamed := 0
	for _, a := range r.WaitingFor() {
		switch user := handle.IsUser(a.ID); {
		case user && len(names) < maxNamed:
			names = append(names, mention(a.ID))
			continue
		case user:
			names = append(names, "") // only counted
		case handle.Blank(a.Group.Name):
			unnamed++
		default:
			names = append(names, escape(withoutMarkup.Replace(groupName(a.Group))))
		}
		unmentioned = append(unmentioned, a.ID)
	}
	if unnamed > 0 {
		names = append(names, count(unnamed, "user group", "user groups"))
	}
	return names, unmentioned
}

// waitingMentioned lists the approvers who have not acted, all by mention, groups with
// their sizes. It is for messages where mentions notify no approver, such as a direct
// message to the requester.
func waitingMentioned(r handle.Request) (names []string) {
	for _, a := range r.WaitingFor() {
		name := mention(a.ID)
		if a.Group.Size > 0 {
			name += " (" + count(a.Group.Size, "person", "people") + ")"
		}
		names = append(names, name)
	}
	return names
}

// askedOf names the approvers in the first reply in the thread. It does not repeat the
// mentions of the message.
func askedOf(r handle.Request) string {
	names, unmentioned := waiting(r)
	if len(names) == 0 {
		return "the approvers"
	}
	if len(names) > len(unmentioned) {
		return enumerate(append(mentionEach(unmentioned), "the people named above"))
	}
	return enumerate(mentionEach(unmentioned))
}

// enumerate lists names, at most maxNamed, and counts the others.
func enumerate(names []string) string {
	if left := len(names) - maxNamed; left > 0 {
		names = append(names[:maxNamed:maxNamed], fmt.Sprintf("%d more", left))
	}
	return conjunction(names)
}
