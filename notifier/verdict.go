package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

const verdictReads = 5

// verdict answers the resource behind the wait. A released wait proves nothing:
// requesters can read the wait URL in their stack's events. Only an approval of
// this stack on record lets the launch continue. A bypass is recorded once
// CloudFormation's bucket has accepted the answer: forged events record none.
func (n *Notifier) verdict(ctx context.Context, ev customResource, p properties) (reply, error) {
	fail := func(reason string) reply { return reply{response: ev.failed(reason)} }
	id, err := p.text("RequestId")
	if err != nil {
		return fail(err.Error()), nil
	}
	r, err := n.loadWithRetry(ctx, id)
	switch {
	case errors.Is(err, handle.ErrNotFound):
		refused := fail("no such request is on record: RequestId must be !Ref of the resource that requested the approval")
		refused.then = func(ctx context.Context) error { n.logBypass(ctx, ev, id); n.reportBypass(ctx, ev.StackID); return nil }
		return refused, nil
	case err != nil:
		return fail("the approval record could not be read, so the launch can't continue; launch again"), err
	case r.ApprovedFor(ev.StackID):
		return reply{response: ev.succeeded(id+"-verdict", map[string]string{
			"RequestId":  id,
			"ApprovedBy": approvers(r.ApprovedBy()),
			"ApprovedAt": r.Decision.At.UTC().Format(time.RFC3339),
		})}, nil
	case r.Stack.ID != ev.StackID:
		refused := fail("the request belongs to another stack, so its approval doesn't count here")
		refused.then = func(ctx context.Context) error {
			n.logBypass(ctx, ev, id)
			n.alarm(ctx, ev.StackID, "the verdict resource presented another stack's approval")
			return nil
		}
		return refused, nil
	}
	refused := fail(fmt.Sprintf("no approval is on record for this launch: request %s is %s", r.ID, r.State()))
	refused.then = func(ctx context.Context) error {
		n.logBypass(ctx, ev, id)
		if !n.recordBypass(ctx, r, fmt.Sprintf("the wait was released while the request was %s", r.State())) {
			n.reportBypass(ctx, ev.StackID)
		}
		return nil
	}
	return refused, nil
}

func (n *Notifier) logBypass(ctx context.Context, ev customResource, id string) {
	n.Log.ErrorContext(ctx, "signalled but not approved", "alarm", "bypass", "stack", ev.StackID, "request", id)
}

const maxTag = 256 // characters of a tag's value

// approvers names who approved, as a valid AWS tag value: templates use it in tags,
// and an approved launch must not fail because of a name. See https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html and
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
func approvers(people []handle.Person) string {
	var names []string
	for _, p := range people {
		names = append(names, tagName(p))
	}
	s := strings.Join(names, " and ")
	for n := len(names) - 1; n > 0 && utf8.RuneCountInString(s) > maxTag; n-- {
		s = fmt.Sprintf("%s and %d more", strings.Join(names[:n], " and "), len(names)-n)
	}
	return s
}

// tagName is a person's name in the characters that all services accept in tags,
// without the colon, so that it cannot start with the reserved "aws:".
func tagName(p handle.Person) string {
	name := handle.OneLine(strings.Map(func(c rune) rune {
		switch {
		case unicode.IsLetter(c), unicode.IsDigit(c), strings.ContainsRune("_./=+-@", c):
			return c
		case unicode.IsMark(c):
			return -1
		}
		return ' '
	}, handle.Truncate(p.Name, 80)), 80)
	if p.ID == "" {
		return cmp.Or(name, "unknown") + " by mail"
	}
	return cmp.Or(name, p.ID)
}

// alarm records an attempted bypass on every request of a stack.
func (n *Notifier) alarm(ctx context.Context, stackID, how string) {
	requests, err := n.Store.OfStack(ctx, stackID)
	if err != nil {
		n.Log.ErrorContext(ctx, "couldn't record a bypass", "stack", stackID, "error", err)
	}
	recorded := false
	for _, r := range requests {
		recorded = n.recordBypass(ctx, r, how) || recorded
	}
	if !recorded {
		n.reportBypass(ctx, stackID)
	}
}

// recordBypass records a bypass, and reports whether it is on record.
func (n *Notifier) recordBypass(ctx context.Context, r handle.Request, how string) bool {
	r, err := n.Change(ctx, r, reconcile.Bypassed{How: how, At: n.Now()})
	if err != nil {
		n.Log.ErrorContext(ctx, "couldn't record a bypass", "request", r.ID, "error", err)
	}
	return err == nil && r.Bypass != nil
}

// reportBypass counts a bypass that could not be recorded.
func (n *Notifier) reportBypass(ctx context.Context, stackID string) {
	if n.Observer != nil {
		n.Observer.Bypassed(ctx, stackID)
	}
}

// loadWithRetry reads a record, and retries while the store fails: an approved
// launch must not fail because of a short outage.
func (n *Notifier) loadWithRetry(ctx context.Context, id string) (r handle.Request, err error) {
	for try := 1; ; try++ {
		r, err = n.Store.Load(ctx, id)
		if err == nil || errors.Is(err, handle.ErrNotFound) || try == verdictReads {
			return r, err
		}
		if n.Pause(ctx, time.Duration(try)*500*time.Millisecond) != nil {
			return r, err
		}
	}
}
