package laws

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// relaunchable reports whether approvers may still approve an expired launch, or
// revoke that approval.
func relaunchable(r handle.Request) bool {
	g := r.Grant
	return r.State() == handle.Expired && g != nil && g.UsedBy == "" && g.RevokedAt.IsZero() && !g.Lapsed
}

// lateVote reports whether v approves an expired launch for its relaunch.
func lateVote(r handle.Request, v handle.Vote) bool {
	return r.State() == handle.Expired && r.Grant != nil && v.Verdict == handle.Approve && v.Via == handle.ViaSlack &&
		v.At.Before(r.Decision.At.Add(grantFor(r)))
}

// grantFor is how long after its expiry a launch can be approved, and how long after
// that approval it can be used.
func grantFor(r handle.Request) time.Duration {
	return time.Duration(r.Terms.GrantForSeconds) * time.Second
}

// granted reports whether v was copied from the request whose grant r took.
func (c *Checker) granted(r handle.Request, v handle.Vote) bool {
	return r.Decision != nil && r.Decision.Via == handle.ViaGrant &&
		slices.ContainsFunc(c.records[r.GrantFrom].Votes, func(w handle.Vote) bool { return reflect.DeepEqual(v, w) })
}

// grants checks that a grant is given by enough people, used at most once, in time,
// and for the same content by the same requester.
func (c *Checker) grants(old, r handle.Request) {
	const once = "a grant lets one launch through, once"
	if _, proven := c.launcher(r); old.Grant == nil && r.Grant != nil && (r.State() != handle.Expired || r.Update != nil || c.CloudFormation != nil && !proven) {
		c.add(BindsContent, "only an expired launch of a proven requester can be approved late", "%s is %s", r.ID, r.State())
	}
	if was, is := old.Grant, r.Grant; was != nil {
		switch {
		case is == nil:
			c.add(BindsContent, "a grant is kept", "%s lost it", r.ID)
		case was.UsedBy != "" && is.UsedBy != was.UsedBy:
			c.add(BindsContent, once, "%s: used by %s, then by %s", r.ID, was.UsedBy, is.UsedBy)
		case was.UsedBy == "" && is.UsedBy != "" && (!was.RevokedAt.IsZero() || was.Lapsed || was.At.IsZero()):
			c.add(BindsContent, once, "%s: used after it was revoked or had lapsed, or before it was given", r.ID)
		case is.UsedBy != "" && !is.UsedAt.Before(is.Until):
			c.add(BindsContent, once, "%s: used at %s, after its end", r.ID, is.UsedAt)
		case !is.At.IsZero() && c.approvers(r) < c.approvalsNeeded(r):
			c.add(BindsPerson, "an approval needs the required number of approvers", "%s: a grant of %d", r.ID, c.approvers(r))
		}
	}
	if old.Decision != nil || r.Decision == nil || r.Decision.Via != handle.ViaGrant {
		return
	}
	given := c.records[r.GrantFrom]
	if given.Grant == nil || given.Grant.UsedBy != r.ID {
		c.add(BindsContent, once, "%s is approved by the grant of %s, which it has not used", r.ID, r.GrantFrom)
	}
	if c.CloudFormation == nil {
		return
	}
	before, ok1 := c.CloudFormation.Stack(given.Stack.ID)
	after, ok2 := c.CloudFormation.Stack(r.Stack.ID)
	if ok1 && ok2 && (!sameParameters(before, after) || !sameTags(before, after)) {
		c.add(BindsContent, "a grant lets only the same content through", "%s and %s differ", given.ID, r.ID)
	}
}

// sameParameters compares what was launched, NoEcho values too.
func sameParameters(a, b fakecfn.Stack) bool { return reflect.DeepEqual(a.Parameters, b.Parameters) }

// sameTags compares the requester, the product and its version.
func sameTags(a, b fakecfn.Stack) bool {
	for _, name := range []string{"provisioningPrincipalArn", "productArn", "provisioningArtifactIdentifier"} {
		if tag(a, name) != tag(b, name) {
			return false
		}
	}
	return true
}

func tag(s fakecfn.Stack, name string) string {
	for _, t := range s.Tags {
		if t.Key == "aws:servicecatalog:"+name {
			return t.Value
		}
	}
	return ""
}

// approvers counts who approved, not by the code under test.
func (c *Checker) approvers(r handle.Request) int {
	people := map[string]bool{}
	for _, v := range r.Votes {
		if v.Verdict == handle.Approve {
			people[c.key(v.By.ID)] = true
		}
	}
	return len(people)
}

// answers returns what CloudFormation got for the held request of an update. known
// is false if the stack is not in this CloudFormation.
func (c *Checker) answers(r handle.Request) (list []heldAnswer, known bool) {
	if c.CloudFormation == nil {
		return nil, false
	}
	stack, ok := c.CloudFormation.Stack(r.Stack.ID)
	for _, q := range stack.Requests {
		for _, answer := range q.Responses {
			var got handle.Response
			if q.ID == r.Update.RequestID && json.Unmarshal([]byte(answer.Body), &got) == nil {
				list = append(list, heldAnswer{got, answer.Used})
			}
		}
	}
	return list, ok
}

// heldAnswer is an answer to the held request of an update. CloudFormation does not
// use one that comes after the update was cancelled.
type heldAnswer struct {
	handle.Response
	used bool
}

// StatesUpdate reports whether answer is the one for the recorded decision of an
// update.
func StatesUpdate(r handle.Request, answer handle.Response) bool {
	want, decided := r.StackSignal()
	return decided && reflect.DeepEqual(want, answer) && (answer.Status == "SUCCESS") == (r.State() == handle.Approved || r.Update.RolledBack && r.State() == handle.Withdrawn)
}

// updates checks that nothing of an update ran before it was approved: CloudFormation
// got no answer to the held request but the one that states the decision.
func (c *Checker) updates(r handle.Request) {
	list, known := c.answers(r)
	for _, got := range list {
		if got.used {
			c.withdrawal(r, got.Status, got.Reason)
		}
		switch {
		case got.Status == "SUCCESS" && got.used && r.State() != handle.Approved && !(r.Update.RolledBack && c.rolledBack(r)):
			c.add(BindsContent, "no update proceeds before it is approved", "%s is %s, and the answer is %s %s", r.ID, r.State(), got.Status, got.Reason)
		case got.used && !StatesUpdate(r, got.Response) && !c.unheld(r):
			c.add(RecordActMark, "a held answer states the recorded decision", "%s is %s, and the answer is %s %s", r.ID, r.State(), got.Status, got.Reason)
		}
	}
	if known && r.Signal != nil && r.Signal.Undeliverable == "" && len(list) == 0 && mustArrive(r) {
		c.add(RecordActMark, "a mark states what was done", "%s is marked as answered, and no answer arrived", r.ID)
	}
}

// unheld is Tolerance.Unheld.
func (c *Checker) unheld(r handle.Request) bool {
	return c.Tolerance.Unheld != nil && c.Tolerance.Unheld(r)
}

// unread is Tolerance.Unread.
func (c *Checker) unread(s fakecfn.Stack) bool {
	return c.Tolerance.Unread != nil && c.Tolerance.Unread(s.ID)
}

// knowsRollback reports whether the rollback of an update of s can be told from an
// update: the stack can be read, or something was approved that it returns to.
func (c *Checker) knowsRollback(s fakecfn.Stack) bool {
	if accountOf(s.ID) == c.Account {
		return !c.unread(s)
	}
	for _, r := range c.records {
		if r.Stack.ID == s.ID && r.State() == handle.Approved {
			return !c.unread(s)
		}
	}
	return false
}

// heldAnswer checks, in the end, that CloudFormation used one answer to the held
// request of an update. It stops waiting when the update is cancelled or rolled back.
func (c *Checker) heldAnswer(r handle.Request) {
	stack, ok := c.CloudFormation.Stack(r.Stack.ID)
	if r.Update == nil || !ok || c.unheld(r) {
		return
	}
	for _, q := range stack.Requests {
		if q.ID != r.Update.RequestID {
			continue
		}
		used := 0
		for _, answer := range q.Responses {
			if answer.Used {
				used++
			}
		}
		cancelled := r.State() == handle.Withdrawn || c.cancelled(stack, q)
		if used > 1 || used == 0 && !cancelled {
			c.add(AlwaysAnswered, "a held answer is given once, before CloudFormation stops waiting", "%s is %s, and CloudFormation used %d of %d answers", r.ID, r.State(), used, len(q.Responses))
		}
	}
}

// cancelled reports whether the update that sent q was rolled back before q had an
// answer, for another reason than that.
func (c *Checker) cancelled(stack fakecfn.Stack, q fakecfn.Request) bool {
	if slices.ContainsFunc(stack.Events, func(e fakecfn.Event) bool {
		return strings.HasPrefix(e.Reason, noResponse) && strings.Contains(e.Reason, q.ID)
	}) {
		return false
	}
	return slices.ContainsFunc(stack.Events, func(e fakecfn.Event) bool {
		late := len(q.Responses) == 0 || !e.Timestamp.After(q.Responses[0].Received)
		return e.PhysicalID == stack.ID && e.Status == fakecfn.UpdateRollbackInProgress && !e.Timestamp.Before(q.Sent) && late
	})
}

// rolledBack reports whether an update of r's stack has been rolled back since the
// stack's launch.
func (c *Checker) rolledBack(r handle.Request) bool {
	stack, _ := c.CloudFormation.Stack(r.Stack.ID)
	return slices.ContainsFunc(stack.Events, func(e fakecfn.Event) bool {
		return e.PhysicalID == stack.ID && e.Status == fakecfn.UpdateRollbackInProgress
	})
}

// gateChanges checks that no update of a gate succeeded unless what it passes on is
// what the request named by its physical ID approved.
func (c *Checker) gateChanges(s fakecfn.Stack) {
	for _, e := range s.Events {
		var p struct {
			WaitUrl    string
			Parameters map[string]any
		}
		if e.Status != fakecfn.UpdateComplete || !strings.HasPrefix(e.Type, "Custom::") || json.Unmarshal([]byte(e.Properties), &p) != nil || p.WaitUrl == "" || len(p.Parameters) == 0 {
			continue
		}
		r, ok := c.records[e.PhysicalID]
		if asked, known := askedFor(s, r); ok && known && r.Update == nil && asked == passed(e.Properties) {
			continue // back to the launch: if that was not approved, its bypass is another rule's
		}
		if !ok || r.State() != handle.Approved && r.Bypass == nil || r.Stack.ID != s.ID {
			c.add(BindsContent, "no update proceeds before it is approved", "%s: %s was updated for %s, which is %q", s.Name, e.LogicalID, e.PhysicalID, r.State())
			continue
		}
		if asked, ok := askedFor(s, r); ok && r.Bypass == nil && asked != passed(e.Properties) && !c.unread(s) {
			c.add(BindsContent, "what is approved is what runs", "%s: %s has %s, and %s approved %s", s.Name, e.LogicalID, passed(e.Properties), r.ID, asked)
		}
	}
}

// askedFor returns what the gate passed on when it asked for r: each start of its
// creation or update sends one request. ok is false if the stack does not know the
// request of r.
func askedFor(s fakecfn.Stack, r handle.Request) (content string, ok bool) {
	n := 0
	for _, q := range s.Requests {
		if q.LogicalID != r.Stack.Gate || q.Type == "Delete" {
			continue
		}
		if handle.NewID(s.ID, q.LogicalID, q.ID) != r.ID {
			n++
			continue
		}
		for _, e := range slices.Backward(s.Events) {
			started := e.Reason == "" && (e.Status == fakecfn.CreateInProgress || e.Status == fakecfn.UpdateInProgress)
			if e.LogicalID != r.Stack.Gate || !started {
				continue
			}
			if n == 0 {
				return passed(e.Properties), true
			}
			n--
		}
	}
	return "", false
}

// passed returns the properties of a gate that the approval binds, in one form.
func passed(properties string) string {
	var p struct {
		Parameters map[string]any
		Template   any
	}
	if json.Unmarshal([]byte(properties), &p) != nil {
		return properties
	}
	b, err := json.Marshal(p)
	if err != nil {
		return properties
	}
	return string(b)
}
