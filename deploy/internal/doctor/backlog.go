package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
	"countersign/handle/dynamo"
)

const (
	nameOverdue      = "overdue requests"
	nameFailingSteps = "failing steps"
	nameFailureQueue = "failure queue"
	nameAlarms       = "alarms"

	grace     = 5 * time.Minute  // a few sweeps
	lookAhead = 15 * time.Minute // longer than the wait between attempts
	maxLoaded = 20               // requests
)

// checkOverdue finds requests with work that should have been done some sweeps ago,
// and requests with a step that keeps failing.
func (d *doctor) checkOverdue(ctx context.Context) []Finding {
	n, err := d.notifier()
	switch {
	case err != nil:
		return []Finding{needs(nameOverdue, nameNotifier)}
	case n.env[envTable] == "":
		return []Finding{needs(nameOverdue, settings(nameNotifier))}
	}
	store := dynamo.New(d.aws.account.Config, d.aws.account.Client, n.env[envTable])
	now := d.now()
	ids, err := store.Due(ctx, now.Add(lookAhead), maxLoaded)
	var gone *dynamodbtypes.ResourceNotFoundException
	switch {
	case errors.As(err, &gone):
		return []Finding{needs(nameOverdue, nameTable)}
	case awsconfig.ErrorCode(err) == "ValidationException":
		return []Finding{needs(nameOverdue, nameTable)} // no such index
	case err != nil:
		return []Finding{awsError(nameOverdue, "dynamodb:Query and dynamodb:GetItem", err)}
	}
	var late, failing []handle.Request
	var unread []Finding
	for _, id := range ids {
		r, err := store.Load(ctx, id)
		if errors.Is(err, handle.ErrNotFound) {
			continue
		}
		if err != nil {
			if f := awsError(nameOverdue, "dynamodb:GetItem", err); !slices.Contains(unread, f) {
				unread = append(unread, f)
			}
			continue
		}
		if due := r.NextDue(); !due.IsZero() && due.Before(now.Add(-grace)) {
			late = append(late, r)
		} else {
			failing = append(failing, r)
		}
	}
	findings := append(unread, d.judgeFailingSteps(failing, n, now)...)
	if len(late) == 0 && len(unread) > 0 {
		return findings // those that could not be read may be overdue
	}
	return append([]Finding{d.judgeOverdue(late, n, now)}, findings...)
}

// judgeFailingSteps reports steps that keep failing, and why.
func (d *doctor) judgeFailingSteps(requests []handle.Request, notifier deployedFunction, now time.Time) []Finding {
	var failures []string
	count := map[string]int{}
	for _, r := range requests {
		for _, s := range r.Outstanding() {
			attempt := r.Attempts[s.Key()]
			if attempt.Reason == "" || attempt.RateLimited || now.Sub(attempt.Since) < grace {
				continue
			}
			failure := string(s.Kind) + " (" + handle.OneLine(attempt.Reason, 100) + ")"
			if count[failure]++; count[failure] == 1 {
				failures = append(failures, failure)
			}
		}
	}
	if len(failures) == 0 {
		return nil
	}
	do := "Fix the cause in parentheses. Failed steps are retried every ten minutes for at least a day. The notifier's log has details:" + d.logs(notifier)
	for i, failure := range failures {
		if strings.Contains(failure, "messages_tab_disabled") {
			do = "The app cannot send direct messages. Turn on the Messages Tab: https://api.slack.com/apps > the app > App Home > Show Tabs. " + do
		}
		if count[failure] > 1 {
			failures[i] += fmt.Sprintf(" in %d requests", count[failure])
		}
	}
	return []Finding{warning(nameFailingSteps, "these steps keep failing: "+strings.Join(failures[:min(len(failures), 5)], ", "), do)}
}

// judgeOverdue reports overdue work, and why it could not be done.
func (d *doctor) judgeOverdue(late []handle.Request, notifier deployedFunction, now time.Time) Finding {
	if len(late) == 0 {
		return ok(nameOverdue, "none")
	}
	undecided := 0
	var lines []string
	for _, r := range late {
		if r.Decision == nil && now.After(r.Terms.Deadline) {
			undecided++
		}
		if due := r.Due(now); len(due) > 0 && len(lines) < 3 {
			text := fmt.Sprintf("%s: %s, due since %s", r.ID, due[0].Key(), due[0].At.UTC().Format("2006-01-02 15:04 UTC"))
			if reason := r.Attempts[due[0].Key()].Reason; reason != "" {
				text += " (" + handle.OneLine(reason, 100) + ")"
			}
			lines = append(lines, text)
		}
	}
	found := plural(len(late), "request") + " with overdue work"
	if undecided > 0 {
		found += fmt.Sprintf(", %d of them past the deadline without a decision", undecided)
	}
	return fault(nameOverdue, found+": "+strings.Join(lines, "; "),
		"Fix the cause in parentheses, and the sweep if it does not run; the work is then done within minutes. The notifier's log has details:"+
			d.logs(notifier))
}

// checkFailureQueue reads how many CloudFormation events Lambda gave up on.
func (d *doctor) checkFailureQueue(ctx context.Context) []Finding {
	s, err := d.stack()
	if err != nil || s.outputs["FailureQueueUrl"] == "" {
		return []Finding{needs(nameFailureQueue, nameStack)}
	}
	queue := s.outputs["FailureQueueUrl"]
	out, err := d.aws.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &queue,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible},
	})
	var gone *types.QueueDoesNotExist
	switch {
	case errors.As(err, &gone):
		return []Finding{fault(nameFailureQueue, "queue "+queue+" does not exist", "It was deleted by hand. "+restore)}
	case err != nil:
		return []Finding{awsError(nameFailureQueue, "sqs:GetQueueAttributes", err)}
	}
	n := 0
	for _, count := range out.Attributes {
		i, _ := strconv.Atoi(count)
		n += i
	}
	return []Finding{d.judgeFailureQueue(queue, n)}
}

func (d *doctor) judgeFailureQueue(queue string, n int) Finding {
	if n == 0 {
		return ok(nameFailureQueue, "empty")
	}
	return fault(nameFailureQueue, "the notifier failed on "+plural(n, "event")+" after all retries: these launches may hang",
		"Read them, fix the cause, and cancel or repeat those launches. requestPayload is the event, and responsePayload the error. Keep them private, as they hold wait URLs:"+
			d.cli("sqs receive-message --max-number-of-messages 10 --queue-url %s", queue)+
			"\nThen empty the queue:"+d.cli("sqs purge-queue --queue-url %s", queue))
}

// checkAlarms reads the state of the stack's alarms.
func (d *doctor) checkAlarms(ctx context.Context) []Finding {
	s, err := d.stack()
	if err != nil {
		return []Finding{needs(nameAlarms, nameStack)}
	}
	names := s.ofKind("AWS::CloudWatch::Alarm")
	if len(names) == 0 && s.resourcesErr != nil {
		return []Finding{needs(nameAlarms, nameResources)}
	}
	if len(names) == 0 {
		return []Finding{warning(nameAlarms, "the stack has no alarms: failures go unnoticed", "Redeploy this version:"+redeploy)}
	}
	var alarms []cloudwatchtypes.MetricAlarm
	var unread []Finding
	asked := []string{}
	for batch := range slices.Chunk(names, 100) {
		out, err := d.aws.cloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: batch})
		if err != nil {
			unread = []Finding{awsError(nameAlarms, "cloudwatch:DescribeAlarms", err)}
			continue
		}
		asked, alarms = append(asked, batch...), append(alarms, out.MetricAlarms...)
	}
	if len(asked) == 0 {
		return unread
	}
	return append(unread, d.judgeAlarms(asked, alarms)...)
}

func (d *doctor) judgeAlarms(names []string, alarms []cloudwatchtypes.MetricAlarm) []Finding {
	var findings []Finding
	silent := 0
	for _, a := range alarms {
		name := aws.ToString(a.AlarmName)
		if a.StateValue == cloudwatchtypes.StateValueAlarm {
			findings = append(findings, fault(nameAlarms, name+" is in ALARM: "+handle.OneLine(aws.ToString(a.StateReason), 200),
				strings.TrimSpace(handle.OneLine(aws.ToString(a.AlarmDescription), 300)+" Its history:")+d.cli("cloudwatch describe-alarm-history --max-items 10 --alarm-name %s", name)))
		}
		if !aws.ToBool(a.ActionsEnabled) && len(a.AlarmActions) > 0 {
			findings = append(findings, warning(nameAlarms, name+" notifies no one: its actions are disabled", "Enable them:"+d.cli("cloudwatch enable-alarm-actions --alarm-names %s", name)))
		}
		if len(a.AlarmActions) == 0 {
			silent++
		}
	}
	if gone := len(names) - len(alarms); gone > 0 {
		findings = append(findings, warning(nameAlarms, plural(gone, "alarm")+" missing from the stack", "Alarms were deleted by hand. "+restore))
	}
	if len(findings) > 0 {
		return findings
	}
	found := fmt.Sprintf("%d, none in ALARM", len(alarms))
	if silent == len(alarms) {
		found += "; they notify no one, because the stack parameter AlarmTopicArn is not set"
	}
	return []Finding{ok(nameAlarms, "%s", found)}
}
