package e2e_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// cfnProxy is a proxy between the functions and MiniStack's CloudFormation. It
// answers as AWS does where MiniStack does not:
//   - MiniStack lists a resource once it has been created, AWS as soon as its
//     creation begins.
//   - MiniStack has no Service Catalog, and like AWS it refuses tags whose keys begin
//     with "aws:". Launches set Service Catalog's tags without that prefix.
type cfnProxy struct {
	origin string
	client *cloudformation.Client // of MiniStack

	lagging, throttled sync.Map // names of stacks with resources listed late, as MiniStack does, or with all reads throttled

	mu    sync.Mutex
	calls map[string]int // by action
}

const tagPrefix = "servicecatalog:"

func newCFNProxy(t *testing.T, c aws.Config) *cfnProxy {
	t.Helper()
	p := &cfnProxy{client: cloudformation.NewFromConfig(c), calls: map[string]int{}}
	target, err := url.Parse(*c.BaseEndpoint)
	if err != nil {
		t.Fatal(err)
	}
	ministack := httputil.NewSingleHostReverseProxy(target)
	ministack.ModifyResponse = addTagPrefix
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			http.Error(w, "malformed query", http.StatusBadRequest)
			return
		}
		p.count(form.Get("Action"))
		stack := stackName(form.Get("StackName"))
		_, throttled := p.throttled.Load(stack)
		_, lagging := p.lagging.Load(stack)
		switch {
		case throttled:
			writeCFNError(w, "Throttling", "Rate exceeded")
		case form.Get("Action") == "DescribeStackResources" && !lagging:
			p.describeStackResources(r.Context(), w, form)
		default:
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.Header.Del("Accept-Encoding") // the transport's own, so that it decompresses
			ministack.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	p.origin = server.URL
	return p
}

// addTagPrefix gives Service Catalog's tags in a response their full keys.
func addTagPrefix(r *http.Response) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	b = bytes.ReplaceAll(b, []byte("<Key>"+tagPrefix), []byte("<Key>aws:"+tagPrefix))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	r.Header.Set("Content-Length", strconv.Itoa(len(b)))
	return nil
}

func (p *cfnProxy) count(action string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[action]++
}

func (p *cfnProxy) read() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.calls)
}

// describeStackResources answers with the status of each resource's latest event. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackResources.html
func (p *cfnProxy) describeStackResources(ctx context.Context, w http.ResponseWriter, form url.Values) {
	stack, want := form.Get("StackName"), form.Get("LogicalResourceId")
	resources, err := p.resources(ctx, stack)
	if err != nil {
		writeCFNError(w, "ValidationError", "Stack ["+stack+"] does not exist")
		return
	}
	type member struct{ LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus, StackId string }
	var response struct {
		XMLName xml.Name `xml:"http://cloudformation.amazonaws.com/doc/2010-05-15/ DescribeStackResourcesResponse"`
		Members []member `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	for id, r := range resources {
		if want == "" || want == id {
			response.Members = append(response.Members, member{id, aws.ToString(r.PhysicalResourceId), aws.ToString(r.ResourceType), string(r.ResourceStatus), stack})
		}
	}
	if want != "" && len(response.Members) == 0 {
		writeCFNError(w, "ValidationError", "Resource "+want+" does not exist for stack "+stack)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_ = xml.NewEncoder(w).Encode(response) // fails only if the function hung up
}

// resources returns the resources of a stack by logical ID.
func (p *cfnProxy) resources(ctx context.Context, stack string) (map[string]cfn.StackResource, error) {
	listed, err := p.client.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &stack})
	if err != nil {
		return nil, err
	}
	resources := map[string]cfn.StackResource{}
	for _, r := range listed.StackResources {
		resources[*r.LogicalResourceId] = r
	}
	latest := map[string]bool{}
	pages := cloudformation.NewDescribeStackEventsPaginator(p.client, &cloudformation.DescribeStackEventsInput{StackName: &stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range page.StackEvents { // newest first
			id := *e.LogicalResourceId
			if latest[id] || aws.ToString(e.ResourceType) == "AWS::CloudFormation::Stack" {
				continue
			}
			latest[id] = true
			r := resources[id]
			r.ResourceType, r.ResourceStatus = e.ResourceType, e.ResourceStatus
			resources[id] = r
		}
	}
	return resources, nil
}

func writeCFNError(w http.ResponseWriter, code, message string) {
	var response struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
	}
	response.Type, response.Code, response.Message = "Sender", code, message
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusBadRequest)
	_ = xml.NewEncoder(w).Encode(response) // fails only if the function hung up
}

// stackName returns the name in a stack's ARN.
func stackName(arn string) string {
	if parts := strings.Split(arn, "/"); len(parts) == 3 {
		return parts[1]
	}
	return arn
}
