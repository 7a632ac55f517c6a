package fakecfn_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

// updateTemplate is a custom resource between two queues: A before it, and B, which refers to its ID and its data. Z
// depends on nothing.
const updateTemplate = `
Parameters:
  Size: {Type: String, Default: small}
  Other: {Type: String, Default: x}
Resources:
  A: {Type: AWS::SQS::Queue, Properties: {Tag: !Ref Other}}
  C:
    Type: Custom::Thing
    DependsOn: A
    Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f', Size: !Ref Size, ServiceTimeout: 600}
  B: {Type: AWS::SQS::Queue, Properties: {Of: !Ref C, Data: !GetAtt C.Data}}
  Z: {Type: AWS::SQS::Queue}
Outputs: {C: {Value: !Ref C}}
`

// launched is a fixture with a stack of updateTemplate, whose custom resource has the ID c-1.
func launched(t *testing.T, change ...func(*fakecfn.Config)) (w *fixture, stackID string) {
	t.Helper()
	w = newFixture(t, change...)
	return w, launchUpdateTemplate(w)
}

func launchUpdateTemplate(w *fixture) (stackID string) {
	w.t.Helper()
	stackID = w.create(fakecfn.CreateStackInput{Template: mustParse(w.t, updateTemplate)})
	w.answer(w.last("C"), "c-1", "", map[string]any{"Data": "1"})
	w.wantStatus(stackID, fakecfn.CreateComplete)
	w.invoked = nil
	return stackID
}

func (w *fixture) wantStatus(stackID string, want fakecfn.Status) {
	w.t.Helper()
	if st := w.stack(stackID); st.Status != want {
		w.t.Fatalf("stack: got %s %q, want %s", st.Status, st.StatusReason, want)
	}
}

// update updates a stack; an error fails the test.
func (w *fixture) update(in fakecfn.UpdateStackInput) {
	w.t.Helper()
	if err := w.engine.UpdateStack(in); err != nil {
		w.t.Fatalf("UpdateStack: %v", err)
	}
}

// resize updates updateTemplate so that C changes, and returns the Update of it.
func (w *fixture) resize(stackID, size string) invocation {
	w.t.Helper()
	w.update(fakecfn.UpdateStackInput{Stack: stackID, Parameters: map[string]string{"Size": size}, UsePreviousValues: true})
	return w.last("C")
}

// requests returns what the provider received, as "Update c-1 small>large".
func (w *fixture) requests() []string {
	var all []string
	for _, in := range w.invoked {
		size, _ := in.ResourceProperties["Size"].(string)
		if old, ok := in.OldResourceProperties["Size"].(string); ok {
			size = old + ">" + size
		}
		all = append(all, strings.TrimSpace(in.RequestType+" "+in.PhysicalResourceId+" "+size))
	}
	return all
}

func (w *fixture) wantRequests(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.requests()); diff != "" {
		w.t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// since returns the events after the first n.
func (w *fixture) since(stackID string, n int) []line { return w.log(stackID)[n:] }

// statuses returns the stack statuses that EventBridge delivered.
func (w *fixture) statuses() []fakecfn.Status {
	w.t.Helper()
	var all []fakecfn.Status
	for _, raw := range w.emitted {
		var ev struct {
			Detail struct {
				Details struct{ Status fakecfn.Status } `json:"status-details"`
			}
		}
		if err := json.Unmarshal([]byte(raw), &ev); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, ev.Detail.Details.Status)
	}
	return all
}

func TestUpdateInPlace(t *testing.T) {
	w, id := launched(t)
	n := len(w.log(id))
	w.emitted = nil
	w.now = w.now.Add(time.Hour)
	in := w.resize(id, "large")
	w.wantStatus(id, fakecfn.UpdateInProgress)
	var got map[string]any
	if err := json.Unmarshal([]byte(in.Raw), &got); err != nil {
		t.Fatal(err)
	}
	properties := func(size string) map[string]any {
		return map[string]any{"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:f", "Size": size, "ServiceTimeout": "600"}
	}
	want := map[string]any{
		"RequestType": "Update", "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:f",
		"ResponseURL": in.ResponseURL, "StackId": id, "RequestId": in.RequestId, "LogicalResourceId": "C",
		"PhysicalResourceId": "c-1", "ResourceType": "Custom::Thing",
		"ResourceProperties": properties("large"), "OldResourceProperties": properties("small"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if !strings.Contains(in.ResponseURL, "%7CC%7C"+in.RequestId+"?X-Amz-") || !strings.Contains(in.ResponseURL, "&X-Amz-Expires=7200&") {
		t.Errorf("ResponseURL: got %s", in.ResponseURL)
	}
	w.answer(in, "c-1", "", map[string]any{"Data": "1"}) // the same ID and data: B does not change
	if diff := cmp.Diff([]line{
		{"stack", "UPDATE_IN_PROGRESS", "User Initiated"},
		{"C", "UPDATE_IN_PROGRESS", ""},
		{"C", "UPDATE_COMPLETE", ""},
		{"stack", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""},
		{"stack", "UPDATE_COMPLETE", ""},
	}, w.since(id, n)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fakecfn.Status{"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"}, w.statuses()); diff != "" {
		t.Errorf("EventBridge (-want +got):\n%s", diff)
	}
	w.wantRequests("Update c-1 small>large")
}

// The clean-up deletes the old physical ID once all that refers to the new one is updated.
func TestUpdateWithReplacement(t *testing.T) {
	w, id := launched(t)
	n := len(w.log(id))
	w.answer(w.resize(id, "large"), "c-2", "", map[string]any{"Data": "2"})
	w.wantStatus(id, fakecfn.UpdateCompleteCleanupInProgress)
	if got := w.stack(id); got.Resource("C").PhysicalID != "c-2" || got.Output("C") != "c-2" {
		t.Errorf("C: got %s, output %s, want c-2", got.Resource("C").PhysicalID, got.Output("C"))
	}
	if err := w.engine.DeleteStack(id); err == nil {
		t.Error("a stack was deleted during the clean-up")
	}
	w.answer(w.last("C"), "c-1", "", nil)
	if diff := cmp.Diff([]line{
		{"stack", "UPDATE_IN_PROGRESS", "User Initiated"},
		{"C", "UPDATE_IN_PROGRESS", ""},
		{"C", "UPDATE_IN_PROGRESS", "Requested update required the provider to create a new physical resource"},
		{"C", "UPDATE_COMPLETE", ""},
		{"B", "UPDATE_IN_PROGRESS", ""},
		{"B", "UPDATE_COMPLETE", ""},
		{"stack", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""},
		{"C", "DELETE_IN_PROGRESS", ""},
		{"C", "DELETE_COMPLETE", ""},
		{"stack", "UPDATE_COMPLETE", ""},
	}, w.since(id, n)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	w.wantRequests("Update c-1 small>large", "Delete c-1 small")
	for _, ev := range w.stack(id).Events {
		if ev.LogicalID == "B" && ev.Status == fakecfn.UpdateComplete && !strings.Contains(ev.Properties, `"Of":"c-2"`) {
			t.Errorf("B was updated with %s", ev.Properties)
		}
	}

	// The next update and the deletion have the new ID.
	w.invoked = nil
	w.answer(w.resize(id, "small"), "c-2", "", map[string]any{"Data": "2"})
	w.wantStatus(id, fakecfn.UpdateComplete)
	if err := w.engine.DeleteStack(id); err != nil {
		t.Fatal(err)
	}
	w.answer(w.last("C"), "c-2", "", nil)
	w.wantStatus(id, fakecfn.DeleteComplete)
	w.wantRequests("Update c-2 large>small", "Delete c-2 small")
}

// What cannot be deleted in the clean-up does not fail the update.
func TestFailedCleanup(t *testing.T) {
	w, id := launched(t)
	w.answer(w.resize(id, "large"), "c-2", "", map[string]any{"Data": "2"})
	w.answer(w.last("C"), "c-1", "in use", nil)
	w.wantStatus(id, fakecfn.UpdateComplete)
	if st := w.stack(id); st.StatusReason != "Update successful. One or more resources could not be deleted." || st.Resource("C").Status != fakecfn.UpdateComplete {
		t.Errorf("got %q, C %s", st.StatusReason, st.Resource("C").Status)
	}
}

// A resource that a removed one depends on is deleted even if that one cannot be.
func TestFailedCleanupDeletesTheRest(t *testing.T) {
	const custom = "Type: Custom::Thing, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'}}"
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Resources: {Z: {Type: AWS::SQS::Queue}, C: {"+custom+", D: {DependsOn: C, "+custom+"}")})
	w.answer(w.last("C"), "c", "", nil)
	w.answer(w.last("D"), "d", "", nil)
	w.invoked = nil
	w.update(fakecfn.UpdateStackInput{Stack: id, Template: mustParse(t, "Resources: {Z: {Type: AWS::SQS::Queue}}")})
	w.answer(w.last("D"), "d", "in use", nil)
	w.wantRequests("Delete d", "Delete c")
	w.answer(w.last("C"), "c", "", nil)
	w.wantStatus(id, fakecfn.UpdateComplete)
	if st := w.stack(id); len(st.Resources) != 1 {
		t.Errorf("resources: got %+v", st.Resources)
	}
}

// A new template adds, keeps and removes resources. Removed ones are deleted in the clean-up, dependents first.
func TestUpdateWithNewTemplate(t *testing.T) {
	const before = `
Resources:
  A: {Type: AWS::SQS::Queue, DeletionPolicy: Retain}
  B: {Type: AWS::SQS::Queue}
  C: {Type: AWS::SQS::Queue, DependsOn: B}
  D: {Type: AWS::SQS::Queue, Properties: {One: 1, Two: 2}}
  N: {Type: AWS::SQS::Queue, Properties: {QueueName: old}}
  R: {Type: AWS::SQS::Queue, UpdateReplacePolicy: Retain, Properties: {QueueName: old-r}}
`
	const after = `
Resources:
  H: {Type: AWS::CloudFormation::WaitConditionHandle}
  W: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref H, Timeout: 60}}
  E: {Type: AWS::SQS::Queue, DependsOn: W}
  D: {Type: AWS::SQS::Queue, DependsOn: E, Properties: {Two: '2', One: '1'}}
  N: {Type: AWS::SQS::Queue, Properties: {QueueName: new}}
  R: {Type: AWS::SQS::Queue, UpdateReplacePolicy: Retain, Properties: {QueueName: new-r}}
`
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, before)})
	n := len(w.log(id))
	w.update(fakecfn.UpdateStackInput{Stack: "stack", Template: mustParse(t, after)})
	w.wantStatus(id, fakecfn.UpdateInProgress)
	if st := w.stack(id); st.Resource("B").Status != fakecfn.CreateComplete {
		t.Errorf("B, to be removed: got %+v", st.Resource("B"))
	}
	w.mustPut(w.handleURL(id, "H"), signal("SUCCESS", "1", "", ""))
	const replaces = "Requested update requires the creation of a new physical resource; hence creating one."
	if diff := cmp.Diff([]line{
		{"stack", "UPDATE_IN_PROGRESS", "User Initiated"},
		{"H", "CREATE_IN_PROGRESS", ""},
		{"N", "UPDATE_IN_PROGRESS", ""},
		{"R", "UPDATE_IN_PROGRESS", ""},
		{"H", "CREATE_IN_PROGRESS", "Resource creation Initiated"},
		{"N", "UPDATE_IN_PROGRESS", replaces},
		{"R", "UPDATE_IN_PROGRESS", replaces},
		{"H", "CREATE_COMPLETE", ""},
		{"N", "UPDATE_COMPLETE", ""},
		{"R", "UPDATE_COMPLETE", ""},
		{"W", "CREATE_IN_PROGRESS", ""},
		{"W", "CREATE_IN_PROGRESS", "Resource creation Initiated"},
		{"W", "CREATE_COMPLETE", ""},
		{"E", "CREATE_IN_PROGRESS", ""},
		{"E", "CREATE_IN_PROGRESS", "Resource creation Initiated"},
		{"E", "CREATE_COMPLETE", ""},
		{"stack", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""},
		{"R", "DELETE_SKIPPED", ""},
		{"N", "DELETE_IN_PROGRESS", ""},
		{"C", "DELETE_IN_PROGRESS", ""},
		{"A", "DELETE_SKIPPED", ""},
		{"N", "DELETE_COMPLETE", ""},
		{"C", "DELETE_COMPLETE", ""},
		{"B", "DELETE_IN_PROGRESS", ""},
		{"B", "DELETE_COMPLETE", ""},
		{"stack", "UPDATE_COMPLETE", ""},
	}, w.since(id, n)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if st := w.stack(id); len(st.Resources) != 6 || !strings.HasSuffix(st.Resource("N").PhysicalID, "/new") {
		t.Errorf("resources: got %+v", st.Resources)
	}
	ids := map[string]bool{}
	for _, ev := range w.stack(id).Events {
		if ids[ev.ID] {
			t.Errorf("two events have the ID %s", ev.ID)
		}
		ids[ev.ID] = true
	}
}

func TestPlainUpdateTakesItsDelay(t *testing.T) {
	w := newFixture(t, func(c *fakecfn.Config) { c.Delay = time.Minute })
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Parameters: {P: {Type: String, Default: 1}}\nResources: {Q: {Type: AWS::SQS::Queue, Properties: {P: !Ref P}}}")})
	w.advance(time.Minute)
	w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"P": "2"}})
	w.advance(59 * time.Second)
	w.wantStatus(id, fakecfn.UpdateInProgress)
	w.advance(time.Second)
	w.wantStatus(id, fakecfn.UpdateComplete)
}

func TestUpdateStackErrors(t *testing.T) {
	w, id := launched(t)
	stored := mustParse(t, updateTemplate)
	tests := []struct {
		name string
		in   fakecfn.UpdateStackInput
		want string
	}{
		{"nothing changes", fakecfn.UpdateStackInput{Stack: id}, "No updates are to be performed."},
		{"the defaults spelled out", fakecfn.UpdateStackInput{Stack: id, Template: stored, Parameters: map[string]string{"Size": "small"}}, "No updates are to be performed."},
		{"another order and comments", fakecfn.UpdateStackInput{Stack: id, Template: mustParse(t, "# same\n"+strings.Replace(updateTemplate, "Of: !Ref C, Data: !GetAtt C.Data", "Data: !GetAtt C.Data, Of: !Ref C", 1))}, "No updates are to be performed."},
		{"no stack", fakecfn.UpdateStackInput{Stack: "nope"}, "Stack [nope] does not exist"},
		{"unknown parameter", fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"Nope": "1"}}, "Parameters: [Nope] do not exist in the template"},
		{"another type", fakecfn.UpdateStackInput{Stack: id, Template: mustParse(t, "Resources: {A: {Type: AWS::SNS::Topic}, Z: {Type: AWS::SNS::Topic}}")},
			"Update of resource type is not permitted. The new template modifies resource type of the following resources: [A, Z]"},
		{"a failure that cannot be", fakecfn.UpdateStackInput{Stack: id, Fail: map[string]string{"C": "no"}}, "Fail names C, which is not a plain resource of the stack"},
	}
	before := w.stack(id)
	for _, tt := range tests {
		err := w.engine.UpdateStack(tt.in)
		if e, ok := err.(*fakecfn.Error); !ok || e.Code != "ValidationError" || e.Message != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if diff := cmp.Diff(before, w.stack(id)); diff != "" {
		t.Errorf("a refused update changed the stack (-before +after):\n%s", diff)
	}
	w.resize(id, "large")
	err := w.engine.UpdateStack(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"Size": "huge"}})
	if want := "Stack:" + id + " is in UPDATE_IN_PROGRESS state and can not be updated."; err == nil || err.Error() != "ValidationError: "+want {
		t.Errorf("update during an update: got %v, want %q", err, want)
	}
	err = w.engine.DeleteStack(id)
	if want := "Stack [stack] cannot be deleted while in status UPDATE_IN_PROGRESS"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("deletion during an update: got %v, want %q", err, want)
	}
}

// Parameters that an update does not name keep their values with UsePreviousValues, secrets too, and otherwise get their
// defaults.
func TestParametersOfUpdate(t *testing.T) {
	const src = `
Parameters: {A: {Type: String, Default: a}, S: {Type: String, NoEcho: true}, T: {Type: String, Default: t}}
Resources: {C: {Type: Custom::C, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f', All: !Sub '${A} ${S} ${T}'}}}
`
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src), Parameters: map[string]string{"A": "1", "S": "secret"}})
	w.answer(w.last("C"), "c", "", nil)
	w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"T": "2"}, UsePreviousValues: true,
		Template: mustParse(t, strings.Replace(src, "Default: a", "Default: b", 1))})
	if got := w.last("C").ResourceProperties["All"]; got != "1 secret 2" {
		t.Errorf("with previous values: got %v", got)
	}
	w.answer(w.last("C"), "c", "", nil)
	w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"S": "new"}})
	if got := w.last("C").ResourceProperties["All"]; got != "b new t" {
		t.Errorf("with defaults: got %v", got)
	}
}

// During an update DescribeStacks and GetTemplate show the new values, and after its rollback the old ones.
func TestDescribeDuringUpdate(t *testing.T) {
	w, server := newHTTPFixture(t)
	id := launchUpdateTemplate(w)
	c := client(server, "us-east-1")
	changed := strings.Replace(updateTemplate, "Size: !Ref Size", "Size: !Sub 'very ${Size}'", 1)
	check := func(when, size, template, tag string, status types.StackStatus, updated *time.Time) {
		t.Helper()
		out, err := c.DescribeStacks(context.Background(), &sdk.DescribeStacksInput{StackName: aws.String(id)})
		if err != nil {
			t.Fatal(err)
		}
		st := out.Stacks[0]
		gotTag := ""
		for _, tag := range st.Tags {
			gotTag += aws.ToString(tag.Value)
		}
		if got := aws.ToString(st.Parameters[0].ParameterValue); got != size || gotTag != tag || st.StackStatus != status || !cmp.Equal(st.LastUpdatedTime, updated) {
			t.Errorf("%s: got size %s, tag %q, %s, updated %v; want %s, %q, %s, %v", when, got, gotTag, st.StackStatus, st.LastUpdatedTime, size, tag, status, updated)
		}
		body, err := c.GetTemplate(context.Background(), &sdk.GetTemplateInput{StackName: aws.String(id)})
		if err != nil {
			t.Fatal(err)
		}
		if aws.ToString(body.TemplateBody) != template {
			t.Errorf("%s: the template is %s", when, aws.ToString(body.TemplateBody))
		}
	}
	check("before", "small", updateTemplate, "", types.StackStatusCreateComplete, nil)
	w.now = w.now.Add(time.Minute)
	began := w.now
	w.update(fakecfn.UpdateStackInput{Stack: id, Template: mustParse(t, changed), Parameters: map[string]string{"Size": "large"}, Tags: []fakecfn.Tag{{Key: "k", Value: "v"}}})
	check("during the update", "large", changed, "v", types.StackStatusUpdateInProgress, &began)
	w.now = w.now.Add(time.Minute)
	w.answer(w.last("C"), "c-1", "no", nil)
	check("during the rollback", "small", updateTemplate, "", types.StackStatusUpdateRollbackInProgress, &began)
	w.answer(w.last("C"), "c-1", "", map[string]any{"Data": "1"})
	check("after the rollback", "small", updateTemplate, "", types.StackStatusUpdateRollbackComplete, &began)

	waiter := sdk.NewStackUpdateCompleteWaiter(c)
	w.update(fakecfn.UpdateStackInput{Stack: id, Tags: []fakecfn.Tag{{Key: "k", Value: "2"}}})
	if err := waiter.Wait(context.Background(), &sdk.DescribeStacksInput{StackName: aws.String(id)}, time.Minute); err != nil {
		t.Error(err)
	}
	check("after a change of tags", "small", updateTemplate, "2", types.StackStatusUpdateComplete, &w.now)

	out, err := c.DescribeStackEvents(context.Background(), &sdk.DescribeStackEventsInput{StackName: aws.String(id)})
	if err != nil || out.StackEvents[0].ResourceStatus != types.ResourceStatusUpdateComplete {
		t.Errorf("events: got %v %v", out, err)
	}
}

func TestUpdateProvisionedProduct(t *testing.T) {
	w := newFixture(t)
	id, _, err := w.engine.ProvisionProduct(fakecfn.ProvisionProductInput{Name: "p", Principal: "arn:x", ProvisioningArtifactID: "pa-1",
		Stack: fakecfn.CreateStackInput{Template: mustParse(t, updateTemplate), Parameters: map[string]string{"Size": "large"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.answer(w.last("C"), "c-1", "", map[string]any{"Data": "1"})
	w.invoked = nil
	before := w.stack(id).Tags
	update := func(version string, parameters map[string]string) error {
		return w.engine.UpdateProvisionedProduct(fakecfn.UpdateProvisionedProductInput{ProvisioningArtifactID: version,
			Stack: fakecfn.UpdateStackInput{Stack: id, Parameters: parameters}})
	}
	if err := update("", nil); err == nil || !strings.HasSuffix(err.Error(), "No updates are to be performed.") {
		t.Errorf("no change: got %v", err)
	}
	if err := update("pa-2", map[string]string{"Other": "y"}); err != nil {
		t.Fatal(err)
	}
	w.wantRequests() // C does not change
	w.wantStatus(id, fakecfn.UpdateComplete)
	for i, tag := range w.stack(id).Tags {
		want := before[i]
		if want.Value == "pa-1" {
			want.Value = "pa-2"
		}
		if tag != want {
			t.Errorf("tag: got %v, want %v", tag, want)
		}
	}
	if got := w.stack(id).Parameters[0].Value; got != "large" {
		t.Errorf("a parameter that the update does not name: got %s, want large", got)
	}
	if err := w.engine.UpdateProvisionedProduct(fakecfn.UpdateProvisionedProductInput{Stack: fakecfn.UpdateStackInput{Stack: "nope"}}); err == nil {
		t.Error("an unknown stack was updated")
	}
}

func TestExportsOfUpdate(t *testing.T) {
	const src = `
Parameters: {Name: {Type: String, Default: one}}
Resources: {Q: {Type: AWS::SQS::Queue}}
Outputs: {Out: {Value: !Ref Name, Export: {Name: !Sub 'export-${Name}'}}}
`
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src)})
	w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"Name": "two"}})
	w.wantStatus(id, fakecfn.UpdateComplete)
	w.create(fakecfn.CreateStackInput{Name: "importer", Template: mustParse(t, "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {X: !ImportValue export-two}}}")})
	w.update(fakecfn.UpdateStackInput{Stack: id, Parameters: map[string]string{"Name": "three"}})
	w.wantStatus(id, fakecfn.UpdateRollbackComplete)
	before(t, w.log(id), line{"stack", "UPDATE_ROLLBACK_IN_PROGRESS", "Export export-two cannot be updated as it is in use by importer."}, line{"stack", "UPDATE_ROLLBACK_COMPLETE", ""})
	if got := w.stack(id).Output("Out"); got != "two" {
		t.Errorf("output: got %s, want two", got)
	}
}

// A cancelled update rolls back: the resource in progress fails, and a later response is ignored.
func TestCancelUpdateStack(t *testing.T) {
	w, server := newHTTPFixture(t)
	id := launchUpdateTemplate(w)
	n := len(w.log(id))
	c := client(server, "us-east-1")
	cancel := func(name string) error {
		_, err := c.CancelUpdateStack(context.Background(), &sdk.CancelUpdateStackInput{StackName: aws.String(name)})
		return err
	}
	wantAPIError(t, cancel("nope"), "ValidationError", "Stack [nope] does not exist", http.StatusBadRequest)
	wantAPIError(t, cancel(id), "ValidationError", "CancelUpdateStack cannot be called from current stack status", http.StatusBadRequest)
	w.emitted = nil
	cancelled := w.resize(id, "large")
	if err := cancel(id); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(id, fakecfn.UpdateRollbackInProgress)
	wantAPIError(t, cancel(id), "ValidationError", "CancelUpdateStack cannot be called from current stack status", http.StatusBadRequest)
	w.answer(cancelled, "c-2", "", nil) // S3 accepts it, but it is not used
	w.wantStatus(id, fakecfn.UpdateRollbackInProgress)
	w.answer(w.last("C"), "c-1", "", map[string]any{"Data": "1"})
	w.wantRequests("Update c-1 small>large", "Update c-1 large>small")
	if diff := cmp.Diff([]line{
		{"stack", "UPDATE_IN_PROGRESS", "User Initiated"},
		{"C", "UPDATE_IN_PROGRESS", ""},
		{"C", "UPDATE_FAILED", "Resource update cancelled"},
		{"stack", "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"},
		{"C", "UPDATE_IN_PROGRESS", ""},
		{"C", "UPDATE_COMPLETE", ""},
		{"stack", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""},
		{"stack", "UPDATE_ROLLBACK_COMPLETE", ""},
	}, w.since(id, n)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fakecfn.Status{"UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"}, w.statuses()); diff != "" {
		t.Errorf("EventBridge (-want +got):\n%s", diff)
	}
	used := []bool{}
	for _, q := range w.stack(id).Requests[1:] {
		used = append(used, q.Responses[0].Used)
	}
	if !cmp.Equal(used, []bool{false, true}) {
		t.Errorf("responses used: got %v", used)
	}
}
