package bot

import (
	"fmt"
	"strings"
	"time"

	"countersign/handle"
)

// style is how a sentence is written: for a Slack message, or as plain text for
// a form or a page.
type style int

const (
	mrkdwn style = iota
	plain
)

// What people are told, each with the next step.
const (
	textUnknownButton = "This button does not belong to a request I know. If the launch still waits, look for a newer message of it."
	textUnknownForm   = "This form does not belong to a request I know. Close it, and press Reject on the message again."
	textUnverified    = "I could not check who you are with Slack just now; nothing was decided. Press again in a moment."
	textNoRequester   = "I do not know yet whose request this is, so nobody may decide about it; nothing was decided. Press again in a moment."
	textNotRecorded   = "I could not record your decision just now; nothing was decided. Press again in a moment."
	textUnsure        = "I could not make sure that your decision was recorded. Press again in a moment: saying the same twice does no harm."
	textTooSlow       = "Slack was too slow; nothing was decided. Press Reject again."
	textNoForm        = "I could not open the form for your reason; nothing was decided. Press Reject again in a moment."
	textReason        = "Say why, in at least 3 characters: the requester will read it."
)

// refused says why a ballot was refused, and what to do about it.
func (s style) refused(r handle.Request, why handle.RefusalReason) string {
	switch why {
	case handle.RefusedNotApprover:
		return "You may not decide about this launch; nothing was decided. " + s.whoMay(r)
	case handle.RefusedOwnRequest:
		return "This is your own request, and nobody decides about their own; nothing was decided. " + s.whoMay(r)
	case handle.RefusedOtherWorkspace:
		return "You are of another workspace: only people of the workspace that runs this approval may decide. Ask one of them."
	case handle.RefusedNotMember:
		return "Guests, bots and deactivated accounts may not decide; nothing was decided. " + s.whoMay(r)
	case handle.RefusedDecided:
		return s.settled(r)
	case handle.RefusedExpired:
		return "This request expired " + s.date(r.Terms.Deadline) + ": nobody had decided. Whoever asked can launch again."
	case handle.RefusedNoReason:
		return textReason
	case handle.RefusedNotByMail:
		return fmt.Sprintf("This launch needs %d different approvers, whom a mail cannot tell apart; nothing was decided. Approve it in Slack.", r.Terms.Approvals)
	case handle.RefusedUnverified:
		return textUnverified
	}
	return "Your decision was refused: " + s.outside(string(why), 100) + "."
}

// settled says what became of a request that is decided.
func (s style) settled(r handle.Request) string {
	d := r.Decision
	if d == nil {
		return ""
	}
	switch d.State {
	case handle.Expired:
		return s.refused(r, handle.RefusedExpired)
	case handle.Withdrawn:
		return "This request was withdrawn " + s.date(d.At) + ": " + s.outside(r.WaitURL.Redact(d.Reason), 200) + ". There is nothing left to decide."
	}
	return "Already " + string(d.State) + " by " + s.person(d.By, d.Via) + " " + s.date(d.At) + ". There is nothing left to decide."
}

// repeated answers a person who says again what they had said.
func (s style) repeated(r handle.Request, verdict handle.Verdict) string {
	text := "You already approved this."
	if verdict == handle.Reject {
		text = "You already rejected this."
	}
	switch {
	case r.Decision == nil:
		return text + missing(r)
	case verdict == handle.Approve && r.State() != handle.Approved, verdict == handle.Reject && r.State() != handle.Rejected:
		return text + " " + s.settled(r)
	}
	return text
}

// missing says how many approvals a pending request still needs.
func missing(r handle.Request) string {
	if n := r.ApprovalsMissing(); n > 1 {
		return fmt.Sprintf(" %d more approvals needed.", n)
	}
	return " 1 more approval needed."
}

// whoMay names the approvers. Only in a Slack message do their IDs read as
// names; in a message that one person sees, they are not notified.
func (s style) whoMay(r handle.Request) string {
	if s == plain {
		return "Ask one of the approvers whom the message names."
	}
	if len(r.Terms.Approvers) == 0 {
		return "Nobody may in Slack: the question went out by mail."
	}
	var names []string
	for _, id := range r.Terms.Approvers {
		names = append(names, s.id(id))
	}
	return "Ask " + strings.Join(names, ", ") + "."
}

// person names who voted: by ID, which identifies them, else as typed.
func (s style) person(p handle.Person, via handle.Via) string {
	if s == mrkdwn && handle.IsUser(p.ID) {
		return s.id(p.ID)
	}
	name := p.Name
	if name == "" {
		name = p.ID
	}
	if via == handle.ViaMail {
		return s.outside(name, maxName) + " (by mail)"
	}
	return s.outside(name, maxName)
}

func (s style) id(id string) string {
	switch {
	case handle.IsUser(id):
		return "<@" + id + ">"
	case handle.IsUserGroup(id):
		return "<!subteam^" + id + ">"
	}
	return s.outside(id, 40)
}

// date shows t: in Slack in the reader's own time zone.
func (s style) date(t time.Time) string {
	utc := t.UTC().Format("2006-01-02 15:04 UTC")
	if s == plain {
		return "at " + utc
	}
	return fmt.Sprintf("<!date^%d^{date_short_pretty} at {time}|at %s>", t.Unix(), utc)
}

// outside shows text that came from outside, of at most n bytes. In a Slack
// message it is inline code, inside which nothing is markup; the characters
// that begin mentions and links are escaped, and a backtick, which would end
// the code, becomes its look-alike. See
// https://docs.slack.dev/messaging/formatting-message-text
func (s style) outside(text string, n int) string {
	text = handle.OneLine(text, n)
	if s == plain {
		return text
	}
	if text == "" {
		text = "–"
	}
	return "`" + disarm.Replace(text) + "`"
}

var disarm = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "ˋ")
