package notifier_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"

	"countersign/handle"
	"countersign/notifier/catalog"
	"countersign/notifier/reconcile"
)

const ritaSession = "arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com"

// names serves Service Catalog's API with one product, and counts the calls. respond
// may replace the answer.
func (w *testWorld) names(respond http.HandlerFunc) *atomic.Int32 {
	w.Helper()
	calls := &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server doesn't notice that the client is gone
		if respond != nil {
			respond(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(rw, `{"ProductViewDetail":{"ProductViewSummary":{"Name":"Message queue"}},"ProvisioningArtifactSummaries":[{"Id":"pa-abcd1234","Name":"v3"}]}`)
	}))
	w.Cleanup(server.Close)
	w.notifier.Names = (&catalog.Names{Now: w.Now, Log: slog.New(slog.DiscardHandler), Client: servicecatalog.New(servicecatalog.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDMADE", "made", ""), Retryer: aws.NopRetryer{},
	})}).Find
	return calls
}

// A launch is posted with its product's names, from one call for all launches of it.
func TestLaunchHasTheNamesOfProductVersionAndAccount(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven(ritaSession)
	w.notifier.Accounts = map[string]string{account: "production"}
	calls := w.names(nil)
	r := w.launch()
	if r.Product.ProductName != "Message queue" || r.Product.VersionName != "v3" || r.Product.ID != "prod-abcd1234" || r.Product.Version != "pa-abcd1234" {
		t.Errorf("product %+v", r.Product)
	}
	if r.Stack.AccountName != "production" || r.Stack.OtherAccount {
		t.Errorf("stack %+v", r.Stack)
	}
	if m := w.slack.Messages(channel); len(m) != 1 || !strings.Contains(m[0].Text, "Message queue, v3") {
		t.Errorf("messages %+v", m)
	}
	if got, err := w.handle(w.event(nil, map[string]any{"RequestId": "22222222-2222-3333-4444-555566667777", "LogicalResourceId": "Second"})); err != nil || calls.Load() != 1 {
		t.Errorf("answered %+v, error %v; %d calls, want 1", got, err, calls.Load())
	}
}

func TestLaunchIsAnsweredWithoutNames(t *testing.T) {
	for name, respond := range map[string]http.HandlerFunc{
		"denied": func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(rw, `{"__type":"AccessDeniedException"}`)
		},
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.stacks.description = proven(ritaSession)
			w.names(respond)
			began := time.Now()
			r := w.launch()
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("answered after %s", took)
			}
			if r.Product.Title() != "Message queue" || r.Product.VersionLabel() != "pa-abcd1234" {
				t.Errorf("title %q, version %q; want the description and the ID", r.Product.Title(), r.Product.VersionLabel())
			}
		})
	}
}

// Where the stack can't be read, the product is unknown, so it is not looked up.
func TestUnreadableLaunchIsNotLookedUp(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven(ritaSession)
	w.stacks.description.Tags = nil
	calls := w.names(nil)
	w.launch()
	if calls.Load() != 0 {
		t.Errorf("%d calls for a stack without Service Catalog's tags", calls.Load())
	}
	w = newWorld(t)
	w.stacks.description = proven(ritaSession)
	calls = w.names(nil)
	w.notifier.Account, w.notifier.Accounts = "999900001111", map[string]string{account: "sandbox"}
	r := w.launch()
	if calls.Load() != 0 || w.stacks.reads != 0 {
		t.Errorf("%d calls of Service Catalog and %d of CloudFormation for another account's stack", calls.Load(), w.stacks.reads)
	}
	if !r.Stack.OtherAccount || r.Stack.AccountLabel() != "sandbox ("+account+")" || r.Product != (handle.Product{}) {
		t.Errorf("stack %+v, product %+v", r.Stack, r.Product)
	}
}

// What could not be asked at launch is asked later, with the names.
func TestNamesComeWithTheLateVerification(t *testing.T) {
	w := newWorld(t)
	w.stacks.err = io.ErrUnexpectedEOF
	calls := w.names(nil)
	r := w.launch()
	if !r.Stack.Unverified || calls.Load() != 0 {
		t.Fatalf("unverified %t, %d calls", r.Stack.Unverified, calls.Load())
	}
	w.stacks.err, w.stacks.description = nil, proven(ritaSession)
	w.advance(5 * time.Minute)
	if _, err := w.handle([]byte(`{"source":"aws.events","detail-type":"Scheduled Event"}`)); err != nil {
		t.Fatal(err)
	}
	if r = w.load(r.ID); r.Product.Title() != "Message queue, v3" {
		t.Errorf("product %+v", r.Product)
	}
	if m := w.slack.Messages(channel); len(m) != 1 || !strings.Contains(m[0].Text, "Message queue, v3") {
		t.Errorf("messages %+v", m)
	}
}

// CloudFormation returns characters outside ASCII as question marks.
func TestGarbledDescriptionIsNotATitle(t *testing.T) {
	for description, want := range map[string]string{
		"?????????? ???????": "my-queue", "S3 ????????": "my-queue", "Warteschlange f?r alle": "Warteschlange f?r alle", "": "my-queue", "Ready?": "Ready?",
	} {
		w := newWorld(t)
		w.stacks.description = proven(ritaSession)
		w.stacks.description.Description = description
		if got := w.launch().Product.Title(); got != want {
			t.Errorf("description %q: title %q, want %q", description, got, want)
		}
	}
	w := newWorld(t)
	w.stacks.description = reconcile.Description{Status: "CREATE_IN_PROGRESS", Description: "????"}
	w.launch()
	if m := w.slack.Messages(channel); len(m) != 1 || !strings.Contains(m[0].Text, "SC-111122223333-pp-abcdefghijklm") {
		t.Errorf("messages %+v, want the stack's name", m)
	}
}
