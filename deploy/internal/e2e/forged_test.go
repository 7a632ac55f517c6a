package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// Rita invokes the notifier and publishes to its topic with events that she made up,
// while a launch of hers waits. They change nothing.
func (d *deployment) forged(t *testing.T) {
	l := d.launch(t, d.newChannel("C0FORGED"), gated(t, "C0FORGED"), purposeParameter)
	l.expectRequest()
	l.checkMessages()
	before, err := l.request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.invoke(l.forge("Create", "create", before.ID))
	l.invoke(l.forge("Delete", "delete", before.ID))
	l.expectRefusals("create", "delete")

	// An answer that CloudFormation's bucket accepts is not enough while the stack is
	// in progress.
	accepted := l.answers.accept(l.stack, "ApprovalRequest", "accepted", "")
	l.invoke(l.forge("Delete", "accepted", before.ID))
	eventually(t, waitLimit, "the answer to a Delete", func(context.Context) error {
		if n := len(l.answers.at("/" + l.stack + "|ApprovalRequest|accepted")); n == 0 {
			return fmt.Errorf("none at %s", accepted)
		}
		return nil
	})
	l.expectLog("whose stack is still in progress", before.ID)

	l.publish(l.forge("Create", "topic-create", before.ID))
	l.publish(l.forge("Delete", "topic-delete", before.ID))
	l.expectLog("a topic message about a stack of this account")
	l.publish(l.statusEvent("ROLLBACK_COMPLETE", "forged"))
	l.publish([]byte(sweep))
	l.expectLog("a topic message that is not a custom resource request")

	after, err := l.request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after, cmp.Comparer(handle.WaitURL.Same)); diff != "" {
		t.Errorf("the forged events changed the request:\n%s", diff)
	}
	if n := l.answers.refusals("/" + l.stack + "|ApprovalRequest|topic-create"); n != 0 {
		t.Errorf("%d answers to a forged event of the topic", n)
	}
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	l.expectStackStatus("CREATE_COMPLETE")
	l.checkLaws()
}

// forge returns a custom resource request about the launch that CloudFormation did
// not send.
func (l *launch) forge(kind, id, physicalID string) []byte {
	l.t.Helper()
	fields := map[string]any{
		"RequestType": kind, "RequestId": id, "ResponseURL": l.answers.url(l.stack, "ApprovalRequest", id),
		"StackId": l.stack, "ResourceType": "Custom::ApprovalRequest", "LogicalResourceId": "ApprovalRequest",
		"ResourceProperties": map[string]string{"WaitUrl": l.waitURL(), "EmailID": "ceo@example.com", "Channel": l.channel, "Timeout": "39600"},
	}
	if kind == "Delete" {
		fields["PhysicalResourceId"] = physicalID
	}
	event, err := json.Marshal(fields)
	if err != nil {
		l.t.Fatal(err)
	}
	return event
}

// expectRefusals waits until the answers to forged events have been refused.
func (l *launch) expectRefusals(ids ...string) {
	l.t.Helper()
	for _, id := range ids {
		eventually(l.t, waitLimit, "the answer to the event "+id, func(context.Context) error {
			if l.answers.refusals("/"+l.stack+"|ApprovalRequest|"+id) == 0 {
				return fmt.Errorf("none")
			}
			return nil
		})
	}
}

// expectLog waits for a line of the functions' logs that contains all of words.
func (l *launch) expectLog(words ...string) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the log", func(ctx context.Context) error {
		for _, line := range l.logs(ctx) {
			if contains(line, words) == nil {
				return nil
			}
		}
		return fmt.Errorf("no line with %q", words)
	})
}

// publish publishes to the topic for other accounts' launches.
func (l *launch) publish(message []byte) {
	l.t.Helper()
	_, err := sns.NewFromConfig(l.aws).Publish(l.t.Context(), &sns.PublishInput{
		TopicArn: aws.String(l.outputs["ServiceTokenForOtherAccounts"]), Message: aws.String(string(message)),
		Subject: aws.String("AWS CloudFormation custom resource request"),
	})
	if err != nil {
		l.t.Fatalf("couldn't publish: %v", err)
	}
}

// otherAccount is an account of the same organization.
const otherAccount = "444455556666"

// A product is launched in another account. Its events come through the topic, and
// its stack cannot be read, so two people must approve. On MiniStack a ServiceToken
// cannot be a topic, so a function publishes the events in CloudFormation's place.
func (d *deployment) otherAccount(t *testing.T) {
	const function = "relay-otheraccount"
	var l *launch
	launched := make(chan struct{})
	other := accountConfig(d.ministack.origin, otherAccount)
	r := d.newRelay(t, other, function, func(event []byte) {
		<-launched
		l.publish(event)
	})
	l = d.launchIn(t, other, otherAccount, nil, d.newChannel("C0OTHERACCOUNT"),
		gated(t, "C0OTHERACCOUNT", "function:countersign-notifier", "function:"+function), purposeParameter)
	close(launched)
	if !strings.Contains(l.stack, ":"+otherAccount+":") {
		t.Fatalf("the stack is in the wrong account: %s", l.stack)
	}
	l.expectRequest()
	l.expectMessage("2 people must approve", otherAccount)
	l.expectAnswers(r.event(t, "ApprovalRequest").answer, 1)
	if got, err := l.request(t.Context()); err != nil || got.Stack.Unverified || got.Requester.Proven {
		t.Errorf("%v, unverified: %t, proven: %t", err, got.Stack.Unverified, got.Requester.Proven)
	}
	l.approveByTwo()
	l.expectStackEnd("CREATE_COMPLETE")
	l.expectAnswers(r.event(t, "ApprovalVerdict").answer, 1)
	l.checkMessages()
	l.checkSecrets() // not checkOneDecision: MiniStack records the events of signals in its default account only
}
