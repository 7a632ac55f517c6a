package blocks

import (
	"fmt"
	"strings"
	"time"

	"countersign/handle"
)

// Private replies to a person who clicked or submitted a form, each with the
// next step.
const (
	UnknownButton    = "This button belongs to an unknown request. If the launch is still waiting, use its newest message."
	UnknownForm      = "This form belongs to an unknown request. Close it and click the button on the message again."
	PersonUnverified = "Slack could not confirm who you are, so your decision was not recorded. Try again in a moment."
	RequesterPending = "The requester's identity is still being checked, so your decision was not recorded. Try again in a moment."
	NotRecorded      = "Your decision could not be recorded. Try again in a moment."
	MaybeRecorded    = "Your decision may not have been recorded. Try again in a moment: repeating it is safe."
	DetailsExpired   = "Slack took too long to open the details. Click Details again."
	FormNotOpened    = "The form could not be opened, so nothing was recorded. Try again in a moment."
	DetailsNotOpened = "The details could not be opened. Try again in a moment."
	ReasonMissing    = "Give a reason of at least 3 characters. The requester will read it."

	// The same for actions other than decisions.
	PersonUnknown = "Slack could not confirm who you are, so nothing was recorded. Try again in a moment."
	NotDone       = "This could not be recorded. Try again in a moment."
	MaybeDone     = "This may not have been recorded. Try again in a moment: repeating it is safe."
)

// TriggerExpired answers a person whose click on the button with that label came too
// late to open its form.
func TriggerExpired(label string) string {
	return "Slack took too long to open the form, so nothing was recorded. Click " + label + " again."
}

// RefusedAction says why an action other than a decision was refused, and what to do.
// action is its action_id.
func (f Format) RefusedAction(r handle.Request, action string, reason handle.RefusalReason) string {
	operation := Operation(r)
	switch reason {
	case handle.RefusedNotApprover:
		return "You aren't an approver of this " + operation + ", so nothing was recorded. " + f.approvers(r)
	case handle.RefusedNotMember:
		return "Guests, bots and deactivated accounts can't do this."
	case handle.RefusedOtherWorkspace:
		return "You're in a different Slack workspace. Only members of the workspace where Countersign is installed can do this."
	case handle.RefusedUnverified:
		return "The requester's identity is still being checked, so nothing was recorded. Try again in a moment."
	case handle.RefusedDecided, handle.RefusedExpired:
		text := f.Refused(r, reason)
		switch action {
		case AskAction:
			text += " To reach the requester, reply in the thread."
		case AnswerAction:
			text += " An answer is no longer needed, so it was not sent."
		case WithdrawAction:
			text += " There is nothing left to withdraw."
		case NudgeAction:
			text += " The approvers don't need to be nudged anymore."
		}
		return text
	case handle.RefusedNotRequester:
		return "Only the requester of this " + operation + " can do this, so nothing was recorded. To add something, reply in the thread."
	case handle.RefusedNoRequester:
		return "The requester isn't known in Slack, so a question can't be sent. Reply in the thread instead, or reach " + f.Text(requesterName(r), 100) + " another way."
	case handle.RefusedNoText:
		return "Write something first: the text is empty."
	case handle.RefusedNoQuestion:
		return "This question isn't on record. Use the Answer button of the newest question."
	case handle.RefusedAnswered:
		return "This question has been answered already. To add something, reply in the thread."
	case handle.RefusedNotReviewing:
		return "You aren't reviewing this " + operation + ", or your review has ended. To start, click I'm reviewing."
	case handle.RefusedNotReassigned:
		return "This " + operation + " can't be reassigned to them. Choose people or groups from the list."
	case handle.RefusedTooFew:
		return "Too few people: this " + operation + " needs " + count(r.ApprovalsNeeded(), "approval", "approvals") + ". Choose more people, or a user group."
	case handle.RefusedTooMany:
		return f.tooMany(r, action)
	case handle.RefusedTooSoon:
		return "The approvers were nudged recently. You can nudge them again after " + f.Date(nextNudge(r)) + "."
	}
	return f.Refused(r, reason)
}

// tooMany says which limit an action has reached.
func (f Format) tooMany(r handle.Request, action string) string {
	switch action {
	case AskAction:
		return "Too many questions were asked about this " + Operation(r) + " to record another. Continue in the thread."
	case StartReviewAction:
		return "Too many people are reviewing this " + Operation(r) + " to list you too. You can still decide."
	case ReassignAction:
		return "This " + Operation(r) + " was reassigned too often to be reassigned again. Ask its current approvers to decide."
	}
	return "This was done too often. Continue in the thread."
}

// nextNudge is when the requester may nudge the approvers again.
func nextNudge(r handle.Request) time.Time {
	if n := len(r.Nudges); n > 0 {
		return r.Nudges[n-1].At.Add(handle.NudgeInterval)
	}
	return r.CreatedAt
}

// Refused says why a vote was refused, and what to do.
func (f Format) Refused(r handle.Request, reason handle.RefusalReason) string {
	switch reason {
	case handle.RefusedNotApprover:
		return "You aren't an approver of this " + Operation(r) + ", so your decision was not recorded. " + f.approvers(r)
	case handle.RefusedOwnRequest:
		return "This is your own request, and requesters can't decide their own. " + f.approvers(r)
	case handle.RefusedOtherWorkspace:
		return "You're in a different Slack workspace. Only members of the workspace where Countersign is installed can decide."
	case handle.RefusedNotMember:
		return "Guests, bots and deactivated accounts can't decide. " + f.approvers(r)
	case handle.RefusedDecided:
		return f.AlreadyDecided(r)
	case handle.RefusedExpired:
		text := "This request expired without a decision (" + f.Date(r.Terms.Deadline) + "). "
		if isUpdate(r) {
			return text + "The requester can update again."
		}
		return text + relaunchState(r.Grant)
	case handle.RefusedNoReason:
		return ReasonMissing
	case handle.RefusedNotByMail:
		return fmt.Sprintf("This %s needs %d different approvers, and mail can't tell people apart. Approve it in Slack.", Operation(r), r.ApprovalsNeeded())
	case handle.RefusedUnverified:
		return PersonUnverified
	}
	return "Your decision was refused: " + f.Text(string(reason), 100) + "."
}

// relaunchState says why an expired request can't be approved for relaunch, or what
// the requester can do.
func relaunchState(g *handle.Grant) string {
	switch {
	case g == nil || g.At.IsZero() && g.RevokedAt.IsZero(), g.Lapsed:
		return "The requester can launch again."
	case g.UsedBy != "":
		return "It has been approved for relaunch, and was relaunched."
	case !g.RevokedAt.IsZero():
		return "Its approval for relaunch was revoked."
	}
	return "It has been approved for relaunch already."
}

// AlreadyDecided says how the request was decided; empty if it was not.
func (f Format) AlreadyDecided(r handle.Request) string {
	d := r.Decision
	if d == nil {
		return ""
	}
	switch d.State {
	case handle.Expired:
		return f.Refused(r, handle.RefusedExpired)
	case handle.Withdrawn:
		return "This request was withdrawn (" + f.Date(d.At) + "): " + f.Text(r.WaitURL.Redact(d.Reason), 200) + "."
	}
	return "Already " + string(d.State) + " by " + f.Person(d.By, d.Via) + ", " + f.Date(d.At) + "."
}

// Repeated answers a person who gives the same verdict again.
func (f Format) Repeated(r handle.Request, verdict handle.Verdict) string {
	text, state := "You already approved this request.", handle.Approved
	if verdict == handle.Reject {
		text, state = "You already rejected this request.", handle.Rejected
	}
	switch {
	case r.Decision == nil, r.Grant != nil && r.ApprovalsMissing() > 0:
		return text + " " + MoreApprovals(r)
	case r.State() != state:
		return text + " " + f.AlreadyDecided(r)
	}
	return text
}

// Recorded answers a person whose vote leaves the request open.
func Recorded(r handle.Request) string { return "Recorded. " + MoreApprovals(r) }

// MoreApprovals says how many approvals a pending request still needs.
func MoreApprovals(r handle.Request) string {
	return count(max(r.ApprovalsMissing(), 1), "more approval is needed.", "more approvals are needed.")
}

// approvers names who may decide. In a message that one person sees, mentions
// notify no one. Elsewhere IDs would not read as names.
func (f Format) approvers(r handle.Request) string {
	switch {
	case f == Plain:
		return "The message names the approvers."
	case len(r.Terms.Approvers) == 0:
		return "No one can decide in Slack: the approvers were asked by mail."
	}
	var names []string
	for _, id := range r.Terms.Approvers {
		names = append(names, mention(id))
	}
	return "Approvers: " + strings.Join(names, ", ") + "."
}
