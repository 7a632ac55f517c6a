package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

const (
	nameResponseTime = "response time"

	// wrongSecret signs the probe that is timed. To refuse it, the bot has to read its
	// secret, as on a click.
	wrongSecret = "a wrong signing secret"

	slackPatience = 3 * time.Second
	idleWindow    = 3 * time.Hour    // of the metric
	coldAfter     = 20 * time.Minute // without a request; AWS does not say when it ends an environment
)

// idleTime is how long the bot has had no request, according to CloudWatch.
type idleTime struct {
	least time.Duration
	err   error // set if CloudWatch could not be asked
}

// idleSince reads when the bot was last invoked. It must be read before the first probe.
func (d *doctor) idleSince(ctx context.Context, b deployedFunction) idleTime {
	if b.name == "" {
		return idleTime{err: errors.New("the bot's function is not known")}
	}
	now := d.now()
	out, err := d.aws.cloudWatch.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
		Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Invocations"),
		Dimensions: []types.Dimension{{Name: aws.String(functionName), Value: &b.name}},
		StartTime:  aws.Time(now.Add(-idleWindow)), EndTime: aws.Time(now),
		Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticSum},
	})
	if err != nil {
		return idleTime{err: err}
	}
	idle := idleWindow
	for _, p := range out.Datapoints {
		if aws.ToFloat64(p.Sum) > 0 {
			idle = min(idle, now.Sub(p.Timestamp.Add(time.Minute))) // to the end of that minute
		}
	}
	return idleTime{least: max(0, idle)}
}

// judgeResponseTime compares the time of the doctor's first request with Slack's three
// seconds, and says whether that was a cold start.
func (d *doctor) judgeResponseTime(took time.Duration, idle idleTime, b deployedFunction) Finding {
	var start string
	switch {
	case idle.err != nil:
		start = "maybe a cold start: the metric AWS/Lambda Invocations could not be read"
	case idle.least >= coldAfter:
		start = "most likely a cold start, after " + approximate(idle.least) + " or more without a request"
	default:
		start = "not a cold start, as the bot had a request within the last " + approximate(coldAfter) + "; to time one, run the doctor after a longer pause"
	}
	found := fmt.Sprintf("the first request was answered in %.2f s, from this machine (%s)", took.Seconds(), start)
	const do = "The time includes the network between this machine and the Region. Run the doctor again in the Region, such as in CloudShell. " +
		"If it is slow there too, see the durations of cold starts in the bot's log (initDurationMs). More memory makes them faster."
	logs := d.cli("logs filter-log-events --log-group-name %s --filter-pattern %s", b.logGroup, `{ $.type = "platform.report" }`)
	switch {
	case took > slackPatience:
		return fault(nameResponseTime, found+": Slack gives up after 3 s, and shows an error for such a click", do+logs)
	case took > slowReply:
		return warning(nameResponseTime, found+": close to the 3 s after which Slack gives up", do+logs)
	}
	return ok(nameResponseTime, "%s; Slack waits 3 s", found)
}
