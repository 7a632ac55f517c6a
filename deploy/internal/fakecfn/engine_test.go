package fakecfn_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

// TestStatusChange checks the EventBridge events: one for each status of a stack, in order.
func TestStatusChange(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate), Fail: map[string]string{"A": "no <A>"}})
	var got []any
	for _, raw := range w.emitted {
		var doc map[string]any
		if err := json.Unmarshal([]byte(raw), &doc); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		if eventID, _ := doc["id"].(string); len(eventID) != 36 {
			t.Errorf("id: got %v", doc["id"])
		}
		delete(doc, "id")
		got = append(got, doc)
	}
	change := func(status, reason string) any {
		return map[string]any{
			"version": "0", "detail-type": "CloudFormation Stack Status Change", "source": "aws.cloudformation",
			"account": "111122223333", "time": "2026-11-23T09:00:00Z", "region": "us-east-1", "resources": []any{id},
			"detail": map[string]any{
				"stack-id": id, "client-request-token": "",
				"status-details": map[string]any{"status": status, "status-reason": reason},
			},
		}
	}
	want := []any{
		change("CREATE_IN_PROGRESS", "User Initiated"),
		change("ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [A, E]. Rollback requested by user."),
		change("ROLLBACK_COMPLETE", ""),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// TestResponseFromInvoke responds to every request within Invoke, so that CreateStack completes the stack.
func TestResponseFromInvoke(t *testing.T) {
	w := newFixture(t)
	depth, deepest := 0, 0
	w.onInvoke = func(in invocation) {
		depth++
		deepest = max(deepest, depth)
		w.answer(in, "physical", "", map[string]any{"ApprovedBy": "ada"})
		if in.LogicalResourceId == "ApprovalRequest" {
			st, _ := w.engine.Stack(in.StackId)
			w.mustPut(st.Resource("ApprovalHandle").PhysicalID, signal("SUCCESS", "u", "", ""))
		}
		depth--
	}
	id := w.create(fakecfn.CreateStackInput{Template: load(t, "gate.yaml"), Parameters: map[string]string{"UserEmail": "rita@example.com"}})
	if got := w.stack(id).Status; got != fakecfn.CreateComplete {
		t.Errorf("stack: got %s", got)
	}
	if deepest != 1 {
		t.Errorf("Invoke within Invoke: got %d deep, want them one after another", deepest)
	}
	if got := len(w.emitted); got != 2 {
		t.Errorf("documents: got %d, want 2", got)
	}
}

func TestPanickingInvokeDoesNotStopDelivery(t *testing.T) {
	w := newFixture(t)
	w.onInvoke = func(invocation) { panic("provider") }
	func() {
		defer func() { _ = recover() }()
		_, _ = w.engine.CreateStack(fakecfn.CreateStackInput{Name: "one", Template: mustParse(t, customTemplate)})
		t.Error("the panic was swallowed")
	}()
	w.onInvoke = nil
	w.create(fakecfn.CreateStackInput{Name: "two", Template: mustParse(t, customTemplate)})
	if got := len(w.invoked); got != 2 {
		t.Errorf("requests: got %d, want 2", got)
	}
}

// TestConcurrency runs many gated stacks on many goroutines, for the race detector.
func TestConcurrency(t *testing.T) {
	tpl := load(t, "gate.yaml")
	var engine *fakecfn.Engine
	var providers sync.WaitGroup
	put := func(url, body string) {
		r := httptest.NewRequest(http.MethodPut, url, strings.NewReader(body))
		engine.ServeHTTP(httptest.NewRecorder(), r)
	}
	engine = fakecfn.New(fakecfn.Config{
		Origin: "http://cloudformation.example.com",
		Emit:   func([]byte) {},
		Invoke: func(_ string, event []byte) {
			var in invocation
			if err := json.Unmarshal(event, &in); err != nil {
				t.Error(err)
			}
			providers.Go(func() {
				put(in.ResponseURL, reply(in, "p", "", map[string]any{"ApprovedBy": "ada"}))
				if st, _ := engine.Stack(in.StackId); in.LogicalResourceId == "ApprovalRequest" {
					put(st.Resource("ApprovalHandle").PhysicalID, signal("SUCCESS", "u", "", ""))
				}
			})
		},
	})
	var launches sync.WaitGroup
	for i := range 20 {
		launches.Go(func() {
			_, err := engine.CreateStack(fakecfn.CreateStackInput{
				Name: "stack-" + string(rune('a'+i)), Template: tpl, Parameters: map[string]string{"UserEmail": "rita@example.com"},
			})
			if err != nil {
				t.Error(err)
			}
			engine.Tick()
			engine.Next()
			engine.Stacks()
		})
	}
	launches.Wait()
	providers.Wait()
	for _, st := range engine.Stacks() {
		if st.Status != fakecfn.CreateComplete {
			t.Errorf("%s: got %s", st.Name, st.Status)
		}
	}
}

// TestDeterminism runs the same calls twice, with failures, and compares all events.
func TestDeterminism(t *testing.T) {
	play := func() []any {
		w := newFixture(t, func(c *fakecfn.Config) { c.Delay = 3 * time.Second })
		templates := []string{"network.yaml", "database.json", "loops.yaml", "pipeline.yaml", "serverless.yaml", "sample-gate.yaml"}
		for i, name := range templates {
			in := fakecfn.CreateStackInput{Name: "stack" + string(rune('a'+i)), Template: load(t, name)}
			if name == "database.json" {
				in.Parameters = map[string]string{"Password": "correct1horse", "Subnets": "subnet-1,subnet-2"}
				in.Fail = map[string]string{"Login": "no"}
			}
			w.create(in)
			w.advance(time.Second)
		}
		approved, _ := w.gate()
		rejected, _ := w.gate()
		w.mustPut(w.handleURL(approved, "ApprovalHandle"), signal("SUCCESS", "u", "", ""))
		w.mustPut(w.handleURL(rejected, "ApprovalHandle"), signal("FAILURE", "u", "", "no"))
		for range 40 {
			if next, ok := w.engine.Next(); ok {
				w.advance(next.Sub(w.now))
			}
		}
		for _, st := range w.engine.Stacks() {
			if err := w.engine.DeleteStack(st.ID); err != nil {
				t.Logf("DeleteStack: %v", err)
			}
		}
		out := []any{w.engine.Stacks(), w.emitted}
		for _, in := range w.invoked {
			out = append(out, in.Raw)
		}
		return out
	}
	if diff := cmp.Diff(play(), play()); diff != "" {
		t.Errorf("two runs (-first +second):\n%s", diff)
	}
}

// TestEventIDs checks that event IDs are unique within a stack, and their form.
func TestEventIDs(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)})
	if err := w.engine.DeleteStack(id); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, ev := range w.stack(id).Events {
		if seen[ev.ID] {
			t.Errorf("event ID %s is not unique", ev.ID)
		}
		seen[ev.ID] = true
	}
	if !seen["A-CREATE_COMPLETE-2026-11-23T09:00:00.000Z"] {
		t.Errorf("event IDs: got %v", seen)
	}
}

func TestSnapshotSharesNoState(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{
		Template: load(t, "network.yaml"), Tags: []fakecfn.Tag{{Key: "team", Value: "a"}}, NotificationARNs: []string{"arn:1"},
	})
	want := w.stack(id)
	got := w.stack(id)
	got.Tags[0].Value, got.Parameters[0].Value, got.Outputs[0].Value = "x", "x", "x"
	got.Events[0].Reason, got.Resources[0].PhysicalID, got.NotificationARNs[0] = "x", "x", "x"
	if diff := cmp.Diff(want, w.stack(id)); diff != "" {
		t.Errorf("stack after its copy was changed (-want +got):\n%s", diff)
	}
}

func TestStatus(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, customTemplate)})
	if status, reason, ok := w.engine.Status(id); status != fakecfn.CreateInProgress || !status.InProgress() || reason != "User Initiated" || !ok {
		t.Errorf("Status: got %s %q %t", status, reason, ok)
	}
	if _, _, ok := w.engine.Status("nope"); ok {
		t.Error("Status: found what is not there")
	}
}

func BenchmarkGate(b *testing.B) {
	tpl := load(b, "gate.yaml")
	var pending []invocation
	engine := fakecfn.New(fakecfn.Config{
		Origin: "http://cloudformation.example.com",
		Emit:   func([]byte) {},
		Invoke: func(_ string, event []byte) {
			var in invocation
			if err := json.Unmarshal(event, &in); err != nil {
				b.Fatal(err)
			}
			pending = append(pending, in)
		},
	})
	put := func(url, body string) {
		rec := httptest.NewRecorder()
		engine.ServeHTTP(rec, httptest.NewRequest(http.MethodPut, url, strings.NewReader(body)))
		if rec.Code != http.StatusOK {
			b.Fatalf("PUT: got %d", rec.Code)
		}
	}
	data := map[string]any{"ApprovedBy": "ada"}
	b.ReportAllocs()
	for b.Loop() {
		pending = pending[:0]
		id, _, err := engine.ProvisionProduct(fakecfn.ProvisionProductInput{
			Stack: fakecfn.CreateStackInput{Template: tpl, Parameters: map[string]string{"UserEmail": "rita@example.com"}},
		})
		if err != nil {
			b.Fatal(err)
		}
		url, _ := pending[0].ResourceProperties["WaitUrl"].(string)
		put(pending[0].ResponseURL, reply(pending[0], "req", "", nil))
		put(url, signal("SUCCESS", "u", "", ""))
		put(pending[1].ResponseURL, reply(pending[1], "verdict", "", data))
		if status, _, _ := engine.Status(id); status != fakecfn.CreateComplete {
			b.Fatalf("stack: got %s", status)
		}
	}
}
