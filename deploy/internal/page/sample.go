package page

import (
	"time"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// sample is one state of a request that the storybook shows.
type sample struct {
	Name    string
	About   string
	Request handle.Request
}

// sampleTime is when every sample was asked for.
var sampleTime = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// samples are all states in which a message can be. Each is reached by the laws
// of the record, as a real one is.
func samples() []sample {
	return []sample{
		{"Pending", "0 of 1. Who asks is proven by AWS.", asked(1)},
		{"Pending, one of two", "Ann has approved; somebody else must too.", approved(asked(2), ann)},
		{"Pending, who asks is only claimed", "The launch carries no principal that AWS vouches for.", claimed(asked(1))},
		{"Pending, who asks claims to be another", "AWS proves a name that Slack does not know; the e-mail that was typed is somebody else's.", another(asked(1))},
		{"Pending, hostile text", "Everything that a launch can choose tries to ping, to forge and to break out.", hostile(asked(1))},
		{"Approved", "The launch continues.", approved(asked(1), ann)},
		{"Approved by two", "Both are named.", approved(approved(asked(2), ann), bob)},
		{"Approved by mail", "Slack was down; whoever read the mail typed a name.", byMail(asked(1))},
		{"Rejected", "With the reason, which is also in the stack's events.", rejected(asked(1))},
		{"Expired", "Nobody decided in time.", expired(asked(1))},
		{"Withdrawn", "The stack gave up before anybody decided.", asked(1).Withdraw("the stack was rolled back or deleted before anybody decided", after(20*time.Minute))},
		{"Unsignalled", "Decided, but CloudFormation no longer takes the signal.", approved(asked(1), ann).MarkSignalled("couldn't signal CloudFormation: it answered 403 Forbidden", after(time.Hour))},
		{"Bypassed approval", "Somebody signalled the wait handle without an approval.", bypassed(asked(1))},
		{"Approved and launched", "The stack is ready.", launchedWell(approved(asked(1), ann))},
		{"Approved, but the launch failed", "A resource behind the gate failed, and the thread says which.", launchedBadly(approved(asked(1), ann))},
	}
}

var (
	ann = handle.Person{Team: sandbox.Team, ID: sandbox.Ann, Name: "Ann Approver"}
	bob = handle.Person{Team: sandbox.Team, ID: sandbox.Bob, Name: "Bob Approver"}
)

func after(d time.Duration) time.Time { return sampleTime.Add(d) }

// asked is a request as the notifier makes it at launch, that needs n approvals.
func asked(n int) handle.Request {
	const stack = "SC-" + sandbox.Account + "-pp-7kq2example4x"
	id := "arn:aws:cloudformation:" + sandbox.Region + ":" + sandbox.Account + ":stack/" + stack + "/5f0c2c40-1600-11f1-9d8e-0e1example01"
	deadline := after(11*time.Hour - handle.MinMargin)
	r := handle.Request{
		ID:        handle.NewID(id, "ApprovalRequest", "5f0c2c40"),
		CreatedAt: sampleTime,
		Stack:     handle.Stack{ID: id, Name: stack, Account: sandbox.Account, Region: sandbox.Region, Gate: "ApprovalRequest"},
		Product: handle.Product{
			Name: "Message queue (production)", ID: "prod-4a7bexample1", Version: "pa-6e8fexample1",
			Portfolio: "port-2c5dexample1", Provisioned: "orders-queue", ProvisionedID: "pp-7kq2example4x",
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

func claimed(r handle.Request) handle.Request {
	r = r.Clone()
	r.Requester.Principal, r.Product = "", handle.Product{Name: r.Product.Name}
	return r.IdentifyRequester("", nil, false)
}

func another(r handle.Request) handle.Request {
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

// approved adds an approval, as Slack vouches for it. The samples' approvers may
// approve, so the law cannot refuse.
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

func launchedWell(r handle.Request) handle.Request {
	return r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: after(12 * time.Minute), Outputs: []handle.Field{
		{Name: "ApprovedBy", Value: "Ann Approver"},
		{Name: "QueueUrl", Value: "https://sqs." + sandbox.Region + ".amazonaws.com/" + sandbox.Account + "/orders-queue"},
	}})
}

func launchedBadly(r handle.Request) handle.Request {
	return r.RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: after(12 * time.Minute),
		Reason: "Resource handler returned message: \"You have reached the quota of your account.\""})
}
