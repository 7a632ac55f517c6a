package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// answerServer receives responses to custom resource requests that a test sends in
// CloudFormation's place.
type answerServer struct {
	origin string

	mu      sync.Mutex
	answers map[string][]answer // by path
}

// answer is the response to a custom resource request. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
type answer struct{ Status, Reason, PhysicalResourceId string }

func newAnswerServer(t *testing.T) *answerServer {
	t.Helper()
	d := &answerServer{answers: map[string][]answer{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a answer
		if r.Method != http.MethodPut || json.NewDecoder(r.Body).Decode(&a) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.answers[r.URL.Path] = append(d.answers[r.URL.Path], a)
	}))
	t.Cleanup(server.Close)
	d.origin = server.URL
	return d
}

func (d *answerServer) at(path string) []answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.answers[path]
}

// expectAnswers waits until the given number of equal SUCCESS responses arrived at
// path.
func (l *launch) expectAnswers(path string, times int) {
	l.t.Helper()
	eventually(l.t, waitLimit, "responses to CloudFormation", func(context.Context) error {
		answers := l.answers.at(path)
		if len(answers) != times {
			return fmt.Errorf("got %d, want %d", len(answers), times)
		}
		for _, a := range answers {
			if a != answers[0] || a.Status != "SUCCESS" || a.PhysicalResourceId == "" {
				return fmt.Errorf("got %+v, want equal ones with SUCCESS", answers)
			}
		}
		return nil
	})
}
