package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// waitLimit bounds most waits. It includes one sweep, which retries what failed
// because Slack was rate limited or the machine busy.
const waitLimit = 100 * time.Second

// expectRequest waits until Slack shows one message with both buttons and the stack
// waits.
func (l *launch) expectRequest() {
	l.t.Helper()
	l.expectButtons()
	eventually(l.t, waitLimit, "the wait condition", func(ctx context.Context) error {
		for _, e := range l.events(ctx) {
			if e.Type == "AWS::CloudFormation::WaitCondition" {
				return nil
			}
		}
		return errors.New("the stack does not wait yet")
	})
}

// expectButtons waits until Slack shows one message of the newest request, with its
// buttons.
func (l *launch) expectButtons() {
	l.t.Helper()
	eventually(l.t, waitLimit, "the request in Slack", func(ctx context.Context) error {
		r, err := l.request(ctx)
		if err != nil {
			return err
		}
		if len(r.Messages) != 1 {
			return fmt.Errorf("%d messages are on record", len(r.Messages))
		}
		if n := len(l.message().ButtonsIn("decide")); n != 3 {
			return fmt.Errorf("the message has %d buttons", n)
		}
		return nil
	})
}

// message returns the channel's only message of the newest request.
func (l *launch) message() slacktest.Message {
	l.t.Helper()
	var own []slacktest.Message
	for _, m := range l.slack.Messages(l.channel) {
		if strings.Contains(string(m.Blocks), l.stackName()) {
			own = append(own, m)
		}
	}
	if len(own) != 1+l.updates {
		l.t.Fatalf("the channel has %d messages of the launch, not %d", len(own), 1+l.updates)
	}
	return own[len(own)-1]
}

// stackName returns the stack's name, from its ARN.
func (l *launch) stackName() string { return stackName(l.stack) }

// expectMessage waits until the message contains all of words.
func (l *launch) expectMessage(words ...string) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the message", func(context.Context) error {
		return contains(string(l.message().Blocks), words)
	})
}

// expectRefusal clicks Approve, which must change nothing and be answered privately
// with words.
func (l *launch) expectRefusal(who, words string) {
	l.t.Helper()
	before, err := l.request(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	l.click(who, handle.Approve)
	if r := l.expectState(before.State()); len(r.Votes) != len(before.Votes) {
		l.t.Fatalf("the approval of %s was counted", who)
	}
	for _, m := range l.slack.Ephemerals(who) {
		if m.ChannelID == l.channel && strings.Contains(m.Text, words) {
			return
		}
	}
	l.t.Fatalf("%s was not answered with %q", who, words)
}

// expectRequester waits until the launch is verified and the requester proven.
func (l *launch) expectRequester(id string) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the verification", func(ctx context.Context) error {
		r, err := l.request(ctx)
		if err == nil && (r.Stack.Unverified || !r.Requester.Proven || r.Requester.SlackID != id) {
			err = fmt.Errorf("unverified: %t, proven: %t, the requester is %q", r.Stack.Unverified, r.Requester.Proven, r.Requester.SlackID)
		}
		return err
	})
}

// approveByTwo approves as Ann, which is not enough, and then as Bob.
func (l *launch) approveByTwo() {
	l.t.Helper()
	l.click(sandbox.Ann, handle.Approve)
	if r := l.expectState(handle.Pending); len(r.Votes) != 1 {
		l.t.Fatalf("%d votes are on record, want 1", len(r.Votes))
	}
	l.expectThread("approved by <@" + sandbox.Ann + ">; 1 more approval is needed")
	l.click(sandbox.Bob, handle.Approve)
	l.expectState(handle.Approved)
	l.expectThread("<@"+sandbox.Ann+">", "<@"+sandbox.Bob+">")
}

// expectMail waits for the mail that asks for a decision.
func (l *launch) expectMail() (found mail) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the mail", func(ctx context.Context) error {
		r, err := l.request(ctx)
		if err != nil {
			return err
		}
		n := 0
		for _, m := range l.mailbox.all() {
			if strings.Contains(m.Body, r.ID) && decideLink.MatchString(m.Body) {
				found, n = m, n+1
			}
		}
		if n != 1 {
			return fmt.Errorf("got %d mails, want 1", n)
		}
		return nil
	})
	return found
}

// expectState waits until the request has a state.
func (l *launch) expectState(want handle.State) handle.Request {
	return l.expectStateWithin(waitLimit, want)
}

func (l *launch) expectStateWithin(limit time.Duration, want handle.State) (r handle.Request) {
	l.t.Helper()
	eventually(l.t, limit, "the request", func(ctx context.Context) (err error) {
		if r, err = l.request(ctx); err == nil && r.State() != want {
			err = fmt.Errorf("the request is %s, not %s", r.State(), want)
		}
		return err
	})
	return r
}

// expectStackStatus waits for the stack's final status and sends its event.
func (l *launch) expectStackStatus(want string) {
	l.t.Helper()
	l.sendStatusEvent(want, l.expectStackEnd(want))
}

// expectStackEnd waits for the stack's final status and returns its reason.
func (l *launch) expectStackEnd(want string) string {
	l.t.Helper()
	reason := ""
	eventually(l.t, waitLimit, "the stack", func(ctx context.Context) error {
		out, err := cloudformation.NewFromConfig(l.account).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &l.stack})
		if err != nil {
			return err
		}
		s := out.Stacks[0]
		if s.StackStatusReason != nil {
			reason = *s.StackStatusReason
		}
		if string(s.StackStatus) != want {
			return fmt.Errorf("it is %s, not %s: %s", s.StackStatus, want, reason)
		}
		return nil
	})
	return reason
}

// expectEvent waits for an event of the stack.
func (l *launch) expectEvent(logicalID, status, words string) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the stack's events", func(ctx context.Context) error {
		for _, e := range l.events(ctx) {
			if e.LogicalID == logicalID && e.Status == status && strings.Contains(e.Reason, words) {
				return nil
			}
		}
		return fmt.Errorf("no event %s of %s with %q", status, logicalID, words)
	})
}

// stackEvent is one event of a stack.
type stackEvent struct{ LogicalID, PhysicalID, Type, Status, Reason string }

// events returns the events of the stack, oldest first.
func (l *launch) events(ctx context.Context) (list []stackEvent) {
	l.t.Helper()
	pages := cloudformation.NewDescribeStackEventsPaginator(cloudformation.NewFromConfig(l.account), &cloudformation.DescribeStackEventsInput{StackName: &l.stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			l.t.Fatalf("couldn't read the stack's events: %v", err)
		}
		for _, e := range page.StackEvents {
			one := stackEvent{LogicalID: *e.LogicalResourceId, Type: *e.ResourceType, Status: string(e.ResourceStatus)}
			if e.PhysicalResourceId != nil {
				one.PhysicalID = *e.PhysicalResourceId
			}
			if e.ResourceStatusReason != nil {
				one.Reason = *e.ResourceStatusReason
			}
			list = append([]stackEvent{one}, list...)
		}
	}
	return list
}

// expectThread waits until the thread contains all of words.
func (l *launch) expectThread(words ...string) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the thread", func(context.Context) error {
		var text strings.Builder
		for _, reply := range l.message().Replies {
			text.WriteString(reply.Text + "\n")
		}
		return contains(text.String(), words)
	})
}

// expectDM waits until the direct messages to the requester contain all of words.
func (l *launch) expectDM(words ...string) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the direct messages", func(context.Context) error {
		var text strings.Builder
		for _, m := range l.slack.DMs(l.requester.ID) {
			for _, m := range append([]slacktest.Message{m}, m.Replies...) {
				text.WriteString(m.Text + "\n")
			}
		}
		return contains(text.String(), words)
	})
}

func contains(text string, words []string) error {
	var errs []error
	for _, w := range words {
		if !strings.Contains(text, w) {
			errs = append(errs, fmt.Errorf("no %q in:\n%s", w, text))
		}
	}
	return errors.Join(errs...)
}
