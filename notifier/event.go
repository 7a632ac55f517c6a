package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"countersign/handle"
)

// ErrEvent says that a document is none that the notifier knows.
var ErrEvent = errors.New("unknown event")

// document is as much of every event as tells them apart.
type document struct {
	RequestType string            `json:"RequestType"`
	ResponseURL string            `json:"ResponseURL"`
	Records     []json.RawMessage `json:"Records"`
	Source      string            `json:"source"`
	DetailType  string            `json:"detail-type"`
	Detail      json.RawMessage   `json:"detail"`
}

func (d document) scheduled() bool {
	return d.Source == "aws.events" && d.DetailType == "Scheduled Event" || d.Source == "aws.scheduler"
}

// Handle takes one event as Lambda hands it over: a custom resource request,
// plain or inside an SNS record; a CloudFormation stack status change from
// EventBridge; or a schedule, which sweeps. Its error is for Lambda, which then
// delivers the event again: everything here may happen twice. A sweep has none.
func (n *Notifier) Handle(ctx context.Context, event json.RawMessage) error {
	var d document
	if err := json.Unmarshal(event, &d); err != nil {
		// Not JSON, or of another shape: if CloudFormation waits for an answer
		// to this, it gets one.
		if salvaged, ok := salvage(event); ok {
			return n.answer(ctx, salvaged, salvaged.failed("the event could not be read: "+jsonFault(err)))
		}
		return fmt.Errorf("%w: %s", ErrEvent, jsonFault(err))
	}
	switch {
	case len(d.Records) > 0:
		return n.records(ctx, d.Records)
	case d.ResponseURL != "" || d.RequestType != "":
		return n.custom(ctx, event)
	case d.scheduled():
		// The next one does as well. Delivered again, a failed one would only
		// fill the failure queue, where launches are looked for.
		err := n.ConfigErr
		if err == nil {
			err = n.Sweep(ctx)
		}
		if err != nil {
			n.Log.ErrorContext(ctx, "couldn't sweep", "error", err)
		}
		return nil
	case n.ConfigErr != nil:
		return n.ConfigErr
	case d.Source == "aws.cloudformation" && d.DetailType == "CloudFormation Stack Status Change":
		return n.stackMoved(ctx, d.Detail)
	}
	return fmt.Errorf("%w: source %q, detail-type %q", ErrEvent, handle.OneLine(d.Source, 60), handle.OneLine(d.DetailType, 60))
}

// records takes what came through a topic. See
// https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func (n *Notifier) records(ctx context.Context, records []json.RawMessage) error {
	var errs []error
	for _, raw := range records {
		var record struct {
			Sns struct {
				Message string `json:"Message"`
			} `json:"Sns"`
		}
		if err := json.Unmarshal(raw, &record); err != nil || record.Sns.Message == "" {
			errs = append(errs, fmt.Errorf("%w: a record that is not from SNS", ErrEvent))
			continue
		}
		var nested document
		if json.Unmarshal([]byte(record.Sns.Message), &nested) == nil && len(nested.Records) > 0 {
			errs = append(errs, fmt.Errorf("%w: records within a record", ErrEvent))
			continue
		}
		errs = append(errs, n.Handle(ctx, json.RawMessage(record.Sns.Message)))
	}
	return errors.Join(errs...)
}

// jsonFault says what is wrong with a document without quoting it: it may hold
// a wait URL.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("%s must be %s, not %s", handle.OneLine(kind.Field, 80), kind.Type, handle.OneLine(kind.Value, 20))
	}
	return "it is no JSON document"
}

// custom is a custom resource request. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
type custom struct {
	RequestType        string
	RequestID          string `json:"RequestId"`
	ResponseURL        string
	ResourceType       string
	LogicalResourceID  string `json:"LogicalResourceId"`
	PhysicalResourceID string `json:"PhysicalResourceId"`
	StackID            string `json:"StackId"`

	ResourceProperties    json.RawMessage
	OldResourceProperties json.RawMessage
}

// named finds a string member in a document too broken to decode.
func named(event []byte, name string) string {
	m := regexp.MustCompile(`"` + name + `"\s*:\s*("(?:[^"\\]|\\.)*")`).FindSubmatch(event)
	if m == nil {
		return ""
	}
	var s string
	if json.Unmarshal(m[1], &s) != nil {
		return ""
	}
	return s
}

// salvage reads as much off a broken event as an answer needs.
func salvage(event []byte) (custom, bool) {
	const most = 1 << 20
	event = event[:min(len(event), most)]
	ev := custom{
		RequestType:        named(event, "RequestType"),
		RequestID:          named(event, "RequestId"),
		ResponseURL:        named(event, "ResponseURL"),
		LogicalResourceID:  named(event, "LogicalResourceId"),
		PhysicalResourceID: named(event, "PhysicalResourceId"),
		StackID:            named(event, "StackId"),
	}
	return ev, ev.ResponseURL != "" && ev.RequestID != "" && ev.StackID != "" && ev.LogicalResourceID != ""
}

// stackMoved takes a stack status change from EventBridge. Only final ones
// matter; what they mean, settling asks CloudFormation. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
func (n *Notifier) stackMoved(ctx context.Context, detail json.RawMessage) error {
	var d struct {
		StackID string `json:"stack-id"`
		Status  struct {
			Status string `json:"status"`
			Reason string `json:"status-reason"`
		} `json:"status-details"`
	}
	if err := json.Unmarshal(detail, &d); err != nil {
		return fmt.Errorf("%w: stack status: %s", ErrEvent, jsonFault(err))
	}
	if !handle.FinalStatus(d.Status.Status) {
		return nil
	}
	requests, err := n.Store.OfStack(ctx, d.StackID)
	if err != nil {
		return fmt.Errorf("couldn't look up the requests of a stack: %w", err)
	}
	var errs []error
	for _, r := range requests {
		_, err := n.Change(ctx, r, func(r handle.Request, now time.Time) handle.Request {
			return r.ObserveStatus(d.Status.Status, r.WaitURL.Redact(d.Status.Reason), now)
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
