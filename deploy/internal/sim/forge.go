package sim

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// forgedPrefix starts the RequestId of a forged custom resource request.
const forgedPrefix = "forged-"

// forge queues an event of someone who may invoke the notifier or publish to its
// topic. They know all that people can read in the console, and have stacks and
// response URLs of their own, but cannot sign a URL.
func (s *simulation) forge(a Action) {
	l, ok := s.choose(a)
	if !ok {
		return
	}
	stack, _ := s.sandbox.CloudFormation.Stack(l.stack)
	var records []handle.Request
	for _, r := range s.records() {
		if r.Stack.ID == l.stack {
			records = append(records, r)
		}
	}
	var event []byte
	kind, mustFail := forgeries[a.A/8%len(forgeries)], false
	throughTopic := a.B%2 == 0
	switch {
	case kind == forgedSchedule:
		event, throughTopic, mustFail = sweepEvent, true, true
	case kind == forgedStackEvent:
		status := []string{"DELETE_COMPLETE", "CREATE_COMPLETE", "ROLLBACK_COMPLETE"}[a.B/2%3]
		event, mustFail = sandbox.StackEvent(l.stack, status), throughTopic
	case kind == resentThroughTopic:
		if event = s.handledEvent(a.B, l.stack, true); event == nil {
			return
		}
		throughTopic = true
		mustFail = accountOf(l.stack) == sandbox.Account
	case len(records) == 0 && kind == otherHandle:
		records = []handle.Request{{Stack: handle.Stack{ID: l.stack, Gate: "Request0"}}}
		fallthrough
	case len(records) > 0:
		r := records[a.B/2%len(records)]
		event = s.forgedRequest(kind, a, stack, r)
		mustFail = throughTopic && accountOf(l.stack) == sandbox.Account
	default:
		return // before the record exists, CloudFormation cannot tell a forged Create from the real one
	}
	if throughTopic {
		event = sandbox.Published(event)
	}
	s.log("  %s about %s, through the topic: %t", kind, stack.Name, throughTopic)
	s.queue = append(s.queue, queuedEvent{event: event, label: "a forged " + string(kind), at: s.now(), mustFail: mustFail})
}

// forgery is a kind of forged event.
type forgery string

const (
	forgedDelete       forgery = "Delete"
	forgedVerdict      forgery = "verdict"
	secondCreate       forgery = "Create for the same handle"
	otherHandle        forgery = "Create with another handle"
	forgedStackEvent   forgery = "stack event"
	forgedSchedule     forgery = "schedule"
	resentThroughTopic forgery = "copy of a request"
)

var forgeries = []forgery{forgedDelete, forgedDelete, forgedVerdict, secondCreate, otherHandle, forgedStackEvent, forgedSchedule, resentThroughTopic}

// forgedRequest returns a custom resource request about the request r of a stack.
func (s *simulation) forgedRequest(kind forgery, a Action, stack fakecfn.Stack, r handle.Request) []byte {
	s.forgedEvents++
	d := map[string]any{
		"RequestType": "Create", "RequestId": fmt.Sprintf("%s%d", forgedPrefix, s.forgedEvents), "StackId": stack.ID,
		"LogicalResourceId": r.Stack.Gate, "ResourceType": "Custom::ApprovalRequest",
	}
	wait := waitURL(stack, r)
	properties := map[string]any{"WaitUrl": wait, "Timeout": "3600", "EmailID": "dan@example.com", "Approvers": []string{sandbox.Rita, sandbox.Dan, sandbox.OrgID(sandbox.Rita)}, "UnprovenRequester": "warn"}
	switch kind {
	case forgedDelete:
		d["RequestType"], d["PhysicalResourceId"] = "Delete", r.ID
	case forgedVerdict:
		d["LogicalResourceId"], d["ResourceType"] = "Verdict0", "Custom::ApprovalVerdict"
		properties = map[string]any{"RequestId": r.ID}
	case otherHandle:
		properties["WaitUrl"] = wait[:max(len(wait)-4, 0)] + "0000"
	}
	d["ResourceProperties"] = properties
	key := fmt.Sprintf("%s|%s|%s", stack.ID, d["LogicalResourceId"], d["RequestId"])
	d["ResponseURL"] = s.forgedResponseURL(a.B/16, key, stack.ID)
	event, _ := json.Marshal(d) // cannot fail: strings only
	return event
}

// waitURL returns the wait URL of a request, or without one any of the stack's, as
// the stack's events show it.
func waitURL(stack fakecfn.Stack, r handle.Request) string {
	for _, resource := range stack.Resources {
		unrecorded := r.ID == "" && resource.Type == "AWS::CloudFormation::WaitConditionHandle"
		if unrecorded || r.WaitURL.Equal(resource.PhysicalID) {
			return resource.PhysicalID
		}
	}
	return "" // rolled back
}

// forgedResponseURL returns a URL with the right key that CloudFormation did not
// sign, or one that it signed, for another request.
func (s *simulation) forgedResponseURL(n int, key, stackID string) string {
	var own struct{ ResponseURL string }
	_ = json.Unmarshal(s.handledEvent(n, stackID, false), &own)
	base := s.sandbox.FunctionsConfig.CloudFormation + "/" + strings.ReplaceAll(url.PathEscape(key), "%2F", "/")
	u, err := url.Parse(own.ResponseURL)
	switch {
	case err != nil || own.ResponseURL == "" || n%3 == 0:
		return base + "?X-Amz-Signature=0"
	case n%3 == 1:
		return base + "?" + u.RawQuery
	}
	return own.ResponseURL
}

// handledEvent returns a custom resource request that was sent, unwrapped: of the
// stack, or of any other. nil: there is none.
func (s *simulation) handledEvent(n int, stackID string, same bool) []byte {
	var found [][]byte
	for _, event := range s.handledEvents {
		message := event
		var e struct {
			Records []struct{ Sns struct{ Message string } }
		}
		if json.Unmarshal(event, &e) == nil && len(e.Records) == 1 {
			message = []byte(e.Records[0].Sns.Message)
		}
		if d := read(event); d.RequestType != "" && (d.StackId == stackID) == same {
			found = append(found, message)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[n%len(found)]
}

// accountOf returns the account of a stack.
func accountOf(stackID string) string {
	if parts := strings.Split(stackID, ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}
