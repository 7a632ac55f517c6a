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
)

const verdictReads = 5

// verdict answers the resource behind the wait. That the wait was released
// proves nothing: requesters can read the wait URL in their stack's events. Only
// an approval on record, of this very stack, opens it.
func (n *Notifier) verdict(ctx context.Context, ev custom, p properties) (response, error) {
	id, err := p.text("RequestId")
	if err != nil {
		return ev.failed(err.Error()), nil
	}
	r, err := n.loadPatiently(ctx, id)
	if err != nil && !errors.Is(err, handle.ErrNotFound) {
		return ev.failed("the record of this approval could not be read, so the launch does not go on; launch again"), err
	}
	if err == nil && r.ApprovedFor(ev.StackID) {
		return ev.succeeded(id+"-verdict", map[string]string{
			"RequestId":  id,
			"ApprovedBy": approvers(r.ApprovedBy()),
			"ApprovedAt": r.Decision.At.UTC().Format(time.RFC3339),
		}), nil
	}
	return ev.failed(n.refuse(ctx, ev, r, err == nil)), nil
}

const maxTag = 256 // characters of a tag's value

// approvers names who approved, such that AWS takes it as the value of a tag:
// templates put it into those, and an approved launch must not fail because of a
// name. See https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html and
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
func approvers(people []handle.Person) string {
	var names []string
	for _, p := range people {
		names = append(names, tagged(p))
	}
	s := strings.Join(names, " and ")
	for n := len(names) - 1; n > 0 && utf8.RuneCountInString(s) > maxTag; n-- {
		s = fmt.Sprintf("%s and %d more", strings.Join(names[:n], " and "), len(names)-n)
	}
	return s
}

// tagged is somebody's name in the characters that all services take, but for
// the colon, so that none begins with the reserved "aws:".
func tagged(p handle.Person) string {
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
		return cmp.Or(name, "somebody") + " by mail"
	}
	return cmp.Or(name, p.ID)
}

// refuse raises the alarm and says why the launch does not go on. found tells
// whether r was found at all.
func (n *Notifier) refuse(ctx context.Context, ev custom, r handle.Request, found bool) string {
	n.Log.ErrorContext(ctx, "signalled but not approved", "alarm", "bypass", "stack", ev.StackID, "request", r.ID)
	if !found {
		n.unrecorded(ctx, ev.StackID)
		return "there is no such request on record: RequestId must be !Ref of the resource that asked for the approval"
	}
	if r.Stack.ID != ev.StackID {
		n.alarm(ctx, ev.StackID, "the stack showed the approval of another stack")
		return "the request belongs to another stack, and its approval opens nothing here"
	}
	how := fmt.Sprintf("the wait was released while the request was %s", r.State())
	if !n.goneRound(ctx, r, how) {
		n.unrecorded(ctx, ev.StackID)
	}
	return fmt.Sprintf("no approval is on record for this launch: request %s is %s", r.ID, r.State())
}

// alarm records on every request of a stack that somebody tried to go round.
func (n *Notifier) alarm(ctx context.Context, stackID, how string) {
	requests, err := n.Store.OfStack(ctx, stackID)
	if err != nil {
		n.Log.ErrorContext(ctx, "couldn't record a bypass", "stack", stackID, "error", err)
	}
	recorded := false
	for _, r := range requests {
		recorded = n.goneRound(ctx, r, how) || recorded
	}
	if !recorded {
		n.unrecorded(ctx, stackID)
	}
}

// goneRound records a bypass, and reports whether it is on record.
func (n *Notifier) goneRound(ctx context.Context, r handle.Request, how string) bool {
	r, err := n.Change(ctx, r, func(r handle.Request, now time.Time) handle.Request { return r.RecordBypass(how, now) })
	if err != nil {
		n.Log.ErrorContext(ctx, "couldn't record a bypass", "request", r.ID, "error", err)
	}
	return err == nil && r.Bypass != nil
}

// unrecorded tells of a bypass that no record tells of.
func (n *Notifier) unrecorded(ctx context.Context, stackID string) {
	if n.Observer != nil {
		n.Observer.Bypassed(ctx, stackID)
	}
}

// loadPatiently reads a record again and again while the store fails: an
// approved launch should not be lost to a store's bad moment.
func (n *Notifier) loadPatiently(ctx context.Context, id string) (r handle.Request, err error) {
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
