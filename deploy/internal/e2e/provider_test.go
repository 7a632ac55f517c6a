package e2e_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const providerARN = "arn:aws:lambda:" + region + ":" + account + ":function:provider"

// provider handles the custom resource requests of both engines and answers by each
// stack's script.
type provider struct {
	origin string

	mu      sync.Mutex
	scripts map[string]*script // by stack name
	errors  []error
}

// request is a custom resource request, without the fields that differ between
// stacks.
type request struct {
	RequestType, ServiceToken, ResourceType, LogicalResourceId, PhysicalResourceId string

	ResourceProperties, OldResourceProperties map[string]any

	Listed string `json:"-"` // the resource's status in DescribeStackResources during its creation; empty if not listed
}

// script is the provider's behavior for one stack, and what it recorded.
type script struct {
	scenario
	client *cloudformation.Client // of the stack's engine

	mu    sync.Mutex
	url   string // of the wait handle
	asked []request
	puts  []int
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{scripts: map[string]*script{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			p.fail(err)
			return
		}
		p.handle(event)
	}))
	p.origin = server.URL
	t.Cleanup(func() {
		server.Close()
		for _, err := range p.errors {
			t.Errorf("provider: %v", err)
		}
	})
	return p
}

func (p *provider) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, err)
}

// expect sets the script of a stack before it is created.
func (p *provider) expect(stack string, s *script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[stack] = s
}

// handle answers an event in the background, because CloudFormation does not wait for
// the function, only for its response.
func (p *provider) handle(event []byte) {
	var e struct {
		request
		StackId, RequestId, ResponseURL string
	}
	if err := json.Unmarshal(event, &e); err != nil {
		p.fail(fmt.Errorf("%s: %w", event, err))
		return
	}
	name := strings.Split(e.StackId, "/")[1]
	p.mu.Lock()
	s := p.scripts[name]
	p.mu.Unlock()
	if s == nil {
		p.fail(fmt.Errorf("%s has no script", e.StackId))
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if e.RequestType == "Create" {
			e.Listed = s.listed(ctx, e.StackId, e.LogicalResourceId)
		}
		answer, err := s.answer(ctx, e.request)
		if err == nil {
			answer["StackId"], answer["RequestId"], answer["LogicalResourceId"] = e.StackId, e.RequestId, e.LogicalResourceId
			b, _ := json.Marshal(answer) // cannot fail: strings only
			_, err = put(ctx, e.ResponseURL, string(b))
		}
		if err != nil {
			p.fail(fmt.Errorf("%s %s of %s: %w", e.RequestType, e.LogicalResourceId, name, err))
		}
	}()
}

// listed returns the status of a resource as DescribeStackResources shows it; empty
// if it does not.
func (s *script) listed(ctx context.Context, stack, logicalID string) string {
	out, err := s.client.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &stack, LogicalResourceId: &logicalID})
	if err != nil || len(out.StackResources) != 1 {
		return ""
	}
	return string(out.StackResources[0].ResourceStatus)
}

// answer records a request and returns its response.
func (s *script) answer(ctx context.Context, r request) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := r.OldResourceProperties["WaitUrl"]; ok {
		r.OldResourceProperties["WaitUrl"] = "the handle's"
	}
	if url, ok := r.ResourceProperties["WaitUrl"].(string); ok {
		r.ResourceProperties["WaitUrl"] = "the handle's"
		if s.url == "" {
			s.url = url
			if err := s.put(ctx, s.earlySignals); err != nil {
				return nil, err
			}
		}
	}
	s.asked = append(s.asked, r)
	id := r.PhysicalResourceId
	if id == "" {
		id = "id-" + r.LogicalResourceId
	}
	if r.RequestType == "Update" && slices.Contains(s.replaced, r.LogicalResourceId) {
		var back bool
		if id, back = strings.CutSuffix(id, "-updated"); !back {
			id += "-updated"
		}
	}
	if why, refused := s.failures[r.RequestType+" "+r.LogicalResourceId]; refused {
		delete(s.failures, r.RequestType+" "+r.LogicalResourceId)
		return map[string]any{"Status": "FAILED", "Reason": why, "PhysicalResourceId": id}, nil
	}
	return map[string]any{
		"Status": "SUCCESS", "PhysicalResourceId": id,
		"Data": map[string]string{"ApprovedBy": "Ann <ann@example.com>", "ApprovedAt": "2026-11-26T09:00:00Z"},
	}, nil
}

// signal PUTs signals to the wait handle, one after another.
func (s *script) signal(ctx context.Context, bodies []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(ctx, bodies)
}

func (s *script) put(ctx context.Context, bodies []string) error {
	for _, body := range bodies {
		status, err := put(ctx, s.url, body)
		if err != nil {
			return err
		}
		s.puts = append(s.puts, status)
	}
	return nil
}

func (s *script) recorded() (requests []request, puts []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked), slices.Clone(s.puts)
}

// forwarder is a function that forwards events from MiniStack to a test.
const forwarder = `
import json, os, urllib.request

def handler(event, context):
    urllib.request.urlopen(os.environ["PROVIDER"], json.dumps(event).encode(), 10).close()
`

// createForwarder creates a function that forwards events to origin, on MiniStack.
func createForwarder(t *testing.T, c aws.Config, name, origin string) {
	t.Helper()
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	f, err := z.Create("forwarder.py")
	if err == nil {
		_, err = io.WriteString(f, forwarder)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	client := lambda.NewFromConfig(c)
	_, err = client.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimePython313, Handler: aws.String("forwarder.handler"),
		Role: aws.String("arn:aws:iam::" + account + ":role/provider"), Timeout: aws.Int32(30),
		Code:        &types.FunctionCode{ZipFile: zipped.Bytes()},
		Environment: &types.Environment{Variables: map[string]string{"PROVIDER": origin}},
	})
	if err != nil {
		t.Fatalf("couldn't create the function: %v", err)
	}
	err = lambda.NewFunctionActiveV2Waiter(client).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, time.Minute)
	if err != nil {
		t.Fatalf("the function is not ready: %v", err)
	}
}
