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
	nameHeartbeat = "sweep"

	functionName = "FunctionName"

	heartbeatWindow = 30 * time.Minute
	heartbeatLimit  = 6 * time.Minute // a minute between sweeps, plus CloudWatch's delay
)

// checkHeartbeat checks that the sweep has run within the last minutes. Every sweep
// publishes the metric function.OldestPending.
func (d *doctor) checkHeartbeat(ctx context.Context) []Finding {
	n, err := d.notifier()
	if err != nil {
		return []Finding{needs(nameHeartbeat, nameNotifier)}
	}
	now := d.now()
	dimensions, err := d.heartbeatDimensions(ctx, n.name)
	if err != nil {
		return []Finding{awsError(nameHeartbeat, "cloudwatch:ListMetrics", err)}
	}
	var points []types.Datapoint
	if dimensions != nil {
		out, err := d.aws.cloudWatch.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
			Namespace: aws.String(function.Namespace), MetricName: aws.String(function.OldestPending), Dimensions: dimensions,
			StartTime: aws.Time(now.Add(-heartbeatWindow)), EndTime: aws.Time(now.Add(time.Minute)),
			Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticMaximum},
		})
		if err != nil {
			return []Finding{awsError(nameHeartbeat, "cloudwatch:GetMetricStatistics", err)}
		}
		points = out.Datapoints
	}
	return []Finding{d.judgeHeartbeat(n, points, now)}
}

// heartbeatDimensions returns the dimensions of this notifier's metric, or nil if it
// has published none.
func (d *doctor) heartbeatDimensions(ctx context.Context, notifier string) ([]types.Dimension, error) {
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

func (d *doctor) judgeHeartbeat(n deployedFunction, points []types.Datapoint, now time.Time) Finding {
	var last types.Datapoint
	for _, p := range points {
		if last.Timestamp == nil || p.Timestamp.After(*last.Timestamp) {
			last = p
		}
	}
	logs := "See in the notifier's log whether the sweep is called and why it fails:" + d.logs(n)
	switch {
	case last.Timestamp == nil && now.Sub(n.changed) < heartbeatLimit:
		return warning(nameHeartbeat, "has not run yet: the notifier was deployed "+approximate(now.Sub(n.changed))+" ago", "Run the doctor again in five minutes.")
	case last.Timestamp == nil:
		return fault(nameHeartbeat, "has not run for "+approximate(heartbeatWindow)+" or more: requests do not expire, and failed deliveries are not retried", logs)
	case now.Sub(*last.Timestamp) > heartbeatLimit:
		return fault(nameHeartbeat, "last ran "+approximate(now.Sub(*last.Timestamp))+" ago: requests do not expire, and failed deliveries are not retried", logs)
	}
	age := time.Duration(aws.ToFloat64(last.Maximum)) * time.Second
	if age == 0 {
		return ok(nameHeartbeat, "running; no requests are pending")
	}
	return ok(nameHeartbeat, "running; the oldest pending request is %s old", approximate(age))
}
