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

// desk takes answers to CloudFormation where a test stands in for it.
type answerServer struct {
	origin string

	mu      sync.Mutex
	answers map[string][]answer // by path
}

// answer is what CloudFormation is told of a custom resource. See
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

// answered waits until CloudFormation has been answered so often at a path, and
// always the same.
func (l *launch) expectAnswers(path string, times int) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the answers to CloudFormation", func(context.Context) error {
		answers := l.answers.at(path)
		if len(answers) != times {
			return fmt.Errorf("%d came, not %d", len(answers), times)
		}
		for _, a := range answers {
			if a != answers[0] || a.Status != "SUCCESS" || a.PhysicalResourceId == "" {
				return fmt.Errorf("they are %+v", answers)
			}
		}
		return nil
	})
}
