package e2e_test

import (
	"context"
	"fmt"
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
	made "countersign/deploy/internal/fakecfn"
)

// twin is one of the two CloudFormations that are given the same: the made one
// of the local run, and MiniStack's. Both are read by AWS's own client.
type twin struct {
	client *cloudformation.Client
	create func(ctx context.Context, name, template string) (id string, err error)
	remove func(ctx context.Context, id string) error
	slow   time.Duration // between the event that a wait has begun and its beginning
}

// told is all that a twin lets others know of one stack.
type told struct {
	Events   []line // oldest first
	Outputs  map[string]string
	Requests []request // to the custom resources' provider
	Puts     []int     // what the wait handle answered to each signal
}

// line is what counts of a stack event. The stack itself has no logical ID.
type line struct{ LogicalID, Status, Reason string }

func newMade(t *testing.T, p *provider) *twin {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	engine := made.New(made.Config{
		Origin: "http://" + server.Listener.Addr().String(), Region: region, Account: account,
		Invoke: func(_ string, event []byte) { p.take(event) },
	})
	server.Config.Handler = engine
	server.Start()
	t.Cleanup(server.Close)
	clock, stop := time.NewTicker(50*time.Millisecond), make(chan struct{})
	t.Cleanup(func() { clock.Stop(); close(stop) })
	go func() {
		for {
			select {
			case <-clock.C:
				engine.Tick()
			case <-stop:
				return
			}
		}
	}()
	return &twin{
		client: cloudformation.NewFromConfig(reach(server.URL)),
		create: func(_ context.Context, name, template string) (string, error) {
			parsed, err := gate.Parse([]byte(template))
			if err != nil {
				return "", err
			}
			return engine.CreateStack(made.CreateStackInput{Name: name, Template: parsed})
		},
		remove: func(_ context.Context, id string) error { return engine.DeleteStack(id) },
	}
}

func newMiniStackTwin(t *testing.T, m *program) *twin {
	t.Helper()
	client := cloudformation.NewFromConfig(reach(m.origin))
	return &twin{
		client: client,
		slow:   time.Second,
		create: func(ctx context.Context, name, template string) (string, error) {
			out, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &template})
			if err != nil {
				return "", err
			}
			return *out.StackId, nil
		},
		remove: func(ctx context.Context, id string) error {
			_, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &id})
			return err
		},
	}
}

// play plays a story and returns what was told of it.
func (w *twin) play(t *testing.T, s story, p *provider, name string) told {
	t.Helper()
	script := &script{story: s}
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
	if len(s.signals) > 0 || s.withdraw {
		until(t, 20*time.Second, "the wait", func(ctx context.Context) error {
			if e := w.events(ctx, id); !slices.ContainsFunc(e, func(l line) bool { return l.LogicalID == "ApprovalWait" }) {
				return fmt.Errorf("it does not wait yet: %v", e)
			}
			return nil
		})
		time.Sleep(w.slow)
	}
	if err := script.signal(t.Context(), s.signals); err != nil {
		t.Fatal(err)
	}
	if s.withdraw {
		if err := w.remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	w.ends(t, id, s.end)
	out, err := w.client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &id})
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
		if strings.HasPrefix(*o.OutputKey, "Queue") {
			outputs[*o.OutputKey] = "a name of its own"
		}
	}
	if s.terminate != "" {
		if err := w.remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		w.ends(t, id, s.terminate)
	}
	requests, puts := script.heard()
	return told{Events: w.events(t.Context(), id), Outputs: outputs, Requests: requests, Puts: puts}
}

// ends waits until the stack has come to its end.
func (w *twin) ends(t *testing.T, id, status string) {
	t.Helper()
	until(t, 30*time.Second, "the end of the stack", func(ctx context.Context) error {
		e := w.events(ctx, id)
		if len(e) > 0 && e[len(e)-1].LogicalID == "" && e[len(e)-1].Status == status {
			return nil
		}
		return fmt.Errorf("it is not %s: %v", status, e)
	})
}

// events are all events of a stack so far.
func (w *twin) events(ctx context.Context, id string) []line {
	var lines []line
	pages := cloudformation.NewDescribeStackEventsPaginator(w.client, &cloudformation.DescribeStackEventsInput{StackName: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return []line{{Reason: err.Error()}}
		}
		for _, e := range page.StackEvents {
			lines = append(lines, toLine(e))
		}
	}
	slices.Reverse(lines)
	return lines
}

func toLine(e cfn.StackEvent) line {
	l := line{aws.ToString(e.LogicalResourceId), string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)}
	if aws.ToString(e.ResourceType) == "AWS::CloudFormation::Stack" {
		l.LogicalID = ""
	}
	return l
}

// put PUTs a body as a pre-signed URL wants it.
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
