package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// ErrEvent means that the notifier does not know an event.
var ErrEvent = errors.New("unknown event")

// document holds the fields that tell events apart.
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

// Handle handles one Lambda event: a custom resource request, plain or in an SNS
// record; a CloudFormation stack status change from EventBridge; or a schedule,
// which sweeps. After an error Lambda delivers the event again, so everything
// here may happen twice. A sweep never returns an error.
func (n *Notifier) Handle(ctx context.Context, event json.RawMessage) error {
	var d document
	if err := json.Unmarshal(event, &d); err != nil {
		// Even if the document is broken, CloudFormation may be waiting for an
		// answer.
		if salvaged, ok := salvage(event); ok {
			return n.answerUnreadable(ctx, salvaged, err)
		}
		return fmt.Errorf("%w: %s", ErrEvent, jsonFault(err))
	}
	switch {
	case len(d.Records) > 0:
		return n.records(ctx, d.Records)
	case d.ResponseURL != "" || d.RequestType != "":
		return n.answerRequest(ctx, event)
	case d.scheduled():
		// The next sweep makes up for a failed one. Redelivered, it would only
		// fill the dead-letter queue, which is for launches.
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
		return n.stackChanged(ctx, d.Detail)
	}
	return fmt.Errorf("%w: source %q, detail-type %q", ErrEvent, handle.OneLine(d.Source, 60), handle.OneLine(d.DetailType, 60))
}

// records handles what came through the topic, by which other accounts reach the
// notifier: custom resource requests of stacks in other accounts, and nothing else.
// Anyone who may publish to it could otherwise forge schedules and stack events.
// See https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func (n *Notifier) records(ctx context.Context, records []json.RawMessage) error {
	var errs []error
	for _, raw := range records {
		errs = append(errs, n.record(ctx, raw))
	}
	return errors.Join(errs...)
}

func (n *Notifier) record(ctx context.Context, raw json.RawMessage) error {
	var record struct {
		Sns struct {
			Message string `json:"Message"`
		} `json:"Sns"`
	}
	if err := json.Unmarshal(raw, &record); err != nil || record.Sns.Message == "" {
		return fmt.Errorf("%w: a record that is not an SNS notification", ErrEvent)
	}
	message := json.RawMessage(record.Sns.Message)
	var ev customResource
	if err := json.Unmarshal(message, &ev); err != nil {
		salvaged, ok := salvage(message)
		if !ok {
			return fmt.Errorf("%w: a topic message that is not a custom resource request: %s", ErrEvent, jsonFault(err))
		}
		ev = salvaged
	}
	_, account, _, _ := parseStackID(ev.StackID)
	switch {
	case ev.ResponseURL == "" && ev.RequestType == "":
		return fmt.Errorf("%w: a topic message that is not a custom resource request", ErrEvent)
	case n.Account != "" && account == n.Account:
		return fmt.Errorf("%w: a topic message about a stack of this account, whose stacks call the function itself", ErrEvent)
	case ev.RequestType != "Delete" && !n.floods.allow(account, n.Now()):
		return n.answerWith(ctx, ev, func(context.Context, customResource) (reply, error) {
			return reply{response: ev.failed("too many requests from this account at once; launch again in a minute"), unread: true}, nil
		})
	}
	return n.answerRequest(ctx, message)
}

// jsonFault says what is wrong with a document without quoting it, as it may hold
// a wait URL.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is not JSON from byte %d on", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("%s must be %s, not %s", handle.OneLine(kind.Field, 80), kind.Type, handle.OneLine(kind.Value, 20))
	}
	return "it is not a JSON document"
}

// customResource is a custom resource request. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
type customResource struct {
	RequestType        string
	RequestID          string `json:"RequestId"`
	ResponseURL        string
	ResourceType       string
	LogicalResourceID  string `json:"LogicalResourceId"`
	PhysicalResourceID string `json:"PhysicalResourceId"`
	StackID            string `json:"StackId"`

	// ServiceTimeout is the resource's, in seconds. Events have been seen with it here
	// and not among the properties. It is read leniently: a string or a number.
	ServiceTimeout json.RawMessage

	ResourceProperties    json.RawMessage
	OldResourceProperties json.RawMessage
}

// member finds a string member in a document too broken to decode.
func member(event []byte, name string) string {
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

// salvage reads from a broken event what an answer needs. ok is false if that is
// not there.
func salvage(event []byte) (customResource, bool) {
	const most = 1 << 20
	event = event[:min(len(event), most)]
	ev := customResource{
		RequestType:        member(event, "RequestType"),
		RequestID:          member(event, "RequestId"),
		ResponseURL:        member(event, "ResponseURL"),
		LogicalResourceID:  member(event, "LogicalResourceId"),
		PhysicalResourceID: member(event, "PhysicalResourceId"),
		StackID:            member(event, "StackId"),
	}
	return ev, ev.ResponseURL != "" && ev.RequestID != "" && ev.StackID != "" && ev.LogicalResourceID != ""
}

// stackChanged handles a stack status change from EventBridge. It records that the
// stack's operation has ended or, of a launched stack, that an update was seen;
// reconciling asks CloudFormation what that means. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
func (n *Notifier) stackChanged(ctx context.Context, detail json.RawMessage) error {
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
	status := d.Status.Status
	updated := status == "UPDATE_COMPLETE" || status == "UPDATE_IN_PROGRESS"
	if !handle.FinalStatus(status) && !updated {
		return nil
	}
	requests, err := n.Store.OfStack(ctx, d.StackID)
	if err != nil {
		return fmt.Errorf("couldn't look up the requests of a stack: %w", err)
	}
	newest := newestApproved(requests)
	var errs []error
	for _, r := range requests {
		var marks []reconcile.Mark
		if handle.FinalStatus(status) {
			marks = append(marks, reconcile.StackStatus{Status: status, Reason: d.Status.Reason, At: n.Now()})
		}
		if updated && r.ID == newest && r.Ended != nil {
			marks = append(marks, reconcile.UpdateSeen{At: n.Now()})
		}
		for _, m := range marks {
			r, err = n.Change(ctx, r, m)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// newestApproved returns the ID of the request that was approved last.
func newestApproved(requests []handle.Request) string {
	var newest handle.Request
	for _, r := range requests {
		if r.State() == handle.Approved && (newest.ID == "" || r.CreatedAt.After(newest.CreatedAt)) {
			newest = r
		}
	}
	return newest.ID
}
