package notifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"sync"
	"time"

	"countersign/handle"
)

// response is what a custom resource provider answers. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
type response struct {
	Status             string            `json:"Status"` // SUCCESS or FAILED
	Reason             string            `json:"Reason,omitempty"`
	PhysicalResourceID string            `json:"PhysicalResourceId"`
	StackID            string            `json:"StackId"`
	RequestID          string            `json:"RequestId"`
	LogicalResourceID  string            `json:"LogicalResourceId"`
	Data               map[string]string `json:"Data,omitempty"`
}

const (
	maxResponse   = 4096 // bytes in all; CloudFormation takes no more
	maxReason     = 1500 // bytes
	maxPhysicalID = 1024
	answerTime    = 3 * time.Second // kept back from the function's deadline for the answer
	answerTimeout = 5 * time.Second // of one attempt
	answerTries   = 4
)

func (ev custom) succeeded(physicalID string, data map[string]string) response {
	return ev.response("SUCCESS", "", physicalID, data)
}

func (ev custom) failed(reason string) response {
	return ev.response("FAILED", reason, "", nil)
}

// response keeps a PhysicalResourceId once given: another one would mean that
// the resource was replaced, and bring a Delete for the first.
func (ev custom) response(status, reason, physicalID string, data map[string]string) response {
	if physicalID == "" {
		physicalID = ev.PhysicalResourceID
	}
	if physicalID == "" {
		physicalID = handle.NewID(ev.StackID, ev.LogicalResourceID, ev.RequestID)
	}
	return response{
		Status:             status,
		Reason:             handle.Truncate(reason, maxReason),
		PhysicalResourceID: handle.Truncate(physicalID, maxPhysicalID),
		StackID:            ev.StackID,
		RequestID:          ev.RequestID,
		LogicalResourceID:  ev.LogicalResourceID,
		Data:               data,
	}
}

// custom answers one custom resource request, whatever happens: a panic, a dead
// store, or a deadline that is near. Work left undone comes back as the error,
// so that Lambda delivers the event again.
func (n *Notifier) custom(ctx context.Context, event json.RawMessage) error {
	var ev custom
	if err := json.Unmarshal(event, &ev); err != nil {
		salvaged, ok := salvage(event)
		if !ok {
			return fmt.Errorf("%w: custom resource: %s", ErrEvent, jsonFault(err))
		}
		return n.answer(ctx, salvaged, salvaged.failed("the event could not be read: "+jsonFault(err)))
	}
	type result struct {
		response response
		err      error
	}
	work := func(ctx context.Context) (res result) {
		defer func() {
			if p := recover(); p != nil {
				n.Log.ErrorContext(ctx, "panic", "at", string(debug.Stack())) // never p itself: it may quote a secret
				res = result{n.broken(ev, "an internal fault stopped this request; the function's log has it"), errors.New("panic while answering CloudFormation")}
			}
		}()
		r, err := n.decideAnswer(ctx, ev)
		return result{r, err}
	}
	deadline, limited := ctx.Deadline()
	if !limited {
		res := work(ctx)
		return n.finish(ctx, ev, res.response, res.err)
	}
	working, cancel := context.WithDeadline(ctx, deadline.Add(-answerTime))
	defer cancel()
	done := make(chan result, 1)
	go func() { done <- work(working) }()
	select {
	case res := <-done:
		return n.finish(ctx, ev, res.response, res.err)
	case <-working.Done():
	}
	select { // work that heeds its context is about to say how far it came
	case res := <-done:
		return n.finish(ctx, ev, res.response, res.err)
	case <-time.After(answerTime / 6):
		late := n.broken(ev, "this request did not finish in time; launch again")
		return n.finish(ctx, ev, late, errors.New("work did not finish before the function's deadline"))
	}
}

// finish answers, and says whether Lambda shall deliver the event again: if the
// answer did not arrive, or if work was left undone. Once CloudFormation knows
// that a resource has failed it rolls back, and nothing of the event is worth
// doing any more: an approval asked for then would be about a dead stack.
func (n *Notifier) finish(ctx context.Context, ev custom, r response, undone error) error {
	if undone != nil {
		n.Log.ErrorContext(ctx, "couldn't do all of a request", "stack", ev.StackID, "resource", ev.LogicalResourceID, "error", undone)
	}
	if err := n.answer(ctx, ev, r); err != nil {
		return errors.Join(undone, err)
	}
	if r.Status == "FAILED" {
		return nil
	}
	return undone
}

// broken is the answer when nothing better is known. A Delete succeeds even
// then: a stack must never hang on us.
func (n *Notifier) broken(ev custom, reason string) response {
	if ev.RequestType == "Delete" {
		return ev.succeeded("", nil)
	}
	return ev.failed(reason)
}

// decideAnswer finds the answer to ev, and does what it stands for.
func (n *Notifier) decideAnswer(ctx context.Context, ev custom) (response, error) {
	if n.ConfigErr != nil {
		return n.broken(ev, n.ConfigErr.Error()), nil
	}
	if ev.RequestType == "Delete" {
		return ev.succeeded("", nil), n.gone(ctx, ev)
	}
	if ev.RequestType != "Create" && ev.RequestType != "Update" {
		return ev.failed(fmt.Sprintf("RequestType %q is none of Create, Update and Delete", handle.OneLine(ev.RequestType, 40))), nil
	}
	p, err := parseProperties(ev.ResourceProperties)
	switch {
	case err != nil:
		return ev.failed(err.Error()), nil
	case p.has("WaitUrl"):
		return n.request(ctx, ev, p)
	case p.has("RequestId"):
		return n.verdict(ctx, ev, p)
	}
	return ev.failed("the resource needs the property WaitUrl (!Ref of an AWS::CloudFormation::WaitConditionHandle) to ask for an approval, or RequestId (!Ref of the resource that asked) to check it"), nil
}

// answer PUTs the response to where CloudFormation waits for it, and tries
// again while there is time. The error never quotes the URL.
func (n *Notifier) answer(ctx context.Context, ev custom, r response) error {
	target, err := n.responseURL(ev.ResponseURL)
	if err != nil {
		return err
	}
	body, err := fit(r)
	if err != nil {
		return err
	}
	if r.Status != "SUCCESS" {
		n.Log.WarnContext(ctx, "failed a resource", "reason", r.Reason, "stack", r.StackID, "resource", r.LogicalResourceID)
	}
	for try := 1; ; try++ {
		status, err := n.put(ctx, target, body)
		if err == nil && status >= 200 && status < 300 {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("status %d", status)
		}
		if final := status >= 400 && status < 500 && status != http.StatusTooManyRequests; final || try == answerTries {
			return fmt.Errorf("couldn't answer CloudFormation: %w", err)
		}
		if n.Pause(ctx, time.Duration(try*try)*100*time.Millisecond) != nil {
			return fmt.Errorf("couldn't answer CloudFormation before the deadline: %w", err)
		}
	}
}

// fit encodes r within CloudFormation's limit: first without Data, then with
// ever less of a reason.
func fit(r response) ([]byte, error) {
	for {
		var body bytes.Buffer
		encoder := json.NewEncoder(&body)
		encoder.SetEscapeHTML(false) // it would make six bytes of one
		if err := encoder.Encode(r); err != nil {
			return nil, fmt.Errorf("couldn't encode the answer: %w", err)
		}
		switch {
		case body.Len() <= maxResponse:
			return body.Bytes(), nil
		case r.Data != nil:
			r.Data = nil
		case len(r.Reason) > 16:
			r.Reason = handle.Truncate(r.Reason, len(r.Reason)/2)
		default:
			return nil, errors.New("couldn't fit the answer: CloudFormation's own identifiers are too long")
		}
	}
}

func (n *Notifier) put(ctx context.Context, target string, body []byte) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	// As with the wait handle: a length, and no Content-Type.
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the ResponseURL is unusable")
	}
	direct := *n.Client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := direct.Do(req)
	if err != nil {
		return 0, handle.SanitizeError(err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	return res.StatusCode, nil
}

// responseHost matches the hosts of the buckets in which CloudFormation takes
// answers. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
var responseHost = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^cloudformation-custom-resource-response-[a-z0-9]+\.s3([.-][a-z0-9-]+)*\.amazonaws\.(com|com\.cn|eu)$`)
})

// responseURL lets answers go to CloudFormation alone, or to a made world's
// origin: an event is no proof of who sent it.
func (n *Notifier) responseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Host == "" {
		return "", fmt.Errorf("%w: a custom resource request without a usable ResponseURL", ErrEvent)
	}
	for _, o := range n.Origins {
		if p, err := url.Parse(o); err == nil && p.Scheme == u.Scheme && p.Host == u.Host {
			return raw, nil
		}
	}
	if u.Scheme != "https" || !responseHost().MatchString(u.Host) {
		return "", fmt.Errorf("%w: a custom resource request whose ResponseURL does not lead to CloudFormation", ErrEvent)
	}
	return raw, nil
}
