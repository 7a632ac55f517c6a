package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"countersign/deploy/internal/function"
)

const (
	namePulse = "sweep"

	functionName = "FunctionName"

	pulseWindow = 30 * time.Minute
	pulseLimit  = 6 * time.Minute // a minute between sweeps, and what CloudWatch lags behind
)

// checkPulse looks whether the sweep has been alive in the last minutes, by the
// figure that each one leaves.
func (d *doctor) checkPulse(ctx context.Context) []Finding {
	n, err := d.notifier()
	if err != nil {
		return []Finding{needs(namePulse, nameNotifier)}
	}
	now := d.now()
	dimensions, err := d.pulseDimensions(ctx, n.name)
	if err != nil {
		return []Finding{unread(namePulse, "cloudwatch:ListMetrics", err)}
	}
	var points []types.Datapoint
	if dimensions != nil {
		out, err := d.aws.cloudWatch.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
			Namespace: aws.String(function.Namespace), MetricName: aws.String(function.OldestPending), Dimensions: dimensions,
			StartTime: aws.Time(now.Add(-pulseWindow)), EndTime: aws.Time(now.Add(time.Minute)),
			Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticMaximum},
		})
		if err != nil {
			return []Finding{unread(namePulse, "cloudwatch:GetMetricStatistics", err)}
		}
		points = out.Datapoints
	}
	return []Finding{d.judgePulse(n, points, now)}
}

// pulseDimensions are those of the metric that is this notifier's; nil if there
// is none.
func (d *doctor) pulseDimensions(ctx context.Context, notifier string) ([]types.Dimension, error) {
	out, err := d.aws.cloudWatch.ListMetrics(ctx, &cloudwatch.ListMetricsInput{
		Namespace: aws.String(function.Namespace), MetricName: aws.String(function.OldestPending),
		Dimensions: []types.DimensionFilter{{Name: aws.String(functionName), Value: &notifier}},
	})
	if err != nil {
		return nil, err
	}
	for _, m := range out.Metrics {
		if slices.ContainsFunc(m.Dimensions, func(d types.Dimension) bool { return aws.ToString(d.Value) == notifier }) {
			return m.Dimensions, nil
		}
	}
	return nil, nil
}

func (d *doctor) judgePulse(n deployed, points []types.Datapoint, now time.Time) Finding {
	var last types.Datapoint
	for _, p := range points {
		if last.Timestamp == nil || p.Timestamp.After(*last.Timestamp) {
			last = p
		}
	}
	logs := "See whether the schedule calls it, and whether it fails:" + d.logs(n)
	switch {
	case last.Timestamp == nil && now.Sub(n.changed) < pulseLimit:
		return warning(namePulse, "it has left no trace yet: the notifier was deployed "+rough(now.Sub(n.changed))+" ago", "Run the doctor again in five minutes.")
	case last.Timestamp == nil:
		return fault(namePulse, "it has left no trace for "+rough(pulseWindow)+": nothing expires, and what a crash left undone stays so", logs)
	case now.Sub(*last.Timestamp) > pulseLimit:
		return fault(namePulse, "it was last alive "+rough(now.Sub(*last.Timestamp))+" ago: nothing expires, and what a crash left undone stays so", logs)
	}
	age := time.Duration(aws.ToFloat64(last.Maximum)) * time.Second
	if age == 0 {
		return ok(namePulse, "alive; nothing is pending")
	}
	return ok(namePulse, "alive; the oldest request has waited for %s", rough(age))
}
