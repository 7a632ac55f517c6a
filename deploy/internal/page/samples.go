package page

import (
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

// samples returns a request in every state. Each is built by the request's own
// methods, so that it is a state that can occur.
func samples() []sample {
	return []sample{
		{"Pending", "0 of 1 approvals. AWS proves who the requester is.", pending(1)},
		{"Pending, one of two", "Ann has approved; one more person must.", approved(pending(2), ann)},
		{"Pending, requester claimed", "The launch carries no principal proven by AWS.", claimed(pending(1))},
		{"Pending, requester claims to be someone else", "AWS proves a principal that is not in Slack; the typed e-mail belongs to another person.", impersonating(pending(1))},
		{"Pending, hostile text", "Every text that a launch controls tries to mention people, forge a field or break out of its markup.", hostile(pending(1))},
		{"Pending, mailed link locked", "Five wrong codes were entered at one of the mailed links.", linkLocked(pending(3))},
		{"Approved", "The launch continues.", approved(pending(1), ann)},
		{"Approved by two", "Both are named.", approved(approved(pending(2), ann), bob)},
		{"Approved by mail", "Slack was down; the approver typed a name on the mailed page.", byMail(pending(1))},
		{"Rejected", "The reason is also in the stack's events.", rejected(pending(1))},
		{"Expired", "No decision before the deadline.", expired(pending(1))},
		{"Withdrawn", "The stack was deleted or rolled back before a decision.", pending(1).Withdraw("the stack was rolled back or deleted before a decision", after(20*time.Minute))},
		{"Signal refused", "Approved, but CloudFormation no longer accepts the signal.", approved(pending(1), ann).MarkSignalled("couldn't signal CloudFormation: it answered 403 Forbidden", after(time.Hour))},
		{"Bypassed approval", "The wait handle was signalled without an approval.", bypassed(pending(1))},
		{"Approved and launched", "The stack was created.", launched(approved(pending(1), ann))},
		{"Approved, but the launch failed", "A resource behind the gate failed; the thread says which.", launchFailed(approved(pending(1), ann))},
	}
}

var (
	ann = handle.Person{Team: sandbox.Team, ID: sandbox.Ann, Name: "Ann Approver"}
	bob = handle.Person{Team: sandbox.Team, ID: sandbox.Bob, Name: "Bob Approver"}
)

func after(d time.Duration) time.Time { return sampleTime.Add(d) }

// pending returns a new request that needs n approvals.
func pending(n int) handle.Request {
	const stack = "SC-" + sandbox.Account + "-pp-7kq2example4x"
	id := "arn:aws:cloudformation:" + sandbox.Region + ":" + sandbox.Account + ":stack/" + stack + "/5f0c2c40-1600-11f1-9d8e-0e1example01"
	deadline := after(11*time.Hour - handle.MinMargin)
	r := handle.Request{
		ID:        handle.NewID(id, "ApprovalRequest", "5f0c2c40"),
		CreatedAt: sampleTime,
		Stack:     handle.Stack{ID: id, Name: stack, Account: sandbox.Account, Region: sandbox.Region, Gate: "ApprovalRequest"},
		Product: handle.Product{
			Name: "Message queue (production)", ID: sandbox.ProductID, Version: sandbox.ProvisioningArtifactID,
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
			Deadline: deadline, RemindAt: handle.ReminderTime(sampleTime, deadline),
		},
	}
	return r.IdentifyRequester(sandbox.Rita, []string{sandbox.Rita}, true).RecordCreation()
}

func linkLocked(r handle.Request) handle.Request {
	wrong := handle.Ticket{ID: r.ID, Verdict: handle.Reject}.WrongCode("a sealed ticket")
	for range handle.MaxWrongCodes {
		r = r.RecordRefusal(handle.Person{Name: "Kim Lee"}, wrong, after(time.Hour))
	}
	return r
}

func claimed(r handle.Request) handle.Request {
	r = r.Clone()
	r.Requester.Principal, r.Product = "", handle.Product{Name: r.Product.Name}
	return r.IdentifyRequester("", nil, false)
}

func impersonating(r handle.Request) handle.Request {
	r = r.Clone()
	r.Requester.Email, r.Requester.Principal = "bob@example.com", "arn:aws:sts::"+sandbox.Account+":assumed-role/Requesters/rita"
	return r.IdentifyRequester(sandbox.Bob, []string{sandbox.Bob}, false)
}

func hostile(r handle.Request) handle.Request {
	r = r.Clone()
	r.Product.Name = "Queue* <!channel> <@U0BOB> `x`"
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
