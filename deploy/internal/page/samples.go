package page

import (
	"strings"
	"time"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// sample is one request that the storybook shows.
type sample struct {
	Name    string
	About   string
	Request handle.Request
}

// sampleTime is when every sample was created.
var sampleTime = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// sampleWait is how long the sample product waits.
const sampleWait = 8 * time.Hour

// samples returns a request in every state. Each is built by the request's own
// methods, so that it is a state that can occur.
func samples() []sample {
	return []sample{
		{"Pending", "0 of 1 approvals. AWS proves who the requester is.", pending(1)},
		{"Pending, one of two", "Ann has approved; one more person must.", approved(pending(2), ann)},
		{"Pending, not verified yet", "CloudFormation throttled or lagged at launch. Votes are refused until it has been asked.", unverified(pending(1))},
		{"Pending, requester not looked up yet", "Slack was down when the requester was looked up. Votes are refused until it has been asked.", notLookedUp(pending(1))},
		{"Pending, requester claimed", "The launch carries no principal proven by AWS, and the typed e-mail is in Slack. Two people must approve.", claimed(pending(1))},
		{"Pending, requester claimed, one of two", "Ann has approved; one more person must.", approved(claimed(pending(1)), ann)},
		{"Pending, requester claimed, with a warning only", "The deployment's parameter UnprovenRequester is warn.", claimed(warned(pending(1)))},
		{"Pending, requester unknown", "Nothing proves the requester, and the typed e-mail is not in Slack.", unknown(pending(1))},
		{"Pending, requester claims to be someone else", "AWS proves a principal that is not in Slack; the typed e-mail belongs to another person.", impersonating(pending(1))},
		{"Pending, launched in another account", "The stack cannot be read, so nothing proves the requester and no parameters are shown.", otherAccount(pending(1))},
		{"Pending, hostile text", "Every text that a launch controls tries to mention people, forge a field or break out of its markup.", hostile(pending(1))},
		{"Pending, mailed link locked", "Five wrong codes were entered at one of the mailed links.", linkLocked(pending(3))},
		{"Pending, template not readable", "CloudFormation denies GetTemplate, so an approval does not bind the template.", withoutTemplate(pending(1))},
		{"Pending, waiting for people and a large group", "The group's name and size are known. People are mentioned, groups are not.", withGroups(pending(2))},
		{"Pending, question open", "Ann has asked the requester, who has not answered yet.", asked(withGroups(pending(1)))},
		{"Pending, question answered", "The requester has answered in the thread.", answered(asked(withGroups(pending(1))))},
		{"Pending, being reviewed by two", "Reviews end by themselves after half an hour. They block no one.", reviewed(withGroups(pending(1)))},
		{"Pending, reassigned", "Ann reassigned it to the security group.", reassigned(withGroups(pending(1)))},
		{"Pending, escalated", "No one decided in time, so the security group may decide too.", withGroups(pending(1)).Escalate(after(2 * time.Hour))},
		{"Pending, nudged", "The requester nudged the approvers; Ann's approval is not enough.", nudged(approved(named(pending(2)), ann))},
		{"Approved", "The launch continues.", approved(pending(1), ann)},
		{"Approved by two", "Both are named.", approved(approved(pending(2), ann), bob)},
		{"Approved, requester claimed", "Nothing proved the requester, so one more person than usual approved.", approved(approved(claimed(pending(1)), ann), bob)},
		{"Approved by a member of an organization", "An Enterprise Grid gives one person an ID in each workspace and one in the organization; only one is shown.", approved(pending(1), grid)},
		{"Approved by mail", "Slack was down; the approver typed a name on the mailed page.", byMail(pending(1))},
		{"Rejected", "The reason is also in the stack's events.", rejected(pending(1))},
		{"Expired", "No decision before the deadline.", expired(pending(1))},
		{"Withdrawn", "The stack was deleted or rolled back before a decision.", pending(1).Withdraw("the stack was rolled back or deleted before a decision", after(20*time.Minute))},
		{"Withdrawn by the requester", "They no longer need it; the launch is rolled back with their reason.", withdrawnByRequester(pending(1))},
		{"Signal refused", "Approved, but CloudFormation no longer accepts the signal.", approved(pending(1), ann).MarkSignalled("couldn't signal CloudFormation: it answered 403 Forbidden", after(time.Hour))},
		{"Bypassed approval", "The wait handle was signalled without an approval.", bypassed(pending(1))},
		{"Approved and launched", "The stack was created.", launched(approved(pending(1), ann))},
		{"Approved, but the launch failed", "A resource behind the gate failed; the thread says which.", launchFailed(approved(pending(1), ann))},

		{"Update pending", "An update of the launched product waits. Two people must approve, because AWS does not prove who updates.", updating()},
		{"Update pending, one of two", "Ann has approved; one more person must.", approved(updating(), ann)},
		{"Update pending, not all shown", "The template changes too, or a NoEcho value.", unshown(updating())},
		{"Update pending, no earlier approval", "The stack has no approved request on record, so there is nothing to compare with.", unknownBefore(updating())},
		{"Update approved", "The held answer is SUCCESS.", approved(approved(updating(), ann), bob)},
		{"Approved and updated", "The stack was updated.", updated(approved(approved(updating(), ann), bob))},
		{"Update rejected", "The held answer is FAILED with the reason, and the update rolls back.", rejected(updating())},
		{"Update expired", "CloudFormation waits for an hour at most.", expired(updating())},
		{"Update withdrawn", "The update was cancelled while it waited.", updating().Withdraw("the update was cancelled or rolled back before a decision", after(20*time.Minute))},
		{"Bypassed by an update", "An update changed nothing that the gate passes on, and was found afterwards.", bypassedByUpdate(launched(approved(pending(1), ann)))},

		{"Expired, late approval awaited", "The launch has rolled back; approvers can still approve it for relaunch.", grantable(1)},
		{"Expired, one of two late approvals", "Ann has approved late; one more person must.", approvedLate(grantable(2), ann)},
		{"Approved for relaunch", "The requester can launch it again with the same values, once.", approvedLate(grantable(1), ann)},
		{"Approved for relaunch by two", "Both are named.", approvedLate(approvedLate(grantable(2), ann), bob)},
		{"Relaunched", "The approval for relaunch was used.", used(approvedLate(grantable(1), ann))},
		{"Approval for relaunch revoked", "Any approver can revoke it.", revoked(approvedLate(grantable(1), ann))},
		{"Approval for relaunch lapsed", "It was not used in time.", lapsed(approvedLate(grantable(1), ann))},
		{"Approved by grant", "The relaunch: no one was asked again.", byGrant(used(approvedLate(grantable(1), ann)))},
		{"Approved by grant and launched", "The relaunch is done.", launched(byGrant(used(approvedLate(grantable(1), ann))))},
	}
}

var (
	ann = handle.Person{Team: sandbox.Team, ID: sandbox.Ann, Name: "Ann Approver"}
	bob = handle.Person{Team: sandbox.Team, ID: sandbox.Bob, Name: "Bob Approver"}

	grid = handle.Person{Team: sandbox.Team, ID: "W0ANN", Aliases: []string{sandbox.Ann}, Name: "Ann Approver"}
)

func after(d time.Duration) time.Time { return sampleTime.Add(d) }

// withdrawnByRequester is r after its requester withdrew it.
func withdrawnByRequester(r handle.Request) handle.Request {
	rita := handle.Voter{Person: handle.Person{Team: sandbox.Team, ID: sandbox.Rita, Name: "Rita Requester"}, Home: true}
	r, err := r.WithdrawByRequester(rita, "Wrong size, I'll launch it again", after(20*time.Minute))
	if err != nil {
		panic(err)
	}
	return r
}

// pending returns a new request that needs n approvals.
func pending(n int) handle.Request {
	const stack = "SC-" + sandbox.Account + "-pp-7kq2example4x"
	id := "arn:aws:cloudformation:" + sandbox.Region + ":" + sandbox.Account + ":stack/" + stack + "/5f0c2c40-1600-11f1-9d8e-0e1example01"
	deadline := after(sampleWait - handle.MinMargin)
	r := handle.Request{
		ID:        handle.NewID(id, "ApprovalRequest", "5f0c2c40"),
		CreatedAt: sampleTime,
		Stack:     handle.Stack{ID: id, Name: stack, Account: sandbox.Account, AccountName: "production", Region: sandbox.Region, Gate: "ApprovalRequest"},
		Product: handle.Product{
			Name: "Message queue (production)", ID: sandbox.ProductID, ProductName: sandbox.ProductName, VersionName: sandbox.VersionName, Version: sandbox.ProvisioningArtifactID,
			Portfolio: sandbox.PortfolioID, Provisioned: "orders-queue", ProvisionedID: "pp-7kq2example4x",
		},
		Requester: handle.Requester{
			Email:     "rita@example.com",
			Principal: "arn:aws:sts::" + sandbox.Account + ":assumed-role/Requesters/rita@example.com",
		},
		Purpose: "Orders wait here while the warehouse is offline",
		Details: []handle.Field{{Name: "Encryption", Value: "SQS-managed keys"}, {Name: "Kept for", Value: "4 days"}},
		Parameters: []handle.Field{
			{Name: "Environment", Value: "production"}, {Name: "MaxReceives", Value: "5"},
			{Name: "RetentionDays", Value: "4"}, {Name: "UserEmail", Value: "rita@example.com"},
		},
		Terms: handle.Terms{
			Channel: sandbox.Channel, Approvers: []string{sandbox.Approvers}, Approvals: n,
			Deadline: deadline, Reminders: handle.ReminderTimes(sampleTime, deadline, handle.DefaultReminders(), handle.WorkingHours{}),
			UnprovenRequester: handle.UnprovenTwoApprovers,
		},
	}
	return r.IdentifyRequester(sandbox.Rita, []string{sandbox.Rita}, true).RecordCreation()
}

// security is a group of 14 people.
const security = "S0SECURITY"

// withGroups returns r with two named approvers and two groups whose names and sizes are
// known. It can be reassigned and escalated to one of them.
func withGroups(r handle.Request) handle.Request {
	r = r.Clone()
	r.Terms.Approvers = []string{sandbox.Ann, sandbox.Bob, sandbox.Approvers}
	r.Terms.ReassignTo, r.Terms.EscalateTo, r.Terms.EscalateAt = []string{sandbox.Bob, security}, []string{security}, after(2*time.Hour)
	return r.RecordGroups(map[string]handle.Group{
		sandbox.Approvers: {Name: "platform-approvers", Size: 26},
		security:          {Name: "security", Size: 14},
	})
}

// The actions of the samples cannot be refused, because the people in them may take them.

func asked(r handle.Request) handle.Request {
	r, _, _ = r.Ask(handle.Voter{Person: ann, Home: true}, "How long do you need it, and which team pays for it?", after(10*time.Minute))
	return r
}

func answered(r handle.Request) handle.Request {
	rita := handle.Person{Team: sandbox.Team, ID: sandbox.Rita, Name: "Rita Requester"}
	r, _ = r.AnswerQuestion("q1", handle.Voter{Person: rita, Home: true}, "Until the end of May. The orders team pays.", after(25*time.Minute))
	return r
}

func reviewed(r handle.Request) handle.Request {
	r, _ = r.StartReview(handle.Voter{Person: ann, Home: true}, after(10*time.Minute))
	r, _ = r.StartReview(handle.Voter{Person: bob, Home: true}, after(20*time.Minute))
	return r
}

func reassigned(r handle.Request) handle.Request {
	r, _ = r.Reassign(handle.Voter{Person: ann, Home: true}, []string{security}, after(30*time.Minute))
	return r
}

// named returns r with a group whose members are known, so that only those who have not
// acted are mentioned.
func named(r handle.Request) handle.Request {
	return r.RecordGroups(map[string]handle.Group{sandbox.Approvers: {Name: "platform-approvers", Size: 2, Members: []string{sandbox.Ann, sandbox.Bob}}})
}

func nudged(r handle.Request) handle.Request {
	rita := handle.Person{Team: sandbox.Team, ID: sandbox.Rita, Name: "Rita Requester"}
	r, _ = r.Nudge(handle.Voter{Person: rita, Home: true}, after(3*time.Hour))
	return r
}

func linkLocked(r handle.Request) handle.Request {
	wrong := handle.Ticket{ID: r.ID, Verdict: handle.Reject}.WrongCode("a sealed ticket")
	for range handle.MaxWrongCodes {
		r = r.RecordRefusal(handle.Person{Name: "Kim Lee"}, wrong, after(time.Hour))
	}
	return r
}

// unverified returns r as it is before CloudFormation has been asked about it.
func unverified(r handle.Request) handle.Request {
	r = notLookedUp(unread(r))
	r.Stack.Unverified = true
	return r
}

// notLookedUp returns r as it is before Slack has been asked about the requester.
func notLookedUp(r handle.Request) handle.Request {
	r = r.Clone()
	r.Requester.SlackID, r.Requester.SlackIDs, r.Requester.Proven, r.Requester.LookedUp = "", nil, false, false
	return r
}

// unread returns r without what only CloudFormation says.
func unread(r handle.Request) handle.Request {
	return r.VerifyStack(handle.Product{Name: r.Product.Name}, "", nil, handle.Content{})
}

// claimed returns r launched without Service Catalog: the stack has no tags.
func claimed(r handle.Request) handle.Request {
	return r.VerifyStack(handle.Product{Name: r.Product.Name}, "", r.Parameters, handle.Content{}).IdentifyRequester(sandbox.Rita, []string{sandbox.Rita}, false)
}

func unknown(r handle.Request) handle.Request {
	return claimed(r).IdentifyRequester("", nil, false)
}

func warned(r handle.Request) handle.Request {
	r = r.Clone()
	r.Terms.UnprovenRequester = handle.UnprovenWarn
	return r
}

func otherAccount(r handle.Request) handle.Request {
	const account = "444455556666"
	r = unread(r).IdentifyRequester(sandbox.Rita, []string{sandbox.Rita}, false)
	r.Stack.ID, r.Stack.Name = strings.ReplaceAll(r.Stack.ID, sandbox.Account, account), strings.ReplaceAll(r.Stack.Name, sandbox.Account, account)
	r.Stack.Account, r.Stack.AccountName, r.Stack.OtherAccount = account, "", true
	return r
}

func impersonating(r handle.Request) handle.Request {
	r = r.Clone()
	r.Requester.Email, r.Requester.Principal = "bob@example.com", "arn:aws:sts::"+sandbox.Account+":assumed-role/Requesters/rita"
	return r.IdentifyRequester(sandbox.Bob, []string{sandbox.Bob}, false)
}

func hostile(r handle.Request) handle.Request {
	r = r.Clone()
	r.Product.ProductName, r.Product.VersionName, r.Stack.AccountName = "Queue* <!channel> <@U0BOB> `x`", "", "*test*"
	r.Product.Provisioned = "<https://evil.example.com|AWS console>"
	r.Requester.Email = "rita@example.com\n*Approvals*\n1 of 1"
	r.Requester.Principal = ""
	r.Purpose = "<!here> please approve :white_check_mark:\n*Approved* by <@U0ANN>\n\u202Egnp.exe & <script>alert(1)</script>"
	r.Details = []handle.Field{{Name: "`*Region*`", Value: "` <!everyone> `"}, {Name: "Cost", Value: "&lt;b&gt;0&lt;/b&gt;"}}
	r.Parameters = []handle.Field{{Name: "Note", Value: "~struck~ _bent_ <!subteam^S0PLATFORM> " + longWord}}
	return r.IdentifyRequester(sandbox.Rita, []string{sandbox.Rita}, false)
}

const longWord = "averylongwordwithoutanyplacewhereitcouldbebrokenaveryveryverylongwordindeed"

// approved adds an approval in Slack. It cannot be refused, because the samples'
// approvers may approve.
func approved(r handle.Request, who handle.Person) handle.Request {
	v := handle.Voter{Person: who, Home: true, Groups: []string{sandbox.Approvers}}
	r, _ = r.VoteBySlack(v, handle.Approve, "", after(time.Duration(10*(len(r.Votes)+1))*time.Minute))
	return r
}

func rejected(r handle.Request) handle.Request {
	v := handle.Voter{Person: ann, Home: true, Groups: []string{sandbox.Approvers}}
	r, _ = r.VoteBySlack(v, handle.Reject, "Use the shared queue of the orders team; it has room. Ask in #orders if it has not.", after(14*time.Minute))
	return r
}

func byMail(r handle.Request) handle.Request {
	r = r.MarkDelivered(handle.Notification{Name: handle.NotifyAsked}.MailKey(), "", "", sampleTime)
	r, _ = r.VoteByMail("Ann Approver", handle.Approve, "", after(25*time.Minute))
	return r
}

func expired(r handle.Request) handle.Request { return r.Expire(r.Terms.Deadline) }

func bypassed(r handle.Request) handle.Request {
	return r.RecordBypass("the wait was released while the request was pending", after(5*time.Minute)).
		RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", Reason: "The following resource(s) failed to create: [ApprovalVerdict].", At: after(6 * time.Minute)})
}

func launched(r handle.Request) handle.Request {
	return r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: after(12 * time.Minute), Outputs: []handle.Field{
		{Name: "ApprovedBy", Value: "Ann Approver"},
		{Name: "QueueUrl", Value: "https://sqs." + sandbox.Region + ".amazonaws.com/" + sandbox.Account + "/orders-queue"},
	}})
}

func launchFailed(r handle.Request) handle.Request {
	return r.RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: after(12 * time.Minute),
		Reason: "Resource handler returned message: \"You have reached the quota of your account.\""})
}

// updating returns a pending request of an update of the launched product.
func updating() handle.Request {
	r := launchedBefore()
	r.Update = &handle.Update{Approved: r.ID, RequestID: "8c1d7f00", PhysicalID: r.ID, Changes: []handle.Change{
		{Name: "Environment", Old: "test", New: "production"}, {Name: "RetentionDays", Old: "4", New: "14"},
	}}
	r.ID, r.Stack.Updating = handle.NewID(r.Stack.ID, r.Stack.Gate, "8c1d7f00"), true
	r.Details[1].Value, r.Parameters[2].Value = "14 days", "14"
	r.Terms.Deadline = after(time.Hour - handle.MinMargin)
	r.Terms.Reminders = handle.ReminderTimes(sampleTime, r.Terms.Deadline, handle.DefaultReminders(), handle.WorkingHours{})
	r.Requester.Launcher, r.Requester.Principal = r.Requester.Principal, ""
	return r.IdentifyRequester(sandbox.Rita, []string{sandbox.Rita}, false).RecordCreation()
}

// launchedBefore returns a request without events.
func launchedBefore() handle.Request {
	r := pending(1).Clone()
	r.Events = nil
	return r
}

func unshown(r handle.Request) handle.Request {
	r = r.Clone()
	r.Update.Unshown = true
	return r
}

func unknownBefore(r handle.Request) handle.Request {
	r = r.Clone()
	r.Update.Approved, r.Update.Changes = "", nil
	return r
}

func updated(r handle.Request) handle.Request {
	return r.RecordEnd(handle.Ended{Status: "UPDATE_COMPLETE", At: after(22 * time.Minute)})
}

func bypassedByUpdate(r handle.Request) handle.Request {
	return r.RecordBypass("an update changed its template without an approval", after(26*time.Hour))
}

// grantable returns an expired launch that n people may approve late.
func grantable(n int) handle.Request {
	r := pending(n).Clone()
	r.Terms.GrantForSeconds = int((72 * time.Hour).Seconds())
	r.Content = contentOf(r)
	return expired(r)
}

// contentOf returns the content of a sample.
func contentOf(r handle.Request) handle.Content {
	return handle.Content{
		Product: r.Product.ID, Version: r.Product.Version, Template: handle.TemplateDigest("the sample's template"),
		Account: r.Stack.Account, Region: r.Stack.Region, Principal: r.Requester.Principal,
	}
}

// withoutTemplate returns r where GetTemplate is denied.
func withoutTemplate(r handle.Request) handle.Request {
	r = r.Clone()
	r.Content = contentOf(r)
	r.Content.Template = ""
	return r
}

// lateTime is when the samples' approvers approve an expired launch.
var lateTime = after(50 * time.Hour)

func approvedLate(r handle.Request, who handle.Person) handle.Request {
	v := handle.Voter{Person: who, Home: true, Groups: []string{sandbox.Approvers}}
	r, _ = r.VoteBySlack(v, handle.Approve, "", lateTime)
	return r
}

func revoked(r handle.Request) handle.Request {
	v := handle.Voter{Person: bob, Home: true, Groups: []string{sandbox.Approvers}}
	r, _ = r.RevokeGrant(v, lateTime.Add(time.Hour))
	return r
}

func lapsed(r handle.Request) handle.Request { return r.LapseGrant(r.Grant.Until) }

func used(r handle.Request) handle.Request {
	r, _ = r.UseGrant(relaunched(r).ID, lateTime.Add(time.Hour))
	return r
}

// relaunched returns the request of a relaunch of given's content.
func relaunched(given handle.Request) handle.Request {
	r := launchedBefore()
	r.Content, r.GrantFrom = given.Content, given.ID
	r.ID, r.CreatedAt = handle.NewID(r.Stack.ID, r.Stack.Gate, "9e2f3a11"), lateTime.Add(time.Hour)
	r.Terms.Deadline = r.CreatedAt.Add(sampleWait - handle.MinMargin)
	return r.RecordCreation()
}

func byGrant(given handle.Request) handle.Request {
	return relaunched(given).ApproveByGrant(given, lateTime.Add(time.Hour))
}
