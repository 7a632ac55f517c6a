package reconcile_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"countersign/notifier/reconcile"
)

const parent, nested, inner = "arn:aws:cloudformation:us-east-1:111122223333:stack/parent/1", "arn:aws:cloudformation:us-east-1:111122223333:stack/nested/2", "arn:aws:cloudformation:us-east-1:111122223333:stack/inner/3"

// event is one stack event as DescribeStackEvents writes it.
type event struct {
	LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus, ResourceStatusReason string
	ResourceProperties                                                                        string `xml:",omitempty"`
	HookType, HookStatus, HookStatusReason, HookFailureMode                                   string `xml:",omitempty"`
}

func own(stack, status, reason string) event {
	return event{LogicalResourceId: "a name", PhysicalResourceId: stack, ResourceType: "AWS::CloudFormation::Stack", ResourceStatus: status, ResourceStatusReason: reason}
}

func resource(id, typ, status, reason string) event {
	return event{LogicalResourceId: id, PhysicalResourceId: id + "-1", ResourceType: typ, ResourceStatus: status, ResourceStatusReason: reason}
}

func child(id, stack, status, reason string) event {
	e := own(stack, status, reason)
	e.LogicalResourceId = id
	return e
}

// events serves DescribeStackEvents, pageSize events at a time: each stack's are given
// oldest first. It counts the calls.
type events struct {
	of    map[string][]event
	calls int
}

const pageSize = 3

func (s *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls++
	all, ok := s.of[r.FormValue("StackName")]
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>ValidationError</Code><Message>no such stack</Message></Error></ErrorResponse>`)
		return
	}
	from, _ := strconv.Atoi(r.FormValue("NextToken"))
	var page struct {
		XMLName xml.Name `xml:"DescribeStackEventsResponse"`
		Events  []event  `xml:"DescribeStackEventsResult>StackEvents>member"`
		Next    string   `xml:"DescribeStackEventsResult>NextToken,omitempty"`
	}
	for i := len(all) - 1 - from; i >= max(0, len(all)-from-pageSize); i-- {
		page.Events = append(page.Events, all[i])
	}
	if from+pageSize < len(all) {
		page.Next = strconv.Itoa(from + pageSize)
	}
	if err := xml.NewEncoder(w).Encode(page); err != nil {
		panic(err)
	}
}

func firstFailure(t *testing.T, s *events) string {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	client := cloudformation.New(cloudformation.Options{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKID", "x", ""), Retryer: aws.NopRetryer{}})
	got, err := reconcile.CloudFormation{Client: client}.FirstFailure(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

const (
	queue, custom, wait = "AWS::SQS::Queue", "Custom::ApprovalRequest", "AWS::CloudFormation::WaitCondition"
	cancelled           = "Resource creation cancelled"
	rollback            = "The following resource(s) failed to create: [Queue]. Rollback requested by user."
)

func TestFirstFailure(t *testing.T) {
	started, rolledBack := own(parent, "CREATE_IN_PROGRESS", "User Initiated"), own(parent, "ROLLBACK_COMPLETE", "")
	gate := resource("ApprovalRequest", custom, "CREATE_FAILED", "Received response status [FAILED] from custom resource.")
	gate.ResourceProperties = `{"ServiceToken":"x","WaitUrl":"https://example.com"}`
	hook := func(e event, status, mode string) event {
		e.ResourceStatus, e.HookType, e.HookStatus, e.HookFailureMode = "CREATE_IN_PROGRESS", "Example::Encryption::Hook", status, mode
		e.HookStatusReason = "queues must be encrypted"
		return e
	}
	for _, tt := range []struct {
		name   string
		events []event
		nested map[string][]event
		want   string
	}{
		{"a resource, and what was cancelled because of it", []event{started,
			resource("Queue", queue, "CREATE_FAILED", "quota"), resource("Other", queue, "CREATE_FAILED", cancelled),
			own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
		}, nil, "Queue: quota"},
		{"only on the stack itself", []event{started,
			resource("Queue", queue, "CREATE_COMPLETE", ""),
			own(parent, "ROLLBACK_IN_PROGRESS", "Template error: resource ApprovalVerdict does not support attribute type Approver in Fn::GetAtt. Rollback requested by user."), rolledBack,
		}, nil, "Template error: resource ApprovalVerdict does not support attribute type Approver in Fn::GetAtt."},
		{"on the stack itself, and the gate cannot be deleted", []event{started,
			own(parent, "ROLLBACK_IN_PROGRESS", "Export with name A is already exported by stack b. Rollback requested by user."),
			resource("ApprovalVerdict", "Custom::ApprovalVerdict", "DELETE_FAILED", "no response"), own(parent, "ROLLBACK_FAILED", "The following resource(s) failed to delete: [ApprovalVerdict]. "),
		}, nil, "Export with name A is already exported by stack b."},
		{"a resource that failed in the rollback, without more", []event{started,
			own(parent, "ROLLBACK_IN_PROGRESS", ""), resource("Queue", queue, "DELETE_FAILED", "not empty"), own(parent, "ROLLBACK_FAILED", ""),
		}, nil, "Queue: not empty"},
		{"the gate, because of the decision", []event{started,
			resource("ApprovalWait", wait, "CREATE_FAILED", "WaitCondition received failed message: 'Rejected by Ann' for uniqueId: 1"),
			own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
		}, nil, "ApprovalWait: WaitCondition received failed message: 'Rejected by Ann' for uniqueId: 1"},
		{"the gate after the cause", []event{started,
			gate, resource("Role", "AWS::IAM::Role", "CREATE_FAILED", "name taken"),
			own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
		}, nil, "Role: name taken"},
		{"a hook", []event{started,
			hook(resource("Queue", queue, "", ""), "HOOK_IN_PROGRESS", "FAIL"), hook(resource("Queue", queue, "", ""), "HOOK_COMPLETE_FAILED", "FAIL"),
			resource("Queue", queue, "CREATE_FAILED", "The following hook(s) failed: [Example::Encryption::Hook]"),
			own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
		}, nil, "Queue: the hook Example::Encryption::Hook failed: queues must be encrypted"},
		{"a hook that only warns", []event{started,
			hook(resource("Queue", queue, "", ""), "HOOK_COMPLETE_FAILED", "WARN"),
			resource("Topic", "AWS::SNS::Topic", "CREATE_FAILED", "quota"),
			own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
		}, nil, "Topic: quota"},
		{"a hook on the stack", []event{started,
			hook(own(parent, "", ""), "HOOK_COMPLETE_FAILED", "FAIL"),
			own(parent, "ROLLBACK_IN_PROGRESS", "The following hook(s) failed: [Example::Encryption::Hook]"), rolledBack,
		}, nil, "the stack: the hook Example::Encryption::Hook failed: queues must be encrypted"},
		{"an update", []event{started, own(parent, "CREATE_COMPLETE", ""), resource("Old", queue, "CREATE_FAILED", "long ago"),
			own(parent, "UPDATE_IN_PROGRESS", "User Initiated"),
			resource("Queue", queue, "UPDATE_FAILED", "immutable"), resource("Other", queue, "UPDATE_FAILED", "Resource update cancelled"),
			own(parent, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Queue]."),
			resource("Third", queue, "UPDATE_FAILED", "in the rollback"), own(parent, "UPDATE_ROLLBACK_FAILED", ""),
		}, nil, "Queue: immutable"},
		{"an update, only on the stack itself", []event{started, own(parent, "CREATE_COMPLETE", ""),
			own(parent, "UPDATE_IN_PROGRESS", "User Initiated"), own(parent, "UPDATE_ROLLBACK_IN_PROGRESS", "Output X is invalid."), own(parent, "UPDATE_ROLLBACK_COMPLETE", ""),
		}, nil, "Output X is invalid."},
		{"a deletion", []event{started, own(parent, "CREATE_COMPLETE", ""), own(parent, "DELETE_IN_PROGRESS", "User Initiated"),
			resource("Bucket", "AWS::S3::Bucket", "DELETE_FAILED", "not empty"), own(parent, "DELETE_FAILED", "The following resource(s) failed to delete: [Bucket]. "),
		}, nil, "Bucket: not empty"},
		{"a failed launch that was terminated since", []event{started,
			resource("Queue", queue, "CREATE_FAILED", "quota"), own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
			own(parent, "DELETE_IN_PROGRESS", "User Initiated"), own(parent, "DELETE_COMPLETE", ""),
		}, nil, "Queue: quota"},
		{"a stack that was deleted while it waited", []event{started, resource("ApprovalWait", wait, "CREATE_IN_PROGRESS", ""),
			own(parent, "DELETE_IN_PROGRESS", "User Initiated"), resource("ApprovalWait", wait, "CREATE_FAILED", cancelled), own(parent, "DELETE_COMPLETE", ""),
		}, nil, ""},
		{"nothing", []event{started, own(parent, "CREATE_COMPLETE", "")}, nil, ""},
		{"a nested stack in a nested stack", []event{started,
			child("Network", nested, "CREATE_FAILED", "Embedded stack was not successfully created"),
			own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
		}, map[string][]event{
			nested: {own(nested, "CREATE_IN_PROGRESS", ""), resource("Other", queue, "CREATE_FAILED", cancelled), child("Subnets", inner, "CREATE_FAILED", "Embedded stack was not successfully created"), own(nested, "DELETE_IN_PROGRESS", ""), own(nested, "DELETE_COMPLETE", "")},
			inner:  {own(inner, "CREATE_IN_PROGRESS", ""), resource("A", "AWS::EC2::Subnet", "CREATE_FAILED", "The CIDR conflicts"), own(inner, "ROLLBACK_IN_PROGRESS", "")},
		}, "Network / Subnets / A: The CIDR conflicts"},
		{"a nested stack that cannot be read", []event{started,
			child("Network", nested, "CREATE_FAILED", "Embedded stack was not successfully created"),
			own(parent, "ROLLBACK_IN_PROGRESS", rollback), rolledBack,
		}, nil, "Network: Embedded stack was not successfully created"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &events{of: map[string][]event{parent: tt.events}}
			for id, list := range tt.nested {
				s.of[id] = list
			}
			if got := firstFailure(t, s); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Stacks that contain each other, or a stack with endless events, cost a bounded number
// of calls.
func TestFirstFailureIsBounded(t *testing.T) {
	endless := make([]event, 1000)
	for i := range endless {
		endless[i] = resource("Queue", queue, "UPDATE_COMPLETE", "")
	}
	for name, s := range map[string]*events{
		"endless events": {of: map[string][]event{parent: endless}},
		"circular": {of: map[string][]event{
			parent: {own(parent, "CREATE_IN_PROGRESS", ""), child("A", nested, "CREATE_FAILED", "failed")},
			nested: {own(nested, "CREATE_IN_PROGRESS", ""), child("B", parent, "CREATE_FAILED", "failed")},
		}},
	} {
		if firstFailure(t, s); s.calls > 12 {
			t.Errorf("%s: %d calls, want at most 12", name, s.calls)
		}
	}
}
