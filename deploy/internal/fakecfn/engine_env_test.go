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

// world is an engine with a made clock, seeded identifiers, and an inbox for what it sends.
type world struct {
	t      *testing.T
	engine *fakecfn.Engine
	now    time.Time
	ids    int

	invoked  []invocation // in the order sent
	emitted  []string
	onInvoke func(invocation)
}

// invocation is one custom resource request as a provider receives it.
type invocation struct {
	ServiceToken string
	Raw          string

	RequestType, ResponseURL, StackId, RequestId, ResourceType, LogicalResourceId, PhysicalResourceId string
	ResourceProperties                                                                                map[string]any
}

func newWorld(t *testing.T, change ...func(*fakecfn.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
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

func (w *world) newID() string {
	w.ids++
	return fmt.Sprintf("%08x-0000-4000-8000-000000000000", w.ids)
}

func (w *world) invoke(token string, event []byte) {
	in := invocation{ServiceToken: token, Raw: string(event)}
	if err := json.Unmarshal(event, &in); err != nil {
		w.t.Errorf("request is no JSON: %v: %s", err, event)
	}
	w.invoked = append(w.invoked, in)
	if w.onInvoke != nil {
		w.onInvoke(in)
	}
}

// last returns the newest request to a resource.
func (w *world) last(logicalID string) invocation {
	w.t.Helper()
	for i := len(w.invoked) - 1; i >= 0; i-- {
		if w.invoked[i].LogicalResourceId == logicalID {
			return w.invoked[i]
		}
	}
	w.t.Fatalf("no request to %s was sent", logicalID)
	return invocation{}
}

// create creates a stack that must be accepted.
func (w *world) create(in fakecfn.CreateStackInput) string {
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

// stack returns a stack that must be there.
func (w *world) stack(id string) fakecfn.Stack {
	w.t.Helper()
	st, ok := w.engine.Stack(id)
	if !ok {
		w.t.Fatalf("no stack %s", id)
	}
	return st
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.engine.Tick()
}

// put sends body to a pre-signed URL and returns the status and the answer.
func (w *world) put(url, body string) (int, string) {
	w.t.Helper()
	return w.send(httptest.NewRequest(http.MethodPut, url, strings.NewReader(body)))
}

func (w *world) send(r *http.Request) (int, string) {
	rec := httptest.NewRecorder()
	w.engine.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// mustPut sends body to a URL that must take it.
func (w *world) mustPut(url, body string) {
	w.t.Helper()
	if code, answer := w.put(url, body); code != http.StatusOK || answer != "" {
		w.t.Fatalf("PUT: got %d %q, want 200 and nothing", code, answer)
	}
}

// answer answers a custom resource request; with a reason it says FAILED.
func (w *world) answer(in invocation, physicalID, reason string, data map[string]any) {
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
		panic(err) // strings and the like
	}
	return string(b)
}

// handleURL returns the URL of a wait handle.
func (w *world) handleURL(stackID, logicalID string) string {
	w.t.Helper()
	url := w.stack(stackID).Resource(logicalID).PhysicalID
	if url == "" {
		w.t.Fatalf("handle %s has no URL", logicalID)
	}
	return url
}

// signal makes the body of a wait condition signal.
func signal(status, uniqueID, data, reason string) string {
	b, err := json.Marshal(map[string]string{"Status": status, "UniqueId": uniqueID, "Data": data, "Reason": reason})
	if err != nil {
		panic(err) // strings only
	}
	return string(b)
}

// line is what most tests want to know of an event.
type line struct {
	LogicalID string
	Status    fakecfn.Status
	Reason    string
}

// log returns a stack's events, oldest first.
func (w *world) log(id string) []line {
	w.t.Helper()
	var out []line
	for _, ev := range w.stack(id).Events {
		out = append([]line{{ev.LogicalID, ev.Status, ev.Reason}}, out...)
	}
	return out
}

// mustParse parses a template that must be good.
func mustParse(t testing.TB, src string) *gate.Template {
	t.Helper()
	tpl, err := gate.Parse([]byte(src))
	if err != nil {
		t.Fatalf("ParseTemplate: %v", err)
	}
	return tpl
}

// load parses a template of testdata.
func load(t testing.TB, name string) *gate.Template {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "gate", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(bytes.TrimSpace(src)))
}

// queues declares n queues, Q0 and on.
func queues(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  Q%d: {Type: AWS::SQS::Queue}\n", i)
	}
	return b.String()
}
