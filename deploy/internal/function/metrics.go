package function

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"countersign/handle"
)

// Metrics writes CloudWatch metrics into the log, from which CloudWatch takes
// them: no call, no permission, nothing to lose. The namespace is Countersign.
//
//	Launches             count    a request is on record
//	Decisions            count    a decision is, by State
//	TimeToDecision       seconds  from launch to decision
//	StepFailures         count    something owed came to nothing for now, by Step
//	Bypassed             count    a launch was signalled but not approved
//	OldestPending        seconds  since the oldest undecided launch; told by every sweep, 0 if there is none
//	ConfigurationFaults  count    the configuration has faults; told by every invocation then
//
// All have the dimension FunctionName; Decisions and StepFailures are there in
// whole by it, and beside that by State and by Step. See
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type Metrics struct {
	Out      io.Writer // the function's standard output
	Function string    // its name
	Now      func() time.Time

	mu sync.Mutex
}

// What others look for.
const (
	Namespace     = "Countersign"
	OldestPending = "OldestPending"
)

const (
	count   = "Count"
	seconds = "Seconds"
)

// metric is one value; by is what it is also told apart by.
type metric struct {
	name, unit string
	value      float64
	by         map[string]string
}

// directive tells CloudWatch what to take from the root of the document.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// put writes metrics as one line. about are properties: they can be searched
// for, and cost no metric.
func (m *Metrics) put(ctx context.Context, about map[string]string, list ...metric) {
	root := map[string]any{"FunctionName": m.Function}
	for name, value := range about {
		root[name] = value
	}
	if id := requestID(ctx); id != "" {
		root["requestId"] = id
	}
	var directives []directive
	for _, one := range list {
		root[one.name] = one.value
		for name, value := range one.by {
			root[name] = value
		}
		dimensions := [][]string{{"FunctionName"}} // an alarm needs the whole
		if len(one.by) > 0 {
			dimensions = append(dimensions, append([]string{"FunctionName"}, slices.Sorted(maps.Keys(one.by))...))
		}
		directives = append(directives, directive{Namespace, dimensions, []definition{{one.name, one.unit}}})
	}
	root["_aws"] = map[string]any{"Timestamp": m.Now().UnixMilli(), "CloudWatchMetrics": directives}
	line, err := json.Marshal(root)
	if err != nil {
		return // of texts and finite numbers there is always JSON
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
		metric{name: "Decisions", unit: count, value: 1, by: map[string]string{"State": string(r.Decision.State)}},
		metric{name: "TimeToDecision", unit: seconds, value: took})
}

func (m *Metrics) bypassed(ctx context.Context, about map[string]string) {
	m.put(ctx, about, metric{name: "Bypassed", unit: count, value: 1})
}

func (m *Metrics) stepFailed(ctx context.Context, s handle.Step) {
	m.put(ctx, nil, metric{name: "StepFailures", unit: count, value: 1, by: map[string]string{"Step": string(s.Kind)}})
}

func (m *Metrics) oldestPending(ctx context.Context, age time.Duration) {
	m.put(ctx, nil, metric{name: OldestPending, unit: seconds, value: max(0, age.Seconds())})
}

func (m *Metrics) faulty(ctx context.Context) {
	m.put(ctx, nil, metric{name: "ConfigurationFaults", unit: count, value: 1})
}
