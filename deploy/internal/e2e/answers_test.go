package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// answerServer is in the place of CloudFormation's bucket for events that a test
// delivers. Like the bucket, it accepts an answer only under the key of a genuine
// request.
type answerServer struct {
	origin string

	mu      sync.Mutex
	targets map[string]string   // ResponseURLs by path; empty if no one waits for the answer
	answers map[string][]answer // accepted, by path
	refused map[string]int      // by path
}

// answer is the response to a custom resource request. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
type answer struct{ Status, Reason, PhysicalResourceId string }

func newAnswerServer(t *testing.T) *answerServer {
	t.Helper()
	d := &answerServer{targets: map[string]string{}, answers: map[string][]answer{}, refused: map[string]int{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.origin = server.URL
	return d
}

func (d *answerServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var a answer
	if r.Method != http.MethodPut || err != nil || json.Unmarshal(body, &a) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	target, genuine := d.record(r.URL.Path, a)
	switch {
	case !genuine:
		w.WriteHeader(http.StatusForbidden) // S3's answer to a wrong signature
	case target != "":
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPut, target, bytes.NewReader(body))
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
	}
}

func (d *answerServer) record(path string, a answer) (target string, genuine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if target, genuine = d.targets[path]; genuine {
		d.answers[path] = append(d.answers[path], a)
	} else {
		d.refused[path]++
	}
	return target, genuine
}

// accept makes the answer to a request acceptable, passes it on to target, and
// returns its escaped path.
func (d *answerServer) accept(stack, resource, request, target string) (path string) {
	key := stack + "|" + resource + "|" + request
	d.mu.Lock()
	defer d.mu.Unlock()
	d.targets["/"+key] = target
	return "/" + url.PathEscape(key)
}

// url returns the ResponseURL of a request.
func (d *answerServer) url(stack, resource, request string) string {
	return d.origin + "/" + url.PathEscape(stack+"|"+resource+"|"+request)
}

func (d *answerServer) at(path string) []answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.answers[path]
}

func (d *answerServer) refusals(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused[path]
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
