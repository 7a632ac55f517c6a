package handletest

import (
	"fmt"
	"strings"
	"time"

	"countersign/handle"
)

// Request returns what the notifier stores for a launch received at the given
// time: pending, not posted yet, with two approvers of whom one must approve, and
// an 11 hour timeout. Each n is another stack with its own valid wait URL. The
// edits are applied last, in order; an edit that changes Stack must also set ID,
// as [WithGate] does.
//
// It panics if package handle refuses the request.
func Request(n int, at time.Time, edits ...func(*handle.Request)) handle.Request {
	provisioned := fmt.Sprintf("pp-%013d", n)
	stack := handle.Stack{
		Name:    "SC-111122223333-" + provisioned,
		Account: "111122223333",
		Region:  "us-east-1",
		Gate:    "ApprovalRequest",
	}
	stack.ID = fmt.Sprintf("arn:aws:cloudformation:us-east-1:111122223333:stack/%s/5f0c1d70-c8a1-11f0-9f6a-%012x", stack.Name, n)

	waitURL := WaitURL(stack.ID, at)
	deadline, err := handle.DecisionDeadline(at, 11*time.Hour, handle.MinMargin, waitURL)
	if err != nil {
		panic("handletest: " + err.Error())
	}
	r := handle.Request{
		ID:        handle.NewID(stack.ID, stack.Gate, fmt.Sprintf("3c2e8a1f-%08x", n)),
		CreatedAt: at,
		Stack:     stack,
		Product: handle.Product{
			Name:          "Analytics workbench",
			ID:            "prod-4abcdefghijkl",
			Version:       "pa-4abcdefghijkl",
			Portfolio:     "port-4abcdefghijkl",
			Provisioned:   fmt.Sprintf("workbench-%d", n),
			ProvisionedID: provisioned,
		},
		Requester: handle.Requester{
			Email:     "robin.requester@example.com",
			Principal: "arn:aws:sts::111122223333:assumed-role/Developers/robin.requester@example.com",
		},
		Purpose:    "Monthly report <draft> & review",
		Details:    []handle.Field{{Name: "Instance type", Value: "m7i.large"}, {Name: "Cost centre", Value: "4711"}},
		Parameters: []handle.Field{{Name: "InstanceType", Value: "m7i.large"}, {Name: "MasterPassword", Value: "****"}},
		Terms: handle.Terms{
			Channel:   "C0APPROVALS",
			Approvers: []string{"U0APPROVER1", "S0APPROVERS"},
			Approvals: 1,
			Deadline:  deadline,
			Reminders: handle.ReminderTimes(at, deadline, handle.DefaultReminders(), handle.WorkingHours{}),
		},
		WaitURL: waitURL,
	}.RecordCreation()
	if err := r.Terms.Check(); err != nil {
		panic("handletest: " + err.Error())
	}
	for _, edit := range edits {
		edit(&r)
	}
	return r
}

// WithGate is an edit for [Request]: the request belongs to another gate of the
// same stack, the resource with the given logical ID.
func WithGate(logicalID string) func(*handle.Request) {
	return func(r *handle.Request) {
		r.Stack.Gate = logicalID
		r.ID = handle.NewID(r.Stack.ID, logicalID, r.ID)
	}
}

// WaitURL returns a URL such as CloudFormation creates at the given time for a wait
// condition handle of the stack with ARN stackID, in us-east-1. It is as long as a
// real one and valid for 12 hours minus a second.
func WaitURL(stackID string, at time.Time) handle.WaitURL {
	at = at.UTC()
	raw := "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/" + strings.ReplaceAll(stackID, ":", "%3A") + "/ApprovalHandle" +
		"?X-Amz-Security-Token=" + fmt.Sprintf("%01000d", 0) +
		"&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Date=" + at.Format("20060102T150405Z") +
		"&X-Amz-SignedHeaders=host&X-Amz-Expires=43199" +
		"&X-Amz-Credential=ASIASIMULATEDEXAMPLE%2F" + at.Format("20060102") + "%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Signature=" + fmt.Sprintf("%064x", at.UnixNano())
	u, err := handle.ParseWaitURL(raw, stackID, nil, at)
	if err != nil {
		panic("handletest: " + err.Error())
	}
	return u
}

// WithNextDue is an edit for [Request]: NextDue is the given time, because the
// expiry is the only step that has not been abandoned.
func WithNextDue(deadline time.Time) func(*handle.Request) {
	return func(r *handle.Request) {
		r.Terms.Deadline = deadline
		abandon(r, handle.StepExpire)
		if !r.NextDue().Equal(deadline) {
			panic(fmt.Sprintf("handletest: the request is due at %v, not at its deadline %v", r.NextDue(), deadline))
		}
	}
}

// WithNothingDue is an edit for [Request]: no step is outstanding, so NextDue is
// zero.
func WithNothingDue(r *handle.Request) {
	*r = r.Withdraw("no one could be asked", r.CreatedAt)
	abandon(r, "")
	if !r.NextDue().IsZero() {
		panic(fmt.Sprintf("handletest: the request is due at %v, want never", r.NextDue()))
	}
}

// WithGrant is an edit for [Request]: the request expired, and was then approved for
// a relaunch, a minute after its deadline. Its content is that of the template.
func WithGrant(template string) func(*handle.Request) {
	return func(r *handle.Request) {
		r.Requester.Proven = true
		r.Terms.GrantForSeconds = 72 * 60 * 60
		r.Content = handle.Content{
			Product: r.Product.ID, Version: r.Product.Version, Template: handle.TemplateDigest(template),
			Account: r.Stack.Account, Region: r.Stack.Region, Principal: r.Requester.Principal,
		}
		*r = r.Expire(r.Terms.Deadline)
		r.Grant.At = r.Terms.Deadline.Add(time.Minute)
		if r.GrantKey() != r.Content.Digest() {
			panic("handletest: the request's grant is not open")
		}
	}
}

// abandon marks all outstanding steps as abandoned, except those of kind kept.
func abandon(r *handle.Request, kept handle.StepKind) {
	r.Attempts = map[string]handle.Attempts{}
	for n := -1; n < len(r.Attempts); { // abandoning one step can make another outstanding
		n = len(r.Attempts)
		for _, step := range r.Outstanding() {
			if step.Kind != kept {
				r.Attempts[step.Key()] = handle.Attempts{Count: 1, Abandoned: true}
			}
		}
	}
}
