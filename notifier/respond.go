package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"countersign/handle"
)

const (
	maxReason     = 1500 // bytes
	maxPhysicalID = 1024
	answerTime    = 3 * time.Second // of the function's time, reserved for the answer
	answerTimeout = 5 * time.Second // per attempt
	answerTries   = 4
)

func (ev customResource) succeeded(physicalID string, data map[string]string) handle.Response {
	return ev.response("SUCCESS", "", physicalID, data)
}

func (ev customResource) failed(reason string) handle.Response {
	return ev.response("FAILED", reason, "", nil)
}

// response keeps the PhysicalResourceId: a new one would mean that the resource
// was replaced, and CloudFormation would delete the old one.
func (ev customResource) response(status, reason, physicalID string, data map[string]string) handle.Response {
	if physicalID == "" {
		physicalID = ev.PhysicalResourceID
	}
	if physicalID == "" {
		physicalID = handle.NewID(ev.StackID, ev.LogicalResourceID, ev.RequestID)
	}
	return handle.Response{
		Status:             status,
		Reason:             handle.Truncate(reason, maxReason),
		PhysicalResourceID: handle.Truncate(physicalID, maxPhysicalID),
		StackID:            ev.StackID,
		RequestID:          ev.RequestID,
		LogicalResourceID:  ev.LogicalResourceID,
		Data:               data,
	}
}

// reply is the answer to a custom resource request, and what to do once
// CloudFormation's bucket has accepted it: only a genuine request has a response
// URL that it accepts.
type reply struct {
	held     bool // CloudFormation is answered later, when the request is decided
	response handle.Response
	then     func(ctx context.Context) error // optional
	rollback bool                            // FAILED because CloudFormation is rolling back
	unread   bool                            // FAILED before any record was read
	again    bool                            // Lambda must deliver the event again even if the response is FAILED
}

// answerRequest answers one custom resource request, even after a panic, a store
// failure or close to the deadline. Unfinished work is returned as the error, so
// that Lambda delivers the event again.
func (n *Notifier) answerRequest(ctx context.Context, event json.RawMessage) error {
	var ev customResource
	if err := json.Unmarshal(event, &ev); err != nil {
		salvaged, ok := salvage(event)
		if !ok {
			return fmt.Errorf("%w: custom resource: %s", ErrEvent, jsonFault(err))
		}
		return n.answerUnreadable(ctx, salvaged, err)
	}
	return n.answerWith(ctx, ev, n.dispatch)
}

// answerUnreadable answers an event that could not be decoded.
func (n *Notifier) answerUnreadable(ctx context.Context, salvaged customResource, err error) error {
	refused := reply{response: n.fallback(salvaged, "the event could not be read: "+jsonFault(err)), unread: true}
	return n.finish(ctx, salvaged, n.succeedInstead(ctx, salvaged, refused, nil), nil)
}

// answerWith answers ev with what handle returns, or in its place if it panics or is
// late.
func (n *Notifier) answerWith(ctx context.Context, ev customResource, handle func(context.Context, customResource) (reply, error)) error {
	type result struct {
		reply reply
		err   error
	}
	work := func(ctx context.Context) (res result) {
		defer func() {
			if p := recover(); p != nil {
				n.Log.ErrorContext(ctx, "panic", "at", string(debug.Stack())) // never p itself: it may quote a secret
				stopped := errors.New("panic while answering CloudFormation")
				refused := reply{response: n.fallback(ev, "an internal error stopped this request; see the function's log")}
				res = result{n.succeedInstead(ctx, ev, refused, stopped), stopped}
			}
		}()
		r, err := handle(ctx, ev)
		return result{n.succeedInstead(ctx, ev, r, err), err}
	}
	deadline, limited := ctx.Deadline()
	if !limited {
		res := work(ctx)
		return n.finish(ctx, ev, res.reply, res.err)
	}
	working, cancel := context.WithDeadline(ctx, deadline.Add(-answerTime))
	defer cancel()
	done := make(chan result, 1)
	go func() { done <- work(working) }()
	select {
	case res := <-done:
		return n.finish(ctx, ev, res.reply, res.err)
	case <-working.Done():
	}
	select { // work that observes its context is about to return
	case res := <-done:
		return n.finish(ctx, ev, res.reply, res.err)
	case <-time.After(answerTime / 6):
		late := errors.New("the request did not finish before the function's deadline")
		refused := reply{response: n.fallback(ev, "this request did not finish in time; launch again")}
		return n.finish(ctx, ev, n.succeedInstead(ctx, ev, refused, late), late)
	}
}

// finish answers, and then does what waits for the answer's acceptance. It returns
// an error, so that Lambda delivers the event again, if the answer did not arrive
// or work is unfinished. After a FAILED answer CloudFormation rolls back, so the
// work is no longer needed: there is nothing left
// to approve.
func (n *Notifier) finish(ctx context.Context, ev customResource, r reply, undone error) error {
	if undone != nil {
		n.Log.ErrorContext(ctx, "request not finished", "stack", ev.StackID, "resource", ev.LogicalResourceID, "error", undone)
	}
	if r.held {
		return undone
	}
	if err := n.answer(ctx, ev, r.response); err != nil {
		return errors.Join(undone, err)
	}
	if r.then != nil {
		undone = errors.Join(undone, n.afterwards(ctx, r.then))
	}
	if r.response.Status == "FAILED" && !r.again {
		return nil
	}
	return undone
}

// afterwards runs then, and returns at the function's deadline even if then does
// not.
func (n *Notifier) afterwards(ctx context.Context, then func(context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				n.Log.ErrorContext(ctx, "panic", "at", string(debug.Stack()))
				done <- errors.New("panic after answering CloudFormation")
			}
		}()
		done <- then(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("work after the answer did not finish: %w", ctx.Err())
	}
}

// fallback is the answer to an event that could not be handled. Delete succeeds
// even then, so that no stack is stuck because of Countersign.
func (n *Notifier) fallback(ev customResource, reason string) handle.Response {
	if ev.RequestType == "Delete" {
		return ev.succeeded("", nil)
	}
	return ev.failed(reason)
}

// dispatch does what ev asks for and returns the reply.
func (n *Notifier) dispatch(ctx context.Context, ev customResource) (reply, error) {
	fail := func(reason string) reply { return reply{response: n.fallback(ev, reason)} }
	switch {
	case n.ConfigErr != nil:
		refused := fail(n.ConfigErr.Error())
		refused.unread = true
		return refused, nil
	case ev.RequestType == "Delete":
		return reply{
			response: ev.succeeded("", nil),
			then:     func(ctx context.Context) error { return n.deleted(ctx, ev) },
		}, nil
	case ev.RequestType != "Create" && ev.RequestType != "Update":
		return fail(fmt.Sprintf("RequestType %q is not Create, Update or Delete", handle.OneLine(ev.RequestType, 40))), nil
	}
	p, err := parseProperties(ev.ResourceProperties)
	switch {
	case err != nil:
		return fail(err.Error()), nil
	case p.has("WaitUrl"):
		return n.request(ctx, ev, p)
	case p.has("RequestId"):
		return n.verdict(ctx, ev, p)
	}
	return fail("the resource needs the property WaitUrl (!Ref of an AWS::CloudFormation::WaitConditionHandle) to ask for an approval, or RequestId (!Ref of the resource that asked) to check it"), nil
}

// answer PUTs the response to the ResponseURL, and retries while there is time.
// The error never quotes the URL.
func (n *Notifier) answer(ctx context.Context, ev customResource, r handle.Response) error {
	target, err := n.responseURL(ev)
	if err != nil {
		return err
	}
	body, err := r.Encode()
	if err != nil {
		return err
	}
	if r.Status != "SUCCESS" {
		n.Log.WarnContext(ctx, "answered FAILED", "reason", r.Reason, "stack", r.StackID, "resource", r.LogicalResourceID)
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

func (n *Notifier) put(ctx context.Context, target string, body []byte) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return handle.Put(ctx, n.Client, target, body)
}

// responseURL checks that the answer goes to CloudFormation's own bucket in the
// stack's Region, under the key of this very request, or to an origin of a
// simulation: an event does not prove its sender. The URL's signature, which the
// bucket checks, does.
func (n *Notifier) responseURL(ev customResource) (string, error) {
	key := ev.StackID + "|" + ev.LogicalResourceID + "|" + ev.RequestID
	if err := handle.CheckResponseURL(ev.ResponseURL, ev.StackID, key, n.Origins); err != nil {
		return "", fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return ev.ResponseURL, nil
}
