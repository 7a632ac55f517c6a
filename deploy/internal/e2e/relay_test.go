package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// relay is a function in the notifier's place. It hands CloudFormation's genuine
// events to the test, which delivers them to the notifier: several times, or through
// the topic. The notifier's answer passes through the answer server.
type relay struct {
	function string // its name
	answers  *answerServer
	deliver  func(event []byte)

	mu     sync.Mutex
	events map[string][]relayed // by logical ID, oldest first
}

type relayed struct {
	event       []byte
	requestType string
	requestID   string
	answer      string // path at the answer server
}

// newRelay creates a relay in the account of c.
func (d *deployment) newRelay(t *testing.T, c aws.Config, function string, deliver func(event []byte)) *relay {
	t.Helper()
	r := &relay{function: function, answers: d.answers, deliver: deliver, events: map[string][]relayed{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		event, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		if err == nil {
			event, err = r.receive(event)
		}
		if err != nil {
			http.Error(w, "not a custom resource request", http.StatusBadRequest)
			return
		}
		go r.deliver(event) // CloudFormation does not wait for the function, only for its answer
	}))
	t.Cleanup(server.Close)
	createForwarder(t, c, function, server.URL)
	return r
}

// receive replaces the ResponseURL of an event by one of the answer server, which
// passes the answer on.
func (r *relay) receive(event []byte) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(event, &fields); err != nil {
		return nil, err
	}
	text := func(name string) string { s, _ := fields[name].(string); return s }
	path := r.answers.accept(text("StackId"), text("LogicalResourceId"), text("RequestId"), text("ResponseURL"))
	fields["ResponseURL"] = r.answers.origin + path
	event, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[text("LogicalResourceId")] = append(r.events[text("LogicalResourceId")], relayed{event, text("RequestType"), text("RequestId"), unescaped})
	return event, nil
}

// event returns the latest event of a resource.
func (r *relay) event(t *testing.T, logicalID string) relayed {
	t.Helper()
	list := r.all(logicalID)
	if len(list) == 0 {
		t.Fatalf("no event of %s has arrived", logicalID)
	}
	return list[len(list)-1]
}

// all returns all events of a resource, oldest first.
func (r *relay) all(logicalID string) []relayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events[logicalID])
}
