package catalog_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"

	"countersign/notifier/catalog"
)

const (
	product = "prod-4abcdefghijkl"
	version = "pa-4bbbbbbbbbbbb"
)

// fakeCatalog is a fake of Service Catalog's API, which answers as respond says.
type fakeCatalog struct {
	mu      sync.Mutex
	calls   []string // bodies
	respond func(w http.ResponseWriter, r *http.Request)
	now     time.Time
}

func (c *fakeCatalog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.calls = append(c.calls, r.Header.Get("X-Amz-Target")+" "+string(body))
	respond := c.respond
	c.mu.Unlock()
	respond(w, r)
}

// answerWith replaces respond.
func (c *fakeCatalog) answerWith(respond func(w http.ResponseWriter, r *http.Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.respond = respond
}

func (c *fakeCatalog) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

func newNames(t *testing.T) (*catalog.Names, *fakeCatalog) {
	t.Helper()
	c := &fakeCatalog{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), respond: described(t)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	client := servicecatalog.New(servicecatalog.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDMADE", "made", ""), Retryer: aws.NopRetryer{},
	})
	return &catalog.Names{Client: client, Now: func() time.Time { return c.now }, Log: slog.New(slog.DiscardHandler)}, c
}

func described(t *testing.T) func(http.ResponseWriter, *http.Request) {
	body, err := os.ReadFile("testdata/describe-product-as-admin.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, string(body)) }
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func wantNames(t *testing.T, n *catalog.Names, version, wantProduct, wantVersion string) {
	t.Helper()
	p, v := n.Find(context.Background(), product, version)
	if p != wantProduct || v != wantVersion {
		t.Errorf("got %q and %q, want %q and %q", p, v, wantProduct, wantVersion)
	}
}

func TestNamesAreFoundOnceAndRemembered(t *testing.T) {
	n, c := newNames(t)
	for range 3 {
		wantNames(t, n, version, "Warteschlange für Nachrichten", "v2 – größer")
	}
	wantNames(t, n, "pa-4aaaaaaaaaaaa", "Warteschlange für Nachrichten", "v1")
	wantNames(t, n, "", "Warteschlange für Nachrichten", "")
	if want := `AWS242ServiceCatalogService.DescribeProductAsAdmin {"Id":"` + product + `"}`; c.count() != 1 || c.calls[0] != want {
		t.Errorf("calls: %q, want one: %s", c.calls, want)
	}
	c.now = c.now.Add(time.Hour)
	wantNames(t, n, version, "Warteschlange für Nachrichten", "v2 – größer")
	if c.count() != 2 {
		t.Errorf("%d calls after an hour, want 2: the product may have been renamed", c.count())
	}
}

// A version can be new, so it is looked up again, but not at every launch.
func TestNewVersionIsLookedUpAgain(t *testing.T) {
	n, c := newNames(t)
	wantNames(t, n, version, "Warteschlange für Nachrichten", "v2 – größer")
	c.now = c.now.Add(31 * time.Second)
	for range 2 {
		wantNames(t, n, "pa-new", "Warteschlange für Nachrichten", "")
	}
	if c.count() != 2 {
		t.Errorf("%d calls, want 2", c.count())
	}
}

func TestUnknownProductIsNotLookedUp(t *testing.T) {
	n, c := newNames(t)
	if p, v := n.Find(context.Background(), "", version); p != "" || v != "" || c.count() != 0 {
		t.Errorf("got %q and %q with %d calls, want none", p, v, c.count())
	}
}

func TestFailedLookupLeavesIDsAndIsNotRepeatedAtOnce(t *testing.T) {
	failed := func(status int, code string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			answer(w, status, fmt.Sprintf(`{"__type":%q,"message":"made"}`, code))
		}
	}
	for name, respond := range map[string]func(http.ResponseWriter, *http.Request){
		"denied":        failed(http.StatusBadRequest, "AccessDeniedException"),
		"not found":     failed(http.StatusBadRequest, "ResourceNotFoundException"),
		"throttled":     failed(http.StatusBadRequest, "ThrottlingException"),
		"too many":      failed(http.StatusTooManyRequests, "TooManyRequestsException"),
		"server error":  failed(http.StatusInternalServerError, "InternalFailure"),
		"expired token": failed(http.StatusForbidden, "ExpiredTokenException"),
		"not JSON":      func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "<html>It works!</html>") },
		"empty object":  func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "{}") },
		"null":          func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "null") },
		"empty body":    func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "") },
		"truncated":     func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{"ProductViewDetail":{"Prod`) },
		"blank name": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, `{"ProductViewDetail":{"ProductViewSummary":{"Name":" "}}}`)
		},
		"connection reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			n, c := newNames(t)
			works := c.respond
			c.answerWith(respond)
			wantNames(t, n, version, "", "")
			c.answerWith(works)
			wantNames(t, n, version, "", "")
			if c.count() != 1 {
				t.Errorf("%d calls, want 1", c.count())
			}
			c.now = c.now.Add(5 * time.Minute)
			wantNames(t, n, version, "Warteschlange für Nachrichten", "v2 – größer")
			c.now = c.now.Add(2 * time.Hour)
			c.answerWith(respond)
			wantNames(t, n, version, "Warteschlange für Nachrichten", "v2 – größer")
		})
	}
}

func TestSlowLookupTakesASecondAtMost(t *testing.T) {
	n, c := newNames(t)
	c.answerWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	wantNames(t, n, version, "", "")
	wantNames(t, n, version, "", "")
	if took := time.Since(began); took < 900*time.Millisecond || took > 3*time.Second {
		t.Errorf("took %s, want a second", took)
	}
}

func TestManyProductsDoNotFillTheMemory(t *testing.T) {
	n, c := newNames(t)
	for i := range 250 {
		n.Find(context.Background(), fmt.Sprintf("prod-%d", i), version)
	}
	before := c.count()
	n.Find(context.Background(), "prod-249", version)
	n.Find(context.Background(), "prod-0", version)
	if got := c.count() - before; got != 1 {
		t.Errorf("%d calls, want 1: the newest is remembered, the oldest is not", got)
	}
}

func TestNamesAreOneLineWithoutSecrets(t *testing.T) {
	n, c := newNames(t)
	c.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"ProductViewDetail":{"ProductViewSummary":{"Name":"Queue\nby \u202exoxb-1234567890-secret"}},"ProvisioningArtifactSummaries":[{"Id":"`+version+`","Name":"`+strings.Repeat("v", 8000)+`"},{}]}`)
	})
	p, v := n.Find(context.Background(), product, version)
	if strings.ContainsAny(p, "\n\u202e") || strings.Contains(p, "secret") || !strings.HasPrefix(p, "Queue by") || len(v) > 200 {
		t.Errorf("got %q and a version name of %d bytes", p, len(v))
	}
}
