package fakecfn

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"countersign/deploy/gate"
)

// Limits of a custom resource response, in bytes.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
const (
	maxResponse   = 4096 // the whole body
	maxPhysicalID = 1024
)

// receiveResponse takes a response. CloudFormation uses the first one, valid or not; later ones are only recorded.
func (e *Engine) receiveResponse(q *request, body []byte) {
	r := q.r
	used := r.request == q
	q.record.Responses = append(q.record.Responses, Response{Received: e.now.UTC(), Body: string(body), Used: used})
	if !used {
		return
	}
	r.request, r.timer = nil, 0
	a, reason := q.readResponse(body)
	switch q.record.Type {
	case "Create":
		e.createAnswered(r, a, reason)
	case "Update":
		e.updateAnswered(r, a, reason)
	default:
		e.deleteAnswered(r, reason)
	}
	e.run(r.stack)
}

func (e *Engine) createAnswered(r *resource, a response, reason string) {
	r.physicalID = cmp.Or(a.physicalID, r.generatedName())
	r.data = a.data
	if a.wellFormed {
		e.setResourceStatus(r, CreateInProgress, initiated)
	}
	if reason != "" {
		e.fail(r, reason)
		return
	}
	e.completeResource(r)
}

func (e *Engine) deleteAnswered(r *resource, reason string) {
	r.stack.inFlight--
	if reason != "" {
		e.deleteFailed(r, reason)
		return
	}
	e.finishDelete(r, DeleteComplete)
}

// responseTimedOut fails the resource after its ServiceTimeout.
func (e *Engine) responseTimedOut(r *resource) {
	reason := "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [" +
		r.request.record.ID + "]. If you are using the Python cfn-response module, you may need to update your Lambda function code " +
		"so that CloudFormation can attach the updated version."
	if r.status == CreateInProgress || r.status == UpdateInProgress {
		e.fail(r, reason)
		return
	}
	r.request = nil
	e.deleteAnswered(r, reason)
}

// response is the body that a custom resource's provider PUTs to the ResponseURL.
type response struct {
	wellFormed bool
	physicalID string
	data       *gate.Object
}

// readResponse validates a response and returns why the resource fails; empty if it succeeds.
func (q *request) readResponse(body []byte) (a response, reason string) {
	if len(body) > maxResponse {
		return a, "Response object is too long."
	}
	var fields map[string]json.RawMessage // names are case-sensitive; encoding/json ignores case in struct fields
	if json.Unmarshal(body, &fields) != nil {
		return a, "Invalid response object: it is not a JSON object." // own words
	}
	texts := map[string]string{}
	for _, name := range []string{"Status", "Reason", "PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId"} {
		var s string
		if raw, ok := fields[name]; ok && json.Unmarshal(raw, &s) != nil {
			return a, "Invalid response object: " + name + " is not a string." // own words
		}
		texts[name] = s
	}
	if id := texts["PhysicalResourceId"]; id == "" || len(id) > maxPhysicalID {
		return a, "Invalid PhysicalResourceId"
	}
	for _, same := range [][2]string{{"StackId", q.r.stack.id}, {"RequestId", q.record.ID}, {"LogicalResourceId", q.r.def.LogicalID}} {
		if texts[same[0]] != same[1] {
			return a, "Vendor response doesn't contain the " + same[0] + " of the request" // own words
		}
	}
	a.physicalID = texts["PhysicalResourceId"]
	var ok bool
	if a.data, ok = readData(fields["Data"], fields["NoEcho"]); !ok {
		return a, "Invalid response object: Data is not a JSON object." // own words
	}
	a.wellFormed = true
	switch status, reason := texts["Status"], texts["Reason"]; {
	case status == "SUCCESS":
		return a, ""
	case status != "FAILED":
		a.wellFormed = false
		return a, "Invalid response object: Status must be SUCCESS or FAILED." // own words
	case reason == "":
		return a, "Vendor response doesn't contain Reason key"
	default:
		return a, "Received response status [FAILED] from custom resource. Message returned: " + reason + " (RequestId: " + q.record.ID + ")"
	}
}

// readData reads the attributes of a response; with NoEcho they are secrets.
func readData(raw, noEcho json.RawMessage) (*gate.Object, bool) {
	var data map[string]any
	if len(raw) > 0 && json.Unmarshal(raw, &data) != nil {
		return nil, false
	}
	var hide bool
	if len(noEcho) > 0 && json.Unmarshal(noEcho, &hide) != nil {
		return nil, false
	}
	o := &gate.Object{}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		o.Set(key, jsonValue(data[key], hide))
	}
	return o, true
}

// jsonValue converts decoded JSON. Scalars become strings, as Fn::GetAtt returns them.
func jsonValue(v any, hide bool) gate.Value {
	s := ""
	switch v := v.(type) {
	case []any:
		var l gate.List
		for _, item := range v {
			l = append(l, jsonValue(item, hide))
		}
		return l
	case map[string]any:
		o := &gate.Object{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			o.Set(key, jsonValue(v[key], hide))
		}
		return o
	case string:
		s = v
	case bool:
		s = strconv.FormatBool(v)
	case float64:
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	if hide {
		return gate.Secret(s)
	}
	return s
}
