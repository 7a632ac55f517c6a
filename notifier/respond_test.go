package notifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/notifier"
)

func TestInvalidRequestFailsWithReason(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	tests := []struct {
		name       string
		properties map[string]any
		changes    map[string]any
		want       string // in the reason
	}{
		{"no property of an approval or a verdict", map[string]any{"WaitUrl": nil}, nil, "needs the property WaitUrl"},
		{"no properties at all", nil, map[string]any{"ResourceProperties": nil}, "needs the property WaitUrl"},
		{"properties are a list", nil, map[string]any{"ResourceProperties": []string{"x"}}, "properties are not an object"},
		{"empty WaitUrl", map[string]any{"WaitUrl": ""}, nil, "WaitUrl is missing"},
		{"WaitUrl of the wrong type", map[string]any{"WaitUrl": map[string]string{"Ref": "Handle"}}, nil, "WaitUrl must be a string"},
		{"WaitUrl at another host", map[string]any{"WaitUrl": "https://evil.example.com/" + stackID + "/u/h"}, nil, "does not lead to CloudFormation"},
		{"WaitUrl with a user", map[string]any{"WaitUrl": "https://me@cloudformation-waitcondition-us-east-1.s3.amazonaws.com/" + stackID + "/u/h"}, nil, "is not a wait condition handle's URL"},
		{"WaitUrl with a port", map[string]any{"WaitUrl": "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com:8443/" + stackID + "/u/h"}, nil, "is not a wait condition handle's URL"},
		{"another stack's WaitUrl", map[string]any{"WaitUrl": "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/arn%3Aaws%3Aother/u/h"}, nil, "belongs to another stack"},
		{"WaitUrl expired", map[string]any{"WaitUrl": "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/" + stackID + "/u/h?X-Amz-Date=20200101T000000Z&X-Amz-Expires=43199"}, nil, "has expired"},
		{"Timeout is not a number", map[string]any{"Timeout": "soon"}, nil, "Timeout must be a whole number"},
		{"Timeout of the wrong type", map[string]any{"Timeout": []string{"1"}}, nil, "Timeout must be a string"},
		{"Timeout too short", map[string]any{"Timeout": "120"}, nil, "set Timeout to at least 180 seconds"},
		{"Timeout too long", map[string]any{"Timeout": "43201"}, nil, "from 180 to 43200 seconds"},
		{"Approvals zero", map[string]any{"Approvals": "0"}, nil, "Approvals must be from 1"},
		{"Approvers empty", map[string]any{"Approvers": []string{}}, nil, "no one may approve"},
		{"Approvers by name", map[string]any{"Approvers": "ann"}, nil, "not a Slack user ID"},
		{"Approvers of the wrong type", map[string]any{"Approvers": map[string]string{"a": "b"}}, nil, "Approvers must be a list"},
		{"Details of the wrong type", map[string]any{"Details": "x"}, nil, "Details must be an object"},
		{"properties too large", map[string]any{"A": strings.Repeat("x", 600_000)}, nil, "too large"},
		{"100 kB approver", map[string]any{"Approvers": long}, nil, "not a Slack user ID"},
		{"StackId is not an ARN", nil, map[string]any{"StackId": "my-stack"}, "StackId is not a stack ARN"},
		{"unknown RequestType", nil, map[string]any{"RequestType": "Import"}, "is not Create, Update or Delete"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			got, err := w.handle(w.event(tt.properties, tt.changes))
			if err != nil {
				t.Errorf("error: %v", err)
			}
			if got.Status != "FAILED" || !strings.Contains(got.Reason, tt.want) {
				t.Errorf("answered %s %q, want FAILED with %q", got.Status, got.Reason, tt.want)
			}
			if got.PhysicalResourceId == "" {
				t.Error("answered without a PhysicalResourceId")
			}
			if n := len(w.slack.Messages(channel)); n != 0 {
				t.Errorf("%d messages were posted", n)
			}
		})
	}
}

func TestUndecodableEventIsAnswered(t *testing.T) {
	w := newWorld(t)
	whole := string(w.event(nil, nil))
	for name, event := range map[string]string{
		"cut off":              whole[:len(whole)-1],
		"trailing characters":  whole + "}",
		"RequestType a number": strings.Replace(whole, `"RequestType":"Create"`, `"RequestType":7`, 1),
		"ResourceType a list":  strings.Replace(whole, `"ResourceType":"Custom::ApprovalRequest"`, `"ResourceType":[]`, 1),
	} {
		before := len(w.bucket.answers())
		got, _ := w.handle([]byte(event))
		if len(w.bucket.answers()) != before+1 || got.Status != "FAILED" || got.StackId != stackID || got.RequestId == "" {
			t.Errorf("%s: answered %+v", name, got)
		}
	}
}

func TestUnknownEventReturnsErrEvent(t *testing.T) {
	for _, event := range []string{``, `null`, `[]`, `"x"`, `{}`, `{"source":"aws.s3"}`, `{"Records":[{}]}`, `{"Records":[{"Sns":{"Message":"{\"Records\":[{}]}"}}]}`,
		`{"RequestType":"Create"}`, `{"RequestType":"Create","ResponseURL":"http://169.254.169.254/"}`} {
		w := newWorld(t)
		if err := w.notifier.Handle(context.Background(), json.RawMessage(event)); !errors.Is(err, notifier.ErrEvent) {
			t.Errorf("%s: error %v, want ErrEvent", event, err)
		}
	}
}

func TestEventInSNSRecord(t *testing.T) {
	w := newWorld(t)
	record := map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{"Message": string(w.event(nil, nil))}}}}
	b, _ := json.Marshal(record)
	if got, err := w.handle(b); err != nil || got.Status != "SUCCESS" {
		t.Errorf("answered %+v, error %v", got, err)
	}
}

func TestResponsesAreRetriedAndStayWithinLimits(t *testing.T) {
	t.Run("bucket recovers", func(t *testing.T) {
		w := newWorld(t)
		attempts := 0
		w.bucket.override = func(r *http.Request) int {
			if !strings.Contains(r.URL.Path, "|") {
				return 0
			}
			if attempts++; attempts < 3 {
				return http.StatusServiceUnavailable
			}
			return 0
		}
		if got, err := w.handle(w.event(nil, nil)); err != nil || got.Status != "SUCCESS" {
			t.Errorf("answered %+v, error %v", got, err)
		}
	})
	t.Run("bucket keeps refusing", func(t *testing.T) {
		w := newWorld(t)
		w.bucket.override = func(*http.Request) int { return http.StatusForbidden }
		if _, err := w.handle(w.event(nil, nil)); err == nil {
			t.Error("no error, so Lambda would not deliver the event again")
		}
	})
	t.Run("identifiers of maximum length", func(t *testing.T) {
		w := newWorld(t)
		got, _ := w.handle(w.event(map[string]any{"WaitUrl": nil}, map[string]any{
			"LogicalResourceId": strings.Repeat("L", 255), "PhysicalResourceId": strings.Repeat("<", 1024), "RequestId": strings.Repeat("r", 36), "RequestType": "Update"}))
		if got.Status != "FAILED" { // the bucket refuses what is over 4096 bytes
			t.Errorf("answered %+v", got)
		}
	})
}

// hookStore is a store whose methods call load.
type hookStore struct {
	handle.Store
	load func(ctx context.Context) error
}

func (f hookStore) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	return handle.Request{}, f.load(ctx)
}

func (f hookStore) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	return nil, f.load(ctx)
}

func (f hookStore) Load(ctx context.Context, id string) (handle.Request, error) {
	return handle.Request{}, f.load(ctx)
}

func TestCloudFormationAlwaysGetsAnAnswer(t *testing.T) {
	stores := map[string]func(context.Context) error{
		"failing store":                   func(context.Context) error { return errors.New("store failed") },
		"panicking store":                 func(context.Context) error { panic("store panicked") },
		"hanging store":                   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"store that ignores its deadline": func(context.Context) error { select {} },
	}
	for name, load := range stores {
		for _, kind := range []string{"request", "verdict", "Delete"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.notifier.Store = hookStore{load: load}
				event := w.event(nil, nil)
				want := "FAILED"
				switch kind {
				case "verdict":
					event = w.event(map[string]any{"WaitUrl": nil, "RequestId": "x"}, nil)
				case "Delete":
					event = w.event(nil, map[string]any{"RequestType": "Delete", "PhysicalResourceId": "x"})
					want = "SUCCESS"
				}
				ctx, cancel := context.WithTimeout(context.Background(), 3200*time.Millisecond)
				defer cancel()
				err := w.notifier.Handle(ctx, event)
				got := w.bucket.last(t)
				if got.Status != want || got.Status == "FAILED" && got.Reason == "" || got.PhysicalResourceId == "" {
					t.Errorf("answered %+v, want %s", got, want)
				}
				if redeliver := err != nil; redeliver != (want == "SUCCESS") {
					t.Errorf("error %v: only an event answered SUCCESS whose work is not done may be delivered again", err)
				}
			})
		}
	}
}
