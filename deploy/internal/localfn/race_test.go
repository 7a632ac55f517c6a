package localfn_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"countersign/deploy/internal/awsfix"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
	"countersign/handle/dynamo"
)

// pair is two processes over one DynamoDB table.
type pair struct {
	*crash
	store         handle.Store
	first, second *localfn.Process
}

// newPair starts two processes. The second's clock is ahead by ahead.
func newPair(t *testing.T, ahead time.Duration) *pair {
	t.Helper()
	if os.Getenv(endpointEnv) == "" {
		testtools.Missing(t, "DynamoDB Local, which .ci/with-dynamodb starts")
	}
	table := "requests-" + rand.Text()
	client := dynamodb.NewFromConfig(dynamoConfig())
	if _, err := client.CreateTable(t.Context(), dynamo.Table(table)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: aws.String(table)})
		if err != nil {
			t.Error(err)
		}
	})
	t.Setenv(tableEnv, table)
	w := &pair{crash: newCrash(t, &tally{}), store: dynamo.New(dynamoConfig(), awsfix.HTTPClient(&http.Client{Timeout: time.Minute}), table)}
	w.start()
	w.first = w.process
	c := w.config
	c.ClockOffset += ahead
	var err error
	if w.second, err = localfn.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.second.Kill)
	return w
}

// TestTwoProcessesRace sends an approval to one process and a rejection of the same
// request to another at the same time.
func TestTwoProcessesRace(t *testing.T) {
	w := newPair(t, 0)
	w.alternate()
	for range 30 {
		id := w.launch()
		w.run(t.Context())
		messages := w.live(id)
		if len(messages) != 1 {
			t.Fatalf("got %d messages with buttons, want 1", len(messages))
		}
		i, err := w.sandbox.Slack.ClickStale(sandbox.Bob, messages[0], string(handle.Reject))
		if err != nil || i.Opened == nil {
			t.Fatalf("the modal did not open: %v, %s", err, i.Notice)
		}
		var race sync.WaitGroup
		race.Go(func() {
			time.Sleep(mrand.N(4 * time.Millisecond))
			click, err := w.sandbox.Slack.ClickStale(sandbox.Ann, messages[0], string(handle.Approve))
			if err != nil || click.Failed {
				t.Errorf("approve: %v, %s", err, click.Notice)
			}
		})
		race.Go(func() {
			time.Sleep(mrand.N(4 * time.Millisecond))
			_, err := w.sandbox.Slack.Submit(sandbox.Bob, i.Opened.ID, map[string]map[string]string{"reason": {"reason": "not today"}})
			if err != nil {
				t.Error(err)
			}
		})
		race.Wait()
		if v, open := w.sandbox.Slack.Modal(sandbox.Bob); open { // the modal says that the rejection came too late
			if _, err := w.sandbox.Slack.CloseView(sandbox.Bob, v.ID); err != nil {
				t.Error(err)
			}
		}
	}
	w.run(t.Context())
	w.checkDecided(handle.Approved, handle.Rejected)
}

// alternate sends Slack's requests to both processes in turn.
func (w *pair) alternate() {
	var n atomic.Int64
	targets := []*url.URL{}
	for _, p := range []*localfn.Process{w.first, w.second} {
		u, err := url.Parse(p.Bot)
		if err != nil {
			w.t.Fatal(err)
		}
		targets = append(targets, u)
	}
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(targets[n.Add(1)%2])
	}})
	w.t.Cleanup(front.Close)
	w.sandbox.UseRemote(front.URL, w.first.Invoke)
}

// TestSweepRacesClick lets one process, whose clock is past the deadline, expire
// requests while the other records approvals of them.
func TestSweepRacesClick(t *testing.T) {
	w := newPair(t, 11*time.Hour)
	for range 3 {
		var ids []string
		for range 10 {
			ids = append(ids, w.launch())
		}
		w.run(t.Context())
		var race sync.WaitGroup
		// The sweep starts with the oldest request, the clicks with the newest.
		w.approve(ids[len(ids)-1], sandbox.Ann)
		race.Go(func() { w.sweep(w.second) })
		race.Go(func() {
			for _, id := range slices.Backward(ids[:len(ids)-1]) {
				w.approve(id, sandbox.Ann)
			}
		})
		race.Wait()
		w.sweep(w.second)
	}
	w.run(t.Context())
	w.checkDecided(handle.Approved, handle.Expired)
}

// sweep invokes the process's notifier with a scheduled event.
func (w *pair) sweep(p *localfn.Process) {
	const event = `{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`
	res, err := http.Post(p.Invoke, "application/json", strings.NewReader(event))
	if err != nil {
		w.t.Error(err)
		return
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		w.t.Errorf("sweep: got %d", res.StatusCode)
	}
}

// checkDecided checks that each request has one of these two decisions, that all
// signals state it, and that the stack ended accordingly.
func (w *pair) checkDecided(one, other handle.State) {
	t := w.t
	t.Helper()
	won := map[handle.State]int{}
	for _, id := range w.stacks {
		stack, _ := w.sandbox.CloudFormation.Stack(id)
		requests, err := w.store.OfStack(t.Context(), id)
		if err != nil || len(requests) != 1 {
			t.Fatalf("%s: %d requests, error %v", stack.Name, len(requests), err)
		}
		r := requests[0]
		won[r.State()]++
		if r.State() != one && r.State() != other {
			t.Errorf("%s is %s", stack.Name, r.State())
			continue
		}
		want, _ := r.SignalBody()
		if len(stack.Signals) == 0 || r.Signal == nil {
			t.Errorf("%s: %d signals, signal mark %+v", stack.Name, len(stack.Signals), r.Signal)
		}
		for _, s := range stack.Signals {
			var got handle.SignalBody
			if err := json.Unmarshal([]byte(s.Body), &got); err != nil || got != want {
				t.Errorf("%s is %s, and the signal was %s, error %v", stack.Name, r.State(), got.Status, err)
			}
		}
		end := fakecfn.RollbackComplete
		if r.State() == handle.Approved {
			end = fakecfn.CreateComplete
		}
		if stack.Status != end {
			t.Errorf("%s is %s, and its stack %s", stack.Name, r.State(), stack.Status)
		}
		if len(r.Votes) > 1 {
			t.Errorf("%s has %d votes, want 1", stack.Name, len(r.Votes))
		}
	}
	t.Log(fmt.Sprint(won))
	if won[one] == 0 || won[other] == 0 {
		t.Errorf("one side won every race: %v", won)
	}
}
