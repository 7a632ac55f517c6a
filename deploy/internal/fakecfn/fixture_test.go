package fakecfn_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// fixture is an engine with a fake clock and sequential identifiers. It records what the engine delivers.
type fixture struct {
	t      *testing.T
	engine *fakecfn.Engine
	now    time.Time
	ids    int

	invoked  []invocation // in the order sent
	emitted  []string
	onInvoke func(invocation)
}

// invocation is a custom resource request as its provider receives it.
type invocation struct {
	ServiceToken string
	Raw          string

	RequestType, ResponseURL, StackId, RequestId, ResourceType, LogicalResourceId, PhysicalResourceId string
	ResourceProperties, OldResourceProperties                                                         map[string]any
}

func newFixture(t *testing.T, change ...func(*fakecfn.Config)) *fixture {
	t.Helper()
	w := &fixture{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	cfg := fakecfn.Config{
		Now:     func() time.Time { return w.now },
		Origin:  "http://cloudformation.example.com",
		Region:  "us-east-1",
		Account: "111122223333",
		NewID:   w.newID,
		Invoke:  w.invoke,
		Emit:    func(event []byte) { w.emitted = append(w.emitted, string(event)) },
	}
	for _, f := range change {
		f(&cfg)
	}
	w.engine = fakecfn.New(cfg)
	return w
}

func (w *fixture) newID() string {
	w.ids++
	return fmt.Sprintf("%08x-0000-4000-8000-000000000000", w.ids)
}

func (w *fixture) invoke(token string, event []byte) {
	in := invocation{ServiceToken: token, Raw: string(event)}
	if err := json.Unmarshal(event, &in); err != nil {
		w.t.Errorf("request is no JSON: %v: %s", err, event)
	}
	w.invoked = append(w.invoked, in)
	if w.onInvoke != nil {
		w.onInvoke(in)
	}
}

// last returns the newest request for a resource.
func (w *fixture) last(logicalID string) invocation {
	w.t.Helper()
	for i := len(w.invoked) - 1; i >= 0; i-- {
		if w.invoked[i].LogicalResourceId == logicalID {
			return w.invoked[i]
		}
	}
	w.t.Fatalf("no request to %s was sent", logicalID)
	return invocation{}
}

// create creates a stack; an error fails the test.
func (w *fixture) create(in fakecfn.CreateStackInput) string {
	w.t.Helper()
	if in.Name == "" {
		in.Name = "stack"
	}
	id, err := w.engine.CreateStack(in)
	if err != nil {
		w.t.Fatalf("CreateStack: %v", err)
	}
	return id
}

// stack returns a stack; a missing one fails the test.
func (w *fixture) stack(id string) fakecfn.Stack {
	w.t.Helper()
	st, ok := w.engine.Stack(id)
	if !ok {
		w.t.Fatalf("no stack %s", id)
	}
	return st
}

// advance advances the clock.
func (w *fixture) advance(d time.Duration) {
	w.now = w.now.Add(d)
	w.engine.Tick()
}

// put sends body to a pre-signed URL and returns the status and the response body.
func (w *fixture) put(url, body string) (int, string) {
	w.t.Helper()
	return w.send(httptest.NewRequest(http.MethodPut, url, strings.NewReader(body)))
}

func (w *fixture) send(r *http.Request) (int, string) {
	rec := httptest.NewRecorder()
	w.engine.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// mustPut sends body to a pre-signed URL; any status but 200 fails the test.
func (w *fixture) mustPut(url, body string) {
	w.t.Helper()
	if code, answer := w.put(url, body); code != http.StatusOK || answer != "" {
		w.t.Fatalf("PUT: got %d %q, want 200 and nothing", code, answer)
	}
}

// answer responds to a custom resource request: FAILED if there is a reason.
func (w *fixture) answer(in invocation, physicalID, reason string, data map[string]any) {
	w.t.Helper()
	w.mustPut(in.ResponseURL, reply(in, physicalID, reason, data))
}

func reply(in invocation, physicalID, reason string, data map[string]any) string {
	body := map[string]any{
		"Status": "SUCCESS", "PhysicalResourceId": physicalID,
		"StackId": in.StackId, "RequestId": in.RequestId, "LogicalResourceId": in.LogicalResourceId, "Data": data,
	}
	if reason != "" {
		body["Status"], body["Reason"] = "FAILED", reason
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // it has only encodable types
	}
	return string(b)
}

// handleURL returns the URL of a wait handle.
func (w *fixture) handleURL(stackID, logicalID string) string {
	w.t.Helper()
	url := w.stack(stackID).Resource(logicalID).PhysicalID
	if url == "" {
		w.t.Fatalf("handle %s has no URL", logicalID)
	}
	return url
}

// signal returns the body of a wait condition signal.
func signal(status, uniqueID, data, reason string) string {
	b, err := json.Marshal(map[string]string{"Status": status, "UniqueId": uniqueID, "Data": data, "Reason": reason})
	if err != nil {
		panic(err) // it has only strings
	}
	return string(b)
}

// line is an event without the fields that most tests ignore.
type line struct {
	LogicalID string
	Status    fakecfn.Status
	Reason    string
}

// log returns a stack's events, oldest first.
func (w *fixture) log(id string) []line {
	w.t.Helper()
	var out []line
	for _, ev := range w.stack(id).Events {
		out = append([]line{{ev.LogicalID, ev.Status, ev.Reason}}, out...)
	}
	return out
}

// mustParse parses a valid template.
func mustParse(t testing.TB, src string) *gate.Template {
	t.Helper()
	tpl, err := gate.Parse([]byte(src))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return tpl
}

// load parses a template in testdata.
func load(t testing.TB, name string) *gate.Template {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "gate", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(bytes.TrimSpace(src)))
}

// queues declares n queues named Q0, Q1, ...
func queues(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  Q%d: {Type: AWS::SQS::Queue}\n", i)
	}
	return b.String()
}
