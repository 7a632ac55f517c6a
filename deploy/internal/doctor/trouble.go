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

	"countersign/handle"
	"countersign/handle/dynamo"
)

const (
	nameOverdue  = "overdue requests"
	nameSteps    = "failing steps"
	nameFailures = "failure queue"
	nameAlarms   = "alarms"

	grace    = 5 * time.Minute  // some sweeps
	ahead    = 15 * time.Minute // longer than what fails waits until it is tried again
	maxLooks = 20               // records that are read
)

// checkOverdue looks for records that have owed something for longer than a few
// sweeps take, and for those of which the sweep tries something in vain.
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
	ids, err := store.Due(ctx, now.Add(ahead), maxLooks)
	var gone *dynamodbtypes.ResourceNotFoundException
	switch {
	case errors.As(err, &gone):
		return []Finding{needs(nameOverdue, nameTable)}
	case code(err) == "ValidationException":
		return []Finding{needs(nameOverdue, nameTable)} // no such index
	case err != nil:
		return []Finding{unread(nameOverdue, "dynamodb:Query and dynamodb:GetItem", err)}
	}
	var late, failing []handle.Request
	for _, id := range ids {
		r, err := store.Load(ctx, id)
		if errors.Is(err, handle.ErrNotFound) {
			continue
		}
		if err != nil {
			return []Finding{unread(nameOverdue, "dynamodb:GetItem", err)}
		}
		if wake := r.NextDue(); !wake.IsZero() && wake.Before(now.Add(-grace)) {
			late = append(late, r)
		} else {
			failing = append(failing, r)
		}
	}
	return append([]Finding{d.judgeOverdue(late, n, now)}, d.judgeSteps(failing, n, now)...)
}

// judgeSteps says what is tried again and again, and why it comes to nothing.
func (d *doctor) judgeSteps(requests []handle.Request, notifier deployed, now time.Time) []Finding {
	var whys []string
	times := map[string]int{}
	for _, r := range requests {
		for _, s := range r.Outstanding() {
			try := r.Attempts[s.Key()]
			if try.Reason == "" || try.RateLimited || now.Sub(try.Since) < grace {
				continue
			}
			why := string(s.Kind) + " (" + handle.OneLine(try.Reason, 100) + ")"
			if times[why]++; times[why] == 1 {
				whys = append(whys, why)
			}
		}
	}
	if len(whys) == 0 {
		return nil
	}
	do := "Mend what is said in brackets; it is tried again by itself every ten minutes, for a day at least. The notifier's log says more:" + d.logs(notifier)
	for i, why := range whys {
		if strings.Contains(why, "messages_tab_disabled") {
			do = "At https://api.slack.com/apps, under App Home, Show Tabs, switch the Messages Tab on: without it nobody can be written to. " + do
		}
		if times[why] > 1 {
			whys[i] += fmt.Sprintf(" %d times", times[why])
		}
	}
	return []Finding{warning(nameSteps, "the sweep tries in vain to "+strings.Join(whys[:min(len(whys), 5)], ", "), do)}
}

// judgeOverdue says what the requests owe, and why it could not be done.
func (d *doctor) judgeOverdue(late []handle.Request, notifier deployed, now time.Time) Finding {
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
			text := fmt.Sprintf("%s owes %s since %s", r.ID, due[0].Key(), due[0].At.UTC().Format("2006-01-02 15:04 UTC"))
			if why := r.Attempts[due[0].Key()].Reason; why != "" {
				text += " (" + handle.OneLine(why, 100) + ")"
			}
			lines = append(lines, text)
		}
	}
	found := plural(len(late), "request") + " waiting to be settled"
	if undecided > 0 {
		found += fmt.Sprintf(", %d of them undecided past the deadline", undecided)
	}
	return fault(nameOverdue, found+": "+strings.Join(lines, "; "),
		"Mend what is said in brackets, or the sweep if it does not run; then all of it is done by itself within minutes. The notifier's log says more:"+
			d.logs(notifier))
}

// checkFailures looks whether Lambda gave up events of CloudFormation's.
func (d *doctor) checkFailures(ctx context.Context) []Finding {
	s, err := d.stack()
	if err != nil || s.outputs["FailureQueueUrl"] == "" {
		return []Finding{needs(nameFailures, nameStack)}
	}
	queue := s.outputs["FailureQueueUrl"]
	out, err := d.aws.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &queue,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible},
	})
	var gone *types.QueueDoesNotExist
	switch {
	case errors.As(err, &gone):
		return []Finding{fault(nameFailures, "there is no queue "+queue, "Somebody has deleted it. "+putBack)}
	case err != nil:
		return []Finding{unread(nameFailures, "sqs:GetQueueAttributes", err)}
	}
	n := 0
	for _, count := range out.Attributes {
		i, _ := strconv.Atoi(count)
		n += i
	}
	return []Finding{d.judgeFailures(queue, n)}
}

func (d *doctor) judgeFailures(queue string, n int) Finding {
	if n == 0 {
		return ok(nameFailures, "empty")
	}
	return fault(nameFailures, "the notifier failed for good on "+plural(n, "event")+": so many launches or answers may hang",
		"Read them (each says in requestPayload what was asked, and in responsePayload why it failed; do not pass them on, they hold wait URLs), mend the cause, and end or repeat those launches:"+
			d.cli("sqs receive-message --max-number-of-messages 10 --queue-url "+queue)+
			"\nThen empty the queue:"+d.cli("sqs purge-queue --queue-url "+queue))
}

// checkAlarms looks at the stack's own alarms.
func (d *doctor) checkAlarms(ctx context.Context) []Finding {
	s, err := d.stack()
	if err != nil {
		return []Finding{needs(nameAlarms, nameStack)}
	}
	names := s.ofKind("AWS::CloudWatch::Alarm")
	if len(names) == 0 {
		return []Finding{warning(nameAlarms, "the stack has none: nobody is told of failures", "Deploy this version:"+redeploy)}
	}
	var alarms []cloudwatchtypes.MetricAlarm
	for batch := range slices.Chunk(names, 100) {
		out, err := d.aws.cloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: batch})
		if err != nil {
			return []Finding{unread(nameAlarms, "cloudwatch:DescribeAlarms", err)}
		}
		alarms = append(alarms, out.MetricAlarms...)
	}
	return d.judgeAlarms(names, alarms)
}

func (d *doctor) judgeAlarms(names []string, alarms []cloudwatchtypes.MetricAlarm) []Finding {
	var findings []Finding
	deaf := 0
	for _, a := range alarms {
		name := aws.ToString(a.AlarmName)
		if a.StateValue == cloudwatchtypes.StateValueAlarm {
			findings = append(findings, fault(nameAlarms, name+" rings: "+handle.OneLine(aws.ToString(a.StateReason), 200),
				strings.TrimSpace(handle.OneLine(aws.ToString(a.AlarmDescription), 300)+" When it began and how it went on:")+d.cli("cloudwatch describe-alarm-history --max-items 10 --alarm-name "+name)))
		}
		if !aws.ToBool(a.ActionsEnabled) && len(a.AlarmActions) > 0 {
			findings = append(findings, warning(nameAlarms, name+" tells nobody: its actions are switched off", "Switch them on:"+d.cli("cloudwatch enable-alarm-actions --alarm-names "+name)))
		}
		if len(a.AlarmActions) == 0 {
			deaf++
		}
	}
	if gone := len(names) - len(alarms); gone > 0 {
		findings = append(findings, warning(nameAlarms, plural(gone, "alarm")+" of the stack's gone", "Somebody has deleted them. "+putBack))
	}
	if len(findings) > 0 {
		return findings
	}
	found := fmt.Sprintf("%d, none rings", len(alarms))
	if deaf == len(alarms) {
		found += "; but one that does tells nobody, for AlarmTopicArn is not set"
	}
	return []Finding{ok(nameAlarms, "%s", found)}
}
