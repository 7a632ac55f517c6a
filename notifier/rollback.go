package notifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// lateTime is the time to read the stack after the time for the answer has begun.
const lateTime = time.Second

// succeedInstead replaces a FAILED answer to an Update that must succeed. Otherwise
// the stack would stay in UPDATE_ROLLBACK_FAILED, or could not be changed at all
// while Countersign is broken:
//
//   - CloudFormation is rolling back. The stack returns to what it was.
//   - The Update changes nothing that an approval binds, and the record that would
//     show this could not be read.
//
// undone is set if handling failed or was late. Then the store is not used, because it
// may be the cause.
func (n *Notifier) succeedInstead(ctx context.Context, ev customResource, r reply, undone error) (out reply) {
	defer func() {
		if recover() != nil {
			n.Log.ErrorContext(ctx, "panic", "at", string(debug.Stack()))
			out = r
		}
	}()
	if ev.RequestType != "Update" || r.held || r.response.Status != "FAILED" {
		return r
	}
	if (undone != nil || r.unread) && keepsContent(ev) {
		return succeeded(ev, ev.PhysicalResourceID)
	}
	useStore := n.Store != nil && undone == nil
	rollsBack := r.rollback
	if !rollsBack && !n.otherAccount(ev) {
		rollsBack = n.rollingBack(ctx, ev.StackID)
	}
	id, approved := "", false
	if useStore {
		id, approved = n.returnsToApproved(ctx, ev)
	}
	switch {
	case approved && (rollsBack || n.otherAccount(ev)):
	case rollsBack:
		id = ev.PhysicalResourceID
	default:
		return r
	}
	back := succeeded(ev, id)
	if n.Store != nil {
		back.then = func(ctx context.Context) error {
			requests, err := n.Store.OfStack(ctx, ev.StackID)
			if err != nil {
				return fmt.Errorf("couldn't look up the requests of a stack that rolls back: %w", err)
			}
			return n.withdrawCancelled(ctx, ev, requests)
		}
	}
	return back
}

// succeeded answers SUCCESS with physical ID id. Unknown attributes get a placeholder,
// because Fn::GetAtt would fail the stack without one.
func succeeded(ev customResource, id string) reply {
	data := map[string]string{"RequestId": id}
	if p, err := parseProperties(ev.ResourceProperties); err == nil && !p.has("WaitUrl") {
		if request, err := p.text("RequestId"); err == nil && request != "" {
			data = map[string]string{"RequestId": request, "ApprovedBy": unknownAttribute, "ApprovedAt": unknownAttribute}
		}
	}
	return reply{response: ev.succeeded(id, data)}
}

const unknownAttribute = "unknown"

// bindingProperties are the properties that an approval binds: those of a request,
// and that of a verdict.
var bindingProperties = []string{"WaitUrl", "Parameters", "Template", "RequestId"}

// keepsContent reports whether an Update changes nothing that an approval binds. Its
// old properties are what CloudFormation last had an answer SUCCESS for.
func keepsContent(ev customResource) bool {
	before, err1 := parseProperties(ev.OldResourceProperties)
	now, err2 := parseProperties(ev.ResourceProperties)
	if err1 != nil || err2 != nil || !before.has("WaitUrl") && !before.has("RequestId") {
		return false
	}
	for _, name := range bindingProperties {
		if !sameJSON(before[name], now[name]) {
			return false
		}
	}
	return true
}

// sameJSON reports whether a and b are the same value. An absent one is null.
func sameJSON(a, b json.RawMessage) bool {
	canonical := func(raw json.RawMessage) ([]byte, bool) {
		if len(raw) == 0 {
			return []byte("null"), true
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return nil, false
		}
		out, err := json.Marshal(v) // sorts the keys
		return out, err == nil
	}
	x, ok1 := canonical(a)
	y, ok2 := canonical(b)
	return ok1 && ok2 && bytes.Equal(x, y)
}

// otherAccount reports whether ev comes from a stack in another account, which can't be
// read. There, an update that returns to approved content is presumably a rollback.
func (n *Notifier) otherAccount(ev customResource) bool {
	_, account, _, _ := parseStackID(ev.StackID)
	return n.OtherAccount(account)
}

// rollingBack reports whether CloudFormation says that it is rolling a stack back. It
// asks again while that fails, as verify does.
func (n *Notifier) rollingBack(ctx context.Context, stackID string) bool {
	_, account, _, ok := parseStackID(stackID)
	if !ok || n.Stacks == nil {
		return false
	}
	if deadline, limited := ctx.Deadline(); limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(time.Until(deadline)-answerTime, lateTime))
		defer cancel()
	}
	for attempt := 1; ; attempt++ {
		status, err := n.StackStatus(ctx, handle.Stack{ID: stackID, Account: account})
		switch {
		case err == nil:
			return reconcile.RollbackStatus(status)
		case errors.Is(err, reconcile.ErrNoStack), errors.Is(err, reconcile.ErrDenied),
			attempt >= verifyAttempts, n.Pause(ctx, 500*time.Millisecond<<(attempt-1)) != nil:
			n.Log.WarnContext(ctx, "couldn't find out whether an update is being rolled back", "stack", stackID, "error", err)
			return false
		}
	}
}

// returnsToApproved reports whether an Update of a request resource returns to content
// that was approved before, and by which request. In other accounts it accepts only the
// content before the last approved update, or an earlier wait handle.
func (n *Notifier) returnsToApproved(ctx context.Context, ev customResource) (id string, ok bool) {
	p, err := parseProperties(ev.ResourceProperties)
	if err != nil || !p.has("WaitUrl") {
		return "", false
	}
	url, err1 := p.text("WaitUrl")
	template, err2 := p.text("Template")
	parameters, err3 := p.fields("Parameters")
	if errors.Join(err1, err2, err3) != nil {
		return "", false
	}
	requests, err := n.Store.OfStack(ctx, ev.StackID)
	if err != nil {
		n.Log.WarnContext(ctx, "couldn't find out what an update returns to", "stack", ev.StackID, "error", err)
		return "", false
	}
	to := handle.Content{GateTemplate: template, GateParameters: n.gateDigest(ctx, ev.RequestID, p, approval{parameters: parameters})}
	last, _ := lastApproved(requests, ev)
	for _, r := range requests {
		previous := last.Update != nil && last.Update.Approved == r.ID
		if r.Stack.Gate != ev.LogicalResourceID || r.State() != handle.Approved || !r.Content.SameGate(to) {
			continue
		}
		if r.WaitURL.Equal(url) || previous || id == "" && !n.otherAccount(ev) {
			id = r.ID
		}
	}
	return id, id != ""
}
