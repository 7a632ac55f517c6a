package handle_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

func TestContentDigest(t *testing.T) {
	c := handle.Content{Product: "prod-1", Version: "pa-1", Template: "t", Parameters: "p", Account: "1", Region: "r", Principal: "rob"}
	if (handle.Content{}).Digest() != "" {
		t.Error("unknown content has a digest")
	}
	seen := map[string]string{c.Digest(): "the content itself"}
	for name, edit := range map[string]func(*handle.Content){
		"product": func(c *handle.Content) { c.Product = "x" }, "version": func(c *handle.Content) { c.Version = "x" },
		"template": func(c *handle.Content) { c.Template = "x" }, "parameters": func(c *handle.Content) { c.Parameters = "x" },
		"account": func(c *handle.Content) { c.Account = "x" }, "Region": func(c *handle.Content) { c.Region = "x" },
		"principal": func(c *handle.Content) { c.Principal = "x" }, "a value moved to another field": func(c *handle.Content) { c.Product, c.Version = c.Version, c.Product },
	} {
		d := c
		edit(&d)
		if before, ok := seen[d.Digest()]; ok {
			t.Errorf("another %s has the digest of %s", name, before)
		}
		seen[d.Digest()] = name
	}
}

func TestParametersDigest(t *testing.T) {
	a, b := handle.Field{Name: "A", Value: "1"}, handle.Field{Name: "B", Value: "2"}
	if handle.ParametersDigest([]handle.Field{a, b}) != handle.ParametersDigest([]handle.Field{b, a}) {
		t.Error("the order counts")
	}
	list := []handle.Field{b, a}
	handle.ParametersDigest(list)
	if list[0] != b {
		t.Error("the caller's list was sorted")
	}
	for _, other := range [][]handle.Field{{a}, {a, {Name: "B", Value: "3"}}, {{Name: "A", Value: "1B2"}}, {{Name: "A1", Value: ""}, b}, nil} {
		if handle.ParametersDigest(other) == handle.ParametersDigest(list) {
			t.Errorf("%v has the digest of %v", other, list)
		}
	}
}

func TestChanges(t *testing.T) {
	field := func(name, value string) handle.Field { return handle.Field{Name: name, Value: value} }
	got := handle.Changes([]handle.Field{field("Same", "1"), field("Changed", "test"), field("Gone", "x")},
		[]handle.Field{field("New", "y"), field("Same", "1"), field("Changed", "production")})
	want := []handle.Change{{Name: "Changed", Old: "test", New: "production"}, {Name: "Gone", Old: "x"}, {Name: "New", New: "y"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHoldDeadline(t *testing.T) {
	url := handle.StoredWaitURL("https://x.example.com/x?X-Amz-Date=20261123T090000Z&X-Amz-Expires=7200")
	for _, tt := range []struct {
		timeout time.Duration
		url     handle.WaitURL
		want    time.Duration // 0: an error
	}{
		{time.Hour, url, 58 * time.Minute},
		{30 * time.Minute, url, 28 * time.Minute},
		{3 * time.Minute, url, time.Minute},
		{3 * time.Minute, handle.StoredWaitURL("https://x.example.com/x?X-Amz-Date=20261123T085955Z&X-Amz-Expires=7200"), 55 * time.Second}, // a cold start
		{3 * time.Minute, handle.StoredWaitURL("https://x.example.com/x?X-Amz-Date=20261123T085900Z&X-Amz-Expires=7200"), 0},
		{time.Hour, handle.StoredWaitURL("https://x.example.com/x?X-Amz-Date=20261123T090000Z&X-Amz-Expires=600"), 8 * time.Minute},
		{time.Hour, handle.StoredWaitURL(fmt.Sprintf("https://x.example.com/x?AWSAccessKeyId=A&Expires=%d&Signature=x", at.Unix()+600)), 8 * time.Minute},
		{time.Hour, handle.StoredWaitURL("https://x.example.com/x?X-Amz-Date=20261123T085000Z&X-Amz-Expires=7200"), 48 * time.Minute}, // the event came late
		{2 * time.Hour, url, 0},
		{0, url, 0},
		{2 * time.Minute, url, 0},
	} {
		got, err := handle.HoldDeadline(at, tt.timeout, 0, tt.url)
		if (err != nil) != (tt.want == 0) || err == nil && got.Sub(at) != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.timeout, got.Sub(at), err, tt.want)
		}
	}
}

// The deadline lies before CloudFormation's own for every ServiceTimeout and Margin, and
// a ServiceTimeout that leaves no time to decide is refused, with the least that does.
func TestHoldDeadlineIsBeforeCloudFormations(t *testing.T) {
	url := handle.StoredWaitURL("https://x.example.com/x?X-Amz-Date=20261123T090000Z&X-Amz-Expires=7200")
	for seconds := 1; seconds <= 3600; seconds++ {
		for _, margin := range []time.Duration{0, 2 * time.Minute, 10 * time.Minute, 59 * time.Minute} {
			timeout := time.Duration(seconds) * time.Second
			got, err := handle.HoldDeadline(at, timeout, margin, url)
			switch {
			case seconds < 180:
				if err == nil || !strings.Contains(err.Error(), "at least 180 seconds") || !strings.Contains(err.Error(), timeout.String()) {
					t.Fatalf("%d s: got %v, %v; want an error", seconds, got, err)
				}
			case err != nil:
				t.Fatalf("%d s, margin %s: %v", seconds, margin, err)
			case at.Add(timeout).Sub(got) < handle.MinMargin || got.Sub(at) < time.Minute:
				t.Fatalf("%d s, margin %s: the deadline is after %s", seconds, margin, got.Sub(at))
			}
		}
	}
}

// The answer to a held Update: a new physical ID if it was approved, else the old
// one and the reason.
func TestStackSignalOfAnUpdate(t *testing.T) {
	update := launch(approvals(1), func(r *handle.Request) {
		r.Update = &handle.Update{RequestID: "event", PhysicalID: "before"}
	})
	for name, tt := range map[string]struct {
		r              handle.Request
		status, id     string
		reasonContains string
	}{
		"approved":     {approved(t, update, at), "SUCCESS", update.ID, ""},
		"rejected":     {rejected(t, update, at), "FAILED", "before", "because"},
		"rolling back": {update.WithdrawRollback("launch", "it rolls back", at), "SUCCESS", "launch", ""},
		"expired":      {update.Expire(update.Terms.Deadline), "FAILED", "before", "xpired"},
	} {
		body, ok := tt.r.StackSignal()
		if !ok {
			t.Fatalf("%s: no signal", name)
		}
		b, err := body.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var got handle.Response
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if got.Status != tt.status || got.PhysicalResourceID != tt.id || got.RequestID != "event" || got.StackID != update.Stack.ID ||
			got.LogicalResourceID != update.Stack.Gate || !strings.Contains(got.Reason, tt.reasonContains) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if _, ok := update.StackSignal(); ok {
		t.Error("a pending update has an answer")
	}
}

func TestResponseFitsCloudFormation(t *testing.T) {
	for _, r := range []handle.Response{
		{Status: "FAILED", Reason: strings.Repeat("<é", 5000), StackID: "s"},
		{Status: "SUCCESS", StackID: "s", Data: map[string]string{"x": strings.Repeat("y", 5000)}},
	} {
		b, err := r.Encode()
		if err != nil || len(b) > 4096 || !json.Valid(b) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	if _, err := (handle.Response{StackID: strings.Repeat("s", 5000)}).Encode(); err == nil {
		t.Error("identifiers that cannot fit gave no error")
	}
}

func TestGateDigestIsKeyed(t *testing.T) {
	list := []handle.Field{{Name: "Password", Value: "1234"}, {Name: "A", Value: "1"}}
	got := handle.GateDigest([]byte("key"), list)
	if got == handle.GateDigest([]byte("other"), list) || got == handle.ParametersDigest(list) || got == handle.GateDigest([]byte("key"), list[:1]) {
		t.Error("the digest must depend on the key and on each value")
	}
	if got != handle.GateDigest([]byte("key"), []handle.Field{list[1], list[0]}) {
		t.Error("the order counts")
	}
}
