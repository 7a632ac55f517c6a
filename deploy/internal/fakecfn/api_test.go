package fakecfn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign/deploy/internal/fakecfn"
)

// client returns an AWS SDK client for the engine.
func client(server *httptest.Server, region string) *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(server.URL),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "example", ""),
		HTTPClient:   server.Client(),
		// The SDK closes the request body when the response begins, which can make Go's transport drop the connection
		// during a long response. The SDK then retries: here without delay.
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 10, time.Millisecond }),
	})
}

var noSerde = cmpopts.IgnoreUnexported(types.Stack{}, types.Parameter{}, types.Output{}, types.Tag{}, types.StackDriftInformation{},
	types.StackEvent{}, types.StackResource{}, types.StackResourceDriftInformation{})

func TestDescribeStacks(t *testing.T) {
	w, server := newHTTPFixture(t)
	tpl := mustParse(t, `
Description: a < b & c
Parameters:
  Password: {Type: String, NoEcho: true, Default: hidden}
  Image: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /images/base}
Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}}
Outputs: {Url: {Description: where, Value: !Ref Q, Export: {Name: jobs-url}}}
`)
	id := w.create(fakecfn.CreateStackInput{
		Template: tpl, Tags: []fakecfn.Tag{{Key: "aws:servicecatalog:productArn", Value: "arn:aws:catalog:us-east-1:1:product/prod-1"}},
		NotificationARNs: []string{"arn:aws:sns:us-east-1:111122223333:stacks"},
	})
	want := types.Stack{
		StackId: aws.String(id), StackName: aws.String("stack"), Description: aws.String("a < b & c"),
		CreationTime: aws.Time(w.now), StackStatus: types.StackStatusCreateComplete, DisableRollback: aws.Bool(false),
		EnableTerminationProtection: aws.Bool(false),
		NotificationARNs:            []string{"arn:aws:sns:us-east-1:111122223333:stacks"},
		Parameters: []types.Parameter{
			{ParameterKey: aws.String("Password"), ParameterValue: aws.String("****")},
			{ParameterKey: aws.String("Image"), ParameterValue: aws.String("/images/base"), ResolvedValue: aws.String("base")},
		},
		Outputs: []types.Output{{
			OutputKey: aws.String("Url"), OutputValue: aws.String("https://sqs.us-east-1.amazonaws.com/111122223333/jobs"),
			Description: aws.String("where"), ExportName: aws.String("jobs-url"),
		}},
		Tags:             []types.Tag{{Key: aws.String("aws:servicecatalog:productArn"), Value: aws.String("arn:aws:catalog:us-east-1:1:product/prod-1")}},
		DriftInformation: &types.StackDriftInformation{StackDriftStatus: types.StackDriftStatusNotChecked},
	}
	c := client(server, "us-east-1")
	for _, name := range []*string{aws.String("stack"), aws.String(id), nil} {
		out, err := c.DescribeStacks(context.Background(), &sdk.DescribeStacksInput{StackName: name})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]types.Stack{want}, out.Stacks, noSerde); diff != "" {
			t.Errorf("stacks (-want +got):\n%s", diff)
		}
	}
	if err := w.engine.DeleteStack(id); err != nil {
		t.Fatal(err)
	}
	out, err := c.DescribeStacks(context.Background(), &sdk.DescribeStacksInput{StackName: aws.String(id)})
	if err != nil || out.Stacks[0].StackStatus != types.StackStatusDeleteComplete || out.Stacks[0].DeletionTime == nil {
		t.Errorf("deleted stack by ID: got %v %v", out, err)
	}
	for _, name := range []string{"stack", "arn:aws:cloudformation:us-east-1:111122223333:stack/x/y"} {
		_, err = c.DescribeStacks(context.Background(), &sdk.DescribeStacksInput{StackName: aws.String(name)})
		wantAPIError(t, err, "ValidationError", "Stack with id "+name+" does not exist", http.StatusBadRequest)
	}
}

func wantAPIError(t *testing.T, err error, code, message string, status int) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || api.ErrorMessage() != message {
		t.Errorf("error: got %v, want %s %s", err, code, message)
	}
	var response interface{ HTTPStatusCode() int }
	if !errors.As(err, &response) || response.HTTPStatusCode() != status {
		t.Errorf("status: got %v, want %d", err, status)
	}
}

func TestDescribeStackEvents(t *testing.T) {
	w, server := newHTTPFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Resources:\n"+queues(40)+"  Last: {Type: Custom::L, DependsOn: Q39, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'}}")})
	c := client(server, "us-east-1")
	var got []types.StackEvent
	pages := sdk.NewDescribeStackEventsPaginator(c, &sdk.DescribeStackEventsInput{StackName: aws.String(id)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			if len(page.StackEvents) != 100 {
				t.Errorf("first page: got %d events, want 100", len(page.StackEvents))
			}
			w.answer(w.last("Last"), "last", "", nil) // new events do not shift pages
		}
		got = append(got, page.StackEvents...)
	}
	events := w.stack(id).Events
	events = events[len(events)-len(got):]
	if got, want := len(got), 1+40*3+1; got != want {
		t.Fatalf("events: got %d, want %d", got, want)
	}
	for i, ev := range events {
		want := types.StackEvent{
			StackId: aws.String(id), StackName: aws.String("stack"), EventId: aws.String(ev.ID), Timestamp: aws.Time(ev.Timestamp),
			LogicalResourceId: aws.String(ev.LogicalID), PhysicalResourceId: aws.String(ev.PhysicalID), ResourceType: aws.String(ev.Type),
			ResourceStatus: types.ResourceStatus(ev.Status),
		}
		if ev.Reason != "" {
			want.ResourceStatusReason = aws.String(ev.Reason)
		}
		if ev.Properties != "" {
			want.ResourceProperties = aws.String(ev.Properties)
		}
		if diff := cmp.Diff(want, got[i], noSerde); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i, diff)
		}
	}
	_, err := c.DescribeStackEvents(context.Background(), &sdk.DescribeStackEventsInput{StackName: aws.String("nope")})
	wantAPIError(t, err, "ValidationError", "Stack [nope] does not exist", http.StatusBadRequest)
	_, err = c.DescribeStackEvents(context.Background(), &sdk.DescribeStackEventsInput{StackName: aws.String(id), NextToken: aws.String("???")})
	wantAPIError(t, err, "ValidationError", "Invalid NextToken", http.StatusBadRequest)
}

func TestDescribeStackResources(t *testing.T) {
	w, server := newHTTPFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate), DisableRollback: true, Fail: map[string]string{"E": "no"}})
	c := client(server, "us-east-1")
	st := w.stack(id)
	want := func(name string, status types.ResourceStatus, reason *string) types.StackResource {
		return types.StackResource{
			StackId: aws.String(id), StackName: aws.String("stack"), LogicalResourceId: aws.String(name),
			PhysicalResourceId: aws.String(st.Resource(name).PhysicalID), ResourceType: aws.String(st.Resource(name).Type),
			Timestamp: aws.Time(w.now), ResourceStatus: status, ResourceStatusReason: reason,
			DriftInformation: &types.StackResourceDriftInformation{StackResourceDriftStatus: ""},
		}
	}
	out, err := c.DescribeStackResources(context.Background(), &sdk.DescribeStackResourcesInput{StackName: aws.String("stack")})
	if err != nil {
		t.Fatal(err)
	}
	all := []types.StackResource{
		want("A", "CREATE_FAILED", aws.String("Resource creation cancelled")), want("E", "CREATE_FAILED", aws.String("no")),
	}
	if diff := cmp.Diff(all, out.StackResources, noSerde, cmpopts.IgnoreFields(types.StackResource{}, "DriftInformation")); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	out, err = c.DescribeStackResources(context.Background(), &sdk.DescribeStackResourcesInput{PhysicalResourceId: aws.String(st.Resource("A").PhysicalID), LogicalResourceId: aws.String("E")})
	if err != nil || len(out.StackResources) != 1 || *out.StackResources[0].LogicalResourceId != "E" {
		t.Errorf("by physical ID: got %v %v", out, err)
	}
	_, err = c.DescribeStackResources(context.Background(), &sdk.DescribeStackResourcesInput{StackName: aws.String("stack"), LogicalResourceId: aws.String("Z")})
	wantAPIError(t, err, "ValidationError", "Resource Z does not exist for stack stack", http.StatusBadRequest)
	_, err = c.DescribeStackResources(context.Background(), &sdk.DescribeStackResourcesInput{PhysicalResourceId: aws.String("z")})
	wantAPIError(t, err, "ValidationError", "Stack for z does not exist", http.StatusBadRequest)
}

func TestDescribeStacksPages(t *testing.T) {
	w, server := newHTTPFixture(t)
	tpl := mustParse(t, diamondTemplate)
	for i := range 101 {
		w.create(fakecfn.CreateStackInput{Name: fmt.Sprintf("stack-%d", i), Template: tpl})
	}
	if err := w.engine.DeleteStack("stack-50"); err != nil {
		t.Fatal(err)
	}
	w.create(fakecfn.CreateStackInput{Name: "newest", Template: tpl})
	var names []string
	pages := sdk.NewDescribeStacksPaginator(client(server, "us-east-1"), &sdk.DescribeStacksInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range page.Stacks {
			names = append(names, *st.StackName)
		}
	}
	if len(names) != 101 || names[0] != "newest" || names[100] != "stack-0" {
		t.Errorf("names: got %d, from %s to %s", len(names), names[0], names[len(names)-1])
	}
}

// GetTemplate returns the text as it was given: comments, markup and a trailing line break too.
func TestGetTemplate(t *testing.T) {
	w, server := newHTTPFixture(t)
	const yaml = "# <jobs> & \"more\"\r\nResources: {Q: {Type: AWS::SQS::Queue}} # für später\n\n"
	const json = `{ "Resources" : { "Q" : { "Type" : "AWS::SQS::Queue" } } }`
	c := client(server, "us-east-1")
	for name, src := range map[string]string{"yaml": yaml, "json": json} {
		id := w.create(fakecfn.CreateStackInput{Name: name, Template: mustParse(t, src)})
		for _, by := range []string{name, id} {
			out, err := c.GetTemplate(context.Background(), &sdk.GetTemplateInput{StackName: aws.String(by)})
			if err != nil {
				t.Fatal(err)
			}
			if aws.ToString(out.TemplateBody) != src || len(out.StagesAvailable) != 2 {
				t.Errorf("%s: got %q %v, want %q", by, aws.ToString(out.TemplateBody), out.StagesAvailable, src)
			}
		}
	}
	_, err := c.GetTemplate(context.Background(), &sdk.GetTemplateInput{StackName: aws.String("nope")})
	wantAPIError(t, err, "ValidationError", "Stack with id nope does not exist", http.StatusBadRequest)
	_, err = c.GetTemplate(context.Background(), &sdk.GetTemplateInput{})
	wantAPIError(t, err, "ValidationError", "Either stackName or changeSetName must be specified.", http.StatusBadRequest)
}

// TestWaiter runs the SDK's waiter for a complete stack.
func TestWaiter(t *testing.T) {
	w, server := newHTTPFixture(t)
	w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)})
	waitTemplate := sdk.NewStackCreateCompleteWaiter(client(server, "us-east-1"))
	if err := waitTemplate.Wait(context.Background(), &sdk.DescribeStacksInput{StackName: aws.String("stack")}, time.Minute); err != nil {
		t.Error(err)
	}
}

func TestAPIErrors(t *testing.T) {
	w, server := newHTTPFixture(t)
	w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)})
	const auth = "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/cloudformation/aws4_request, SignedHeaders=host, Signature=0"
	tests := []struct {
		name, auth, body string
		status           int
		code             string
	}{
		{"signed", auth, "Action=DescribeStacks&Version=2010-05-15&StackName=stack", 200, ""},
		{"unsigned", "", "Action=DescribeStacks&Version=2010-05-15", 403, "MissingAuthenticationToken"},
		{"basic", "Basic eDp5", "Action=DescribeStacks&Version=2010-05-15", 403, "MissingAuthenticationToken"},
		{"half signed", "AWS4-HMAC-SHA256 Credential=AKID", "Action=DescribeStacks&Version=2010-05-15", 403, "IncompleteSignature"},
		{"other service", strings.Replace(auth, "cloudformation", "s3", 1), "Action=DescribeStacks&Version=2010-05-15", 403, "SignatureDoesNotMatch"},
		{"unknown action", auth, "Action=LaunchRocket&Version=2010-05-15", 400, "InvalidAction"},
		{"unknown version", auth, "Action=DescribeStacks&Version=2011-01-01", 400, "InvalidAction"},
		{"broken form", auth, "Action=%zz", 400, "MalformedQueryString"},
		{"too large", auth, "Action=DescribeStacks&Version=2010-05-15&StackName=" + strings.Repeat("x", 1<<17), 400, "MalformedQueryString"},
		{"markup in a name", auth, "Action=DescribeStacks&Version=2010-05-15&StackName=" + url.QueryEscape("<a>&"), 400, "ValidationError"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, server.URL+"/", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || tt.code != "" && !strings.Contains(string(body), "<Code>"+tt.code+"</Code>") {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, body, tt.status, tt.code)
			}
			if strings.Contains(string(body), "<a>") {
				t.Errorf("markup was not escaped: %s", body)
			}
		})
	}
	t.Run("other region", func(t *testing.T) {
		_, err := client(server, "eu-west-1").DescribeStacks(context.Background(), &sdk.DescribeStacksInput{})
		wantAPIError(t, err, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.", http.StatusForbidden)
	})
}
