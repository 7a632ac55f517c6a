package fakecfn_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// customTemplate is a custom resource, and a queue named after one of its attributes.
const customTemplate = `
Parameters: {Token: {Type: String, Default: 'arn:aws:lambda:us-east-1:111122223333:function:f'}, Seconds: {Type: String, Default: ''}}
Conditions: {Hurry: !Not [!Equals [!Ref Seconds, '']]}
Resources:
  C:
    Type: Custom::Thing
    Properties:
      ServiceToken: !Ref Token
      ServiceTimeout: !If [Hurry, !Ref Seconds, !Ref AWS::NoValue]
      Deep: {List: [1, true, x], Number: 2}
  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt C.Name}}
`

// TestCreateRequest checks the event that Lambda receives, and responds over HTTP.
func TestCreateRequest(t *testing.T) {
	w, server := newHTTPFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate)})
	var got map[string]any
	if err := json.Unmarshal([]byte(w.last("C").Raw), &got); err != nil {
		t.Fatal(err)
	}
	url, _ := got["ResponseURL"].(string)
	requestID, _ := got["RequestId"].(string)
	delete(got, "ResponseURL")
	want := map[string]any{
		"RequestType": "Create", "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:f",
		"StackId": id, "RequestId": requestID, "LogicalResourceId": "C", "ResourceType": "Custom::Thing",
		"ResourceProperties": map[string]any{
			"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:f",
			"Deep":         map[string]any{"List": []any{"1", "true", "x"}, "Number": "2"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	key := server.URL + "/arn%3Aaws%3Acloudformation%3Aus-east-1%3A111122223333%3Astack/stack/" + id[strings.LastIndex(id, "/")+1:] + "%7CC%7C" + requestID + "?X-Amz-"
	if !strings.HasPrefix(url, key) || !strings.Contains(url, "&X-Amz-Expires=7200&") {
		t.Errorf("ResponseURL: got %s, want it to begin with %s", url, key)
	}
	r, err := http.NewRequest(http.MethodPut, url, strings.NewReader(reply(w.last("C"), "thing-1", "", map[string]any{"Name": "jobs", "Other": 1.5})))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	st := w.stack(id)
	if resp.StatusCode != http.StatusOK || st.Status != fakecfn.CreateComplete {
		t.Fatalf("got %d, stack %s %s", resp.StatusCode, st.Status, st.StatusReason)
	}
	if got := st.Resource("C").PhysicalID; got != "thing-1" {
		t.Errorf("physical ID: got %q", got)
	}
	if got := st.Events[1].Properties; got != `{"QueueName":"jobs"}` {
		t.Errorf("queue: got %s", got)
	}
}

// A Delete request has the physical ID of the Create response.
func TestDeleteRequest(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate)})
	create := w.last("C")
	w.answer(create, "thing-1", "", map[string]any{"Name": "jobs"})
	if err := w.engine.DeleteStack("stack"); err != nil {
		t.Fatal(err)
	}
	del := w.last("C")
	if del.RequestType != "Delete" || del.PhysicalResourceId != "thing-1" || del.RequestId == create.RequestId || del.ResponseURL == create.ResponseURL {
		t.Errorf("request: got %s", del.Raw)
	}
	if diff := cmp.Diff(create.ResourceProperties, del.ResourceProperties); diff != "" {
		t.Errorf("properties (-create +delete):\n%s", diff)
	}
	w.answer(create, "late", "", nil) // recorded and ignored
	if got := w.stack(id).Status; got != fakecfn.DeleteInProgress {
		t.Errorf("after an old answer: got %s", got)
	}
	w.answer(del, "thing-1", "", nil)
	st := w.stack(id)
	if st.Status != fakecfn.DeleteComplete {
		t.Errorf("stack: got %s", st.Status)
	}
	answers := []bool{st.Requests[0].Responses[0].Used, st.Requests[0].Responses[1].Used, st.Requests[1].Responses[0].Used}
	if diff := cmp.Diff([]bool{true, false, true}, answers); diff != "" {
		t.Errorf("answers that counted (-want +got):\n%s", diff)
	}
}

func TestResponses(t *testing.T) {
	tests := []struct {
		name       string
		change     func(body map[string]any)
		raw        string // sent instead of the JSON fields
		reason     string // status reason of CREATE_FAILED; {id} is the request ID
		physicalID string // in the Delete request; generated if it begins with stack-
	}{
		{"failed", func(b map[string]any) { b["Status"], b["Reason"] = "FAILED", "no & <no>" }, "", "Received response status [FAILED] from custom resource. Message returned: no & <no> (RequestId: {id})", "thing-1"},
		{"failed without reason", func(b map[string]any) { b["Status"] = "FAILED" }, "", "Vendor response doesn't contain Reason key", "thing-1"},
		{"no physical ID", func(b map[string]any) { delete(b, "PhysicalResourceId") }, "", "Invalid PhysicalResourceId", "stack-C-"},
		{"empty physical ID, though failed", func(b map[string]any) {
			b["PhysicalResourceId"], b["Status"], b["Reason"] = "", "FAILED", "the real reason"
		}, "", "Invalid PhysicalResourceId", "stack-C-"},
		{"long physical ID", func(b map[string]any) { b["PhysicalResourceId"] = strings.Repeat("x", 1025) }, "", "Invalid PhysicalResourceId", "stack-C-"},
		{"other stack", func(b map[string]any) { b["StackId"] = "arn:other" }, "", "Vendor response doesn't contain the StackId of the request", "stack-C-"},
		{"other request", func(b map[string]any) { b["RequestId"] = "x" }, "", "Vendor response doesn't contain the RequestId of the request", "stack-C-"},
		{"other resource", func(b map[string]any) { delete(b, "LogicalResourceId") }, "", "Vendor response doesn't contain the LogicalResourceId of the request", "stack-C-"},
		{"unknown status", func(b map[string]any) { b["Status"] = "OK" }, "", "Invalid response object: Status must be SUCCESS or FAILED.", "thing-1"},
		{"data no object", func(b map[string]any) { b["Data"] = "x" }, "", "Invalid response object: Data is not a JSON object.", "thing-1"},
		{"number for a text", func(b map[string]any) { b["Reason"] = 5 }, "", "Invalid response object: Reason is not a string.", "stack-C-"},
		{"no JSON", nil, "SUCCESS", "Invalid response object: it is not a JSON object.", "stack-C-"},
		{"too long", func(b map[string]any) { b["Reason"] = strings.Repeat("x", 4096) }, "", "Response object is too long.", "stack-C-"},
		{"attribute missing", func(b map[string]any) { b["Data"] = map[string]any{} }, "", "CustomResource attribute error: Vendor response doesn't contain Name attribute in object {stack}|C|{id}", "thing-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t)
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate)})
			create := w.last("C")
			body := tt.raw
			if body == "" {
				var fields map[string]any
				if err := json.Unmarshal([]byte(reply(create, "thing-1", "", map[string]any{"Name": "jobs"})), &fields); err != nil {
					t.Fatal(err)
				}
				tt.change(fields)
				b, err := json.Marshal(fields)
				if err != nil {
					t.Fatal(err)
				}
				body = string(b)
			}
			w.mustPut(create.ResponseURL, body)
			got := ""
			for _, l := range w.log(id) {
				if l.Status == fakecfn.CreateFailed {
					got = l.Reason
				}
			}
			want := strings.NewReplacer("{id}", create.RequestId, "{stack}", id).Replace(tt.reason)
			if got != want {
				t.Errorf("reason: got  %q\nwant %q", got, want)
			}
			del := w.last("C")
			if del.RequestType != "Delete" || !strings.HasPrefix(del.PhysicalResourceId, tt.physicalID) {
				t.Errorf("after it: got %s of %q, want a Delete of %q", del.RequestType, del.PhysicalResourceId, tt.physicalID)
			}
			w.answer(del, del.PhysicalResourceId, "", nil)
			if got := w.stack(id).Status; got != fakecfn.RollbackComplete {
				t.Errorf("stack: got %s", got)
			}
		})
	}
}

func TestResponseOf4096BytesIsAccepted(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate)})
	body := reply(w.last("C"), "c", "", map[string]any{"Name": "jobs"})
	w.mustPut(w.last("C").ResponseURL, body+strings.Repeat(" ", 4096-len(body)))
	if got := w.stack(id).Status; got != fakecfn.CreateComplete {
		t.Errorf("stack: got %s", got)
	}
}

func TestServiceTimeout(t *testing.T) {
	tests := []struct {
		seconds string
		want    time.Duration // 0: invalid
	}{
		{"", time.Hour}, {"1", time.Second}, {"3600", time.Hour}, {"3601", 0}, {"0", 0}, {"soon", 0},
	}
	for _, tt := range tests {
		t.Run(tt.seconds, func(t *testing.T) {
			w := newFixture(t)
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate), Parameters: map[string]string{"Seconds": tt.seconds}})
			if tt.want == 0 {
				before(t, w.log(id), line{"C", "CREATE_FAILED", "ServiceTimeout must be an integer between 1 and 3600"}, line{"C", "DELETE_COMPLETE", ""})
				if len(w.invoked) != 0 {
					t.Errorf("requests: got %d, want none", len(w.invoked))
				}
				return
			}
			create := w.last("C")
			w.advance(tt.want - time.Millisecond)
			if got := w.stack(id).Status; got != fakecfn.CreateInProgress {
				t.Errorf("just before: got %s", got)
			}
			w.advance(time.Millisecond)
			reason := "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [" + create.RequestId +
				"]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version."
			before(t, w.log(id), line{"C", "CREATE_FAILED", reason}, line{"C", "DELETE_IN_PROGRESS", ""})
			w.answer(create, "late", "", nil)
			if got := w.stack(id).Resource("C").PhysicalID; !strings.HasPrefix(got, "stack-C-") {
				t.Errorf("physical ID: got %q, want a generated one", got)
			}
			// The Delete gets no response either.
			w.advance(tt.want)
			st := w.stack(id)
			if want := "The following resource(s) failed to delete: [C]. "; st.Status != fakecfn.RollbackFailed || st.StatusReason != want {
				t.Errorf("stack: got %s %q, want ROLLBACK_FAILED %q", st.Status, st.StatusReason, want)
			}
		})
	}
}

func TestResponseURLExpires(t *testing.T) {
	w := newFixture(t)
	w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate)})
	create := w.last("C")
	w.now = w.now.Add(7201 * time.Second)
	if status, answer := w.put(create.ResponseURL, reply(create, "c", "", nil)); status != 403 || !strings.Contains(answer, "Request has expired") {
		t.Errorf("PUT: got %d %s", status, answer)
	}
}

func TestServiceTokens(t *testing.T) {
	for token, want := range map[string]string{
		"":                                     "Property ServiceToken cannot be empty.",
		"https://example.com":                  "Invalid service token.",
		"arn:aws:sqs:us-east-1:111122223333:q": "Invalid service token.",
		"arn:aws:sns:eu-west-1:111122223333:t": "Invalid parameter: TopicArn",
		"arn:aws:lambda:eu-west-1:111122223333:function:f": "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
	} {
		t.Run(token, func(t *testing.T) {
			w := newFixture(t)
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate), Parameters: map[string]string{"Token": token}})
			before(t, w.log(id), line{"C", "CREATE_FAILED", want}, line{"stack", "ROLLBACK_COMPLETE", ""})
			if len(w.invoked) != 0 {
				t.Errorf("requests: got %d, want none, not even a Delete", len(w.invoked))
			}
		})
	}
}

// TestTopic checks the SNS event that contains the request.
func TestTopic(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{
		Template: mustParse(t, customTemplate), Parameters: map[string]string{"Token": "arn:aws:sns:us-east-1:111122223333:approvals"},
	})
	var envelope struct {
		Records []struct {
			EventSource, EventVersion, EventSubscriptionArn string
			Sns                                             struct{ Type, MessageId, TopicArn, Subject, Message, Timestamp string }
		}
	}
	if err := json.Unmarshal([]byte(w.invoked[0].Raw), &envelope); err != nil {
		t.Fatal(err)
	}
	record := envelope.Records[0]
	if record.EventSource != "aws:sns" || record.Sns.Type != "Notification" || record.Sns.TopicArn != "arn:aws:sns:us-east-1:111122223333:approvals" ||
		record.Sns.Subject != "AWS CloudFormation custom resource request" || record.Sns.Timestamp != "2026-11-23T09:00:00.000Z" {
		t.Errorf("envelope: got %+v", record)
	}
	var in invocation
	if err := json.Unmarshal([]byte(record.Sns.Message), &in); err != nil {
		t.Fatal(err)
	}
	if in.RequestType != "Create" || in.StackId != id || in.ServiceToken != "" {
		t.Errorf("message: got %s", record.Sns.Message)
	}
	w.answer(in, "c", "", map[string]any{"Name": "jobs"})
	if got := w.stack(id).Status; got != fakecfn.CreateComplete {
		t.Errorf("stack: got %s", got)
	}
}

// Custom resources of functions outside the simulation succeed. A gate's ServiceToken must be one that is served.
func TestServes(t *testing.T) {
	const src = `
Resources:
  Tags: {Type: Custom::Tags, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:tags'}}
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle, DependsOn: Tags}
  Request: {Type: Custom::ApprovalRequest, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:typo', WaitUrl: !Ref Handle, Tag: !GetAtt Tags.Value}}
`
	w := newFixture(t, func(c *fakecfn.Config) { c.Serves = func(string, *gate.Object) bool { return false } })
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src)})
	log := w.log(id)
	if len(w.invoked) != 0 {
		t.Errorf("requests: got %d, want none", len(w.invoked))
	}
	before(t, log, line{"Tags", "CREATE_COMPLETE", ""}, line{"Handle", "CREATE_IN_PROGRESS", ""})
	for _, l := range log {
		want := "Function not found: arn:aws:lambda:us-east-1:111122223333:function:typo (Service: "
		if l.LogicalID == "Request" && l.Status == fakecfn.CreateFailed && !strings.HasPrefix(l.Reason, want) {
			t.Errorf("reason: got %q, want %q...", l.Reason, want)
		}
	}
	before(t, log, line{"Tags", "DELETE_COMPLETE", ""}, line{"stack", "ROLLBACK_COMPLETE", ""})
}
