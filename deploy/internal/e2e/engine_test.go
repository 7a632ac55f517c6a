package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// engine is a CloudFormation implementation under comparison: the simulated one or
// MiniStack's. Both are read with AWS's SDK.
type engine struct {
	client     *cloudformation.Client
	create     func(ctx context.Context, name, template string) (id string, err error)
	update     func(ctx context.Context, id, template string) error
	delete     func(ctx context.Context, id string) error
	settleTime time.Duration // between the event that a wait has begun and its beginning
}

// transcript is everything that an engine shows about one stack.
type transcript struct {
	Events   []eventLine // oldest first
	Outputs  map[string]string
	Requests []request // to the custom resources' provider
	Puts     []int     // status codes of the signals' PUTs
}

// eventLine is the compared part of a stack event. LogicalID is empty for the stack.
type eventLine struct{ LogicalID, Status, Reason string }

func newSimulated(t *testing.T, p *provider) *engine {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	fake := fakecfn.New(fakecfn.Config{
		Origin: "http://" + server.Listener.Addr().String(), Region: region, Account: account,
		Invoke: func(_ string, event []byte) { p.handle(event) },
	})
	server.Config.Handler = fake
	server.Start()
	t.Cleanup(server.Close)
	clock, stop := time.NewTicker(50*time.Millisecond), make(chan struct{})
	t.Cleanup(func() { clock.Stop(); close(stop) })
	go func() {
		for {
			select {
			case <-clock.C:
				fake.Tick()
			case <-stop:
				return
			}
		}
	}()
	return &engine{
		client: cloudformation.NewFromConfig(awsConfig(server.URL)),
		create: func(_ context.Context, name, template string) (string, error) {
			parsed, err := gate.Parse([]byte(template))
			if err != nil {
				return "", err
			}
			return fake.CreateStack(fakecfn.CreateStackInput{Name: name, Template: parsed})
		},
		update: func(_ context.Context, id, template string) error {
			parsed, err := gate.Parse([]byte(template))
			if err != nil {
				return err
			}
			return fake.UpdateStack(fakecfn.UpdateStackInput{Stack: id, Template: parsed})
		},
		delete: func(_ context.Context, id string) error { return fake.DeleteStack(id) },
	}
}

func newMiniStackEngine(t *testing.T, m *program) *engine {
	t.Helper()
	client := cloudformation.NewFromConfig(awsConfig(m.origin))
	return &engine{
		client:     client,
		settleTime: time.Second,
		create: func(ctx context.Context, name, template string) (string, error) {
			out, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &template})
			if err != nil {
				return "", err
			}
			return *out.StackId, nil
		},
		update: func(ctx context.Context, id, template string) error {
			_, err := client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: &id, TemplateBody: &template})
			return err
		},
		delete: func(ctx context.Context, id string) error {
			_, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &id})
			return err
		},
	}
}

// run runs a scenario and returns its transcript.
func (w *engine) run(t *testing.T, s scenario, p *provider, name string) transcript {
	t.Helper()
	s.failures = maps.Clone(s.failures)
	script := &script{scenario: s, client: w.client}
	p.expect(name, script)
	id, err := w.create(t.Context(), name, s.template)
	if err != nil {
		t.Fatalf("couldn't create the stack: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %+v", name, w.events(context.Background(), id))
		}
	})
	if len(s.signals) > 0 || s.deleteWhileWaiting {
		eventually(t, 20*time.Second, "the wait", func(ctx context.Context) error {
			if e := w.events(ctx, id); !slices.ContainsFunc(e, func(l eventLine) bool { return l.LogicalID == "ApprovalWait" }) {
				return fmt.Errorf("the stack does not wait yet: %v", e)
			}
			return nil
		})
		time.Sleep(w.settleTime)
	}
	if err := script.signal(t.Context(), s.signals); err != nil {
		t.Fatal(err)
	}
	if s.deleteWhileWaiting {
		if err := w.delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	w.expectStatus(t, id, s.status)
	if s.update != "" {
		if err := w.update(t.Context(), id, s.update); err != nil {
			t.Fatal(err)
		}
		w.expectStatus(t, id, s.statusAfterUpdate)
	}
	out, err := w.client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &id})
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
		if strings.HasPrefix(*o.OutputKey, "Queue") {
			outputs[*o.OutputKey] = "a generated name"
		}
	}
	if s.statusAfterDelete != "" {
		if err := w.delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		w.expectStatus(t, id, s.statusAfterDelete)
	}
	requests, puts := script.recorded()
	return transcript{Events: w.events(t.Context(), id), Outputs: outputs, Requests: requests, Puts: puts}
}

// expectStatus waits until the stack has a final status.
func (w *engine) expectStatus(t *testing.T, id, status string) {
	t.Helper()
	eventually(t, 30*time.Second, "the end of the stack", func(ctx context.Context) error {
		e := w.events(ctx, id)
		if len(e) > 0 && e[len(e)-1].LogicalID == "" && e[len(e)-1].Status == status {
			return nil
		}
		return fmt.Errorf("not %s yet: %v", status, e)
	})
}

// events returns all events of a stack so far, oldest first.
func (w *engine) events(ctx context.Context, id string) []eventLine {
	var lines []eventLine
	pages := cloudformation.NewDescribeStackEventsPaginator(w.client, &cloudformation.DescribeStackEventsInput{StackName: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return []eventLine{{Reason: err.Error()}}
		}
		for _, e := range page.StackEvents {
			lines = append(lines, toEventLine(e))
		}
	}
	slices.Reverse(lines)
	return lines
}

func toEventLine(e cfn.StackEvent) eventLine {
	l := eventLine{aws.ToString(e.LogicalResourceId), string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)}
	if aws.ToString(e.ResourceType) == "AWS::CloudFormation::Stack" {
		l.LogicalID = ""
	}
	return l
}

// put PUTs a body without a Content-Type, as pre-signed URLs require.
func put(ctx context.Context, url, body string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}
