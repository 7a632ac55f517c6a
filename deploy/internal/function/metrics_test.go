package function

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"countersign/handle"
)

// allMetrics writes every metric and returns their sets of dimensions by name. It checks
// the documents against CloudWatch's rules.
func allMetrics(t *testing.T) map[string][][]string {
	t.Helper()
	var out bytes.Buffer
	ctx, at := t.Context(), time.Now()
	m := &Metrics{Out: &out, Function: "f", Now: time.Now}
	m.launched(ctx, handle.Request{ID: "r"})
	m.decided(ctx, handle.Request{ID: "r", CreatedAt: at, Decision: &handle.Decision{State: handle.Approved, At: at.Add(time.Minute)}})
	m.bypassed(ctx, map[string]string{"stack": "s"})
	m.stepFailed(ctx, handle.Step{Kind: handle.StepPost})
	m.oldestPending(ctx, time.Minute)
	m.configurationFault(ctx)

	found := map[string][][]string{}
	for line := range strings.Lines(out.String()) {
		var root map[string]any
		var meta struct {
			AWS struct {
				Timestamp         int64
				CloudWatchMetrics []directive
			} `json:"_aws"`
		}
		if err := json.Unmarshal([]byte(line), &root); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line), &meta); err != nil {
			t.Fatal(err)
		}
		if time.Since(time.UnixMilli(meta.AWS.Timestamp)).Abs() > time.Hour {
			t.Errorf("timestamp %d is not in milliseconds", meta.AWS.Timestamp)
		}
		checkLogLine(t, root)
		for _, d := range meta.AWS.CloudWatchMetrics {
			if d.Namespace != Namespace {
				t.Errorf("namespace %q", d.Namespace)
			}
			for _, set := range d.Dimensions {
				for _, name := range set {
					if value, is := root[name].(string); !is || value == "" {
						t.Errorf("the dimension %s has no value in %s", name, line)
					}
				}
			}
			for _, one := range d.Metrics {
				if _, is := root[one.Name].(float64); !is {
					t.Errorf("the metric %s has no value in %s", one.Name, line)
				}
				found[one.Name] = append(found[one.Name], d.Dimensions...)
			}
		}
	}
	return found
}

// checkLogLine checks that a line has what Lambda's JSON log format requires.
func checkLogLine(t *testing.T, root map[string]any) {
	t.Helper()
	text, _ := root["timestamp"].(string)
	if at, err := time.Parse(time.RFC3339, text); err != nil || time.Since(at).Abs() > time.Hour || at.Location() != time.UTC {
		t.Errorf("timestamp %v (%v)", root["timestamp"], err)
	}
	if levels := []any{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}; !slices.Contains(levels, root["level"]) {
		t.Errorf("level %v is none of %v", root["level"], levels)
	}
}

// Log lines have the same form as metrics.
func TestLogLinesHaveTimestampAndLevel(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, "DEBUG")
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		log.Log(t.Context(), level, "a line")
	}
	lines := 0
	for line := range strings.Lines(out.String()) {
		var root map[string]any
		if err := json.Unmarshal([]byte(line), &root); err != nil {
			t.Fatal(err)
		}
		checkLogLine(t, root)
		lines++
	}
	if lines != 4 {
		t.Errorf("%d lines", lines)
	}
}

// The comment on Metrics lists all of them.
func TestMetricsAreDescribed(t *testing.T) {
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) +(?:count|seconds) `).FindAllSubmatch(source, -1) {
		described[string(m[1])] = true
	}
	written := map[string]bool{}
	for name := range allMetrics(t) {
		written[name] = true
	}
	if diff := cmp.Diff(described, written); diff != "" {
		t.Errorf("-described +written:\n%s", diff)
	}
}

// An alarm on a metric that is not written, or has other dimensions, would never
// fire.
func TestAlarmsUseWrittenMetrics(t *testing.T) {
	file, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Namespace    any   `yaml:"Namespace"` // some depend on a condition
				MetricName   any   `yaml:"MetricName"`
				Dimensions   []any `yaml:"Dimensions"`
				AlarmActions any   `yaml:"AlarmActions"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(file, &template); err != nil {
		t.Fatal(err)
	}
	written := allMetrics(t)
	alarms := map[string][]string{} // functions by metric
	for id, r := range template.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		if r.Properties.AlarmActions == nil {
			t.Errorf("%s has no actions", id)
		}
		if space, is := r.Properties.Namespace.(string); is && strings.HasPrefix(space, "AWS/") || !is {
			continue // AWS's own
		}
		if r.Properties.Namespace != Namespace {
			t.Errorf("%s looks in the namespace %v", id, r.Properties.Namespace)
			continue
		}
		name, _ := r.Properties.MetricName.(string)
		var by, values []string
		for _, d := range r.Properties.Dimensions {
			one := d.(map[string]any)
			by, values = append(by, one["Name"].(string)), append(values, one["Value"].(string))
		}
		if !slices.ContainsFunc(written[name], func(set []string) bool { return slices.Equal(set, by) }) {
			t.Errorf("%s uses %s with dimensions %v, which is written with %v", id, name, by, written[name])
		}
		alarms[name] = append(alarms[name], values...)
	}
	want := map[string][]string{
		"Bypassed":            {"NotifierFunction"},
		"ConfigurationFaults": {"BotFunction", "NotifierFunction"},
		"OldestPending":       {"NotifierFunction", "NotifierFunction"}, // too old; missing
		"StepFailures":        {"NotifierFunction"},
	}
	for _, functions := range alarms {
		slices.Sort(functions)
	}
	if diff := cmp.Diff(want, alarms); diff != "" {
		t.Errorf("alarms (-want +got):\n%s", diff)
	}
}
