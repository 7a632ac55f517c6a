package function

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"countersign/handle"
)

// Metrics publishes CloudWatch metrics through the log, in the embedded metric
// format, which needs no call and no permission. The namespace is Countersign.
//
//	Launches             count    a request was stored
//	Decisions            count    a decision was stored, by State
//	TimeToDecision       seconds  from launch to decision
//	StepFailures         count    a step failed and will be retried, by Step
//	Bypassed             count    a launch or update bypassed approval
//	OldestPending        seconds  age of the oldest undecided request, 0 if none; published by every sweep
//	ConfigurationFaults  count    an invocation found an invalid configuration
//
// All have the dimension FunctionName. Decisions and StepFailures are also published
// by State and by Step. See
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type Metrics struct {
	Out      io.Writer // the function's standard output
	Function string    // its name
	Now      func() time.Time

	mu sync.Mutex
}

// Names that the doctor and the alarms use.
const (
	Namespace     = "Countersign"
	OldestPending = "OldestPending"
)

const (
	count   = "Count"
	seconds = "Seconds"
)

// metric is one value. dimensions are in addition to FunctionName.
type metric struct {
	name, unit string
	value      float64
	dimensions map[string]string
}

// directive tells CloudWatch which members of the document are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// put writes metrics as one line. about are properties of the line, which can be
// searched for and are not metrics. With LogFormat JSON, Lambda takes a line as it is
// only if timestamp and level are at its root; otherwise it may rewrite it, and
// CloudWatch finds no metric in it. See
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
func (m *Metrics) put(ctx context.Context, about map[string]string, list ...metric) {
	at := m.Now()
	root := map[string]any{
		"FunctionName": m.Function,
		"timestamp":    at.UTC().Format(time.RFC3339Nano),
		"level":        slog.LevelInfo.String(),
	}
	for name, value := range about {
		root[name] = value
	}
	if id := requestID(ctx); id != "" {
		root["requestId"] = id
	}
	var directives []directive
	for _, one := range list {
		root[one.name] = one.value
		for name, value := range one.dimensions {
			root[name] = value
		}
		dimensions := [][]string{{"FunctionName"}} // for alarms, which need the total
		if len(one.dimensions) > 0 {
			dimensions = append(dimensions, append([]string{"FunctionName"}, slices.Sorted(maps.Keys(one.dimensions))...))
		}
		directives = append(directives, directive{Namespace, dimensions, []definition{{one.name, one.unit}}})
	}
	root["_aws"] = map[string]any{"Timestamp": at.UnixMilli(), "CloudWatchMetrics": directives}
	line, err := json.Marshal(root)
	if err != nil {
		return // cannot happen: strings and finite numbers always encode
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = m.Out.Write(append(line, '\n'))
}

func (m *Metrics) launched(ctx context.Context, r handle.Request) {
	m.put(ctx, map[string]string{"request": r.ID}, metric{name: "Launches", unit: count, value: 1})
}

func (m *Metrics) decided(ctx context.Context, r handle.Request) {
	took := max(0, r.Decision.At.Sub(r.CreatedAt).Seconds())
	m.put(ctx, map[string]string{"request": r.ID},
		metric{name: "Decisions", unit: count, value: 1, dimensions: map[string]string{"State": string(r.Decision.State)}},
		metric{name: "TimeToDecision", unit: seconds, value: took})
}

func (m *Metrics) bypassed(ctx context.Context, about map[string]string) {
	m.put(ctx, about, metric{name: "Bypassed", unit: count, value: 1})
}

func (m *Metrics) stepFailed(ctx context.Context, s handle.Step) {
	m.put(ctx, nil, metric{name: "StepFailures", unit: count, value: 1, dimensions: map[string]string{"Step": string(s.Kind)}})
}

func (m *Metrics) oldestPending(ctx context.Context, age time.Duration) {
	m.put(ctx, nil, metric{name: OldestPending, unit: seconds, value: max(0, age.Seconds())})
}

func (m *Metrics) configurationFault(ctx context.Context) {
	m.put(ctx, nil, metric{name: "ConfigurationFaults", unit: count, value: 1})
}
